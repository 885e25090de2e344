/* SPDX-License-Identifier: MIT */
/* memory PART: pointers to nothing, to half of something, to too much; numbers that are none. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "conform.h"

/* Two pages, of which the second cannot be read. */
static char *half_mapped(void)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(at == MAP_FAILED ? -1 : 0);
	memset(at, 'a', 8192);
	MUST(munmap(at + 4096, 4096));
	return at;
}

static void open_at(const char *path)
{
	say("%s\n", error_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)));
}

/* Fixed addresses below the first page, kernel's, and the last. */
static int pointers(char **argv)
{
	static void *const bad[] = {NULL,
				    (void *)1,
				    (void *)16,
				    (void *)4095,
				    (void *)-1,
				    (void *)-4095,
				    (void *)0xffff800000000000};

	(void)argv;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_at(bad[i]);
		say("%s\n", error_of(write(1, bad[i], 5)));
		say("%s\n", error_of(read(0, bad[i], 0)));
		say("%s\n", error_of(syscall(SYS_newfstatat, AT_FDCWD, "/", bad[i], 0)));
		say("%s\n", error_of(syscall(SYS_nanosleep, bad[i], NULL)));
		say("%s\n", error_of(syscall(SYS_pipe2, bad[i], 0)));
		say("%s\n", error_of(syscall(SYS_writev, 1, bad[i], 1)));
		say("%s\n", error_of(syscall(SYS_connect, 0, bad[i], 16)));
		say("%s\n", error_of(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8)));
	}
	return 0;
}

/* Strings and buffers that end at, or run over, the end of what is mapped. */
static int halves(char **argv)
{
	char *page = half_mapped();
	struct iovec iov[3];

	(void)argv;
	open_at(page + 4096 - 8); /* no NUL before the end */
	memcpy(page + 4096 - 6, "/etc/", 6);
	say("%d\n", syscall(SYS_openat, AT_FDCWD, page + 4096 - 6, O_PATH | O_DIRECTORY) >= 0);
	memset(page + 4096 - 6, 'b', 6);
	say("%ld\n", syscall(SYS_write, 1, page + 4096 - 4, 16)); /* a part of it is written */
	say("\n");
	iov[0] = (struct iovec){page + 4090, 6};
	iov[1] = (struct iovec){page + 4094, 10};
	iov[2] = (struct iovec){page, 3};
	say("%ld\n", syscall(SYS_writev, 1, iov, 3));
	memcpy(page + 4096 - 16, &iov[0], 16);
	say("%s\n", error_of(syscall(SYS_writev, 1, page + 4096 - 16, 2)));
	say("%s\n", error_of(syscall(SYS_nanosleep, page + 4096 - 8, NULL)));
	say("%s\n", error_of(syscall(SYS_connect, 0, page + 4096 - 4, 16)));
	return 0;
}

/* Lengths and counts beyond all sense. */
static int lengths(char **argv)
{
	struct iovec *iov = shared(); /* with nothing behind it */
	struct msghdr message;

	(void)argv;
	iov->iov_base = (void *)(uintptr_t)"text";
	iov->iov_len = 1ull << 63;
	say("%s\n", error_of(syscall(SYS_writev, 1, iov, 1)));
	say("%s\n", error_of(syscall(SYS_writev, 1, NULL, -1)));
	say("%s\n", error_of(syscall(SYS_write, -1, "text", 1ull << 62)));
	say("%s\n", error_of(syscall(SYS_poll, NULL, 1u << 31, 0)));
	say("%s\n", error_of(syscall(SYS_epoll_pwait, 0, NULL, -5, 0, NULL, 8)));
	memset(&message, 0, sizeof(message));
	message.msg_iovlen = ~0ul;
	message.msg_iov = iov;
	message.msg_namelen = ~0u;
	message.msg_controllen = ~0ul;
	say("%s\n", error_of(syscall(SYS_sendmsg, 0, &message, 0)));
	say("%s\n", error_of(syscall(SYS_getcwd, NULL, 1ull << 40)));
	return 0;
}

/* Paths of all lengths up to more than there can be. */
static int strings(char **argv)
{
	static const size_t lengths[] = {0, 1, 31, 32, 33, 254, 255, 256, 4094, 4095, 4096, 70000};
	char *text = malloc(1 << 20);

	(void)argv;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(text, 'p', lengths[i]);
		for (size_t at = 100; at < lengths[i]; at += 101)
			text[at] = '/';
		text[lengths[i]] = 0;
		say("%zu: ", lengths[i]);
		open_at(text);
	}
	memset(text, 'q', 1 << 20);
	say("%ld\n", syscall(SYS_write, open("/dev/null", O_WRONLY), text, 1 << 20));
	open_at("control \1\2\33[2J\a bytes \377\376 and \"quotes\"\n");
	open_at("\303\244\342\202\254 \xf0\x9f\x98\x80");
	return 0;
}

/* Numbers of calls that do not exist. */
static int numbers(char **argv)
{
	static const long none[] = {-1, 99999, 0x7fffffff, -2, 1023, 511};

	(void)argv;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		say("%s\n", error_of(syscall(none[i], 1, 2, 3, 4, 5, 6)));
	return 0;
}

/* A process that may not be looked at by others: the tracer may, if it can at all. */
static int undumpable(char **argv)
{
	(void)argv;
	MUST(prctl(PR_SET_DUMPABLE, 0));
	open_at("/no/such/file/of/the/undumpable");
	mark("undumpable");
	say("dumpable %d\n", prctl(PR_GET_DUMPABLE));
	return 0;
}

/* Another thread changes the string while the call is made: anything, but no crash. */
static char changing[64];
static _Atomic bool enough;

static int changes(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !enough; i++)
		memset(changing, i & 1 ? '/' : 'x', sizeof(changing));
	return 0;
}

static int race(char **argv)
{
	static struct strand strand;
	int found = 0;

	(void)argv;
	strand_start(&strand, stacks(1), 0, changes, NULL);
	for (int i = 0; i < 500; i++)
		found += syscall(SYS_faccessat, AT_FDCWD, changing, F_OK) == 1;
	enough = true;
	strand_join(&strand);
	say("found %d\n", found);
	return 0;
}

/* Thousands of descriptors, the highest used. */
static int descriptors(char **argv)
{
	int n = (int)strtol(argv[2], NULL, 10), fd = -1;

	for (int i = 0; i < n; i++)
		fd = (int)MUST(dup(0));
	say("highest is at least %d: %d\n", n, fd >= n);
	say("%ld\n", MUST(write((int)MUST(dup2(1, fd)), "through it\n", 11)));
	MUST(syscall(SYS_close_range, 100, ~0u, 0));
	say("%s\n", error_of(fcntl(fd, F_GETFD)));
	return 0;
}

MAIN({"pointers", pointers}, {"halves", halves}, {"lengths", lengths}, {"strings", strings},
     {"numbers", numbers}, {"undumpable", undumpable}, {"race", race}, {"descriptors", descriptors})
