/*
 * An identity is a key with a name: who holds a lease, or who a relay is.
 *
 * What comes from it (tokens, the host of a route) comes out the same as long as its file
 * is kept. It has secrets in it: identity_wipe() it.
 */
#ifndef TUNNEL_PORTAL_IDENTITY_H
#define TUNNEL_PORTAL_IDENTITY_H

#include "base/buf.h"
#include "text/base64.h"
#include "text/names.h"
#include "tunnel/portal/address.h"

#define IDENTITY_TOKEN_SECRET_MAX 255
#define IDENTITY_FILE_MAX 65536
#define IDENTITY_KEY_SIZE (NAMES_HOST_MAX + 1 + ADDRESS_TEXT_SIZE)

enum identity_kind {
	IDENTITY_CLIENT, /* its name is the label of its leases */
	IDENTITY_RELAY,  /* its name is the host that leases are under */
};

struct identity {
	enum identity_kind kind;
	char name[NAMES_HOST_MAX + 1]; /* in form; empty if it has none yet */
	char address[ADDRESS_TEXT_SIZE];
	struct k1_public key;
	uint8_t secret[K1_SECRET_BYTES];
	char token_secret[IDENTITY_TOKEN_SECRET_MAX + 1];

	/* A relay's, and empty otherwise. WireGuard's are kept for one that has them. */
	char ech_seed[17];
	char wireguard_public[BASE64_TEXT_SIZE(32)];
	char wireguard_private[BASE64_TEXT_SIZE(32)];
};

/* A new key, without a name. Never fails: see rand_bytes(). */
void identity_generate(enum identity_kind kind, struct identity *out);

/*
 * Reads the text of a file. Public key and address are made from the private key, and
 * must agree with what the text says of them; name and token secret may be missing.
 *
 * ERR_SYNTAX, ERR_LIMIT: @why says what is wrong, and repeats no secret.
 */
enum err identity_parse(enum identity_kind kind, struct span text, struct identity *out,
	struct why *why) MUST_USE;

/* Errors as those of names_parse_label() or, for a relay, names_parse_host(). */
enum err identity_set_name(struct identity *id, struct span name,
	struct why *why) MUST_USE;

/* Makes up what is missing, but for a relay's name. True: there was something missing. */
bool identity_complete(struct identity *id);

/* Writes the text of a file. The caller wipes @out. */
enum err identity_print(const struct identity *id, struct buf *out) MUST_USE;

void identity_wipe(struct identity *id);

/* "name:address" in lower case: under which leases are kept. Returns @to. */
const char *identity_key_print(const char *name, const char *address,
	char to[IDENTITY_KEY_SIZE]);

#endif
