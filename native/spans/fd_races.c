/* SPDX-License-Identifier: MIT */
/*
 * Files that a thread opens or closes while another one forks: which of them the copy of the table
 * has, no call tells. See docs/decisions/0091.
 */
#include "fd_private.h"

static void race(struct object_space *space, struct object *object, uint32_t description)
{
	object->maybe |= !object->foreign || object->named;
	object->foreign = true;
	object->named = false;
	if (space->raced)
		space->raced(space->left_ctx, object, description);
}

void rn_race_put(struct object_space *space, struct fd_entry *entry)
{
	if (entry->object->id.kind != RN_OBJECT_FILE || entry->description & ~DESCRIPTION_RACED) {
		rn_object_share(entry->object);
		return;
	}
	entry->description = DESCRIPTION_RACED;
	race(space, entry->object, 0);
}

/* Whether it is one of the object's. */
static bool mark(struct fd_entry *entry, const struct object *object, uint32_t description)
{
	if (entry->object != object)
		return false;
	if (entry->description == description)
		entry->description |= DESCRIPTION_RACED;
	return true;
}

/* Whoever has the description, as far as is known: from now on others may have it, too. `left`: so
   many descriptors of the object there are. */
static void mark_all(struct object_space *space, const struct object *object, uint32_t description,
		     uint32_t left)
{
	for (struct fd_table *table = space->tables; table; table = table->next) {
		for (int32_t fd = 0; left && (fd = rn_fd_from(table, fd)) >= 0; fd++)
			left -= mark(rn_table_entry(table, fd), object, description);
		for (struct fd_user *user = table->users; user; user = user->next) {
			if (user->source == object && user->source_description == description)
				user->source_description |= DESCRIPTION_RACED;
			for (uint32_t i = 0; i < user->n_aside; i++)
				mark(&user->aside[i].entry, object, description);
		}
	}
	for (struct object *o = space->flying ? space->all : NULL; o && left; o = o->next)
		for (struct flight *flight = o->inbox; flight; flight = flight->next)
			for (uint32_t i = 0; i < flight->n; i++)
				left -= mark(&flight->entries[i], object, description);
}

void rn_race_taken(struct object_space *space, struct fd_entry *entry, bool counted)
{
	uint32_t description = entry->description;

	if (entry->object->id.kind != RN_OBJECT_FILE || description == DESCRIPTION_UNKNOWN) {
		rn_object_share(entry->object);
		return;
	}
	race(space, entry->object, description);
	mark_all(space, entry->object, description, entry->object->opens - counted);
	entry->description |= DESCRIPTION_RACED;
}

void rn_race_copied(struct object_space *space, struct fd_table *copy, const struct fd_table *from)
{
	bool raced = from->raced;

	for (struct fd_user *user = from->users; user; user = user->next) {
		if (user->opens) {
			space->racing += !user->races;
			user->races = raced = true;
		}
		if (user->closes && user->source) {
			struct fd_entry entry = {.object = user->source,
						 .description = user->source_description};

			raced = true;
			if (entry.object->id.kind == RN_OBJECT_FILE)
				rn_race_taken(space, &entry, false);
		}
		for (uint32_t i = 0; i < user->n_aside; i++) {
			raced = true;
			if (user->aside[i].entry.object->id.kind == RN_OBJECT_FILE)
				rn_race_taken(space, &user->aside[i].entry, false);
		}
	}
	copy->partial = from->partial || raced;
}

void rn_race_fork_ends(struct fd_table *table)
{
	if (--table->forking || !table->raced)
		return;
	table->raced = false;
	for (int32_t fd = rn_fd_from(table, 0); fd >= 0; fd = rn_fd_from(table, fd + 1))
		rn_table_entry(table, fd)->races = false;
}

void rn_race_call_ends(struct object_space *space, struct fd_user *user)
{
	space->racing -= user->races;
	user->opens = user->closes = user->races = false;
}

void rn_race_closes(struct object_space *space, struct fd_table *table)
{
	if (!table->partial)
		return;
	table->unsure |= rn_table_is_shared(table);
	if (space->unseen)
		space->unseen(space->left_ctx, table->number);
}

void rn_race_closes_one(struct object_space *space, struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	if (!entry || entry->maybe)
		rn_race_closes(space, table);
}

void rn_fd_pass_maybe(const struct fd_user *user, int64_t fd, bool maybe)
{
	struct fd_entry *entry =
		fd >= 0 && fd <= INT32_MAX ? rn_table_entry(user->table, (int32_t)fd) : NULL;

	if (entry)
		entry->maybe |= maybe;
}

bool rn_fd_is_maybe(const struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	return entry && entry->maybe;
}

bool rn_fd_races(const struct object_space *space)
{
	return space->racing;
}

bool rn_fd_table_is_unsure(const struct object_space *space, uint64_t number)
{
	for (const struct fd_table *table = space->tables; table; table = table->next)
		if (table->number == number)
			return table->unsure;
	return true;
}

bool rn_description_races(uint32_t description)
{
	return description & DESCRIPTION_RACED;
}

uint32_t rn_description_raced(uint32_t description)
{
	return description | DESCRIPTION_RACED;
}
