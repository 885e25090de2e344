/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int put(const char *name, const char *text, int durable)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || (durable && fsync(fd) < 0))
		return 1;
	return close(fd);
}

int main(void)
{
	return put("journal", "set x\n", 1) || put("data", "x\n", 1);
}
