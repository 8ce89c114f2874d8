/* Paths of requests in canonical form. */
#include "agent/http_path.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "text/hex.h"

static bool is_unreserved(int c)
{
	return c > 0 && c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL);
}

/* ---- escapes ---- */

static enum err decode_escapes(struct span raw, struct buf *out, struct why *why)
{
	struct span rest = raw, taken = { 0 };
	enum err rc = ERR_OK;
	char shown[8];
	int c;

	while (rc == ERR_OK && rest.n > 0) {
		c = hex_escape(rest);
		if ((c < 0 && rest.p[0] == '%') || rest.p[0] == '\\' ||
			rest.p[0] <= ' ' || rest.p[0] == 0x7f)
			return err_set(why, ERR_SYNTAX,
				"a path cannot have \"%s\": write %%%02X",
				str_quote(shown, sizeof(shown), span_of(rest.p, 1)),
				rest.p[0]);
		(void)span_cut(&rest, c >= 0 ? 3 : 1, &taken);
		if (is_unreserved(c))
			rc = buf_put_u8(out, (uint8_t)c);
		else
			rc = buf_put_span(out, taken);
	}
	return rc;
}

/* ---- segments ---- */

/* Removes the last segment, which ends with a slash, but not the first slash. */
static void segment_drop(struct buf *out)
{
	struct span all = buf_span(out);

	if (all.n <= 1)
		return;
	all.n--;
	while (all.n > 0 && all.p[all.n - 1] != '/')
		all.n--;
	out->n = all.n;
}

/* RFC 3986 5.2.4: a dot segment at the end leaves a slash there. */
static enum err resolve(struct span path, struct buf *out)
{
	struct span segment;
	enum err rc = buf_put_u8(out, '/');

	while (rc == ERR_OK && path.n > 0) {
		bool has_slash = span_split(&path, '/', &segment);

		if (segment.n == 0 || span_is(segment, "."))
			continue;
		if (span_is(segment, "..")) {
			segment_drop(out);
			continue;
		}
		rc = buf_put_span(out, segment);
		if (rc == ERR_OK && has_slash)
			rc = buf_put_u8(out, '/');
	}
	return rc;
}

/* The length of a slash or escaped slash at the front of @in; 0: there is none. */
static size_t separator_length(struct span in)
{
	int c = hex_escape(in);

	if (c == '/' || c == '\\')
		return 3;
	return in.p[0] == '/' ? 1 : 0;
}

/* ".." in a segment, or before its parameters. */
static bool piece_leads_up(struct span piece)
{
	return piece.n >= 2 && piece.p[0] == '.' && piece.p[1] == '.' &&
		(piece.n == 2 || piece.p[2] == ';' ||
			hex_escape(span_of(piece.p + 2, piece.n - 2)) == ';');
}

/* True if decoding escapes again would reveal a "..". */
static bool has_hidden_parent(struct span path)
{
	struct span piece = span_of(path.p, 0);
	size_t n;

	while (path.n > 0) {
		n = separator_length(path);
		if (n > 0 && piece_leads_up(piece))
			return true;
		path.p += n > 0 ? n : 1;
		path.n -= n > 0 ? n : 1;
		if (n > 0)
			piece = span_of(path.p, 0);
		else
			piece.n++;
	}
	return piece_leads_up(piece);
}

/* ---- the whole ---- */

enum err http_path_clean(struct span raw, struct buf *out, struct why *why)
{
	struct buf plain;
	enum err rc;

	if (raw.n > 0 && raw.p[0] != '/')
		return err_set(why, ERR_SYNTAX, "a path begins with /");
	buf_init(&plain, raw.n);
	rc = decode_escapes(raw, &plain, why);
	if (rc == ERR_OK)
		rc = resolve(buf_span(&plain), out);
	buf_fini(&plain);
	if (rc == ERR_OK && has_hidden_parent(buf_span(out)))
		rc = err_set(why, ERR_SYNTAX,
			"the path has a \"..\" beside an escaped slash or a backslash");
	else if (rc == ERR_LIMIT)
		err_set(why, rc, "the path is too long");
	return rc;
}

enum err http_path_clean_prefix(struct span raw, struct buf *out, struct why *why)
{
	enum err rc = http_path_clean(raw, out, why);

	if (rc == ERR_OK && out->n > 1 && buf_span(out).p[out->n - 1] == '/')
		out->n--;
	return rc;
}

bool http_path_is_under(struct span path, struct span prefix)
{
	if (span_is(prefix, "/"))
		return true;
	return path.n >= prefix.n && memcmp(path.p, prefix.p, prefix.n) == 0 &&
		(path.n == prefix.n || path.p[prefix.n] == '/');
}

bool http_path_is_safe(struct span path)
{
	return path.n > 0 && path.p[0] == '/' &&
		(path.n == 1 || (path.p[1] != '/' && path.p[1] != '\\'));
}
