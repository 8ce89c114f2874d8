/* SOCKS5, RFC 1928 and 1929. */
#include "wire/socks5.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define VERSION 5
#define LOGIN_VERSION 1

enum { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 0xff };
enum { COMMAND_CONNECT = 1 };
enum { ATYP_IP4 = 1, ATYP_NAME = 3, ATYP_IP6 = 4 };

/* ---- both sides ---- */

/* An address as it is in requests and replies. */
struct socks5_addr {
	uint8_t atyp;
	struct span bytes;
	uint16_t port;
};

/* ERR_PROTO: an address type that does not exist. */
static enum err read_addr(struct span *in, struct socks5_addr *out)
{
	struct socks5_addr a;
	struct span rest = *in;
	uint8_t n = 0;

	if (!span_u8(&rest, &a.atyp))
		return ERR_AGAIN;
	if (a.atyp == ATYP_IP4)
		n = 4;
	else if (a.atyp == ATYP_IP6)
		n = 16;
	else if (a.atyp != ATYP_NAME)
		return ERR_PROTO;
	else if (!span_u8(&rest, &n))
		return ERR_AGAIN;
	if (!span_cut(&rest, n, &a.bytes) || !span_u16(&rest, &a.port))
		return ERR_AGAIN;
	*out = a;
	*in = rest;
	return ERR_OK;
}

/* Puts are checked once, at the end of a message, in the buf's @failed. */

static void put_port(struct buf *out, uint16_t port)
{
	(void)buf_put_u8(out, (uint8_t)(port >> 8));
	(void)buf_put_u8(out, (uint8_t)port);
}

/* ---- server ---- */

void socks5_server_init(struct socks5_server *s)
{
	s->state = SOCKS5_GREETING;
}

static enum err server_greeting(struct socks5_server *s, struct span *in, struct buf *out)
{
	struct span rest = *in, methods;
	uint8_t version, n;
	bool has_none;

	if (!span_u8(&rest, &version))
		return ERR_AGAIN;
	if (version != VERSION)
		return ERR_SYNTAX;
	if (!span_u8(&rest, &n) || !span_cut(&rest, n, &methods))
		return ERR_AGAIN;
	*in = rest;

	has_none = n > 0 && memchr(methods.p, METHOD_NONE, n) != NULL;
	(void)buf_put_u8(out, VERSION);
	(void)buf_put_u8(out, has_none ? METHOD_NONE : METHOD_REFUSED);
	if (out->failed != ERR_OK)
		return out->failed;
	if (!has_none)
		return ERR_DENIED;
	s->state = SOCKS5_REQUEST;
	return ERR_OK;
}

/* A name that could be mistaken for another once it is a C string is no name. */
static bool name_is_good(struct span name)
{
	if (name.n == 0)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return true;
}

static bool target_from_addr(const struct socks5_addr *a, struct socks5_target *out)
{
	struct socks5_target t = { .port = a->port };

	if (a->atyp == ATYP_NAME) {
		if (!name_is_good(a->bytes))
			return false;
		memcpy(t.host, a->bytes.p, a->bytes.n);
	} else {
		inet_ntop(a->atyp == ATYP_IP4 ? AF_INET : AF_INET6, a->bytes.p, t.host,
			sizeof(t.host));
	}
	*out = t;
	return true;
}

/* Answers with @code and says @rc, unless there is not even room for the answer. */
static enum err server_refuse(struct buf *out, enum socks5_reply code, enum err rc)
{
	enum err put = socks5_server_reply(out, code, span_of(NULL, 0), 0);

	return put == ERR_OK ? rc : put;
}

static enum err server_request(struct socks5_server *s, struct span *in, struct buf *out,
	struct socks5_target *target)
{
	struct span rest = *in;
	struct socks5_addr addr;
	uint8_t version, command, reserved;
	enum err rc;

	if (!span_u8(&rest, &version))
		return ERR_AGAIN;
	if (version != VERSION)
		return ERR_SYNTAX;
	if (!span_u8(&rest, &command) || !span_u8(&rest, &reserved))
		return ERR_AGAIN;
	rc = read_addr(&rest, &addr);
	if (rc == ERR_PROTO)
		return server_refuse(out, SOCKS5_BAD_ADDRESS, ERR_PROTO);
	if (rc != ERR_OK)
		return rc;
	*in = rest;

	if (command != COMMAND_CONNECT)
		return server_refuse(out, SOCKS5_BAD_COMMAND, ERR_PROTO);
	if (!target_from_addr(&addr, target))
		return server_refuse(out, SOCKS5_HOST_UNREACHABLE, ERR_SYNTAX);
	s->state = SOCKS5_DONE;
	return ERR_OK;
}

enum err socks5_server_next(struct socks5_server *s, struct span *in, struct buf *out,
	struct socks5_target *target)
{
	enum err rc = ERR_PROTO; /* asked once too often */

	if (s->state == SOCKS5_GREETING)
		rc = server_greeting(s, in, out);
	if (s->state == SOCKS5_REQUEST)
		rc = server_request(s, in, out, target);
	if (rc != ERR_OK && rc != ERR_AGAIN)
		s->state = SOCKS5_FAILED;
	return rc;
}

enum err socks5_server_reply(struct buf *out, enum socks5_reply code, struct span ip,
	uint16_t port)
{
	static const uint8_t nowhere[4];
	uint8_t head[] = { VERSION, (uint8_t)code, 0, ip.n == 16 ? ATYP_IP6 : ATYP_IP4 };

	if (ip.n != 4 && ip.n != 16) {
		ip = span_of(nowhere, sizeof(nowhere));
		port = 0;
	}
	(void)buf_put(out, head, sizeof(head));
	(void)buf_put_span(out, ip);
	put_port(out, port);
	return out->failed;
}

enum socks5_reply socks5_reply_for_errno(int errnum)
{
	switch (errnum) {
	case ECONNREFUSED:
		return SOCKS5_REFUSED;
	case ENETUNREACH:
		return SOCKS5_NETWORK_UNREACHABLE;
	default:
		return SOCKS5_HOST_UNREACHABLE;
	}
}

/* ---- client ---- */

enum err socks5_client_start(struct socks5_client *c, const struct socks5_target *target,
	const char *user, const char *password, struct buf *out)
{
	static const uint8_t plain[] = { VERSION, 1, METHOD_NONE };
	static const uint8_t login[] = { VERSION, 2, METHOD_NONE, METHOD_PASSWORD };
	bool has_login = user != NULL && password != NULL;

	if (has_login && (strlen(user) > UINT8_MAX || strlen(password) > UINT8_MAX))
		return ERR_LIMIT;
	*c = (struct socks5_client){
		.state = SOCKS5_GREETING,
		.user = has_login ? user : NULL,
		.password = has_login ? password : NULL,
		.target = *target,
	};
	return has_login ? buf_put(out, login, sizeof(login)) :
			   buf_put(out, plain, sizeof(plain));
}

static void put_short(struct buf *out, const char *text)
{
	(void)buf_put_u8(out, (uint8_t)strlen(text));
	(void)buf_put_str(out, text);
}

static enum err put_login(const struct socks5_client *c, struct buf *out)
{
	(void)buf_put_u8(out, LOGIN_VERSION);
	put_short(out, c->user);
	put_short(out, c->password);
	return out->failed;
}

/* The proxy resolves a name; only a literal goes as an address. */
static enum err put_request(const struct socks5_client *c, struct buf *out)
{
	static const uint8_t head[] = { VERSION, COMMAND_CONNECT, 0 };
	const char *host = c->target.host;
	uint8_t ip[16];

	(void)buf_put(out, head, sizeof(head));
	if (inet_pton(AF_INET, host, ip) == 1) {
		(void)buf_put_u8(out, ATYP_IP4);
		(void)buf_put(out, ip, 4);
	} else if (inet_pton(AF_INET6, host, ip) == 1) {
		(void)buf_put_u8(out, ATYP_IP6);
		(void)buf_put(out, ip, 16);
	} else {
		(void)buf_put_u8(out, ATYP_NAME);
		put_short(out, host);
	}
	put_port(out, c->target.port);
	return out->failed;
}

/* The two bytes that answer a greeting or a login. */
static enum err client_pair(struct span *in, uint8_t version, uint8_t *out,
	struct why *why)
{
	struct span rest = *in;
	uint8_t got, value;

	if (!span_u8(&rest, &got))
		return ERR_AGAIN;
	if (got != version)
		return err_set(why, ERR_SYNTAX, "the proxy does not speak SOCKS5");
	if (!span_u8(&rest, &value))
		return ERR_AGAIN;
	*out = value;
	*in = rest;
	return ERR_OK;
}

static enum err client_greeting(struct socks5_client *c, struct span *in, struct buf *out,
	struct why *why)
{
	uint8_t method = 0;
	enum err rc = client_pair(in, VERSION, &method, why);

	if (rc != ERR_OK)
		return rc;
	if (method == METHOD_NONE) {
		c->state = SOCKS5_REQUEST;
		return put_request(c, out);
	}
	if (method == METHOD_PASSWORD && c->user != NULL) {
		c->state = SOCKS5_LOGIN;
		return put_login(c, out);
	}
	return err_set(why, ERR_DENIED,
		"the proxy requires an authentication method that is not supported");
}

static enum err client_login(struct socks5_client *c, struct span *in, struct buf *out,
	struct why *why)
{
	uint8_t status = 0;
	enum err rc = client_pair(in, LOGIN_VERSION, &status, why);

	if (rc != ERR_OK)
		return rc;
	if (status != 0)
		return err_set(why, ERR_DENIED,
			"the proxy rejected the user name or the password");
	c->state = SOCKS5_REQUEST;
	return put_request(c, out);
}

static enum err client_refused(uint8_t code, struct why *why)
{
	static const char *const words[] = {
		[1] = "general failure",
		[2] = "not allowed by its rules",
		[3] = "network unreachable",
		[4] = "host unreachable",
		[5] = "connection refused",
		[6] = "time to live expired",
		[7] = "command not supported",
		[8] = "address type not supported",
	};
	enum err rc = code == 2 ? ERR_DENIED : ERR_PROTO;

	if (code >= mem_count(words))
		return err_set(why, rc, "the proxy could not connect: code %u", code);
	return err_set(why, rc, "the proxy could not connect: %s", words[code]);
}

static enum err client_reply(struct socks5_client *c, struct span *in, struct why *why)
{
	struct span rest = *in;
	struct socks5_addr bound;
	uint8_t code = 0, reserved;
	enum err rc = client_pair(&rest, VERSION, &code, why);

	if (rc != ERR_OK)
		return rc;
	if (code != SOCKS5_OK) /* the rest of a refusal may never come */
		return client_refused(code, why);
	if (!span_u8(&rest, &reserved))
		return ERR_AGAIN;
	rc = read_addr(&rest, &bound);
	if (rc == ERR_PROTO)
		return err_set(why, rc, "the proxy's reply has an unknown address type");
	if (rc != ERR_OK)
		return rc;
	*in = rest;
	c->state = SOCKS5_DONE;
	return ERR_OK;
}

static enum err client_step(struct socks5_client *c, struct span *in, struct buf *out,
	struct why *why)
{
	switch (c->state) {
	case SOCKS5_GREETING:
		return client_greeting(c, in, out, why);
	case SOCKS5_LOGIN:
		return client_login(c, in, out, why);
	case SOCKS5_REQUEST:
		return client_reply(c, in, why);
	case SOCKS5_DONE:
	case SOCKS5_FAILED:
		break;
	}
	return err_set(why, ERR_PROTO, "the proxy has already replied");
}

enum err socks5_client_next(struct socks5_client *c, struct span *in, struct buf *out,
	struct why *why)
{
	enum err rc;

	do {
		rc = client_step(c, in, out, why);
	} while (rc == ERR_OK && c->state != SOCKS5_DONE);

	if (rc != ERR_OK && rc != ERR_AGAIN)
		c->state = SOCKS5_FAILED;
	return rc;
}
