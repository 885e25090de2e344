/* SPDX-License-Identifier: MIT */
/* crowd PART N: very many processes or threads. Prints what has become of them. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	_Atomic unsigned made, failed, wrong;
} *count;

/* Ends with `code`; what it has made ends before, and with that code, too. */
static void end(int code)
{
	int status;

	while (wait(&status) > 0)
		count->wrong += !WIFEXITED(status) || WEXITSTATUS(status) != 3;
	_exit(code);
}

/* Each process makes more until there can be no more, and all stay until that is so of all. */
static int bomb(unsigned most)
{
	int status;
	pid_t first;

	(void)most;
	count->made = 1; /* but for the first of all, which only waits */
	first = fork();
	if (first < 0)
		return 1;
	while (first == 0) {
		pid_t pid;

		count->made++;
		pid = fork();
		if (pid < 0) {
			count->made--;
			count->failed++;
			while (count->failed < count->made)
				usleep(20000);
			end(3);
		}
	}
	waitpid(first, &status, 0);
	printf("%u made, %u wrong, %d\n", count->made + 1, count->wrong,
	       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return 7;
}

static int forks(unsigned most)
{
	unsigned right = 0;

	for (unsigned i = 0; i < most; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit((int)(i % 128));
		right += waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
			 WEXITSTATUS(status) == (int)(i % 128);
	}
	printf("%u right\n", right);
	return 7;
}

/* All at once. */
static int alive(unsigned most)
{
	pid_t *pids = calloc(most, sizeof(*pids));
	unsigned right = 0;
	int pipes[2];

	if (!pids || pipe(pipes) < 0)
		return 1;
	for (unsigned i = 0; i < most; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char byte;

			close(pipes[1]);
			_exit(read(pipes[0], &byte, 1) == 0 ? (int)(i % 128) : 1);
		}
	}
	puts("up");
	fflush(stdout);
	getchar();
	close(pipes[1]);
	for (unsigned i = 0; i < most; i++) {
		int status;

		right += waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status) &&
			 WEXITSTATUS(status) == (int)(i % 128);
	}
	printf("%u right\n", right);
	return 7;
}

static pthread_barrier_t barrier;

static void *stay(void *arg)
{
	getppid();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

/* Then as many calls by the first of them as the next line of the input says. */
static int threads(unsigned most)
{
	pthread_t *made = calloc(most, sizeof(*made));
	pthread_attr_t attr;
	unsigned calls = 0, right = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_barrier_init(&barrier, NULL, most + 1);
	for (unsigned i = 0; i < most; i++)
		if (pthread_create(&made[i], &attr, stay, (void *)(uintptr_t)i) != 0)
			return 1;
	pthread_barrier_wait(&barrier);
	puts("up");
	fflush(stdout);
	if (scanf("%u", &calls) != 1)
		return 1;
	for (unsigned i = 0; i < calls; i++)
		getppid();
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < most; i++) {
		void *got;

		right += pthread_join(made[i], &got) == 0 && got == (void *)(uintptr_t)i;
	}
	printf("%u right\n", right);
	return 7;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(unsigned most);
	} parts[] = {{"bomb", bomb}, {"forks", forks}, {"alive", alive}, {"threads", threads}};

	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (count == MAP_FAILED || argc < 3)
		return 1;
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(parts[i].name, argv[1]) == 0)
			return parts[i].run((unsigned)atoi(argv[2]));
	return 1;
}
