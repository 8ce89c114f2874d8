/*
 * The data types of SSH, RFC 4251 section 5, read from a span and put into a buf.
 *
 * Readers take from the front and say false, taking nothing, if the field is not there.
 * The puts are checked once, at the end, in the buf's @failed.
 */
#ifndef CRYPTO_SSH_DATA_H
#define CRYPTO_SSH_DATA_H

#include "base/buf.h"

/* A string; @out points into @in. */
bool ssh_get_string(struct span *in, struct span *out);
bool ssh_get_bool(struct span *in, bool *out);

/* An mpint above zero in its only legal form; @out is its magnitude, big endian. */
bool ssh_get_mpint(struct span *in, struct span *out);

void ssh_put_string(struct buf *b, struct span s);
void ssh_put_text(struct buf *b, const char *text);

/* @magnitude is big endian and may begin with zeros. */
void ssh_put_mpint(struct buf *b, struct span magnitude);

/* Takes the next name of a name-list; false at its end. */
bool ssh_list_next(struct span *list, struct span *name);

bool ssh_list_has(struct span list, struct span name);

/* The first name of @wanted that @offered has too: the client's list goes first. */
bool ssh_list_choose(struct span wanted, struct span offered, struct span *out);

#endif
