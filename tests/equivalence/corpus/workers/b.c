/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char name[16];
	int status, failed = 0;

	for (int worker = 0; worker < 3; worker++)
		if (fork() == 0) {
			snprintf(name, sizeof(name), "part.%d", worker);
			FILE *file = fopen(name, "w");
			for (int n = 0; n < 3; n++)
				fprintf(file, "%d\n", worker * 3 + n);
			fclose(file);
			_exit(0);
		}
	while (wait(&status) > 0)
		failed |= status != 0;
	if (failed)
		return 1;
	FILE *all = fopen("all", "w");
	for (int part = 0; part < 3; part++) {
		snprintf(name, sizeof(name), "part.%d", part);
		FILE *file = fopen(name, "r");
		for (int c; (c = fgetc(file)) != EOF;)
			fputc(c, all);
		fclose(file);
		unlink(name);
	}
	fclose(all);
	return 0;
}
