/* SPDX-License-Identifier: MIT */
/* hashes PART: writes of what cannot be trusted to stay as it is. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define LONG (64 * PAGE)

static int ends[2];
static char *buffer;

static void must(int true)
{
	if (!true) {
		perror("hashes");
		exit(1);
	}
}

/* With a terabyte of addresses behind it. */
static char *mapped(size_t size, int flags)
{
	char *at = mmap((void *)((uintptr_t)1 << 40), size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	must(at != MAP_FAILED);
	return at;
}

/* When the first page of what is written has come out, that page goes away, or is another's. */
static void *taker(void *change)
{
	static char page[PAGE];
	size_t got = 0;

	while (got < LONG) {
		ssize_t n = read(ends[0], page, sizeof(page));

		must(n > 0);
		if (!got && change)
			memset(buffer, 'b', PAGE);
		else if (!got)
			must(munmap(buffer, PAGE) == 0);
		got += (size_t)n;
	}
	return NULL;
}

static void write_meanwhile(void *change)
{
	pthread_t thread;

	must(pipe(ends) == 0);
	buffer = mapped(LONG, 0);
	memset(buffer, 'a', LONG);
	must(pthread_create(&thread, NULL, taker, change) == 0);
	must(write(ends[1], buffer, LONG) == LONG);
	must(pthread_join(thread, NULL) == 0);
}

/* As given, whatever the compiler thinks of it. */
static long put(long call, int fd, const void *at, size_t count)
{
	return syscall(call, fd, at, count);
}

/* The second page is not there: a pipe takes the first. */
static void write_half(void)
{
	struct iovec parts[2];

	must(pipe(ends) == 0);
	buffer = mapped(2 * PAGE, 0);
	memset(buffer, 'a', PAGE);
	must(munmap(buffer + PAGE, PAGE) == 0);
	must(write(ends[1], buffer, 2 * PAGE) == PAGE);
	must(write(ends[1], buffer + PAGE, PAGE) == -1 && errno == EFAULT);
	parts[0] = (struct iovec){buffer, PAGE};
	parts[1] = (struct iovec){buffer + PAGE, 5};
	must(writev(ends[1], parts, 2) == PAGE);
	/* Counts of more than there can be. */
	must(put(SYS_write, ends[1], buffer, (size_t)1 << 40) == PAGE);
	must(put(SYS_writev, ends[1], parts, 1025) == -1);
	must(put(SYS_writev, ends[1], (void *)8, 2) == -1);
}

/* What a filter's owner answers in place of the kernel: bytes that are nowhere. */
static int listener;

static void *answer(void *values)
{
	for (const int64_t *value = values; *value; value++) {
		struct seccomp_notif asked = {0};
		struct seccomp_notif_resp told = {0};

		must(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) == 0);
		told.id = asked.id;
		told.val = *value;
		must(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &told) == 0);
	}
	return NULL;
}

static void write_as_told(void)
{
	static int64_t values[] = {5, 9, (int64_t)1 << 40, (int64_t)1 << 41, 2, 1 << 20, 0};
	/* On arguments, for the thread that answers writes, too. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_writev, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmmsg, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	static struct iovec parts[2] = {{"abc", 3}, {(void *)16, (size_t)1 << 40}};
	static struct mmsghdr messages[1024];
	pthread_t thread;

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	must(listener >= 0);
	must(pthread_create(&thread, NULL, answer, values) == 0);
	must(write(9, "abcdefg", 7) == 5);
	must(put(SYS_write, 9, "abcdefg", 7) == 9);
	must(put(SYS_write, 9, "abcdefg", (size_t)1 << 41) == 1l << 40);
	must(put(SYS_writev, 9, parts, 2) == 1l << 41);
	/* Two that say they were sent: of 3 bytes, and of all the bytes that there can be. */
	messages[0].msg_hdr.msg_iov = messages[1].msg_hdr.msg_iov = parts;
	messages[0].msg_hdr.msg_iovlen = messages[1].msg_hdr.msg_iovlen = 2;
	messages[0].msg_len = 3;
	messages[1].msg_len = UINT32_MAX;
	must(sendmmsg(9, messages, 1024, 0) == 2);
	must(sendmmsg(9, messages, 1024, 0) == 1 << 20);
	must(pthread_join(thread, NULL) == 0);
}

#if defined(__x86_64__)
static long int80(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static uint32_t low(const void *at)
{
	must((uintptr_t)at <= UINT32_MAX);
	return (uint32_t)(uintptr_t)at;
}

/* Words of 32 bits, and one call for several. */
static void write_by_int80(void)
{
	char *text = mapped(PAGE, MAP_32BIT);
	uint32_t *words = (void *)(text + 256);

	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
	memcpy(text, "by another door", 15);
	if (int80(4, ends[1], low(text), 15) == -ENOSYS) /* write */
		exit(77);
	words[0] = low(text);
	words[1] = 2;
	words[2] = low(text + 3);
	words[3] = 7;
	must(int80(146, ends[1], low(words), 2) == 9); /* writev */
	words[4] = (uint32_t)ends[1];
	words[5] = low(text);
	words[6] = 4;
	words[7] = 0;
	must(int80(102, 9, low(words + 4), 0) == 4); /* socketcall: send */
	memset(words + 16, 0, 64);
	words[18] = low(words); /* msg_iov */
	words[19] = 2;
	words[4] = (uint32_t)ends[1];
	words[5] = low(words + 16);
	words[6] = 0;
	must(int80(102, 16, low(words + 4), 0) == 9); /* sendmsg */
	must(int80(102, 1, low(words + 12), 0) < 0);  /* socket, of a family that there is not */
}
#else
static void write_by_int80(void)
{
	exit(77);
}
#endif

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";

	if (strcmp(part, "gone") == 0)
		write_meanwhile(NULL);
	else if (strcmp(part, "changed") == 0)
		write_meanwhile(argv);
	else if (strcmp(part, "half") == 0)
		write_half();
	else if (strcmp(part, "told") == 0)
		write_as_told();
	else if (strcmp(part, "int80") == 0)
		write_by_int80();
	else
		return 2;
	return 0;
}
