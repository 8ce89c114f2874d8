/* The URL of a server. */
#include "tunnel/chisel/url.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
	const char *given, *scheme;
	uint16_t port;
} schemes[] = {
	{ "http", "ws", 80 },
	{ "ws", "ws", 80 },
	{ "https", "wss", 443 },
	{ "wss", "wss", 443 },
};

static enum err set_scheme(struct url *u, struct why *why)
{
	for (size_t i = 0; i < mem_count(schemes); i++) {
		if (strcmp(u->scheme, schemes[i].given) != 0)
			continue;
		str_copy(u->scheme, sizeof(u->scheme), schemes[i].scheme);
		if (u->port == 0)
			u->port = schemes[i].port;
		return ERR_OK;
	}
	return err_set(why, ERR_SYNTAX, "the server's URL must be http:// or https://");
}

/* Without a scheme it is http. */
static enum err parse_any(struct span text, struct url *u, struct why *why)
{
	struct buf whole;
	enum err rc;

	if (text.n > 0 && memmem(text.p, text.n, "://", 3) != NULL)
		return url_parse(text, u, why);
	buf_init(&whole, URL_TEXT_MAX + 16);
	buf_put_str(&whole, "http://");
	buf_put_span(&whole, text);
	rc = whole.failed;
	if (rc == ERR_OK)
		rc = url_parse(buf_span(&whole), u, why);
	buf_fini(&whole);
	return rc;
}

enum err chisel_url_parse(struct span text, struct url *out, struct why *why)
{
	struct url u;
	enum err rc;

	if (text.n > URL_TEXT_MAX)
		return err_set(why, ERR_LIMIT, "the server's URL is too long");
	rc = parse_any(text, &u, why);
	if (rc != ERR_OK)
		return rc;
	if (u.has_user)
		return err_set(why, ERR_SYNTAX,
			"the server's URL may not hold a user: use --auth");
	rc = set_scheme(&u, why);
	if (rc == ERR_OK)
		*out = u;
	return rc;
}
