/* Signals, as events of the first loop. */
#include "loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "loop/loop_priv.h"

/* Those that a person or a service manager sends. */
static const int signals_held[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };

struct loop_signals {
	struct loop *loop; /* borrowed: outlives its handles */
	loop_signal_fn *fn;
	void *arg;     /* borrowed: the owner's */
	unsigned open; /* of @uv: the first of them; while closing, those that are left */
	uv_signal_t uv[];
};

static void signals_mask(int how, const int *signos, size_t n)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signos[i]);
	pthread_sigmask(how, &set, NULL);
}

void loop_signals_hold(void)
{
	signals_mask(SIG_BLOCK, signals_held, mem_count(signals_held));
}

void loop_signals_release(void)
{
	signals_mask(SIG_UNBLOCK, signals_held, mem_count(signals_held));
}

static void signals_on_uv(uv_signal_t *uv, int signo)
{
	struct loop_signals *signals = uv->data;

	signals->fn(signals->arg, signo);
}

static enum err signals_add(struct loop_signals *signals, int signo)
{
	uv_signal_t *uv = &signals->uv[signals->open];

	if (uv_signal_init(loop_uv(signals->loop), uv) != 0)
		return ERR_SYS;
	uv->data = signals;
	signals->open++;
	if (uv_signal_start(uv, signals_on_uv, signo) != 0)
		return ERR_SYS;
	/* One that came while it was held is delivered to its new handler now. */
	signals_mask(SIG_UNBLOCK, &signo, 1);
	return ERR_OK;
}

enum err loop_signals_open(struct loop *loop, const int *signos, loop_signal_fn *fn,
	void *arg, struct loop_signals **out)
{
	struct loop_signals *signals;
	size_t n = 0;
	enum err rc = ERR_OK;

	while (signos[n] != 0)
		n++;
	signals = calloc(1, sizeof(*signals) + n * sizeof(signals->uv[0]));
	if (signals == NULL)
		return ERR_NOMEM;
	signals->loop = loop;
	signals->fn = fn;
	signals->arg = arg;
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = signals_add(signals, signos[i]);
	if (rc == ERR_OK)
		*out = signals;
	else
		loop_signals_close(signals);
	return rc;
}

static void signals_on_closed(uv_handle_t *handle)
{
	struct loop_signals *signals = handle->data;

	if (--signals->open == 0)
		free(signals);
}

void loop_signals_close(struct loop_signals *signals)
{
	if (signals == NULL)
		return;
	if (signals->open == 0)
		free(signals);
	else
		for (unsigned i = signals->open; i-- > 0;)
			uv_close((uv_handle_t *)&signals->uv[i], signals_on_closed);
}
