/*
 * A program for scenarios: links that are authenticated by public key.
 *
 *     link_drive server PORT FILE            takes the keys in FILE, and no password
 *     link_drive client URL KEY USER REMOTE  logs in with the private key in the file KEY
 *
 * A line in FILE is "NAME FINGERPRINT ACCESS": the client's name, the SHA-256 of its key,
 * and what it may reach, as in an auth file but not as an expression. SIGHUP reads it
 * again. The proxy on 127.0.0.1 is trusted to name clients.
 */
#include <pthread.h>
#include <stdio.h>

#include "agent/link.h"
#include "base/str.h"
#include "cli/runner.h"
#include "serve/link/link_server.h"
#include "store/file.h"
#include "tunnel/chisel/remote.h"

#define FILE_MAX 65536
#define KEYS_MAX 8

struct drive_key {
	char name[LINK_KEY_NAME_MAX], fingerprint[HOSTKEY_SHA256_CHARS + 1], access[128];
};

struct drive {
	struct runner *runner;
	struct link_server_options server_options;
	struct link_server *server;
	const char *path; /* FILE */
	pthread_mutex_t lock;
	struct drive_key keys[KEYS_MAX];
	unsigned keys_n;

	struct link_client_options client_options;
	struct agent_session *client;
};

/* ---- server ---- */

static enum err read_keys(struct drive *d, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, FILE_MAX);
	rc = file_read(d->path, &text, why);
	if (rc == ERR_OK)
		rc = buf_put_u8(&text, '\0');
	if (rc == ERR_OK) {
		const char *at = (const char *)buf_front(&text);
		int n = 0;

		pthread_mutex_lock(&d->lock);
		d->keys_n = 0;
		while (d->keys_n < KEYS_MAX &&
			sscanf(at, "%127s %44s %127s %n", d->keys[d->keys_n].name,
				d->keys[d->keys_n].fingerprint, d->keys[d->keys_n].access,
				&n) == 3) {
			d->keys_n++;
			at += n;
		}
		pthread_mutex_unlock(&d->lock);
	}
	buf_fini(&text);
	return rc;
}

static bool find_key(void *arg, struct span blob, char name[LINK_KEY_NAME_MAX])
{
	char fingerprint[HOSTKEY_SHA256_CHARS + 1];
	struct drive *d = arg;
	bool is_found = false;

	hostkey_sha256(blob, fingerprint);
	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->keys_n && !is_found; i++) {
		is_found = strcmp(d->keys[i].fingerprint, fingerprint) == 0;
		if (is_found)
			memcpy(name, d->keys[i].name, LINK_KEY_NAME_MAX);
	}
	pthread_mutex_unlock(&d->lock);
	return is_found;
}

static bool may_reach(void *arg, const char *name, const char *access)
{
	struct drive *d = arg;
	bool may = false;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->keys_n; i++)
		may = may ||
			(strcmp(d->keys[i].name, name) == 0 &&
				strcmp(d->keys[i].access, access) == 0);
	pthread_mutex_unlock(&d->lock);
	return may;
}

static enum err server_open(void *arg, struct runner *r, struct why *why)
{
	struct drive *d = arg;
	enum err rc = read_keys(d, why);

	d->runner = r;
	return rc != ERR_OK ? rc :
			      link_server_open(&d->server_options, &r->worker, r->notify,
				      &d->server, why);
}

static void server_reload(void *arg)
{
	struct drive *d = arg;
	struct why why = { "" };
	enum err rc = read_keys(d, &why);

	if (rc == ERR_OK)
		rc = link_server_check_keys(d->server);
	if (rc != ERR_OK)
		log_error(&d->runner->log, "%s", err_text(rc, &why));
}

static void drive_end(void *arg, bool is_again)
{
	struct drive *d = arg;

	(void)is_again;
	runner_stop(d->runner, 0);
}

static void server_close(void *arg)
{
	struct drive *d = arg;

	link_server_close(d->server);
}

static int run_server(const char *port, const char *path)
{
	static const struct runner_ops ops = {
		.name = "server",
		.open = server_open,
		.reload = server_reload,
		.end = drive_end,
		.close = server_close,
	};
	char proxy[] = "127.0.0.1", *proxies[] = { proxy, NULL };
	struct drive d = { .path = path, .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct link_keys keys = { find_key, may_reach, &d };
	unsigned long number;

	if (!str_to_uint(port, UINT16_MAX, &number))
		return 2;
	d.server_options = (struct link_server_options){
		.host = "127.0.0.1",
		.port = (uint16_t)number,
		.keys = &keys,
		.trusted_proxies = { .v = proxies, .n = 1 },
		.allows_reverse = true,
		.workers = 2,
	};
	return runner_run(&ops, &d);
}

/* ---- client ---- */

static void client_on_change(void *owner, struct agent_session *link)
{
	(void)owner;
	(void)link;
}

static void client_on_closed(void *owner, struct agent_session *link, enum err rc)
{
	struct drive *d = owner;

	(void)link;
	(void)rc;
	runner_stop(d->runner, 1);
}

static enum err client_open(void *arg, struct runner *r, struct why *why)
{
	static const struct agent_session_hooks hooks = {
		.on_change = client_on_change,
		.on_closed = client_on_closed,
	};
	struct drive *d = arg;
	struct link_options o = {
		.worker = &r->worker,
		.client = &d->client_options,
		.log = &r->log,
		.hooks = &hooks,
		.owner = d,
	};

	d->runner = r;
	return link_open(&o, &d->client, why);
}

static void client_close(void *arg)
{
	struct drive *d = arg;

	agent_session_close(d->client);
}

static enum err read_key(const char *path, struct hostkey **out, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, FILE_MAX);
	rc = file_read(path, &text, why);
	if (rc == ERR_OK)
		rc = hostkey_parse(buf_span(&text), out, why);
	buf_wipe(&text);
	return rc;
}

static int run_client(char **words)
{
	static const struct runner_ops ops = {
		.name = "client",
		.open = client_open,
		.end = drive_end,
		.close = client_close,
	};
	struct hostkey *key = NULL;
	struct remote remote;
	struct drive d = { .path = NULL };
	struct why why = { "" };
	enum err rc = read_key(words[1], &key, &why);
	int exit_code = 1;

	if (rc == ERR_OK)
		rc = remote_parse(span_str(words[3]), &remote, &why);
	d.client_options = (struct link_client_options){
		.server = words[0],
		.key = key,
		.key_user = words[2],
		.max_retry_count = -1,
		.remotes = &remote,
		.remote_count = 1,
	};
	if (rc == ERR_OK)
		exit_code = runner_run(&ops, &d);
	else
		fprintf(stderr, "%s\n", err_text(rc, &why));
	hostkey_free(key);
	return exit_code;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "server") == 0)
		return run_server(argv[2], argv[3]);
	if (argc == 6 && strcmp(argv[1], "client") == 0)
		return run_client(argv + 2);
	return 2;
}
