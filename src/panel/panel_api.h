/*
 * The panel's API: tunnels, agents and enrolment, with Portlama's paths, bodies and
 * codes. An error is {"error": text, "details": text or object}.
 *
 * The context of a call is the struct panel. Its caller is a local administrator
 * (is_local), or has a certificate of the private CA (client_name, client_serial):
 * "admin", or "agent:LABEL" with the capabilities that the panel has for it.
 */
#ifndef PANEL_PANEL_API_H
#define PANEL_PANEL_API_H

#include "http/api.h"

#define PANEL_LOCAL "local administrator"

extern const struct api_envelope panel_envelope;

extern const struct api_table panel_tunnel_table; /* api_tunnel.c */
extern const struct api_table panel_link_table;   /* api_link.c: of stock clients */
extern const struct api_table panel_agent_table;  /* api_agent.c */
extern const struct api_table panel_system_table; /* api_system.c */

/* All of them; the last is NULL. */
extern const struct api_table *const panel_tables[];

/* Answers with @status and {"error": @error, "details": @details}, which may be NULL. */
void panel_refuse(struct api_call *call, unsigned status, const char *error,
	const char *details);

#endif
