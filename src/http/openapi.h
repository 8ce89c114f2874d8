/* The description of an API for programs: OpenAPI 3.0, from its table of operations. */
#ifndef HTTP_OPENAPI_H
#define HTTP_OPENAPI_H

#include "http/api.h"

/* Appends it. Operations without a summary are left out. ERR_NOMEM, ERR_LIMIT. */
enum err openapi_put(const struct api_options *api, const char *title,
	const char *version, struct buf *out) MUST_USE;

#endif
