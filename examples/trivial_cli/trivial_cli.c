/* SPDX-License-Identifier: MIT */
/* A greeting: trivial_cli [--name NAME] [--config FILE]. FILE's first line is the greeting. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int usage(void)
{
	fputs("usage: trivial_cli [--name NAME] [--config FILE]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *name = "World", *config = "greeting.txt";
	char greeting[64] = "Hello";
	FILE *file;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return usage();
		if (strcmp(argv[i], "--name") == 0)
			name = argv[i + 1];
		else if (strcmp(argv[i], "--config") == 0)
			config = argv[i + 1];
		else
			return usage();
	}
	file = fopen(config, "r");
	if (!file) {
		fprintf(stderr, "trivial_cli: %s: %s\n", config, strerror(errno));
		return 1;
	}
	if (fgets(greeting, sizeof(greeting), file))
		greeting[strcspn(greeting, "\n")] = '\0';
	fclose(file);
	printf("%s, %s!\n", greeting, name);
	return fflush(stdout) == 0 ? 0 : 1;
}
