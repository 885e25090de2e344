/* SPDX-License-Identifier: MIT */
/* Calls whose results are numbers of bytes, and two that return none; see io_calls.h. */
#include "io_calls.h"

#include <pthread.h>

/* Roles. */
#define READS (1u << RN_IO_READ)
#define WRITES (1u << RN_IO_WRITE)
#define BY_LENGTH 4u /* the third argument says how many it wrote, the result is 0 */

static struct rn_roles roles;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* sendmmsg and recvmmsg return numbers of messages: what these carried is not in every record. */
static const struct {
	const char *name;
	uint8_t role;
} calls[] = {
	{"read", READS},
	{"pread64", READS},
	{"readv", READS},
	{"preadv", READS},
	{"preadv2", READS},
	{"recv", READS},
	{"recvfrom", READS},
	{"recvmsg", READS},
	{"msgrcv", READS},
	{"mq_timedreceive", READS},
	{"mq_timedreceive_time64", READS},
	{"write", WRITES},
	{"pwrite64", WRITES},
	{"writev", WRITES},
	{"pwritev", WRITES},
	{"pwritev2", WRITES},
	{"send", WRITES},
	{"sendto", WRITES},
	{"sendmsg", WRITES},
	{"vmsplice", WRITES},
	{"msgsnd", WRITES | BY_LENGTH},
	{"mq_timedsend", WRITES | BY_LENGTH},
	{"mq_timedsend_time64", WRITES | BY_LENGTH},
	/* From one descriptor to another. */
	{"sendfile", READS | WRITES},
	{"sendfile64", READS | WRITES},
	{"copy_file_range", READS | WRITES},
	{"splice", READS | WRITES},
	{"tee", READS | WRITES},
};

static void find_all(void)
{
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		rn_roles_set(&roles, calls[i].name, calls[i].role);
}

void rn_io_calls_init(void)
{
	pthread_once(&once, find_all);
}

struct rn_moved rn_io_of(const struct rn_call *call)
{
	uint8_t role = rn_role(&roles, call->abi, call->nr);
	struct rn_moved moved = {.ways = role & (READS | WRITES)};

	if (role & BY_LENGTH)
		moved.bytes = call->args[2];
	else if (call->result > 0)
		moved.bytes = (uint64_t)call->result;
	return moved;
}
