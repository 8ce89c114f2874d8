/* The resolver turns a host name into addresses. */
#include "net/resolver.h"

#include <netdb.h>
#include <uv.h>

#include "base/str.h"

enum resolve_state {
	RESOLVE_ASKING,   /* a thread is at it: it must come back before we go */
	RESOLVE_ANSWERED, /* the answer is in the arguments of the deferred call */
	RESOLVE_DROPPED,  /* nobody wants to know any more */
};

struct resolve {
	struct loop *loop; /* borrowed: outlives its lookups */
	resolve_fn *fn;
	void *arg; /* borrowed: the owner's */
	enum resolve_state state;
	uint16_t port;
	char host[128]; /* for words only: cut if it is long */
	uv_getaddrinfo_t request;

	/* Answers that need no asking. */
	struct loop_deferred answer;
	enum err rc;
	struct why why;
	struct addr addrs[2];
	unsigned count;
};

static void resolve_on_answer(void *arg)
{
	struct resolve *r = arg;

	r->fn(r->arg, r->rc, r->addrs, r->count, &r->why);
	free(r);
}

static enum err resolve_explain(const char *host, int status, struct why *why)
{
	char name[128];

	str_quote(name, sizeof(name), span_str(host));
	switch (status) {
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
		return err_set(why, ERR_NOENT, "lookup %s: no such host", name);
	case UV_EAI_AGAIN:
		return err_set(why, ERR_TIMEOUT, "lookup %s: no name server answered",
			name);
	default:
		return err_set(why, ERR_SYS, "lookup %s: %s", name, uv_strerror(status));
	}
}

static bool resolve_take(struct addr *to, const struct addrinfo *ai, uint16_t port)
{
	if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
		return false;
	*to = (struct addr){ .n = ai->ai_addrlen };
	memcpy(&to->any, ai->ai_addr, ai->ai_addrlen);
	addr_set_port(to, port);
	return true;
}

/* The first that is or is not of @family, from @ai on. */
static const struct addrinfo *resolve_next(const struct addrinfo *ai, int family,
	bool is_same)
{
	while (ai != NULL && (ai->ai_family == family) != is_same)
		ai = ai->ai_next;
	return ai;
}

/* The families take turns, each in the order of the answer. */
static unsigned resolve_interleave(const struct addrinfo *list, uint16_t port,
	struct addr addrs[RESOLVER_ADDRS_MAX])
{
	int family = list != NULL ? list->ai_family : AF_UNSPEC;
	const struct addrinfo *same = list, *others = resolve_next(list, family, false);
	unsigned count = 0;

	while (count < RESOLVER_ADDRS_MAX && (same != NULL || others != NULL)) {
		bool is_same = others == NULL || (same != NULL && count % 2 == 0);
		const struct addrinfo **turn = is_same ? &same : &others;

		if (resolve_take(&addrs[count], *turn, port))
			count++;
		*turn = resolve_next((*turn)->ai_next, family, is_same);
	}
	return count;
}

static void resolve_on_uv(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct resolve *r = mem_container(request, struct resolve, request);
	struct addr addrs[RESOLVER_ADDRS_MAX];
	unsigned count = 0;

	if (r->state != RESOLVE_DROPPED) {
		if (status == 0)
			count = resolve_interleave(list, r->port, addrs);
		if (count == 0 && status == 0)
			status = UV_EAI_NODATA;
		if (status != 0)
			r->rc = resolve_explain(r->host, status, &r->why);
		r->fn(r->arg, r->rc, addrs, count, &r->why);
	}
	uv_freeaddrinfo(list);
	free(r);
}

bool resolver_is_localhost(const char *host)
{
	struct span name = span_str(host);

	return span_is_nocase(name, "localhost") || span_is_nocase(name, "localhost.") ||
		str_has_suffix_nocase(host, ".localhost");
}

static void resolve_answer_now(struct resolve *r)
{
	r->state = RESOLVE_ANSWERED;
	loop_deferred_init(&r->answer, resolve_on_answer, r);
	loop_defer(r->loop, &r->answer);
}

static bool resolve_knows(struct resolve *r, const char *host)
{
	if (addr_from_literal(host, r->port, &r->addrs[0]) == ERR_OK) {
		r->count = 1;
		return true;
	}
	if (resolver_is_localhost(host)) {
		r->count = 2;
		return addr_from_literal("::1", r->port, &r->addrs[0]) == ERR_OK &&
			addr_from_literal("127.0.0.1", r->port, &r->addrs[1]) == ERR_OK;
	}
	return false;
}

static void resolve_ask(struct resolve *r, const char *host)
{
	/* No AI_ADDRCONFIG: it hides 127.0.0.1 and ::1 on machines that are offline. */
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	int status;

	r->state = RESOLVE_ASKING;
	status = uv_getaddrinfo(loop_uv(r->loop), &r->request, resolve_on_uv, host, NULL,
		&hints);
	if (status != 0) {
		r->rc = resolve_explain(host, status, &r->why);
		resolve_answer_now(r);
	}
}

enum err resolve_open(struct loop *loop, const char *host, uint16_t port, resolve_fn *fn,
	void *arg, struct resolve **out)
{
	struct resolve *r = mem_new(r);

	if (r == NULL)
		return ERR_NOMEM;
	r->loop = loop;
	r->fn = fn;
	r->arg = arg;
	r->port = port;
	str_copy(r->host, sizeof(r->host), host);
	if (resolve_knows(r, host))
		resolve_answer_now(r);
	else
		resolve_ask(r, host);
	*out = r;
	return ERR_OK;
}

void resolve_close(struct resolve *r)
{
	if (r == NULL)
		return;
	if (r->state == RESOLVE_ANSWERED) {
		loop_undefer(&r->answer);
		free(r);
		return;
	}
	r->state = RESOLVE_DROPPED;
	(void)uv_cancel((uv_req_t *)&r->request);
}
