/* Parts of the panel's API, for its own files. */
#ifndef PANEL_PANEL_API_PRIV_H
#define PANEL_PANEL_API_PRIV_H

#include "panel/panel.h"
#include "panel/panel_api.h"
#include "panel/panel_body.h"

/* Who may call: an administrator; any agent too; an agent with a capability. */
extern const struct api_authority panel_admin, panel_any, panel_reader, panel_writer,
	panel_monitor;

/* The caller of a call whose authority was checked. */
struct panel_caller panel_caller_of(const struct api_call *call);

/* Refuses with the status that goes with @rc; @failed is the error of those whose details
 * are @why: "Tunnel creation failed". */
void panel_refuse_why(struct api_call *call, enum err rc, const struct why *why,
	const char *failed);

/*
 * Reads the body into @object, by the row's fields. False: it is not JSON, and the call
 * was refused. Call panel_body_fini() and field_fini() in both cases.
 */
bool panel_read(struct api_call *call, struct panel_body *body, void *object,
	struct panel_issues *issues) MUST_USE;

/* Refuses with what is wrong, if anything is. */
bool panel_refuse_issues(struct api_call *call, const struct panel_issues *issues);

#endif
