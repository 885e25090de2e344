/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int lock = open("lock", O_RDWR | O_CREAT | O_EXCL, 0600);
	int in = open(argv[1], O_RDONLY), out, n;
	char text[20] = "";

	read(in, text, sizeof(text) - 1);
	n = atoi(text);
	out = open("next", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	dprintf(out, "%d\n", n + 1);
	fsync(out);
	rename("next", argv[1]);
	fsync(open(".", O_RDONLY | O_DIRECTORY));
	unlink("lock");
	printf("%d\n", n + 1);
	return lock < 0;
}
