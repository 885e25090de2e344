/* SPDX-License-Identifier: MIT */
/*
 * Arguments that lead on: lists of addresses, of buffers, of messages. What they lead to takes
 * a second read, and a third for the buffers of a message.
 */
#include <linux/sched.h>
#include <string.h>

#include "capture.h"
#include "renacer/content.h"

#define ARGV_BYTES (32u * 1024u)
#define ARGV_COUNT 1024u
#define STRING_LIMIT 4096u
/* With hashes all of a command line counts, what is beyond this by its hash. */
#define ARGV_BYTES_HASHED (160u * 1024u)
#define REST_BYTES (8u << 20) /* that are hashed: more than an exec(2) takes */
#define REST_COUNT (1u << 20)
#define ENVP_BYTES (128u * 1024u) /* only with -v */
#define POINTERS 16384u           /* that are read at once */
#define IOVEC_MAX 32u       /* buffers of a list that are looked at */
#define IOVEC_HEAD_MAX 256u /* bytes of each */
#define BATCH 8u            /* buffers that are read at once */
#define MESSAGES_MAX 8u
#define NAME_MAX_BYTES 128u /* struct sockaddr_storage */
#define CONTROL_MAX 512u
#define DIRENTS_MAX 32768u

static size_t at_most(uint64_t n, uint64_t limit)
{
	return (size_t)(n < limit ? n : limit);
}

/* The addresses of a NULL-ended list; how many, at most `cap`. *more: the list goes on. */
static unsigned read_pointers(struct rn_engine *e, const struct task *task, uint64_t addr,
			      uint64_t *to, unsigned cap, bool *more)
{
	size_t width = task->abi == RN_ABI_I386 || task->abi == RN_ABI_ARM ? 4 : 8;
	unsigned n = 0;

	*more = false;
	while (n < cap) {
		uint8_t chunk[512];
		size_t got = rn_memory_read_one(e, task->tid, addr, chunk, sizeof(chunk));

		for (size_t at = 0; at + width <= got; at += width) {
			uint64_t pointer = 0;

			memcpy(&pointer, chunk + at, width);
			if (!pointer)
				return n;
			if (n == cap)
				break;
			to[n++] = pointer;
		}
		if (got < sizeof(chunk))
			return n;
		addr += sizeof(chunk);
	}
	*more = true;
	return n;
}

/* Strings on their way into a piece. */
struct strings {
	struct rn_engine *e;
	const struct task *task;
	uint8_t *text;
	size_t used, cap;
	bool cut; /* not all of them, or not all of one */
	bool whole; /* what does not fit is hashed; else what is long is cut, and nothing follows */
	bool lost; /* not all of that was hashed */
	struct rn_content rest;
};

static uint64_t pointers[POINTERS]; /* one tracer thread in a process */

/* `len` bytes that have been read to where the text goes on. */
static void keep(struct strings *s, const uint8_t *data, size_t len)
{
	size_t fits = s->cut ? 0 : at_most(len, s->cap - s->used);

	memcpy(s->text + s->used, data, fits);
	s->used += fits;
	if (fits == len)
		return;
	s->cut = true;
	if (s->rest.bytes + len > REST_BYTES)
		s->lost = true;
	else
		rn_content_add(&s->rest, data + fits, len - fits);
}

/* All of a string, a page at a time. */
static void add_whole(struct strings *s, uint64_t addr)
{
	static uint8_t page[STRING_LIMIT];
	const uint8_t *end = NULL;

	while (!end && !s->lost) {
		struct rn_span_of_memory span = {
			.addr = addr, .to = page, .len = sizeof(page), .string = true};

		rn_memory_read(s->e, s->task->tid, &span, 1);
		end = memchr(page, 0, span.got);
		if (!end && span.got < sizeof(page)) { /* nor can the kernel read it */
			keep(s, page, span.got);
			keep(s, (const uint8_t *)"", 1);
			s->cut = s->lost = true;
			return;
		}
		keep(s, page, end ? (size_t)(end - page) + 1 : span.got);
		addr += span.got;
	}
}

static void add_limited(struct strings *s, uint64_t addr)
{
	uint8_t *to = s->text + s->used;
	struct rn_span_of_memory span = {
		.addr = addr,
		.to = to,
		.len = at_most(s->cap - s->used, STRING_LIMIT),
		.string = true,
	};
	const uint8_t *end;

	if (s->cap - s->used < 2) {
		s->cut = true;
		return;
	}
	rn_memory_read(s->e, s->task->tid, &span, 1);
	end = memchr(to, 0, span.got);
	if (end) {
		s->used += (size_t)(end - to) + 1;
		return;
	}
	s->used += span.got ? span.got : 1;
	s->text[s->used - 1] = 0;
	s->cut = true;
}

static void add_strings(struct strings *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (s->whole ? s->lost : s->cut)
			return;
		if (s->whole)
			add_whole(s, pointers[i]);
		else
			add_limited(s, pointers[i]);
	}
}

void rn_capture_argv(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg)
{
	bool whole = e->config.hashes, more;
	struct strings s = {
		.e = e,
		.task = task,
		.text = e->scratch[0], /* the scratch areas lie in a row */
		.cap = whole ? ARGV_BYTES_HASHED : ARGV_BYTES,
		.whole = whole,
	};
	uint64_t addr = task->args[arg], count = 0;

	do {
		unsigned n = read_pointers(e, task, addr, pointers, whole ? POINTERS : ARGV_COUNT,
					   &more);

		add_strings(&s, n);
		count += n;
		addr += n * rn_word_of(task);
	} while (whole && more && !s.lost && count < REST_COUNT);
	if (count == 0 && addr != 0 && rn_memory_read_one(e, task->tid, addr, pointers, 4) == 0) {
		rn_piece_add(rec, RN_PIECE_ARGV, arg, NULL, 0, 0, RN_PIECE_UNREAD);
		return;
	}
	rn_piece_add(rec, RN_PIECE_ARGV, arg, s.text, s.used, count,
		     s.cut || more ? RN_PIECE_CUT : 0);
	if (whole && (s.cut || more))
		rn_piece_add(rec, RN_PIECE_REST, arg, &s.rest, sizeof(s.rest), s.rest.bytes,
			     s.lost || more ? RN_PIECE_CUT : 0);
}

void rn_capture_envp(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg)
{
	bool more;
	uint64_t n = read_pointers(e, task, task->args[arg], pointers, POINTERS, &more);

	rn_piece_add(rec, RN_PIECE_ENVC, arg, &n, sizeof(n), n, more ? RN_PIECE_CUT : 0);
	if (e->config.hashes)
		rn_capture_environment(e, task, rec, arg, pointers, (unsigned)n);
	if (e->config.verbose && n) {
		struct strings s = {.e = e, .task = task, .text = e->scratch[0], .cap = ENVP_BYTES};

		add_strings(&s, (unsigned)n);
		rn_piece_add(rec, RN_PIECE_ARGV, arg, s.text, s.used, n,
			     s.cut || more ? RN_PIECE_CUT : 0);
	}
}

/*
 * Heads of `count` buffers, each with its first bytes behind it, to `out`. `given`: how many
 * bytes there are in all of them together. Bytes written; UINT32_MAX: the list could not be read.
 */
static uint32_t read_iovecs(struct rn_engine *e, const struct task *task, uint64_t addr,
			    uint64_t count, uint64_t given, uint8_t *out)
{
	static uint8_t bytes[BATCH][IOVEC_HEAD_MAX];
	bool messages = task->desc->flags & RN_CALL_MESSAGES;
	size_t head = at_most(e->config.string_limit, IOVEC_HEAD_MAX), word = rn_word_of(task);
	uint8_t list[IOVEC_MAX * 16];
	unsigned n = (unsigned)at_most(count, IOVEC_MAX);
	uint8_t *start = out;

	if (n == 0)
		return 0;
	if (messages && head < 16)
		head = 16; /* as many as tell what they are */
	n = (unsigned)(rn_memory_read_one(e, task->tid, addr, list, n * 2 * word) / (2 * word));
	if (n == 0)
		return UINT32_MAX;
	for (unsigned first = 0; first < n; first += BATCH) {
		struct rn_span_of_memory spans[BATCH];
		struct rn_iovec_head heads[BATCH];
		unsigned batch = n - first < BATCH ? n - first : BATCH, reads = 0;

		for (unsigned i = 0; i < batch; i++) {
			uint64_t base = rn_word_at(list, 2 * (first + i), word);
			uint64_t len = rn_word_at(list, 2 * (first + i) + 1, word);
			uint64_t shown = len < given ? len : given;

			given -= shown;
			heads[i] = (struct rn_iovec_head){base, len, shown, 0};
			if (shown == 0)
				continue;
			spans[reads] = (struct rn_span_of_memory){
				.addr = base, .to = bytes[reads], .len = at_most(shown, head)};
			reads++;
		}
		rn_memory_read(e, task->tid, spans, reads);
		reads = 0;
		for (unsigned i = 0; i < batch; i++) {
			size_t got = 0;
			unsigned from = reads;

			if (heads[i].shown) {
				got = spans[reads].got;
				heads[i].captured = got || spans[reads].len == 0 ? got : UINT64_MAX;
				reads++;
			}
			memcpy(out, &heads[i], sizeof(heads[i]));
			out += sizeof(heads[i]);
			memset(out, 0, rn_pad8((uint32_t)got));
			memcpy(out, bytes[from < BATCH ? from : 0], got);
			out += rn_pad8((uint32_t)got);
		}
	}
	return (uint32_t)(out - start);
}

/* The same, more of each: buffers of messages of a netlink socket; at most `*budget` in all. */
static uint32_t read_longer(struct rn_engine *e, const struct task *task, uint64_t addr,
			    uint64_t count, uint64_t given, size_t *budget, uint8_t *out)
{
	size_t word = rn_word_of(task), got;
	uint8_t list[IOVEC_MAX * 16], *start = out;
	unsigned n = (unsigned)at_most(count, IOVEC_MAX);

	n = (unsigned)(rn_memory_read_one(e, task->tid, addr, list, n * 2 * word) / (2 * word));
	for (unsigned i = 0; i < n; i++) {
		struct rn_iovec_head head = {.base = rn_word_at(list, 2 * i, word),
					     .len = rn_word_at(list, 2 * i + 1, word)};
		size_t want;

		head.shown = head.len < given ? head.len : given;
		given -= head.shown;
		want = at_most(head.shown, *budget);
		memset(out + sizeof(head), 0, rn_pad8((uint32_t)want));
		got = want ? rn_memory_read_one(e, task->tid, head.base, out + sizeof(head), want)
			   : 0;
		head.captured = got || !want ? got : UINT64_MAX;
		*budget -= got;
		memcpy(out, &head, sizeof(head));
		out += sizeof(head) + rn_pad8((uint32_t)got);
	}
	return (uint32_t)(out - start);
}

/* Whether the first of these buffers begins like a netlink message. */
static bool begins_as_netlink(const uint8_t *iovecs, uint32_t len)
{
	struct rn_iovec_head head;

	if (len == UINT32_MAX || len < sizeof(head))
		return false;
	memcpy(&head, iovecs, sizeof(head));
	return head.captured <= len - sizeof(head) &&
	       rn_may_be_netlink(iovecs + sizeof(head), head.captured);
}

void rn_capture_iovecs(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg,
		       uint64_t count, uint64_t given, unsigned flags)
{
	uint32_t len;

	if (task->args[arg] == 0)
		return;
	len = read_iovecs(e, task, task->args[arg], count, given, e->scratch[0]);
	if (len == UINT32_MAX)
		rn_piece_add(rec, RN_PIECE_STRUCT, arg, NULL, 0, count, flags | RN_PIECE_UNREAD);
	else
		rn_piece_add(rec, RN_PIECE_STRUCT, arg, e->scratch[0], len, count, flags);
}

static uint8_t *append(struct rn_engine *e, const struct task *task, uint64_t addr, size_t len,
		       uint8_t *out, uint32_t *bytes)
{
	size_t got;

	*bytes = 0;
	if (!addr || !len)
		return out;
	memset(out, 0, rn_pad8((uint32_t)len));
	got = rn_memory_read_one(e, task->tid, addr, out, len);
	*bytes = got ? (uint32_t)got : UINT32_MAX;
	return out + rn_pad8((uint32_t)got);
}

struct netlink {
	bool is;
	uint32_t protocol;
	size_t budget; /* bytes that may still be captured */
};

/* One struct msghdr and what it leads to. */
static uint8_t *read_message(struct rn_engine *e, const struct task *task, const uint8_t *raw,
			     uint64_t given, struct netlink *netlink, uint8_t *out)
{
	size_t word = rn_word_of(task);
	struct rn_message_head head = {
		.name = rn_word_at(raw, 0, word),
		.iov = rn_word_at(raw, 2, word),
		.iovlen = rn_word_at(raw, 3, word),
		.control = rn_word_at(raw, 4, word),
		.controllen = rn_word_at(raw, 5, word),
	};
	uint8_t *start = out;

	memcpy(&head.namelen, raw + word, 4);
	memcpy(&head.flags, raw + 6 * word, 4);
	memcpy(&head.sent, raw + 6 * word + (word == 8 ? 8 : 4), 4);
	out += sizeof(head);
	out = append(e, task, head.name, at_most(head.namelen, NAME_MAX_BYTES), out,
		     &head.name_bytes);
	if (head.iov) {
		head.iov_bytes = read_iovecs(e, task, head.iov, head.iovlen, given, out);
		if (begins_as_netlink(out, head.iov_bytes) &&
		    (netlink->is ||
		     rn_is_netlink(task->tid, (int32_t)task->args[0], &netlink->protocol))) {
			netlink->is = true;
			if (rn_netlink_is_shown(netlink->protocol))
				head.iov_bytes = read_longer(e, task, head.iov, head.iovlen, given,
							     &netlink->budget, out);
		}
		if (head.iov_bytes != UINT32_MAX)
			out += head.iov_bytes;
	}
	out = append(e, task, head.control, at_most(head.controllen, CONTROL_MAX), out,
		     &head.control_bytes);
	memcpy(start, &head, sizeof(head));
	return out;
}

void rn_capture_messages(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg,
			 const struct messages *what, unsigned flags)
{
	/* struct mmsghdr: a struct msghdr and msg_len; one alone is read without. */
	size_t word = rn_word_of(task), one = 7 * word, stride = what->many ? 8 * word : one;
	uint8_t raw[MESSAGES_MAX * 64 + 8] = {0}, *out = e->scratch[0];
	unsigned n = (unsigned)at_most(what->count, MESSAGES_MAX);
	struct netlink netlink = {.budget = RN_NETLINK_MAX};
	uint64_t given = what->given;

	if (task->args[arg] == 0 || n == 0)
		return;
	n = (unsigned)(rn_memory_read_one(e, task->tid, task->args[arg], raw, n * stride) / stride);
	if (n == 0) {
		rn_piece_add(rec, RN_PIECE_STRUCT, arg, NULL, 0, what->count,
			     flags | RN_PIECE_UNREAD);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t sent;

		if (what->heads_only) {
			struct rn_message_head head = {0};

			memcpy(&head.namelen, raw + i * stride + word, 4);
			memcpy(out, &head, sizeof(head));
			out += sizeof(head);
			continue;
		}
		if (what->many && what->filled) {
			memcpy(&sent, raw + i * stride + 7 * word, 4);
			given = sent;
		}
		out = read_message(e, task, raw + i * stride, given, &netlink, out);
	}
	rn_piece_add(rec, RN_PIECE_STRUCT, arg, e->scratch[0], (size_t)(out - e->scratch[0]),
		     what->count, flags);
	if (netlink.is)
		rn_piece_add(rec, RN_PIECE_NETLINK, arg, NULL, 0, netlink.protocol, flags);
}

void rn_capture_sigmask_arg(struct rn_engine *e, struct task *task, struct record *rec,
			    unsigned arg)
{
	uint8_t data[24] = {0};
	size_t word = rn_word_of(task);

	if (task->args[arg] == 0 ||
	    rn_memory_read_one(e, task->tid, task->args[arg], data, 2 * word) != 2 * word)
		return;
	if (word == 4) {
		memcpy(data + 8, data + 4, 4);
		memset(data + 4, 0, 4);
		memset(data + 12, 0, 4);
	}
	if (rn_word_at(data, 0, 8) && rn_word_at(data, 1, 8) == 8 &&
	    rn_memory_read_one(e, task->tid, rn_word_at(data, 0, 8), data + 16, 8) == 8)
		rn_piece_add(rec, RN_PIECE_STRUCT, arg, data, 24, 24, 0);
	else
		rn_piece_add(rec, RN_PIECE_STRUCT, arg, data, 16, 16, 0);
}

/* What clone3() wrote where its structure says: a pidfd, the new thread's number. */
void rn_capture_clone(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg)
{
	uint64_t args[4]; /* flags, pidfd, child_tid, parent_tid */
	uint32_t written[2] = {0, 0};

	if (rn_memory_read_one(e, task->tid, task->args[arg], args, sizeof(args)) != sizeof(args) ||
	    !(args[0] & (CLONE_PIDFD | CLONE_PARENT_SETTID)))
		return;
	if (args[0] & CLONE_PIDFD)
		rn_memory_read_one(e, task->tid, args[1], &written[0], sizeof(written[0]));
	if (args[0] & CLONE_PARENT_SETTID)
		rn_memory_read_one(e, task->tid, args[3], &written[1], sizeof(written[1]));
	rn_piece_add(rec, RN_PIECE_STRUCT, arg, written, sizeof(written), sizeof(written),
		     RN_PIECE_AT_EXIT);
}

/* Entries of a directory: how many, and with -v they themselves. */
void rn_capture_dirents(struct rn_engine *e, struct task *task, struct record *rec, unsigned arg,
			uint64_t filled, bool old)
{
	size_t word = old ? rn_word_of(task) : 8, shortest = 2 * word + 2;
	uint8_t *data = e->scratch[0];
	uint64_t count = 0;
	uint16_t size;
	size_t got, at = 0;

	if (filled == 0)
		return;
	got = rn_memory_read_one(e, task->tid, task->args[arg], data, at_most(filled, CAPTURE_MAX));
	/* d_ino, d_off, then d_reclen. */
	while (at + shortest <= got) {
		memcpy(&size, data + at + 2 * word, sizeof(size));
		if (size <= shortest || size > got - at)
			break;
		at += size;
		count++;
	}
	if (at != filled)
		return; /* not the whole list, or not one */
	rn_piece_add(rec, RN_PIECE_STRUCT, arg, &count, sizeof(count), sizeof(count),
		     RN_PIECE_AT_EXIT);
	if (e->config.verbose)
		rn_piece_add(rec, RN_PIECE_BUFFER, arg, data, at_most(got, DIRENTS_MAX), filled,
			     RN_PIECE_AT_EXIT | (got > DIRENTS_MAX ? RN_PIECE_CUT : 0));
}
