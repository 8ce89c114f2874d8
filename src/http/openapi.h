/* The OpenAPI 3.0 description of an API, made from its table of operations. */
#ifndef HTTP_OPENAPI_H
#define HTTP_OPENAPI_H

#include "http/api.h"

/* Appends the description, without operations that have no summary. ERR_NOMEM,
 * ERR_LIMIT. */
enum err openapi_put(const struct api_options *api, const char *title,
	const char *version, struct buf *out) MUST_USE;

#endif
