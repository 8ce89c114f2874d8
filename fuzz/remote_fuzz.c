/* The text of a remote on a command line, and of a target in a channel. */
#include <stdlib.h>

#include "tunnel/chisel/remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a remote asks for, the other side understands, and the remote knows again. */
static void check_remote(const struct remote *r)
{
	char text[REMOTE_TEXT_MAX];
	struct remote_target t;

	if (strlen(remote_print(r, text)) + 1 >= sizeof(text))
		abort();
	remote_print_access(r, text);
	remote_print_target(r, text);
	if (remote_target_parse(span_str(text), &t) != ERR_OK)
		abort();
	if (remote_covers(r, &t) != r->is_reverse)
		abort();
}

static void check_target(const struct remote_target *t)
{
	if (t->is_socks != (strcmp(t->access, "socks") == 0))
		abort();
	if (!t->is_socks && !remote_port_is_good(t->port))
		abort();
	if (!t->is_socks && t->host[strspn(t->host, "[]")] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct remote r;
	struct remote_target t;
	struct why why;

	if (remote_parse(text, &r, &why) == ERR_OK)
		check_remote(&r);
	if (remote_target_parse(text, &t) == ERR_OK)
		check_target(&t);
	return 0;
}
