/* Memory: wiping of secrets. */
#include "base/mem.h"

#include <string.h>

void mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void mem_free_secret(void *p, size_t n)
{
	if (p == NULL)
		return;
	mem_wipe(p, n);
	free(p);
}

void mem_free_secret_str(char *s)
{
	if (s != NULL)
		mem_free_secret(s, strlen(s));
}
