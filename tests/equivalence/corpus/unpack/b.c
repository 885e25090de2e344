/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int in = open(argv[1], O_RDONLY);
	struct stat st;
	char *data, *at, name[80];
	int size, used;

	fstat(in, &st);
	data = mmap(NULL, st.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, in, 0);
	for (at = data; at < data + st.st_size; at += used + size) {
		if (sscanf(at, "%79s %d%n", name, &size, &used) != 2)
			return 1;
		used++;
		printf("%s %d\n", name, size);
		if (size >= 0) {
			int out = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

			for (int i = 0; i < size; i++)
				write(out, at + used + i, 1);
			close(out);
		}
	}
	return 0;
}
