/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int first[2], second[2], count;
	char text[64];

	if (pipe(first) || pipe(second))
		return 1;
	if (fork() == 0) {
		dup2(first[1], 1);
		close(first[0]);
		for (int n = 0; n < 100; n++)
			printf("%d\n", n);
		fflush(stdout);
		_exit(0);
	}
	if (fork() == 0) {
		dup2(first[0], 0);
		dup2(second[1], 1);
		close(first[1]);
		close(second[0]);
		/* child */
		fflush(NULL);
		execlp("grep", "grep", "7", NULL);
		_exit(127);
	}
	close(first[0]);
	close(first[1]);
	close(second[1]);
	count = 0;
	for (ssize_t n; (n = read(second[0], text, sizeof(text))) > 0;)
		for (ssize_t i = 0; i < n; i++)
			count += text[i] == '\n';
	while (wait(NULL) > 0)
		;
	FILE *out = fopen("count", "w");
	fprintf(out, "%d\n", count);
	fclose(out);
	printf("%d\n", count);
	return 0;
}
