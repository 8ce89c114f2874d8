/* The text of a systemd unit: systemd.syntax(7), systemd.exec(5). */
#ifndef AGENT_SERVICE_SYSTEMD_UNIT_H
#define AGENT_SERVICE_SYSTEMD_UNIT_H

#include "agent/service.h"

/*
 * Appends the text for @s, whose texts are UTF-8 without control characters.
 * ERR_USAGE: systemd cannot run this program, name or directory.  ERR_LIMIT, ERR_NOMEM.
 */
enum err systemd_unit_print(const struct service *s, struct buf *out,
	struct why *why) MUST_USE;

#endif
