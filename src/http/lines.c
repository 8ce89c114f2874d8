/* Header lines as text. */
#include "http/lines.h"

#include <stddef.h>
#include <strings.h>

bool lines_have(const char *lines, struct span name)
{
	while (lines != NULL && *lines != '\0') {
		if (strncasecmp(lines, (const char *)name.p, name.n) == 0 &&
			lines[name.n] == ':')
			return true;
		lines = strchr(lines, '\n');
		if (lines != NULL)
			lines++;
	}
	return false;
}
