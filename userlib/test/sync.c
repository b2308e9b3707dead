// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What tasks share: mutex, condition, semaphore, wait group, channel. */
#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "spawn.h"
#include "stress.h"

#define MS UINT64_C(1000000)
#define TASKS 8

static struct coop_mutex mutex = COOP_MUTEX_INIT;
static struct coop_cond cond = COOP_COND_INIT;

static int enter(void **state)
{
	fake_reset(state);
	group = fake_group();
	return coop_enter(group);
}

static int leave(void **state)
{
	(void)state;
	return coop_leave() || coop_close(group);
}

static void test_null(void **state)
{
	int item;

	(void)state;
	assert_int_equal(coop_mutex_lock(NULL, COOP_NOW), -EINVAL);
	assert_int_equal(coop_mutex_unlock(NULL), -EINVAL);
	assert_int_equal(coop_cond_wait(NULL, &mutex, COOP_NOW), -EINVAL);
	assert_int_equal(coop_cond_wait(&cond, NULL, COOP_NOW), -EINVAL);
	assert_int_equal(coop_cond_signal(NULL), -EINVAL);
	assert_int_equal(coop_cond_broadcast(NULL), -EINVAL);
	assert_int_equal(coop_sem_wait(NULL, COOP_NOW), -EINVAL);
	assert_int_equal(coop_sem_post(NULL), -EINVAL);
	assert_int_equal(coop_wait_group_add(NULL, 1), -EINVAL);
	assert_int_equal(coop_wait_group_done(NULL), -EINVAL);
	assert_int_equal(coop_wait_group_wait(NULL, COOP_NOW), -EINVAL);
	assert_int_equal(coop_channel_send(NULL, &item, COOP_NOW), -EINVAL);
	assert_int_equal(coop_channel_recv(NULL, &item, COOP_NOW), -EINVAL);
	assert_int_equal(coop_channel_close(NULL), -EINVAL);
}

/* Such a thread may give, and try, but not wait, nor own a mutex. */
static void test_no_task(void **state)
{
	struct coop_sem sem = COOP_SEM_INIT(0);
	struct coop_wait_group wait = COOP_WAIT_GROUP_INIT(1);
	int items[1], item = 5;
	struct coop_channel channel = COOP_CHANNEL_INIT(items);

	(void)state;
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_mutex_lock(&mutex, COOP_NOW), -EPERM);
	assert_int_equal(coop_mutex_unlock(&mutex), -EPERM);
	assert_int_equal(coop_cond_wait(&cond, &mutex, COOP_NOW), -EPERM);
	assert_int_equal(coop_cond_signal(&cond), 0);
	assert_int_equal(coop_sem_wait(&sem, COOP_NOW), -ETIME);
	assert_int_equal(coop_sem_post(&sem), 0);
	assert_int_equal(coop_sem_wait(&sem, COOP_FOREVER), -EPERM);
	assert_int_equal(coop_sem_wait(&sem, COOP_NOW), 0);
	assert_int_equal(coop_wait_group_wait(&wait, COOP_NOW), -ETIME);
	assert_int_equal(coop_wait_group_wait(&wait, COOP_FOREVER), -EPERM);
	assert_int_equal(coop_wait_group_done(&wait), 0);
	assert_int_equal(coop_wait_group_wait(&wait, COOP_NOW), 0);
	assert_int_equal(coop_channel_recv(&channel, &item, COOP_NOW), -ETIME);
	assert_int_equal(coop_channel_send(&channel, &item, 1), -EPERM);
	assert_int_equal(coop_channel_send(&channel, &item, COOP_NOW), 0);
	assert_int_equal(coop_channel_send(&channel, &item, COOP_NOW), -ETIME);
	assert_int_equal(coop_channel_recv(&channel, &item, 1), -EPERM);
	assert_int_equal(coop_enter(group), 0);
}

static int own_and_wait(void *flag)
{
	atomic_int *state = flag;

	if (coop_mutex_lock(&mutex, COOP_FOREVER))
		return 1;
	atomic_store(state, 1);
	while (atomic_load(state) == 1)
		sched_yield();
	return coop_mutex_unlock(&mutex);
}

static void test_mutex(void **state)
{
	atomic_int flag = 0;
	struct coop_task *other = spawn(own_and_wait, &flag);

	(void)state;
	while (!atomic_load(&flag))
		sched_yield();
	assert_int_equal(coop_mutex_unlock(&mutex), -EPERM);
	assert_int_equal(coop_mutex_lock(&mutex, COOP_NOW), -ETIME);
	assert_int_equal(coop_mutex_lock(&mutex, coop_deadline(MS)), -ETIME);
	fake_fail(FAKE_WAIT, EBADF);
	assert_int_equal(coop_mutex_lock(&mutex, COOP_FOREVER), -EBADF);
	fake_fail(FAKE_WAIT, 0);
	atomic_store(&flag, 2);
	assert_int_equal(coop_mutex_lock(&mutex, COOP_FOREVER), 0);
	assert_int_equal(coop_mutex_lock(&mutex, COOP_FOREVER), -EDEADLK);
	assert_int_equal(coop_mutex_unlock(&mutex), 0);
	assert_int_equal(coop_mutex_unlock(&mutex), -EPERM);
	join(other);
}

static void test_cond(void **state)
{
	(void)state;
	assert_int_equal(coop_cond_wait(&cond, &mutex, COOP_FOREVER), -EPERM);
	assert_int_equal(coop_mutex_lock(&mutex, COOP_FOREVER), 0);
	assert_int_equal(coop_cond_wait(&cond, &mutex, COOP_NOW), -ETIME);
	assert_int_equal(coop_cond_wait(&cond, &mutex, coop_deadline(MS)),
			 -ETIME);
	assert_int_equal(coop_mutex_unlock(&mutex), 0);
	assert_null(cond.queue.first);
}

static void test_sem(void **state)
{
	struct coop_sem sem = COOP_SEM_INIT(UINT_MAX);

	(void)state;
	assert_int_equal(coop_sem_post(&sem), -EOVERFLOW);
	assert_int_equal(coop_sem_wait(&sem, COOP_FOREVER), 0);
	assert_int_equal(coop_sem_post(&sem), 0);
	sem.count = 0;
	assert_int_equal(coop_sem_wait(&sem, coop_deadline(MS)), -ETIME);
	assert_null(sem.queue.first);
}

static void test_wait_group(void **state)
{
	struct coop_wait_group wait = COOP_WAIT_GROUP_INIT(0);

	(void)state;
	assert_int_equal(coop_wait_group_wait(&wait, COOP_FOREVER), 0);
	assert_int_equal(coop_wait_group_done(&wait), -EINVAL);
	assert_int_equal(coop_wait_group_add(&wait, INT_MAX), 0);
	assert_int_equal(coop_wait_group_add(&wait, 1), -EOVERFLOW);
	assert_int_equal(coop_wait_group_add(&wait, -INT_MAX + 1), 0);
	assert_int_equal(coop_wait_group_wait(&wait, coop_deadline(MS)),
			 -ETIME);
	assert_int_equal(coop_wait_group_done(&wait), 0);
	assert_int_equal(coop_wait_group_wait(&wait, COOP_FOREVER), 0);
}

static void test_channel(void **state)
{
	int items[3], item;
	struct coop_channel channel = COOP_CHANNEL_INIT(items);

	(void)state;
	for (int round = 0; round < 4; round++) {
		for (item = 0; item < 3; item++)
			assert_int_equal(coop_channel_send(&channel, &item,
							   COOP_FOREVER),
					 0);
		assert_int_equal(coop_channel_send(&channel, &item,
						   coop_deadline(MS)),
				 -ETIME);
		for (int i = 0; i < 3 - (round == 3); i++) {
			assert_int_equal(coop_channel_recv(&channel, &item,
							   COOP_FOREVER),
					 0);
			assert_int_equal(item, i);
		}
	}
	assert_int_equal(coop_channel_close(&channel), 0);
	assert_int_equal(coop_channel_close(&channel), 0);
	assert_int_equal(coop_channel_send(&channel, &item, COOP_NOW), -EPIPE);
	assert_int_equal(coop_channel_recv(&channel, &item, COOP_FOREVER), 0);
	assert_int_equal(item, 2);
	assert_int_equal(coop_channel_recv(&channel, &item, COOP_FOREVER),
			 -EPIPE);
}

static int send_one(void *channel)
{
	int item = 7;

	return coop_channel_send(channel, &item, COOP_FOREVER) != -EPIPE;
}

static int receive_one(void *channel)
{
	int item;

	return coop_channel_recv(channel, &item, COOP_FOREVER) != -EPIPE;
}

/* Who waits learns it. */
static void test_channel_close(void **state)
{
	struct coop_channel channel = COOP_CHANNEL_INIT_DIRECT(int);
	struct coop_task *tasks[3];
	int item = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		tasks[i] = spawn(send_one, &channel);
	while (fake_count(FAKE_WAIT) < 3)
		sched_yield();
	assert_int_equal(coop_channel_close(&channel), 0);
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
	channel = (struct coop_channel)COOP_CHANNEL_INIT_DIRECT(int);
	fake_reset(NULL);
	for (int i = 0; i < 3; i++)
		tasks[i] = spawn(receive_one, &channel);
	while (fake_count(FAKE_WAIT) < 3)
		sched_yield();
	assert_int_equal(coop_channel_close(&channel), 0);
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
	assert_int_equal(coop_channel_recv(&channel, &item, COOP_NOW), -EPIPE);
}

struct queuer {
	struct coop_sem *sem;
	atomic_int *order;
	int got;
};

static int note_order(void *arg)
{
	struct queuer *queuer = arg;
	int ret = coop_sem_wait(queuer->sem, COOP_FOREVER);

	queuer->got = atomic_fetch_add(queuer->order, 1);
	return ret;
}

/* First come, first served, also when one in the middle gives up. */
static void test_first_come(void **state)
{
	struct coop_sem sem = COOP_SEM_INIT(0);
	atomic_int order = 0;
	struct queuer queuers[TASKS];
	struct coop_task *tasks[TASKS];

	(void)state;
	for (int i = 0; i < TASKS; i++) {
		queuers[i] = (struct queuer){ &sem, &order, -1 };
		fake_reset(NULL);
		tasks[i] = spawn(note_order, &queuers[i]);
		while (!fake_count(FAKE_WAIT))
			sched_yield();
		if (i == TASKS / 2)
			assert_int_equal(coop_sem_wait(&sem, coop_deadline(MS)),
					 -ETIME);
	}
	for (int i = 0; i < TASKS; i++) {
		assert_int_equal(coop_sem_post(&sem), 0);
		join(tasks[i]);
		assert_int_equal(queuers[i].got, i);
	}
	assert_int_equal(sem.count, 0);
}

static struct coop_queue queue = COOP_QUEUE_INIT;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;

static int queue_up(void *returned)
{
	struct coop_waiter waiter;
	int ret;

	pthread_mutex_lock(&queue_lock);
	ret = coop_queue_wait(&queue, &queue_lock, &waiter, coop_deadline(MS));
	atomic_store((atomic_bool *)returned, true);
	return ret;
}

/* Its deadline passes when it has been chosen and not been told yet. */
static void test_late_and_chosen(void **state)
{
	atomic_bool returned = false;
	struct coop_waiter *first = NULL;
	struct coop_task *task;

	(void)state;
	/* On a slow machine it may give up before it is chosen. */
	while (!first) {
		fake_reset(NULL);
		atomic_store(&returned, false);
		task = spawn(queue_up, &returned);
		while (!first && !atomic_load(&returned)) {
			pthread_mutex_lock(&queue_lock);
			first = coop_queue_pop(&queue);
			pthread_mutex_unlock(&queue_lock);
		}
		if (!first)
			coop_join(task, NULL);
	}
	while (fake_count(FAKE_WAIT) < 2 && !atomic_load(&returned))
		sched_yield();
	assert_false(atomic_load(&returned));
	coop_waiter_go(first);
	join(task);
}

static int use_all_without_waiting(void)
{
	struct coop_mutex own = COOP_MUTEX_INIT;
	struct coop_sem sem = COOP_SEM_INIT(1);
	struct coop_wait_group wait = COOP_WAIT_GROUP_INIT(1);
	int items[2], item = 1, ret = 0;
	struct coop_channel channel = COOP_CHANNEL_INIT(items);

	for (int i = 0; i < 100; i++) {
		ret |= coop_mutex_lock(&own, COOP_FOREVER);
		ret |= coop_cond_signal(&cond) | coop_cond_broadcast(&cond);
		ret |= coop_mutex_unlock(&own);
		ret |= coop_sem_wait(&sem, COOP_FOREVER) | coop_sem_post(&sem);
		ret |= coop_channel_send(&channel, &item, COOP_FOREVER);
		ret |= coop_channel_recv(&channel, &item, COOP_FOREVER);
	}
	ret |= coop_wait_group_done(&wait);
	ret |= coop_wait_group_wait(&wait, COOP_FOREVER);
	return ret;
}

/* In a process that is killed at any system call but _exit(). */
static void test_no_system_call(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		/* The fake device does not know of fork(). */
		coop_sys_leave(coop_fd(group));
		if (coop_enter(group))
			_exit(2);
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_exit, use_all_without_waiting() ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fake_reset(NULL);
	assert_int_equal(use_all_without_waiting(), 0);
	assert_int_equal(fake_count(FAKE_WAIT) + fake_count(FAKE_WAKE), 0);
}

#define STRESS(name)                          \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		name(group, TASKS, 400);      \
	}

STRESS(stress_mutex)
STRESS(stress_cond)
STRESS(stress_sem)
STRESS(stress_wait_group)
STRESS(stress_channel)
STRESS(stress_channel_direct)
STRESS(stress_deadlines)
STRESS(stress_park)

/* Long between unlocking the mutex and what comes then. */
static void test_stress_slow_wakes(void **state)
{
	(void)state;
	fake_slow_wakes = true;
	stress_mutex(group, TASKS, 100);
	stress_cond(group, TASKS, 100);
	stress_sem(group, TASKS, 100);
	stress_channel(group, TASKS, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_null),
		TEST(test_no_task),
		TEST(test_mutex),
		TEST(test_cond),
		TEST(test_sem),
		TEST(test_wait_group),
		TEST(test_channel),
		TEST(test_channel_close),
		TEST(test_first_come),
		TEST(test_late_and_chosen),
		TEST(test_no_system_call),
		TEST(test_stress_mutex),
		TEST(test_stress_cond),
		TEST(test_stress_sem),
		TEST(test_stress_wait_group),
		TEST(test_stress_channel),
		TEST(test_stress_channel_direct),
		TEST(test_stress_deadlines),
		TEST(test_stress_park),
		TEST(test_stress_slow_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
