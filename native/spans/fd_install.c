/* SPDX-License-Identifier: MIT */
/* New descriptors: what they mean, by what a record tells of them. See objects.h. */
#include "fd_private.h"

void rn_fd_install(struct object_space *space, struct fd_user *user, int64_t fd,
		   struct object *object, uint8_t ways, bool cloexec, uint32_t description)
{
	struct fd_entry entry = {
		.object = object, .ways = ways, .cloexec = cloexec, .description = description};

	rn_object_hold(object);
	/* Whether a copy that was made meanwhile has it, too, is not known. */
	if (user->table->births != user->births)
		rn_race_put(space, &entry);
	if (fd >= 0 && fd <= INT32_MAX)
		rn_table_set(space, user->table, (int32_t)fd, &entry);
	rn_object_put(space, object);
}

void rn_fd_install_unknown(struct object_space *space, struct fd_user *user, int64_t fd)
{
	if (fd >= 0 && fd <= INT32_MAX)
		rn_table_close(space, user->table, (int32_t)fd);
}

struct object *rn_fd_make(struct object_space *space, struct fd_user *user,
			  const struct rn_event *ev, int64_t fd, const struct rn_object_id *own,
			  bool cloexec)
{
	const struct rn_object_id *id = rn_fd_identity(ev, fd);
	struct object *object = rn_object_new(space, own->kind);

	if (!object) {
		rn_fd_install_unknown(space, user, fd);
		return NULL;
	}
	if (id && id->kind == own->kind) {
		rn_object_identify(space, object, id);
		object->id.more |= own->more;
		if (own->peer)
			object->id.peer = own->peer;
	} else {
		object->id = *own;
	}
	rn_fd_install(space, user, fd, object, own->ways, cloexec, 0);
	return rn_fd_object(user->table, (int32_t)fd) == object ? object : NULL;
}

/*
 * A FIFO that all had closed when this call ended. What had been written is still there if a reader's
 * open had begun: one must have, where a writer's open ended and no reader's is recorded (fifo(7)).
 * Else the kernel may have thrown it away; and that reader may be the one who was killed in his open.
 */
static void find_again(const struct object_space *space, const struct fd_user *user,
		       struct object *object)
{
	if (object->was_read || user->began > object->gone ||
	    (space->open_cut && space->open_cut >= object->first_open))
		rn_object_share(object);
	object->again = object->gone;
	object->gone = 0;
}

void rn_fd_find(struct object_space *space, struct fd_user *user, const struct rn_event *ev,
		int64_t fd, uint8_t kind, uint8_t ways, bool cloexec)
{
	const struct rn_object_id *id = rn_fd_identity(ev, fd);
	struct object *object = id ? rn_object_find(space, id) : NULL;

	if (id)
		kind = id->kind;
	if (id && !ways)
		ways = id->ways;
	if (!object) {
		object = rn_object_new(space, kind);
		if (!object) {
			rn_fd_install_unknown(space, user, fd);
			return;
		}
		if (id)
			rn_object_identify(space, object, id);
		object->foreign = true;
		object->named = kind == RN_OBJECT_PIPE || kind == RN_OBJECT_MQUEUE ||
				kind == RN_OBJECT_FILE;
	}
	if (object->opens == 0 && !object->gone)
		object->first_open = user->began;
	if (object->gone)
		find_again(space, user, object);
	rn_fd_install(space, user, fd, object, ways, cloexec, 0);
}

void rn_fd_is_copy(const struct fd_user *user, int64_t fd)
{
	struct fd_entry *entry =
		fd >= 0 && fd <= INT32_MAX ? rn_table_entry(user->table, (int32_t)fd) : NULL;

	if (entry)
		entry->description = DESCRIPTION_UNKNOWN;
}
