/* The text of a launchd property list: launchd.plist(5). */
#ifndef AGENT_SERVICE_LAUNCHD_PLIST_H
#define AGENT_SERVICE_LAUNCHD_PLIST_H

#include "agent/service.h"

#define LAUNCHD_LOG "agent.log" /* in the state directory */

/*
 * Appends the text for @s, whose texts are UTF-8 without control characters.
 * ERR_LIMIT, ERR_NOMEM.
 */
enum err launchd_plist_print(const struct service *s, struct buf *out,
	struct why *why) MUST_USE;

/* The label of @s. */
const char *launchd_label(const struct service *s);

#endif
