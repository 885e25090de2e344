/* SPDX-License-Identifier: MIT */
/* Locks on files, fed to an interpreter, and what came after whom. */
#ifndef RENACER_TESTS_LOCK_WORLD_H
#define RENACER_TESTS_LOCK_WORLD_H
#include <sched.h>
#include <sys/file.h>

#include "channel_world.h"

#define OFD_SETLKW 38
#define SETLKW64 14

struct range {
	int16_t type, whence;
	int64_t start, len;
};

static inline void open_born(int32_t tid, int32_t fd, uint64_t inode, uint32_t born, uint64_t flags)
{
	struct rn_event *ev =
		call_record(RN_SYSCALL, tid, "openat", (uint64_t)AT_FDCWD, 0x1000, flags, 0);
	struct rn_object_id id = {.kind = RN_OBJECT_FILE,
				  .ways = RN_WAY_READ | RN_WAY_WRITE,
				  .dev_minor = 3,
				  .inode = inode,
				  .more = born};

	add_object(ev, fd, &id);
	feed_whole(ev, fd);
}

static inline void open_file(int32_t tid, int32_t fd)
{
	open_born(tid, fd, 500, 77, O_RDWR);
}

static inline struct rn_event *lock_record(enum rn_kind kind, int32_t tid, int32_t fd, int command,
					   struct range range)
{
	struct rn_event *ev =
		call_record(kind, tid, "fcntl", (uint64_t)fd, (uint64_t)command, 0x2000, 0);
	int64_t words[3] = {0, range.start, range.len};

	memcpy(words, &range.type, 2);
	memcpy((uint8_t *)words + 2, &range.whence, 2);
	if (kind != RN_SYSCALL_EXIT)
		record_piece(ev, RN_PIECE_STRUCT, 2, 0, words, sizeof(words));
	return ev;
}

static inline uint64_t set(int32_t tid, int32_t fd, int command, int16_t type, int64_t start,
			   int64_t len, int64_t result)
{
	return feed_whole(lock_record(RN_SYSCALL, tid, fd, command,
				      (struct range){type, SEEK_SET, start, len}),
			  result);
}

static inline uint64_t begin_set(int32_t tid, int32_t fd, int command, int16_t type, int64_t start,
				 int64_t len)
{
	lock_record(RN_SYSCALL_ENTER, tid, fd, command, (struct range){type, SEEK_SET, start, len});
	world_feed(&w);
	return w.seq;
}

static inline void end_set(int32_t tid, int32_t fd, int command, int64_t result)
{
	set_result(lock_record(RN_SYSCALL_EXIT, tid, fd, command, (struct range){0}), result);
	world_feed(&w);
}

static inline uint64_t flock_of(int32_t tid, int32_t fd, int command, int64_t result)
{
	return whole(tid, "flock", (uint64_t)fd, (uint64_t)command, 0, result);
}

static inline void check_none(uint64_t effect)
{
	check_causes(effect, "lock", true, 0, NULL);
}

/* It comes after this, whatever is told of it. */
static inline void check_after(uint64_t effect, uint64_t cause)
{
	CHECK(call_of(effect)->end > call_of(cause)->start);
}

#endif
