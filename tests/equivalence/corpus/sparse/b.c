/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	int fd = open("disk", O_WRONLY | O_CREAT, 0644);

	lseek(fd, 9999, SEEK_SET);
	if (write(fd, "e", 1) != 1)
		return 1;
	/* middle */
	return 0;
}
