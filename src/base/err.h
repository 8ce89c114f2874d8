/*
 * Errors: one enum for every call that can fail, and a sentence for the user.
 *
 * A call that fails leaves its out-parameters untouched.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
	ERR_OK = 0,
	ERR_AGAIN,   /* not now: wait for more bytes, room or an event */
	ERR_EOF,     /* the other side has sent its last byte */
	ERR_SYNTAX,  /* bytes or text that break the grammar */
	ERR_PROTO,   /* well-formed, but not allowed here */
	ERR_LIMIT,   /* a bound was reached */
	ERR_NOMEM,   /* out of memory */
	ERR_SYS,     /* a system call failed */
	ERR_CRYPTO,  /* a signature, key or authenticated packet is wrong */
	ERR_DENIED,  /* not authenticated or not authorised */
	ERR_EXISTS,  /* taken by another owner */
	ERR_NOENT,   /* there is no such thing */
	ERR_TIMEOUT, /* deadline exceeded */
	ERR_RESET,   /* the connection was reset */
	ERR_CLOSED,  /* closed, by us or by them */
	ERR_USAGE,   /* not a valid call in this state */
};

/* A sentence for the user, without a newline. Passed last, and may be NULL. */
struct why {
	char text[256];
};

/* A short name for @rc: "timed out", "out of memory". Never NULL. */
const char *err_name(enum err rc);

/* Writes the sentence into @why (if not NULL) and returns @rc. */
enum err err_set(struct why *why, enum err rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Like err_set(), and adds ": " and the text of @errnum. Returns ERR_SYS. */
enum err err_sys(struct why *why, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Static analysers do not see that err_set() returns @rc. */
#if defined(__clang_analyzer__) || defined(ANALYZER)
#define err_set(why, rc, ...) ((void)err_set(why, rc, __VA_ARGS__), (rc))
#define err_sys(why, errnum, ...) ((void)err_sys(why, errnum, __VA_ARGS__), ERR_SYS)
#endif

/* What to print for @rc: the sentence in @why if there is one, else the name. */
const char *err_text(enum err rc, const struct why *why);

#endif
