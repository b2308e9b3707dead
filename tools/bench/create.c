// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operation "create": a task is made, runs its first instruction, ends, and is
 * waited for; then the next one.
 */
#include <coop.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

struct creation {
	const char *method;
	int (*make)(struct creation *creation);
	struct coop_group *group;
	size_t stack;
};

static int task_main(void *arg)
{
	return 0;
}

static void *thread_main(void *arg)
{
	return NULL;
}

static int make_task(struct creation *creation)
{
	struct coop_task_options options = COOP_TASK_OPTIONS_INIT;
	struct coop_task *task;
	int ret;

	options.stack_size = creation->stack;
	ret = coop_spawn(creation->group, &task, task_main, NULL, &options);
	return ret ? ret : coop_join(task, NULL);
}

static int make_thread(struct creation *creation)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	if (creation->stack)
		pthread_attr_setstacksize(&attr, creation->stack);
	ret = pthread_create(&thread, &attr, thread_main, NULL);
	pthread_attr_destroy(&attr);
	return ret ? -ret : -pthread_join(thread, NULL);
}

static int make_many(struct creation *creation, long count)
{
	int ret = 0;

	for (long i = 0; i < count && !ret; i++)
		ret = creation->make(creation);
	return ret;
}

static int count_syscalls(const struct bench_options *options,
			  struct creation *creation, struct bench_row *row,
			  long operations)
{
	int counter = bench_open_syscall_counter(options);
	double before;
	int ret;

	if (counter < 0)
		return 0;
	before = bench_syscalls(counter);
	ret = make_many(creation, operations);
	row->syscalls = (bench_syscalls(counter) - before - 1) / operations;
	close(counter);
	return ret;
}

static int time_runs(const struct bench_options *options,
		     struct creation *creation, struct bench_row *row,
		     long operations)
{
	double start, switches;
	int ret;

	ret = make_many(creation, operations);
	switches = bench_context_switches();
	for (int i = 0; i < options->runs && !ret; i++) {
		start = bench_clock();
		ret = make_many(creation, operations);
		row->samples[i] = (bench_clock() - start) / operations;
	}
	row->context_switches = (bench_context_switches() - switches) /
				operations / options->runs;
	row->runs = options->runs;
	return ret ? ret : count_syscalls(options, creation, row, operations);
}

static int measure(const struct bench_options *options,
		   struct creation *creation)
{
	struct bench_row row = {
		.operation = "create", .method = creation->method, .tasks = 1,
		.pinned = true, .syscalls = -1,
	};
	long operations = options->operations;
	int ret;

	if (!operations)
		operations = bench_counts_instructions() ? 200 : 2000;
	creation->stack = options->stack;
	bench_progress(options, "create %s", creation->method);
	ret = time_runs(options, creation, &row, operations);
	if (ret)
		bench_complain("create %s: not measured: %s", creation->method,
			       coop_explain(ret));
	else
		bench_add_row(options, &row);
	return ret != 0;
}

/* Returns 0, or 1 if something could not be measured. */
int bench_create(const struct bench_options *options)
{
	struct creation task = { "coop-thread", make_task };
	struct creation thread = { "pthread", make_thread };
	int ret, failed = 0;

	bench_pin(true);
	if (bench_wanted(options, task.method)) {
		ret = coop_open(&task.group, NULL);
		if (ret) {
			bench_complain("create %s: not measured: %s",
				       task.method, coop_explain(ret));
			failed = 1;
		} else {
			failed |= measure(options, &task);
			coop_close(task.group);
		}
	}
	if (bench_wanted(options, thread.method))
		failed |= measure(options, &thread);
	bench_pin(false);
	return failed;
}
