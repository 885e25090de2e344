/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that were opened by a selected path, as far as the calls themselves tell:
 * opens of that path, dup, fcntl, close, what children inherit and what an exec closes.
 * What comes by other ways (a socket, another process's table) is not followed.
 */
#include "fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define FD_LIMIT (1u << 20) /* fs.nr_open as it is; greater ones are not followed */
#define CLOEXEC_RANGE 4u    /* CLOSE_RANGE_CLOEXEC */

enum role { ROLE_NONE, ROLE_OPEN, ROLE_DUP, ROLE_DUP_TO, ROLE_FCNTL, ROLE_CLOSE, ROLE_CLOSE_RANGE };

#define NO_FLAGS 6u /* closed at exec never */

/* `arg`: the path of an open; the descriptor of all others is argument 0. */
static const struct call_role {
	const char *name;
	uint8_t role, arg;
	uint8_t flags; /* the argument that O_CLOEXEC is in */
} roles[] = {
	{"open", ROLE_OPEN, 0, 1},
	{"creat", ROLE_OPEN, 0, NO_FLAGS},
	{"openat", ROLE_OPEN, 1, 2},
	/* Its flags are in memory that is not captured: taken to stay open, as most do. */
	{"openat2", ROLE_OPEN, 1, NO_FLAGS},
	{"open_tree", ROLE_OPEN, 1, 2},
	{"dup", ROLE_DUP, 0, NO_FLAGS},
	{"dup2", ROLE_DUP_TO, 0, NO_FLAGS},
	{"dup3", ROLE_DUP_TO, 0, 2},
	{"fcntl", ROLE_FCNTL, 0, NO_FLAGS},
	{"fcntl64", ROLE_FCNTL, 0, NO_FLAGS},
	{"close", ROLE_CLOSE, 0, NO_FLAGS},
	{"close_range", ROLE_CLOSE_RANGE, 0, NO_FLAGS},
};

/* Two bits a descriptor: followed, and closed at exec. */
struct rn_fds {
	uint32_t users;
	uint32_t words; /* of each of the two bitmaps */
	uint64_t *open, *cloexec;
};

void rn_fd_roles(uint8_t role[RN_ABI_COUNT][RN_CALLS_MAX])
{
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		for (unsigned abi = 1; abi < RN_ABI_COUNT; abi++) {
			int nr = rn_syscall_number((enum rn_abi)abi, roles[i].name);

			if (nr >= 0 && (unsigned)nr < RN_CALLS_MAX)
				role[abi][nr] = (uint8_t)(i + 1);
		}
}

static const struct call_role *role_of(const struct rn_selector *selector, uint8_t abi, int32_t nr)
{
	uint8_t index;

	if (abi >= RN_ABI_COUNT || nr < 0 || (uint32_t)nr >= RN_CALLS_MAX)
		return NULL;
	index = selector->role[abi][nr];
	return index ? &roles[index - 1] : NULL;
}

bool rn_fds_has(const struct rn_fds *fds, int32_t fd)
{
	return fds && fd >= 0 && (uint32_t)fd / 64u < fds->words &&
	       fds->open[fd / 64] >> (fd % 64) & 1u;
}

static void drop(struct rn_fds *fds, int32_t fd)
{
	if (rn_fds_has(fds, fd))
		fds->open[fd / 64] &= ~(1ull << fd % 64);
}

static bool widen(struct rn_fds *fds, uint32_t words)
{
	uint64_t *bits;

	if (words <= fds->words)
		return true;
	/* Both in one piece: the first half is the open ones. */
	bits = calloc(2u * words, sizeof(*bits));
	if (!bits)
		return false;
	if (fds->words) {
		memcpy(bits, fds->open, fds->words * sizeof(*bits));
		memcpy(bits + words, fds->cloexec, fds->words * sizeof(*bits));
	}
	free(fds->open);
	fds->open = bits;
	fds->cloexec = bits + words;
	fds->words = words;
	return true;
}

static struct rn_fds *table_of(struct rn_fds **fds)
{
	if (!*fds)
		*fds = calloc(1, sizeof(**fds));
	if (*fds && (*fds)->users == 0)
		(*fds)->users = 1;
	return *fds;
}

static void mark(struct rn_fds *fds, int32_t fd, bool cloexec)
{
	if (cloexec)
		fds->cloexec[fd / 64] |= 1ull << fd % 64;
	else
		fds->cloexec[fd / 64] &= ~(1ull << fd % 64);
}

/* Without memory the descriptor is not followed. */
static void add(struct rn_fds **fds, int64_t fd, bool cloexec)
{
	if (fd < 0 || fd >= FD_LIMIT || !table_of(fds) || !widen(*fds, (uint32_t)fd / 64u + 1))
		return;
	(*fds)->open[fd / 64] |= 1ull << fd % 64;
	mark(*fds, (int32_t)fd, cloexec);
}

void rn_fds_entry(const struct rn_selector *selector, struct rn_fds **fds,
		  const struct rn_event *ev)
{
	const struct call_role *role = role_of(selector, ev->abi, ev->nr);

	/* Gone before it returns: another thread may be given the number meanwhile. */
	if (role && role->role == ROLE_CLOSE)
		drop(*fds, (int32_t)ev->args[0]);
}

static void close_range_of(struct rn_fds *fds, const struct rn_call *call)
{
	uint32_t first = (uint32_t)call->args[0], last = (uint32_t)call->args[1];

	for (uint32_t fd = first; fds && fd <= last && fd / 64u < fds->words; fd++) {
		if (call->args[2] & CLOEXEC_RANGE)
			mark(fds, (int32_t)fd, true);
		else
			drop(fds, (int32_t)fd);
	}
}

static void control(struct rn_fds **fds, const struct rn_call *call)
{
	int32_t fd = (int32_t)call->args[0];

	if (!rn_fds_has(*fds, fd))
		return;
	switch ((int32_t)call->args[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		add(fds, call->result, (int32_t)call->args[1] == F_DUPFD_CLOEXEC);
		break;
	case F_SETFD:
		mark(*fds, fd, call->args[2] & FD_CLOEXEC);
		break;
	default:
		break;
	}
}

void rn_fds_return(const struct rn_selector *selector, struct rn_fds **fds,
		   const struct rn_call *call)
{
	const struct call_role *role = role_of(selector, call->abi, call->nr);
	bool cloexec;

	if (!role || call->result < 0 ||
	    call->flags & (RN_FLAG_FAILED | RN_FLAG_INTERRUPTED | RN_FLAG_UNFINISHED))
		return;
	cloexec = role->flags != NO_FLAGS && call->args[role->flags] & O_CLOEXEC;
	switch ((enum role)role->role) {
	case ROLE_OPEN:
		/* A number that comes anew cannot be an old one's, if its close was lost. */
		drop(*fds, (int32_t)call->result);
		if (call->entry && rn_selector_is_path(selector, call->entry, role->arg))
			add(fds, call->result, cloexec);
		break;
	case ROLE_DUP_TO:
		if (call->args[0] == call->args[1])
			break;
		/* fallthrough */
	case ROLE_DUP:
		drop(*fds, (int32_t)call->result);
		if (rn_fds_has(*fds, (int32_t)call->args[0]))
			add(fds, call->result, cloexec);
		break;
	case ROLE_FCNTL:
		control(fds, call);
		break;
	case ROLE_CLOSE_RANGE:
		close_range_of(*fds, call);
		break;
	case ROLE_CLOSE:
	case ROLE_NONE:
		break;
	}
}

struct rn_fds *rn_fds_initial(const struct rn_selector *selector)
{
	struct rn_fds *fds = NULL;

	for (uint32_t i = 0; i < selector->config.n_fds; i++)
		add(&fds, selector->config.fds[i], false);
	return fds;
}

struct rn_fds *rn_fds_of_pieces(const struct rn_event *ev)
{
	struct rn_fds *fds = NULL;

	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_FD && p->total < FD_LIMIT)
			add(&fds, (int64_t)p->total, p->flags & RN_PIECE_CLOEXEC);
	return fds;
}

static struct rn_fds *copy(const struct rn_fds *from)
{
	struct rn_fds *fds = NULL;

	if (!from || from->words == 0 || !table_of(&fds))
		return NULL;
	if (!widen(fds, from->words)) {
		free(fds);
		return NULL;
	}
	memcpy(fds->open, from->open, from->words * sizeof(uint64_t));
	memcpy(fds->cloexec, from->cloexec, from->words * sizeof(uint64_t));
	return fds;
}

struct rn_fds *rn_fds_inherit(const struct rn_selector *selector, struct rn_fds **fds, bool shared)
{
	if (!selector->config.paths)
		return NULL;
	if (!shared)
		return copy(*fds);
	if (table_of(fds))
		(*fds)->users++;
	return *fds;
}

void rn_fds_exec(struct rn_fds **fds)
{
	struct rn_fds *own = *fds;

	if (!own)
		return;
	if (own->users > 1) { /* an exec has a table of its own */
		own = copy(*fds);
		rn_fds_put(*fds);
		*fds = own;
	}
	for (uint32_t i = 0; own && i < own->words; i++)
		own->open[i] &= ~own->cloexec[i];
}

void rn_fds_put(struct rn_fds *fds)
{
	if (!fds || --fds->users)
		return;
	free(fds->open);
	free(fds);
}
