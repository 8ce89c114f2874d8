/* The last lines of the log, in memory. */
#include "base/log_ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

struct entry {
	uint64_t number, at_ms;
	enum log_level level;
	char *text;
};

/* The line number N is in entries[N % LOG_RING_LINES]. */
struct log_ring {
	pthread_mutex_t lock;
	uint64_t last;
	struct entry entries[LOG_RING_LINES];
};

enum err log_ring_new(struct log_ring **out)
{
	struct log_ring *r = mem_new(r);

	if (r == NULL)
		return ERR_NOMEM;
	pthread_mutex_init(&r->lock, NULL);
	*out = r;
	return ERR_OK;
}

void log_ring_free(struct log_ring *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < LOG_RING_LINES; i++)
		free(r->entries[i].text);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void log_ring_add(void *ring, enum log_level level, const char *text)
{
	char *copy = strdup(text);
	struct log_ring *r = ring;
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	r->last++;
	e = &r->entries[r->last % LOG_RING_LINES];
	free(e->text);
	*e = (struct entry){ r->last, clock_wall_ms(), level, copy };
	pthread_mutex_unlock(&r->lock);
}

bool log_ring_next(struct log_ring *r, uint64_t after, struct log_ring_line *out)
{
	const struct entry *e = NULL;
	uint64_t number;

	pthread_mutex_lock(&r->lock);
	number = r->last > LOG_RING_LINES ? r->last - LOG_RING_LINES + 1 : 1;
	number = after >= number ? after + 1 : number;
	while (number <= r->last && r->entries[number % LOG_RING_LINES].text == NULL)
		number++;
	if (number > after && number <= r->last) {
		e = &r->entries[number % LOG_RING_LINES];
		out->number = e->number;
		out->at_ms = e->at_ms;
		out->level = e->level;
		str_copy(out->text, sizeof(out->text), e->text);
	}
	pthread_mutex_unlock(&r->lock);
	return e != NULL;
}

uint64_t log_ring_last(struct log_ring *r)
{
	uint64_t last;

	pthread_mutex_lock(&r->lock);
	last = r->last;
	pthread_mutex_unlock(&r->lock);
	return last;
}
