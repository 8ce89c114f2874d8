/*
 * The agents of the panel: machines that were enrolled with a token, and have a
 * certificate of the relay's private CA. Their rights are the relay's to change.
 */
#ifndef PANEL_PANEL_AGENT_H
#define PANEL_PANEL_AGENT_H

#include "base/buf.h"
#include "base/list.h"
#include "panel/panel_tunnel.h"

#define PANEL_AGENTS_MAX 5000 /* with those that were revoked */
#define PANEL_SERIAL_SIZE 41
#define PANEL_TOKEN_CHARS 64
#define PANEL_TOKEN_MS (10 * 60 * 1000)
#define PANEL_SECRET_SIZE 33

struct authority;
struct panel;
struct panel_caller;

struct panel_agent {
	char label[PANEL_LABEL_SIZE];
	char serial[PANEL_SERIAL_SIZE]; /* of its certificate, hexadecimal, upper case */
	struct field_list capabilities, sites; /* owned */
	char method[16];                       /* "hardware-bound": the key is its own */
	char *certificate;                     /* PEM; owned */
	char secret[PANEL_SECRET_SIZE];        /* password of a stock client */
	uint64_t created_ms, expires_ms, revoked_ms; /* wall clock; 0: not revoked */
	struct list in_panel;                        /* the panel's */
	struct map_node by_label;
};

/* By label; NULL: there was none. Good until the next change of an agent. */
const struct panel_agent *panel_find_agent(const struct panel *p, const char *label);

/* All, by no order, revoked ones included; @a NULL: the first. NULL: no more. */
const struct panel_agent *panel_next_agent(const struct panel *p,
	const struct panel_agent *a);

/* Is it enrolled: neither revoked nor expired? NULL is fine. */
bool panel_agent_is_good(const struct panel_agent *a);

bool panel_agent_has(const struct panel_agent *a, const char *capability);

/* Was the certificate with this serial number revoked? */
bool panel_is_revoked(const struct panel *p, const char *serial);

/* ---- the private CA: "pki/ca.crt" and "pki/ca.key" in the state directory ---- */

/*
 * Reads it, or makes it at first use. Good as long as the panel.
 * ERR_SYNTAX: what is there is none.  ERR_SYS: it cannot be read or written.
 */
enum err panel_authority(struct panel *p, const struct authority **out,
	struct why *why) MUST_USE;

/* ---- operations: each is one transaction ---- */

/* Rights of an agent; lists are copied. */
struct panel_rights {
	/* "tunnels:read" is always one; NULL: as they are, of a change. */
	const struct field_list *capabilities;
	const struct field_list *sites; /* NULL: none, or as they are */
};

/* Is it one that the panel knows? */
bool panel_capability_is_good(const char *text);

/*
 * Makes a token, by which one machine can enrol as @label within PANEL_TOKEN_MS. It
 * replaces another one of the label. It is not stored: only its digest is.
 * ERR_EXISTS: an agent is enrolled so.  ERR_LIMIT: too many.
 */
enum err panel_make_token(struct panel *p, const struct panel_caller *caller,
	const char *label, const struct panel_rights *rights,
	char token[PANEL_TOKEN_CHARS + 1], uint64_t *expires_ms,
	struct why *why) MUST_USE;

/* ERR_NOENT: there is none for the label. */
enum err panel_drop_token(struct panel *p, const struct panel_caller *caller,
	const char *label, struct why *why) MUST_USE;

/*
 * Enrols the holder of the token, and gives it a certificate for the key of the request.
 * The first agent gets the tunnels that have no owner.
 *
 * ERR_DENIED: the token is unknown, used or too old.  ERR_SYNTAX, ERR_CRYPTO, ERR_LIMIT:
 * the request, which does not use up the token.
 */
enum err panel_enrol(struct panel *p, const char *token, struct span csr_pem,
	const struct panel_agent **out, struct why *why) MUST_USE;

/*
 * Enrols @label without a token: the relay makes the key, and writes it with the
 * certificate to a PKCS#12 file, "pki/agents/LABEL/client.p12", in the encryption that
 * keychains import, with the random @password. Until it is revoked the file stays.
 * ERR_EXISTS, ERR_LIMIT: as for a token.  ERR_SYS: the file cannot be written.
 */
#define PANEL_P12_PASSWORD_SIZE 33
enum err panel_make_p12(struct panel *p, const struct panel_caller *caller,
	const char *label, const struct panel_rights *rights,
	char password[PANEL_P12_PASSWORD_SIZE], const struct panel_agent **out,
	struct why *why) MUST_USE;

/* Appends the file to @out. ERR_NOENT: there is none for the label. */
enum err panel_read_p12(const struct panel *p, const char *label, struct buf *out,
	struct why *why) MUST_USE;

/* A new certificate for an agent, whose old one is revoked. Errors of the request as
 * above. */
enum err panel_renew(struct panel *p, const struct panel_agent *a, struct span csr_pem,
	const struct panel_agent **out, struct why *why) MUST_USE;

/* ERR_NOENT: no agent is enrolled so. Its tunnels stay, and nothing serves them. */
enum err panel_revoke(struct panel *p, const struct panel_caller *caller,
	const char *label, struct why *why) MUST_USE;

enum err panel_set_rights(struct panel *p, const struct panel_caller *caller,
	const char *label, const struct panel_rights *rights, struct why *why) MUST_USE;

/* Tokens that wait for their agent; @t NULL: the first. NULL: no more. */
struct panel_token;
const struct panel_token *panel_next_token(const struct panel *p,
	const struct panel_token *t);

#endif
