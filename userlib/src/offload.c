// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Functions run by helper threads, which are no tasks and need no turns.
 *
 * A helper is made when there is more to do than helpers that have nothing to
 * do, up to a limit, and stays.
 */
#include <errno.h>
#include <signal.h>

#include "internal.h"

/**
 * struct job - a function to be run
 * @fn: that function
 * @arg: what it gets
 * @result: what it returned
 * @waiter: the task that waits for it, on whose stack this is
 * @next: in the queue
 */
struct job {
	int (*fn)(void *arg);
	void *arg;
	int result;
	struct coop_waiter waiter;
	struct job *next;
};

/* What follows is under this. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job *first, *last;
static unsigned int jobs; /* in the queue */
static unsigned int idle; /* helpers that wait for one */
static unsigned int helpers;

static void push(struct job *job)
{
	job->next = NULL;
	if (first)
		last->next = job;
	else
		first = job;
	last = job;
	jobs++;
}

static struct job *pop(void)
{
	struct job *job = first;

	first = job->next;
	jobs--;
	return job;
}

static struct job *wait_for_job(void)
{
	struct job *job;

	pthread_mutex_lock(&lock);
	idle++;
	while (!first)
		pthread_cond_wait(&work, &lock);
	idle--;
	job = pop();
	pthread_mutex_unlock(&lock);
	return job;
}

static void *help(void *unused)
{
	for (;;) {
		struct job *job = wait_for_job();

		job->result = job->fn(job->arg);
		coop_waiter_go(&job->waiter);
	}
	return unused;
}

/* The program's signals are not for helpers. */
static int start_helper(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	sigfillset(&all);
	pthread_attr_setsigmask_np(&attr, &all);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, help, NULL);
	pthread_attr_destroy(&attr);
	return -ret;
}

/* With the lock held: queue a job, and see that somebody will do it. */
static int hand_in(struct job *job)
{
	int ret = 0;

	if (jobs >= idle && helpers < COOP_OFFLOAD_MAX) {
		ret = start_helper();
		if (!ret)
			helpers++;
		else if (!helpers)
			return ret;
	}
	push(job);
	pthread_cond_signal(&work);
	return 0;
}

int coop_offload(int (*fn)(void *arg), void *arg, int *result)
{
	struct job job = { .fn = fn, .arg = arg };
	int ret;

	if (!fn)
		return -EINVAL;
	if (!coop_self())
		return -EPERM;
	coop_waiter_init(&job.waiter);
	pthread_mutex_lock(&lock);
	ret = hand_in(&job);
	pthread_mutex_unlock(&lock);
	if (ret)
		return ret;
	coop_waiter_settle(&job.waiter);
	if (result)
		*result = job.result;
	return 0;
}

/**
 * coop_offload_fork() - before fork(), and after it in the parent
 * @before: which of the two
 */
void coop_offload_fork(bool before)
{
	if (before)
		pthread_mutex_lock(&lock);
	else
		pthread_mutex_unlock(&lock);
}

/**
 * coop_offload_forked() - after fork() in the child, which has no helpers
 */
void coop_offload_forked(void)
{
	work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	first = NULL;
	jobs = 0;
	idle = 0;
	helpers = 0;
	pthread_mutex_unlock(&lock);
}
