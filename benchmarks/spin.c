/* SPDX-License-Identifier: MIT */
/* Threads that only compute: spin THREADS ROUNDS, in millions. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t rounds;

static void *spin(void *arg)
{
	uint64_t x = (uintptr_t)arg + 88172645463325252u;

	for (uint64_t i = 0; i < rounds; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return (void *)(uintptr_t)x;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	uintptr_t sum = 0;
	void *result;
	int n = argc > 1 ? atoi(argv[1]) : 0;

	if (n < 1 || n > 64 || argc < 3)
		return 2;
	rounds = strtoull(argv[2], NULL, 10) * 1000000u;
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, spin, (void *)(uintptr_t)i))
			return 1;
	for (int i = 0; i < n; i++) {
		pthread_join(threads[i], &result);
		sum += (uintptr_t)result;
	}
	printf("%lx\n", (unsigned long)sum);
	return 0;
}
