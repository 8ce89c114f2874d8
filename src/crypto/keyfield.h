/*
 * What SSH keys and signatures are made of, RFC 4251 section 5: string and mpint.
 *
 * The readers take from the front and say false, taking nothing, when there is no field.
 */
#ifndef CRYPTO_KEYFIELD_H
#define CRYPTO_KEYFIELD_H

#include "base/buf.h"

bool keyfield_string(struct span *in, struct span *out);

/* A number above zero in its only legal form; @out is its magnitude, big endian. */
bool keyfield_mpint(struct span *in, struct span *out);

enum err keyfield_put_string(struct buf *out, struct span s);

/* @magnitude is big endian and may begin with zeros. */
enum err keyfield_put_mpint(struct buf *out, struct span magnitude);

#endif
