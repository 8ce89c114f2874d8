/* The server end of links: what is made of its options, and its workers. */
#include "serve/link/link_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "http/metrics.h"
#include "loop/notify.h"
#include "net/listener.h"
#include "serve/link/link_agents.h"
#include "serve/link/link_session.h"
#include "store/file.h"

#define KEY_FILE_MAX 65536

/* ---- the host key ---- */

static enum err link_read_key_file(const char *path, struct hostkey **out,
	struct why *why)
{
	struct why detail = { 0 };
	struct buf text;
	enum err rc;

	buf_init(&text, KEY_FILE_MAX);
	rc = file_read(path, &text, &detail);
	if (rc != ERR_OK) {
		err_set(why, rc, "--keyfile: %s", detail.text);
	} else {
		rc = hostkey_parse(buf_span(&text), out, &detail);
		if (rc != ERR_OK)
			err_set(why, rc, "--keyfile %s: %s", path, err_text(rc, &detail));
	}
	buf_wipe(&text);
	return rc;
}

static enum err link_make_key(struct link_server *s, struct why *why)
{
	const struct link_server_options *o = s->o;
	char fingerprint[HOSTKEY_SHA256_CHARS + 1];
	enum err rc;

	if (o->key_file != NULL && str_has_prefix(o->key_file, "ck-"))
		rc = hostkey_parse(span_str(o->key_file), &s->key, why);
	else if (o->key_file != NULL)
		rc = link_read_key_file(o->key_file, &s->key, why);
	else if (o->key_seed != NULL)
		rc = hostkey_from_seed(o->key_seed, &s->key);
	else
		rc = hostkey_generate(&s->key);
	if (rc != ERR_OK)
		return rc;
	hostkey_sha256(hostkey_blob(s->key), fingerprint);
	log_info(&s->log, "Fingerprint %s", fingerprint);
	return ERR_OK;
}

/* ---- the backend ---- */

static enum err link_make_backend(struct link_server *s, struct why *why)
{
	struct tls_client_options o = { 0 };
	bool is_https;
	enum err rc;

	if (s->o->backend == NULL)
		return ERR_OK;
	rc = url_parse(span_str(s->o->backend), &s->backend, why);
	if (rc != ERR_OK)
		return rc;
	is_https = strcmp(s->backend.scheme, "https") == 0;
	url_print_authority(&s->backend, s->backend_host);
	if (s->backend.port == 0)
		s->backend.port = is_https ? 443 : 80;
	log_info(&s->log, "Reverse proxy enabled");
	return is_https ? tls_context_new_client(&o, &s->backend_tls, why) : ERR_OK;
}

/* ---- secrets ---- */

static void link_warn_of_modes(const struct link_server *s)
{
	const struct {
		const char *flag, *path;
	} files[] = {
		{ "--keyfile", s->o->key_file },
		{ "--authfile", s->o->auth_file },
		{ "--tls-key", s->o->tls_key },
	};

	for (size_t i = 0; i < mem_count(files); i++) {
		if (files[i].path != NULL && file_is_open_to_others(files[i].path))
			log_warn(&s->log,
				"%s: %s can be read or written by every user of this machine: "
				"chmod 600 it",
				files[i].flag, files[i].path);
	}
}

/* ---- connections ---- */

static void link_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct link_server *s = arg;

	if (!data_worker_give_client(data_workers_next(s->shared), fd, peer))
		close(fd);
}

static enum err link_listen(struct link_server *s, struct why *why)
{
	const char *host = s->o->host != NULL ? s->o->host : "0.0.0.0";
	bool is_bare = strchr(host, ':') != NULL && host[0] != '[';
	char url[320];
	enum err rc = listener_open(s->control->loop, host, s->o->port, link_on_accept, s,
		&s->listener, why);

	if (rc != ERR_OK)
		return rc;
	snprintf(url, sizeof(url), "%s://%s%s%s:%u",
		s->snapshot->tls != NULL ? "https" : "http", is_bare ? "[" : "", host,
		is_bare ? "]" : "", listener_port(s->listener));
	log_info(&s->log, "Listening on %s", url);
	notify_status(s->notify, "listening on %s", url);
	return ERR_OK;
}

void link_server_reload(struct link_server *s)
{
	link_files_reload(s);
	link_acme_retry(s->acme);
}

static void link_on_keys_changed(struct worker *worker, void *body)
{
	(void)body;
	link_sessions_check_keys(link_service_of(worker));
}

enum err link_server_check_keys(struct link_server *s)
{
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < s->shared->running; i++)
		if (!worker_send(&s->shared->workers[i].worker, link_on_keys_changed, &i,
			    sizeof(i)))
			rc = ERR_NOMEM;
	return rc;
}

void link_server_report(const struct link_server *s)
{
	log_info(&s->log, "sessions: %llu open, %llu so far",
		(unsigned long long)atomic_load(&s->open),
		(unsigned long long)atomic_load(&s->numbers));
}

void link_server_end(struct link_server *s)
{
	log_info(&s->log, "shutting down: closing %llu sessions",
		(unsigned long long)atomic_load(&s->open));
	listener_close(s->listener);
	s->listener = NULL;
}

/* ---- the whole ---- */

static enum err link_open_workers(struct link_server *s, struct why *why)
{
	*s->shared = (struct data_shared){
		.parts = { { .service = &link_data_service,
			.context = s,
			.head_max = s->o->head_max } },
		.parts_n = 1,
		.log = &s->log,
		.count = data_workers_count(s->o->workers),
	};
	return data_workers_open(s->shared, s->snapshot, why);
}

static void link_put_metrics(void *arg, struct buf *out)
{
	struct link_server *s = arg;
	const struct metric metrics[] = {
		{ "adit_link_sessions", "gauge", "Sessions of clients now.",
			atomic_load(&s->open) },
		{ "adit_link_sessions_total", "counter", "Sessions of clients.",
			atomic_load(&s->numbers) },
		{ "adit_link_channels", "gauge", "Channels now: connections of visitors.",
			atomic_load(&s->channels) },
		{ "adit_link_sent_bytes_total", "counter",
			"Bytes to clients, in channels.", atomic_load(&s->sent_bytes) },
		{ "adit_link_received_bytes_total", "counter",
			"Bytes from clients, in channels.",
			atomic_load(&s->received_bytes) },
		{ "adit_link_logins_failed_total", "counter",
			"Logins with a wrong password or key.",
			atomic_load(&s->failed_logins) },
		metric_memory(),
	};

	for (size_t i = 0; i < mem_count(metrics); i++)
		metric_put(out, &metrics[i]);
	metric_put_cpu(out);
}

static enum err link_open_metrics(struct link_server *s, struct why *why)
{
	struct http_metrics_options o = {
		.loop = s->control->loop,
		.pool = &s->control->blocks,
		.put = link_put_metrics,
		.arg = s,
	};

	return s->o->metrics == NULL ? ERR_OK :
				       http_metrics_open_local(&o, s->o->metrics,
					       "--metrics", &s->log, &s->metrics, why);
}

static enum err server_begin(struct link_server *s, struct why *why)
{
	enum err rc;

	if (s->o->allows_reverse)
		log_info(&s->log, "Reverse tunnelling enabled");
	rc = link_make_key(s, why);
	if (rc == ERR_OK)
		rc = link_acme_open(s, why);
	if (rc == ERR_OK)
		rc = link_files_open(s, why);
	if (rc == ERR_OK &&
		(link_snapshot_of(s->snapshot)->users != NULL || s->o->keys != NULL))
		rc = login_guard_new(&s->guard);
	if (rc == ERR_OK)
		link_warn_of_modes(s);
	if (rc == ERR_OK)
		rc = link_make_backend(s, why);
	if (rc == ERR_OK)
		rc = link_open_workers(s, why);
	if (rc == ERR_OK)
		rc = link_open_metrics(s, why);
	return rc == ERR_OK ? link_listen(s, why) : rc;
}

void link_server_close(struct link_server *s)
{
	if (s == NULL)
		return;
	listener_close(s->listener);
	http_metrics_close(s->metrics);
	if (s->shared == &s->own) {
		data_workers_end(s->shared, 0);
		data_workers_join(s->shared);
		data_workers_close(s->shared);
	}
	link_files_close(s);
	link_acme_close(s->acme);
	tls_context_free(s->backend_tls);
	hostkey_free(s->key);
	loop_turn(s->control->loop); /* logins that were on their way */
	login_guard_free(s->guard);
	free(s);
}

static struct link_server *server_new(const struct link_server_options *options,
	struct worker *control)
{
	struct link_server *s = mem_new(s);

	if (s == NULL)
		return NULL;
	s->o = options;
	s->control = control;
	return s;
}

enum err link_server_open(const struct link_server_options *options,
	struct worker *control, struct notify *notify, struct link_server **out,
	struct why *why)
{
	struct link_server *s = server_new(options, control);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the server");
	s->shared = &s->own;
	s->notify = notify;
	log_init(&s->log, NULL, "server");
	worker_raise_limits();
	rc = server_begin(s, why);
	if (rc == ERR_OK)
		*out = s;
	else
		link_server_close(s);
	return rc;
}

enum err link_server_open_in(const struct link_server_options *options,
	struct worker *control, struct data_shared *host, struct link_server **out,
	struct why *why)
{
	struct link_server *s = server_new(options, control);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "no memory for links");
	s->shared = host;
	log_init(&s->log, host->log, "link");
	rc = link_make_key(s, why);
	if (rc == ERR_OK)
		rc = login_guard_new(&s->guard);
	if (rc == ERR_OK)
		*out = s;
	else
		link_server_close(s);
	return rc;
}

void link_server_fingerprint(const struct link_server *s,
	char out[HOSTKEY_SHA256_CHARS + 1])
{
	hostkey_sha256(hostkey_blob(s->key), out);
}

/* ---- agents ---- */

struct chisel_session *link_server_find(struct data_worker *d, const char *label,
	struct addr *client)
{
	struct link_service *ls = data_worker_state(d, &link_data_service);
	struct link_session *s = ls != NULL ? link_session_of_agent(ls, label) : NULL;

	if (s == NULL)
		return NULL;
	/* The mail about a new list may come after the visitor who needs it. */
	link_session_tell_agent(ls, label);
	*client = s->client;
	return s->session;
}

struct tell_mail {
	char label[MANAGED_LABEL_MAX];
};

static void link_on_tell(struct worker *worker, void *body)
{
	struct tell_mail *m = body;

	link_session_tell_agent(link_service_of(worker), m->label);
}

enum err link_server_tell(struct link_server *s, const char *label)
{
	unsigned to = link_agents_worker(s->o->agents, label);
	struct tell_mail m;

	if (!str_copy(m.label, sizeof(m.label), label) || to >= s->shared->running)
		return ERR_OK;
	return worker_send(&s->shared->workers[to].worker, link_on_tell, &m, sizeof(m)) ?
		ERR_OK :
		ERR_NOMEM;
}
