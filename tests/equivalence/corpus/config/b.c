/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	const char *text = "level = 2\n";
	int fd = open("config.new", O_RDWR | O_CREAT | O_TRUNC, 0644), folder;

	for (size_t i = 0; i < strlen(text); i += 2)
		if (pwrite(fd, text + i, 2, (off_t)i) != 2)
			return 1;
	if (fsync(fd) < 0 || close(fd) < 0 || rename("config.new", "config") < 0)
		return 1;
	folder = open(".", O_RDONLY);
	if (fsync(folder) < 0)
		return 1;
	return 0;
}
