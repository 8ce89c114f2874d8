/* Names, over PCRE2 for what Unicode calls a letter, and libidn2 for IDNA. */
#include "text/names.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* ---- white space ---- */

/* The length of the white space at the start of @text, or 0. */
static size_t space_bytes(struct span text)
{
	static const char *const spaces[] = { " ", "\t", "\n", "\v", "\f", "\r",
		"\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
		"\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
		"\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89",
		"\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe3\x80\x80" };

	for (size_t i = 0; i < mem_count(spaces); i++) {
		size_t n = strlen(spaces[i]);

		if (n <= text.n && memcmp(text.p, spaces[i], n) == 0)
			return n;
	}
	return 0;
}

/* The length of the white space at the end of @text, or 0. */
static size_t space_bytes_at_end(struct span text)
{
	for (size_t n = 1; n <= 3 && n <= text.n; n++)
		if (space_bytes(span_of(text.p + text.n - n, n)) == n)
			return n;
	return 0;
}

struct span names_trim(struct span text)
{
	size_t n;

	while ((n = space_bytes(text)) > 0)
		text = span_of(text.p + n, text.n - n);
	while ((n = space_bytes_at_end(text)) > 0)
		text.n -= n;
	return text;
}

/* ---- hosts ---- */

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		strchr("-_.:", c) != NULL;
}

/* Every character is one of a host, and none a zero. */
static bool is_host(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0' || !is_host_char(text[i]))
			return false;
	return n > 0;
}

enum err names_parse_host(struct span text, char out[NAMES_HOST_MAX + 1], struct why *why)
{
	char host[NAMES_HOST_MAX + 1];

	text = names_trim(text);
	if (text.n > 0 && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n > NAMES_HOST_MAX)
		return err_set(why, ERR_LIMIT, "the host name is too long");
	if (text.n > 0)
		memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	str_lower(host);
	if (!is_host(host, text.n))
		return err_set(why, ERR_SYNTAX, "the host name is missing or invalid");
	memcpy(out, host, text.n + 1);
	return ERR_OK;
}

enum err names_lease_host(struct span label, struct span root,
	char out[NAMES_HOST_MAX + 1], struct why *why)
{
	char name[NAMES_LABEL_MAX + 1], host[NAMES_HOST_MAX + 1];
	enum err rc;

	rc = names_parse_label(label, name, why);
	if (rc == ERR_OK)
		rc = names_parse_host(root, host, why);
	if (rc != ERR_OK)
		return rc;
	if (strlen(name) + 1 + strlen(host) > NAMES_HOST_MAX)
		return err_set(why, ERR_LIMIT, "the host name is too long");
	snprintf(out, NAMES_HOST_MAX + 1, "%s.%s", name, host);
	return ERR_OK;
}

/* An IPv4 address may be written as an IPv6 one. */
static bool is_loopback_address(const char *text)
{
	struct in6_addr ip6;
	struct in_addr ip4;

	if (inet_pton(AF_INET, text, &ip4) == 1)
		return ntohl(ip4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, text, &ip6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&ip6) ||
		(IN6_IS_ADDR_V4MAPPED(&ip6) && ip6.s6_addr[12] == 127);
}

bool names_host_is_local(const char *host)
{
	return *host == '\0' || strcmp(host, "localhost") == 0 ||
		str_has_suffix_nocase(host, ".localhost") || is_loopback_address(host);
}

bool names_host_is_address(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot != NULL ? dot + 1 : host;
	const char *digits = str_has_prefix(last, "0x") ? last + 2 : last;
	size_t n = strspn(digits, digits == last ? "0123456789" : "0123456789abcdef");

	return strchr(host, ':') != NULL || (last[0] != '\0' && digits[n] == '\0');
}

bool names_match(const char *pattern, const char *host)
{
	const char *dot = strchr(host, '.');

	if (strcmp(pattern, host) == 0)
		return true;
	if (!str_has_prefix(pattern, "*.") || strchr(pattern + 2, '.') == NULL)
		return false;
	return dot != NULL && dot != host && strcmp(dot, pattern + 1) == 0;
}

/* ---- labels ---- */

/*
 * A run of what may not be in a label becomes one '-'; the rest goes to lower case. PCRE2
 * knows of none for the Turkish capital I with its dot, U+0130, but others have "i" for
 * it.
 */
static const char rest_pattern[] = "([^\\p{L}\\p{Nd}-]+)|(\\x{130})|[\\p{L}\\p{Nd}-]";
static const char rest_change[] = "${1:+-:${2:+i:\\L$0}}";

static enum err replace_rest(struct span text, char *out, size_t size)
{
	pcre2_code *code;
	PCRE2_SIZE at, n = size;
	int error, count;

	code = pcre2_compile((PCRE2_SPTR)rest_pattern, PCRE2_ZERO_TERMINATED,
		PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
	if (code == NULL)
		return ERR_NOMEM;
	count = pcre2_substitute(code, text.p, text.n, 0,
		PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED, NULL, NULL,
		(PCRE2_SPTR)rest_change, PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)out, &n);
	pcre2_code_free(code);
	if (count == PCRE2_ERROR_NOMEMORY)
		return ERR_LIMIT;
	return count < 0 ? ERR_SYNTAX : ERR_OK; /* it was not UTF-8 */
}

static void strip_hyphens(char *text)
{
	size_t skip = strspn(text, "-"), n = strlen(text + skip);

	while (n > 0 && text[skip + n - 1] == '-')
		n--;
	memmove(text, text + skip, n);
	text[n] = '\0';
}

static bool is_label(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

/* Makes an A-label of what is not ASCII, in place. */
static enum err to_ascii(char *text, size_t size)
{
	uint8_t *ascii = NULL;
	bool fits;

	if (is_label(text))
		return ERR_OK;
	if (idn2_lookup_u8((const uint8_t *)text, &ascii,
		    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return ERR_SYNTAX;
	fits = str_copy(text, size, (const char *)ascii);
	idn2_free(ascii);
	return fits ? ERR_OK : ERR_LIMIT;
}

enum err names_parse_label(struct span text, char out[NAMES_LABEL_MAX + 1],
	struct why *why)
{
	char label[2 * NAMES_INPUT_MAX]; /* lower case may take more bytes */
	enum err rc;

	text = names_trim(text);
	if (text.n == 0)
		return err_set(why, ERR_SYNTAX, "name is required");
	if (text.n > NAMES_INPUT_MAX)
		return err_set(why, ERR_LIMIT, "name is too long");
	rc = replace_rest(text, label, sizeof(label));
	if (rc != ERR_OK)
		return err_set(why, rc, "name is invalid");
	strip_hyphens(label);
	if (*label == '\0')
		return err_set(why, ERR_SYNTAX, "name is required");
	rc = to_ascii(label, sizeof(label));
	if (rc != ERR_OK || !is_label(label) || *label == '-' ||
		str_has_suffix_nocase(label, "-"))
		return err_set(why, ERR_SYNTAX, "name is invalid");
	if (strlen(label) > NAMES_LABEL_MAX)
		return err_set(why, ERR_LIMIT, "name is too long");
	str_copy(out, NAMES_LABEL_MAX + 1, label);
	return ERR_OK;
}
