/* QR codes on a terminal, for a telephone to read. */
#ifndef CLI_QR_H
#define CLI_QR_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Draws @text with half blocks, two rows of the code in a line, if the descriptor
 * @terminal, where @out will be shown, is a terminal that shows them and has the room;
 * else does nothing.
 */
void qr_print(FILE *out, int terminal, const char *text);

/* The same for any @out. False: it needs more columns, or this program draws none. */
bool qr_draw(FILE *out, const char *text, unsigned columns, bool has_colours);

#endif
