/* Errors: names and sentences. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_name(enum err rc)
{
	static const char *const names[] = {
		[ERR_OK] = "done",
		[ERR_AGAIN] = "not yet",
		[ERR_EOF] = "end of stream",
		[ERR_SYNTAX] = "malformed",
		[ERR_PROTO] = "protocol violation",
		[ERR_LIMIT] = "limit reached",
		[ERR_NOMEM] = "out of memory",
		[ERR_SYS] = "system error",
		[ERR_CRYPTO] = "verification failed",
		[ERR_DENIED] = "denied",
		[ERR_EXISTS] = "taken",
		[ERR_NOENT] = "not found",
		[ERR_TIMEOUT] = "timed out",
		[ERR_RESET] = "connection reset",
		[ERR_CLOSED] = "closed",
		[ERR_USAGE] = "misused",
	};

	if ((size_t)rc >= sizeof(names) / sizeof(names[0]))
		return "unknown error";
	return names[rc];
}

enum err(err_set)(struct why *why, enum err rc, const char *fmt, ...)
{
	va_list args;

	if (why != NULL) {
		va_start(args, fmt);
		vsnprintf(why->text, sizeof(why->text), fmt, args);
		va_end(args);
	}
	return rc;
}

enum err(err_sys)(struct why *why, int errnum, const char *fmt, ...)
{
	va_list args;
	size_t used;

	if (why != NULL) {
		va_start(args, fmt);
		vsnprintf(why->text, sizeof(why->text), fmt, args);
		va_end(args);
		used = strlen(why->text);
		snprintf(why->text + used, sizeof(why->text) - used, ": %s",
			strerror(errnum));
	}
	return ERR_SYS;
}

const char *err_text(enum err rc, const struct why *why)
{
	if (why != NULL && why->text[0] != '\0')
		return why->text;
	return err_name(rc);
}
