/* SPDX-License-Identifier: MIT */
/* Descriptor tables from inside: what their files share. */
#ifndef RENACER_SPANS_FD_PRIVATE_H
#define RENACER_SPANS_FD_PRIVATE_H

#include <stddef.h>

#include "objects.h"

#define FD_LIMIT (1 << 20) /* fs.nr_open as it is; greater ones are not followed */
#define FD_PAGE 64
#define FD_BYTES_MAX (64u << 20) /* of all tables */
#define FLIGHTS_MAX 65536u       /* descriptors in messages under way */
#define OBJECT_BUCKETS 4096u

struct fd_entry {
	struct object *object; /* NULL = not open, or not known */
	uint8_t ways;
	bool cloexec;
	bool races; /* it was opened while a copy of the table is being made */
	bool maybe; /* or none; or another one */
	uint32_t description; /* 0: it gets one of its own when it is put into a table */
};

#define DESCRIPTION_UNKNOWN 1u /* others may be of the same */
/* A bit: a process may have it though its table does not tell, or not have it though that does. */
#define DESCRIPTION_RACED (1u << 31)

struct fd_aside {
	int32_t fd;
	struct fd_entry entry;
};

struct fd_page {
	struct fd_entry entry[FD_PAGE];
};

struct fd_table {
	struct fd_table *next, **at; /* all of a space */
	struct fd_user *users;
	uint64_t number;
	struct fd_page **pages;
	uint32_t n_pages;
	uint32_t forking; /* copies that are being made, at a moment that is not known */
	uint64_t births;  /* copies made, the last before event… */
	uint64_t copied;  /* …this; UINT64_MAX: not known */
	bool raced; /* it changed while such a copy is being made */
	bool partial; /* it was made, or one that it is a copy of was, while that one changed */
	bool unsure; /* and several threads use it, of which one has closed what it does not tell */
	bool lost; /* it changes by ways that no call shows */
};

/* Descriptors in a message, from its send's entry to its receipt. */
struct flight {
	struct flight *next;
	uint64_t number;
	uint32_t index; /* of its message among those of its call */
	uint32_t n;
	struct fd_entry entries[];
};

/* fd_calls.c and fd_exits.c: what a call is to tables */
enum fd_role_kind {
	ROLE_NONE,
	ROLE_OPEN, /* flags = argument with O_* */
	ROLE_CREATE,
	ROLE_OPEN2, /* struct open_how is argument 2 */
	ROLE_NEW, /* an object of its own */
	ROLE_TREE, /* the same, of a path */
	ROLE_LANDLOCK,
	ROLE_SIGNALFD,
	ROLE_SECCOMP,
	ROLE_PIDFD_GETFD,
	ROLE_ACCEPT,
	ROLE_CONNECT,
	ROLE_PIPE,
	ROLE_SOCKETPAIR,
	ROLE_SOCKETCALL,
	ROLE_DUP,
	ROLE_DUP_TO,
	ROLE_FCNTL,
	ROLE_IOCTL,
	ROLE_CLOSE,
	ROLE_CLOSE_RANGE,
	ROLE_FORK,
	ROLE_UNSHARE,
	ROLE_EXEC,
	ROLE_EXIT,
	ROLE_SEND,
	ROLE_RECEIVE,
	ROLE_DRAIN, /* reads that throw descriptors in messages away */
	ROLE_RING /* io_uring: opens and closes that are no calls */
};

struct fd_role {
	const char *name;
	uint8_t role;
	uint8_t flags; /* the argument that has…; or FD_NEVER, FD_ALWAYS */
	uint32_t cloexec; /* …this bit, if an exec closes it */
	uint8_t kind, ways;
};

#define FD_BOTH (RN_WAY_READ | RN_WAY_WRITE)
#define FD_CHOSEN (1u << 7) /* a bit of an entry's ways: opened by a selected path */
#define FD_NEVER 6u
#define FD_ALWAYS 7u

struct object_space {
	struct object *all;
	struct fd_table *tables;
	uint64_t next_number, next_flight, next_table;
	uint64_t latest; /* entry of a call */
	uint64_t open_cut; /* the latest one when somebody was killed in an open; 0 = nobody was */
	uint32_t next_description;
	size_t bytes; /* of tables */
	uint32_t racing; /* calls that open something, of whose table a copy was made meanwhile */
	uint32_t flying;
	struct flight *dropped; /* to be put, one after the other */
	bool dropping;
	void (*closed)(void *ctx, struct object *object, uint8_t ways, uint8_t ended);
	void *ctx;
	void (*left)(void *ctx, struct object *object, uint64_t table, uint32_t description);
	int32_t leaving; /* the descriptor that it is told of */
	void (*raced)(void *ctx, struct object *object, uint32_t description);
	void (*unseen)(void *ctx, uint64_t table);
	void *left_ctx;
	struct object *same[OBJECT_BUCKETS], *tuple[OBJECT_BUCKETS];
	struct rn_roles roles; /* index of fd_calls.c's, from 1 */
};

/* objects.c */
struct object *rn_object_new(struct object_space *space, uint8_t kind); /* NULL: no memory */
/* By kind, device and inode; NULL: none, or it has none of its own. */
struct object *rn_object_find(const struct object_space *space, const struct rn_object_id *id);
/* The other end of a socket that is this one; NULL = not known, gone. */
struct object *rn_object_other(const struct object_space *space, const struct rn_object_id *id);
/* Which one it is: from now on it is found by that, and is its peer's peer. */
void rn_object_identify(struct object_space *space, struct object *object,
			const struct rn_object_id *id);
void rn_object_pair(struct object *a, struct object *b);
void rn_object_open(struct object *object, uint8_t ways);
void rn_object_shut(struct object_space *space, struct object *object, uint8_t ways);

/* fd_table.c */
struct fd_table *rn_table_new(struct object_space *space); /* NULL: no memory */
/* Closes all that it has. */
void rn_table_free(struct object_space *space, struct fd_table *table);
struct fd_entry *rn_table_entry(const struct fd_table *table, int32_t fd); /* NULL: none */
/* The object's number of users grows. What was there is shut. */
void rn_table_set(struct object_space *space, struct fd_table *table, int32_t fd,
		  const struct fd_entry *entry);
/* Takes it out of the table; the caller shuts it. */
struct fd_entry rn_table_take(struct fd_table *table, int32_t fd);
void rn_table_close(struct object_space *space, struct fd_table *table, int32_t fd);
/* Closes a range, or what an exec closes of it; `user`: which keeps it aside, or NULL. */
void rn_table_close_range(struct object_space *space, struct fd_table *table, uint32_t first,
			  uint32_t last, bool cloexec_only, struct fd_user *user);
void rn_table_mark_range(struct fd_table *table, uint32_t first, uint32_t last);
/* Others may have all of it, too. */
void rn_table_share_all(struct fd_table *table);
/* It cannot be followed any longer. */
void rn_table_lose(struct object_space *space, struct fd_table *table);
/* Takes an open descriptor out of the table, and keeps it until the call's end. */
bool rn_user_put_aside(struct object_space *space, struct fd_user *user, int32_t fd);
void rn_user_restore_aside(struct object_space *space, struct fd_user *user);
void rn_user_drop_aside(struct object_space *space, struct fd_user *user);

/* fd_users.c */
/* A table of its own, like the one that it had. */
void rn_table_unshare(struct object_space *space, struct fd_user *user);
bool rn_table_is_shared(const struct fd_table *table);

/* fd_races.c */
/* A descriptor that is about to be put into a table while a copy of it is made. */
void rn_race_put(struct object_space *space, struct fd_entry *entry);
/* One that was taken out of it; `counted`: it is one of the object's `opens` still. */
void rn_race_taken(struct object_space *space, struct fd_entry *entry, bool counted);
void rn_race_copied(struct object_space *space, struct fd_table *copy, const struct fd_table *from);
/* The copy is made: one fewer is under way. */
void rn_race_fork_ends(struct fd_table *table);
void rn_race_call_ends(struct object_space *space, struct fd_user *user);
/* A call may close more than is told, if there is more. */
void rn_race_closes(struct object_space *space, struct fd_table *table);
/* …if this is not told for certain. */
void rn_race_closes_one(struct object_space *space, struct fd_table *table, int32_t fd);
/* What was just installed is a copy of one that may be none. */
void rn_fd_pass_maybe(const struct fd_user *user, int64_t fd, bool maybe);

/* fd_calls.c */
const struct fd_role *rn_fd_role(const struct object_space *space, uint8_t abi, int32_t nr);
/* A captured structure of at least `len` bytes, or NULL. */
const void *rn_fd_struct(const struct rn_event *ev, unsigned arg, bool at_exit, size_t len);
void rn_fd_roles_of_calls(struct object_space *space);
/* The identity that a record tells of a descriptor, or NULL. */
const struct rn_object_id *rn_fd_identity(const struct rn_event *ev, int64_t fd);
/* Forgets the call that it is in. */
void rn_user_leave_call(struct object_space *space, struct fd_user *user);

/* fd_install.c */
/* `object` is a descriptor now. `description`: as in struct fd_entry. */
void rn_fd_install(struct object_space *space, struct fd_user *user, int64_t fd,
		   struct object *object, uint8_t ways, bool cloexec, uint32_t description);
/* A descriptor of nobody knows what. */
void rn_fd_install_unknown(struct object_space *space, struct fd_user *user, int64_t fd);
/* A new object, as the record tells of it, and a descriptor of it; NULL: it has none. */
struct object *rn_fd_make(struct object_space *space, struct fd_user *user,
			  const struct rn_event *ev, int64_t fd, const struct rn_object_id *own,
			  bool cloexec);
/* A descriptor of something that may have been there before, by the record's word. */
void rn_fd_find(struct object_space *space, struct fd_user *user, const struct rn_event *ev,
		int64_t fd, uint8_t kind, uint8_t ways, bool cloexec);
/* A descriptor that was just installed is somebody's copy, nobody knows whose. */
void rn_fd_is_copy(const struct fd_user *user, int64_t fd);

/* fd_socketcall.c: at the exit of one that went well */
void rn_fd_socketcall(struct object_space *space, struct fd_user *user, const struct rn_call *call);

/* fd_messages.c */
/* Entry and exit of a call that sends messages; `user->source` is the socket. */
void rn_rights_send(struct object_space *space, struct fd_user *user, const struct rn_event *ev);
void rn_rights_sent(struct object_space *space, struct fd_user *user, const struct rn_call *call,
		    bool failed);
/* Of one that receives them. */
void rn_rights_wait(struct fd_user *user);
void rn_rights_received(struct object_space *space, struct fd_user *user,
			const struct rn_call *call, bool cloexec, uint64_t flags);
/* What is in its messages may have been thrown away, or others may have it. */
void rn_rights_unsure(struct object_space *space, struct object *socket);
void rn_flights_drop(struct object_space *space, struct flight *flights);

#endif
