/* For tests: what a TLS server and a client of it need. */
#ifndef NET_CONTEXTS_TEST_H
#define NET_CONTEXTS_TEST_H

#include <unistd.h>

#include "crypto/certificate_test.h"
#include "net/tls_priv.h"

/* A server with a certificate of its own, in files, and a client that looks at none. */
static inline void test_contexts_make(struct tls_context **server,
	struct tls_context **client)
{
	char cert_file[40], key_file[40];
	struct tls_server_options s = { .cert_file = cert_file, .key_file = key_file };
	struct tls_client_options c = { .skip_verify = true };
	struct test_certificate own;

	snprintf(cert_file, sizeof(cert_file), "/tmp/adit-test-%d.crt", getpid());
	snprintf(key_file, sizeof(key_file), "/tmp/adit-test-%d.key", getpid());
	test_certificate_init(&own, "DNS:here");
	test_certificate_save(&own, cert_file, key_file);
	test_certificate_fini(&own);
	assert_int_equal(tls_context_new_server(&s, server, NULL), ERR_OK);
	assert_int_equal(tls_context_new_client(&c, client, NULL), ERR_OK);
	unlink(cert_file);
	unlink(key_file);
}

#endif
