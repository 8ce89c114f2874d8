/*
 * A lookup is in one list from its beginning to its end, so that another one of the same
 * name can join it. Threads take what is in the queue, and end when it is empty. They are
 * detached: the end of the process does not wait for them.
 */
#include "net/system_lookup_priv.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "loop/fd.h"
#include "loop/worker.h"

#define THREADS_MAX 32                           /* of the process */
#define THREAD_STACK_BYTES ((size_t)1024 * 1024) /* plug-ins of the C library use it */

struct system_lookup {
	struct list in_lookups;
	struct system_lookup *next; /* in the queue */
	int *result_fds; /* owned, as the array: one for each that has joined */
	unsigned result_n;
	char host[];
};

/* Mutable and global because threads belong to the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list lookups = { &lookups, &lookups }; /* all that have no result yet */
static struct system_lookup *queue, **queue_end = &queue; /* those without a thread */
static unsigned threads;

void found_add(struct found *f, const struct sockaddr *sa, socklen_t n)
{
	if (f->count == FOUND_MAX ||
		(sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return;
	f->addrs[f->count] = (struct addr){ .n = n };
	memcpy(&f->addrs[f->count++].any, sa, n);
}

static void lookup_free(struct system_lookup *l)
{
	for (unsigned i = 0; i < l->result_n; i++)
		close(l->result_fds[i]);
	free(l->result_fds);
	free(l);
}

/* ---- threads ---- */

static enum err system_err(int status)
{
	switch (status) {
	case 0:
		return ERR_OK;
	case EAI_AGAIN:
		return ERR_TIMEOUT;
	case EAI_MEMORY:
		return ERR_NOMEM;
	case EAI_SYSTEM:
		return ERR_SYS;
	default: /* EAI_NONAME, EAI_NODATA, EAI_FAIL */
		return ERR_NOENT;
	}
}

static void lookup_run(const char *host, struct found *out)
{
	/* No AI_ADDRCONFIG: it hides 127.0.0.1 and ::1 on machines that are offline. */
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	*out = (struct found){ .count = 0 };
	out->rc = system_err(getaddrinfo(host, NULL, &hints, &found));
	for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next)
		found_add(out, ai->ai_addr, ai->ai_addrlen);
	if (found != NULL)
		freeaddrinfo(found);
}

/* All readers of the result have closed their pipes. The lock is held. */
static bool lookup_is_cancelled(const struct system_lookup *l)
{
	for (unsigned i = 0; i < l->result_n; i++) {
		struct pollfd p = { .fd = l->result_fds[i] };

		if (poll(&p, 1, 0) != 1 || (p.revents & POLLERR) == 0)
			return false;
	}
	return true;
}

/* The next one, or NULL: the thread is to end. @is_wanted: it is to be run. */
static struct system_lookup *lookup_take(bool *is_wanted)
{
	struct system_lookup *l = NULL;

	pthread_mutex_lock(&lock);
	if (queue == NULL) {
		threads--;
	} else {
		l = queue;
		queue = l->next;
		if (queue == NULL)
			queue_end = &queue;
		*is_wanted = !lookup_is_cancelled(l);
		if (!*is_wanted)
			list_remove(&l->in_lookups); /* none can join it now */
	}
	pthread_mutex_unlock(&lock);
	return l;
}

static void *lookup_main(void *arg)
{
	struct system_lookup *l;
	struct found found = { .rc = ERR_CLOSED };
	bool is_wanted;

	(void)arg;
	while ((l = lookup_take(&is_wanted)) != NULL) {
		if (is_wanted) {
			lookup_run(l->host, &found);
			pthread_mutex_lock(&lock);
			list_remove(&l->in_lookups);
			pthread_mutex_unlock(&lock);
		}
		for (unsigned i = 0; i < l->result_n; i++) /* EPIPE: it was cancelled */
			(void)!write(l->result_fds[i], &found, sizeof(found));
		lookup_free(l);
	}
	return NULL;
}

/* ---- the beginning ---- */

static struct system_lookup *lookup_find(const char *host)
{
	struct list *it, *next;

	list_each(it, next, &lookups) {
		struct system_lookup *l = list_object(it, struct system_lookup,
			in_lookups);

		if (strcmp(l->host, host) == 0)
			return l;
	}
	return NULL;
}

static struct system_lookup *lookup_new(const char *host)
{
	size_t n = strlen(host) + 1;
	struct system_lookup *l = calloc(1, sizeof(*l) + n);

	if (l == NULL)
		return NULL;
	memcpy(l->host, host, n);
	list_add(&lookups, &l->in_lookups);
	*queue_end = l;
	queue_end = &l->next;
	return l;
}

/* @fd is taken if that succeeds. */
static enum err lookup_join(struct system_lookup *l, int fd)
{
	int *fds = realloc(l->result_fds, (l->result_n + 1) * sizeof(*fds));

	if (fds == NULL)
		return ERR_NOMEM;
	fds[l->result_n++] = fd;
	l->result_fds = fds;
	return ERR_OK;
}

/* Without another thread, those that run take the queue; without any, this fails. */
static enum err thread_add(void)
{
	pthread_t id;

	if (threads >= THREADS_MAX)
		return ERR_OK;
	if (thread_start(THREAD_STACK_BYTES, lookup_main, NULL, &id) != 0)
		return threads > 0 ? ERR_OK : ERR_SYS;
	pthread_detach(id);
	threads++;
	return ERR_OK;
}

/* The lock is held. Takes @fd if it succeeds; a lookup without any is not run. */
static enum err lookup_begin(const char *host, int fd)
{
	struct system_lookup *l = lookup_find(host);
	enum err rc = ERR_OK;

	if (l == NULL) {
		rc = thread_add();
		l = rc == ERR_OK ? lookup_new(host) : NULL;
	}
	if (l == NULL)
		return rc != ERR_OK ? rc : ERR_NOMEM;
	return lookup_join(l, fd);
}

enum err system_lookup_open(const char *host, int *out)
{
	int ends[2];
	enum err rc;

	if (fd_pipe(ends) != 0)
		return ERR_SYS;
	pthread_mutex_lock(&lock);
	rc = lookup_begin(host, ends[1]);
	pthread_mutex_unlock(&lock);
	if (rc != ERR_OK) {
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	*out = ends[0];
	return ERR_OK;
}
