// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Three tasks take turns: cc hello.c -lcoop && ./a.out */
#include <coop.h>
#include <stdio.h>

static int arrived; /* needs no lock: only the task with the turn runs */

static int say(void *name)
{
	arrived++;
	while (arrived < 3)
		coop_yield();
	for (int i = 1; i <= 3; i++) {
		printf("%s %d\n", (char *)name, i);
		coop_yield();
	}
	return 0;
}

int main(void)
{
	char *names[] = { "red", "green", "blue" };
	struct coop_group *group;
	struct coop_task *tasks[3];
	int ret = coop_open(&group, NULL);

	for (int i = 0; i < 3 && !ret; i++)
		ret = coop_spawn(group, &tasks[i], say, names[i], NULL);
	for (int i = 0; i < 3 && !ret; i++)
		ret = coop_join(tasks[i], NULL);
	if (ret)
		fprintf(stderr, "hello: %s\n", coop_explain(ret));
	return ret != 0;
}
