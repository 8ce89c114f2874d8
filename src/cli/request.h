/* One request to a program of this machine, and its response, on a loop of its own. */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <jansson.h>

#include "http/client.h"

#define REQUEST_MS 5000 /* the longest wait for a response */

struct request {
	const char *peer;                  /* for errors: "the relay" */
	struct http_client_options client; /* without the loop */
	const char *method, *target;
	const char *headers; /* as those of a struct http_client_request */
	const char *body;    /* JSON, or NULL */
	bool is_bare; /* of the panel: the data is the whole response, and an error is
		       * {"error": text, "details": ...} */
};

/*
 * *@data is the response's "data" (portal-protocol 2.2): json_decref() it.
 * ERR_PROTO: the peer refuses, or does not speak the protocol.  Others are those of
 * connecting.
 */
enum err request_send(const struct request *q, json_t **data, struct why *why) MUST_USE;

#endif
