// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "stress.h"

#define TASKS_MAX 64

/* How often each task does it. */
static int rounds;

/* Plain: what is tested keeps it whole. */
static volatile long counter;

static atomic_long total;

static struct coop_mutex mutex;
static struct coop_cond cond;
static struct coop_cond other_cond;
static struct coop_sem sem;
static struct coop_wait_group wait_group;

static void spawn_all(struct coop_group *group, struct coop_task **tasks, int n,
		      int (*fn)(void *))
{
	for (intptr_t i = 0; i < n; i++)
		assert_int_equal(coop_spawn(group, &tasks[i], fn, (void *)i,
					    NULL),
				 0);
}

static void join_all(struct coop_task **tasks, int n)
{
	for (int i = 0; i < n; i++) {
		int result = -1;

		assert_int_equal(coop_join(tasks[i], &result), 0);
		assert_int_equal(result, 0);
	}
}

static void run(struct coop_group *group, int tasks, int times,
		int (*fn)(void *))
{
	struct coop_task *all[TASKS_MAX];

	rounds = times;
	counter = 0;
	atomic_store(&total, 0);
	spawn_all(group, all, tasks, fn);
	join_all(all, tasks);
}

/* Loses additions if another does it meanwhile. */
static void add_one(void)
{
	long seen = counter;

	if (seen % 3 == 0)
		coop_yield();
	else if (seen % 7 == 0)
		sched_yield();
	counter = seen + 1;
}

static int lock_and_add(void *unused)
{
	(void)unused;
	for (int i = 0; i < rounds; i++) {
		if (coop_mutex_lock(&mutex, COOP_FOREVER))
			return 1;
		add_one();
		if (coop_mutex_unlock(&mutex))
			return 2;
	}
	return 0;
}

void stress_mutex(struct coop_group *group, int tasks, int times)
{
	mutex = (struct coop_mutex)COOP_MUTEX_INIT;
	run(group, tasks, times, lock_and_add);
	assert_int_equal(counter, (long)tasks * times);
	assert_null(mutex.owner);
	assert_null(mutex.queue.first);
}

/* Even ones put, odd ones take: a store of one, with two conditions. */
static int trade(void *arg)
{
	bool put = (intptr_t)arg % 2 == 0;

	for (int i = 0; i < rounds; i++) {
		if (coop_mutex_lock(&mutex, COOP_FOREVER))
			return 1;
		while (counter == put) {
			if (coop_cond_wait(put ? &cond : &other_cond, &mutex,
					   COOP_FOREVER))
				return 2;
		}
		counter = put;
		atomic_fetch_add(&total, 1);
		coop_cond_signal(put ? &other_cond : &cond);
		if (i % 5 == 0)
			coop_cond_broadcast(&cond);
		if (coop_mutex_unlock(&mutex))
			return 3;
	}
	return 0;
}

void stress_cond(struct coop_group *group, int tasks, int times)
{
	mutex = (struct coop_mutex)COOP_MUTEX_INIT;
	cond = (struct coop_cond)COOP_COND_INIT;
	other_cond = (struct coop_cond)COOP_COND_INIT;
	run(group, tasks & ~1, times, trade);
	assert_int_equal(counter, 0);
	assert_int_equal(total, (long)(tasks & ~1) * times);
}

static int take_and_give(void *unused)
{
	(void)unused;
	for (int i = 0; i < rounds; i++) {
		if (coop_sem_wait(&sem, COOP_FOREVER))
			return 1;
		if (atomic_fetch_add(&total, 1) >= 3)
			return 2;
		coop_yield();
		atomic_fetch_sub(&total, 1);
		if (coop_sem_post(&sem))
			return 3;
	}
	return 0;
}

void stress_sem(struct coop_group *group, int tasks, int times)
{
	sem = (struct coop_sem)COOP_SEM_INIT(3);
	run(group, tasks, times, take_and_give);
	assert_int_equal(sem.count, 3);
	assert_null(sem.queue.first);
}

static int do_or_wait(void *arg)
{
	if ((intptr_t)arg % 2) {
		for (int i = 0; i < rounds; i++) {
			atomic_fetch_add(&total, 1);
			coop_wait_group_done(&wait_group);
			coop_yield();
		}
		return 0;
	}
	if (coop_wait_group_wait(&wait_group, COOP_FOREVER))
		return 1;
	return atomic_load(&total) == counter ? 0 : 2;
}

void stress_wait_group(struct coop_group *group, int tasks, int times)
{
	struct coop_task *all[TASKS_MAX];

	rounds = times;
	atomic_store(&total, 0);
	counter = (long)(tasks / 2) * times;
	wait_group = (struct coop_wait_group)COOP_WAIT_GROUP_INIT(1);
	assert_int_equal(coop_wait_group_add(&wait_group, (int)counter - 1), 0);
	spawn_all(group, all, tasks, do_or_wait);
	join_all(all, tasks);
	assert_int_equal(wait_group.count, 0);
}

static struct coop_channel *channel;
static atomic_int senders;

/* Even ones send, the last of them closes; odd ones receive until then. */
static int send_or_receive(void *arg)
{
	long item = 0;
	int ret;

	if ((intptr_t)arg % 2) {
		while (!(ret = coop_channel_recv(channel, &item, COOP_FOREVER)))
			atomic_fetch_add(&total, item);
		return ret != -EPIPE;
	}
	for (item = 1; item <= rounds; item++) {
		if (coop_channel_send(channel, &item, COOP_FOREVER))
			return 1;
	}
	if (atomic_fetch_sub(&senders, 1) == 1)
		coop_channel_close(channel);
	return 0;
}

static void run_channel(struct coop_group *group, int tasks, int times)
{
	long sum = (long)times * (times + 1) / 2;

	tasks &= ~1;
	atomic_store(&senders, tasks / 2);
	run(group, tasks, times, send_or_receive);
	assert_int_equal(total, tasks / 2 * sum);
	assert_int_equal(channel->count, 0);
}

void stress_channel(struct coop_group *group, int tasks, int times)
{
	long items[3];
	struct coop_channel buffered = COOP_CHANNEL_INIT(items);

	channel = &buffered;
	run_channel(group, tasks, times);
}

void stress_channel_direct(struct coop_group *group, int tasks, int times)
{
	struct coop_channel direct = COOP_CHANNEL_INIT_DIRECT(long);

	channel = &direct;
	run_channel(group, tasks, times);
}

/* Deadlines that come at about the time of what is waited for. */
static int give_up(void *arg)
{
	unsigned int seed = (unsigned int)(intptr_t)arg;
	int ret;

	for (int i = 0; i < rounds; i++) {
		ret = coop_sem_wait(&sem, coop_deadline(rand_r(&seed) % 50000));
		if (ret == -ETIME)
			continue;
		if (ret)
			return 1;
		if (coop_mutex_lock(&mutex, coop_deadline(20000)) == 0) {
			add_one();
			atomic_fetch_add(&total, 1);
			coop_mutex_unlock(&mutex);
		}
		if (coop_sem_post(&sem))
			return 2;
	}
	return 0;
}

void stress_deadlines(struct coop_group *group, int tasks, int times)
{
	sem = (struct coop_sem)COOP_SEM_INIT(2);
	mutex = (struct coop_mutex)COOP_MUTEX_INIT;
	run(group, tasks, times, give_up);
	assert_int_equal(counter, total);
	assert_int_equal(sem.count, 2);
	assert_null(sem.queue.first);
	assert_null(mutex.owner);
	assert_null(mutex.queue.first);
}

static struct coop_task *ring[TASKS_MAX];
static atomic_int baton;
static int ring_size;

/* A baton goes round by park and wake, past a mutex that takes wakes, too. */
static int pass_baton(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		while (atomic_load(&baton) != i * ring_size + me) {
			if (coop_mutex_lock(&mutex, COOP_FOREVER))
				return 1;
			add_one();
			coop_mutex_unlock(&mutex);
			if (coop_park(COOP_FOREVER))
				return 2;
		}
		/* The last has nobody to wake: all others may be gone. */
		if (atomic_fetch_add(&baton, 1) + 1 == rounds * ring_size)
			break;
		if (coop_wake(ring[(me + 1) % ring_size]))
			return 3;
	}
	return 0;
}

void stress_park(struct coop_group *group, int tasks, int times)
{
	mutex = (struct coop_mutex)COOP_MUTEX_INIT;
	rounds = times;
	counter = 0;
	ring_size = tasks;
	/* None of them goes before all are known. */
	atomic_store(&baton, -1);
	spawn_all(group, ring, tasks, pass_baton);
	atomic_store(&baton, 0);
	assert_int_equal(coop_wake(ring[0]), 0);
	join_all(ring, tasks);
	assert_int_equal(baton, tasks * times);
}
