/*
 * Enrolment: an agent sends a one-time token and a request (CSR) with its key to a relay,
 * and gets a certificate. Here is what is written, what is read and what it means; the
 * caller has the connection.
 */
#ifndef AGENT_ENROL_H
#define AGENT_ENROL_H

#include "base/buf.h"
#include "text/names.h"
#include "text/timefmt.h"
#include "text/url.h"

#define ENROL_PATH "/api/enroll"
#define ENROL_HEALTH_PATH "/api/health" /* any response has the relay's clock */
#define ENROL_TOKEN_CHARS 64            /* hexadecimal */
#define ENROL_PIN_BYTES 32
#define ENROL_REPLY_MAX (256u << 10)
#define ENROL_CLOCK_S 300 /* a clock that is wrong by more is an error */
#define ENROL_ID_MAX 128  /* of a link, with its terminator */

/* ---- what the user writes ---- */

struct enrol_relay {
	char url[URL_TEXT_MAX];        /* "https://panel.example.com" */
	char host[NAMES_HOST_MAX + 1]; /* to connect to */
	uint16_t port;
	char authority[NAMES_HOST_MAX + 16]; /* for the Host header */
};

/* "panel.example.com", with a port, or as an https URL without a path.
 * ERR_USAGE: @why says what to write. */
enum err enrol_relay_parse(const char *text, struct enrol_relay *out,
	struct why *why) MUST_USE;

/* ERR_USAGE: not 64 hexadecimal digits. */
enum err enrol_token_check(const char *token, struct why *why) MUST_USE;

/* SHA-256 in base64, perhaps with "sha256//" in front as curl writes it. ERR_USAGE. */
enum err enrol_pin_parse(const char *text, uint8_t out[ENROL_PIN_BYTES],
	struct why *why) MUST_USE;

/*
 * The id for a link to the relay: its host, without "panel." or "tunnel." in front.
 * Returns @to.
 */
const char *enrol_link_id(const struct enrol_relay *relay, char to[ENROL_ID_MAX]);

/* ---- clocks ---- */

/* "Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110 5.6.7; the old forms are not read. */
enum err enrol_date_parse(struct span text, int64_t *out_s) MUST_USE;

/* Compares @now_s, of this machine, with the Date of a response. What is not a date
 * passes. ERR_DENIED: the clocks differ by more than ENROL_CLOCK_S; @why says by how
 * much, and what to do. */
enum err enrol_clock_check(struct span date, int64_t now_s, struct why *why) MUST_USE;

/* ---- the request and its reply ---- */

/* Appends the body. ERR_LIMIT, ERR_NOMEM. */
enum err enrol_request_put(const char *token, struct span csr_pem,
	struct buf *out) MUST_USE;

struct enrol_reply {
	char *cert, *ca, *label; /* owned, as all texts here; PEM: the first two */
	char *link_url;          /* where the agent connects; NULL: not said */
	char *fingerprint;       /* of the link's host key; NULL: not said */
	int64_t ends_s;          /* of the certificate, since 1970; as it says */
};

/*
 * Reads the body of a successful response, and checks that its certificate is of an agent
 * with the label and for the key @key_pem. enrol_reply_fini() in any case.
 * ERR_PROTO: it is not such a reply.  ERR_NOMEM.
 */
enum err enrol_reply_read(struct span body, struct span key_pem, struct enrol_reply *out,
	struct why *why) MUST_USE;
void enrol_reply_fini(struct enrol_reply *r);

/*
 * The URL of the link: as the reply says, with the port of @relay if it is the same host;
 * or the tunnel host of the domain whose panel @relay is. ERR_PROTO: neither.
 */
enum err enrol_link_url(const struct enrol_relay *relay, const struct enrol_reply *reply,
	char to[URL_TEXT_MAX], struct why *why) MUST_USE;

/* A response of another status: ERR_DENIED for 401, else ERR_PROTO. @why says why, with
 * the relay's words in @body if it has some, and what to do. */
enum err enrol_refusal(const struct enrol_relay *relay, unsigned status, struct span body,
	struct why *why) MUST_USE;

#endif
