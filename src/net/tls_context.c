/* A context is the settings of TLS: certificates, keys, trusted authorities. */
#include "net/tls_priv.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "crypto/pem.h"
#include "crypto/remote_key.h"
#include "net/addr.h"

/*
 * AES-128 first, as in Go and in browsers: processors support its SHA-256 in hardware,
 * but not SHA-384. A client without AES in hardware prefers ChaCha20, and gets it.
 */
#define TLS_SUITES \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* Of TLS 1.2: with forward secrecy, and a key that only signs (portal-protocol 8.5). */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

const char *tls_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	return reason != NULL ? reason : "unknown error";
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
	atomic_fetch_add(&ctx->refs, 1);
	return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
	if (ctx == NULL || atomic_fetch_sub(&ctx->refs, 1) > 1)
		return;
	SSL_SESSION_free(ctx->session);
	SSL_CTX_free(ctx->ssl);
	remote_key_unref(ctx->key);
	BIO_meth_free(ctx->bio);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx);
}

/* One name, preceded by its length (RFC 7301 3.1). */
static enum err tls_context_set_alpn(struct tls_context *ctx, const char *name,
	struct why *why)
{
	size_t n = name != NULL ? strlen(name) : 0;

	if (name == NULL)
		return ERR_OK;
	if (n == 0 || n >= sizeof(ctx->alpn))
		return err_set(why, ERR_USAGE,
			"ALPN: \"%.100s\" is not the name of a protocol", name);
	ctx->alpn[0] = (unsigned char)n;
	memcpy(ctx->alpn + 1, name, n);
	ctx->alpn_n = (unsigned)n + 1;
	return ERR_OK;
}

static int tls_context_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
	const unsigned char *in, unsigned in_n, void *arg)
{
	const struct tls_context *ctx = arg;
	const char *proven = tls_proven_protocol(ssl);
	unsigned char *chosen;

	if (proven != NULL) { /* the client offers it: it was looked at before */
		*out = (const unsigned char *)proven;
		*out_n = (unsigned char)strlen(proven);
		return SSL_TLSEXT_ERR_OK;
	}
	if (ctx->alpn_n == 0)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto(&chosen, out_n, ctx->alpn, ctx->alpn_n, in, in_n) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static enum err tls_no_memory(struct why *why)
{
	(void)err_set(why, ERR_NOMEM, "no memory for TLS");
	return ERR_NOMEM;
}

static enum err tls_context_new(struct tls_context **out, struct why *why)
{
	struct tls_context *ctx = mem_new(ctx);

	if (ctx == NULL)
		return tls_no_memory(why);
	atomic_init(&ctx->refs, 1);
	pthread_mutex_init(&ctx->lock, NULL);
	ctx->bio = tls_bio_method_new();
	ctx->ssl = SSL_CTX_new(TLS_method());
	if (ctx->bio == NULL || ctx->ssl == NULL) {
		tls_context_free(ctx);
		return tls_no_memory(why);
	}
	SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx->ssl,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_ciphersuites(ctx->ssl, TLS_SUITES);
	SSL_CTX_set_mode(ctx->ssl,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx->ssl, 1);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_num_tickets(ctx->ssl, 0); /* tls.c sends one later */
	/* An encrypted key is an error: a server cannot ask for a password. */
	SSL_CTX_set_default_passwd_cb(ctx->ssl, pem_no_password);
	*out = ctx;
	return ERR_OK;
}

static enum err tls_context_set_min(struct tls_context *ctx, unsigned version,
	struct why *why)
{
	if (version != 0 && SSL_CTX_set_min_proto_version(ctx->ssl, (int)version) != 1)
		return err_set(why, ERR_USAGE, "unknown TLS version 0x%04x", version);
	return ERR_OK;
}

/* ---- certificates and keys ---- */

static enum err tls_context_use_pem(struct tls_context *ctx, struct span pem,
	struct why *why)
{
	X509 *cert = pem_next_certificate(&pem);
	bool is_good = cert != NULL && SSL_CTX_use_certificate(ctx->ssl, cert) == 1;

	X509_free(cert);
	while (is_good && (cert = pem_next_certificate(&pem)) != NULL) {
		is_good = SSL_CTX_add1_chain_cert(ctx->ssl, cert) == 1;
		X509_free(cert);
	}
	if (!is_good)
		return err_set(why, ERR_SYNTAX, "there is no usable certificate: %s",
			tls_reason());
	return ERR_OK;
}

/* A remote key. */
static enum err tls_context_use_remote(struct tls_context *ctx,
	const struct tls_server_options *o, struct why *why)
{
	enum err rc = tls_context_use_pem(ctx, o->cert_pem, why);

	if (rc != ERR_OK)
		return rc;
	ERR_clear_error();
	if (SSL_CTX_use_PrivateKey(ctx->ssl, remote_key_pkey(o->key)) != 1 ||
		SSL_CTX_check_private_key(ctx->ssl) != 1)
		return err_set(why, ERR_SYNTAX,
			"the key does not belong to the certificate: %s", tls_reason());
	ctx->key = remote_key_ref(o->key);
	if (!o->is_key_instant)
		SSL_CTX_set_mode(ctx->ssl, SSL_MODE_ASYNC);
	return ERR_OK;
}

static enum err tls_context_check_file(const char *path, const char *noun,
	struct why *why)
{
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return err_sys(why, errno, "cannot read the %s %.150s", noun, path);
	fclose(file);
	return ERR_OK;
}

static enum err tls_context_use_pair(struct tls_context *ctx, const char *cert_file,
	const char *key_file, struct why *why)
{
	enum err rc = tls_context_check_file(cert_file, "certificate", why);

	if (rc == ERR_OK)
		rc = tls_context_check_file(key_file, "key", why);
	if (rc != ERR_OK)
		return rc;
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx->ssl, cert_file) != 1)
		return err_set(why, ERR_SYNTAX, "%.150s has no usable certificate: %s",
			cert_file, tls_reason());

	/* Loading the key compares it with the certificate, and so does the check. */
	if (SSL_CTX_use_PrivateKey_file(ctx->ssl, key_file, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(ctx->ssl) != 1) {
		bool is_other = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509;

		return err_set(why, ERR_SYNTAX,
			is_other ?
				"the key %.100s does not belong to the certificate %.100s" :
				"%.100s has no usable key (not PEM, or encrypted) for %.100s",
			key_file, cert_file);
	}
	return ERR_OK;
}

/* The certificates of one file become roots. A server also names them when it requests
 * a client certificate. */
static enum err tls_context_trust_file(struct tls_context *ctx, const char *path,
	bool is_for_clients, struct why *why)
{
	enum err rc = tls_context_check_file(path, "CA file", why);

	if (rc != ERR_OK)
		return rc;
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ctx->ssl, path) != 1 ||
		(is_for_clients &&
			SSL_add_file_cert_subjects_to_stack(SSL_CTX_get_client_CA_list(
								    ctx->ssl),
				path) != 1))
		return err_set(why, ERR_SYNTAX, "the CA file %.150s has no certificate",
			path);
	return ERR_OK;
}

static bool tls_context_is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* All files in the directory, whatever their names; its subdirectories are ignored. */
static enum err tls_context_trust_directory(struct tls_context *ctx,
	const char *directory, struct why *why)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	char path[PATH_MAX];
	unsigned count = 0;
	enum err rc = ERR_OK;

	if (dir == NULL)
		return err_sys(why, errno, "cannot read the CA directory %.150s",
			directory);
	while (rc == ERR_OK && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (tls_context_is_directory(path))
			continue;
		rc = tls_context_trust_file(ctx, path, true, why);
		count++;
	}
	closedir(dir);
	if (rc == ERR_OK && count == 0)
		return err_set(why, ERR_SYNTAX,
			"the CA directory %.150s has no certificate", directory);
	return rc;
}

static enum err tls_context_require_clients(struct tls_context *ctx, const char *ca_path,
	struct why *why)
{
	static const unsigned char id[] = "adit";
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	if (names == NULL)
		return err_set(why, ERR_NOMEM, "no memory for TLS");
	SSL_CTX_set_client_CA_list(ctx->ssl, names); /* the context owns it now */
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
		NULL);
	SSL_CTX_set_session_id_context(ctx->ssl, id, sizeof(id) - 1);
	if (tls_context_is_directory(ca_path))
		return tls_context_trust_directory(ctx, ca_path, why);
	return tls_context_trust_file(ctx, ca_path, true, why);
}

enum err tls_context_new_server(const struct tls_server_options *o,
	struct tls_context **out, struct why *why)
{
	struct tls_context *ctx;
	enum err rc = tls_context_new(&ctx, why);

	if (rc != ERR_OK)
		return rc;
	if (o->choose != NULL)
		tls_context_choose(ctx, o->choose, o->choose_arg);
	else if (o->key != NULL)
		rc = tls_context_use_remote(ctx, o, why);
	else
		rc = tls_context_use_pair(ctx, o->cert_file, o->key_file, why);
	if (rc == ERR_OK)
		rc = tls_context_set_min(ctx, o->min_version, why);
	if (rc == ERR_OK && SSL_CTX_set_cipher_list(ctx->ssl, TLS_CIPHERS) != 1)
		rc = err_set(why, ERR_CRYPTO, "OpenSSL lacks the ciphers " TLS_CIPHERS);
	if (rc == ERR_OK && o->ca_path != NULL)
		rc = tls_context_require_clients(ctx, o->ca_path, why);
	if (rc == ERR_OK)
		rc = tls_context_set_alpn(ctx, o->alpn, why);
	if (rc != ERR_OK) {
		tls_context_free(ctx);
		return rc;
	}
	if (ctx->alpn_n > 0 || o->choose != NULL)
		SSL_CTX_set_alpn_select_cb(ctx->ssl, tls_context_on_alpn, ctx);
	*out = ctx;
	return ERR_OK;
}

/* A certificate that is not a root may be trusted, too: of a relay only its chain is
 * known. */
static enum err tls_context_trust_pem(struct tls_context *ctx, struct span pem,
	struct why *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx->ssl);
	unsigned count = 0;
	X509 *cert;

	while ((cert = pem_next_certificate(&pem)) != NULL) {
		count += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	if (count == 0)
		return err_set(why, ERR_SYNTAX, "there is no certificate to trust");
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx->ssl),
		X509_V_FLAG_PARTIAL_CHAIN);
	return ERR_OK;
}

static enum err tls_context_trust_servers(struct tls_context *ctx,
	const struct tls_client_options *o, struct why *why)
{
	ctx->skip_verify = o->skip_verify;
	if (o->skip_verify)
		return ERR_OK; /* OpenSSL's clients verify nothing by default */
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, NULL);
	if (o->pin != NULL) {
		memcpy(ctx->pin, o->pin, sizeof(ctx->pin));
		tls_context_use_pin(ctx);
		return ERR_OK;
	}
	if (o->ca_pem.n > 0)
		return tls_context_trust_pem(ctx, o->ca_pem, why);
	if (o->more_ca_file != NULL) {
		enum err rc = tls_context_trust_file(ctx, o->more_ca_file, false, why);

		if (rc != ERR_OK)
			return rc;
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx->ssl),
			X509_V_FLAG_PARTIAL_CHAIN);
	}
	if (o->ca_file != NULL)
		return tls_context_trust_file(ctx, o->ca_file, false, why);
	if (SSL_CTX_set_default_verify_paths(ctx->ssl) != 1)
		return err_set(why, ERR_SYS, "cannot use the system's certificates: %s",
			tls_reason());
	return ERR_OK;
}

/* ---- a client's sessions ---- */

/* Sessions of TLS 1.3 arrive after the handshake. There may be several; the last one is
 * kept. */
static int tls_context_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_SESSION *old;

	if (host == NULL || strlen(host) >= sizeof(ctx->session_host))
		return 0; /* not kept */
	pthread_mutex_lock(&ctx->lock);
	old = ctx->session;
	ctx->session = session;
	memcpy(ctx->session_host, host, strlen(host) + 1);
	pthread_mutex_unlock(&ctx->lock);
	SSL_SESSION_free(old);
	return 1;
}

static void tls_context_keep_sessions(struct tls_context *ctx)
{
	ctx->keeps_session = true;
	SSL_CTX_set_app_data(ctx->ssl, ctx);
	SSL_CTX_set_session_cache_mode(ctx->ssl,
		SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx->ssl, tls_context_on_session);
}

void tls_context_offer_session(struct tls_context *ctx, SSL *ssl, const char *server_name)
{
	if (!ctx->keeps_session || server_name == NULL)
		return;
	pthread_mutex_lock(&ctx->lock);
	if (ctx->session != NULL && strcmp(ctx->session_host, server_name) == 0)
		(void)SSL_set_session(ssl, ctx->session);
	pthread_mutex_unlock(&ctx->lock);
}

enum err tls_context_new_client(const struct tls_client_options *o,
	struct tls_context **out, struct why *why)
{
	struct tls_context *ctx;
	enum err rc;

	if ((o->cert_file == NULL) != (o->key_file == NULL))
		return err_set(why, ERR_USAGE,
			"a client certificate needs both files, not only %.150s",
			o->cert_file != NULL ? o->cert_file : o->key_file);
	rc = tls_context_new(&ctx, why);
	if (rc != ERR_OK)
		return rc;
	rc = tls_context_trust_servers(ctx, o, why);
	if (rc == ERR_OK && o->cert_file != NULL)
		rc = tls_context_use_pair(ctx, o->cert_file, o->key_file, why);
	if (rc == ERR_OK)
		rc = tls_context_set_alpn(ctx, o->alpn, why);
	if (rc == ERR_OK)
		rc = tls_context_set_min(ctx, o->min_version, why);
	if (rc == ERR_OK && o->keeps_session)
		tls_context_keep_sessions(ctx);
	if (rc == ERR_OK && ctx->alpn_n > 0 &&
		SSL_CTX_set_alpn_protos(ctx->ssl, ctx->alpn, ctx->alpn_n) != 0)
		rc = err_set(why, ERR_NOMEM, "no memory for TLS");
	if (rc != ERR_OK) {
		tls_context_free(ctx);
		return rc;
	}
	*out = ctx;
	return ERR_OK;
}
