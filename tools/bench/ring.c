// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operations "switch" and "brigade": what it costs that one task stops and
 * another goes on.
 *
 * The tasks sit in a ring and pass one turn on. The first of them reads the
 * clock between two of its own turns, in which each of the others has had one.
 */
#include <coop.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "ring.h"

/* What the first seat measures, and with what. */
struct measure {
	const struct bench_options *options;
	struct bench_row *row;
	struct ring *ring;
	pthread_attr_t attr;
	long rounds;
	int counter;
	double syscalls;
};

/* Out of the way of rows on one CPU, which count each instruction. */
static __attribute__((noinline, cold)) void note_cpu(struct ring *ring)
{
	int cpu = sched_getcpu();

	if (cpu != atomic_exchange_explicit(&ring->cpu, cpu, memory_order_relaxed))
		atomic_fetch_add_explicit(&ring->moved, 1, memory_order_relaxed);
}

static inline void hop(struct seat *seat)
{
	seat->ring->method->hop(seat);
	atomic_store_explicit(&seat->hops, seat->hops + 1, memory_order_relaxed);
	if (seat->ring->free)
		note_cpu(seat->ring);
}

static void *sit(void *arg)
{
	struct seat *seat = arg;
	struct ring *ring = seat->ring;

	atomic_fetch_add(&ring->started, 1);
	ring->method->enter(seat);
	while (!atomic_load_explicit(&ring->stop, memory_order_relaxed))
		hop(seat);
	ring->method->leave(seat);
	return NULL;
}

static long all_hops(const struct ring *ring)
{
	long hops = 0;

	for (int i = 0; i < ring->tasks; i++)
		hops += ring->seats[i].hops;
	return hops;
}

static void go_round(struct seat *seat, long rounds)
{
	for (long i = 0; i < rounds; i++)
		hop(seat);
}

/* Make the other tasks, and wait until all of them want a turn. */
static int seat_others(struct measure *measure)
{
	struct ring *ring = measure->ring;
	int ret;

	for (int i = 1; i < ring->tasks; i++) {
		ret = pthread_create(&ring->seats[i].thread, &measure->attr, sit,
				     &ring->seats[i]);
		if (ret) {
			bench_complain("%s: thread %d of %d cannot be made: %s",
				       ring->method->name, i + 1, ring->tasks,
				       strerror(ret));
			ring->tasks = i;
			ring->seats[i - 1].next = &ring->seats[0];
			return ret;
		}
	}
	while (atomic_load(&ring->started) < ring->tasks - 1 ||
	       (ring->method->seated &&
		ring->method->seated(ring) < ring->tasks - 1))
		usleep(1000);
	return 0;
}

/* What happened since, for each of so many hops; negative if not known. */
static double each(double before, double now, double hops)
{
	return before < 0 || now < 0 ? -1 : (now - before) / hops;
}

static void time_runs(struct measure *measure, struct seat *seat)
{
	struct bench_row *row = measure->row;
	double start, switches, ipis, hops = 0;
	long before, moved;

	moved = seat->ring->moved;
	ipis = bench_ipis();
	switches = bench_context_switches();
	for (int i = 0; i < measure->options->runs; i++) {
		before = all_hops(seat->ring);
		start = bench_clock();
		go_round(seat, measure->rounds);
		row->samples[i] = bench_clock() - start;
		row->samples[i] /= all_hops(seat->ring) - before;
		hops += all_hops(seat->ring) - before;
	}
	row->context_switches = each(switches, bench_context_switches(), hops);
	row->ipis = each(ipis, bench_ipis(), hops);
	row->moved = (seat->ring->moved - moved) / hops;
	row->runs = measure->options->runs;
}

static void count_syscalls(struct measure *measure, struct seat *seat)
{
	double before;
	long hops;

	hops = all_hops(seat->ring);
	before = bench_syscalls(measure->counter);
	go_round(seat, measure->rounds);
	/* One of them was the first reading. */
	measure->syscalls = bench_syscalls(measure->counter) - before - 1;
	measure->syscalls /= all_hops(seat->ring) - hops;
}

/* The first seat; there are no others while it makes them. */
static void *preside(void *arg)
{
	struct measure *measure = arg;
	struct ring *ring = measure->ring;
	struct seat *seat = &ring->seats[0];

	seat->word = 1;
	if (ring->method->seated)
		ring->method->enter(seat);
	if (!seat_others(measure)) {
		/* Warm up; the others get their first turns. */
		go_round(seat, measure->rounds < 2 ? 2 : measure->rounds);
		if (measure->counter < 0)
			time_runs(measure, seat);
		else
			count_syscalls(measure, seat);
	}
	atomic_store(&ring->stop, true);
	ring->method->leave(seat);
	for (int i = 1; i < ring->tasks; i++)
		pthread_join(ring->seats[i].thread, NULL);
	return NULL;
}

static int open_seats(struct ring *ring)
{
	int ret = ring->method->first ? ring->method->first(ring) : 0;

	if (ret)
		return ret;
	while (!ret && ring->opened < ring->tasks) {
		struct seat *seat = &ring->seats[ring->opened];

		seat->ring = ring;
		seat->next = &ring->seats[(ring->opened + 1) % ring->tasks];
		ret = ring->method->open ? ring->method->open(seat) : 0;
		if (!ret)
			ring->opened++;
	}
	return ret;
}

static void close_seats(struct ring *ring)
{
	for (int i = 0; ring->method->close && i < ring->opened; i++)
		ring->method->close(&ring->seats[i]);
	if (ring->method->last)
		ring->method->last(ring);
}

static void set_attributes(struct measure *measure)
{
	const struct ring_method *method = measure->ring->method;
	struct sched_param fifo = { .sched_priority = 1 };
	pthread_attr_t *attr = &measure->attr;
	size_t stack = measure->options->stack;
	cpu_set_t cpu;

	pthread_attr_init(attr);
	/* 10,000 threads of 8 MiB would hit limits that are not the subject. */
	pthread_attr_setstacksize(attr, stack ? stack : 64 * 1024);
	if (method->fifo) {
		pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(attr, SCHED_FIFO);
		pthread_attr_setschedparam(attr, &fifo);
	}
	if (measure->row->pinned) {
		CPU_ZERO(&cpu);
		CPU_SET(bench_first_cpu(), &cpu);
		pthread_attr_setaffinity_np(attr, sizeof(cpu), &cpu);
	}
}

/* One ring, either timed or with its system calls counted. */
static int run_ring(struct measure *measure, const struct ring_method *method)
{
	struct ring ring = {
		.method = method,
		.tasks = measure->row->tasks,
		.free = !measure->row->pinned,
	};
	pthread_t first;
	int ret;

	ring.seats = aligned_alloc(64, ring.tasks * sizeof(struct seat));
	if (!ring.seats)
		return ENOMEM;
	memset(ring.seats, 0, ring.tasks * sizeof(struct seat));
	ret = open_seats(&ring);
	if (!ret) {
		measure->ring = &ring;
		set_attributes(measure);
		ret = pthread_create(&first, &measure->attr, preside, measure);
		if (!ret)
			pthread_join(first, NULL);
		pthread_attr_destroy(&measure->attr);
	}
	close_seats(&ring);
	free(ring.seats);
	return ret;
}

static void explain_skip(const struct bench_row *row,
			 const struct ring_method *method, int error)
{
	const char *why = strerror(error);

	if (method->first && method->seated)
		why = coop_explain(-error);
	else if (method->fifo && error == EPERM)
		why = "SCHED_FIFO needs root or CAP_SYS_NICE";
	else if (error == EMFILE)
		why = "too many descriptors: raise `ulimit -n`";
	bench_complain("%s %s, %d tasks: not measured: %s", row->operation,
		       method->name, row->tasks, why);
}

static int time_row(struct measure *measure, const struct ring_method *method)
{
	struct bench_row *row = measure->row;
	int ret;

	bench_progress(measure->options, "%s %s, %d tasks, %s", row->operation,
		       row->method, row->tasks, row->pinned ? "one CPU" : "any CPU");
	ret = run_ring(measure, method);
	if (!ret && row->runs) {
		bench_add_row(measure->options, row);
		return 0;
	}
	if (ret)
		explain_skip(row, method, ret);
	/* What the user may not do is no failure of what they may. */
	return ret != EPERM || !method->fifo;
}

static int count_row(struct measure *measure, const struct ring_method *method)
{
	struct bench_row *row = measure->row;
	json_t *timed;

	timed = bench_find_row(measure->options->rows, row->operation,
			       row->method, row->tasks, row->pinned);
	if (!timed)
		return 0;
	bench_progress(measure->options, "%s %s, %d tasks: system calls",
		       row->operation, row->method, row->tasks);
	measure->counter = bench_open_syscall_counter();
	if (measure->counter >= 0) {
		if (!run_ring(measure, method))
			bench_set_syscalls(timed, measure->syscalls);
		close(measure->counter);
	}
	return 0;
}

static int measure_row(const struct bench_options *options,
		       const struct ring_operation *operation, bool count,
		       const struct ring_method *method, int tasks, bool pinned)
{
	struct bench_row row = {
		.operation = operation->name,
		.method = method->name,
		.tasks = tasks,
		.pinned = pinned,
		BENCH_NO_COUNTS,
	};
	struct measure measure = {
		.options = options,
		.row = &row,
		.counter = -1,
		.syscalls = -1,
	};
	long operations = options->operations;

	if (!operations)
		operations = bench_counts_instructions() ? 2000 : 20000;
	measure.rounds = operations / tasks > 2 ? operations / tasks : 2;
	return count ? count_row(&measure, method) : time_row(&measure, method);
}

void bench_raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int measure_method(const struct bench_options *options,
			  const struct ring_operation *operation, bool count,
			  const struct ring_method *method, bool pinned)
{
	const int *tasks = options->tasks[0] ? options->tasks : operation->tasks;
	int failed = 0;

	if (method->alone)
		return measure_row(options, operation, count, method, 1, pinned);
	for (; *tasks; tasks++)
		if (*tasks > 1)
			failed |= measure_row(options, operation, count, method,
					      *tasks, pinned);
	return failed;
}

static int measure_all(const struct bench_options *options,
		       const struct ring_operation *operation, bool count)
{
	const struct ring_method *method;
	int failed = 0;

	for (int pinned = 1; pinned >= 0; pinned--) {
		if (options->placement == (pinned ? UNPINNED : PINNED))
			continue;
		/* On one CPU, any CPU is that one. */
		if (!pinned && bench_cpus() < 2)
			continue;
		for (method = operation->methods; method->name; method++) {
			if (!bench_wanted(options, method->name))
				continue;
			if (!pinned && (method->pinned_only || method->alone))
				continue;
			failed |= measure_method(options, operation, count,
						 method, pinned);
		}
	}
	return failed;
}

/**
 * ring_measure() - measure an operation by each method that is asked for
 * @options: what is asked for, and where the rows go
 * @operation: that
 *
 * Return: 0, or 1 if something could not be measured.
 */
int ring_measure(const struct bench_options *options,
		 const struct ring_operation *operation)
{
	int failed, counter;

	bench_raise_descriptor_limit();
	failed = measure_all(options, operation, false);
	counter = options->time_only ? -1 : bench_open_syscall_counter();
	if (counter >= 0) {
		measure_all(options, operation, true);
		bench_close_syscall_counter(counter);
	}
	return failed;
}
