/* A worker is one thread with one loop, its mailbox and its pool of blocks. */
#include "loop/worker.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#define WORKER_STACK_BYTES ((size_t)256 * 1024)
#define WORKER_BLOCKS_KEPT 8

static void worker_on_stop(void *receiver, struct mail *mail)
{
	struct worker *w = receiver;

	(void)mail;
	loop_stop(w->loop);
}

enum err worker_init(struct worker *w, unsigned index)
{
	enum err rc;

	*w = (struct worker){ .index = index, .stop.fn = worker_on_stop };
	pool_init(&w->blocks, WORKER_BLOCK_BYTES, WORKER_BLOCKS_KEPT);
	rc = loop_new(&w->loop);
	if (rc == ERR_OK)
		rc = mailbox_open(w->loop, w, &w->mailbox);
	if (rc != ERR_OK)
		worker_fini(w);
	return rc;
}

void worker_fini(struct worker *w)
{
	mailbox_close(w->mailbox);
	w->mailbox = NULL;
	loop_free(w->loop);
	w->loop = NULL;
	pool_fini(&w->blocks);
	free(w->scratch);
	w->scratch = NULL;
}

struct sent_mail {
	struct mail mail; /* first */
	worker_fn *fn;
	max_align_t body[];
};

static void worker_on_sent(void *receiver, struct mail *mail)
{
	struct sent_mail *m = mem_container(mail, struct sent_mail, mail);

	m->fn(receiver, m->body);
	free(m);
}

bool worker_send(struct worker *w, worker_fn *fn, const void *body, size_t n)
{
	struct sent_mail *m = malloc(sizeof(*m) + n);

	if (m == NULL)
		return false;
	m->mail.fn = worker_on_sent;
	m->fn = fn;
	if (n > 0)
		memcpy(m->body, body, n);
	if (w->mailbox != NULL && mailbox_post(w->mailbox, &m->mail))
		return true;
	free(m);
	return false;
}

uint8_t *worker_scratch(struct worker *w)
{
	if (w->scratch == NULL)
		w->scratch = malloc(WORKER_SCRATCH_BYTES);
	return w->scratch;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	loop_run(w->loop);
	return NULL;
}

int thread_start(size_t stack_bytes, void *(*fn)(void *arg), void *arg, pthread_t *out)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int errnum;

	errnum = pthread_attr_init(&attr);
	if (errnum != 0)
		return errnum;
	pthread_attr_setstacksize(&attr, stack_bytes);
	/* The thread inherits the mask: a signal never comes to it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errnum = pthread_create(out, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return errnum;
}

enum err worker_start(struct worker *w, struct why *why)
{
	int errnum = thread_start(WORKER_STACK_BYTES, worker_main, w, &w->thread);

	if (errnum != 0)
		return err_sys(why, errnum, "cannot start worker %u", w->index);
	w->has_thread = true;
	return ERR_OK;
}

void worker_stop(struct worker *w)
{
	if (!atomic_exchange(&w->is_stopping, true))
		(void)mailbox_post(w->mailbox, &w->stop);
}

void worker_join(struct worker *w)
{
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	w->has_thread = false;
}

void worker_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

unsigned worker_count_cores(void)
{
	return uv_available_parallelism();
}
