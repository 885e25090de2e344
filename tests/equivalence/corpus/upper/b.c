/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	struct stat st;
	int in = open("in", O_RDONLY);
	int out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *from, *to;

	if (fstat(in, &st) < 0 || ftruncate(out, st.st_size) < 0)
		return 1;
	from = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, in, 0);
	to = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
	for (off_t i = 0; i < st.st_size; i++)
		to[i] = from[i] >= 'a' && from[i] <= 'z' ? from[i] - 32 : from[i];
	munmap(to, (size_t)st.st_size);
	return 0;
}
