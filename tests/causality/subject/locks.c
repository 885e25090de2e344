/* SPDX-License-Identifier: MIT */
/* Locks on files: who let go of a block last is told in the file, before it is done. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>

#include "calls.h"

/* Of these blocks: `type` as fcntl has it. The call is begun already. */
static void set_lock(struct row *row, int kind, long fd, int type, const struct op *op)
{
	static const int of_type[] = {
		[F_RDLCK] = LOCK_SH, [F_WRLCK] = LOCK_EX, [F_UNLCK] = LOCK_UN};
	struct flock range = {.l_type = (short)type, .l_start = op->n & 255, .l_len = op->n >> 8};

	if (kind == OBJECT_FLOCK) {
		row->nr = SYS_flock;
		end(row, raw(row->nr, fd, of_type[type], 0, 0, 0, 0));
	} else {
		row->nr = SYS_fcntl;
		end(row, raw(row->nr, fd, kind == OBJECT_OPEN ? F_OFD_SETLKW : F_SETLKW,
			     (long)&range, 0, 0, 0));
	}
	if (row->result)
		fail("a lock");
}

/* What is held now comes after those who let go of it. */
static void come_after(struct row *row, const struct op *op, bool writes)
{
	unsigned first = op->n & 255, last = first + (op->n >> 8) - 1;

	for (unsigned i = first; i <= last; i++) {
		struct block *block = &all->block[op->object][i];

		for (unsigned k = 0; writes && k < block->readers; k++)
			carry(row, block->reader[k]);
		if (block->writer && !(writes && block->readers))
			carry(row, block->writer);
	}
}

/* It is held still: whoever gets it comes after this call. */
static void tell_release(unsigned me, const struct row *row, const struct op *op, bool writes)
{
	unsigned first = op->n & 255, last = first + (op->n >> 8) - 1;

	for (unsigned i = first; i <= last; i++) {
		struct block *block = &all->block[op->object][i];

		if (writes) {
			block->readers = 0;
			block->writer = id_of(me, row);
		} else {
			unsigned k = __atomic_fetch_add(&block->readers, 1, __ATOMIC_SEQ_CST);

			if (k == READERS)
				fail("room for readers");
			block->reader[k] = id_of(me, row);
		}
	}
}

void lock(unsigned me, const struct op *op)
{
	int kind = (int)all->object[op->object].kind;
	bool writes = op->how & LOCK_WRITES;
	char path[256];
	struct row *row;
	long fd;

	snprintf(path, sizeof(path), "%.200s/%u", all->folder, (unsigned)op->object);
	fd = LOGGED(me, op->object, SYS_openat, AT_FDCWD, path, O_RDWR, 0, 0, 0);
	row = begin(me, SYS_flock, op->object);
	set_lock(row, kind, fd, writes ? F_WRLCK : F_RDLCK, op);
	come_after(row, op, writes);
	LOGGED(me, NONE, SYS_getppid, 0, 0, 0, 0, 0, 0);
	if (writes && op->how & LOCK_LOWERS) {
		row = begin(me, SYS_flock, op->object);
		tell_release(me, row, op, true);
		set_lock(row, kind, fd, F_RDLCK, op);
		writes = false;
		come_after(row, op, writes);
	}
	row = begin(me, SYS_close, op->object);
	tell_release(me, row, op, writes);
	if (op->how & LOCK_CLOSES) {
		end(row, raw(row->nr, fd, 0, 0, 0, 0, 0));
		return;
	}
	set_lock(row, kind, fd, F_UNLCK, op);
	LOGGED(me, op->object, SYS_close, fd, 0, 0, 0, 0, 0);
}
