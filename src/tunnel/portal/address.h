/*
 * Addresses of wallets and identities: "0x" and 40 hexadecimal digits, the case of whose
 * letters is a checksum (EIP-55). Ours are always written with it.
 */
#ifndef TUNNEL_PORTAL_ADDRESS_H
#define TUNNEL_PORTAL_ADDRESS_H

#include "crypto/secp256k1.h"

#define ADDRESS_BYTES 20
#define ADDRESS_TEXT_SIZE 43 /* with the terminator */

/*
 * Takes digits in lower case only, in upper case only, or with the right checksum.
 * ERR_SYNTAX: anything else.
 */
enum err address_parse(struct span text, char out[ADDRESS_TEXT_SIZE]) MUST_USE;

/* The address that belongs to a key. Returns @to. */
const char *address_of_key(const struct k1_public *key, char to[ADDRESS_TEXT_SIZE]);

#endif
