/* SPDX-License-Identifier: MIT */
#include "subject.h"

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*main)(char **argv);
	} parts[] = {
		{"attached", attached_main},
		{"births", births_main},
		{"count", count_main},
		{"crowd", crowd_main},
		{"cpu", cpu_main},
		{"death", death_main},
		{"exec", exec_main},
		{"inherit", inherit_main},
		{"interrupt", interrupt_main},
		{"job", job_main},
		{"signals", signals_main},
		{"seccomp", seccomp_main},
	};

	if (argc == 3 && strcmp(argv[1], "mark") == 0) {
		marks(strtol(argv[2], NULL, 10));
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(parts[i].name, argv[1]) == 0)
			return parts[i].main(argv + 2);
	fprintf(stderr, "%s: what?\n", argv[0]);
	return 98;
}
