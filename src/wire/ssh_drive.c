/*
 * A program for scenarios: an SSH engine over standard input and output, without
 * WebSocket, that authenticates by public key.
 *
 *     ssh_drive client FILE           with the private key in FILE
 *     ssh_drive server FINGERPRINT    accepts the key with that SHA-256, of any user
 *
 * Writes a line for each event to standard error, and exits 0 when the client has asked
 * once, after it is up, whether the server is there.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/sink_test.h"
#include "base/str.h"
#include "wire/ssh.h"

#define FILE_MAX 65536
#define PIPE_MAX 1048576

struct drive {
	struct ssh *ssh;
	struct buf in, out;
	struct buf_sink sink;
	const char *fingerprint; /* server: of the key that is welcome */
	bool is_done;
};

static struct hostkey *read_key(const char *path)
{
	char text[FILE_MAX];
	FILE *file = fopen(path, "re");
	size_t n = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
	struct hostkey *key = NULL;
	struct why why = { "" };
	enum err rc = hostkey_parse(span_of(text, n), &key, &why);

	if (file != NULL)
		fclose(file);
	if (rc != ERR_OK)
		fprintf(stderr, "%s: %s\n", path, err_text(rc, &why));
	return key;
}

static enum err on_key(struct drive *d, const struct ssh_event *e)
{
	char fingerprint[HOSTKEY_SHA256_CHARS + 1], user[64];

	hostkey_sha256(e->data, fingerprint);
	fprintf(stderr, "key %s of %s: %s\n", fingerprint,
		str_quote(user, sizeof(user), e->name), e->ok ? "proven" : "not proven");
	return ssh_auth_reply(d->ssh, strcmp(fingerprint, d->fingerprint) == 0);
}

static enum err on_event(struct drive *d, const struct ssh_event *e)
{
	switch (e->kind) {
	case SSH_HOST_KEY:
		ssh_accept_host_key(d->ssh);
		return ERR_OK;
	case SSH_KEY:
		return on_key(d, e);
	case SSH_PASSWORD:
		fprintf(stderr, "password\n");
		return ssh_auth_reply(d->ssh, false);
	case SSH_UP:
		fprintf(stderr, "up\n");
		return d->fingerprint != NULL ?
			ERR_OK :
			ssh_request(d->ssh, "ping", true, span_str(""));
	case SSH_REQUEST:
		d->is_done = true;
		return e->wants_reply ? ssh_reply(d->ssh, true, span_str("pong")) :
					ERR_OK;
	case SSH_REPLY:
		d->is_done = true;
		return ERR_OK;
	default:
		return ERR_OK;
	}
}

static enum err flush(struct drive *d)
{
	while (d->out.n > 0) {
		struct span bytes = buf_span(&d->out);
		ssize_t n = write(STDOUT_FILENO, bytes.p, bytes.n);

		if (n <= 0)
			return ERR_SYS;
		buf_consume(&d->out, (size_t)n);
	}
	return ERR_OK;
}

/* Handles what has come in; ERR_AGAIN: it needs more. */
static enum err step(struct drive *d, struct why *why)
{
	struct mspan in = buf_mspan(&d->in);
	size_t before = in.n;
	struct ssh_event event;
	enum err rc;

	do {
		rc = ssh_next(d->ssh, &in, &event, why);
		if (rc == ERR_OK)
			rc = on_event(d, &event);
	} while (rc == ERR_OK);
	buf_consume(&d->in, before - in.n);
	if (flush(d) != ERR_OK)
		return err_set(why, ERR_SYS, "cannot write");
	return rc;
}

static enum err run(struct drive *d, struct why *why)
{
	uint8_t bytes[16384];
	enum err rc = ssh_start(d->ssh);

	if (rc == ERR_OK)
		rc = flush(d);
	while (rc == ERR_OK) {
		ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

		if (n <= 0)
			return err_set(why, ERR_EOF, "the peer has ended");
		rc = buf_put(&d->in, bytes, (size_t)n);
		if (rc == ERR_OK)
			rc = step(d, why);
		if (rc == ERR_AGAIN && d->is_done)
			return ERR_OK;
		if (rc == ERR_AGAIN)
			rc = ERR_OK;
	}
	return rc;
}

int main(int argc, char **argv)
{
	bool is_client = argc == 3 && strcmp(argv[1], "client") == 0;
	struct hostkey *key = NULL;
	struct ssh_options o = { .role = is_client ? SSH_CLIENT : SSH_SERVER };
	struct drive d = { .fingerprint = NULL };
	struct why why = { "" };
	enum err rc = ERR_USAGE;

	if (argc != 3)
		return 2;
	if (is_client)
		key = read_key(argv[2]);
	else if (hostkey_generate(&key) == ERR_OK)
		d.fingerprint = argv[2];
	buf_init(&d.in, PIPE_MAX);
	buf_init(&d.out, PIPE_MAX);
	buf_sink_init(&d.sink, &d.out);
	o.out = &d.sink.sink;
	o.user = "agent:home";
	o.takes_keys = true;
	*(is_client ? &o.user_key : &o.key) = key;
	if (key != NULL && ssh_new(&o, &d.ssh) == ERR_OK)
		rc = run(&d, &why);
	if (rc != ERR_OK)
		fprintf(stderr, "failed: %s\n", err_text(rc, &why));
	ssh_free(d.ssh);
	buf_fini(&d.in);
	buf_fini(&d.out);
	hostkey_free(key);
	return rc == ERR_OK ? 0 : 1;
}
