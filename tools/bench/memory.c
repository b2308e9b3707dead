// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operation "memory": what one idle task holds, in user space and in the
 * kernel. Each run makes its tasks in a process of its own, so that nothing of
 * an earlier run is used again.
 */
#include <coop.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
	RSS,
	SLAB,
	KERNEL_STACK,
	PAGE_TABLES,
	PARTS
};

static const struct {
	const char *key, *path, *field;
} parts[PARTS] = {
	[RSS] = { "rss", "/proc/self/status", "VmRSS:" },
	[SLAB] = { "slab", "/proc/meminfo", "Slab:" },
	[KERNEL_STACK] = { "kernel_stack", "/proc/meminfo", "KernelStack:" },
	[PAGE_TABLES] = { "page_tables", "/proc/meminfo", "PageTables:" },
};

struct usage {
	double bytes[PARTS];
};

static double read_field(const char *path, const char *field)
{
	FILE *file = fopen(path, "r");
	double kilobytes = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, field, strlen(field))) {
			kilobytes = atof(line + strlen(field));
			break;
		}
	}
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

static void read_usage(struct usage *usage)
{
	FILE *refresh = fopen("/proc/sys/vm/stat_refresh", "w");

	/* Else the counters lag behind by some pages for each CPU. */
	if (refresh) {
		fputs("1", refresh);
		fclose(refresh);
	}
	for (int i = 0; i < PARTS; i++)
		usage->bytes[i] = read_field(parts[i].path, parts[i].field);
}

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

/* In a process of its own: what all the tasks hold goes to a pipe. */
static int run_child(int tasks, bool coop, size_t stack, int out)
{
	/* It keeps its turn while it sleeps, so the others stay in JOIN. */
	struct coop_setup setup = { .turns = 1, .flags = COOP_GROUP_ATOMIC };
	struct idlers idlers = { .tasks = tasks, .fd = -1 };
	struct usage before, after;
	int ret;

	if (coop) {
		idlers.fd = coop_sys_open(0);
		if (idlers.fd < 0)
			return -idlers.fd;
		ret = coop_sys_setup(idlers.fd, &setup);
		if (!ret)
			ret = coop_sys_join(idlers.fd);
		if (ret < 0)
			return -ret;
	}
	read_usage(&before);
	ret = make_idlers(&idlers, coop ? idle_in_join : idle_in_pause, stack);
	if (ret)
		return ret;
	read_usage(&after);
	for (int i = 0; i < PARTS; i++)
		after.bytes[i] = (after.bytes[i] - before.bytes[i]) / tasks;
	return write(out, &after, sizeof(after)) == sizeof(after) ? 0 : EIO;
}

/* Returns 0 with the bytes per task, or an errno value. */
static int run(int tasks, bool coop, size_t stack, struct usage *usage)
{
	int ends[2], status;
	pid_t child;

	if (pipe(ends))
		return errno;
	child = fork();
	if (!child)
		_exit(run_child(tasks, coop, stack, ends[1]));
	close(ends[1]);
	if (child < 0)
		status = errno << 8;
	else
		waitpid(child, &status, 0);
	if (!status && read(ends[0], usage, sizeof(*usage)) != sizeof(*usage))
		status = EIO << 8;
	close(ends[0]);
	return WIFSIGNALED(status) ? ECHILD : WEXITSTATUS(status);
}

static int compare_usage(const void *a, const void *b)
{
	double left = 0, right = 0;

	for (int i = 0; i < PARTS; i++) {
		left += ((const struct usage *)a)->bytes[i];
		right += ((const struct usage *)b)->bytes[i];
	}
	return (left > right) - (left < right);
}

static void note_runs(struct bench_row *row, struct usage *usages)
{
	qsort(usages, row->runs, sizeof(*usages), compare_usage);
	row->parts = json_object();
	for (int i = 0; i < PARTS; i++)
		json_object_set_new(row->parts, parts[i].key,
				    json_real(usages[row->runs / 2].bytes[i]));
	for (int i = 0; i < row->runs; i++) {
		row->samples[i] = 0;
		for (int j = 0; j < PARTS; j++)
			row->samples[i] += usages[i].bytes[j];
	}
}

static int measure(const struct bench_options *options, bool coop, int tasks)
{
	struct usage usages[BENCH_RUNS_MAX];
	struct bench_row row = {
		.operation = "memory",
		.unit = "bytes",
		.tasks = tasks,
		.method = coop ? "coop-thread" : "pthread",
		.context_switches = -1,
	};
	int ret;

	/* The first run warms the kernel's caches up. */
	for (row.runs = -1; row.runs < options->runs; row.runs++) {
		bench_progress(options, "memory %s, %d tasks, run %d of %d",
			       row.method, tasks, row.runs + 1, options->runs);
		ret = run(tasks, coop, options->stack,
			  &usages[row.runs < 0 ? 0 : row.runs]);
		if (ret) {
			bench_complain("memory %s, %d tasks: not measured: %s",
				       row.method, tasks, strerror(ret));
			return 1;
		}
	}
	note_runs(&row, usages);
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
