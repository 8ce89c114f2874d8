/* Strings: small helpers over terminated text. */
#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

char *str_printf(const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

bool str_copy(char *to, size_t size, const char *text)
{
	size_t n = strlen(text);
	bool fits = n < size;

	if (!fits)
		n = size - 1;
	memcpy(to, text, n);
	to[n] = '\0';
	return fits;
}

bool str_replace(char **to, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return false;
	free(*to);
	*to = copy;
	return true;
}

bool str_has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix_nocase(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && strcasecmp(text + n - m, suffix) == 0;
}

void str_lower(char *text)
{
	for (; *text != '\0'; text++)
		*text = (char)tolower((unsigned char)*text);
}

const char *str_quote(char *to, size_t size, struct span text)
{
	size_t i, used = 0;

	for (i = 0; i < text.n && used + 5 <= size; i++) {
		uint8_t c = text.p[i];

		if (c < 0x20 || c >= 0x7f)
			used += (size_t)snprintf(to + used, size - used, "\\x%02x", c);
		else if (c == '\\' || c == '"')
			used += (size_t)snprintf(to + used, size - used, "\\%c", c);
		else
			to[used++] = (char)c;
	}
	to[used] = '\0';
	return to;
}

bool str_equal_secret(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), i;
	unsigned char differ = n != m;

	/* Every byte of @a is looked at, against @b or against itself. */
	for (i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ (i < m ? b[i] : (char)~a[i]));
	return differ == 0;
}

bool str_to_uint(const char *text, unsigned long max, unsigned long *out)
{
	unsigned long v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		if (v > max / 10)
			return false;
		v = v * 10 + (unsigned long)(*text - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return true;
}

uint64_t str_digest(const char *text)
{
	uint64_t sum = 0xcbf29ce484222325U;

	for (; *text != '\0'; text++)
		sum = (sum ^ (unsigned char)*text) * 0x100000001b3U;
	return sum != 0 ? sum : 1;
}
