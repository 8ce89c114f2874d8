/* The envelope, and what is the same for all messages. */
#include "tunnel/portal/message.h"

#include "base/str.h"

struct envelope_error {
	char code[64];
	char message[MESSAGE_REFUSAL_BODY_MAX];
};

struct envelope {
	bool ok;
	struct envelope_error error;
};

static const struct field error_rows[] = {
	{ "code", FIELD_CHARS, FIELD_AT(struct envelope_error, code) },
	{ "message", FIELD_CHARS, FIELD_AT(struct envelope_error, message) },
};

static const struct field_table error_fields = FIELD_TABLE_OF(struct envelope_error,
	error_rows);

static const struct field envelope_rows[] = {
	{ "error", FIELD_TABLE, FIELD_AT(struct envelope, error), .of = &error_fields },
	{ "ok", FIELD_BOOL, FIELD_AT(struct envelope, ok) },
};

static const struct field_table envelope_fields = FIELD_TABLE_OF(struct envelope,
	envelope_rows);

/* ---- requests ---- */

enum err message_read_request(const struct field_table *fields, struct span body,
	void *out, struct why *why)
{
	if (body.n > MESSAGE_BODY_MAX)
		return err_set(why, ERR_LIMIT, "the body is too long");
	return field_read_json(fields, NULL, body, out, why);
}

enum err message_put_request(const struct field_table *fields, const void *object,
	struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	field_put_json(fields, object, &w);
	return out->failed;
}

/* ---- writing replies ---- */

static enum err put_end(struct json_writer *w, bool ok)
{
	json_put_key(w, "ok");
	json_put_flag(w, ok);
	json_put_close(w);
	buf_put_u8(w->out, '\n');
	return w->out->failed;
}

void message_open_reply(struct json_writer *w, struct buf *out)
{
	json_writer_init(w, out);
	json_put_open(w);
	json_put_key(w, "data");
}

enum err message_close_reply(struct json_writer *w)
{
	return put_end(w, true);
}

enum err message_put_reply(const struct field_table *fields, const void *object,
	struct buf *out)
{
	struct json_writer w;

	message_open_reply(&w, out);
	if (fields != NULL) {
		field_put_json(fields, object, &w);
	} else {
		json_put_open(&w);
		json_put_close(&w);
	}
	return message_close_reply(&w);
}

enum err message_put_refusal(enum message_error error, const char *text, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "error");
	json_put_open(&w);
	json_put_key(&w, "code");
	json_put_text(&w, span_str(message_error_code(error)));
	json_put_key(&w, "message");
	json_put_text(&w, span_str(text));
	json_put_close(&w);
	return put_end(&w, false);
}

/* ---- reading replies ---- */

/* A page is for browsers, and says nothing in a line. */
static bool is_page(const char *text)
{
	return text[0] == '<';
}

enum err message_refused(const struct message_refusal *refusal, struct why *why)
{
	const char *words = refusal->text[0] != '\0' ? refusal->text : refusal->code;
	char quoted[200];

	if (*words == '\0' || is_page(words))
		return err_set(why, ERR_DENIED, "the relay refuses with status %u",
			refusal->status);
	return err_set(why, ERR_DENIED, "the relay refuses: %s",
		str_quote(quoted, sizeof(quoted), span_str(words)));
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The body of somebody who knows no envelopes, a proxy perhaps. */
static void keep_text(struct span body, struct message_refusal *r)
{
	size_t n;

	while (body.n > 0 && is_blank(body.p[0]))
		body = span_of(body.p + 1, body.n - 1);
	while (body.n > 0 && is_blank(body.p[body.n - 1]))
		body.n--;
	n = body.n < sizeof(r->text) ? body.n : sizeof(r->text) - 1;
	if (n > 0)
		memcpy(r->text, body.p, n);
	r->text[n] = '\0';
}

enum err message_read_refusal(unsigned status, struct span body,
	struct message_refusal *refusal, struct why *why)
{
	struct message_refusal r = { .status = status };
	struct envelope e = { .ok = false };

	if (body.n > MESSAGE_REFUSAL_BODY_MAX)
		body.n = MESSAGE_REFUSAL_BODY_MAX;
	if (field_read_json(&envelope_fields, NULL, body, &e, NULL) == ERR_OK &&
		e.error.code[0] != '\0') {
		str_copy(r.code, sizeof(r.code), e.error.code);
		str_copy(r.text, sizeof(r.text), e.error.message);
	} else {
		keep_text(body, &r);
	}
	*refusal = r;
	return message_refused(&r, why);
}

enum err message_read_reply(unsigned status, struct span body,
	const struct field_table *fields, void *out, struct message_refusal *refusal,
	struct why *why)
{
	struct envelope e = { .ok = false };
	enum err rc;

	if (status < 200 || status > 299)
		return message_read_refusal(status, body, refusal, why);
	if (body.n > MESSAGE_BODY_MAX)
		return err_set(why, ERR_LIMIT, "the relay's reply is too long");
	rc = field_read_json(&envelope_fields, NULL, body, &e, why);
	if (rc != ERR_OK)
		return rc;
	if (!e.ok)
		return message_read_refusal(status, body, refusal, why);
	return fields != NULL ? field_read_json(fields, "data", body, out, why) : ERR_OK;
}
