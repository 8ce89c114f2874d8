/*
 * An intrusive, circular, doubly linked list. The head is a struct list of its own; a
 * member embeds one for each list it can be on. A list owns no memory.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

/* Of a head: no members. Of a member: on no list. */
static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *prev, struct list *member)
{
	member->prev = prev;
	member->next = prev->next;
	prev->next->prev = member;
	prev->next = member;
}

/* At the end. @member must be on no list. */
static inline void list_add(struct list *head, struct list *member)
{
	list_insert(head->prev, member);
}

static inline void list_add_front(struct list *head, struct list *member)
{
	list_insert(head, member);
}

/* May be called for a member that is on no list. */
static inline void list_remove(struct list *member)
{
	member->prev->next = member->next;
	member->next->prev = member->prev;
	list_init(member);
}

/* Moves all members of @from to the end of @to. */
static inline void list_move_all(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_object(member, type, field) mem_container(member, type, field)

/* The first member's object, or NULL. */
#define list_first(head, type, field) \
	(list_is_empty(head) ? NULL : list_object((head)->next, type, field))

/* Walks the members; the current one may be removed. */
#define list_each(it, tmp, head) \
	for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head); \
		(it) = (tmp), (tmp) = (it)->next)

#endif
