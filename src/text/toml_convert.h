/*
 * Values of one kind that stand for another, as Go's mapstructure converts them with weak
 * types. False: it does not stand for one; @out or @to is undefined then.
 */
#ifndef TEXT_TOML_CONVERT_H
#define TEXT_TOML_CONVERT_H

#include "text/toml.h"

#define TOML_CONVERTED_MAX 32

/* A number in decimal, without an exponent; true is "1", false "0". */
bool toml_convert_to_text(const struct toml_node *n, char to[TOML_CONVERTED_MAX]);

/*
 * A text in the notation of Go: "-2", "0x1f", "0b1", "017", "1_000"; "" is 0. Of a number
 * with a fraction, the whole part.
 */
bool toml_convert_to_number(const struct toml_node *n, int64_t *out);

/* A number, true unless 0; or "true", "True", "TRUE", "t", "T", "1", and so on, or "". */
bool toml_convert_to_flag(const struct toml_node *n, bool *out);

#endif
