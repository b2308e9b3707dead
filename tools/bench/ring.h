/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A ring of tasks, each of which runs when its turn comes. */
#ifndef RING_H
#define RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/**
 * struct seat - one task of a ring
 * @ring: the ring
 * @next: who runs after this one
 * @thread: runs it
 * @hops: how often it passed its turn on
 * @id: coop: the task's id, 0 before its first turn
 * @word: futex, mutex and condition: 1 when it is this one's turn
 * @wakeup: condition: signalled then
 * @in: pipe, eventfd, socket: readable then
 * @out: what makes @in readable
 *
 * On a cache line of its own, so that counting disturbs nobody.
 */
struct seat {
	struct ring *ring;
	struct seat *next;
	pthread_t thread;
	atomic_long hops;
	int id;
	atomic_int word;
	pthread_cond_t wakeup;
	int in, out;
} __attribute__((aligned(64)));

/**
 * struct ring_method - a way to take turns
 * @name: what the report calls it
 * @first: opens what all seats share; NULL if nothing. 0 or an errno value
 * @open: opens what one seat needs; NULL if nothing. 0 or an errno value
 * @close: undoes @open
 * @last: undoes @first
 * @enter: waits for a seat's first turn. Called by the seat's thread
 * @hop: passes the turn on and waits for the next
 * @leave: passes the turn on for good
 * @seated: how many wait for a turn now; NULL if it does not matter
 * @fifo: run as SCHED_FIFO
 * @pinned_only: takes turns only where there is one CPU
 * @alone: makes sense for one task alone
 */
struct ring_method {
	const char *name;
	int (*first)(struct ring *ring);
	int (*open)(struct seat *seat);
	void (*close)(struct seat *seat);
	void (*last)(struct ring *ring);
	void (*enter)(struct seat *seat);
	void (*hop)(struct seat *seat);
	void (*leave)(struct seat *seat);
	int (*seated)(struct ring *ring);
	bool fifo, pinned_only, alone;
};

/**
 * struct ring - tasks that take turns by one method
 * @method: that method
 * @tasks: how many
 * @opened: how many seats are to be closed
 * @seats: all of them; the first one measures
 * @started: threads that are about to wait for their first turn
 * @stop: everybody leaves
 * @free: not on one CPU, so that each turn's CPU is looked at
 * @cpu: of the turn before
 * @moved: how often the next one was elsewhere
 * @fd: coop: the group
 * @mutex: condition: guards the seats' words
 */
struct ring {
	const struct ring_method *method;
	int tasks, opened;
	struct seat *seats;
	atomic_int started;
	atomic_bool stop;
	bool free;
	atomic_int cpu;
	atomic_long moved;
	int fd;
	pthread_mutex_t mutex;
};

/**
 * struct ring_operation - something that a ring measures
 * @name: what the report calls it
 * @methods: ended by one without a name
 * @tasks: how many tasks, unless the options say; ended by 0
 */
struct ring_operation {
	const char *name;
	const struct ring_method *methods;
	const int *tasks;
};

struct bench_options;

/* ring.c */
int ring_measure(const struct bench_options *options,
		 const struct ring_operation *operation);

/* methods.c, brigade.c */
extern const struct ring_method switch_methods[], brigade_methods[];

/* methods.c: a group of one turn */
int group_open(struct ring *ring);
void group_close(struct ring *ring);
void group_join(struct seat *seat);
int group_ready(struct ring *ring);
void group_call(struct ring *ring, unsigned long call, const void *what);
#define GROUP_RING .first = group_open, .last = group_close, .seated = group_ready

/* methods.c: pairs of descriptors */
int pipe_open(struct seat *seat);
int socket_open(struct seat *seat);
void fd_close(struct seat *seat);

#endif
