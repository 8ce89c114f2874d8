/* The PROXY protocol: its headers are read and written. */
#include "wire/proxyproto.h"

#include <arpa/inet.h>

#include "base/mem.h"
#include "base/str.h"

/* Version 2, section 2.2. */
#define SIGNATURE_BYTES 12
#define VERSION 0x20
#define COMMAND_LOCAL 0
#define COMMAND_PROXY 1
#define FAMILY_UNSPEC 0x00
#define FAMILY_TCP4 0x11
#define FAMILY_TCP6 0x21
#define TLV_HEAD 3
#define TLS_HEAD 5 /* of the value of TLV_TLS: flags, result of verification */
#define TLS_IS_USED 1

enum tlv_type {
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
	TLV_TLS = 0x20,
	TLV_TLS_VERSION = 0x21, /* inside of TLV_TLS */
};

static const uint8_t signature[SIGNATURE_BYTES] = { '\r', '\n', '\r', '\n', 0, '\r', '\n',
	'Q', 'U', 'I', 'T', '\n' };

static const char line_start[] = "PROXY ";

/* ERR_OK: @in starts with it.  ERR_AGAIN: it may. */
static enum err check_start(struct span in, struct span start, struct why *why)
{
	size_t n = in.n < start.n ? in.n : start.n;

	if (n > 0 && memcmp(in.p, start.p, n) != 0)
		return err_set(why, ERR_SYNTAX,
			"the connection does not begin with a PROXY protocol header");
	return in.n < start.n ? ERR_AGAIN : ERR_OK;
}

/* ---- version 1: a line ---- */

static bool parse_ip(struct span text, enum proxyproto_family family, uint8_t out[16])
{
	char ip[INET6_ADDRSTRLEN];

	if (text.n >= sizeof(ip) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(ip, text.p, text.n);
	ip[text.n] = '\0';
	return inet_pton(family == PROXYPROTO_IP4 ? AF_INET : AF_INET6, ip, out) == 1;
}

/* Zeros in front are not allowed: some readers take them for octal. */
static bool parse_port(struct span text, uint16_t *out)
{
	unsigned port = 0;

	if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.p[i] - '0');
	}
	*out = (uint16_t)port;
	return port <= UINT16_MAX;
}

static bool parse_ends(struct span rest, struct proxyproto *p)
{
	struct span from, to, from_port;

	return span_split(&rest, ' ', &from) && span_split(&rest, ' ', &to) &&
		span_split(&rest, ' ', &from_port) &&
		parse_ip(from, p->family, p->source.ip) &&
		parse_ip(to, p->family, p->destination.ip) &&
		parse_port(from_port, &p->source.port) &&
		parse_port(rest, &p->destination.port);
}

/* @line is what follows "PROXY ", without its end. */
static enum err parse_line(struct span line, struct proxyproto *p, struct why *why)
{
	struct span protocol = line;

	(void)span_split(&line, ' ', &protocol);
	if (span_is(protocol, "UNKNOWN"))
		return ERR_OK; /* receivers ignore what follows */
	if (span_is(protocol, "TCP4"))
		p->family = PROXYPROTO_IP4;
	else if (span_is(protocol, "TCP6"))
		p->family = PROXYPROTO_IP6;
	if (p->family == PROXYPROTO_UNKNOWN || !parse_ends(line, p))
		return err_set(why, ERR_SYNTAX,
			"malformed PROXY protocol header (version 1)");
	return ERR_OK;
}

static enum err read_v1(struct span *in, struct proxyproto *out, struct why *why)
{
	size_t max = in->n < PROXYPROTO_V1_MAX ? in->n : PROXYPROTO_V1_MAX;
	const size_t start = sizeof(line_start) - 1;
	struct proxyproto p = { .family = PROXYPROTO_UNKNOWN };
	const uint8_t *end;
	size_t n;
	enum err rc = check_start(*in, span_of(line_start, start), why);

	if (rc != ERR_OK)
		return rc;
	end = memchr(in->p, '\n', max);
	if (end == NULL && max < PROXYPROTO_V1_MAX)
		return ERR_AGAIN;
	if (end == NULL)
		return err_set(why, ERR_LIMIT,
			"the PROXY protocol header (version 1) is longer than %d bytes",
			PROXYPROTO_V1_MAX);
	n = (size_t)(end - in->p);
	if (in->p[n - 1] != '\r')
		return err_set(why, ERR_SYNTAX,
			"the PROXY protocol header (version 1) does not end in CR LF");
	rc = parse_line(span_of(in->p + start, n - 1 - start), &p, why);
	if (rc != ERR_OK)
		return rc;
	*out = p;
	*in = span_of(in->p + n + 1, in->n - n - 1);
	return ERR_OK;
}

/* ---- version 2: binary ---- */

static const struct transport {
	uint8_t number;
	uint8_t ip_bytes;
	enum proxyproto_family family;
	uint16_t bytes; /* of both addresses and ports */
} transports[] = {
	{ FAMILY_TCP4, 4, PROXYPROTO_IP4, 12 },
	{ FAMILY_TCP6, 16, PROXYPROTO_IP6, 36 },
	{ 0x12, 4, PROXYPROTO_UNKNOWN, 12 }, /* UDP */
	{ 0x22, 16, PROXYPROTO_UNKNOWN, 36 },
	{ 0x31, 0, PROXYPROTO_UNKNOWN, 216 }, /* Unix sockets */
	{ 0x32, 0, PROXYPROTO_UNKNOWN, 216 },
};

static const struct transport *transport_find(uint8_t number)
{
	for (size_t i = 0; i < mem_count(transports); i++)
		if (transports[i].number == number)
			return &transports[i];
	return NULL;
}

/* CRC-32C (RFC 9260, appendix A) continued over @in. A header is short: no table. */
static uint32_t crc32c(uint32_t crc, struct span in)
{
	for (size_t i = 0; i < in.n; i++) {
		crc ^= in.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* @value, inside of @header, is taken as zeros. */
static bool crc_is_good(struct span header, struct span value)
{
	static const uint8_t zeros[4];
	size_t at = (size_t)(value.p - header.p);
	uint32_t crc = UINT32_MAX, wanted;

	if (!span_u32(&value, &wanted) || value.n > 0)
		return false;
	crc = crc32c(crc, span_of(header.p, at));
	crc = crc32c(crc, span_of(zeros, sizeof(zeros)));
	at += sizeof(zeros);
	crc = crc32c(crc, span_of(header.p + at, header.n - at));
	return ~crc == wanted;
}

static bool tlv_next(struct span *in, uint8_t *type, struct span *value)
{
	uint16_t n;

	return span_u8(in, type) && span_u16(in, &n) && span_cut(in, n, value);
}

/* One that comes twice could mean one thing to us and another to the next reader. */
static bool set_once(struct span *field, struct span value)
{
	if (field->p != NULL || value.n > PROXYPROTO_TEXT_MAX)
		return false;
	*field = value;
	return true;
}

static bool read_tls(struct span in, struct proxyproto *p)
{
	struct span value;
	uint32_t verified;
	uint8_t flags, type;

	if (!span_u8(&in, &flags) || !span_u32(&in, &verified))
		return false;
	p->is_tls = (flags & TLS_IS_USED) != 0;
	while (in.n > 0) {
		if (!tlv_next(&in, &type, &value))
			return false;
		if (type == TLV_TLS_VERSION && !set_once(&p->tls_version, value))
			return false;
	}
	return true;
}

static enum err read_tlvs(struct span in, struct span header, struct proxyproto *p)
{
	struct span value;
	bool ok = true;
	uint8_t type;

	while (ok && in.n > 0) {
		if (!tlv_next(&in, &type, &value))
			return ERR_SYNTAX;
		if (type == TLV_CRC32C && !crc_is_good(header, value))
			return ERR_CRYPTO;
		if (type == TLV_ALPN)
			ok = set_once(&p->alpn, value);
		else if (type == TLV_AUTHORITY)
			ok = set_once(&p->authority, value);
		else if (type == TLV_TLS)
			ok = read_tls(value, p);
	}
	return ok ? ERR_OK : ERR_SYNTAX;
}

static bool read_end_ip(struct span *in, size_t n, struct proxyproto_end *end)
{
	struct span ip;

	if (!span_cut(in, n, &ip))
		return false;
	memcpy(end->ip, ip.p, n);
	return true;
}

/* Addresses and TLVs of the command PROXY. */
static enum err read_body(struct span body, struct span header, struct proxyproto *p)
{
	const struct transport *t = transport_find(header.p[13]);
	struct span ends;

	if (header.p[13] == FAMILY_UNSPEC)
		return ERR_OK; /* receivers ignore what follows */
	if (t == NULL || !span_cut(&body, t->bytes, &ends))
		return ERR_SYNTAX;
	p->family = t->family;
	if (t->family != PROXYPROTO_UNKNOWN &&
		(!read_end_ip(&ends, t->ip_bytes, &p->source) ||
			!read_end_ip(&ends, t->ip_bytes, &p->destination) ||
			!span_u16(&ends, &p->source.port) ||
			!span_u16(&ends, &p->destination.port)))
		return ERR_SYNTAX;
	return read_tlvs(body, header, p);
}

static bool command_is_known(uint8_t command)
{
	return command == (VERSION | COMMAND_LOCAL) ||
		command == (VERSION | COMMAND_PROXY);
}

static bool family_is_known(uint8_t family)
{
	return family == FAMILY_UNSPEC || transport_find(family) != NULL;
}

/* Checks what has arrived of the first 16 bytes; ERR_OK: they are there. */
static enum err check_head(struct span in, uint16_t *n, struct why *why)
{
	enum err rc = check_start(in, span_of(signature, sizeof(signature)), why);

	if (rc != ERR_OK)
		return rc;
	/* The family of LOCAL is ignored. */
	if ((in.n > 12 && !command_is_known(in.p[12])) ||
		(in.n > 13 && in.p[12] == (VERSION | COMMAND_PROXY) &&
			!family_is_known(in.p[13])))
		return err_set(why, ERR_SYNTAX,
			"malformed PROXY protocol header (version 2)");
	if (in.n < PROXYPROTO_V2_HEAD)
		return ERR_AGAIN;
	*n = (uint16_t)(in.p[14] << 8 | in.p[15]);
	if (*n > PROXYPROTO_V2_BODY_MAX)
		return err_set(why, ERR_LIMIT,
			"the PROXY protocol header (version 2) announces %u bytes, more than "
			"%d",
			*n, PROXYPROTO_V2_BODY_MAX);
	return ERR_OK;
}

static enum err read_v2(struct span *in, struct proxyproto *out, struct why *why)
{
	struct proxyproto p = { .family = PROXYPROTO_UNKNOWN };
	struct span rest = *in, header, body;
	uint16_t n = 0;
	enum err rc = check_head(rest, &n, why);

	if (rc != ERR_OK)
		return rc;
	if (!span_cut(&rest, PROXYPROTO_V2_HEAD + n, &header))
		return ERR_AGAIN;
	body = span_of(header.p + PROXYPROTO_V2_HEAD, n);
	p.is_local = header.p[12] == (VERSION | COMMAND_LOCAL);
	if (!p.is_local)
		rc = read_body(body, header, &p);
	if (rc == ERR_CRYPTO)
		return err_set(why, rc,
			"the checksum of the PROXY protocol header is wrong");
	if (rc != ERR_OK)
		return err_set(why, rc, "malformed PROXY protocol header (version 2)");
	*out = p;
	*in = rest;
	return ERR_OK;
}

enum err proxyproto_read(struct span *in, struct proxyproto *out, struct why *why)
{
	if (in->n == 0)
		return ERR_AGAIN;
	return in->p[0] == 'P' ? read_v1(in, out, why) : read_v2(in, out, why);
}

/* ---- writing ---- */

enum err proxyproto_write_v1(const struct proxyproto *p, struct buf *out)
{
	int af = p->family == PROXYPROTO_IP4 ? AF_INET : AF_INET6;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	if (p->family == PROXYPROTO_UNKNOWN || p->is_local)
		return buf_put_str(out, "PROXY UNKNOWN\r\n");
	if (inet_ntop(af, p->source.ip, from, sizeof(from)) == NULL ||
		inet_ntop(af, p->destination.ip, to, sizeof(to)) == NULL)
		return ERR_USAGE;
	return buf_printf(out, "PROXY %s %s %s %u %u\r\n",
		af == AF_INET ? "TCP4" : "TCP6", from, to, p->source.port,
		p->destination.port);
}

static void put_u16(struct buf *b, size_t v)
{
	(void)buf_put_u8(b, (uint8_t)(v >> 8));
	(void)buf_put_u8(b, (uint8_t)v);
}

static void put_tlv(struct buf *b, enum tlv_type type, struct span value)
{
	if (value.n == 0)
		return;
	(void)buf_put_u8(b, (uint8_t)type);
	put_u16(b, value.n);
	(void)buf_put_span(b, value);
}

/* The client has presented no certificate, or none that is known here. */
static void put_tls(struct buf *b, struct span version)
{
	size_t n = TLS_HEAD + (version.n > 0 ? TLV_HEAD + version.n : 0);

	(void)buf_put_u8(b, TLV_TLS);
	put_u16(b, n);
	(void)buf_put_u8(b, TLS_IS_USED);
	(void)buf_put_u32(b, 1);
	put_tlv(b, TLV_TLS_VERSION, version);
}

static void put_body(struct buf *b, const struct proxyproto *p)
{
	size_t ip_bytes = p->family == PROXYPROTO_IP4 ? 4 : 16;

	if (p->family == PROXYPROTO_UNKNOWN)
		return; /* without addresses a reader would not find the TLVs */
	(void)buf_put(b, p->source.ip, ip_bytes);
	(void)buf_put(b, p->destination.ip, ip_bytes);
	put_u16(b, p->source.port);
	put_u16(b, p->destination.port);
	put_tlv(b, TLV_ALPN, p->alpn);
	put_tlv(b, TLV_AUTHORITY, p->authority);
	if (p->is_tls)
		put_tls(b, p->tls_version);
}

enum err proxyproto_write_v2(const struct proxyproto *p, struct buf *out)
{
	static const uint8_t families[] = {
		[PROXYPROTO_UNKNOWN] = FAMILY_UNSPEC,
		[PROXYPROTO_IP4] = FAMILY_TCP4,
		[PROXYPROTO_IP6] = FAMILY_TCP6,
	};
	struct buf body;
	enum err rc;

	if (p->alpn.n > PROXYPROTO_TEXT_MAX || p->authority.n > PROXYPROTO_TEXT_MAX ||
		p->tls_version.n > PROXYPROTO_TEXT_MAX)
		return ERR_LIMIT;
	buf_init(&body, PROXYPROTO_MAX);
	(void)buf_put(&body, signature, sizeof(signature));
	(void)buf_put_u8(&body, VERSION | (p->is_local ? COMMAND_LOCAL : COMMAND_PROXY));
	(void)buf_put_u8(&body, p->is_local ? FAMILY_UNSPEC : families[p->family]);
	put_u16(&body, 0);
	if (!p->is_local)
		put_body(&body, p);
	rc = body.failed;
	if (rc == ERR_OK) {
		uint8_t *head = buf_front(&body);
		size_t n = body.n - PROXYPROTO_V2_HEAD;

		head[14] = (uint8_t)(n >> 8);
		head[15] = (uint8_t)n;
		rc = buf_put_span(out, buf_span(&body));
	}
	buf_fini(&body);
	return rc;
}
