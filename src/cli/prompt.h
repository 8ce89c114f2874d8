/* Questions to a person at a terminal. */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* True if standard input and standard error are terminals. */
bool prompt_is_possible(void);

/*
 * Prints @question on standard error and reads a line, without white space at its ends;
 * what is typed is not shown if it @is_secret. Ctrl-C ends the program.
 * ERR_EOF: the input has ended.  ERR_LIMIT: it is too long.  ERR_SYS.
 */
enum err prompt_read(const char *question, bool is_secret, char *to, size_t size,
	struct why *why) MUST_USE;

#endif
