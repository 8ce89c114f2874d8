/* What a terminal shows: colours, and letters beyond ASCII. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

/* @fd is a terminal that moves its cursor and knows colours:
 * TERM is set and not "dumb". */
bool terminal_is_smart(int fd);

/* The same, and the user wants colours: NO_COLOR is not set. */
bool terminal_has_colours(int fd);

bool terminal_has_utf8(void);

/* 0: not known. */
unsigned terminal_columns(int fd);

#endif
