/* SPDX-License-Identifier: MIT */
/*
 * What lies in the file that all lanes of a program map: the script before, what happened after.
 * tests/causality/programs.py writes the one and reads the other; sizes are told there, too.
 */
#ifndef CAUSALITY_SCRIPT_H
#define CAUSALITY_SCRIPT_H

#include <stdint.h>

#define LANES 16
#define OBJECTS 24
#define OPS 96
#define ROWS 256
#define CARRIED 8

enum object {
	OBJECT_NONE,
	OBJECT_PIPE,
	OBJECT_FIFO,
	OBJECT_STREAM,   /* a socketpair */
	OBJECT_MESSAGES, /* datagrams */
	OBJECT_PACKETS,  /* SOCK_SEQPACKET */
	OBJECT_TCP,
	OBJECT_EVENTFD,
	OBJECT_WORD, /* a futex */
	OBJECT_QUEUE, /* a POSIX message queue */
	OBJECT_LISTENER, /* TCP; `in` is its port */
	OBJECT_FLOCK,    /* a file, locked by flock… */
	OBJECT_BYTES,    /* …by fcntl, for a process… */
	OBJECT_OPEN      /* …or for an open file description */
};

enum op_kind {
	OP_END,
	OP_SEND,   /* object, n words, by one call */
	OP_RECV,   /* object, n words, by as many as it takes */
	OP_SPAWN,  /* lane; how = 1: a thread */
	OP_WAIT,   /* lane, a process */
	OP_JOIN,   /* lane, a thread */
	OP_EXEC,   /* this program again, to go on with the next op */
	OP_SIGNAL, /* lane; how = 1: its process, 2: another's name is given as the sender's */
	OP_AWAIT,  /* until n signals have come in all */
	OP_WAKE,   /* object; how = 1: private, 2: all that sleep, not one */
	OP_SLEEP,  /* object, until it was woken n times in all */
	OP_NOISE,
	OP_SHUT,    /* object: no more is sent */
	OP_DRAIN,   /* object, to its end */
	OP_CONNECT, /* object: one word through a connection of its own */
	OP_ACCEPT,  /* object */
	OP_LOCK     /* object, n = first block | blocks << 8; how: enum lock_how */
};

/* A lock is taken, and let go of: for writing, or for reading first or at last. */
enum lock_how { LOCK_WRITES = 1, LOCK_LOWERS = 2, LOCK_CLOSES = 4 };

#define BLOCKS 4 /* that are locked of a file */
#define READERS 8

struct op {
	uint16_t kind, object; /* or lane */
	uint16_t n, how;
};

/* A call: who made it is told by where it stands. */
struct row {
	int32_t nr;
	uint16_t state; /* 1 = begun, 2 = ended */
	uint16_t ncarried;
	int64_t result;
	uint32_t op;   /* which made it */
	uint16_t lane; /* the other one, or the object; 0xffff = none */
	uint8_t at_entry; /* what it carries came before its entry already */
	uint8_t forked;   /* while it dealt with a descriptor, another thread may have forked */
	uint64_t carried[CARRIED]; /* calls, by ID, that what it took came from */
};

/* A call's id fills each word of what it sends. */
#define ID_MAGIC 0xca5aull
#define ID(lane, row) (ID_MAGIC << 48 | (uint64_t)(lane) << 32 | (row))

struct lane {
	int32_t tid;
	uint32_t alive;   /* 0 = the thread has gone; the kernel clears it and wakes */
	uint32_t signals; /* that have come */
	uint32_t op, nrows;
	uint32_t pid; /* the lane that leads its process */
	uint32_t forks_begun, forks_ended; /* by threads of the process that it leads */
};

struct shared {
	uint32_t lanes, objects;
	char folder[240]; /* for FIFOs */
	struct {
		uint32_t kind;
		int32_t in, out; /* descriptors: where it is written, and read */
		uint32_t word;
	} object[OBJECTS];
	/* Who let go of a block last, each before it does. */
	struct block {
		uint64_t writer;
		uint64_t reader[READERS]; /* since then */
		uint32_t readers, zero;
	} block[OBJECTS][BLOCKS];
	struct lane lane[LANES];
	struct op op[LANES][OPS];
	struct row row[LANES][ROWS];
};

/* Mapped there in each process, so that a word has one address. */
#define SHARED_AT ((struct shared *)0x200000000000)

#endif
