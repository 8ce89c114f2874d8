/*
 * What is said of an attempt that failed: stock Chisel's words first, where it has some,
 * then what was found, then what to do about it.
 */
#ifndef AGENT_LINK_TROUBLE_H
#define AGENT_LINK_TROUBLE_H

#include "agent/link.h"
#include "text/url.h"
#include "tunnel/chisel/connect.h"

#define LINK_TROUBLE_MAX 512

struct link_trouble {
	char text[LINK_TROUBLE_MAX];
	/* an account or the server's settings: asking again soon is no use */
	bool is_denied;
	bool is_login;
};

/* A connection that did not come about: @rc, @failure and @why are those of a connect. */
void link_trouble_of_connect(struct link_trouble *t, const struct link_client_options *o,
	const struct url *server, enum err rc, const struct connect_failure *failure,
	const struct why *why);

/* The server did not take the login. */
void link_trouble_of_login(struct link_trouble *t, const struct link_client_options *o,
	const char *words);

/* The server's key is another one than @expected. */
void link_trouble_of_key(struct link_trouble *t, const char *expected, const char *words);

/* The server refused the remotes. @words are its own. */
void link_trouble_of_refusal(struct link_trouble *t, const char *words);

/* Anything else. */
void link_trouble_of_session(struct link_trouble *t, const char *words);

#endif
