// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What a process holds, in user space and in the kernel. Each run of what
 * measures that is in a process of its own, so that nothing of an earlier run
 * is used again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static const struct {
	const char *key, *path, *field;
} parts[BENCH_USAGE_PARTS] = {
	{ "rss", "/proc/self/status", "VmRSS:" },
	{ "slab", "/proc/meminfo", "Slab:" },
	{ "kernel_stack", "/proc/meminfo", "KernelStack:" },
	{ "page_tables", "/proc/meminfo", "PageTables:" },
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

void bench_read_usage(struct bench_usage *usage)
{
	FILE *refresh = fopen("/proc/sys/vm/stat_refresh", "w");

	/* Else the counters lag behind by some pages for each CPU. */
	if (refresh) {
		fputs("1", refresh);
		fclose(refresh);
	}
	for (int i = 0; i < BENCH_USAGE_PARTS; i++)
		usage->bytes[i] = read_field(parts[i].path, parts[i].field);
}

/* What each of @tasks has added to @before; in place of that. */
void bench_usage_since(struct bench_usage *before, int tasks)
{
	struct bench_usage now;

	bench_read_usage(&now);
	for (int i = 0; i < BENCH_USAGE_PARTS; i++)
		before->bytes[i] = (now.bytes[i] - before->bytes[i]) / tasks;
}

static double sum(const struct bench_usage *usage)
{
	double bytes = 0;

	for (int i = 0; i < BENCH_USAGE_PARTS; i++)
		bytes += usage->bytes[i];
	return bytes;
}

static int compare(const void *a, const void *b)
{
	double left = sum(a), right = sum(b);

	return (left > right) - (left < right);
}

/* Make a row of as many usages as it has runs. They are sorted. */
void bench_note_usages(struct bench_row *row, struct bench_usage *usages)
{
	qsort(usages, row->runs, sizeof(*usages), compare);
	row->unit = "bytes";
	row->parts = json_object();
	for (int i = 0; i < BENCH_USAGE_PARTS; i++)
		json_object_set_new(row->parts, parts[i].key,
				    json_real(usages[row->runs / 2].bytes[i]));
	for (int i = 0; i < row->runs; i++)
		row->samples[i] = sum(&usages[i]);
}

static int run_here(int (*run)(const void *what, void *result),
		    const void *what, void *result, size_t size, int out)
{
	int ret;

	/* It is chance which stacks lie so that they get a huge page. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ret = run(what, result);
	if (ret)
		return ret;
	return write(out, result, size) == (ssize_t)size ? 0 : EIO;
}

/*
 * Run something in a process of its own, which ends with it. Returns what it
 * returned, 0 with its result or an errno value; or an errno value of our own.
 */
int bench_in_process(int (*run)(const void *what, void *result),
		     const void *what, void *result, size_t size)
{
	int ends[2], status;
	pid_t child;

	if (pipe(ends))
		return errno;
	child = fork();
	if (!child)
		_exit(run_here(run, what, result, size, ends[1]));
	close(ends[1]);
	if (child < 0)
		status = errno << 8;
	else
		waitpid(child, &status, 0);
	if (!status && read(ends[0], result, size) != (ssize_t)size)
		status = EIO << 8;
	close(ends[0]);
	return WIFSIGNALED(status) ? ECHILD : WEXITSTATUS(status);
}
