/* What a terminal shows, as far as environment and kernel know. */
#include "cli/terminal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Its value, or NULL; an empty one counts as none. */
static const char *env_value(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

bool terminal_is_smart(int fd)
{
	const char *term = env_value("TERM");

	return fd >= 0 && isatty(fd) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

/* https://no-color.org: set and not empty, whatever its value. */
bool terminal_has_colours(int fd)
{
	return terminal_is_smart(fd) && env_value("NO_COLOR") == NULL;
}

bool terminal_has_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < 3; i++) {
		const char *value = env_value(names[i]);

		if (value != NULL)
			return strcasestr(value, "utf-8") != NULL ||
				strcasestr(value, "utf8") != NULL;
	}
	return false;
}

unsigned terminal_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
