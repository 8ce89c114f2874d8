/* One request and its response, on a loop of its own. */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <jansson.h>

#include "http/client.h"

#define REQUEST_MS 5000 /* the longest wait for a response of this machine */
#define REQUEST_DATE_MAX 64

struct request {
	const char *peer;                  /* for errors: "the relay" */
	struct http_client_options client; /* without the loop */
	const char *method, *target;
	const char *headers; /* as those of a struct http_client_request */
	const char *body;    /* JSON, or NULL */
	bool is_bare; /* of the panel: the data is the whole response, and an error is
		       * {"error": text, "details": ...} */
	size_t response_max; /* 0: that of an API */
	uint32_t timeout_ms; /* 0: REQUEST_MS */
};

struct request_reply {
	unsigned status;
	struct buf body;
	char date[REQUEST_DATE_MAX]; /* the header; "": none */
};

/*
 * Gets a response of any status. request_reply_fini() in any case.
 * ERR_LIMIT, ERR_NOMEM. Others are those of connecting.
 */
enum err request_fetch(const struct request *q, struct request_reply *out,
	struct why *why) MUST_USE;
void request_reply_fini(struct request_reply *r); /* wiped */

/*
 * The same to a program of this machine. *@data is the response's "data" (portal-protocol
 * 2.2), or all of it if @q is bare: json_decref() it.
 * ERR_PROTO: the peer refuses, or does not speak the protocol.  Others are those of
 * connecting.
 */
enum err request_send(const struct request *q, json_t **data, struct why *why) MUST_USE;

#endif
