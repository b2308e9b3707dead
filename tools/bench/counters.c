// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Time, and counts: system calls, context switches, interrupts. */
#include <ctype.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* In the clock's unit: nanoseconds, which QEMU can make instructions. */
double bench_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

double bench_context_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

/*
 * Interrupts by which CPUs tell each other of a thread to run, for all programs
 * together. For an idle CPU that is a function call, else a rescheduling.
 */
double bench_ipis(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char *line = NULL, *word;
	double sum = -1;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		if (!strstr(line, "Rescheduling interrupts") &&
		    !strstr(line, "Function call interrupts"))
			continue;
		/* After its name there is a count for each CPU. */
		sum = sum < 0 ? 0 : sum;
		strtok(line, " ");
		for (word = strtok(NULL, " "); word && isdigit(*word);
		     word = strtok(NULL, " "))
			sum += atof(word);
	}
	free(line);
	if (file)
		fclose(file);
	return sum;
}

static int tracepoint_id(const char *path)
{
	FILE *file = fopen(path, "r");
	int id = -1;

	if (file) {
		if (fscanf(file, "%d", &id) != 1)
			id = -1;
		fclose(file);
	}
	return id;
}

/*
 * Counts the system calls of the caller and of all threads made after this.
 * It slows them down, so all that is timed comes before all that is counted.
 * Needs tracefs and the right to trace; returns -1 without.
 */
int bench_open_syscall_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.inherit = 1,
	};
	int id;

	id = tracepoint_id("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id");
	if (id < 0)
		return -1;
	attr.config = id;
	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

double bench_syscalls(int counter)
{
	uint64_t count;

	if (read(counter, &count, sizeof(count)) != sizeof(count))
		return -1;
	return count;
}

void bench_close_syscall_counter(int counter)
{
	close(counter);
	/* The kernel leaves perf's hooks in the scheduler for a second more. */
	usleep(1200000);
}
