/* SPDX-License-Identifier: MIT */
/*
 * Files that are locked, for longer than anybody has them open: one process after the other may
 * open a file, lock it, and close it. When it is open again, its inode and the time when it was made
 * tell that it is the same.
 */
#include <stdlib.h>

#include "locks.h"

#define LOCKS_MAX 65536u /* of all files */
#define CLOSED_MAX 1024u /* files that are remembered though nobody has them open */

struct lock *rn_lock_new(struct locks *locks)
{
	struct lock *lock = locks->n_locks < LOCKS_MAX ? malloc(sizeof(*lock)) : NULL;

	locks->n_locks += lock != NULL;
	return lock;
}

void rn_lock_free(struct locks *locks, struct lock *lock)
{
	locks->n_locks--;
	free(lock);
}

static struct lock_file **bucket_of(struct locks *locks, const struct rn_object_id *id)
{
	uint64_t hash = (id->inode ^ (uint64_t)id->dev_minor << 32) * 0x9e3779b97f4a7c15ull;

	return &locks->same[(uint32_t)(hash >> 32) % LOCK_BUCKETS];
}

static bool is_same(const struct rn_object_id *a, const struct rn_object_id *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

static void unlist(struct locks *locks, struct lock_file *file)
{
	*(file->newer ? &file->newer->older : &locks->newest) = file->older;
	*(file->older ? &file->older->newer : &locks->oldest) = file->newer;
	file->newer = file->older = NULL;
	locks->n_closed--;
}

static void destroy(struct locks *locks, struct lock_file *file)
{
	struct lock_file **at = bucket_of(locks, &file->id);

	while (*at != file)
		at = &(*at)->next_same;
	*at = file->next_same;
	rn_lock_forget(file);
	if (file->clock > locks->forgotten)
		locks->forgotten = file->clock;
	locks->raced |= file->raced;
	locks->haunted |= file->haunted;
	free(file);
}

/* Nobody has it open any more. */
static void on_forgotten(struct object *object)
{
	struct lock_file *file = object->state;
	struct locks *locks = file->locks;

	object->state = NULL;
	file->object = NULL;
	/* Who let go of them was not always seen. */
	file->blind |= !rn_lock_drop_held(file);
	if (file->blind)
		file->clock = locks->edges->in->greatest;
	if (file->doubtful || file->blind)
		rn_lock_forget(file);
	file->doubtful = file->blind = false;
	file->older = locks->newest;
	*(file->older ? &file->older->newer : &locks->oldest) = file;
	locks->newest = file;
	if (++locks->n_closed <= CLOSED_MAX)
		return;
	for (file = locks->oldest; file; file = file->newer)
		if (!file->busy) {
			unlist(locks, file);
			destroy(locks, file);
			return;
		}
}

/* It is open again, if it is the same. */
static void reopen(struct locks *locks, struct lock_file *file, const struct rn_object_id *id)
{
	unlist(locks, file);
	if (file->id.more && id->more && file->id.more != id->more) {
		rn_lock_forget(file); /* of a number that was given anew */
		file->clock = locks->forgotten;
		file->doubtful = file->untraced = file->blind = false;
		file->raced = locks->raced;
		file->haunted = locks->haunted;
		file->losses = locks->edges->losses;
	} else if (!file->id.more || !id->more) {
		rn_lock_forget(file); /* it may be another */
	}
	file->id = *id;
}

struct lock_file *rn_lock_file_of(struct locks *locks, struct object *object)
{
	struct lock_file **bucket, *file = object->state;

	if (file)
		return file;
	bucket = bucket_of(locks, &object->id);
	for (file = *bucket; file && object->id.inode; file = file->next_same)
		if (!file->object && is_same(&file->id, &object->id))
			break;
	if (file && object->id.inode) {
		reopen(locks, file, &object->id);
	} else {
		file = calloc(1, sizeof(*file));
		if (!file)
			return NULL;
		file->locks = locks;
		file->id = object->id;
		file->clock = locks->forgotten;
		file->losses = locks->edges->losses;
		file->raced = locks->raced;
		file->haunted = locks->haunted;
		file->next_same = *bucket;
		*bucket = file;
	}
	file->object = object;
	object->state = file;
	object->forget = on_forgotten;
	return file;
}

void rn_lock_files_free(struct locks *locks)
{
	for (unsigned i = 0; i < LOCK_BUCKETS; i++)
		while (locks->same[i])
			destroy(locks, locks->same[i]);
}
