/* Requests to the relay on this machine, over the admin socket in its state directory. */
#ifndef CLI_ADMIN_REQUEST_H
#define CLI_ADMIN_REQUEST_H

#include <jansson.h>

#include "base/err.h"

/*
 * Sends a request and waits for the response, a few seconds at most. @body is JSON, or
 * NULL. *@data is the response's "data", or, of a target under /api/, which the panel
 * answers, the whole response: json_decref() it.
 *
 * ERR_NOENT: no relay serves from @directory.  ERR_AGAIN: one has the directory, and does
 * not serve now.  ERR_DENIED: this user may not.  ERR_PROTO: the relay refuses.
 */
enum err admin_request(const char *directory, const char *method, const char *target,
	const char *body, json_t **data, struct why *why) MUST_USE;

#endif
