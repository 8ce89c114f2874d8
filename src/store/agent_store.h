/*
 * The agents of a relay's panel in the store: who is enrolled, tokens to enrol, and the
 * serial numbers of certificates that were revoked.
 */
#ifndef STORE_AGENT_STORE_H
#define STORE_AGENT_STORE_H

#include "store/store.h"

/* An agent that is enrolled, or was. Texts are borrowed, and "" where there is none. */
struct agent_row {
	const char *label;
	const char *serial;       /* of its certificate, hexadecimal */
	const char *capabilities; /* with commas between them, as the sites */
	const char *sites;
	const char *method;      /* how its key was made */
	const char *certificate; /* PEM */
	const char *secret;      /* for a stock client, which has no key */
	uint64_t created_ms, expires_ms, revoked_ms; /* wall clock; 0: not revoked */
};

/* A token that an agent enrols with, once. The token itself is not stored. */
struct enrol_token_row {
	const char *digest; /* SHA-256 of the token, hexadecimal */
	const char *label, *capabilities, *sites;
	uint64_t created_ms, expires_ms, used_ms; /* 0: not used */
};

struct revoked_row {
	const char *serial, *label;
	uint64_t at_ms;
};

/* ---- inside a transaction ---- */

/* Adds the row, or replaces the one with its label. */
enum err agent_store_put(struct store *s, const struct agent_row *row,
	struct why *why) MUST_USE;

/* Adds the row, and removes other tokens of its label. */
enum err agent_store_put_token(struct store *s, const struct enrol_token_row *row,
	struct why *why) MUST_USE;

/* Removes the tokens of @label. */
enum err agent_store_remove_token(struct store *s, const char *label,
	struct why *why) MUST_USE;

enum err agent_store_revoke(struct store *s, const struct revoked_row *row,
	struct why *why) MUST_USE;

/* ---- reading all of it; rows are good for the call ---- */

struct agent_store_reader {
	enum err (*on_agent)(void *arg, const struct agent_row *row);
	enum err (*on_token)(void *arg, const struct enrol_token_row *row);
	enum err (*on_revoked)(void *arg, const struct revoked_row *row);
	void *arg;
};

enum err agent_store_read(struct store *s, const struct agent_store_reader *reader,
	struct why *why) MUST_USE;

#endif
