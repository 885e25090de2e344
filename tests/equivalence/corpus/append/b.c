/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	int fd = open("log", O_WRONLY | O_APPEND);

	for (int i = 0; i < 3; i++)
		dprintf(fd, "entry %d\n", i);
	return close(fd);
}
