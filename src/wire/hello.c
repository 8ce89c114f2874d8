/* A ClientHello: first the records, then the message, then the extensions we care for. */
#include "wire/hello.h"

#include "base/mem.h"

#define RECORD_HANDSHAKE 22
#define RECORD_BODY_MAX 16384 /* RFC 8446 5.1 */
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEADER 4
#define RANDOM_BYTES 32
#define SESSION_ID_MAX 32
#define NAME_IS_HOST 0

enum {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_ALPN = 16,
	EXTENSION_VERSIONS = 43,
	EXTENSION_ECH = 0xfe0d
};

/* ---- records ---- */

/*
 * Takes one record, or of the last one what there is of it.
 * ERR_AGAIN: not even its header is complete.
 */
static enum err read_record(struct span *in, struct span *out)
{
	struct span rest = *in;
	uint16_t version, n; /* the version says nothing and is ignored: RFC 8446 5.1 */
	uint8_t kind;

	if (!span_u8(&rest, &kind))
		return ERR_AGAIN;
	if (kind != RECORD_HANDSHAKE)
		return ERR_SYNTAX;
	if (!span_u16(&rest, &version) || !span_u16(&rest, &n))
		return ERR_AGAIN;
	if (n == 0)
		return ERR_SYNTAX;
	if (n > RECORD_BODY_MAX)
		return ERR_LIMIT;
	(void)span_cut(&rest, n < rest.n ? n : rest.n, out);
	*in = rest;
	return ERR_OK;
}

/* The message as it is found in the records, piece by piece. */
struct pieces {
	uint8_t header[MESSAGE_HEADER];
	size_t n;    /* bytes seen so far, the header's among them */
	size_t want; /* bytes of the whole message; known when the header is */
	unsigned count;
	struct span first; /* the first piece, which often is all */
};

static enum err check_header(struct pieces *p)
{
	if (p->n > 0 && p->header[0] != MESSAGE_CLIENT_HELLO)
		return ERR_SYNTAX;
	if (p->n < MESSAGE_HEADER)
		return ERR_AGAIN;
	p->want = MESSAGE_HEADER +
		((size_t)p->header[1] << 16 | (size_t)p->header[2] << 8 | p->header[3]);
	return p->want > HELLO_MESSAGE_MAX ? ERR_LIMIT : ERR_OK;
}

static void add_piece(struct pieces *p, struct span piece)
{
	for (size_t i = 0; i < piece.n && p->n + i < MESSAGE_HEADER; i++)
		p->header[p->n + i] = piece.p[i];
	if (p->count == 0)
		p->first = piece;
	p->n += piece.n;
	p->count++;
}

/* ERR_OK: the records hold all of the message. Nothing is copied but the header. */
static enum err walk_records(struct span in, struct pieces *p)
{
	struct span piece;
	enum err rc;

	do {
		if (in.n == 0)
			return ERR_AGAIN;
		if (p->count == HELLO_RECORDS_MAX)
			return ERR_LIMIT;
		rc = read_record(&in, &piece);
		if (rc != ERR_OK)
			return rc;
		add_piece(p, piece);
		rc = check_header(p);
		if (rc != ERR_OK && rc != ERR_AGAIN)
			return rc;
	} while (rc == ERR_AGAIN || p->n < p->want);
	return ERR_OK;
}

/* Puts together what walk_records() has found to be complete. */
static void join_pieces(struct span in, size_t want, uint8_t *to)
{
	struct span piece = { .n = 0 };

	while (want > 0 && read_record(&in, &piece) == ERR_OK) {
		size_t n = piece.n < want ? piece.n : want;

		memcpy(to, piece.p, n);
		to += n;
		want -= n;
	}
}

/* The body of the message. */
static enum err read_message(struct span in, uint8_t *scratch, struct span *out)
{
	struct pieces p = { .n = 0 };
	const uint8_t *message;
	enum err rc = walk_records(in, &p);

	if (rc != ERR_OK)
		return rc;
	message = p.first.p;
	if (p.first.n < p.want) {
		join_pieces(in, p.want, scratch);
		message = scratch;
	}
	*out = span_of(message + MESSAGE_HEADER, p.want - MESSAGE_HEADER);
	return ERR_OK;
}

/* ---- extensions ---- */

static bool cut_u8(struct span *in, struct span *out)
{
	uint8_t n;

	return span_u8(in, &n) && span_cut(in, n, out);
}

static bool cut_u16(struct span *in, struct span *out)
{
	uint16_t n;

	return span_u16(in, &n) && span_cut(in, n, out);
}

/* A list that is all of @in, and not empty. */
static bool cut_all_u16(struct span *in, struct span *out)
{
	return cut_u16(in, out) && in->n == 0 && out->n > 0;
}

/* A name that could be mistaken for another once it is a C string is no name. */
static bool host_is_good(struct span host)
{
	if (host.n == 0 || host.n > UINT8_MAX)
		return false;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] >= 0x7f)
			return false;
	return true;
}

static bool read_server_name(struct span in, struct hello *h)
{
	struct span names, name;
	uint8_t kind;

	if (!cut_all_u16(&in, &names))
		return false;
	while (names.n > 0) {
		if (!span_u8(&names, &kind) || !cut_u16(&names, &name))
			return false;
		if (kind != NAME_IS_HOST)
			continue;
		if (h->host.n > 0 || !host_is_good(name))
			return false;
		h->host = name;
	}
	return true;
}

/* Of these only the form is checked. */

static bool check_alpn(struct span in, struct hello *h)
{
	struct span list, name;

	(void)h;
	if (!cut_all_u16(&in, &list))
		return false;
	while (list.n > 0)
		if (!cut_u8(&list, &name) || name.n == 0)
			return false;
	return true;
}

static bool check_versions(struct span in, struct hello *h)
{
	struct span versions;

	(void)h;
	return cut_u8(&in, &versions) && in.n == 0 && versions.n > 0 &&
		versions.n % 2 == 0;
}

static bool check_ech(struct span in, struct hello *h)
{
	(void)h;
	return in.n > 0;
}

/* Each of these may come once. */
static const struct extension_rule {
	uint16_t kind;
	bool (*read)(struct span in, struct hello *h);
} rules[] = {
	{ EXTENSION_SERVER_NAME, read_server_name },
	{ EXTENSION_ALPN, check_alpn },
	{ EXTENSION_VERSIONS, check_versions },
	{ EXTENSION_ECH, check_ech },
};

static bool read_extension(uint16_t kind, struct span in, struct hello *h, unsigned *seen)
{
	for (unsigned i = 0; i < mem_count(rules); i++) {
		if (rules[i].kind != kind)
			continue;
		if ((*seen & 1U << i) != 0)
			return false;
		*seen |= 1U << i;
		return rules[i].read(in, h);
	}
	return true;
}

static bool read_extensions(struct span in, struct hello *h)
{
	struct span list, body;
	unsigned seen = 0;
	uint16_t kind;

	if (in.n == 0) /* a client from before there were any */
		return true;
	if (!cut_u16(&in, &list) || in.n != 0)
		return false;
	while (list.n > 0)
		if (!span_u16(&list, &kind) || !cut_u16(&list, &body) ||
			!read_extension(kind, body, h, &seen))
			return false;
	return true;
}

/* ---- the message ---- */

static bool read_client_hello(struct span in, struct hello *h)
{
	struct span random, session, ciphers, compressions;
	uint16_t version;

	if (!span_u16(&in, &version) || !span_cut(&in, RANDOM_BYTES, &random))
		return false;
	if (!cut_u8(&in, &session) || session.n > SESSION_ID_MAX)
		return false;
	if (!cut_u16(&in, &ciphers) || ciphers.n < 2 || ciphers.n % 2 != 0)
		return false;
	if (!cut_u8(&in, &compressions) || compressions.n < 1)
		return false;
	return read_extensions(in, h);
}

enum err hello_read(struct span in, uint8_t scratch[HELLO_MESSAGE_MAX], struct hello *out)
{
	struct hello h = { .host = { .n = 0 } };
	struct span body = { .n = 0 };
	enum err rc = read_message(in, scratch, &body);

	if (rc != ERR_OK)
		return rc;
	if (!read_client_hello(body, &h))
		return ERR_SYNTAX;
	*out = h;
	return ERR_OK;
}

enum err hello_put_unrecognized_name(struct buf *out)
{
	static const uint8_t alert[] = {
		21, 0x03, 0x03, 0, 2, /* a record with an alert of two bytes */
		2, 112,               /* fatal, unrecognized_name: RFC 6066 3 */
	};

	return buf_put(out, alert, sizeof(alert));
}
