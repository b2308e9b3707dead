// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Results for people. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const char *text(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static double number(json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static long whole(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool pinned(json_t *row)
{
	return json_is_true(json_object_get(row, "pinned"));
}

/* With thousands apart, in one of a few buffers that take turns. */
static const char *grouped(double value, int decimals)
{
	static char buffers[8][32];
	static int next;
	char digits[32], *out = buffers[next++ % 8];
	int length, written = 0;

	snprintf(digits, sizeof(digits), "%.*f", decimals, value);
	length = strcspn(digits, ".");
	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			out[written++] = ',';
		out[written++] = digits[i];
	}
	strcpy(out + written, digits + length);
	return out;
}

static const char *figure(double value)
{
	return grouped(value, value < 100);
}

static const char *amount(long count)
{
	return grouped(count, 0);
}

/* With a star where an operation was mostly no switch at all. */
static const char *cell(json_t *row)
{
	static char buffers[8][32];
	static int next;
	char *out = buffers[next++ % 8];
	bool switched = json_number_value(json_object_get(row, "context_switches")) > 0.8;

	snprintf(out, sizeof(buffers[0]), "%s%s", figure(number(row, "median")),
		 switched ? "" : "*");
	return out;
}

/* A count per operation, or a dash where it is not known. */
static const char *count(json_t *row, const char *key)
{
	static char buffers[4][16];
	static int next;
	char *out = buffers[next++ % 4];

	if (!json_is_number(json_object_get(row, key)))
		return "-";
	snprintf(out, sizeof(buffers[0]), "%.2f", number(row, key));
	return out;
}

/* The same for what may be rare. */
static const char *rate(json_t *row, const char *key)
{
	static char buffers[4][16];
	static int next;
	char *out = buffers[next++ % 4];

	if (!json_is_number(json_object_get(row, key)))
		return "-";
	snprintf(out, sizeof(buffers[0]), "%.5f", number(row, key));
	return out;
}

/* On what, and above all what the figures are not. */
void bench_print_headline(json_t *environment)
{
	json_t *mitigations = json_object_get(environment, "mitigations");
	const char *name;
	json_t *state;

	printf("coopbench: figures are %s\n", text(environment, "clock"));
	printf("Linux %s %s, %ld CPUs of %s\n", text(environment, "kernel"),
	       text(environment, "machine"), whole(environment, "cpus"),
	       text(environment, "cpu"));
	printf("preemption %s; PSI %s; LSMs %s\n", text(environment, "preemption"),
	       json_is_true(json_object_get(environment, "psi")) ? "on" : "off",
	       *text(environment, "lsm") ? text(environment, "lsm") : "unknown");
	printf("mitigations:%s\n", json_object_size(mitigations) ? "" : " none needed");
	json_object_foreach(mitigations, name, state)
		printf("  %s: %s\n", name, json_string_value(state));
	printf("\n");
	fflush(stdout);
}

void bench_print_row(json_t *row)
{
	char what[64];

	snprintf(what, sizeof(what), "%s %s", text(row, "operation"),
		 text(row, "method"));
	printf("%-30s %6s tasks %-8s %10s %s", what,
	       amount(whole(row, "tasks")), pinned(row) ? "1 CPU" : "any CPU",
	       figure(number(row, "median")), text(row, "unit"));
	printf(" (%s to %s, %ld runs)\n", figure(number(row, "min")),
	       figure(number(row, "max")), whole(row, "runs"));
	fflush(stdout);
}

/* The counts of two rows, or a dash where they are not known. */
static const char *both(json_t *ours, json_t *theirs, const char *key)
{
	static char buffers[4][32];
	static int next;
	char *out = buffers[next++ % 4];

	if (!json_is_number(json_object_get(ours, key)) ||
	    !json_is_number(json_object_get(theirs, key)))
		return "-";
	snprintf(out, sizeof(buffers[0]), "%s/%s", count(ours, key),
		 count(theirs, key));
	return out;
}

/* One line of the first table: a cooperative way beside a preempted one. */
static void print_pair(json_t *rows, const char *operation, int tasks,
		       bool on_one_cpu, const char *ours, const char *theirs)
{
	json_t *cooperative, *preempted;
	char what[64];

	cooperative = bench_find_row(rows, operation, ours, tasks, on_one_cpu);
	preempted = bench_find_row(rows, operation, theirs, tasks, on_one_cpu);
	if (!cooperative || !preempted || !number(preempted, "median"))
		return;
	snprintf(what, sizeof(what), "%s, %s task%s", operation, amount(tasks),
		 tasks == 1 ? "" : "s");
	printf("%-20s %-18s %7s  %-18s %7s %6.2f %10s %10s\n", what, ours,
	       figure(number(cooperative, "median")), theirs,
	       figure(number(preempted, "median")),
	       number(cooperative, "median") / number(preempted, "median"),
	       both(cooperative, preempted, "syscalls"),
	       both(cooperative, preempted, "context_switches"));
}

static void print_summary(json_t *rows, const char *unit)
{
	static const char *const pairs[][2] = {
		{ "coop-thread", "pthread-futex" },
		{ "coop-thread", "pthread-cond" },
		{ "coop-thread", "pthread-pipe" },
		{ "coop-thread", "pthread-eventfd" },
		{ "coop-thread", "pthread-socket" },
		{ "coop-thread", "pthread-yield" },
		{ "coop-thread-call", "pthread-futex" },
		{ "coop-thread-fifo", "pthread-futex-fifo" },
		{ "coop-thread-fifo", "pthread-pipe-fifo" },
		{ "coop-thread-fifo", "pthread-yield-fifo" },
	};
	static const char *const hops[][2] = {
		{ "coop-thread", "pthread-pipe" },
		{ "coop-thread-block", "pthread-pipe" },
		{ "coop-thread-socket", "pthread-socket" },
	};

	printf("\nPer operation, in %s (memory in bytes). A ratio below 1 is coop's gain,\n"
	       "above 1 its price.\n\n",
	       unit);
	printf("%-20s %-18s %7s  %-18s %7s %6s %10s %10s\n", "operation",
	       "cooperative", "", "preempted", "", "ratio", "calls", "switches");
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		print_pair(rows, "switch", 2, true, pairs[i][0], pairs[i][1]);
	for (size_t i = 0; i < sizeof(hops) / sizeof(*hops); i++)
		print_pair(rows, "brigade", 100, true, hops[i][0], hops[i][1]);
	print_pair(rows, "create", 1, true, "coop-thread", "pthread");
	print_pair(rows, "memory", 1000, false, "coop-thread", "pthread");
	print_pair(rows, "memory", 10000, false, "coop-thread", "pthread");
	if (!bench_find_row(rows, "create", "coop-thread", 1, true))
		return;
	printf("\nA coop thread task is a thread: creating and keeping one costs what a thread\n"
	       "does and a little more. There is no gain in either before fibers.\n");
}

/*
 * The instructions that a system call would have to cost more, or less, for
 * two methods to come out even; 0 where no price does that. Under icount a
 * system call counts no more than its instructions, on hardware often more.
 */
static double even_at(json_t *ours, json_t *theirs)
{
	double calls = number(ours, "syscalls") - number(theirs, "syscalls");
	double cost = number(theirs, "median") - number(ours, "median");

	if (!json_is_number(json_object_get(ours, "syscalls")) ||
	    !json_is_number(json_object_get(theirs, "syscalls")) ||
	    (calls < 0.05 && calls > -0.05))
		return 0;
	return cost / calls;
}

/* What of a method's row has to do with coop's way of the same. */
static void print_beside(json_t *row, json_t *coop)
{
	double even = even_at(coop, row);

	printf(" %6.2f %8s", number(coop, "median") / number(row, "median"),
	       even > 0 ? figure(even) : "never");
}

/* On one CPU nothing can move. */
static void print_counts(json_t *row)
{
	printf(" %7s %8s", count(row, "syscalls"), count(row, "context_switches"));
	if (!pinned(row))
		printf(" %9s %9s", rate(row, "moved"), rate(row, "ipis"));
}

static void print_counts_head(bool on_one_cpu)
{
	printf(" %7s %8s", "calls", "switches");
	if (!on_one_cpu)
		printf(" %9s %9s", "moved", "IPIs");
	printf(" %6s %8s\n", "coop/", "even at");
}

static void print_switch(json_t *rows, json_t *row, const int *tasks)
{
	const char *method = text(row, "method");
	json_t *coop, *measured;

	printf("%-21s", method);
	for (; *tasks; tasks++) {
		measured = bench_find_row(rows, "switch", method, *tasks, pinned(row));
		printf(" %8s", measured ? cell(measured) : "-");
	}
	print_counts(row);
	coop = bench_find_row(rows, "switch", "coop-thread", 2, pinned(row));
	if (coop)
		print_beside(row, coop);
	printf("\n");
}

static void print_switches(json_t *rows, bool on_one_cpu)
{
	static const int tasks[] = { 2, 10, 100, 1000, 0 };
	bool headed = false;
	size_t index;
	json_t *row;

	json_array_foreach(rows, index, row) {
		if (strcmp(text(row, "operation"), "switch") ||
		    pinned(row) != on_one_cpu || whole(row, "tasks") != 2)
			continue;
		if (!headed) {
			printf("\nOne switch, tasks on %s CPU; the rest is of 2 tasks\n",
			       on_one_cpu ? "one" : "any");
			printf("%-21s", "tasks");
			for (int i = 0; tasks[i]; i++)
				printf(" %8s", amount(tasks[i]));
			print_counts_head(on_one_cpu);
			headed = true;
		}
		print_switch(rows, row, tasks);
	}
}

static void print_hop(json_t *rows, json_t *row)
{
	const char *method = text(row, "method");
	int tasks = whole(row, "tasks");
	json_t *coop;

	printf("%-21s %8s %8s", method, amount(tasks),
	       figure(number(row, "median")));
	print_counts(row);
	coop = bench_find_row(rows, "brigade",
			      strstr(method, "-socket") ? "coop-thread-socket" : "coop-thread",
			      tasks, pinned(row));
	if (coop)
		print_beside(row, coop);
	printf("\n");
}

static void print_hops(json_t *rows, bool on_one_cpu)
{
	bool headed = false;
	size_t index;
	json_t *row;

	json_array_foreach(rows, index, row) {
		if (strcmp(text(row, "operation"), "brigade") ||
		    pinned(row) != on_one_cpu)
			continue;
		if (!headed) {
			printf("\nOne hop of a byte in a chain, tasks on %s CPU\n%-21s %8s %8s",
			       on_one_cpu ? "one" : "any", "", "tasks", "hop");
			print_counts_head(on_one_cpu);
			headed = true;
		}
		print_hop(rows, row);
	}
}

static void print_floors(json_t *rows)
{
	json_t *call = bench_find_row(rows, "switch", "syscall", 1, true);
	json_t *ioctl = bench_find_row(rows, "switch", "ioctl", 1, true);

	if (call || ioctl)
		printf("\n");
	if (call)
		printf("Floor: a system call that does nothing (getppid) %s\n",
		       figure(number(call, "median")));
	if (ioctl)
		printf("Floor: an ioctl on /dev/coop (a yield, nobody READY) %s\n",
		       figure(number(ioctl, "median")));
}

static void print_memory(json_t *rows)
{
	bool headed = false;
	size_t index;
	json_t *row, *parts;

	json_array_foreach(rows, index, row) {
		parts = json_object_get(row, "parts");
		if (strcmp(text(row, "operation"), "memory") || !parts)
			continue;
		if (!headed)
			printf("\nBytes of an idle task\n%-14s %8s %10s %10s %10s %12s %12s\n",
			       "", "tasks", "all", "user RSS", "slab",
			       "kernel stack", "page tables");
		headed = true;
		printf("%-14s %8s %10s", text(row, "method"),
		       amount(whole(row, "tasks")), figure(number(row, "median")));
		printf(" %10s %10s %12s %12s\n", figure(number(parts, "rss")),
		       figure(number(parts, "slab")),
		       figure(number(parts, "kernel_stack")),
		       figure(number(parts, "page_tables")));
	}
}

/* Its p99, p50 and memory are rows of their own, of which p99 leads. */
static void print_stall(json_t *rows, json_t *p99)
{
	const char *method = text(p99, "method");
	int tasks = whole(p99, "tasks");
	json_t *p50, *memory, *epoll;

	p50 = bench_find_row(rows, "stall-p50", method, tasks, true);
	memory = bench_find_row(rows, "stall-memory", method, tasks, true);
	epoll = bench_find_row(rows, "stall-p99", "epoll", tasks, true);
	printf("%-20s %11s %12s %12s", method, amount(tasks),
	       figure(number(p50, "median")), figure(number(p99, "median")));
	if (epoll && number(epoll, "median"))
		printf(" %9.4f", number(p99, "median") / number(epoll, "median"));
	else
		printf(" %9s", "-");
	printf(" %12s\n", figure(number(memory, "median")));
}

static void print_stalls(json_t *rows)
{
	bool headed = false;
	size_t index;
	json_t *row;

	json_array_foreach(rows, index, row) {
		if (strcmp(text(row, "operation"), "stall-p99"))
			continue;
		if (!headed)
			printf("\nA request in a hundred makes the server block for 50 ms: how\n"
			       "long the others take from when they were due to their reply,\n"
			       "in ns of the guest's clock (also where that counts\n"
			       "instructions); and bytes of a connection\n"
			       "%-20s %11s %12s %12s %9s %12s\n",
			       "", "connections", "p50", "p99", "p99/epoll", "memory");
		headed = true;
		print_stall(rows, row);
	}
	if (headed)
		printf("coop-thread-atomic awaits its requests: to wait in read() would keep\n"
		       "the turn of such a group.\n");
}

void bench_print_report(json_t *report)
{
	json_t *rows = json_object_get(report, "results");

	print_summary(rows, text(json_object_get(report, "environment"), "unit"));
	print_switches(rows, true);
	print_switches(rows, false);
	print_hops(rows, true);
	print_hops(rows, false);
	print_floors(rows);
	print_memory(rows);
	print_stalls(rows);
	printf("\neven at: the price of a system call, in the unit above and on top of what it\n"
	       "costs here, beyond which the order of coop-thread and that method turns over.\n"
	       "*: most of these calls came back without a switch, so it is no price of one.\n"
	       "-: not counted. For memory and stall a count of calls would mean nothing: what\n"
	       "they measure is not spent in calls. For others perf counts them, as root only.\n"
	       "moved: how often the turn went on to another CPU. IPIs: how often a CPU had to\n"
	       "interrupt another, for this or for anything else.\n");
}
