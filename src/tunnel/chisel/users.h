/*
 * Users: names, passwords and what each may reach, from --auth and an auth file.
 * chisel-protocol 3.8 and 5.4. A set never changes; a reload makes a new one.
 */
#ifndef TUNNEL_CHISEL_USERS_H
#define TUNNEL_CHISEL_USERS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

struct users;
struct user;

/*
 * A set from the text of an auth file (JSON, may be empty for none) and from --auth,
 * "name:password" (may be NULL): its user may do everything and wins over the file.
 * ERR_SYNTAX, ERR_LIMIT: @why names the user and what is wrong.
 * The set starts with one reference.
 */
enum err users_parse(struct span file_text, const char *auth, struct users **out,
	struct why *why) MUST_USE;

/* Atomic counts: a set is shared by workers. users_unref(NULL) is fine. */
struct users *users_ref(struct users *set);
void users_unref(struct users *set);

unsigned users_count(const struct users *set);

/* The next pattern that is not anchored at both ends, for a warning; NULL: no more. */
const char *users_next_loose_pattern(const struct users *set, unsigned *cursor);

/*
 * The user if name and password are right, else NULL. Takes constant time. The user is
 * valid as long as the set.
 */
const struct user *users_check(const struct users *set, struct span name,
	struct span password);

/* The user of that name, or NULL: finds the user of an old session in a newer set. */
const struct user *users_find(const struct users *set, const char *name);

const char *user_name(const struct user *user);

/* A digest of the password: equal digests for one name mean the same password. */
#define USER_LOGIN_BYTES 32
struct span user_login(const struct user *user);

/* True if one of the user's expressions is found in @access (remote_print_access()). */
bool user_may_reach(const struct user *user, const char *access);

#endif
