/* The private key format of OpenSSH ("openssh-key-v1"), without encryption. */
#ifndef CRYPTO_OPENSSH_KEY_H
#define CRYPTO_OPENSSH_KEY_H

#include <openssl/evp.h>

#include "base/err.h"
#include "base/span.h"

/*
 * Reads the bytes of an "OPENSSH PRIVATE KEY", out of their PEM armour; *@out is freed
 * with EVP_PKEY_free(). That the halves of the key belong together is not checked.
 * ERR_DENIED: encrypted.  ERR_SYNTAX.
 */
enum err openssh_key_parse(struct span in, EVP_PKEY **out, struct why *why) MUST_USE;

#endif
