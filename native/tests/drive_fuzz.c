/* SPDX-License-Identifier: MIT */
/*
 * One fuzz target for as long as wanted:
 *
 *   drive_fuzz TARGET SECONDS SEED INPUT [CORPUS]
 *   drive_fuzz TARGET replay INPUT
 *
 * INPUT is a file that holds, at each moment, what the target is being given: what is in it after
 * a crash has crashed it. CORPUS holds real records. An input that takes longer than a minute ends
 * the program by SIGALRM.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_drive.h"

#define LONGEST_S 60u

static void start_clock(void)
{
	alarm(LONGEST_S);
}

static void *mapped(const char *path, int flags, size_t *len)
{
	int fd = open(path, flags, 0600);
	struct stat found;
	void *map;

	if (fd < 0 || (*len && ftruncate(fd, (off_t)*len) != 0) || fstat(fd, &found) != 0) {
		perror(path);
		exit(2);
	}
	*len = (size_t)found.st_size;
	map = mmap(NULL, *len, PROT_READ | (flags & O_RDWR ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED) {
		perror(path);
		exit(2);
	}
	return map;
}

int main(int argc, char **argv)
{
	const struct fuzz_target *target = NULL;
	struct fuzz_corpus corpus = {NULL, 0};
	struct fuzz_input *input;
	size_t len = sizeof(*input);
	struct rng rng = {1};
	unsigned long rounds;

	for (unsigned i = 0; argc >= 4 && i < FUZZ_TARGETS; i++)
		if (strcmp(argv[1], fuzz_targets[i].name) == 0)
			target = &fuzz_targets[i];
	if (!target) {
		fprintf(stderr, "usage: drive_fuzz TARGET SECONDS SEED INPUT [CORPUS]\n");
		return 2;
	}
	if (strcmp(argv[2], "replay") == 0) {
		len = 0;
		input = mapped(argv[3], O_RDONLY, &len);
		CHECK(len == sizeof(*input) && input->len <= FUZZ_INPUT_MAX);
		start_clock();
		target->run(input->bytes, input->len);
		return check_done();
	}
	if (argc < 5)
		return 2;
	input = mapped(argv[4], O_RDWR | O_CREAT, &len);
	if (argc > 5)
		corpus.bytes = mapped(argv[5], O_RDONLY, &corpus.len);
	rng.state = strtoull(argv[3], NULL, 0);
	rng.state += rng.state == 0;
	rounds = fuzz_for(target, &rng, strtoull(argv[2], NULL, 10) * 1000000000ull, &corpus, input,
			  start_clock);
	alarm(0);
	printf("%lu\n", rounds);
	return 0;
}
