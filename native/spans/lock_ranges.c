/* SPDX-License-Identifier: MIT */
/*
 * Who holds which bytes of one file, and who has let go of them. Of releases those are kept that
 * may still be the last that somebody waits for: who gets a lock comes after all that it could not
 * be held beside, and whoever could not be held beside that one comes after it in turn.
 */
#include <string.h>

#include "locks.h"

#define FILE_LOCKS_MAX 512u

bool rn_lock_owners_equal(const struct lock_owner *a, const struct lock_owner *b)
{
	return a->kind == b->kind && a->number == b->number;
}

/* flock(2) and fcntl(2) do not see one another. */
static bool meet(const struct lock *lock, const struct lock_owner *owner, uint64_t first,
		 uint64_t last)
{
	return (lock->owner.kind == LOCK_OF_FLOCK) == (owner->kind == LOCK_OF_FLOCK) &&
	       lock->first <= last && first <= lock->last;
}

static bool is_own(const struct lock *lock, const struct lock_owner *owner)
{
	return rn_lock_owners_equal(&lock->owner, owner);
}

bool rn_lock_is_foreign(const struct lock_file *file)
{
	return file->object && file->object->foreign && !file->object->named &&
	       !file->object->maybe;
}

static bool is_raced(const struct lock_file *file)
{
	return file->raced || rn_fd_races(file->locks->edges->in->objects);
}

static bool is_unsure(const struct lock_file *file, const struct lock *lock)
{
	return lock->unsure ||
	       (lock->owner.kind == LOCK_OF_PROCESS && is_raced(file) &&
		rn_fd_table_is_unsure(file->locks->edges->in->objects, lock->owner.number));
}

void rn_lock_may_be_gone(struct lock_file *file, const struct lock_owner *owner)
{
	if (!is_raced(file))
		return;
	for (struct lock *lock = file->first; lock; lock = lock->next)
		lock->unsure |= !lock->released && rn_lock_owners_equal(&lock->owner, owner);
}

static struct lock *add(struct lock_file *file, const struct lock *like)
{
	struct lock *lock = file->n < FILE_LOCKS_MAX ? rn_lock_new(file->locks) : NULL;

	if (!lock) {
		file->blind = true;
		return NULL;
	}
	*lock = *like;
	lock->next = file->first;
	file->first = lock;
	file->n++;
	return lock;
}

static void drop(struct lock_file *file, struct lock **at)
{
	struct lock *lock = *at;

	*at = lock->next;
	file->n--;
	rn_lock_free(file->locks, lock);
}

/* Makes of a lock that is for more than these bytes several. */
static void split(struct lock_file *file, struct lock *lock, uint64_t first, uint64_t last)
{
	struct lock part = *lock;

	if (lock->first < first) {
		part.last = first - 1;
		add(file, &part);
		lock->first = first;
	}
	if (lock->last > last) {
		part.first = last + 1;
		part.last = lock->last;
		add(file, &part);
		lock->last = last;
	}
}

bool rn_lock_holds(const struct lock_file *file, const struct lock_call *call, bool writes)
{
	for (const struct lock *lock = file->first; lock; lock = lock->next)
		if (!lock->released && lock->writes == writes && is_own(lock, &call->owner) &&
		    meet(lock, &call->owner, call->first, call->last))
			return true;
	return false;
}

bool rn_lock_release(struct lock_file *file, const struct lock_owner *owner, uint64_t first,
		     uint64_t last, bool lowers, const struct cause *cause, uint64_t call)
{
	struct lock *next, release;
	bool found = false;

	for (struct lock *lock = file->first; lock; lock = next) {
		next = lock->next;
		if (lock->released || !is_own(lock, owner) || !meet(lock, owner, first, last) ||
		    (lowers && !lock->writes))
			continue;
		found = true;
		/* By another descriptor of this file, which the call takes away, too. */
		if (lock->call && lock->call == call)
			continue;
		split(file, lock, first, last);
		/* Two at the same time: it is the one or the other. */
		file->doubtful |= lock->call != 0;
		lock->call = call;
		lock->lowers = lowers;
		release = *lock;
		release.released = true;
		release.shadowed = lowers;
		release.unsure = is_unsure(file, lock);
		release.cause = *cause;
		add(file, &release);
	}
	if (!found && file->doubtful && !lowers) {
		release = (struct lock){.owner = *owner,
					.first = first,
					.last = last,
					.writes = true,
					.released = true,
					.call = call,
					.cause = *cause};
		add(file, &release);
	}
	if (call == LOCK_DONE)
		rn_lock_settle(file, call, true);
	return found;
}

void rn_lock_settle(struct lock_file *file, uint64_t call, bool done)
{
	for (struct lock **at = &file->first; *at;) {
		struct lock *lock = *at;

		if (lock->call != call) {
			at = &lock->next;
			continue;
		}
		lock->call = 0;
		if (lock->released ? !done : done && !lock->lowers) {
			drop(file, at);
			continue;
		}
		if (!lock->released && done)
			lock->writes = false;
		lock->lowers = false;
		at = &lock->next;
	}
}

void rn_lock_forget(struct lock_file *file)
{
	while (file->first) {
		struct lock *lock = file->first;

		if (lock->released && lock->cause.clock > file->clock)
			file->clock = lock->cause.clock;
		drop(file, &file->first);
	}
}

bool rn_lock_drop_held(struct lock_file *file)
{
	bool let_go = true;

	for (struct lock **at = &file->first; *at;) {
		const struct lock *lock = *at;

		if (lock->released) {
			at = &(*at)->next;
			continue;
		}
		let_go &= lock->call && !lock->lowers;
		drop(file, at);
	}
	return let_go;
}

/* Whether it cannot be held beside what is asked for, as far as that goes. */
static bool is_other(const struct lock *lock, const struct lock_call *call)
{
	return meet(lock, &call->owner, call->first, call->last) && !is_own(lock, &call->owner) &&
	       (lock->writes || call->writes);
}

/* Its owner is about to let go of it: a release stands beside it. */
static bool is_going(const struct lock *lock, const struct lock_call *call)
{
	return lock->call && (!lock->lowers || !call->writes);
}

bool rn_lock_is_barred(const struct lock_file *file, const struct lock_call *call)
{
	for (const struct lock *lock = file->first; lock; lock = lock->next)
		if (is_other(lock, call) && (!lock->released || lock->call))
			return true;
	for (const struct lock_call *other = file->calls; other; other = other->next)
		if (other != call && !other->unlocks && other->first <= call->last &&
		    call->first <= other->last)
			return true;
	return false;
}

/* It was lost by no call: whoever had it has ended, and its end is not recorded yet. false: that
   may not be so. */
static bool end_of_owner(const struct lock_file *file, const struct lock *lock,
			 const struct lock_request *request, struct cause *cause)
{
	const struct object_space *space = request->edges->in->objects;
	struct holders losers = {.joined = request->joined};
	bool raced = is_unsure(file, lock);
	struct cause end;

	if (lock->owner.kind == LOCK_OF_PROCESS)
		rn_fd_table_users(space, lock->owner.number, rn_holders_add, &losers);
	else if (file->object)
		rn_description_users(space, file->object, (uint32_t)lock->owner.number,
				     rn_holders_add, &losers);
	/* It may be none of these who had it last. */
	if (lock->owner.kind != LOCK_OF_PROCESS &&
	    rn_description_races((uint32_t)lock->owner.number)) {
		raced = true;
		losers.process = NULL;
	}
	/* Nobody knows who. */
	if (!losers.process && request->edges->in->greatest > request->joined->clock)
		request->joined->clock = request->edges->in->greatest;
	if (raced || !rn_holder_ended(request->edges, &losers, request->thread, &end) || !end.seq)
		return false;
	*cause = end;
	return true;
}

/* What of it was lost to the one who got his: nothing may be held beside that. */
static void overrule(struct lock_file *file, const struct lock_call *call, uint64_t clock)
{
	for (struct lock **at = &file->first; *at;) {
		struct lock *lock = *at;
		bool own = is_own(lock, &call->owner);
		bool joined = own || lock->writes || call->writes;

		if (!joined || !meet(lock, &call->owner, call->first, call->last)) {
			at = &lock->next;
			continue;
		}
		split(file, lock, call->first, call->last);
		if (lock->released && !call->writes) {
			lock->shadowed = true; /* others may yet come to read */
		} else if (!lock->released && lock->lowers && !own) {
			lock->writes = lock->lowers = false;
			lock->call = 0;
		} else {
			/* Lost by no call, to a reader: the next one comes after that, too. */
			if (!lock->released && !own && !lock->call && !call->writes &&
			    clock > file->clock)
				file->clock = clock;
			/* A split has put others before it. */
			for (at = &file->first; *at != lock;)
				at = &(*at)->next;
			drop(file, at);
			continue;
		}
		at = &lock->next;
	}
}

static void hold(struct lock_file *file, const struct lock_call *call)
{
	struct lock own = {.owner = call->owner,
			   .first = call->first,
			   .last = call->last,
			   .writes = call->writes};

	/* With what lies beside it it is one. */
	for (struct lock **at = &file->first; *at;) {
		const struct lock *lock = *at;
		bool before = own.first && lock->last == own.first - 1;
		bool after = own.last != LOCK_END && lock->first == own.last + 1;

		if (lock->released || lock->call || lock->unsure || lock->writes != own.writes ||
		    !is_own(lock, &own.owner) || !(before || after)) {
			at = &(*at)->next;
			continue;
		}
		if (before)
			own.first = lock->first;
		else
			own.last = lock->last;
		drop(file, at);
	}
	add(file, &own);
}

/* Of one thread's releases the last one let it in. false: they are of several. */
static bool is_last_of(struct cause *last, const struct cause *cause)
{
	bool same = !last->seq || (last->tid == cause->tid && last->ordinal == cause->ordinal);

	if (cause->seq > last->seq)
		*last = *cause;
	return same;
}

void rn_lock_acquire(struct lock_file *file, const struct lock_call *call,
		     const struct lock_request *request)
{
	struct edges *edges = request->edges;
	struct joined *joined = request->joined;
	struct cause last = {.seq = 0}, ended = {.seq = 0};
	bool certain = !file->doubtful && !file->untraced && !file->blind &&
		       file->losses == edges->losses && !rn_lock_is_foreign(file) &&
		       !file->haunted && !(file->locks->strayed && is_raced(file));

	if (file->clock > joined->clock)
		joined->clock = file->clock;
	for (const struct lock *lock = file->first; lock; lock = lock->next) {
		if (lock->released && meet(lock, &call->owner, call->first, call->last) &&
		    (lock->writes || call->writes || is_own(lock, &call->owner)) &&
		    lock->cause.clock > joined->clock)
			joined->clock = lock->cause.clock;
		if (!is_other(lock, call))
			continue;
		if (lock->released && !(lock->shadowed && call->writes)) {
			certain &= is_last_of(&last, &lock->cause) && !lock->unsure;
		} else if (!lock->released && !is_going(lock, call)) {
			certain &= end_of_owner(file, lock, request, &ended);
			certain &= is_last_of(&last, &ended);
		}
	}
	if (certain && last.seq)
		rn_join(edges, request->thread, joined, &last, RN_EDGE_LOCK, true);
	for (const struct lock *lock = certain ? NULL : file->first; lock; lock = lock->next)
		if (lock->released && is_other(lock, call) && !(lock->shadowed && call->writes))
			rn_join(edges, request->thread, joined, &lock->cause, RN_EDGE_LOCK, false);
	if (!certain && ended.seq)
		rn_join(edges, request->thread, joined, &ended, RN_EDGE_LOCK, false);
	overrule(file, call, joined->clock);
	hold(file, call);
}
