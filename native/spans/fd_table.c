/* SPDX-License-Identifier: MIT */
/* Tables of descriptors, by pages. See objects.h. */
#include <stdlib.h>
#include <string.h>

#include "fd_private.h"

struct fd_entry *rn_table_entry(const struct fd_table *table, int32_t fd)
{
	struct fd_page *page;

	if (!table || fd < 0 || (uint32_t)fd / FD_PAGE >= table->n_pages)
		return NULL;
	page = table->pages[fd / FD_PAGE];
	return page && page->entry[fd % FD_PAGE].object ? &page->entry[fd % FD_PAGE] : NULL;
}

struct object *rn_fd_object(const struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	return entry ? entry->object : NULL;
}

uint8_t rn_fd_ways(const struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	return entry ? entry->ways & FD_BOTH : 0;
}

uint64_t rn_fd_table_number(const struct fd_table *table)
{
	return table ? table->number : 0;
}

uint32_t rn_fd_description(const struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	return entry && entry->description != DESCRIPTION_UNKNOWN ? entry->description : 0;
}

bool rn_fd_is_cloexec(const struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	return entry && entry->cloexec;
}

int32_t rn_fd_from(const struct fd_table *table, int32_t fd)
{
	for (uint32_t at = (uint32_t)fd; table && at / FD_PAGE < table->n_pages; at++) {
		if (rn_table_entry(table, (int32_t)at))
			return (int32_t)at;
		if (!table->pages[at / FD_PAGE])
			at |= FD_PAGE - 1;
	}
	return -1;
}

bool rn_fd_is_chosen(const struct fd_table *table, int32_t fd)
{
	const struct fd_entry *entry = rn_table_entry(table, fd);

	return entry && entry->ways & FD_CHOSEN;
}

static void *allot(struct object_space *space, size_t bytes)
{
	void *room = bytes > FD_BYTES_MAX - space->bytes ? NULL : calloc(1, bytes);

	if (room)
		space->bytes += bytes;
	return room;
}

static bool widen(struct object_space *space, struct fd_table *table, uint32_t n_pages)
{
	struct fd_page **pages;
	uint32_t n = table->n_pages ? table->n_pages : 1;

	if (n_pages <= table->n_pages)
		return true;
	while (n < n_pages)
		n *= 2;
	pages = allot(space, n * sizeof(struct fd_page *));
	if (!pages)
		return false;
	if (table->n_pages)
		memcpy(pages, table->pages, table->n_pages * sizeof(struct fd_page *));
	free(table->pages);
	space->bytes -= table->n_pages * sizeof(struct fd_page *);
	table->pages = pages;
	table->n_pages = n;
	return true;
}

/* The place of a descriptor, made if need be; NULL: no memory. */
static struct fd_entry *place(struct object_space *space, struct fd_table *table, int32_t fd)
{
	struct fd_page **page;

	if (!widen(space, table, (uint32_t)fd / FD_PAGE + 1))
		return NULL;
	page = &table->pages[fd / FD_PAGE];
	if (!*page)
		*page = allot(space, sizeof(struct fd_page));
	return *page ? &(*page)->entry[fd % FD_PAGE] : NULL;
}

struct fd_entry rn_table_take(struct fd_table *table, int32_t fd)
{
	struct fd_entry *entry = rn_table_entry(table, fd), taken = {.object = NULL};

	if (!entry)
		return taken;
	taken = *entry;
	*entry = (struct fd_entry){.object = NULL};
	return taken;
}

/* Takes it out; the copy that is being made may have it. */
static struct fd_entry take_racing(struct object_space *space, struct fd_table *table, int32_t fd)
{
	struct fd_entry taken = rn_table_take(table, fd);

	if (taken.object && table->forking) {
		table->raced = true;
		rn_race_taken(space, &taken, true);
	}
	return taken;
}

static void tell_left(struct object_space *space, const struct fd_table *table, int32_t fd,
		      const struct fd_entry *entry)
{
	space->leaving = fd;
	if (space->left)
		space->left(space->left_ctx, entry->object, entry->maybe ? 0 : table->number,
			    entry->description == DESCRIPTION_UNKNOWN ? 0 : entry->description);
}

void rn_table_close(struct object_space *space, struct fd_table *table, int32_t fd)
{
	struct fd_entry entry = take_racing(space, table, fd);

	if (!entry.object)
		return;
	tell_left(space, table, fd, &entry);
	rn_object_shut(space, entry.object, entry.ways);
}

void rn_table_set(struct object_space *space, struct fd_table *table, int32_t fd,
		  const struct fd_entry *entry)
{
	struct fd_entry *to, own = *entry;

	rn_table_close(space, table, fd);
	to = table->lost || fd < 0 || fd >= FD_LIMIT ? NULL : place(space, table, fd);
	if (!to) {
		rn_object_share(entry->object); /* one has it that is not known */
		return;
	}
	if (table->forking) {
		own.races = table->raced = true;
		rn_race_put(space, &own);
	}
	rn_object_open(own.object, own.ways);
	if (!(own.description & ~DESCRIPTION_RACED))
		own.description |= ++space->next_description + DESCRIPTION_UNKNOWN;
	*to = own;
}

bool rn_user_put_aside(struct object_space *space, struct fd_user *user, int32_t fd)
{
	struct fd_aside *grown = user->aside;
	struct fd_entry entry;

	if ((user->n_aside & (user->n_aside - 1)) == 0)
		grown = realloc(user->aside,
				(user->n_aside ? 2 * user->n_aside : 1) * sizeof(*grown));
	if (!grown)
		return false;
	entry = take_racing(space, user->table, fd);
	user->aside = grown;
	user->aside[user->n_aside++] = (struct fd_aside){fd, entry};
	rn_object_hold(entry.object);
	tell_left(space, user->table, fd, &entry);
	if (entry.object->inbox) /* the messages of a socket that may yet come back */
		rn_rights_unsure(space, entry.object);
	rn_object_shut(space, entry.object, entry.ways);
	return true;
}

void rn_user_restore_aside(struct object_space *space, struct fd_user *user)
{
	for (uint32_t i = 0; i < user->n_aside; i++) {
		const struct fd_aside *aside = &user->aside[i];
		struct object *object = aside->entry.object;
		const struct rn_object_id id = object->id;

		if (object->opens == 0)
			rn_object_identify(space, object, &id);
		rn_table_set(space, user->table, aside->fd, &aside->entry);
	}
}

void rn_user_drop_aside(struct object_space *space, struct fd_user *user)
{
	for (uint32_t i = 0; i < user->n_aside; i++)
		rn_object_put(space, user->aside[i].entry.object);
	free(user->aside);
	user->aside = NULL;
	user->n_aside = 0;
}

void rn_table_close_range(struct object_space *space, struct fd_table *table, uint32_t first,
			  uint32_t last, bool cloexec_only, struct fd_user *user)
{
	for (uint32_t fd = first; fd <= last && fd / FD_PAGE < table->n_pages; fd++) {
		const struct fd_entry *entry;

		if (!table->pages[fd / FD_PAGE]) {
			fd |= FD_PAGE - 1;
			continue;
		}
		entry = rn_table_entry(table, (int32_t)fd);
		if (!entry || (cloexec_only && !entry->cloexec))
			continue;
		if (user)
			rn_user_put_aside(space, user, (int32_t)fd);
		else
			rn_table_close(space, table, (int32_t)fd);
	}
}

void rn_table_mark_range(struct fd_table *table, uint32_t first, uint32_t last)
{
	for (uint32_t fd = first; fd <= last && fd / FD_PAGE < table->n_pages; fd++) {
		struct fd_entry *entry = rn_table_entry(table, (int32_t)fd);

		if (entry)
			entry->cloexec = true;
		else if (!table->pages[fd / FD_PAGE])
			fd |= FD_PAGE - 1;
	}
}

struct fd_table *rn_table_new(struct object_space *space)
{
	struct fd_table *table = allot(space, sizeof(*table));

	if (!table)
		return NULL;
	table->number = ++space->next_table;
	table->next = space->tables;
	table->at = &space->tables;
	if (table->next)
		table->next->at = &table->next;
	space->tables = table;
	return table;
}

void rn_table_free(struct object_space *space, struct fd_table *table)
{
	rn_table_close_range(space, table, 0, FD_LIMIT, false, NULL);
	for (uint32_t i = 0; i < table->n_pages; i++) {
		if (table->pages[i])
			space->bytes -= sizeof(struct fd_page);
		free(table->pages[i]);
	}
	space->bytes -= table->n_pages * sizeof(struct fd_page *) + sizeof(*table);
	free(table->pages);
	*table->at = table->next;
	if (table->next)
		table->next->at = table->at;
	free(table);
}

void rn_table_share_all(struct fd_table *table)
{
	for (uint32_t i = 0; i < table->n_pages; i++)
		for (unsigned j = 0; table->pages[i] && j < FD_PAGE; j++)
			if (table->pages[i]->entry[j].object)
				rn_object_share(table->pages[i]->entry[j].object);
}

void rn_table_lose(struct object_space *space, struct fd_table *table)
{
	rn_table_share_all(table);
	rn_table_close_range(space, table, 0, FD_LIMIT, false, NULL);
	table->lost = true;
}

bool rn_fd_tells_more(const struct rn_event *ev)
{
	const struct rn_piece *first = rn_piece_first(ev);

	return ev->kind == RN_CONTEXT && first && first->type == RN_PIECE_OBJECT;
}

/* What a process has when it is first seen: nobody knows who else has it. */
void rn_fd_table_more(struct object_space *space, struct fd_user *user, const struct rn_event *ev)
{
	for (const struct rn_piece *p = rn_piece_first(ev); user->table && p;
	     p = rn_piece_next(ev, p)) {
		struct fd_entry entry = {.cloexec = p->flags & RN_PIECE_CLOEXEC,
					 .description = DESCRIPTION_UNKNOWN};
		struct rn_object_id id;

		if (p->type != RN_PIECE_OBJECT || p->len < sizeof(id) || p->total >= FD_LIMIT)
			continue;
		memcpy(&id, rn_piece_data(p), sizeof(id));
		entry.object = rn_object_find(space, &id);
		if (!entry.object) {
			entry.object = rn_object_new(space, id.kind);
			if (!entry.object)
				continue;
			rn_object_identify(space, entry.object, &id);
		}
		rn_object_share(entry.object);
		entry.ways = id.ways;
		rn_object_hold(entry.object);
		rn_table_set(space, user->table, (int32_t)p->total, &entry);
		rn_object_put(space, entry.object);
	}
}

void rn_fd_choose(struct object_space *space, struct fd_user *user, int32_t fd, bool cloexec)
{
	struct fd_entry *known = rn_table_entry(user->table, fd);
	struct fd_entry entry = {
		.ways = FD_CHOSEN, .cloexec = cloexec, .description = DESCRIPTION_UNKNOWN};

	if (known)
		known->ways |= FD_CHOSEN;
	if (known || !user->table)
		return;
	entry.object = rn_object_new(space, RN_OBJECT_OTHER);
	if (!entry.object)
		return;
	rn_object_share(entry.object);
	rn_object_hold(entry.object);
	rn_table_set(space, user->table, fd, &entry);
	rn_object_put(space, entry.object);
}

void rn_fd_tables_watch(struct object_space *space,
			void (*left)(void *ctx, struct object *object, uint64_t table,
				     uint32_t description),
			void (*raced)(void *ctx, struct object *object, uint32_t description),
			void (*unseen)(void *ctx, uint64_t table), void *ctx)
{
	space->left = left;
	space->raced = raced;
	space->unseen = unseen;
	space->left_ctx = ctx;
}
