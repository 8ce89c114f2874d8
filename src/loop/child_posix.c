/* A child that outlives its parent, unless it notices that its pipe is closed. */
#include <uv.h>

#include "loop/child.h"
#include "loop/child_priv.h"

void child_follow_parent(void)
{
}

const char *child_own_path(char to[CHILD_PATH_MAX])
{
	size_t n = CHILD_PATH_MAX;

	return uv_exepath(to, &n) == 0 ? to : "adit";
}
