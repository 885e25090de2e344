/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int serve(const char *name, size_t len)
{
	struct sockaddr_un at = {AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(at.sun_path, name, len);
	bind(s, (void *)&at, offsetof(struct sockaddr_un, sun_path) + len);
	return listen(s, 4), s;
}

int main(int argc, char **argv)
{
	char name[100] = "";

	umask(022);
	snprintf(name + 1, sizeof(name) - 1, "corpus-%s", argv[1]);
	serve(name, 1 + strlen(name + 1));
	serve("door", sizeof("door"));
	/* open */
	return puts("hello") < 0;
}
