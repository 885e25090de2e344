/* SPDX-License-Identifier: MIT */
/* Who has an object, an open file description, a table. See objects.h. */
#include "fd_private.h"

/* A look for those who have an object: it ends when all of its descriptors have been seen. */
struct search {
	const struct object *object;
	uint32_t description; /* 0 = any */
	uint8_t ways; /* 0 = any, or none */
	uint32_t left; /* descriptors and messages that have it and have not been seen */
};

static bool table_has(struct search *search, const struct fd_table *table)
{
	for (uint32_t fd = 0; search->left && fd / FD_PAGE < table->n_pages; fd++) {
		const struct fd_entry *entry = rn_table_entry(table, (int32_t)fd);

		if (!table->pages[fd / FD_PAGE])
			fd |= FD_PAGE - 1;
		if (!entry || entry->object != search->object)
			continue;
		search->left--;
		if ((!search->ways || entry->ways & search->ways) &&
		    (!search->description || entry->description == search->description))
			return true;
	}
	return false;
}

void rn_object_owners(const struct object_space *space, const struct object *object, uint8_t ways,
		      void (*visit)(void *ctx, struct process *process), void *ctx)
{
	struct search search = {.object = object, .ways = ways, .left = object->opens};

	for (const struct fd_table *table = space->tables; table; table = table->next) {
		bool has = table_has(&search, table);

		for (const struct fd_user *user = table->users; has && user; user = user->next)
			visit(ctx, user->owner);
	}
}

void rn_fd_table_users(const struct object_space *space, uint64_t number,
		       void (*visit)(void *ctx, struct process *process), void *ctx)
{
	for (const struct fd_table *table = space->tables; table; table = table->next)
		for (const struct fd_user *user = table->users; table->number == number && user;
		     user = user->next)
			visit(ctx, user->owner);
}

static bool is_flying(const struct object_space *space, uint32_t description)
{
	for (const struct object *object = space->flying ? space->all : NULL; object;
	     object = object->next)
		for (const struct flight *flight = object->inbox; flight; flight = flight->next)
			for (uint32_t i = 0; i < flight->n; i++)
				if (flight->entries[i].object &&
				    flight->entries[i].description == description)
					return true;
	return false;
}

/* A fork leaves it under the same number: where it is looked for first. */
static bool is_left_elsewhere(const struct object_space *space, const struct object *object,
			      uint32_t description)
{
	for (const struct fd_table *table = space->tables; table; table = table->next) {
		const struct fd_entry *entry = rn_table_entry(table, space->leaving);

		if (entry && entry->object == object && entry->description == description)
			return true;
	}
	return false;
}

bool rn_description_users(const struct object_space *space, const struct object *object,
			  uint32_t description, void (*visit)(void *ctx, struct process *process),
			  void *ctx)
{
	struct search search = {
		.object = object,
		.description = description,
		.left = object->opens - !visit, /* the one that leaves is counted still */
	};
	bool found = false;

	if (!visit && search.left && is_left_elsewhere(space, object, description))
		return true;
	for (const struct fd_table *table = space->tables; table && search.left;
	     table = table->next) {
		bool has = table_has(&search, table);

		found |= has;
		for (const struct fd_user *user = table->users; has && visit && user;
		     user = user->next)
			visit(ctx, user->owner);
	}
	return found || (search.left && is_flying(space, description));
}
