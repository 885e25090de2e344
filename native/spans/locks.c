/* SPDX-License-Identifier: MIT */
/* Calls that lock files, and descriptors that go with the locks they hold; see locks.h. */
#include "locks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

/* fcntl(2); some by these names only where they are needed. */
#define SETLK 6
#define SETLKW 7
#define SETLK64 13
#define SETLKW64 14
#define OFD_SETLK 37
#define OFD_SETLKW 38

/* The thread's call as one that does something to locks; NULL: no memory. */
static struct lock_call *call_of(struct thread *thread, uint64_t seq)
{
	if (!thread->locking)
		thread->locking = calloc(1, sizeof(*thread->locking));
	if (thread->locking)
		thread->locking->seq = seq;
	return thread->locking;
}

/* The call is about to let go of something of this file. false: no memory. */
static bool touch(struct lock_call *call, struct lock_file *file)
{
	struct lock_file **grown = call->touched;

	for (uint32_t i = 0; i < call->n_touched; i++)
		if (call->touched[i] == file)
			return true;
	if ((call->n_touched & (call->n_touched - 1)) == 0)
		grown = realloc(call->touched, (call->n_touched ? 2 * call->n_touched : 1) *
						       sizeof(struct lock_file *));
	if (!grown)
		return false;
	call->touched = grown;
	grown[call->n_touched++] = file;
	file->busy++;
	return true;
}

static void end_call(struct thread *thread)
{
	struct lock_call *call = thread->locking;

	if (!call)
		return;
	if (call->file) {
		struct lock_call **at = &call->file->calls;

		while (*at != call)
			at = &(*at)->next;
		*at = call->next;
		call->file->busy--;
	}
	for (uint32_t i = 0; i < call->n_touched; i++)
		call->touched[i]->busy--;
	thread->locking = NULL;
	free(call->touched);
	free(call);
}

/* The event that is being recorded, as a cause. */
static void now(const struct locks *locks, struct cause *out)
{
	const struct rn_event *ev = locks->now;

	if (!ev)
		*out = (struct cause){.clock = locks->edges->in->greatest};
	else if (ev->kind == RN_SYSCALL || ev->kind == RN_SYSCALL_ENTER)
		rn_cause_of_entry(locks->edges, locks->thread, ev, out);
	else
		rn_cause_of_end(locks->thread, ev, out);
}

/* Lets go by the event that is being recorded. */
static void release(struct locks *locks, struct lock_file *file, const struct lock_owner *owner,
		    uint64_t first, uint64_t last, bool lowers)
{
	const struct rn_event *ev = locks->now;
	struct lock_call *call = NULL;
	struct cause cause;

	now(locks, &cause);
	file->doubtful |= !ev;
	if (ev && !locks->over && (ev->kind == RN_SYSCALL || ev->kind == RN_SYSCALL_ENTER))
		call = call_of(locks->thread, ev->seq);
	if (call && !touch(call, file))
		call = NULL;
	rn_lock_release(file, owner, first, last, lowers, &cause, call ? ev->seq : LOCK_DONE);
}

/* Another call of the same owner is under way there: which of them comes first is not known. */
static void check_alone(struct lock_file *file, const struct lock_call *call,
			const struct lock_owner *owner, uint64_t first, uint64_t last)
{
	for (const struct lock_call *other = file->calls; other; other = other->next)
		if (other != call && rn_lock_owners_equal(&other->owner, owner) &&
		    other->first <= last && first <= other->last)
			file->doubtful = true;
}

static bool holds(const struct lock_file *file, uint32_t description)
{
	for (const struct lock *lock = file->first; lock; lock = lock->next)
		if (!lock->released && lock->owner.kind != LOCK_OF_PROCESS &&
		    lock->owner.number == description)
			return true;
	return false;
}

static void mark_raced(struct lock_owner *owner, uint32_t description)
{
	if (owner->kind != LOCK_OF_PROCESS && owner->number == description)
		owner->number = rn_description_raced(description);
}

static void on_user(void *ctx, struct process *process)
{
	(void)ctx;
	(void)process;
}

/* Whether a child has it is not known, nor whether what is held by it ends with a close. */
static void on_raced(void *ctx, struct object *object, uint32_t description)
{
	struct locks *locks = ctx;
	struct lock_file *file = rn_lock_file_of(locks, object);

	if (!file) {
		locks->raced = locks->haunted = true;
		return;
	}
	file->raced = true;
	if (!description)
		return;
	file->haunted |=
		holds(file, description) && !rn_description_users(locks->edges->in->objects, object,
								  description, on_user, NULL);
	for (struct lock *lock = file->first; lock; lock = lock->next)
		mark_raced(&lock->owner, description);
	for (struct lock_call *call = file->calls; call; call = call->next)
		mark_raced(&call->owner, description);
}

/* What a process holds for itself may be let go of by a close that is not known to be one. */
static void on_unseen(void *ctx, uint64_t table)
{
	const struct lock_owner owner = {LOCK_OF_PROCESS, table};
	struct locks *locks = ctx;

	for (unsigned i = 0; i < LOCK_BUCKETS; i++)
		for (struct lock_file *file = locks->same[i]; file; file = file->next_same)
			rn_lock_may_be_gone(file, &owner);
}

/* A descriptor has left a table. */
static void on_left(void *ctx, struct object *object, uint64_t table, uint32_t description)
{
	struct locks *locks = ctx;
	struct lock_file *file = object->id.kind == RN_OBJECT_FILE ? object->state : NULL;
	struct lock_owner owner = {LOCK_OF_PROCESS, table};

	if (!file || !(file->first || file->calls || file->doubtful))
		return;
	check_alone(file, NULL, &owner, 0, LOCK_END);
	release(locks, file, &owner, 0, LOCK_END, false);
	if (description &&
	    rn_description_users(locks->edges->in->objects, object, description, NULL, NULL))
		return;
	owner.number = description;
	/* The last one that is told: a child of whom that is not told may have it still. */
	file->haunted |= rn_description_races(description) && holds(file, description);
	for (unsigned kind = LOCK_OF_FLOCK; kind <= LOCK_OF_FILE; kind += LOCK_OF_FILE) {
		owner.kind = (enum lock_owner_kind)kind;
		check_alone(file, NULL, &owner, 0, LOCK_END);
		release(locks, file, &owner, 0, LOCK_END, false);
	}
}

struct locks *rn_locks_create(struct edges *edges)
{
	struct locks *locks = calloc(1, sizeof(*locks));

	if (!locks)
		return NULL;
	locks->edges = edges;
	rn_fd_tables_watch(edges->in->objects, on_left, on_raced, on_unseen, locks);
	return locks;
}

void rn_locks_destroy(struct locks *locks)
{
	if (locks)
		rn_lock_files_free(locks);
	free(locks);
}

static int64_t number_at(const uint8_t *bytes, unsigned len)
{
	int32_t word;
	int64_t number;

	if (len == 4) {
		memcpy(&word, bytes, sizeof(word));
		return word;
	}
	memcpy(&number, bytes, sizeof(number));
	return number;
}

/* struct flock or flock64: type, whence, start, length; false: not those bytes, or not known. */
static bool read_range(const struct rn_event *ev, bool wide, struct lock_call *call, int16_t *type)
{
	bool packed = ev->abi == RN_ABI_I386; /* its long long is not aligned */
	unsigned size = wide ? 8 : 4, at = wide && !packed ? 8 : 4;
	const uint8_t *bytes = NULL;
	int64_t start, len;
	int16_t whence;

	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_STRUCT && p->arg == 2 && p->len >= at + 2 * size)
			bytes = rn_piece_data(p);
	*type = -1;
	if (!bytes)
		return false;
	memcpy(type, bytes, sizeof(*type));
	memcpy(&whence, bytes + 2, sizeof(whence));
	start = number_at(bytes + at, size);
	len = number_at(bytes + at + size, size);
	if (whence != SEEK_SET || start < 0 || (len < 0 && (len == INT64_MIN || start < -len)) ||
	    (len > 0 && start > INT64_MAX - len))
		return false;
	call->first = (uint64_t)(len < 0 ? start + len : start);
	call->last = len == 0 ? LOCK_END : (uint64_t)(len < 0 ? start - 1 : start + len - 1);
	if (call->last >= INT64_MAX)
		call->last = LOCK_END;
	return true;
}

/* What a call asks for; false: no lock. `known`: of which bytes. */
static bool read_request(const struct thread *thread, const struct rn_event *ev,
			 enum call_kind kind, struct lock_call *call, bool *known)
{
	uint32_t command = (uint32_t)ev->args[1];
	bool wide = ev->abi != RN_ABI_I386 && ev->abi != RN_ABI_ARM;
	int32_t fd = (int32_t)ev->args[0];
	int16_t type;

	call->last = LOCK_END;
	*known = true;
	if (kind == CALL_FLOCK) {
		command &= ~(uint32_t)LOCK_NB;
		if (command != LOCK_SH && command != LOCK_EX && command != LOCK_UN)
			return false;
		call->owner = (struct lock_owner){LOCK_OF_FLOCK,
						  rn_fd_description(thread->fds.table, fd)};
		call->unlocks = command == LOCK_UN;
		call->writes = command == LOCK_EX;
		return true;
	}
	if (command == OFD_SETLK || command == OFD_SETLKW)
		call->owner =
			(struct lock_owner){LOCK_OF_FILE, rn_fd_description(thread->fds.table, fd)};
	else if (command == SETLK || command == SETLKW || command == SETLK64 || command == SETLKW64)
		call->owner =
			(struct lock_owner){LOCK_OF_PROCESS, rn_fd_table_number(thread->fds.table)};
	else
		return false;
	wide |= command != SETLK && command != SETLKW;
	*known = read_range(ev, wide, call, &type);
	call->unlocks = type == F_UNLCK;
	call->writes = type != F_RDLCK;
	return true;
}

static void begin(struct locks *locks, struct thread *thread, const struct rn_event *ev,
		  enum call_kind kind)
{
	struct object *object =
		thread->fds.table ? rn_fd_object(thread->fds.table, (int32_t)ev->args[0]) : NULL;
	struct lock_call request = {.seq = ev->seq}, *call;
	struct lock_file *file;
	bool known;

	if (!read_request(thread, ev, kind, &request, &known))
		return;
	file = object && object->id.kind == RN_OBJECT_FILE ? rn_lock_file_of(locks, object) : NULL;
	call = file ? call_of(thread, ev->seq) : NULL;
	if (!call || rn_fd_is_maybe(thread->fds.table, (int32_t)ev->args[0])) {
		locks->strayed = true;
		if (thread->open_lamport > locks->stray)
			locks->stray = thread->open_lamport;
	}
	if (!call)
		return;
	request.converts = kind == CALL_FLOCK && !request.unlocks &&
			   rn_lock_holds(file, &request, !request.writes);
	*call = request;
	call->file = file;
	call->next = file->calls;
	file->calls = call;
	file->busy++;
	file->doubtful |= !known || call->owner.number == 0;
	check_alone(file, call, &call->owner, call->first, call->last);
	if (call->unlocks || call->converts)
		release(locks, file, &call->owner, call->first, call->last, false);
	else if (kind == CALL_FCNTL && !call->writes)
		release(locks, file, &call->owner, call->first, call->last, true);
}

void rn_locks_begin(struct edges *edges)
{
	if (edges->locks)
		edges->locks->now = NULL;
}

void rn_locks_entry(struct edges *edges, struct thread *thread, const struct rn_event *ev,
		    enum call_kind kind)
{
	struct locks *locks = edges->locks;

	if (!locks)
		return;
	locks->now = ev;
	locks->thread = thread;
	locks->over = false;
	end_call(thread); /* there was no memory for its entry */
	if (kind == CALL_FLOCK || kind == CALL_FCNTL)
		begin(locks, thread, ev, kind);
}

static void join(struct locks *locks, struct thread *thread, struct lock_call *call,
		 struct joined *joined)
{
	const struct lock_request request = {locks->edges, thread, joined};
	struct lock_file *file = call->file;

	if (!file->object) { /* closed meanwhile */
		file->doubtful = true;
		return;
	}
	if (locks->stray > joined->clock)
		joined->clock = locks->stray;
	if (file->untraced || rn_lock_is_foreign(file))
		rn_join_incomplete(joined, "untraced");
	if (file->losses != locks->edges->losses)
		rn_join_incomplete(joined, "lost");
	if (file->blind)
		rn_join_incomplete(joined, "locks");
	if ((file->blind || file->haunted || rn_lock_is_foreign(file)) &&
	    locks->edges->in->greatest > joined->clock)
		joined->clock = locks->edges->in->greatest;
	rn_lock_acquire(file, call, &request);
}

void rn_locks_exit(struct edges *edges, struct thread *thread, const struct rn_call *call,
		   struct joined *joined)
{
	struct locks *locks = edges->locks;
	struct lock_call *own = thread->locking;
	bool unfinished = call->flags & RN_FLAG_UNFINISHED;
	bool failed = !unfinished && call->result < 0, undone;

	if (!locks)
		return;
	locks->now = call->entry;
	locks->thread = thread;
	locks->over = true;
	if (!own)
		return;
	/* A close is done whatever it says. */
	undone = failed && (own->file || call->desc->flags & (RN_CALL_EXEC | RN_CALL_RESULT_FD));
	if (own->converts && call->result != -EBADF && call->result != -EINVAL)
		undone = false;
	for (uint32_t i = 0; i < own->n_touched; i++)
		rn_lock_settle(own->touched[i], own->seq, !undone);
	if (!own->file || own->unlocks) {
		end_call(thread);
		return;
	}
	if (!failed && !unfinished)
		join(locks, thread, own, joined);
	else if (unfinished && thread->process->threads > 1)
		own->file->doubtful = true; /* it may have got it */
	else if ((call->result == -EAGAIN || call->result == -EACCES) &&
		 call->entry == call->exit && !rn_lock_is_barred(own->file, own))
		own->file->untraced = true;
	end_call(thread);
}

void rn_locks_event(struct edges *edges, struct thread *thread, const struct rn_event *ev)
{
	if (!edges->locks)
		return;
	edges->locks->now = ev;
	edges->locks->thread = thread;
	edges->locks->over = true;
}

void rn_locks_gone(struct thread *thread)
{
	end_call(thread);
}

void rn_locks_lost(struct edges *edges)
{
	struct locks *locks = edges->locks;

	for (unsigned i = 0; locks && i < LOCK_BUCKETS; i++)
		for (struct lock_file *file = locks->same[i]; file; file = file->next_same)
			rn_lock_forget(file);
}
