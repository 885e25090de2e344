/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buffer[5];
	struct stat st;
	int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	if (argc != 3 || in < 0 || out < 0 || fstat(in, &st) < 0)
		return 1;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, n) < 0)
			return 1;
	fchmod(out, st.st_mode & 07777);
	close(out);
	return 0;
}
