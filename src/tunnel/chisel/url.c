/* The URL of a server. */
#include "tunnel/chisel/url.h"

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

enum err chisel_url_parse(struct span text, struct url *out, struct why *why)
{
	char whole[URL_TEXT_MAX + 16]; /* without a scheme it is http */
	struct url u;
	enum err rc;

	if (text.n > URL_TEXT_MAX)
		return err_set(why, ERR_LIMIT, "the server's URL is too long");
	if (text.n == 0 || memmem(text.p, text.n, "://", 3) == NULL) {
		memcpy(whole, "http://", 7);
		if (text.n > 0)
			memcpy(whole + 7, text.p, text.n);
		text = span_of(whole, 7 + text.n);
	}
	rc = url_parse(text, &u, why);
	if (rc != ERR_OK)
		return rc;
	if (u.has_user)
		return err_set(why, ERR_SYNTAX,
			"the server's URL may not contain a user: use --auth");
	rc = set_scheme(&u, why);
	if (rc == ERR_OK)
		*out = u;
	return rc;
}
