/* A netwatch notices changes of the network, and gaps in time. */
#include "net/netwatch.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/system_priv.h"

#define NETWATCH_SETTLE_MS 200 /* changes come in bursts */
#define NETWATCH_TICK_MS 2000
#define NETWATCH_GAP_MS 5000 /* a tick so late, or so much sleep, is a gap */

struct netwatch {
	netwatch_fn *fn;
	void *arg; /* borrowed: the owner's */
	int fd;    /* news of the network, or -1 */
	struct loop_io *io;
	struct loop_timer *settle;
	struct loop_timer *tick;
	uint64_t tick_ms;  /* when it was set, by the clock that stops in sleep */
	uint64_t slept_ms; /* what the clocks differed by then */
};

static uint64_t netwatch_slept_ms(void)
{
	uint64_t awake = clock_now_ms(), all = clock_boot_ms();

	return all > awake ? all - awake : 0;
}

static void netwatch_set_tick(struct netwatch *w)
{
	w->tick_ms = clock_now_ms();
	w->slept_ms = netwatch_slept_ms();
	loop_timer_set(w->tick, NETWATCH_TICK_MS);
}

static void netwatch_on_tick(void *arg)
{
	struct netwatch *w = arg;
	uint64_t ran_ms = clock_now_ms() - w->tick_ms;
	uint64_t slept_ms = netwatch_slept_ms() - w->slept_ms;

	netwatch_set_tick(w);
	if (slept_ms >= NETWATCH_GAP_MS && slept_ms < UINT64_MAX / 2)
		w->fn(w->arg, "the machine has slept");
	else if (ran_ms >= NETWATCH_TICK_MS + NETWATCH_GAP_MS)
		w->fn(w->arg, "this process was stopped for a while");
}

static void netwatch_on_settled(void *arg)
{
	struct netwatch *w = arg;

	w->fn(w->arg, "the network has changed");
}

/* What has changed does not matter;
 * even that messages were lost means that something did. */
static void netwatch_on_ready(void *arg, unsigned ready)
{
	struct netwatch *w = arg;
	char message[4096];

	(void)ready;
	while (recv(w->fd, message, sizeof(message), MSG_DONTWAIT) > 0)
		;
	if (!loop_timer_is_set(w->settle))
		loop_timer_set(w->settle, NETWATCH_SETTLE_MS);
}

enum err netwatch_open(struct loop *loop, netwatch_fn *fn, void *arg,
	struct netwatch **out)
{
	struct netwatch *w = mem_new(w);
	enum err rc;

	if (w == NULL)
		return ERR_NOMEM;
	w->fn = fn;
	w->arg = arg;
	w->fd = system_open_network_news();
	rc = loop_timer_open(loop, netwatch_on_settled, w, &w->settle);
	if (rc == ERR_OK)
		rc = loop_timer_open(loop, netwatch_on_tick, w, &w->tick);
	if (rc == ERR_OK && w->fd >= 0)
		rc = loop_io_open(loop, w->fd, netwatch_on_ready, w, &w->io);
	if (rc != ERR_OK) {
		netwatch_close(w);
		return rc;
	}
	if (w->io != NULL)
		loop_io_want(w->io, LOOP_READ);
	netwatch_set_tick(w);
	*out = w;
	return ERR_OK;
}

void netwatch_close(struct netwatch *w)
{
	if (w == NULL)
		return;
	loop_io_close(w->io);
	loop_timer_close(w->settle);
	loop_timer_close(w->tick);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}
