/*
 * Challenges: sign-ins of one kind that somebody has asked for and not yet signed. Each
 * is a SIWE text that lives for two minutes. portal-protocol 2.6, 4.
 *
 * They are in memory only, and bounded: one client has so many at a time, one network
 * too, and when all of them together are too many, the oldest go. A client is an address
 * of IPv4 or a /64 of IPv6, and a network a /48. The clock is clock_wall_ms().
 */
#ifndef TUNNEL_PORTAL_CHALLENGES_H
#define TUNNEL_PORTAL_CHALLENGES_H

#include "net/addr.h"
#include "tunnel/portal/random_id.h"
#include "tunnel/portal/siwe.h"

#define CHALLENGES_TTL_S 120
#define CHALLENGES_PER_CLIENT 32
#define CHALLENGES_PER_NETWORK 128
#define CHALLENGES_MAX 4096
#define CHALLENGES_BYTES_MAX (16u << 20) /* with what hangs on them */
#define CHALLENGES_TRIES_MAX 8 /* wrong answers, then it is gone: each costs us a look */

struct challenges;

/* Of what kind. The strings are borrowed: they outlive the challenges. */
struct challenges_options {
	const char *statement; /* "Register a portal lease" */
	const char *path;      /* "/sdk/register" */
	const char *prefix;    /* of ids: RANDOM_ID_CHALLENGE */
	bool is_plain;         /* the URI is http, not https */
};

enum err challenges_new(const struct challenges_options *o,
	struct challenges **out) MUST_USE;
void challenges_free(struct challenges *c); /* NULL is fine */

/* Drops those whose time is over, which happens by and by in any case. */
void challenges_sweep(struct challenges *c);

struct challenge_request {
	const char *domain;        /* where to: a host, and a port if there is one */
	const char *address;       /* who, in form */
	const struct addr *client; /* for whose bounds it counts */

	/* What the asker wants back with the answer, or NULL. Taken on success. */
	void *payload;
	void (*free_payload)(void *payload);
	size_t payload_bytes; /* about how large it is */
};

/* What the client is told. Good until the next call. */
struct challenge {
	const char *id;
	struct span text;
	struct timestamp expires_at;
};

/*
 * ERR_LIMIT: that client or its network has too many already.  ERR_SYNTAX: the domain is
 * none. ERR_NOMEM.
 */
enum err challenges_open(struct challenges *c, const struct challenge_request *req,
	struct challenge *out, struct why *why) MUST_USE;

/* Who has signed in, and for what: @payload is the caller's now. */
struct challenge_outcome {
	char address[ADDRESS_TEXT_SIZE];
	void *payload;
};

/*
 * Is the answer to the challenge @id right? If so the challenge is gone; if not it stays,
 * for another try, CHALLENGES_TRIES_MAX of them.
 *
 * ERR_NOENT: there is no such challenge, or its time is over.  ERR_PROTO: another text.
 * ERR_DENIED: signed by another, or by nobody.
 */
enum err challenges_answer(struct challenges *c, const char *id,
	const struct siwe_answer *answer, struct challenge_outcome *out,
	struct why *why) MUST_USE;

#endif
