/* SPDX-License-Identifier: MIT */
/*
 * What passes between threads through pipes, FIFOs and sockets: whose bytes a read got, what ended
 * them, who connected. Inner part of the edges.
 */
#ifndef RENACER_SPANS_CHANNELS_H
#define RENACER_SPANS_CHANNELS_H

#include "edges_private.h"
#include "renacer/syscalls.h"
#include "stream.h"

#define NAMES_MAX 256u    /* datagram sockets that are found by their names */
#define NAME_BYTES 108u   /* sun_path */
#define LINGERING 256u    /* sockets and FIFOs that may be found again */
#define WATCHED_MAX 256u  /* descriptors of an epoll that are told apart */
#define PACKET_PIPES 64u  /* pipes of packets (O_DIRECT) that are known */

/* A way to write has gone: with a descriptor, or by shutdown(). */
struct gone {
	struct cause cause;
	uint64_t since; /* it was still there when this event was recorded… */
	uint64_t until; /* …and no longer at this one; UINT64_MAX: not known yet */
	bool known;
};

/* One direction: a pipe, what one end of a connection sends, the messages to a socket. */
struct channel {
	uint32_t users;
	uint64_t losses; /* edges->losses when it began */
	struct stream *stream;
	struct gone last;      /* of the ways to write */
	uint64_t others_until; /* all former ones had gone when this event was recorded… */
	uint32_t going;        /* …but those of this many calls, which have not ended */
	uint64_t closing;      /* greatest time of all of them */
	bool shut;             /* by shutdown(): no close ends it any more */
	bool either;           /* by one of two that overlap */
	bool deaf;             /* by shutdown() from the reader's side */
};

/* Objects that an epoll watches. */
struct watched {
	struct watched *next, **at; /* all of a run */
	uint32_t n;
	bool overflowed;
	struct object *objects[WATCHED_MAX]; /* held */
};

/* Of an object: of a pipe both are the same. */
struct ends {
	struct channels *channels;
	struct channel *in, *out;
	struct cause connect; /* the call that connected it, or is about to; seq 0 = none */
	bool connecting;      /* that call has not ended */
	bool either;          /* it was that call or another */
	struct watched *watched;
	bool bound;   /* a datagram socket that may be found by a name */
	bool missed;  /* something was sent to where it was not known */
	bool packets; /* a pipe whose writes stay apart (O_DIRECT) */
};

/* A thread's call under way. */
struct operation {
	struct operation *next; /* of those that are free */
	struct operation *next_made; /* of all */
	uint8_t role; /* enum channel_role; 0 = none */
	struct object *from, *to; /* held */
	struct channel *in, *out; /* held */
	struct channel *closed; /* held: what this call has closed an end of */
	struct stream_read read;
	struct stream_write write;
	bool untraced; /* others, unseen, may write to what is read from */
	bool bytes;    /* not messages */
};

struct channels {
	struct edges *edges;
	struct stream_pool pool;
	struct rn_roles roles; /* enum channel_role */
	const char *unsure; /* why nothing is certain; NULL = it is */
	uint64_t stray;     /* greatest time of a send to where it is not known */
	uint64_t connects;  /* of a connect */
	uint64_t ends;      /* of an exec, or of an end of a thread */
	/* The event that is being recorded: a call of `thread`, or its end or exec. */
	const struct rn_event *now;
	struct thread *thread;
	struct operation *free, *made;
	struct watched *watched;
	struct object *lingering[LINGERING]; /* held */
	unsigned next_lingering;
	struct object *met; /* one of them, whose other end has just been accepted; not held */
	struct name {
		struct object *object; /* not held; NULL = none */
		uint32_t len;
		uint8_t bytes[NAME_BYTES];
	} names[NAMES_MAX];
	unsigned next_name;
	bool unnamed; /* what names mean may change without a record */
	bool astray;  /* a message went to a name that is not known */
	uint64_t packet_pipes[PACKET_PIPES]; /* inodes */
	unsigned next_packet_pipe;
	uint64_t latest; /* entry or exit of a call */
	bool over; /* the call that `now` began has ended */
};

/* What calls do, by their names. */
enum channel_role {
	CHANNEL_NONE,
	CHANNEL_READ,
	CHANNEL_READ_LIST, /* readv, … */
	CHANNEL_RECV,
	CHANNEL_RECV_MESSAGE,
	CHANNEL_RECV_MESSAGES,
	CHANNEL_WRITE,
	CHANNEL_WRITE_LIST,
	CHANNEL_SEND,
	CHANNEL_SEND_MESSAGE,
	CHANNEL_SEND_MESSAGES,
	CHANNEL_SENDFILE,
	CHANNEL_SPLICE,
	CHANNEL_TEE,
	CHANNEL_VMSPLICE,
	CHANNEL_BIND,
	CHANNEL_CONNECT,
	CHANNEL_ACCEPT,
	CHANNEL_PIPE,
	CHANNEL_SHUTDOWN,
	CHANNEL_RENAME, /* what a path means is another thing from here on */
	CHANNEL_SETSOCKOPT,
	CHANNEL_GETSOCKOPT,
	CHANNEL_FCNTL,
	CHANNEL_POLL,
	CHANNEL_SELECT,
	CHANNEL_EPOLL_CTL,
	CHANNEL_EPOLL_WAIT,
	CHANNEL_UNSEEN,   /* socketcall: its arguments are not recorded */
	CHANNEL_IO_URING, /* from here on bytes pass without calls */
};

/* channels.c */
/* NULL: nothing is known of it, or no memory, or it is no channel. */
struct ends *rn_channel_ends(struct channels *channels, struct object *object);
bool rn_channel_is_socket(const struct object *object, uint16_t family);
/* Whether bytes pass, not messages or packets. */
bool rn_channel_has_bytes(const struct object *object);
/* Whether others, unseen, may write to it or read from it. A FIFO: anybody could, by its name; it
   is found out only by the bytes that are too many. */
bool rn_channel_is_foreign(const struct object *object);
/* What an object's reads come from, and its writes go to; NULL = not known. */
struct channel *rn_channel_in(struct channels *channels, struct object *object);
struct channel *rn_channel_out(struct channels *channels, struct object *object);
/* Where a datagram socket's messages go that is bound to `name`. */
struct object *rn_channel_named(struct channels *channels, const uint8_t *name, uint32_t len);
void rn_channel_name(struct channels *channels, struct object *object, const uint8_t *name,
		     uint32_t len);
/* Something of this name was removed, or moved to it or from it: in which folder is not looked at. */
void rn_channel_unname(struct channels *channels, const uint8_t *path, uint32_t len);
struct channel *rn_channel_hold(struct channel *channel);
void rn_channel_put(struct channel *channel);
/* A way to write goes with the event that is being recorded. */
void rn_channel_gone(struct channels *channels, struct channel *channel);
/* All of them do, by shutdown(). */
void rn_channel_shut(struct channels *channels, struct channel *channel);
/* A read got nothing because nothing will come any more. */
void rn_channel_ended(struct channels *channels, struct thread *thread, struct operation *op,
		      struct joined *joined);
/* Keeps a connected socket until the other end is accepted, though it may be closed before. */
void rn_channel_linger(struct channels *channels, struct object *object);
/* It has been accepted, and tables know it by now: it is kept no longer. */
void rn_channel_met(struct channels *channels);
struct object *rn_channel_object(const struct thread *thread, int32_t fd);
enum rn_edge_kind rn_channel_kind(const struct object *object);

/* channel_calls.c */
/* `wanted`: of the calls that are recorded; NULL = all. */
void rn_channel_roles(struct channels *channels, const uint64_t *wanted);
/* Of the call that a thread is in. NULL: no memory. */
struct operation *rn_operation(struct channels *channels, struct thread *thread);
void rn_operations_free(struct channels *channels);

/* channel_sockets.c */
void rn_channel_socket_entry(struct channels *channels, struct thread *thread,
			     const struct rn_event *ev, enum channel_role role);
void rn_channel_socket_exit(struct channels *channels, struct thread *thread,
			    const struct rn_call *call, enum channel_role role,
			    struct joined *joined);
/* Where a message goes that names its receiver, or NULL. */
struct channel *rn_channel_to_name(struct channels *channels, const struct rn_event *ev,
				   enum channel_role role, bool *is_named);

/* channel_ready.c */
void rn_channel_watch(struct channels *channels, struct thread *thread, const struct rn_call *call);
void rn_channel_unwatch(struct channels *channels, struct ends *ends);
/* Lets go what all epolls watch. */
void rn_channels_unwatch(struct channels *channels);
void rn_channel_ready(struct channels *channels, struct thread *thread, const struct rn_call *call,
		      enum channel_role role, struct joined *joined);

#endif
