/* Users: of passwords only digests are kept; expressions are PCRE2, with limits. */
#include "tunnel/chisel/users.h"

#include <assert.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define TEXT_BYTES_MAX (1 << 20)
#define USERS_MAX 10000
#define PATTERN_CHARS_MAX 1000

/* Limits of one search: far above what a reasonable expression needs. */
#define MATCH_LIMIT 100000
#define MATCH_HEAP_KIB 256

struct pattern {
	char *text;
	pcre2_code *code;
};

struct user {
	char *name;
	uint8_t name_digest[HASH_SHA256_BYTES];
	uint8_t password_digest[HASH_SHA256_BYTES];
	bool is_auth; /* the one of --auth */
	bool may_all;
	struct pattern *patterns;
	unsigned pattern_count;
	pcre2_match_context *limits; /* borrowed: the set's */
};

struct users {
	atomic_uint refs;
	struct user *users;
	unsigned count, max;
	pcre2_match_context *limits;
	pcre2_compile_context *bounds;
};

/* ---- life ---- */

static void user_fini(struct user *u)
{
	for (unsigned i = 0; i < u->pattern_count; i++) {
		free(u->patterns[i].text);
		pcre2_code_free(u->patterns[i].code);
	}
	free(u->patterns);
	free(u->name);
	mem_wipe(u->password_digest, sizeof(u->password_digest));
}

static void users_free(struct users *set)
{
	for (unsigned i = 0; i < set->count; i++)
		user_fini(&set->users[i]);
	free(set->users);
	pcre2_match_context_free(set->limits);
	pcre2_compile_context_free(set->bounds);
	free(set);
}

struct users *users_ref(struct users *set)
{
	atomic_fetch_add(&set->refs, 1);
	return set;
}

void users_unref(struct users *set)
{
	if (set != NULL && atomic_fetch_sub(&set->refs, 1) == 1)
		users_free(set);
}

/* A set with room for @max users, or NULL. */
static struct users *users_new(size_t max)
{
	struct users *set = mem_new(set);

	if (set == NULL)
		return NULL;
	atomic_init(&set->refs, 1);
	set->max = (unsigned)max;
	set->users = calloc(max + 1, sizeof(*set->users)); /* none is no special case */
	set->limits = pcre2_match_context_create(NULL);
	set->bounds = pcre2_compile_context_create(NULL);
	if (set->users == NULL || set->limits == NULL || set->bounds == NULL) {
		users_free(set);
		return NULL;
	}
	pcre2_set_match_limit(set->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(set->limits, MATCH_HEAP_KIB);
	pcre2_set_max_pattern_length(set->bounds, PATTERN_CHARS_MAX);
	return set;
}

/* ---- read ---- */

/* User names come from a file or a command line: error texts have them quoted. */
struct quoted {
	char text[80];
};

static struct quoted quote(const char *text)
{
	struct quoted q;

	str_quote(q.text, sizeof(q.text), span_str(text));
	return q;
}

/* Close to RE2, for which the expressions were written:
 * "$" is the very end, no \1, no \C. */
static enum err compile(const struct users *set, struct user *u, const char *text,
	struct why *why)
{
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
		PCRE2_NO_AUTO_CAPTURE;
	struct pattern *p = &u->patterns[u->pattern_count];
	PCRE2_UCHAR message[120];
	PCRE2_SIZE at;
	int code;

	p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code,
		&at, set->bounds);
	if (p->code == NULL) {
		pcre2_get_error_message(code, message, mem_count(message));
		return err_set(why, ERR_SYNTAX, "user \"%s\": expression \"%s\": %s",
			quote(u->name).text, quote(text).text, (char *)message);
	}
	p->text = span_dup(span_str(text));
	if (p->text == NULL) {
		pcre2_code_free(p->code);
		return ERR_NOMEM;
	}
	u->pattern_count++;
	return ERR_OK;
}

static enum err add_permission(const struct users *set, struct user *u,
	const json_t *value, struct why *why)
{
	const char *text = json_string_value(value);

	if (text == NULL)
		return err_set(why, ERR_SYNTAX,
			"user \"%s\": every permission must be a string",
			quote(u->name).text);
	if (*text == '\0' || strcmp(text, "*") == 0) {
		u->may_all = true;
		return ERR_OK;
	}
	return compile(set, u, text, why);
}

static enum err add_permissions(const struct users *set, struct user *u,
	const json_t *list, struct why *why)
{
	size_t n = json_array_size(list);
	enum err rc = ERR_OK;

	if (!json_is_array(list))
		return err_set(why, ERR_SYNTAX,
			"user \"%s\": the permissions must be an array of strings",
			quote(u->name).text);
	u->patterns = calloc(n + 1, sizeof(*u->patterns));
	if (u->patterns == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = add_permission(set, u, json_array_get(list, i), why);
	return rc;
}

static struct user *find_user(const struct users *set, struct span name)
{
	for (unsigned i = 0; i < set->count; i++)
		if (span_is(name, set->users[i].name))
			return &set->users[i];
	return NULL;
}

/*
 * Adds the user of @login, "name:password". @permissions are those of the file, or NULL:
 * then it is the user of --auth, which may do everything and wins over the file.
 */
static enum err add_user(struct users *set, const char *login, const json_t *permissions,
	struct why *why)
{
	const char *colon = strchr(login, ':');
	struct span name = span_of(login, colon != NULL ? (size_t)(colon - login) : 0);
	struct user *u = find_user(set, name);

	if (colon == NULL && permissions == NULL)
		return err_set(why, ERR_SYNTAX,
			"the login has no colon: it must be \"name:password\"");
	if (colon == NULL)
		return err_set(why, ERR_SYNTAX,
			"user \"%s\" has no password: the key must be \"name:password\"",
			quote(login).text);
	if (name.n == 0)
		return err_set(why, ERR_SYNTAX, "%s must be \"name:password\"",
			permissions == NULL ? "the login has no name: it" :
					      "a user has no name: the key");
	if (u != NULL && u->is_auth)
		return ERR_OK;
	if (u != NULL)
		return err_set(why, ERR_SYNTAX, "user \"%s\" appears twice",
			quote(u->name).text);
	assert(set->count < set->max);
	u = &set->users[set->count];
	if (hash_sha256(name, u->name_digest) != ERR_OK ||
		hash_sha256(span_str(colon + 1), u->password_digest) != ERR_OK)
		return ERR_CRYPTO;
	u->name = span_dup(name);
	if (u->name == NULL)
		return ERR_NOMEM;
	u->limits = set->limits;
	set->count++;
	u->is_auth = u->may_all = permissions == NULL;
	return permissions != NULL ? add_permissions(set, u, permissions, why) : ERR_OK;
}

/* Jansson's error texts quote the file with its passwords: errors have only the place. */
static enum err load_file(struct span text, json_t **out, struct why *why)
{
	json_error_t error;
	json_t *root;
	enum err rc = ERR_OK;

	if (text.n > TEXT_BYTES_MAX)
		return err_set(why, ERR_LIMIT, "the users are more than 1 MiB of text");
	if (text.n == 0)
		text = span_str("{}");
	root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		return err_set(why, ERR_SYNTAX, "line %d, column %d: %s", error.line,
			error.column,
			json_error_code(&error) == json_error_duplicate_key ?
				"duplicate key" :
				"not JSON");
	if (!json_is_object(root))
		rc = err_set(why, ERR_SYNTAX, "the users must be one JSON object");
	else if (json_object_size(root) > USERS_MAX)
		rc = err_set(why, ERR_LIMIT, "there are more than %d users", USERS_MAX);
	if (rc == ERR_OK)
		*out = root;
	else
		json_decref(root);
	return rc;
}

enum err users_parse(struct span file_text, const char *auth, struct users **out,
	struct why *why)
{
	struct users *set = NULL;
	json_t *root = NULL;
	void *it;
	enum err rc;

	rc = load_file(file_text, &root, why);
	if (rc != ERR_OK)
		return rc;
	set = users_new(json_object_size(root) + 1);
	if (set == NULL)
		rc = err_set(why, ERR_NOMEM, "no memory for the users");
	if (rc == ERR_OK && auth != NULL)
		rc = add_user(set, auth, NULL, why);
	for (it = json_object_iter(root); it != NULL && rc == ERR_OK;
		it = json_object_iter_next(root, it))
		rc = add_user(set, json_object_iter_key(it), json_object_iter_value(it),
			why);
	if (rc == ERR_OK) {
		*out = set;
		set = NULL; /* the caller's now */
	}
	json_decref(root);
	users_unref(set);
	return rc;
}

/* ---- use ---- */

unsigned users_count(const struct users *set)
{
	return set->count;
}

const struct user *users_find(const struct users *set, const char *name)
{
	return find_user(set, span_str(name));
}

const char *user_name(const struct user *user)
{
	return user->name;
}

_Static_assert(USER_LOGIN_BYTES == HASH_SHA256_BYTES, "a login is a digest");

struct span user_login(const struct user *user)
{
	return span_of(user->password_digest, sizeof(user->password_digest));
}

const struct user *users_check(const struct users *set, struct span name,
	struct span password)
{
	uint8_t name_digest[HASH_SHA256_BYTES], password_digest[HASH_SHA256_BYTES];
	const struct user *found = NULL;

	if (hash_sha256(name, name_digest) != ERR_OK ||
		hash_sha256(password, password_digest) != ERR_OK)
		return NULL;
	/* Constant time: every user is compared, both name and password. */
	for (unsigned i = 0; i < set->count; i++) {
		const struct user *u = &set->users[i];
		int differ = CRYPTO_memcmp(u->name_digest, name_digest,
			sizeof(name_digest));

		differ |= CRYPTO_memcmp(u->password_digest, password_digest,
			sizeof(password_digest));
		found = differ == 0 ? u : found;
	}
	mem_wipe(password_digest, sizeof(password_digest));
	return found;
}

static bool pattern_finds(const struct pattern *p, pcre2_match_context *limits,
	const char *text)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int rc = PCRE2_ERROR_NOMEMORY;

	if (data != NULL)
		rc = pcre2_match(p->code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0,
			data, limits);
	pcre2_match_data_free(data);
	return rc >= 0; /* an error, or a search that became too long, finds nothing */
}

bool user_may_reach(const struct user *user, const char *access)
{
	if (user->may_all)
		return true;
	for (unsigned i = 0; i < user->pattern_count; i++)
		if (pattern_finds(&user->patterns[i], user->limits, access))
			return true;
	return false;
}

/* ---- warn ---- */

/* True if a '|' stands outside of groups, classes and escapes: it splits the anchors. */
static bool has_open_choice(const char *text)
{
	int depth = 0;
	bool is_class = false;

	for (; *text != '\0'; text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		else if (is_class)
			is_class = *text != ']';
		else if (*text == '[')
			is_class = true;
		else if (*text == '(')
			depth++;
		else if (*text == ')')
			depth--;
		else if (*text == '|' && depth == 0)
			return true;
	}
	return false;
}

/* A '$' with an odd number of backslashes before it is a character. */
static bool ends_anchored(const char *text)
{
	size_t n = strlen(text), slashes = 0;

	if (n == 0 || text[n - 1] != '$')
		return n >= 2 && strcmp(text + n - 2, "\\z") == 0;
	while (slashes + 1 < n && text[n - 2 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 0;
}

static bool is_loose(const char *text)
{
	bool begins = *text == '^' || str_has_prefix(text, "\\A");

	return !begins || !ends_anchored(text) || has_open_choice(text);
}

const char *users_next_loose_pattern(const struct users *set, unsigned *cursor)
{
	unsigned at = 0;

	for (unsigned i = 0; i < set->count; i++) {
		const struct user *u = &set->users[i];

		for (unsigned k = 0; k < u->pattern_count; k++, at++)
			if (at >= *cursor && is_loose(u->patterns[k].text)) {
				*cursor = at + 1;
				return u->patterns[k].text;
			}
	}
	return NULL;
}
