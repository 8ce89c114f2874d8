/* A mailbox takes letters from any thread and hands them out on its own. */
#include <pthread.h>

#include "loop/bell.h"
#include "loop/loop_priv.h"

struct mailbox {
	struct list in_loop;
	struct loop_io *io;
	void *receiver;   /* borrowed: the owner's */
	struct bell bell; /* rung when the first letter comes */

	pthread_mutex_t lock; /* over the rest */
	struct mail *first, *last;
	bool is_closed;
};

/* All letters at once, so that the lock is held for a moment only. */
static struct mail *mailbox_empty(struct mailbox *box)
{
	struct mail *first;

	pthread_mutex_lock(&box->lock);
	first = box->first;
	box->first = box->last = NULL;
	pthread_mutex_unlock(&box->lock);
	return first;
}

static void mailbox_hand_out(struct mailbox *box)
{
	struct mail *mail = mailbox_empty(box), *next;
	void *receiver = box->receiver;

	for (; mail != NULL; mail = next) {
		next = mail->next;
		mail->fn(receiver, mail);
	}
}

static void mailbox_on_ring(void *arg, unsigned ready)
{
	struct mailbox *box = arg;

	(void)ready;
	bell_quiet(&box->bell);
	mailbox_hand_out(box);
}

enum err mailbox_open(struct loop *loop, void *receiver, struct mailbox **out)
{
	struct mailbox *box = mem_new(box);
	enum err rc;

	if (box == NULL)
		return ERR_NOMEM;
	box->receiver = receiver;
	rc = bell_init(&box->bell);
	if (rc != ERR_OK) {
		free(box);
		return rc;
	}
	rc = loop_io_open(loop, box->bell.fd, mailbox_on_ring, box, &box->io);
	if (rc != ERR_OK) {
		bell_fini(&box->bell);
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
			bell_ring(&box->bell);
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
	bell_fini(&box->bell);
	mailbox_hand_out(box);
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
