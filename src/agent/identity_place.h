/*
 * The file that has a tunnel's identity. portal-agent "Identity Layout":
 *
 *     identity_path             if the tunnel has one
 *     <state_dir>/identity.json           of the only tunnel
 *     <state_dir>/<id>/identity.json      of one of several
 *
 * Reusing an identity keeps the tunnel's address, so the file may not change when another
 * tunnel is added or removed: when a tunnel is not the only one any more, its
 * identity.json is copied to its folder; and a folder that has an identity stays in use.
 * Which tunnel has used identity.json is stored beside it.
 */
#ifndef AGENT_IDENTITY_PLACE_H
#define AGENT_IDENTITY_PLACE_H

#include "agent/config.h"

/*
 * The path for @t, a tunnel of @c. Makes folders, and copies identity.json if need be.
 * ERR_LIMIT: the path is too long.  ERR_SYS, ERR_NOMEM.
 */
enum err identity_place(const struct agent_config *c, const struct tunnel_config *t,
	char out[AGENT_PATH_MAX], struct why *why) MUST_USE;

#endif
