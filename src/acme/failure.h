/*
 * Why there is no certificate, as one sentence: what has failed, for which name, what to
 * do, and what the CA says.
 */
#ifndef ACME_FAILURE_H
#define ACME_FAILURE_H

#include "acme/client.h"

#define ACME_FAILURE_MAX 800

struct acme_failure {
	enum err rc;
	enum acme_challenge_kind tried; /* whose validation failed; ACME_OTHER: none */
	uint32_t retry_after_ms;        /* the CA wants us to wait; 0: it does not say */
	bool is_rate_limited;
	bool is_unanswerable; /* no challenge may be used */
	bool is_of_replaces;  /* the CA does not accept what is to be replaced */
	char text[ACME_FAILURE_MAX];
};

/* The CA, or the way to it, has failed while @doing: "an order". @answer may be NULL. */
void acme_failure_of_answer(struct acme_failure *f, const char *doing, const char *name,
	enum err rc, const struct acme_answer *answer, const struct why *why);

/* An order has failed with @problem. */
void acme_failure_of_problem(struct acme_failure *f, const char *doing, const char *name,
	const struct acme_problem *problem);

/* A validation has failed. @challenge has the error; NULL: the CA does not say which. */
void acme_failure_of_validation(struct acme_failure *f, const char *name,
	enum acme_challenge_kind kind, const struct acme_challenge *challenge);

/* Any other. */
void acme_failure_set(struct acme_failure *f, enum err rc, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
