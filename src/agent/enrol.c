/* Enrolment at a relay: texts of the user, clocks, the request and its reply. */
#include "agent/enrol.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/agent_link.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "crypto/hostkey.h"
#include "net/tls.h"
#include "text/base64.h"
#include "text/field_json.h"
#include "tunnel/chisel/check.h"
#include "tunnel/chisel/url.h"

#define HTTPS_PORT 443
#define PANEL "panel."
#define TUNNEL "tunnel."
#define DATE_CHARS 29
#define WORDS_MAX 120 /* of a relay, that are repeated */

_Static_assert(ENROL_PIN_BYTES == TLS_PIN_BYTES, "both are SHA-256");

/* ---- what the user writes ---- */

static enum err relay_refuse(const char *text, const char *reason, struct why *why)
{
	char shown[80];

	return err_set(why, ERR_USAGE,
		"\"%s\" is not the address of a relay: %s; write one such as"
		" https://panel.example.com",
		str_quote(shown, sizeof(shown), span_str(text)), reason);
}

enum err enrol_relay_parse(const char *text, struct enrol_relay *out, struct why *why)
{
	bool has_scheme = strstr(text, "://") != NULL;
	char *full = str_printf("%s%s", has_scheme ? "" : "https://", text);
	struct enrol_relay r = { .port = HTTPS_PORT };
	struct why words = { "" };
	char authority[URL_TEXT_MAX];
	struct url url;
	enum err rc;

	if (full == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	rc = url_parse(span_str(full), &url, &words);
	free(full);
	if (rc != ERR_OK)
		return relay_refuse(text, err_text(rc, &words), why);
	if (strcmp(url.scheme, "https") != 0)
		return relay_refuse(text, "enrolment needs https", why);
	if (url.has_user)
		return relay_refuse(text, "it has a user name", why);
	if (url.path[0] != '\0' && strcmp(url.path, "/") != 0)
		return relay_refuse(text, "it has a path", why);
	if (names_parse_host(span_str(url.host), r.host, &words) != ERR_OK)
		return relay_refuse(text, words.text, why);
	if (r.host[0] == '.' || strstr(r.host, "..") != NULL ||
		str_has_suffix_nocase(r.host, "."))
		return relay_refuse(text, "its host has an empty label", why);
	if (url.port == HTTPS_PORT)
		url.port = 0;
	if (url.port != 0)
		r.port = url.port;
	str_copy(url.host, sizeof(url.host), r.host);
	url_print_authority(&url, authority);
	if (!str_copy(r.authority, sizeof(r.authority), authority))
		return relay_refuse(text, "its host is too long", why);
	snprintf(r.url, sizeof(r.url), "https://%s", r.authority);
	*out = r;
	return ERR_OK;
}

enum err enrol_token_check(const char *token, struct why *why)
{
	if (strlen(token) == ENROL_TOKEN_CHARS &&
		strspn(token, "0123456789abcdefABCDEF") == ENROL_TOKEN_CHARS)
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"the token has %d hexadecimal digits: copy all of what adit relay agent"
		" enroll has printed",
		ENROL_TOKEN_CHARS);
}

enum err enrol_pin_parse(const char *text, uint8_t out[ENROL_PIN_BYTES], struct why *why)
{
	static const char prefix[] = "sha256//";
	uint8_t bytes[BASE64_BYTES_MAX(BASE64_TEXT_SIZE(ENROL_PIN_BYTES))];
	struct span rest = span_str(text);
	size_t n = 0;

	if (str_has_prefix(text, prefix))
		rest = span_str(text + strlen(prefix));
	if (base64_decode(BASE64_PADDED, rest, bytes, sizeof(bytes), &n) != ERR_OK ||
		n != ENROL_PIN_BYTES)
		return err_set(why, ERR_USAGE,
			"--pin is the SHA-256 of the relay's key in base64, 44 characters: copy"
			" it from what adit relay agent enroll has printed");
	memcpy(out, bytes, ENROL_PIN_BYTES);
	return ERR_OK;
}

const char *enrol_link_id(const struct enrol_relay *relay, char to[ENROL_ID_MAX])
{
	const char *host = relay->host;

	if (str_has_prefix(host, PANEL) && strchr(host + strlen(PANEL), '.') != NULL)
		host += strlen(PANEL);
	else if (str_has_prefix(host, TUNNEL) && strchr(host + strlen(TUNNEL), '.'))
		host += strlen(TUNNEL);
	str_copy(to, ENROL_ID_MAX - 8, host); /* there is room for a number behind it */
	for (char *c = to; *c != '\0'; c++)
		*c = *c == ':' ? '-' : *c;
	return to;
}

/* ---- clocks ---- */

enum err enrol_date_parse(struct span text, int64_t *out_s)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	char date[DATE_CHARS + 1], iso[TIMEFMT_TEXT_MAX];
	struct timestamp t;
	int month = 0;
	enum err rc;

	if (text.n != DATE_CHARS || memchr(text.p, '\0', text.n) != NULL)
		return ERR_SYNTAX;
	memcpy(date, text.p, DATE_CHARS);
	date[DATE_CHARS] = '\0';
	while (month < 12 && memcmp(date + 8, months[month], 3) != 0)
		month++;
	if (month == 12 || memcmp(date + 3, ", ", 2) != 0 || date[7] != ' ' ||
		date[11] != ' ' || date[16] != ' ' || strcmp(date + 25, " GMT") != 0)
		return ERR_SYNTAX;
	snprintf(iso, sizeof(iso), "%.4s-%02d-%.2sT%.8sZ", date + 12, month + 1, date + 5,
		date + 17);
	rc = timefmt_parse(span_str(iso), &t);
	if (rc == ERR_OK)
		*out_s = t.s;
	return rc;
}

enum err enrol_clock_check(struct span date, int64_t now_s, struct why *why)
{
	char here[TIMEFMT_TEXT_MAX], there[TIMEFMT_TEXT_MAX];
	int64_t relay_s, off_s;

	if (enrol_date_parse(date, &relay_s) != ERR_OK)
		return ERR_OK;
	off_s = now_s > relay_s ? now_s - relay_s : relay_s - now_s;
	if (off_s <= ENROL_CLOCK_S)
		return ERR_OK;
	return err_set(why, ERR_DENIED,
		"the clock of this machine is %lld minutes %s the relay's: here it is %s,"
		" there %s; set the clock, for example with timedatectl set-ntp true",
		(long long)(off_s / 60), now_s > relay_s ? "ahead of" : "behind",
		timefmt_print((struct timestamp){ .s = now_s }, here),
		timefmt_print((struct timestamp){ .s = relay_s }, there));
}

/* ---- the request ---- */

enum err enrol_request_put(const char *token, struct span csr_pem, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "token");
	json_put_text(&w, span_str(token));
	json_put_key(&w, "csr");
	json_put_text(&w, csr_pem);
	json_put_close(&w);
	return out->failed;
}

/* ---- the reply ---- */

#define AT(member) FIELD_AT(struct enrol_reply, member)

static const struct field reply_rows[] = {
	{ "cert", FIELD_TEXT, AT(cert), .text_max = AUTHORITY_FILE_MAX },
	{ "caCert", FIELD_TEXT, AT(ca), .text_max = AUTHORITY_FILE_MAX },
	{ "label", FIELD_TEXT, AT(label), .text_max = AUTHORITY_NAME_MAX },
	{ "tunnelUrl", FIELD_TEXT, AT(link_url), .text_max = URL_TEXT_MAX },
	{ "fingerprint", FIELD_TEXT, AT(fingerprint), .text_max = 128 },
};
static const struct field_table reply_fields = FIELD_TABLE_OF(struct enrol_reply,
	reply_rows);

void enrol_reply_fini(struct enrol_reply *r)
{
	field_fini(&reply_fields, r);
}

/* Another key would be of no use, and another name would be another agent's. */
static enum err check_certificate(struct enrol_reply *r, struct span key_pem,
	struct why *why)
{
	struct authority_identity of;
	struct hostkey *key = NULL;
	struct buf blob;
	enum err rc = authority_read(span_str(r->cert), &of, why);

	buf_init(&blob, HOSTKEY_BLOB_MAX);
	if (rc == ERR_OK &&
		(!str_has_prefix(of.name, AGENT_LINK_NAME) ||
			strcmp(of.name + strlen(AGENT_LINK_NAME), r->label) != 0))
		rc = err_set(why, ERR_PROTO, "its certificate is for \"%s\"", of.name);
	if (rc == ERR_OK)
		rc = hostkey_parse(key_pem, &key, why);
	if (rc == ERR_OK)
		rc = hostkey_put_certificate_blob(span_str(r->cert), &blob);
	if (rc == ERR_OK && !span_eq(buf_span(&blob), hostkey_blob(key)))
		rc = err_set(why, ERR_PROTO, "its certificate is for another key");
	if (rc == ERR_OK)
		r->ends_s = of.ends_s;
	hostkey_free(key);
	buf_fini(&blob);
	return rc;
}

static enum err check_reply(struct enrol_reply *r, struct span key_pem, struct why *why)
{
	struct authority_identity ca;
	enum err rc = ERR_OK;

	if (r->cert == NULL || r->label == NULL)
		return err_set(why, ERR_PROTO, "it has no certificate");
	if (r->ca != NULL && authority_read(span_str(r->ca), &ca, why) != ERR_OK)
		return ERR_PROTO;
	if (r->fingerprint != NULL)
		rc = check_fingerprint(&r->fingerprint, why);
	return rc == ERR_OK ? check_certificate(r, key_pem, why) : rc;
}

enum err enrol_reply_read(struct span body, struct span key_pem, struct enrol_reply *out,
	struct why *why)
{
	struct why words = { "" };
	enum err rc;

	*out = (struct enrol_reply){ .cert = NULL };
	rc = field_read_json(&reply_fields, NULL, body, out, &words);
	if (rc == ERR_OK)
		rc = check_reply(out, key_pem, &words);
	if (rc == ERR_OK || rc == ERR_NOMEM)
		return rc;
	return err_set(why, ERR_PROTO,
		"the relay's reply is not that of an enrolment: %s; is this the address of"
		" the relay's panel?",
		err_text(rc, &words));
}

enum err enrol_link_url(const struct enrol_relay *relay, const struct enrol_reply *reply,
	char to[URL_TEXT_MAX], struct why *why)
{
	struct why words = { "" };
	struct url url;
	char shown[80];
	enum err rc;

	if (reply->link_url == NULL) {
		if (!str_has_prefix(relay->authority, PANEL))
			return err_set(why, ERR_PROTO,
				"the relay does not say where its agents connect: write its"
				" panel, --relay https://panel.example.com");
		snprintf(to, URL_TEXT_MAX, "https://" TUNNEL "%s",
			relay->authority + strlen(PANEL));
		return ERR_OK;
	}
	rc = chisel_url_parse(span_str(reply->link_url), &url, &words);
	if (rc == ERR_OK && strcmp(url.scheme, "wss") != 0)
		rc = err_set(&words, ERR_PROTO, "it is not https");
	if (rc != ERR_OK)
		return err_set(why, ERR_PROTO,
			"the relay says that its agents connect to \"%s\": %s",
			str_quote(shown, sizeof(shown), span_str(reply->link_url)),
			err_text(rc, &words));
	/* A relay behind a forwarded port may not know that port. */
	if (strcasecmp(url.host, relay->host) == 0 && url.port == HTTPS_PORT)
		str_copy(to, URL_TEXT_MAX, relay->url);
	else
		str_copy(to, URL_TEXT_MAX, reply->link_url);
	return ERR_OK;
}

/* ---- refusals ---- */

/* What the relay says: "details" if it is a text, or the first message in it; else
 * "error". Fit for a terminal. */
static void words_of(struct span body, char to[WORDS_MAX])
{
	json_t *root = json_loadb((const char *)body.p, body.n, 0, NULL);
	const json_t *details = json_object_get(root, "details");
	const char *text = json_string_value(details);

	if (json_is_object(details))
		details = json_object_get(details, "issues");
	if (text == NULL)
		text = json_string_value(
			json_object_get(json_array_get(details, 0), "message"));
	if (text == NULL)
		text = json_string_value(json_object_get(root, "error"));
	str_quote(to, WORDS_MAX, span_str(text != NULL ? text : ""));
	json_decref(root);
}

enum err enrol_refusal(const struct enrol_relay *relay, unsigned status, struct span body,
	struct why *why)
{
	char words[WORDS_MAX];

	words_of(body, words);
	switch (status) {
	case 401:
		return err_set(why, ERR_DENIED,
			"the relay does not accept the token: it was used, or is older than 10"
			" minutes; make a new one there with adit relay agent enroll LABEL");
	case 404:
	case 405:
		return err_set(why, ERR_PROTO,
			"%.100s does not enrol agents (status %u): is it the address of the"
			" relay's panel, such as https://panel.example.com?",
			relay->url, status);
	case 429:
		return err_set(why, ERR_PROTO,
			"the relay allows 5 attempts a minute from one address: wait a minute,"
			" and try again");
	default:
		break;
	}
	if (status >= 500)
		return err_set(why, ERR_PROTO,
			"the relay has failed with status %u%s%s: its log says why",
			status, words[0] != '\0' ? ": " : "", words);
	return err_set(why, ERR_PROTO, "the relay refuses the enrolment (status %u)%s%s",
		status, words[0] != '\0' ? ": " : "", words);
}
