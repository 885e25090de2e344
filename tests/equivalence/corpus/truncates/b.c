/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char name[200], buffer[7];
	struct stat st;
	ssize_t n;
	int in, out;

	snprintf(name, sizeof(name), "%s.1", argv[1]);
	in = open(argv[1], O_RDWR);
	fstat(in, &st);
	out = open(name, O_WRONLY | O_CREAT | O_EXCL, st.st_mode & 0777);
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		write(out, buffer, n);
	fchmod(out, st.st_mode & 0777);
	fsync(out);
	ftruncate(in, 0);
	return close(out);
}
