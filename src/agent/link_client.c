/* The options of a link's client end, and its connection. */
#include "agent/link_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "crypto/hash.h"
#include "text/hex.h"
#include "text/proxy_env.h"

#define IDENTITY_BYTES 16
#define MACHINE_ID_BYTES 32
#define LINK_JSON_MAX (1u << 20)

/* Copies @text to @at, ends it at its first colon, and returns what is behind that. */
static char *link_cut(char *at, const char *text)
{
	size_t n = strcspn(text, ":");

	memcpy(at, text, strlen(text) + 1);
	if (at[n] == '\0')
		return at + n;
	at[n] = '\0';
	return at + n + 1;
}

/* Strings that are split are copied into one block of memory. */
static enum err link_read_texts(struct link_client *c, struct why *why)
{
	char *at;

	c->texts_n = c->o->auth != NULL ? strlen(c->o->auth) + 1 : 1;
	for (size_t i = 0; c->o->headers != NULL && c->o->headers[i] != NULL; i++)
		c->texts_n += strlen(c->o->headers[i]) + 1;
	at = c->texts = calloc(1, c->texts_n);
	if (at == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	c->user = c->o->key_user != NULL ? c->o->key_user : "";
	c->password = "";
	if (c->o->auth != NULL) {
		c->user = at;
		c->password = link_cut(at, c->o->auth);
		at += strlen(c->o->auth) + 1;
	}
	for (size_t i = 0; c->o->headers != NULL && c->o->headers[i] != NULL; i++) {
		char *value = link_cut(at, c->o->headers[i]);
		size_t n = strlen(c->o->headers[i]);

		if (i == LINK_HEADERS_MAX)
			return err_set(why, ERR_USAGE,
				"--header: at most %d may be given", LINK_HEADERS_MAX);
		value += strspn(value, " \t");
		value[span_trim(span_str(value)).n] = '\0';
		c->headers[c->headers_n++] = (struct websocket_header){ .name = at,
			.value = value };
		at += n + 1;
	}
	if (c->o->is_managed && c->headers_n < LINK_HEADERS_MAX)
		c->headers[c->headers_n++] =
			(struct websocket_header){ .name = MANAGED_HEADER,
				.value = c->user };
	return ERR_OK;
}

static enum err link_read_proxy(struct link_client *c, struct why *why)
{
	struct proxy_env env;
	enum err rc = ERR_NOENT;

	if (c->o->proxy != NULL) {
		rc = url_parse(span_str(c->o->proxy), &c->proxy_url, why);
	} else if (c->o->uses_proxy_env) {
		proxy_env_read(&env, getenv);
		rc = proxy_env_find(&env, strcmp(c->url.scheme, "wss") == 0, c->url.host,
			c->url.port, &c->proxy_url, why);
	}
	if (rc == ERR_OK) {
		url_print(&c->proxy_url, c->proxy_text);
		c->proxy = dial_proxy_of_url(&c->proxy_url);
		c->has_proxy = true;
	}
	return rc == ERR_NOENT ? ERR_OK : rc;
}

static enum err link_make_tls(struct link_client *c, struct why *why)
{
	struct tls_client_options o = {
		.ca_file = c->o->tls_ca,
		.more_ca_file = c->o->tls_more_ca,
		.skip_verify = c->o->tls_skip_verify,
		.cert_file = c->o->tls_cert,
		.key_file = c->o->tls_key,
	};

	if (strcmp(c->url.scheme, "wss") != 0)
		return ERR_OK;
	if (o.skip_verify)
		log_warn(c->log, "TLS verification disabled");
	else if (o.ca_file != NULL)
		log_info(c->log, "TLS verification using CA %s", o.ca_file);
	return tls_context_new_client(&o, &c->tls, why);
}

/*
 * Identifies this client to the server across connections, so that it can take back its
 * ports from a session that died unnoticed: a digest of the machine, the user, the server
 * and the remotes. It is not a secret: a session that answers is never replaced.
 */
static enum err link_make_identity(struct link_client *c, struct why *why)
{
	uint8_t digest[HASH_SHA256_BYTES];
	char machine[MACHINE_ID_BYTES + 1] = "";
	char remote[REMOTE_TEXT_MAX];
	struct buf text;
	FILE *file = fopen("/etc/machine-id", "re");
	enum err rc;

	if (file != NULL) {
		machine[fread(machine, 1, MACHINE_ID_BYTES, file)] = '\0';
		fclose(file);
	}
	buf_init(&text, 1u << 20);
	buf_printf(&text, "adit link\n%s\n%u\n%s\n%s\n", machine, (unsigned)getuid(),
		c->o->server, c->user);
	for (unsigned i = 0; i < c->o->remote_count; i++)
		buf_printf(&text, "%s\n", remote_print(&c->o->remotes[i], remote));
	rc = text.failed;
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&text), digest);
	buf_fini(&text);
	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	hex_encode(span_of(digest, IDENTITY_BYTES), c->identity);
	return ERR_OK;
}

enum err link_client_init(struct link_client *c, const struct link_client_options *o,
	struct worker *worker, const struct log *log, struct why *why)
{
	enum err rc;

	*c = (struct link_client){
		.o = o,
		.worker = worker,
		.log = log,
		.tuning = o->tuning,
	};
	rc = chisel_url_parse(span_str(o->server), &c->url, why);
	if (rc == ERR_OK)
		rc = link_read_texts(c, why);
	if (rc == ERR_OK)
		rc = link_read_proxy(c, why);
	if (rc == ERR_OK)
		rc = link_make_tls(c, why);
	if (rc == ERR_OK)
		rc = link_make_identity(c, why);
	return rc;
}

void link_client_fini(struct link_client *c)
{
	tls_context_free(c->tls);
	if (c->texts != NULL)
		mem_wipe(c->texts, c->texts_n);
	free(c->texts);
}

/* What came of a connect becomes a session. */
static void link_client_on_connected(void *arg, enum err rc,
	const struct connect_result *result, const struct why *why)
{
	struct link_client *c = arg;
	struct chisel_session_options o = {
		.role = SSH_CLIENT,
		.worker = c->worker,
		.stream = result->stream,
		.first = result->first,
		.tuning = &c->tuning,
		.user = c->user,
		.password = c->password,
		.user_key = c->o->key,
		.peer_half_closes = result->is_adit,
		.hooks = c->hooks,
		.owner = c,
	};
	struct link_trouble t;

	c->connect = NULL;
	c->has_greeted = c->is_key_bad = c->is_refused = false;
	c->key[0] = '\0';
	c->is_adit = result->is_adit;
	c->local = result->local;
	if (rc == ERR_OK) {
		rc = chisel_session_open(&o, &c->session);
		if (rc == ERR_OK) {
			log_debug(c->log, "Handshaking...");
			return;
		}
		stream_abort(result->stream);
	}
	link_trouble_of_connect(&t, c, rc, &result->failure, why);
	c->on_failed(c, &t);
}

void link_client_connect(struct link_client *c)
{
	struct connect_options o = {
		.loop = c->worker->loop,
		.server = &c->url,
		.proxy = c->has_proxy ? &c->proxy : NULL,
		.tls = c->tls,
		.tls_name = c->o->sni != NULL ? c->o->sni : c->o->hostname,
		.host_header = c->o->hostname,
		.headers = c->headers,
		.headers_n = c->headers_n,
		.timeout_ms = c->o->connect_timeout_ms,
		.dead_ms = LINK_DEAD_MS,
		.fn = link_client_on_connected,
		.arg = c,
	};
	struct connect_failure failure = { .trouble = CONNECT_TROUBLE_OTHER };
	struct link_trouble t;
	struct why why = { 0 };
	enum err rc = connect_open(&o, &c->connect, &why);

	if (rc == ERR_OK)
		return;
	link_trouble_of_connect(&t, c, rc, &failure, &why);
	c->on_failed(c, &t);
}

void link_client_disconnect(struct link_client *c)
{
	connect_close(c->connect);
	c->connect = NULL;
	if (c->session != NULL)
		chisel_session_close(c->session, ERR_CLOSED, "going away");
}

void link_client_on_up(void *owner)
{
	struct link_client *c = owner;
	struct chisel_config config = { .remotes = c->remotes, .count = c->remotes_n };
	struct buf json;
	enum err rc;

	str_copy(config.version, sizeof(config.version), ADIT_VERSION);
	str_copy(config.client, sizeof(config.client), c->identity);
	str_copy(config.run, sizeof(config.run), c->run);
	log_debug(c->log, "Sending config");
	buf_init(&json, LINK_JSON_MAX);
	rc = chisel_config_print(&config, &json);
	if (rc == ERR_OK)
		rc = chisel_session_configure(c->session, buf_span(&json));
	if (rc != ERR_OK)
		chisel_session_close(c->session, rc, "the config cannot be sent");
	c->has_greeted = true;
	buf_fini(&json);
}

bool link_client_is_host_key_good(void *owner, struct span blob, struct why *why)
{
	struct link_client *c = owner;
	char sha256[HOSTKEY_SHA256_CHARS + 1], md5[HOSTKEY_MD5_CHARS + 1];

	if (c->o->fingerprint == NULL || c->o->fingerprint[0] == '\0')
		return true;
	hostkey_sha256(blob, sha256);
	hostkey_md5(blob, md5);
	c->is_key_bad = strcmp(c->o->fingerprint, sha256) != 0 &&
		strcmp(c->o->fingerprint, md5) != 0;
	if (c->is_key_bad) {
		err_set(why, ERR_DENIED, "Invalid fingerprint (%s)", sha256);
		return false;
	}
	memcpy(c->key, sha256, sizeof(c->key));
	return true;
}
