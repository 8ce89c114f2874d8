/* An auth file and its expressions: a mistake in it must not take the server down. */
#include <stdlib.h>

#include "tunnel/chisel/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct user *user;
	struct users *set;
	unsigned cursor = 0;
	struct why why = { "" };
	enum err rc;

	if (size > 4096)
		return 0;
	rc = users_parse(span_of(data, size), "me:secret", &set, &why);
	if (rc != ERR_OK && why.text[0] == '\0')
		abort(); /* somebody must be told */
	if (rc != ERR_OK)
		return 0;
	user = users_check(set, span_str("me"), span_str("secret"));
	if (user == NULL || !user_may_reach(user, "R:0.0.0.0:80"))
		abort();
	user = users_find(set, "a");
	if (user != NULL)
		user_may_reach(user, "R:example.com:8080");
	while (users_next_loose_pattern(set, &cursor) != NULL)
		;
	users_unref(set);
	return 0;
}
