/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = open(argv[1], O_RDWR);
	off_t at = 0;
	char piece[5];
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			piece[i] ^= 7;
		at += pwrite(fd, piece, n, at);
	}
	return close(fd);
}
