/*
 * An identity is a key with a name. It is the holder of a lease, or a relay. It contains
 * secrets: identity_wipe() it.
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
	char name[NAMES_HOST_MAX + 1]; /* canonical; empty if it has none yet */
	char address[ADDRESS_TEXT_SIZE];
	struct k1_public key;
	uint8_t secret[K1_SECRET_BYTES];
	char token_secret[IDENTITY_TOKEN_SECRET_MAX + 1]; /* for stock programs */

	/* A relay's, else empty. WireGuard keys are only carried over. */
	char ech_seed[17];
	char wireguard_public[BASE64_TEXT_SIZE(32)];
	char wireguard_private[BASE64_TEXT_SIZE(32)];
};

/* A new key, without a name. Never fails: see rand_bytes(). */
void identity_generate(enum identity_kind kind, struct identity *out);

/*
 * Reads the text of a file. Public key and address are derived from the private key, and
 * must equal those in the text, if any; name and token secret may be missing.
 *
 * ERR_SYNTAX, ERR_LIMIT: @why says what is wrong, and repeats no secret.
 */
enum err identity_parse(enum identity_kind kind, struct span text, struct identity *out,
	struct why *why) MUST_USE;

/* Errors as those of names_parse_label() or, for a relay, names_parse_host(). */
enum err identity_set_name(struct identity *id, struct span name,
	struct why *why) MUST_USE;

/* Generates what is missing, except a relay's name. True: something was missing. */
bool identity_complete(struct identity *id);

/* Writes the text of a file. The caller wipes @out. */
enum err identity_print(const struct identity *id, struct buf *out) MUST_USE;

void identity_wipe(struct identity *id);

/* "name:address" in lower case, the key of leases. Returns @to. */
const char *identity_key_print(const char *name, const char *address,
	char to[IDENTITY_KEY_SIZE]);

/* ---- files: only their owner reads them ---- */

/* Where an identity comes from. All but @kind may be NULL or empty. */
struct identity_source {
	enum identity_kind kind;
	const char *path; /* of the file; without one, nothing is stored */
	const char *json; /* an identity as text; used instead of the file's */
	const char *name; /* used instead of any that is stored */
	/* @name is not stored: see identity_file_keep_name() */
	bool is_name_provisional;
};

/*
 * Loads the identity, or generates one. If it differs from what the file has, the file is
 * replaced atomically, with mode 0600; its directory must exist. A file that others can
 * read is closed to them (file_close_to_others()). A file that cannot be read as an
 * identity is not changed: it may be the only copy of a key.
 *
 * ERR_SYS: cannot read or write.  ERR_SYNTAX, ERR_LIMIT: the file, @json or @name is
 * wrong.  ERR_USAGE: a relay without a name.
 */
enum err identity_obtain(const struct identity_source *from, struct identity *out,
	struct why *why) MUST_USE;

/*
 * Stores the name of @id in its file, so that it is used the next time without @name.
 * Does nothing if the file does not exist, or has another key. Errors as above.
 */
enum err identity_file_keep_name(const char *path, const struct identity *id,
	struct why *why) MUST_USE;

/* ---- claims: programs of one machine that use the same identity find out ---- */

/*
 * Claims @id, key and name, until the process ends or @fd is closed. Two programs with
 * the same identity would take their lease from each other; the claim is only advisory.
 * ERR_EXISTS: another program has claimed it; @fd is a claim as well.  ERR_SYS: no claim
 * can be made. @fd is -1 unless there is one.
 */
enum err identity_claim(const struct identity *id, int *fd) MUST_USE;

#endif
