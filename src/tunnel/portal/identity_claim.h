/*
 * A claim tells programs of this machine that an identity is in use: two with the same
 * one would take their lease from each other. It keeps no program from anything.
 */
#ifndef TUNNEL_PORTAL_IDENTITY_CLAIM_H
#define TUNNEL_PORTAL_IDENTITY_CLAIM_H

#include "tunnel/portal/identity.h"

/*
 * Claims @id, key and name, until the process ends or @fd is closed. ERR_EXISTS: another
 * has claimed it, which does not keep @fd from being a claim as well.  ERR_SYS: no claim
 * can be made. @fd is -1 unless there is one.
 */
enum err identity_claim(const struct identity *id, int *fd) MUST_USE;

#endif
