/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int main(int argc, char **argv)
{
	struct sockaddr_in who = {AF_INET, htons(atoi(argv[1])), {htonl(INADDR_LOOPBACK)}};
	int to = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *in = fopen(argv[2], "r");
	char line[100];

	/* as they are */
	while (fgets(line, sizeof(line), in)) {
		struct iovec parts[] = {{line, 1}, {line + 1, strlen(line) - 1}, {line, 0}};
		struct msghdr letter = {&who, sizeof(who), parts, 2};

		sendmsg(to, &letter, 0);
	}
	return 0;
}
