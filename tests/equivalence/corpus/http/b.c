/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *answer = "HTTP/1.0 200 OK\r\n\r\nhello over http";

static int serve(int listener)
{
	char asked[256] = "";
	size_t have = 0;
	int peer = accept(listener, NULL, NULL);

	while (!strstr(asked, "\r\n\r\n")) {
		ssize_t n = read(peer, asked + have, sizeof(asked) - 1 - have);

		if (n <= 0)
			return 1;
		have += (size_t)n;
	}
	/* log */
	for (const char *at = answer; *at; at++)
		if (write(peer, at, 1) != 1)
			return 1;
	fflush(stderr);
	return 0;
}

int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t len = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	char got[512] = "";
	size_t have = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (void *)&to, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&to, &len))
		return 1;
	if (fork() == 0)
		_exit(serve(listener));
	if (connect(fd, (void *)&to, len) || write(fd, "GET / HTTP/1.1\r\n\r\n", 18) != 18)
		return 1;
	for (ssize_t n; (n = read(fd, got + have, sizeof(got) - 1 - have)) > 0;)
		have += (size_t)n;
	wait(NULL);
	printf("%s\n", strstr(got, "\r\n\r\n") + 4);
	return 0;
}
