/* The outbound proxy that the environment asks for. */
#include "text/proxy_env.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/names.h"

#define ENTRY_MAX 256 /* bytes of an entry of NO_PROXY; a host has fewer */
#define ADDRESS_BITS 128
#define IP4_BITS 96 /* of an IPv4 address before its own: ::ffff:0:0/96 */

#define HTTP_PROXY_PORT 80
#define SOCKS_PROXY_PORT 1080

/* ---- the variables ---- */

static struct proxy_variable read_variable(char *(*get)(const char *name),
	const char *upper, const char *lower)
{
	struct proxy_variable v = { .name = upper, .value = get(upper) };

	if (v.value == NULL || v.value[0] == '\0')
		v = (struct proxy_variable){ .name = lower, .value = get(lower) };
	if (v.value != NULL && v.value[0] == '\0')
		v.value = NULL;
	return v;
}

void proxy_env_read(struct proxy_env *e, char *(*get)(const char *name))
{
	const char *method = get("REQUEST_METHOD");

	e->https = read_variable(get, "HTTPS_PROXY", "https_proxy");
	e->http = read_variable(get, "HTTP_PROXY", "http_proxy");
	e->all = read_variable(get, "ALL_PROXY", "all_proxy");
	e->no = read_variable(get, "NO_PROXY", "no_proxy");
	if (method != NULL && method[0] != '\0' && e->http.name[0] == 'H')
		e->http.value = NULL;
}

/* ---- destinations without a proxy ---- */

/* IPv4 as ::ffff:a.b.c.d. */
static bool parse_address(const char *text, uint8_t out[16])
{
	static const uint8_t ip4_start[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, text, out) == 1)
		return true;
	memcpy(out, ip4_start, sizeof(ip4_start));
	return inet_pton(AF_INET, text, out + sizeof(ip4_start)) == 1;
}

static bool is_ip4(const uint8_t address[16])
{
	static const uint8_t ip4_start[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(address, ip4_start, sizeof(ip4_start)) == 0;
}

static bool is_in_range(const uint8_t address[16], const uint8_t range[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (is_ip4(address) != (is_ip4(range) && bits >= IP4_BITS))
		return false;
	return memcmp(address, range, whole) == 0 &&
		(rest == 0 || (address[whole] ^ range[whole]) >> (8 - rest) == 0);
}

/* "10.0.0.0/8": cuts the slash and the number off. False: there is none. */
static bool cut_bits(char *entry, unsigned *out)
{
	bool is_ip6 = strchr(entry, ':') != NULL;
	unsigned long bits, max = is_ip6 ? ADDRESS_BITS : ADDRESS_BITS - IP4_BITS;
	char *slash = strchr(entry, '/');

	if (slash == NULL || !str_to_uint(slash + 1, max, &bits))
		return false;
	*slash = '\0';
	*out = (unsigned)bits + (is_ip6 ? 0 : IP4_BITS);
	return true;
}

/*
 * Cuts the port off, and brackets; IPv6 without brackets has none. 0: there is no port.
 * False: it is no number.
 */
static bool cut_port(char **entry, uint16_t *port)
{
	char *colon = strrchr(*entry, ':'), *bracket = strchr(*entry, ']');
	unsigned long n = 0;

	*port = 0;
	if (bracket != NULL && colon != NULL && colon < bracket)
		colon = NULL;
	if (bracket == NULL && colon != NULL && strchr(*entry, ':') != colon)
		colon = NULL;
	if (colon != NULL) {
		if (colon[1] != '\0' && !str_to_uint(colon + 1, UINT16_MAX, &n))
			return false;
		*colon = '\0';
		*port = (uint16_t)n;
	}
	if ((*entry)[0] == '[' && bracket != NULL) {
		*bracket = '\0';
		(*entry)++;
	}
	return true;
}

static bool is_of_domain(const char *host, const char *domain)
{
	size_t n = strlen(host), m;

	if (domain[0] == '*' && domain[1] == '.')
		domain++;
	m = strlen(domain);
	if (m == 0 || m > n || !str_has_suffix_nocase(host, domain))
		return false;
	return m == n ? domain[0] != '.' : domain[0] == '.' || host[n - m - 1] == '.';
}

/* @address is NULL if @host is a name. */
static bool matches(char *entry, const char *host, const uint8_t *address, uint16_t port)
{
	uint8_t range[16];
	uint16_t only;
	unsigned bits;

	if (strcmp(entry, "*") == 0)
		return true;
	if (cut_bits(entry, &bits))
		return address != NULL && parse_address(entry, range) &&
			is_in_range(address, range, bits);
	if (!cut_port(&entry, &only) || (only != 0 && only != port))
		return false;
	if (address == NULL)
		return is_of_domain(host, entry);
	return parse_address(entry, range) && is_in_range(address, range, ADDRESS_BITS);
}

bool proxy_env_is_direct(const char *list, const char *host, uint16_t port)
{
	uint8_t bytes[16];
	const uint8_t *address = parse_address(host, bytes) ? bytes : NULL;

	if (names_host_is_local(host))
		return true;
	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ", \t");
		char entry[ENTRY_MAX];

		if (n > 0 && n < sizeof(entry)) {
			memcpy(entry, list, n);
			entry[n] = '\0';
			if (matches(entry, host, address, port))
				return true;
		}
		list += n + (list[n] != '\0');
	}
	return false;
}

/* ---- the proxy ---- */

static enum err read_proxy(const struct proxy_variable *v, struct url *out,
	struct why *why)
{
	static const char example[] = "http://<host>:<port> or socks5://<host>:<port>";
	bool has_scheme = strstr(v->value, "://") != NULL;
	char *text = str_printf("%s%s", has_scheme ? "" : "http://", v->value);
	struct why words = { "" };
	bool is_http;
	enum err rc;

	if (text == NULL)
		return err_set(why, ERR_NOMEM, "no memory for %s", v->name);
	rc = url_parse(span_str(text), out, &words);
	mem_free_secret_str(text);
	if (rc != ERR_OK)
		return err_set(why, ERR_SYNTAX, "%s: %s; write %s", v->name,
			err_text(rc, &words), example);
	is_http = strcmp(out->scheme, "http") == 0;
	if (!is_http && strcmp(out->scheme, "socks5") != 0 &&
		strcmp(out->scheme, "socks5h") != 0)
		return err_set(why, ERR_SYNTAX,
			"%s: a proxy cannot be reached by %s; write %s", v->name,
			out->scheme, example);
	if (out->port == 0)
		out->port = is_http ? HTTP_PROXY_PORT : SOCKS_PROXY_PORT;
	return ERR_OK;
}

enum err proxy_env_find(const struct proxy_env *e, bool has_tls, const char *host,
	uint16_t port, struct url *out, struct why *why)
{
	const struct proxy_variable *v = has_tls ? &e->https : &e->http;

	if (v->value == NULL)
		v = &e->all;
	if (v->value == NULL || proxy_env_is_direct(e->no.value, host, port))
		return ERR_NOENT;
	return read_proxy(v, out, why);
}
