/* SPDX-License-Identifier: MIT */
/* Who has an object, an open file description, a table. See objects.h. */
#include "fd_private.h"

void rn_object_owners(const struct object_space *space, const struct object *object, uint8_t ways,
		      void (*visit)(void *ctx, struct process *process), void *ctx)
{
	for (const struct fd_table *table = space->tables; table; table = table->next) {
		bool has = false;

		for (uint32_t fd = 0; !has && fd / FD_PAGE < table->n_pages; fd++) {
			const struct fd_entry *entry = rn_table_entry(table, (int32_t)fd);

			has = entry && entry->object == object && entry->ways & ways;
		}
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

bool rn_description_users(const struct object_space *space, const struct object *object,
			  uint32_t description, void (*visit)(void *ctx, struct process *process),
			  void *ctx)
{
	bool found = false;

	for (const struct fd_table *table = space->tables; table; table = table->next) {
		bool has = false;

		for (uint32_t fd = 0; !has && fd / FD_PAGE < table->n_pages; fd++) {
			const struct fd_entry *entry = rn_table_entry(table, (int32_t)fd);

			has = entry && entry->object == object && entry->description == description;
		}
		found |= has;
		for (const struct fd_user *user = table->users; has && visit && user;
		     user = user->next)
			visit(ctx, user->owner);
	}
	return found || is_flying(space, description);
}
