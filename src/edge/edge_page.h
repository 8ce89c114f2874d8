/*
 * Pages that visitors get in place of the app's answer: HTML, or JSON for a client that
 * accepts nothing else. They tell neither a version nor anything of the machine at home.
 */
#ifndef EDGE_EDGE_PAGE_H
#define EDGE_EDGE_PAGE_H

#include "http/server.h"

#define EDGE_REQUEST_ID_SIZE 17 /* 16 hexadecimal digits */

enum edge_page {
	EDGE_PAGE_OFFLINE,     /* the agent is not connected */
	EDGE_PAGE_NO_ANSWER,   /* the app does not answer */
	EDGE_PAGE_TIMED_OUT,   /* the app has not answered in time */
	EDGE_PAGE_PAUSED,      /* the tunnel is */
	EDGE_PAGE_UNKNOWN,     /* there is no such tunnel */
	EDGE_PAGE_MISDIRECTED, /* it is there, but not on this connection */
	EDGE_PAGE_NO_SIGN_IN,  /* the tunnel is not public */
	EDGE_PAGE_TOO_MANY,    /* requests or connections */
	EDGE_PAGE_TOO_LONG,    /* the request's body is */
	EDGE_PAGE_BUSY,        /* no memory, or too many requests wait for the agent */
};

struct edge_page_options {
	enum edge_page page;
	const char *host;  /* canonical; "": unknown */
	const char *id;    /* of the request */
	uint32_t retry_s;  /* of EDGE_PAGE_TOO_MANY */
	uint64_t body_max; /* of EDGE_PAGE_TOO_LONG */
	bool has_hsts;
	bool closes; /* the connection, in any case */
};

/* Answers @x, which is gone then. */
void edge_page_reply(struct http_exchange *x, const struct edge_page_options *o);

/* What the page says, for the log: "agent offline". */
const char *edge_page_name(enum edge_page page);

#define EDGE_HSTS "Strict-Transport-Security: max-age=31536000\r\n"

/* True: @head has Accept, and nothing but application/json in it. */
bool edge_page_wants_json(const struct http1_head *head);

#endif
