/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fetch(int port)
{
	static const char *parts[] = { "GET /page HTTP/1.0\r\n", "Accept: text/plain\r\n", "\r\n" };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char got[512] = "";
	size_t have = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (void *)&to, sizeof(to)))
		return 1;
	for (int i = 0; i < 3; i++)
		if (send(fd, parts[i], strlen(parts[i]), 0) < 0)
			return 1;
	for (ssize_t n; (n = recv(fd, got + have, sizeof(got) - 1 - have, 0)) > 0;)
		have += (size_t)n;
	close(fd);
	fputs(strstr(got, "\r\n\r\n") + 4, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	int port = atoi(argv[argc - 1]);

	return fetch(port) || 0;
}
