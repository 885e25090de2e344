/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int wanted = atoi(argv[1]), lines = 0, fd = open(argv[2], O_RDONLY);
	off_t at = lseek(fd, 0, SEEK_END);
	char c;

	while (at > 0) {
		pread(fd, &c, 1, at - 1);
		if (c == '\n' && ++lines > wanted)
			break;
		at--;
	}
	lseek(fd, at, SEEK_SET);
	while (read(fd, &c, 1) == 1)
		write(1, &c, 1);
	return 0;
}
