// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Two tasks hand one turn to each other by name. */
#include <coop.h>
#include <errno.h>
#include <stdio.h>

#define ROUNDS 5

static int hand_to(struct coop_task *other)
{
	int ret = coop_yield_to(other);

	/* A signal, as from ^Z, took it off READY: let whoever is next run. */
	return ret == -EBUSY ? coop_yield() : ret;
}

static int pong(void *ping)
{
	int ret = hand_to(ping); /* it waits for our first turn */

	for (int i = 1; i <= ROUNDS && !ret; i++) {
		printf("  pong %d\n", i);
		ret = hand_to(ping);
	}
	return ret;
}

static int play(struct coop_group *group)
{
	struct coop_task *other;
	int result = 0;
	int ret = coop_enter(group);

	if (ret)
		return ret;
	ret = coop_spawn(group, &other, pong, coop_self(), NULL);
	if (ret)
		return ret;
	/* Before its first turn nobody can name it. */
	while (coop_id(other) == -EBUSY)
		coop_yield();
	for (int i = 1; i <= ROUNDS && !ret; i++) {
		printf("ping %d\n", i);
		ret = hand_to(other);
	}
	if (!ret)
		ret = coop_join(other, &result);
	return ret ? ret : result;
}

int main(void)
{
	struct coop_group *group;
	int ret = coop_open(&group, NULL);

	if (!ret)
		ret = play(group);
	if (ret)
		fprintf(stderr, "pingpong: %s\n", coop_explain(ret));
	return ret != 0;
}
