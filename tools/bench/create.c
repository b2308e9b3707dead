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

/* ready is why there is no group, or 0. */
struct creation {
	const char *method;
	int (*make)(struct creation *creation);
	struct coop_group *group;
	int ready;
	size_t stack;
	long operations;
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

static int time_runs(const struct bench_options *options,
		     struct creation *creation, struct bench_row *row)
{
	double start, switches;
	int ret;

	ret = make_many(creation, creation->operations);
	switches = bench_context_switches();
	for (int i = 0; i < options->runs && !ret; i++) {
		start = bench_clock();
		ret = make_many(creation, creation->operations);
		row->samples[i] = (bench_clock() - start) / creation->operations;
	}
	row->context_switches = (bench_context_switches() - switches) /
				creation->operations / options->runs;
	row->runs = options->runs;
	return ret;
}

static int measure(const struct bench_options *options,
		   struct creation *creation)
{
	struct bench_row row = {
		.operation = "create",
		.method = creation->method,
		.tasks = 1,
		.pinned = true,
		BENCH_NO_COUNTS,
	};
	int ret;

	if (!bench_wanted(options, creation->method))
		return 0;
	bench_progress(options, "create %s", creation->method);
	ret = creation->ready ? creation->ready : time_runs(options, creation, &row);
	if (ret)
		bench_complain("create %s: not measured: %s", creation->method,
			       coop_explain(ret));
	else
		bench_add_row(options, &row);
	return ret != 0;
}

static void count_syscalls(const struct bench_options *options,
			   struct creation *creation, int counter)
{
	double before = bench_syscalls(counter);
	json_t *row;

	row = bench_find_row(options->rows, "create", creation->method, 1, true);
	/* One of them is the first reading. */
	if (row && !make_many(creation, creation->operations))
		bench_set_syscalls(row, (bench_syscalls(counter) - before - 1) /
						creation->operations);
}

/* Returns 0, or 1 if something could not be measured. */
int bench_create(const struct bench_options *options)
{
	long usual = bench_counts_instructions() ? 200 : 2000;
	struct creation creations[] = {
		{ "coop-thread", make_task },
		{ "pthread", make_thread },
	};
	int counter, failed = 0;

	bench_pin(true);
	creations[0].ready = coop_open(&creations[0].group, NULL);
	for (int i = 0; i < 2; i++) {
		creations[i].stack = options->stack;
		creations[i].operations = options->operations ? options->operations : usual;
		failed |= measure(options, &creations[i]);
	}
	counter = options->time_only ? -1 : bench_open_syscall_counter();
	if (counter >= 0) {
		for (int i = 0; i < 2; i++)
			count_syscalls(options, &creations[i], counter);
		bench_close_syscall_counter(counter);
	}
	if (!creations[0].ready)
		coop_close(creations[0].group);
	bench_pin(false);
	return failed;
}
