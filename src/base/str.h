/* Strings: small helpers over terminated text. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

/* An owned, formatted string, or NULL when memory is out. Freed with free(). */
char *str_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Copies @text into @to, cut to fit @size and always terminated. False if it was cut. */
bool str_copy(char *to, size_t size, const char *text);

/* Puts a copy of @text in the place of *@to, which is owned or NULL. False: no memory;
 * the former stays. */
bool str_replace(char **to, const char *text) MUST_USE;

bool str_has_prefix(const char *text, const char *prefix);
bool str_has_suffix_nocase(const char *text, const char *suffix);

/* A hash (FNV-1a) of texts that no adversary chooses; never 0. */
uint64_t str_digest(const char *text);

/* Lower-cases ASCII letters in place. */
void str_lower(char *text);

/*
 * Makes untrusted bytes fit for a log line or a terminal: control characters, quotes,
 * backslashes and bytes that are not ASCII become escapes. Cut to fit @size, terminated.
 * Returns @to.
 */
const char *str_quote(char *to, size_t size, struct span text);

/* Equal, in a time that depends on the lengths only: for secrets. */
bool str_equal_secret(const char *a, const char *b);

/* A decimal number of digits only, at most @max. False leaves @out alone. */
bool str_to_uint(const char *text, unsigned long max, unsigned long *out);

#endif
