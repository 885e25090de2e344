/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	int fd = open("data", O_RDWR);

	return pwrite(fd, "PATCH", 5, 16) != 5;
}
