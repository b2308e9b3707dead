/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the library share.
 *
 *	sys.c		the device's calls, one by one
 *	options.c	structures that carry their size
 *	group.c		groups; what happens at fork()
 *	self.c		the calling thread as a task, and its end
 *	task.c		tasks that were spawned
 *	wait.c		what a task calls to wait: events, deadlines, wakes
 *	io.c		reading and writing that waits so
 *	mutex.c		mutexes and conditions
 *	count.c		semaphores and wait groups
 *	channel.c	channels
 *	offload.c	functions run by threads that are no tasks
 *	queue.c		tasks that wait for one of these
 *	waiter.c	how the library itself lets a task wait for another
 *	explain.c	errors in words
 *
 * A thread is at most one task at a time, coop_self(). A spawned thread has a
 * struct coop_task of its own, made by the spawner and freed by whoever joins
 * it; if it leaves and enters its group again, it is that one again. For any
 * other use of coop_enter() a thread has one struct in its thread-local
 * storage, so that entering allocates nothing.
 *
 * Locks: group.c and offload.c have one around their lists, and each object that tasks share has
 * one, see queue.c. All the rest is either one thread's
 * own, or atomic and described at struct coop_task.
 */
#ifndef COOP_INTERNAL_H
#define COOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* All is hidden, see the Makefile, but what the public header declares. */
#pragma GCC visibility push(default)
#include <coop.h>
#pragma GCC visibility pop

/**
 * struct coop_group - a descriptor of the device
 * @fd: that descriptor
 * @users: tasks that keep coop_close() from freeing the group
 * @next: in the list of this process's groups
 */
struct coop_group {
	int fd;
	atomic_uint users;
	struct coop_group *next;
};

/**
 * struct coop_waiter - a task that waits for another thread to tell it
 * @task: that task
 * @fd: its group's descriptor
 * @id: its id
 * @done: it was told. From then on the struct may be gone
 * @next: in the list it is in, if any
 * @queued: that is the queue it waits in. With the lock of what it waits for
 * @item: what it wants to send, or where to receive to. Likewise
 * @closed: its wait ended because the channel is closed. Likewise
 *
 * It lives on the task's stack.
 */
struct coop_waiter {
	struct coop_task *task;
	int fd;
	int id;
	atomic_bool done;
	struct coop_waiter *next;
	bool queued;
	void *item;
	bool closed;
};

/**
 * enum coop_fate - who frees a spawned task
 * @COOP_FATE_OPEN: it runs, and nobody has said
 * @COOP_FATE_DETACHED: its thread, when it ends
 * @COOP_FATE_ENDED: coop_join() or coop_detach(), since the thread is done
 */
enum coop_fate {
	COOP_FATE_OPEN,
	COOP_FATE_DETACHED,
	COOP_FATE_ENDED,
};

/**
 * struct coop_task - a thread that takes turns
 * @group: its group
 * @id: what the kernel calls it; -EBUSY while it has none yet, -ESRCH when it
 *	has none any more. Its thread writes, all read
 * @permit: the next coop_park() returns at once. Its thread writes, and before
 *	it has an id, who wakes it
 * @pid: process that spawned it; 0 if it was not spawned
 * @thread: of a spawned task. Set by the spawner
 * @fate: an enum coop_fate, exchanged by thread and owner: the second to come
 *	frees
 * @joiner: a task that waits for the end of this one; a mark after that
 * @error: what kept it from running @fn. Its thread writes, the joiner reads
 * @result: what @fn returned. Likewise
 * @fn: what it runs
 * @arg: what @fn gets
 * @name: of the thread; empty for the spawner's
 */
struct coop_task {
	struct coop_group *group;
	atomic_int id;
	atomic_bool permit;
	pid_t pid;
	pthread_t thread;
	atomic_int fate;
	struct coop_waiter *_Atomic joiner;
	int error;
	int result;
	int (*fn)(void *arg);
	void *arg;
	char name[COOP_NAME_MAX + 1];
};

/* options.c */
int coop_copy_options(void *to, size_t size, size_t size_v1, const void *from);

/* group.c */
void coop_group_get(struct coop_group *group);
void coop_group_put(struct coop_group *group);

/* self.c */
int coop_thread_init(void);
int coop_thread_begin(struct coop_task *task);
void coop_thread_end(void *unused);
void coop_thread_forked(void);
bool coop_thread_is(const struct coop_task *task);

/* task.c */
void coop_task_end(struct coop_task *task);

/* wait.c */
struct coop_wait coop_wait_for(unsigned int flags, uint64_t deadline);

/* offload.c */
void coop_offload_fork(bool before);
void coop_offload_forked(void);

/* queue.c */
struct coop_waiter *coop_queue_pop(struct coop_queue *queue);
struct coop_waiter *coop_queue_pop_all(struct coop_queue *queue);
void coop_queue_go(struct coop_waiter *waiters);
int coop_queue_wait(struct coop_queue *queue, pthread_mutex_t *lock,
		    struct coop_waiter *waiter, uint64_t deadline);
int coop_may_wait(uint64_t deadline);

/* waiter.c */
void coop_waiter_init(struct coop_waiter *waiter);
int coop_waiter_wait(struct coop_waiter *waiter, uint64_t deadline);
void coop_waiter_settle(struct coop_waiter *waiter);
void coop_waiter_go(struct coop_waiter *waiter);

#endif /* COOP_INTERNAL_H */
