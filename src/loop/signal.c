/* Signals, as events of the first loop. */
#include "loop/loop.h"

#include <pthread.h>
#include <signal.h>

#include "loop/inside.h"

/* Those that a person or a service manager sends. */
static const int signals_held[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };

struct loop_signal {
	uv_signal_t uv;
	loop_signal_fn *fn;
	void *arg; /* borrowed: the owner's */
};

static void signals_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < mem_count(signals_held); i++)
		sigaddset(&set, signals_held[i]);
	pthread_sigmask(how, &set, NULL);
}

void loop_signals_hold(void)
{
	signals_mask(SIG_BLOCK);
}

void loop_signals_release(void)
{
	signals_mask(SIG_UNBLOCK);
}

/* One that came while it was held is delivered to its new handler now. */
static void signal_release(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void signal_on_uv(uv_signal_t *uv, int signo)
{
	struct loop_signal *sig = mem_container(uv, struct loop_signal, uv);

	sig->fn(sig->arg, signo);
}

static void signal_on_closed(uv_handle_t *handle)
{
	free(mem_container((uv_signal_t *)handle, struct loop_signal, uv));
}

enum err loop_signal_open(struct loop *loop, int signo, loop_signal_fn *fn, void *arg,
	struct loop_signal **out)
{
	struct loop_signal *sig = mem_new(sig);

	if (sig == NULL)
		return ERR_NOMEM;
	sig->fn = fn;
	sig->arg = arg;
	if (uv_signal_init(loop_uv(loop), &sig->uv) != 0) {
		free(sig);
		return ERR_SYS;
	}
	if (uv_signal_start(&sig->uv, signal_on_uv, signo) != 0) {
		loop_signal_close(sig);
		return ERR_SYS;
	}
	signal_release(signo);
	*out = sig;
	return ERR_OK;
}

void loop_signal_close(struct loop_signal *sig)
{
	if (sig != NULL)
		uv_close((uv_handle_t *)&sig->uv, signal_on_closed);
}
