/* A mailbox takes mail from any thread and delivers it on the thread of its loop. */
#include <pthread.h>
#include <unistd.h>

#include "loop/fd.h"
#include "loop/loop_priv.h"

struct mailbox {
	struct list in_loop;
	struct loop_io *io;
	void *receiver; /* borrowed: the owner's */
	int wake[2];    /* a pipe: has a byte since the first mail was posted */

	pthread_mutex_t lock; /* over the rest */
	struct mail *first, *last;
	bool is_closed;
};

/* All mail is taken at once, so that the lock is held for a moment only. */
static void mailbox_deliver(struct mailbox *box)
{
	struct mail *mail, *next;
	void *receiver = box->receiver;

	pthread_mutex_lock(&box->lock);
	mail = box->first;
	box->first = box->last = NULL;
	pthread_mutex_unlock(&box->lock);
	for (; mail != NULL; mail = next) {
		next = mail->next;
		mail->fn(receiver, mail);
	}
}

static void mailbox_on_wake(void *arg, unsigned ready)
{
	struct mailbox *box = arg;
	char byte;

	(void)ready;
	if (read(box->wake[0], &byte, 1) == 1)
		mailbox_deliver(box);
}

enum err mailbox_open(struct loop *loop, void *receiver, struct mailbox **out)
{
	struct mailbox *box = mem_new(box);
	enum err rc;

	if (box == NULL)
		return ERR_NOMEM;
	box->receiver = receiver;
	if (fd_pipe(box->wake) != 0) {
		free(box);
		return ERR_SYS;
	}
	rc = loop_io_open(loop, box->wake[0], mailbox_on_wake, box, &box->io);
	if (rc != ERR_OK) {
		close(box->wake[0]);
		close(box->wake[1]);
		free(box);
		return rc;
	}
	pthread_mutex_init(&box->lock, NULL);
	loop_io_want(box->io, LOOP_READ);
	list_add(&loop->mailboxes, &box->in_loop);
	*out = box;
	return ERR_OK;
}

bool mailbox_post(struct mailbox *box, struct mail *mail)
{
	bool is_taken;

	pthread_mutex_lock(&box->lock);
	is_taken = !box->is_closed;
	if (is_taken) {
		mail->next = NULL;
		if (box->first == NULL) {
			box->first = mail;
			(void)!write(box->wake[1], "", 1);
		} else {
			box->last->next = mail;
		}
		box->last = mail;
	}
	pthread_mutex_unlock(&box->lock);
	return is_taken;
}

/* The memory stays until loop_free(), for a sender that was just about to post. */
void mailbox_close(struct mailbox *box)
{
	bool was_closed;

	if (box == NULL)
		return;
	pthread_mutex_lock(&box->lock);
	was_closed = box->is_closed;
	box->is_closed = true;
	pthread_mutex_unlock(&box->lock);
	if (was_closed)
		return;
	loop_io_close(box->io);
	close(box->wake[0]);
	close(box->wake[1]);
	mailbox_deliver(box);
}

void mailbox_free_all(struct loop *loop)
{
	struct mailbox *box;

	while ((box = list_first(&loop->mailboxes, struct mailbox, in_loop)) != NULL) {
		mailbox_close(box);
		list_remove(&box->in_loop);
		pthread_mutex_destroy(&box->lock);
		free(box);
	}
}
