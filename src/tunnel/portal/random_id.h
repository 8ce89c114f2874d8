/* Names of things that live for a while: a prefix and random digits, opaque to others. */
#ifndef TUNNEL_PORTAL_RANDOM_ID_H
#define TUNNEL_PORTAL_RANDOM_ID_H

#define RANDOM_ID_DIGITS 16
#define RANDOM_ID_SIZE 32

#define RANDOM_ID_CHALLENGE "rch_"
#define RANDOM_ID_WALLET_CHALLENGE "wac_"
#define RANDOM_ID_WALLET_SESSION "was_"
#define RANDOM_ID_TOKEN "tok_"
#define RANDOM_ID_AGENT "agent_"

/* "rch_0011223344556677". Returns @to. */
const char *random_id_make(const char *prefix, char to[RANDOM_ID_SIZE]);

#endif
