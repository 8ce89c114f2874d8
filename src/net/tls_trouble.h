/* Why a client's handshake failed, as facts: the caller has the words, and the remedy. */
#ifndef NET_TLS_TROUBLE_H
#define NET_TLS_TROUBLE_H

#include "net/stream.h"

#define TLS_DETAIL_MAX 160

enum tls_trouble {
	TLS_TROUBLE_OTHER,
	TLS_TROUBLE_UNKNOWN_CA,
	TLS_TROUBLE_EXPIRED,           /* detail: when that was */
	TLS_TROUBLE_TOO_EARLY,         /* detail: from when on it is valid */
	TLS_TROUBLE_WRONG_NAME,        /* detail: the names it is for */
	TLS_TROUBLE_NO_TLS,            /* the peer answered with something else */
	TLS_TROUBLE_WANTS_CERTIFICATE, /* of the client, or another one than it showed */
};

/* After the handshake or the first read of @tls has failed. @detail may stay empty. */
enum tls_trouble tls_find_trouble(const struct stream *tls, char detail[TLS_DETAIL_MAX]);

#endif
