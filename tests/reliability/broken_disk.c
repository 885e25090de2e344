/* SPDX-License-Identifier: MIT */
/* Preloaded: what the file $BROKEN_DISK says, if it is there, is errno of writes to *.spool. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_broken(int fd)
{
	const char *sign = getenv("BROKEN_DISK");
	char path[64], name[4096], number[16] = "";
	ssize_t len;
	int said = sign ? open(sign, O_RDONLY | O_CLOEXEC) : -1;

	if (said < 0)
		return 0;
	len = read(said, number, sizeof(number) - 1);
	close(said);
	if (len <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, name, sizeof(name) - 1);
	if (len <= 6 || memcmp(name + len - 6, ".spool", 6) != 0)
		return 0;
	errno = atoi(number);
	return 1;
}

static ssize_t positioned(int fd, const struct iovec *iov, int count, long long at)
{
	if (is_broken(fd))
		return -1;
	return syscall(SYS_pwritev, fd, iov, (long)count, (long)at, 0l);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	return positioned(fd, iov, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t at)
{
	return positioned(fd, iov, count, at);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
	(void)flags;
	return positioned(fd, iov, count, at);
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t at, int flags)
{
	(void)flags;
	return positioned(fd, iov, count, at);
}

int fdatasync(int fd)
{
	if (is_broken(fd))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}
