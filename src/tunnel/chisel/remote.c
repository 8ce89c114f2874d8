/* Remotes: the grammar of the command line, and the texts on the wire and in logs. */
#include "tunnel/chisel/remote.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "base/str.h"

#define PARTS_MAX 4

enum proto { PROTO_UNSET, PROTO_TCP, PROTO_UDP };

/* What is known of a remote while its parts are read, the last one first. */
struct remote_draft {
	struct remote r;
	bool has_local_port; /* given, and not only the target's */
	enum proto local_proto, remote_proto;
};

/* ---- hosts and ports ---- */

static bool is_ip6_in_brackets(const char *host)
{
	char inner[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	size_t n = strlen(host);

	if (n < 4 || n - 2 >= sizeof(inner) || host[n - 1] != ']')
		return false;
	memcpy(inner, host + 1, n - 2);
	inner[n - 2] = '\0';
	return inet_pton(AF_INET6, inner, &ip) == 1;
}

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool remote_host_is_good(const char *host)
{
	if (*host == '[')
		return is_ip6_in_brackets(host);
	for (const char *c = host; *c != '\0'; c++)
		if (!is_host_char(*c))
			return false;
	return *host != '\0';
}

bool remote_port_is_good(const char *port)
{
	unsigned long v;

	return *port != '0' && str_to_uint(port, UINT16_MAX, &v);
}

bool remote_local_port_is_good(const char *port)
{
	return strcmp(port, "0") == 0 || remote_port_is_good(port);
}

/* Cuts "/tcp" or "/udp" off the end; what is before it becomes lower case. */
static enum proto cut_proto(char *text)
{
	bool is_udp = str_has_suffix_nocase(text, "/udp");

	if (!is_udp && !str_has_suffix_nocase(text, "/tcp"))
		return PROTO_UNSET;
	text[strlen(text) - 4] = '\0';
	str_lower(text);
	return is_udp ? PROTO_UDP : PROTO_TCP;
}

/* ---- the command line ---- */

/* The length of "[...]" at @at, or 0. */
static size_t bracket_length(struct span text, size_t at)
{
	size_t end = at + 1;

	while (end < text.n && text.p[end] != '[' && text.p[end] != ']')
		end++;
	if (end == text.n || text.p[end] == '[' || end == at + 1)
		return 0;
	return end + 1 - at;
}

/* The length of the part that begins at @at, or 0 if what is there is to be skipped. */
static size_t part_length(struct span text, size_t at)
{
	size_t end = at;

	if (text.p[at] == '[')
		return bracket_length(text, at);
	while (end < text.n && memchr("[]:", text.p[end], 3) == NULL)
		end++;
	return end - at;
}

/* Finds the first PARTS_MAX parts of @text. Returns how many there are in all. */
static unsigned split(struct span text, struct span parts[PARTS_MAX])
{
	unsigned count = 0;
	size_t at = 0, n;

	while (at < text.n) {
		n = part_length(text, at);
		if (n == 0) {
			at++;
			continue;
		}
		if (count < PARTS_MAX)
			parts[count] = span_of(text.p + at, n);
		count++;
		at += n;
	}
	return count;
}

static void take_proto(struct remote_draft *d, enum proto proto)
{
	if (proto == PROTO_UNSET)
		return;
	if (d->r.remote_port[0] == '\0')
		d->remote_proto = proto;
	else if (d->local_proto == PROTO_UNSET)
		d->local_proto = proto;
}

static void take_port(struct remote_draft *d, const char *port)
{
	if (!d->r.is_socks && d->r.remote_port[0] == '\0')
		str_copy(d->r.remote_port, sizeof(d->r.remote_port), port);
	else
		d->has_local_port = true;
	str_copy(d->r.local_port, sizeof(d->r.local_port), port);
}

static enum err take_host(struct remote_draft *d, const char *host, struct why *why)
{
	if (!d->r.is_socks && d->r.local_port[0] == '\0')
		return err_set(why, ERR_SYNTAX, "Missing ports");
	if (!remote_host_is_good(host))
		return err_set(why, ERR_SYNTAX, "Invalid host");
	if (!d->r.is_socks && d->r.remote_host[0] == '\0')
		str_copy(d->r.remote_host, sizeof(d->r.remote_host), host);
	else
		str_copy(d->r.local_host, sizeof(d->r.local_host), host);
	return ERR_OK;
}

static enum err take_part(struct remote_draft *d, struct span part, struct why *why)
{
	char text[REMOTE_HOST_MAX];
	bool is_port_due, has_remote_port;

	if (part.n >= sizeof(text) || memchr(part.p, '\0', part.n) != NULL)
		return err_set(why, ERR_SYNTAX, "Invalid host");
	memcpy(text, part.p, part.n);
	text[part.n] = '\0';
	take_proto(d, cut_proto(text));
	is_port_due = !d->has_local_port;
	has_remote_port = d->r.is_socks || d->r.remote_port[0] != '\0';
	if (remote_port_is_good(text) ||
		(is_port_due && has_remote_port && strcmp(text, "0") == 0)) {
		take_port(d, text);
		return ERR_OK;
	}
	/* A number out of range where a port is expected: not a host. */
	if (is_port_due && *text != '\0' && text[strspn(text, "0123456789")] == '\0')
		return err_set(why, ERR_SYNTAX,
			"port %.20s is out of range: ports are 1 to 65535, and 0 for any"
			" free one to listen on",
			text);
	return take_host(d, text, why);
}

static void set_default(char *to, size_t size, const char *text)
{
	if (*to == '\0')
		str_copy(to, size, text);
}

static enum err fill_in(struct remote_draft *d, struct why *why)
{
	struct remote *r = &d->r;

	if (r->is_socks) {
		set_default(r->local_host, sizeof(r->local_host), "127.0.0.1");
		set_default(r->local_port, sizeof(r->local_port), "1080");
	} else {
		set_default(r->local_host, sizeof(r->local_host), "0.0.0.0");
		set_default(r->remote_host, sizeof(r->remote_host), "127.0.0.1");
	}
	if (r->local_port[0] == '\0') /* "stdio" and nothing else */
		return err_set(why, ERR_SYNTAX, "Missing ports");

	if (d->remote_proto == PROTO_UNSET)
		d->remote_proto = PROTO_TCP;
	if (d->local_proto != PROTO_UNSET && d->local_proto != d->remote_proto)
		return err_set(why, ERR_SYNTAX,
			"cross-protocol remotes are not supported yet");
	r->is_udp = d->remote_proto == PROTO_UDP;
	return remote_check(r, why);
}

enum err remote_check(const struct remote *r, struct why *why)
{
	if (r->is_socks && r->is_udp)
		return err_set(why, ERR_SYNTAX, "only TCP SOCKS is supported");
	if (r->is_stdio && r->is_reverse)
		return err_set(why, ERR_SYNTAX, "stdio cannot be reversed");
	return ERR_OK;
}

enum err remote_parse(struct span text, struct remote *out, struct why *why)
{
	struct remote_draft d = { .local_proto = PROTO_UNSET };
	struct span parts[PARTS_MAX], head, rest = text;
	unsigned count;
	enum err rc = ERR_OK;

	if (span_cut(&rest, 2, &head) && span_is(head, "R:")) {
		d.r.is_reverse = true;
		text = rest;
	}
	count = split(text, parts);
	if (count == 0 || count > PARTS_MAX)
		return err_set(why, ERR_SYNTAX, "Invalid remote");
	for (unsigned i = count; i-- > 0 && rc == ERR_OK;) {
		if (i == count - 1 && span_is(parts[i], "socks"))
			d.r.is_socks = true;
		else if (i == 0 && span_is(parts[i], "stdio"))
			d.r.is_stdio = true;
		else
			rc = take_part(&d, parts[i], why);
	}
	if (rc == ERR_OK)
		rc = fill_in(&d, why);
	if (rc == ERR_OK)
		*out = d.r;
	return rc;
}

/* ---- texts ---- */

/* "host:port", where an empty host is @missing. */
static void print_pair(char to[REMOTE_TEXT_MAX], const char *host, const char *port,
	const char *missing)
{
	snprintf(to, REMOTE_TEXT_MAX, "%s:%s", *host == '\0' ? missing : host, port);
}

static const char *skip_prefix(const char *text, const char *prefix)
{
	return str_has_prefix(text, prefix) ? text + strlen(prefix) : text;
}

uint16_t remote_port_number(const char *port)
{
	unsigned long number = 0;

	return str_to_uint(port, UINT16_MAX, &number) ? (uint16_t)number : 0;
}

const char *remote_print(const struct remote *r, char to[REMOTE_TEXT_MAX])
{
	char local[REMOTE_TEXT_MAX] = "stdio", remote[REMOTE_TEXT_MAX] = "socks";

	if (!r->is_stdio)
		print_pair(local, r->local_host, r->local_port, "0.0.0.0");
	if (!r->is_socks)
		print_pair(remote, r->remote_host, r->remote_port, "127.0.0.1");
	snprintf(to, REMOTE_TEXT_MAX, "%s%s=>%s%s", r->is_reverse ? "R:" : "",
		skip_prefix(local, "0.0.0.0:"), skip_prefix(remote, "127.0.0.1:"),
		r->is_udp ? "/udp" : "");
	return to;
}

const char *remote_print_target(const struct remote *r, char to[REMOTE_TEXT_MAX])
{
	if (r->is_socks)
		snprintf(to, REMOTE_TEXT_MAX, "socks");
	else
		snprintf(to, REMOTE_TEXT_MAX, "%s:%s%s",
			r->remote_host[0] == '\0' ? "127.0.0.1" : r->remote_host,
			r->remote_port, r->is_udp ? "/udp" : "");
	return to;
}

const char *remote_print_access(const struct remote *r, char to[REMOTE_TEXT_MAX])
{
	if (r->is_reverse)
		snprintf(to, REMOTE_TEXT_MAX, "R:%s:%s", r->local_host, r->local_port);
	else if (r->is_socks)
		snprintf(to, REMOTE_TEXT_MAX, "socks");
	else
		print_pair(to, r->remote_host, r->remote_port, "127.0.0.1");
	return to;
}

/* ---- targets ---- */

/* Copies @host, which may have brackets, to @to without them. */
static void copy_bare_host(char to[REMOTE_HOST_MAX], const char *host)
{
	size_t n;

	str_copy(to, REMOTE_HOST_MAX, *host == '[' ? host + 1 : host);
	n = strlen(to);
	if (n > 0 && to[n - 1] == ']')
		to[n - 1] = '\0';
}

enum err remote_target_parse(struct span text, struct remote_target *out)
{
	struct remote_target t = { .is_udp = false };
	char host[REMOTE_TEXT_MAX];
	const char *colon;

	if (text.n == 0 || memchr(text.p, '\0', text.n) != NULL)
		return ERR_SYNTAX;
	if (text.n >= sizeof(t.access))
		return ERR_LIMIT;
	memcpy(t.access, text.p, text.n);
	t.is_udp = cut_proto(t.access) == PROTO_UDP;
	t.is_socks = strcmp(t.access, "socks") == 0;
	if (t.is_socks) {
		if (!t.is_udp)
			*out = t;
		return t.is_udp ? ERR_SYNTAX : ERR_OK;
	}
	colon = strrchr(t.access, ':');
	if (colon == NULL || !remote_port_is_good(colon + 1))
		return ERR_SYNTAX;
	if (colon - t.access >= REMOTE_HOST_MAX)
		return ERR_LIMIT;
	memcpy(host, t.access, (size_t)(colon - t.access));
	host[colon - t.access] = '\0';
	if (!remote_host_is_good(host))
		return ERR_SYNTAX;
	copy_bare_host(t.host, host);
	str_copy(t.port, sizeof(t.port), colon + 1);
	*out = t;
	return ERR_OK;
}

bool remote_covers(const struct remote *r, const struct remote_target *t)
{
	char host[REMOTE_HOST_MAX];

	if (!r->is_reverse || r->is_socks != t->is_socks)
		return false;
	if (r->is_socks)
		return true;
	/* The other side lower-cases what it sends with a protocol. */
	copy_bare_host(host, r->remote_host[0] == '\0' ? "127.0.0.1" : r->remote_host);
	return r->is_udp == t->is_udp && strcasecmp(host, t->host) == 0 &&
		strcmp(r->remote_port, t->port) == 0;
}
