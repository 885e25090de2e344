/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(int argc, char **argv)
{
	int key = atoi(argv[1]), memory, count;
	FILE *in = fopen(argv[2], "r");
	char word[100] = "";

	fread(word, 1, sizeof(word) - 1, in);
	count = semget(key, 1, IPC_CREAT | 0600);
	semctl(count, 0, SETVAL, 2);
	memory = shmget(key, sizeof(word), IPC_CREAT | 0600);
	strcpy(shmat(memory, NULL, 0), word);
	return 0;
}
