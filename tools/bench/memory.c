// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operation "memory": what one idle task holds, in user space and in the
 * kernel.
 */
#include <coop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* What one run makes. */
struct crowd {
	int tasks;
	bool coop;
	size_t stack;
};

struct idlers {
	int tasks, fd;
	atomic_int there;
};

/* The process that made them has the turn, so these stay in JOIN. */
static void *idle_in_join(void *arg)
{
	struct idlers *idlers = arg;

	atomic_fetch_add(&idlers->there, 1);
	coop_sys_join(idlers->fd);
	return NULL;
}

static void *idle_in_pause(void *arg)
{
	struct idlers *idlers = arg;

	atomic_fetch_add(&idlers->there, 1);
	pause();
	return NULL;
}

static bool all_idle(struct idlers *idlers)
{
	struct coop_stat stat = {};

	if (atomic_load(&idlers->there) < idlers->tasks)
		return false;
	if (idlers->fd < 0)
		return true;
	coop_sys_stat(idlers->fd, &stat);
	return (int)stat.ready >= idlers->tasks;
}

static int make_idlers(struct idlers *idlers, void *(*idle)(void *), size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret = 0;

	pthread_attr_init(&attr);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	for (int i = 0; i < idlers->tasks && !ret; i++)
		ret = pthread_create(&thread, &attr, idle, idlers);
	pthread_attr_destroy(&attr);
	while (!ret && !all_idle(idlers))
		usleep(10000);
	/* What is freed later belongs to the making. */
	usleep(100000);
	return ret;
}

/* In a process of its own: what each task holds. */
static int run(const void *what, void *usage)
{
	/* It keeps its turn while it sleeps, so the others stay in JOIN. */
	struct coop_setup setup = { .turns = 1, .flags = COOP_GROUP_ATOMIC };
	const struct crowd *crowd = what;
	struct idlers idlers = { .tasks = crowd->tasks, .fd = -1 };
	int ret;

	if (crowd->coop) {
		idlers.fd = coop_sys_open(0);
		if (idlers.fd < 0)
			return -idlers.fd;
		ret = coop_sys_setup(idlers.fd, &setup);
		if (!ret)
			ret = coop_sys_join(idlers.fd);
		if (ret < 0)
			return -ret;
	}
	bench_read_usage(usage);
	ret = make_idlers(&idlers, crowd->coop ? idle_in_join : idle_in_pause,
			  crowd->stack);
	if (!ret)
		bench_usage_since(usage, crowd->tasks);
	return ret;
}

static int measure(const struct bench_options *options, bool coop, int tasks)
{
	struct crowd crowd = { tasks, coop, options->stack };
	struct bench_usage usages[BENCH_RUNS_MAX], *usage;
	struct bench_row row = {
		.operation = "memory",
		.tasks = tasks,
		.method = coop ? "coop-thread" : "pthread",
		BENCH_NO_COUNTS,
	};
	int ret;

	/* The first run warms the kernel's caches up. */
	for (row.runs = -1; row.runs < options->runs; row.runs++) {
		bench_progress(options, "memory %s, %d tasks, run %d of %d",
			       row.method, tasks, row.runs + 1, options->runs);
		usage = &usages[row.runs < 0 ? 0 : row.runs];
		ret = bench_in_process(run, &crowd, usage, sizeof(*usage));
		if (ret) {
			bench_complain("memory %s, %d tasks: not measured: %s",
				       row.method, tasks, strerror(ret));
			return 1;
		}
	}
	bench_note_usages(&row, usages);
	bench_add_row(options, &row);
	return 0;
}

/* Returns 0, or 1 if something could not be measured. */
int bench_memory(const struct bench_options *options)
{
	static const int usual[] = { 1000, 10000, 0 };
	const int *tasks = options->tasks[0] ? options->tasks : usual;
	int failed = 0;

	for (; *tasks; tasks++) {
		if (bench_wanted(options, "coop-thread"))
			failed |= measure(options, true, *tasks);
		if (bench_wanted(options, "pthread"))
			failed |= measure(options, false, *tasks);
	}
	return failed;
}
