/* SPDX-License-Identifier: MIT */
/* Who uses which table: births, CLONE_FILES, unshare, exec, the end. See objects.h. */
#include <sched.h>

#include "fd_private.h"

static void join(struct fd_table *table, struct fd_user *user)
{
	user->table = table;
	user->next = table->users;
	user->at = &table->users;
	if (user->next)
		user->next->at = &user->next;
	table->users = user;
}

bool rn_table_is_shared(const struct fd_table *table)
{
	return table->users && table->users->next;
}

static void leave(struct object_space *space, struct fd_user *user)
{
	struct fd_table *table = user->table;

	if (!table)
		return;
	if (user->forks)
		rn_race_fork_ends(table);
	user->forks = false;
	user->table = NULL;
	*user->at = user->next;
	if (user->next)
		user->next->at = user->at;
	if (!table->users)
		rn_table_free(space, table);
}

static void copy(struct object_space *space, struct fd_table *to, struct fd_table *from)
{
	to->lost = from->lost;
	for (uint32_t i = 0; i < from->n_pages; i++)
		for (int j = 0; from->pages[i] && j < FD_PAGE; j++)
			if (from->pages[i]->entry[j].object) {
				struct fd_entry entry = from->pages[i]->entry[j];

				entry.maybe |= entry.races;
				entry.races = false;
				rn_table_set(space, to, (int32_t)i * FD_PAGE + j, &entry);
			}
	from->births++;
	rn_race_copied(space, to, from);
}

/* A thread whose table there is no memory for: others may have all that it has. */
static void be_copy(struct object_space *space, struct fd_user *user, struct fd_table *from)
{
	struct fd_table *table = rn_table_new(space);

	if (!table) {
		rn_table_share_all(from);
		return;
	}
	copy(space, table, from);
	join(table, user);
}

void rn_table_unshare(struct object_space *space, struct fd_user *user)
{
	struct fd_table *former = user->table;
	struct fd_user own = {.owner = user->owner};

	if (!rn_table_is_shared(former))
		return;
	be_copy(space, &own, former);
	former->copied = UINT64_MAX;
	leave(space, user);
	if (own.table) {
		*own.at = own.next;
		join(own.table, user);
	}
}

static void be_found(struct object_space *space, struct fd_user *user, const struct rn_event *start)
{
	struct fd_table *table = rn_table_new(space);

	if (!table)
		return;
	join(table, user);
	rn_fd_table_more(space, user, start);
}

void rn_fd_table_start(struct object_space *space, struct fd_user *user, struct fd_user *maker,
		       const struct rn_event *start, struct process *owner)
{
	user->owner = owner;
	if (!maker) {
		be_found(space, user, start);
		return;
	}
	maker->born = start->tid;
	if (maker->table && start->args[3] & CLONE_FILES) {
		join(maker->table, user);
	} else if (maker->table) {
		be_copy(space, user, maker->table);
		if (maker->table->copied < start->seq)
			maker->table->copied = start->seq;
	}
	if (maker->forks) {
		maker->forks = false;
		rn_race_fork_ends(maker->table);
	}
}

void rn_fd_makes_after(struct fd_user *user, uint64_t seq)
{
	if (user->table && user->table->copied < seq)
		user->births = user->table->births;
}

void rn_fd_table_join(struct fd_user *user, struct fd_user *other, struct process *owner)
{
	user->owner = owner;
	if (other->table)
		join(other->table, user);
}

void rn_fd_table_exec(struct object_space *space, struct fd_user *user)
{
	if (!user->table)
		return;
	rn_user_drop_aside(space, user);
	rn_table_unshare(space, user);
	if (user->table)
		rn_table_close_range(space, user->table, 0, FD_LIMIT, true, NULL);
}

void rn_fd_table_end(struct object_space *space, struct fd_user *user)
{
	rn_user_leave_call(space, user);
	leave(space, user);
}

void rn_fd_tables_lost(struct object_space *space)
{
	void (*closed)(void *, struct object *, uint8_t, uint8_t) = space->closed;
	void (*left)(void *, struct object *, uint64_t, uint32_t) = space->left;

	/* That is no close. */
	space->closed = NULL;
	space->left = NULL;
	for (struct object *object = space->all; object; object = object->next)
		rn_object_share(object);
	for (struct fd_table *table = space->tables; table; table = table->next) {
		for (struct fd_user *user = table->users; user; user = user->next)
			rn_user_leave_call(space, user);
		rn_table_close_range(space, table, 0, FD_LIMIT, false, NULL);
	}
	space->closed = closed;
	space->left = left;
}
