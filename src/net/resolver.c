/*
 * The resolver turns a host name into addresses: first with c-ares on the loop, then with
 * getaddrinfo() on a thread, which knows the other sources of nsswitch.conf. A lookup can
 * be cancelled at any time: the channel of c-ares is destroyed, and a thread writes its
 * result into a pipe that has no reader any more.
 */
#include "net/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/str.h"
#include "net/system_lookup_priv.h"
#include "store/file.h"

/* As glibc, with the options timeout and attempts: no answer after 5 s, and 10 s more. */
#define DNS_CONFIG "/etc/resolv.conf"
#define DNS_CONFIG_MAX 65536
#define DNS_TIMEOUT_S 5
#define DNS_TIMEOUT_MAX_S 30
#define DNS_TRIES 2
#define DNS_TRIES_MAX 5
#define DNS_SOCKETS_MAX 16

struct resolve {
	struct loop *loop; /* borrowed: outlives its lookups */
	resolve_fn *fn;
	void *arg; /* borrowed: the owner's */
	char *host;
	uint16_t port;
	char server[ADDR_TEXT_MAX];  /* the only one that is asked; "": the system's */
	struct loop_deferred answer; /* of a literal or of c-ares */
	struct found found;

	ares_channel channel; /* NULL: not in use */
	struct loop_timer *timer;
	struct resolve_socket {
		struct resolve *r; /* borrowed: it embeds us */
		ares_socket_t fd;  /* c-ares'; ARES_SOCKET_BAD: not in use */
		struct loop_io *io;
	} sockets[DNS_SOCKETS_MAX];

	int result_fd;   /* the thread's pipe, or -1 */
	size_t result_n; /* bytes of @found that have come through it */
	struct loop_io *result_io;
};

void resolve_close(struct resolve *r)
{
	if (r == NULL)
		return;
	if (r->channel != NULL)
		ares_destroy(r->channel);
	loop_timer_close(r->timer);
	loop_io_close(r->result_io);
	if (r->result_fd >= 0)
		close(r->result_fd);
	loop_undefer(&r->answer);
	free(r->host);
	free(r);
}

/* ---- the result ---- */

static enum err resolve_explain(const char *host, enum err rc, struct why *why)
{
	char name[128];

	str_quote(name, sizeof(name), span_str(host));
	switch (rc) {
	case ERR_OK:
		return rc;
	case ERR_NOENT:
		return err_set(why, rc, "lookup %s: no such host", name);
	case ERR_TIMEOUT:
		return err_set(why, rc, "lookup %s: no name server answered", name);
	default:
		return err_set(why, rc, "lookup %s: %s", name, err_name(rc));
	}
}

/* The families take turns, each in the order of the result. */
static unsigned found_interleave(const struct found *f, uint16_t port,
	struct addr to[RESOLVER_ADDRS_MAX])
{
	unsigned next[2] = { 0, 0 }, count = 0; /* of the first's family, of the other */

	for (unsigned turn = 0; count < RESOLVER_ADDRS_MAX; turn ^= 1) {
		unsigned *i = &next[turn];

		while (*i < f->count &&
			(f->addrs[*i].sa.sa_family == f->addrs[0].sa.sa_family) !=
				(turn == 0))
			++*i;
		if (*i < f->count) {
			to[count] = f->addrs[(*i)++];
			addr_set_port(&to[count++], port);
		} else if (next[turn ^ 1] >= f->count) {
			break;
		}
	}
	return count;
}

static void resolve_end(struct resolve *r)
{
	struct addr addrs[RESOLVER_ADDRS_MAX];
	unsigned count = 0;
	resolve_fn *fn = r->fn;
	void *arg = r->arg;
	struct why why = { "" };
	enum err rc = r->found.rc;

	if (rc == ERR_OK)
		count = found_interleave(&r->found, r->port, addrs);
	if (rc == ERR_OK && count == 0)
		rc = ERR_NOENT;
	rc = resolve_explain(r->host, rc, &why);
	resolve_close(r);
	fn(arg, rc, addrs, count, &why);
}

/* ---- getaddrinfo() on a thread ---- */

static void resolve_on_result(void *arg, unsigned ready)
{
	struct resolve *r = arg;
	ssize_t n = read(r->result_fd, (char *)&r->found + r->result_n,
		sizeof(r->found) - r->result_n);

	(void)ready;
	if (n > 0)
		r->result_n += (size_t)n;
	else if (n == 0)
		r->found.rc = ERR_SYS;
	if (n == 0 || r->result_n == sizeof(r->found))
		resolve_end(r);
}

static enum err resolve_ask_system(struct resolve *r)
{
	enum err rc = system_lookup_open(r->host, &r->result_fd);

	if (rc == ERR_OK)
		rc = loop_io_open(r->loop, r->result_fd, resolve_on_result, r,
			&r->result_io);
	if (rc == ERR_OK)
		loop_io_want(r->result_io, LOOP_READ);
	return rc;
}

/* ---- c-ares ---- */

static void resolve_run_channel(struct resolve *r, ares_socket_t readable,
	ares_socket_t writable)
{
	struct timeval in;

	ares_process_fd(r->channel, readable, writable);
	if (ares_timeout(r->channel, NULL, &in) != NULL)
		loop_timer_set(r->timer,
			(uint64_t)in.tv_sec * 1000 + (uint64_t)in.tv_usec / 1000 + 1);
	else
		loop_timer_stop(r->timer);
}

static void resolve_on_timer(void *arg)
{
	resolve_run_channel(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void resolve_on_ready(void *arg, unsigned ready)
{
	const struct resolve_socket *s = arg;

	resolve_run_channel(s->r, (ready & LOOP_READ) != 0 ? s->fd : ARES_SOCKET_BAD,
		(ready & LOOP_WRITE) != 0 ? s->fd : ARES_SOCKET_BAD);
}

static struct resolve_socket *resolve_find_socket(struct resolve *r, ares_socket_t fd)
{
	for (unsigned i = 0; i < DNS_SOCKETS_MAX; i++)
		if (r->sockets[i].fd == fd)
			return &r->sockets[i];
	return NULL;
}

/* c-ares waits for a socket, or closes it. A socket without room or memory times out. */
static void resolve_on_socket(void *arg, ares_socket_t fd, int reads, int writes)
{
	struct resolve *r = arg;
	struct resolve_socket *s = resolve_find_socket(r, fd);
	unsigned wants = (reads != 0 ? LOOP_READ : 0U) | (writes != 0 ? LOOP_WRITE : 0U);

	if (s == NULL && wants != 0) {
		s = resolve_find_socket(r, ARES_SOCKET_BAD);
		if (s == NULL ||
			loop_io_open(r->loop, fd, resolve_on_ready, s, &s->io) != ERR_OK)
			return;
		s->fd = fd;
	}
	if (wants != 0) {
		loop_io_want(s->io, wants);
	} else if (s != NULL) {
		loop_io_close(s->io);
		s->fd = ARES_SOCKET_BAD;
	}
}

static enum err dns_err(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return ERR_OK;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
	case ARES_ECONNREFUSED: /* no name server is set up: other sources may know it */
		return ERR_NOENT;
	case ARES_ENOMEM:
		return ERR_NOMEM;
	default: /* no answer, or none of use */
		return ERR_TIMEOUT;
	}
}

/* Not inside c-ares, because the owner may close us. */
static void resolve_on_answer(void *arg)
{
	struct resolve *r = arg;

	if (r->channel != NULL && r->found.rc == ERR_NOENT && r->server[0] == '\0') {
		ares_destroy(r->channel);
		r->channel = NULL;
		loop_timer_stop(r->timer);
		if (resolve_ask_system(r) == ERR_OK)
			return;
	}
	resolve_end(r);
}

static void resolve_on_dns(void *arg, int status, int timeouts,
	struct ares_addrinfo *list)
{
	struct resolve *r = arg;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	r->found.rc = dns_err(status);
	for (const struct ares_addrinfo_node *node = list != NULL ? list->nodes : NULL;
		node != NULL; node = node->ai_next)
		found_add(&r->found, node->ai_addr, (socklen_t)node->ai_addrlen);
	ares_freeaddrinfo(list);
	loop_defer(r->loop, &r->answer);
}

static void dns_library_init(void)
{
	(void)ares_library_init(ARES_LIB_INIT_ALL);
}

/* The options of resolv.conf(5) that c-ares does not know in all its releases. */
static void dns_read_options(char *words, struct ares_options *o)
{
	const struct {
		const char *name;
		int max, unit, *out;
	} options[] = {
		{ "timeout:", DNS_TIMEOUT_MAX_S, 1000, &o->timeout },
		{ "attempts:", DNS_TRIES_MAX, 1, &o->tries },
	};
	char *rest;

	for (char *word = strtok_r(words, " \t", &rest); word != NULL;
		word = strtok_r(NULL, " \t", &rest)) {
		for (size_t i = 0; i < mem_count(options); i++) {
			long n;

			if (!str_has_prefix(word, options[i].name))
				continue;
			n = strtol(word + strlen(options[i].name), NULL, 10);
			n = n < 1 ? 1 : n > options[i].max ? options[i].max : n;
			*options[i].out = (int)n * options[i].unit;
		}
	}
}

static void dns_read_config(struct ares_options *o)
{
	const char *env = getenv("RES_OPTIONS");
	struct buf file;
	char *text, *line, *rest;

	buf_init(&file, DNS_CONFIG_MAX);
	if (file_read(DNS_CONFIG, &file, NULL) != ERR_OK)
		buf_reset(&file);
	text = str_printf("%.*s\noptions %s", (int)file.n,
		file.n > 0 ? (const char *)buf_span(&file).p : "",
		env != NULL ? env : "");
	buf_fini(&file);
	if (text == NULL)
		return;
	for (line = strtok_r(text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest))
		if (str_has_prefix(line, "options"))
			dns_read_options(line, o);
	free(text);
}

static enum err resolve_ask_dns(struct resolve *r)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct ares_options options = { .timeout = DNS_TIMEOUT_S * 1000,
		.tries = DNS_TRIES,
		.sock_state_cb = resolve_on_socket,
		.sock_state_cb_data = r };
	enum err rc = loop_timer_open(r->loop, resolve_on_timer, r, &r->timer);

	if (rc != ERR_OK)
		return rc;
	pthread_once(&once, dns_library_init);
	dns_read_config(&options);
	if (ares_init_options(&r->channel, &options,
		    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
		ARES_SUCCESS) {
		r->channel = NULL;
		return ERR_SYS;
	}
	if (r->server[0] != '\0' &&
		ares_set_servers_ports_csv(r->channel, r->server) != ARES_SUCCESS)
		return ERR_SYS;
	ares_getaddrinfo(r->channel, r->host, NULL, &hints, resolve_on_dns, r);
	resolve_run_channel(r, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	return ERR_OK;
}

/* ---- the start ---- */

bool resolver_is_localhost(const char *host)
{
	struct span name = span_str(host);

	return span_is_nocase(name, "localhost") || span_is_nocase(name, "localhost.") ||
		str_has_suffix_nocase(host, ".localhost");
}

static bool resolve_knows(struct resolve *r)
{
	struct found *f = &r->found;

	char text[INET_ADDRSTRLEN] = "";
	struct in_addr ip4;

	/* "127.1" is a literal for the C library, too (inet_aton(3)). */
	if (r->host[strcspn(r->host, " \t\n")] == '\0' && inet_aton(r->host, &ip4) != 0)
		(void)inet_ntop(AF_INET, &ip4, text, sizeof(text));
	if (addr_from_literal(text[0] != '\0' ? text : r->host, r->port, &f->addrs[0]) ==
		ERR_OK) {
		f->count = 1;
		return true;
	}
	if (resolver_is_localhost(r->host)) {
		f->count = 2;
		return addr_from_literal("::1", r->port, &f->addrs[0]) == ERR_OK &&
			addr_from_literal("127.0.0.1", r->port, &f->addrs[1]) == ERR_OK;
	}
	return false;
}

/* Names with one label and below "local" are not for name servers (RFC 6762 3). */
static bool resolve_is_system_name(const char *host)
{
	return strchr(host, '.') == NULL || str_has_suffix_nocase(host, ".local") ||
		str_has_suffix_nocase(host, ".local.");
}

enum err resolve_open(struct loop *loop, const char *host, uint16_t port, resolve_fn *fn,
	void *arg, struct resolve **out)
{
	return resolve_open_at(loop, NULL, host, port, fn, arg, out);
}

enum err resolve_open_at(struct loop *loop, const struct addr *server, const char *host,
	uint16_t port, resolve_fn *fn, void *arg, struct resolve **out)
{
	struct resolve *r = mem_new(r);
	enum err rc = ERR_OK;

	if (r == NULL)
		return ERR_NOMEM;
	r->loop = loop;
	r->fn = fn;
	r->arg = arg;
	r->port = port;
	r->result_fd = -1;
	if (server != NULL)
		addr_print(server, r->server);
	for (unsigned i = 0; i < DNS_SOCKETS_MAX; i++)
		r->sockets[i] = (struct resolve_socket){ .r = r, .fd = ARES_SOCKET_BAD };
	loop_deferred_init(&r->answer, resolve_on_answer, r);
	r->host = strdup(host);
	if (r->host == NULL) {
		resolve_close(r);
		return ERR_NOMEM;
	}
	if (resolve_knows(r))
		loop_defer(loop, &r->answer);
	else if (server == NULL && resolve_is_system_name(host))
		rc = resolve_ask_system(r);
	else
		rc = resolve_ask_dns(r);
	if (rc != ERR_OK) {
		r->found.rc = rc;
		loop_defer(loop, &r->answer);
	}
	*out = r;
	return ERR_OK;
}
