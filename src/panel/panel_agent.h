/*
 * The agents of the panel: machines that were enrolled with a token, and have a
 * certificate of the relay's private CA. Their rights are the relay's to change.
 */
#ifndef PANEL_PANEL_AGENT_H
#define PANEL_PANEL_AGENT_H

#include "base/buf.h"
#include "base/list.h"
#include "panel/panel_tunnel.h"

#define PANEL_AGENTS_MAX 5000 /* with those that were revoked */
#define PANEL_SERIAL_SIZE 41
#define PANEL_TOKEN_CHARS 64
#define PANEL_TOKEN_MS (10 * 60 * 1000)
#define PANEL_SECRET_SIZE 33

struct panel;
struct panel_caller;

struct panel_agent {
	char label[PANEL_LABEL_SIZE];
	char serial[PANEL_SERIAL_SIZE]; /* of its certificate, hexadecimal, upper case */
	struct field_list capabilities, sites; /* owned */
	char method[16];                       /* "hardware-bound": the key is its own */
	char *certificate;                     /* PEM; owned */
	char secret[PANEL_SECRET_SIZE];        /* password of a stock client */
	uint64_t created_ms, expires_ms, revoked_ms; /* wall clock; 0: not revoked */
	struct list in_panel;                        /* the panel's */
	struct map_node by_label;
};

/* By label; NULL: there was none. Good until the next change of an agent. */
const struct panel_agent *panel_find_agent(const struct panel *p, const char *label);

/* All, by no order, revoked ones included; @a NULL: the first. NULL: no more. */
const struct panel_agent *panel_next_agent(const struct panel *p,
	const struct panel_agent *a);

/* Is it enrolled: neither revoked nor expired? NULL is fine. */
bool panel_agent_is_good(const struct panel_agent *a);

bool panel_agent_has(const struct panel_agent *a, const char *capability);

/* Was the certificate with this serial number revoked? */
bool panel_is_revoked(const struct panel *p, const char *serial);

#endif
