/*
 * Challenges: pending sign-ins of one kind. Each is a SIWE text that is valid for two
 * minutes. portal-protocol 2.6, 4.
 *
 * They are in memory only, and bounded for each client and each network; when the total
 * is too large, the oldest are dropped. A client is an address of IPv4 or a /64 of IPv6,
 * and a network a /48. The clock is clock_wall_ms().
 */
#ifndef TUNNEL_PORTAL_CHALLENGES_H
#define TUNNEL_PORTAL_CHALLENGES_H

#include "net/addr.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/random_id.h"
#include "tunnel/portal/siwe.h"

#define CHALLENGES_TTL_S 120
#define CHALLENGES_PER_CLIENT 32
#define CHALLENGES_PER_NETWORK 128
#define CHALLENGES_MAX 4096
#define CHALLENGES_BYTES_MAX (16u << 20) /* with their payloads */
#define CHALLENGES_TRIES_MAX 8 /* wrong responses: each costs a signature check */

struct challenges;

/* The strings are borrowed: they outlive the challenges. */
struct challenges_options {
	const char *statement; /* "Register a portal lease" */
	const char *path;      /* "/sdk/register" */
	const char *prefix;    /* of ids: RANDOM_ID_CHALLENGE */
	bool is_plain;         /* the URI is http, not https */
};

enum err challenges_new(const struct challenges_options *o,
	struct challenges **out) MUST_USE;
void challenges_free(struct challenges *c); /* NULL is fine */

/* Drops the expired ones; the other calls do so, too. */
void challenges_sweep(struct challenges *c);

struct challenge_request {
	const char *domain;        /* signed in to: a host, and a port if there is one */
	const char *address;       /* canonical */
	const struct addr *client; /* bounds are for each client */

	/* Given back by challenges_verify(), or NULL. Taken on success. */
	void *payload;
	void (*free_payload)(void *payload);
	size_t payload_bytes; /* its approximate size */
};

/*
 * ERR_LIMIT: that client or its network has too many.  ERR_SYNTAX: the domain is not
 * valid. ERR_NOMEM.
 */
enum err challenges_open(struct challenges *c, const struct challenge_request *req,
	struct message_challenge *out, struct why *why) MUST_USE;

/* The address that has signed in; @payload is the caller's now. */
struct challenge_outcome {
	char address[ADDRESS_TEXT_SIZE];
	void *payload;
};

/*
 * Verifies the response to the challenge @id. On success the challenge is removed; after
 * an error it stays for another try, CHALLENGES_TRIES_MAX of them.
 *
 * ERR_NOENT: the challenge is unknown or has expired.  ERR_PROTO: another text.
 * ERR_DENIED: not signed by the address.
 */
enum err challenges_verify(struct challenges *c, const char *id,
	const struct siwe_response *response, struct challenge_outcome *out,
	struct why *why) MUST_USE;

#endif
