/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
	char data[1000], all[2000];
	int in = open(argv[2], O_RDONLY), s = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n;

	n = read(in, data, 900);
	data[n] = 0;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connect(s, (struct sockaddr *)&to, sizeof(to));
	n = snprintf(all, sizeof(all), "POST /form HTTP/1.0\r\n\r\n%s", data);
	send(s, all, n, MSG_NOSIGNAL);
	shutdown(s, SHUT_WR);
	while ((n = recv(s, data, sizeof(data), 0)) > 0)
		fwrite(data, 1, n, stdout);
	return 0;
}
