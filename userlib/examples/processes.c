// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Four processes take turns: a group goes wherever its descriptor goes. They
 * add to one plain counter in shared memory, and no addition is lost.
 */
#include <coop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
#define ROUNDS 1000

static int add(struct coop_group *group, volatile long *counter)
{
	int ret = coop_enter(group);

	for (int i = 0; i < ROUNDS && !ret; i++) {
		long seen = *counter;

		*counter = seen + 1;
		ret = coop_yield();
	}
	return ret ? ret : coop_leave();
}

static void die(const char *what, int error)
{
	fprintf(stderr, "processes: %s: %s\n", what, coop_explain(error));
	exit(1);
}

int main(void)
{
	struct coop_group *group;
	volatile long *counter;
	int status, ret = coop_open(&group, NULL);

	if (ret)
		die("cannot make a group", ret);
	counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counter == MAP_FAILED) {
		perror("processes: mmap");
		return 1;
	}
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("processes: fork");
			return 1;
		}
		if (!pid) {
			ret = add(group, counter);
			if (ret)
				die("cannot take turns", ret);
			return 0;
		}
	}
	while (wait(&status) > 0) {
		if (status)
			return 1;
	}
	printf("%d processes counted to %ld\n", PROCESSES, *counter);
	return *counter != PROCESSES * ROUNDS;
}
