/* Memory: zeroed allocation, and wiping of secrets. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A zeroed object of the type that @p points to, or NULL. Freed with free(). */
#define mem_new(p) calloc(1, sizeof(*(p)))

/* The object that embeds @member at @ptr. */
#define mem_container(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define mem_count(array) (sizeof(array) / sizeof((array)[0]))

/* Copies, and returns where the next is to be put. */
static inline void *mem_put(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return (char *)to + n;
}

/* Big endian. */
static inline void *mem_put_u32(void *to, uint32_t v)
{
	const uint8_t be[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
		(uint8_t)v };

	return mem_put(to, be, sizeof(be));
}

/* Overwrites a secret; the compiler may not leave it out. @p may be NULL if @n is 0. */
void mem_wipe(void *p, size_t n);

/* Wipes and frees. @p may be NULL. */
void mem_free_secret(void *p, size_t n);

/* A wiped-on-free copy of a secret string is freed with this. @s may be NULL. */
void mem_free_secret_str(char *s);

#endif
