/* Memory: wiping of secrets. */
#include "base/mem.h"

void mem_wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	/* It could be read here, as far as the compiler knows. */
	__asm__ volatile("" : : "r"(p) : "memory");
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
