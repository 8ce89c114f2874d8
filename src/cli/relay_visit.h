/*
 * A relay from outside, for an agent that enrols there: whether it can be reached and is
 * the right one, and the enrolment itself. Each call waits for its response. TLS is
 * always verified.
 */
#ifndef CLI_RELAY_VISIT_H
#define CLI_RELAY_VISIT_H

#include "agent/enrol.h"
#include "cli/request.h"

/* Points into itself: it is not moved. */
struct relay_visit {
	const struct enrol_relay *relay; /* borrowed */
	struct tls_context *tls;
	struct url proxy_url; /* what the environment asks for */
	struct dial_proxy proxy;
	bool has_proxy;
	char address[ADDR_TEXT_MAX]; /* of the relay; "": a proxy looks it up */
};

/*
 * Fills the zeroed @out. @ca_file replaces the system's roots, @pin all roots; NULL:
 * none.
 * relay_visit_fini() in any case.
 * ERR_USAGE: of the file, or of a variable for a proxy.
 */
enum err relay_visit_init(struct relay_visit *out, const struct enrol_relay *relay,
	const char *ca_file, const uint8_t *pin, struct why *why) MUST_USE;
void relay_visit_fini(struct relay_visit *v);

/*
 * Looks the relay up, connects, verifies its certificate, and compares the clocks. @why
 * has the first thing that is wrong, and what to do.
 */
enum err relay_visit_check(struct relay_visit *v, struct why *why) MUST_USE;

/* Enrols with @token; @key_pem is the key of @csr_pem. Errors and @out are those of
 * enrol_reply_read() and enrol_refusal(). */
enum err relay_visit_enrol(struct relay_visit *v, const char *token, struct span csr_pem,
	struct span key_pem, struct enrol_reply *out, struct why *why) MUST_USE;

#endif
