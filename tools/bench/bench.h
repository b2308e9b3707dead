/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * coopbench: what taking turns costs.
 *
 *	main.c		options; runs the operations asked for
 *	ring.c		a ring of tasks that take turns
 *	methods.c	operation "switch": the ways that tasks can take turns
 *	brigade.c	operation "brigade": the ways that tasks can await a pipe
 *	create.c	operation "create"
 *	memory.c	operation "memory"
 *	stall.c		operation "stall": a server, one of whose requests blocks
 *	usage.c		what a process holds
 *	late.c		ways to block
 *	counters.c	time, and system calls, context switches, interrupts
 *	environment.c	on what it was measured
 *	results.c	statistics, and results as JSON and CSV
 *	table.c		results for people
 */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define BENCH_RUNS_MAX 1000

/**
 * struct bench_options - what to measure
 * @tasks: numbers of tasks, ended by 0; empty for the operation's own
 * @methods: a comma-separated list, or NULL for all
 * @runs: measured runs of each row; one more comes first, to warm up
 * @operations: operations per run, at the least; 0 for what suits the clock
 * @stack: size of a thread's stack in bytes; 0 for the system's default
 * @placement: which of pinned and unpinned rows to measure
 * @time_only: system calls are not to be counted
 * @rows: where results go
 * @progress: tell on stderr what is being measured
 */
struct bench_options {
	int tasks[16];
	const char *methods;
	int runs;
	long operations;
	size_t stack;
	enum {
		BOTH,
		PINNED,
		UNPINNED
	} placement;
	json_t *rows;
	bool time_only, progress;
};

/**
 * struct bench_row - one result
 * @operation: "switch", "create", "memory", "stall-p50" and the like
 * @method: by which way
 * @unit: "bytes", or NULL for the clock's
 * @tasks: how many took part
 * @pinned: on one CPU
 * @runs: how many of @samples are there
 * @samples: per operation, one for each run
 * @context_switches: per operation; negative if not known
 * @moved: how often the turn went to another CPU, likewise
 * @ipis: interrupts that CPUs send each other, likewise
 * @parts: an object with what the samples' median consists of, or NULL
 */
struct bench_row {
	const char *operation, *method, *unit;
	int tasks;
	bool pinned;
	int runs;
	double samples[BENCH_RUNS_MAX];
	double context_switches, moved, ipis;
	json_t *parts;
};

/* For rows of which these are not known, or not of interest. */
#define BENCH_NO_COUNTS .context_switches = -1, .moved = -1, .ipis = -1

#define BENCH_USAGE_PARTS 4

/**
 * struct bench_usage - memory that a process holds
 * @bytes: of user space, slab, kernel stacks and page tables
 */
struct bench_usage {
	double bytes[BENCH_USAGE_PARTS];
};

/* One for each operation: return 0, or 1 if something failed */
int bench_switch(const struct bench_options *options);
int bench_brigade(const struct bench_options *options);
int bench_create(const struct bench_options *options);
int bench_memory(const struct bench_options *options);
int bench_stall(const struct bench_options *options);

/* stall.c: its methods' names by number; NULL after the last */
const char *bench_stall_method(int number);

/* ring.c */
void bench_raise_descriptor_limit(void);

/* results.c */
void bench_add_row(const struct bench_options *options,
		   const struct bench_row *row);
void bench_set_syscalls(json_t *row, double syscalls);
json_t *bench_find_row(json_t *rows, const char *operation, const char *method,
		       int tasks, bool pinned);
bool bench_wanted(const struct bench_options *options, const char *method);
int bench_write_json(const char *path, json_t *report);
int bench_write_csv(const char *path, json_t *report);
json_t *bench_read_json(const char *path);
int bench_merge(json_t *report, json_t *more, const char *path);

/* table.c */
void bench_print_headline(json_t *environment);
void bench_print_row(json_t *row);
void bench_print_report(json_t *report);

/* environment.c */
json_t *bench_environment(void);
const char *bench_unit(void);
bool bench_counts_instructions(void);
int bench_first_cpu(void);
int bench_cpus(void);
void bench_pin(bool on);
int bench_hurry(void);

/* usage.c */
void bench_read_usage(struct bench_usage *usage);
void bench_usage_since(struct bench_usage *before, int tasks);
void bench_note_usages(struct bench_row *row, struct bench_usage *usages);
int bench_in_process(int (*run)(const void *what, void *result),
		     const void *what, void *result, size_t size);

/* counters.c */
double bench_clock(void);
double bench_context_switches(void);
double bench_ipis(void);
int bench_open_syscall_counter(void);
double bench_syscalls(int counter);
void bench_close_syscall_counter(int counter);

/* main.c: one line on stderr, cleared when the next thing is printed */
void bench_progress(const struct bench_options *options, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void bench_complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
