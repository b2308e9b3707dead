/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libcoop: tasks that take turns.
 *
 * A group has a number of turns, by default one. A task runs only while it
 * has one of them, so with one turn no two tasks of the group ever run at the
 * same time, on however many CPUs. A task passes its turn on with coop_yield()
 * or hands it to a task of its choice with coop_yield_to().
 *
 * In this version every task is a thread: one that coop_spawn() made, or an
 * existing one that called coop_enter(). A task that blocks in the kernel gives
 * its turn to the next, and waits for one before it goes on, unless its group is
 * COOP_GROUP_ATOMIC. A task that awaits (coop_await(), coop_sleep(),
 * coop_park() and all that takes a deadline) gives it up in any group.
 *
 * All functions return zero or a positive value, or a negative errno value,
 * except the two that say otherwise. errno itself is left alone. NULL where
 * an object is needed gives -EINVAL.
 *
 * All functions may be called by any thread at any time, with what was said
 * at each about the objects' ends. coop_yield(), coop_yield_to(), coop_self(),
 * coop_id(), coop_fd() and the coop_sys_ calls but coop_sys_open() may also be
 * called from a signal handler. libcoop(7) tells of signals, cancellation,
 * pthread_exit() and fork().
 */
#ifndef COOP_H
#define COOP_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <linux/coop.h>

#ifdef __cplusplus
extern "C" {
#endif

/** COOP_AWAITS - the call may end without what it was made for: look */
#define COOP_AWAITS __attribute__((__warn_unused_result__))

/** COOP_FOREVER - deadline: none */
#define COOP_FOREVER UINT64_MAX

/** COOP_NOW - deadline: do not wait at all */
#define COOP_NOW UINT64_C(0)

/** struct coop_group - tasks that share turns; coop_open() makes one */
struct coop_group;

/** struct coop_task - one of them; coop_spawn() and coop_enter() make one */
struct coop_task;

/**
 * struct coop_options - what a group shall be like
 * @size: sizeof(struct coop_options), which COOP_OPTIONS_INIT sets; it lets
 *	the structure grow. 0 means its first version
 * @turns: how many tasks may run at once, 1 to COOP_TURNS_MAX; 0 means 1
 * @flags: COOP_GROUP_* bits, or zero
 */
struct coop_options {
	size_t size;
	unsigned int turns;
	unsigned int flags;
};

/** COOP_OPTIONS_INIT - initializer: the defaults */
#define COOP_OPTIONS_INIT                         \
	{                                         \
		sizeof(struct coop_options), 0, 0 \
	}

/**
 * struct coop_task_options - what a spawned task shall be like
 * @size: sizeof(struct coop_task_options), which COOP_TASK_OPTIONS_INIT sets;
 *	it lets the structure grow. 0 means its first version
 * @stack_size: bytes for its stack; 0 means what pthread_create() gives
 * @name: what ps and debuggers shall call its thread, at most
 *	COOP_NAME_MAX characters; NULL means the caller's name. Copied
 */
struct coop_task_options {
	size_t size;
	size_t stack_size;
	const char *name;
};

/** COOP_TASK_OPTIONS_INIT - initializer: the defaults */
#define COOP_TASK_OPTIONS_INIT                            \
	{                                                 \
		sizeof(struct coop_task_options), 0, NULL \
	}

/** COOP_NAME_MAX - the longest name of a task, its final NUL not counted */
#define COOP_NAME_MAX 15

/*
 * Groups
 */

/**
 * coop_open() - make a group
 * @group: set to the new group, and left alone on failure
 * @options: what it shall be like; NULL for the defaults
 *
 * The caller does not become a task of it.
 *
 * Return: 0, or
 * -ENOENT, -EACCES or another error of open(2): see coop_explain();
 * -ENOTTY: the environment variable COOP_DEVICE names another kind of device;
 * -EINVAL: also, an option that is out of its range or unknown;
 * -E2BIG: options that this version does not know are not zero;
 * -ENOMEM, -EAGAIN: the process is out of memory or of thread-specific keys.
 */
int coop_open(struct coop_group **group, const struct coop_options *options);

/**
 * coop_close() - close a group's descriptor and free the group
 * @group: not to be used afterwards, unless the call failed
 *
 * The group lives on in other processes that have its descriptor.
 *
 * Return: 0, or
 * -EBUSY: a task was spawned into it and is not joined yet, or detached and
 *	has not ended, or a thread has entered it and not left.
 */
int coop_close(struct coop_group *group);

/**
 * coop_fd() - the group's descriptor, for the coop_sys_ calls and for passing
 * @group: that group, which goes on owning it
 *
 * Return: the descriptor.
 */
int coop_fd(const struct coop_group *group);

/*
 * Spawned tasks
 */

/**
 * coop_spawn() - make a thread that is a task
 * @group: the task's group
 * @task: set to the new task, and left alone on failure
 * @fn: what it runs, once it has a turn
 * @arg: what @fn gets
 * @options: what the task shall be like; NULL for the defaults
 *
 * Returns without waiting for the new task's first turn, since the caller may
 * have the only one. So an error of the new thread's JOIN (-ENOMEM, -ENOSPC)
 * shows at coop_join(), and @fn is not called then.
 *
 * The task ends when @fn returns, or by pthread_exit() or cancellation. It is
 * freed by coop_join(), or at its end after coop_detach().
 *
 * Return: 0, or
 * -EAGAIN: no more threads can be made now: see pthread_create(3);
 * -EINVAL: also, a name longer than COOP_NAME_MAX or a stack too small;
 * -E2BIG: options that this version does not know are not zero;
 * -ENOMEM: out of memory.
 */
int coop_spawn(struct coop_group *group, struct coop_task **task,
	       int (*fn)(void *arg), void *arg,
	       const struct coop_task_options *options);

/**
 * coop_join() - wait for the end of a spawned task, and free it
 * @task: not to be used afterwards, unless nothing was waited for
 * @result: set to what its function returned, or to -ECANCELED if it ended by
 *	pthread_exit() or cancellation; may be NULL
 *
 * A caller that is a task itself gives up its turn while it waits.
 *
 * Return: 0, or
 * -EDEADLK: the task is the caller; it is not freed;
 * -EINVAL: also, the task was not spawned; it is not freed;
 * -ESRCH: it was spawned before a fork(), in the parent; it is not freed;
 * -ENOMEM, -ENOSPC: it could not join its group, so that its function never
 *	ran and @result was left alone; it is freed.
 */
int coop_join(struct coop_task *task, int *result);

/**
 * coop_detach() - let a spawned task free itself when it ends
 * @task: not to be used afterwards, except by itself
 *
 * Return: 0, or
 * -EINVAL: also, the task was not spawned;
 * -ESRCH: it was spawned before a fork(), in the parent.
 */
int coop_detach(struct coop_task *task);

/**
 * coop_id() - the id that the kernel knows a task by
 * @task: that task
 *
 * Return: the id, which is positive, or
 * -EBUSY: it has not had its first turn yet;
 * -ESRCH: it has ended or left.
 */
int coop_id(const struct coop_task *task);

/*
 * The calling thread
 */

/**
 * coop_enter() - the calling thread becomes a task, and waits for a turn
 * @group: of this group
 *
 * It stays one until coop_leave() or its end.
 *
 * Return: 0, or
 * -EBUSY: it is a task already, of this or another group;
 * -ENOMEM: out of memory;
 * -ENOSPC: the group is full.
 */
int coop_enter(struct coop_group *group);

/**
 * coop_leave() - the calling thread stops being a task, and passes its turn on
 *
 * For a long call that blocks, for instance. A spawned task may leave, too,
 * and go on as an ordinary thread; it is joined as ever.
 *
 * Return: 0, or
 * -EPERM: the calling thread is not a task.
 */
int coop_leave(void);

/**
 * coop_yield() - let the task at the head of READY run
 *
 * Returns when the caller has a turn again; at once if nobody is READY.
 *
 * Return: 0, or
 * -EPERM: the calling thread is not a task.
 */
int coop_yield(void);

/**
 * coop_yield_to() - hand the turn over to a task
 * @task: READY and of the caller's group
 *
 * Returns when the caller, who goes to the tail of READY, has a turn again.
 *
 * Return: 0, or
 * -EBUSY: @task is not READY, or has not had its first turn yet;
 * -EDEADLK: @task is the caller;
 * -EPERM: the calling thread is not a task;
 * -ESRCH: @task has ended or left, or is of another group.
 */
int coop_yield_to(struct coop_task *task);

/**
 * coop_self() - which task is the calling thread?
 *
 * What coop_enter() made stays where it is until the thread's end.
 *
 * Return: the task, or NULL if it is none.
 */
struct coop_task *coop_self(void);

/*
 * Awaiting: the calling task gives up its turn until something happens.
 *
 * Deadlines are nanoseconds of CLOCK_MONOTONIC. One that has passed makes the
 * call look once and return. No signal ends a wait.
 */

/**
 * coop_deadline() - the time that is so far from now
 * @ns: in nanoseconds
 *
 * Return: that, or COOP_FOREVER if it is too far.
 */
uint64_t coop_deadline(uint64_t ns);

/**
 * coop_await() - wait until a descriptor is ready
 * @fd: any that poll(2) takes, except the task's own group
 * @events: as in poll(2); POLLERR and POLLHUP are always waited for
 * @deadline: until when, or COOP_FOREVER
 *
 * Keeps the turn if it is ready already.
 *
 * Return: its events, which are not 0, or
 * -EBADF: @fd is not open;
 * -EINVAL: also, @events has a bit that poll(2) has not;
 * -ENOMEM: out of memory;
 * -EPERM: the calling thread is not a task;
 * -ETIME: the deadline has passed.
 */
COOP_AWAITS int coop_await(int fd, short events, uint64_t deadline);

/**
 * coop_sleep() - wait until a time
 * @deadline: that time: for a while, use coop_deadline()
 *
 * Return: 0, or
 * -EINVAL: @deadline is COOP_FOREVER: see coop_park();
 * -EPERM: the calling thread is not a task.
 */
COOP_AWAITS int coop_sleep(uint64_t deadline);

/**
 * coop_park() - wait until somebody wakes the task
 * @deadline: until when, or COOP_FOREVER
 *
 * A wake that came before counts. It may return without one, so it belongs
 * into a loop that looks for what the task waits for.
 *
 * Return: 0, or
 * -EPERM: the calling thread is not a task;
 * -ETIME: the deadline has passed.
 */
COOP_AWAITS int coop_park(uint64_t deadline);

/**
 * coop_wake() - end a task's coop_park(), or its next one
 * @task: that task, which becomes READY
 *
 * Any thread may call it.
 *
 * Return: 0, or
 * -ESRCH: @task has ended or left.
 */
int coop_wake(struct coop_task *task);

/**
 * coop_call() - wake a task, hand it the turn, and park
 * @task: of the caller's group
 * @deadline: until when to wait for a wake, or COOP_FOREVER
 *
 * As coop_wake() and coop_park() in one call, with @task next to run: how to
 * call a server and wait for its reply. As with coop_park(), look in a loop.
 *
 * Return: 0, or
 * -EDEADLK: @task is the caller;
 * -EPERM: the calling thread is not a task;
 * -ESRCH: @task has ended or left, or is of another group;
 * -ETIME: the deadline has passed; @task was woken.
 */
COOP_AWAITS int coop_call(struct coop_task *task, uint64_t deadline);

/*
 * Input and output: as the system calls they are named after on a descriptor
 * that blocks, but the task gives up its turn instead. They fail as those do,
 * and with -EPERM if the calling thread is not a task, -ETIME if the deadline
 * has passed, and the errors of coop_await(). A signal does not end them. They
 * are cancellation points.
 *
 * The descriptor may be set to O_NONBLOCK or not. If it is not, and no socket,
 * a call may block if another reader or writer was quicker; so may a file on a
 * disk, and coop_accept().
 */

/**
 * coop_read() - read what there is, and wait if there is nothing
 *
 * Return: as read(2).
 */
COOP_AWAITS ssize_t coop_read(int fd, void *buffer, size_t size,
			      uint64_t deadline);

/**
 * coop_write() - write all
 *
 * Return: @size, or less if an error or the deadline came after a part; an
 * error only if nothing was written.
 */
COOP_AWAITS ssize_t coop_write(int fd, const void *buffer, size_t size,
			       uint64_t deadline);

/**
 * coop_recv() - receive what there is, and wait if there is nothing
 * @flags: as of recv(2); MSG_WAITALL has no effect
 *
 * Return: as recv(2).
 */
COOP_AWAITS ssize_t coop_recv(int fd, void *buffer, size_t size, int flags,
			      uint64_t deadline);

/**
 * coop_send() - send all
 * @flags: as of send(2), MSG_NOSIGNAL for instance
 *
 * Return: as coop_write().
 */
COOP_AWAITS ssize_t coop_send(int fd, const void *buffer, size_t size,
			      int flags, uint64_t deadline);

/**
 * coop_accept() - accept a connection
 * @flags: as of accept4(2): SOCK_CLOEXEC, SOCK_NONBLOCK
 *
 * Return: its descriptor.
 */
COOP_AWAITS int coop_accept(int fd, struct sockaddr *address, socklen_t *size,
			    int flags, uint64_t deadline);

/**
 * coop_connect() - connect a socket
 *
 * After -ETIME the attempt goes on, and the same call waits for it again. The
 * socket is O_NONBLOCK for a moment, also for others who have it.
 *
 * Return: 0, or
 * -EAGAIN: also, the queue of a listening UNIX domain socket is full.
 */
COOP_AWAITS int coop_connect(int fd, const struct sockaddr *address,
			     socklen_t size, uint64_t deadline);

/*
 * What tasks of a group share. The structures are the program's, in static or
 * other memory, and set up by their initializers; their members are the
 * library's. Nothing is allocated, and nobody makes a system call who does not
 * have to wait or to wake another. First come, first served. Tasks of several
 * groups may share an object too, but not processes.
 *
 * All calls return -EINVAL for NULL. Those with a deadline return -ETIME when
 * that has passed, and -EPERM if the calling thread is not a task; with
 * COOP_NOW they try without waiting, which any thread may, except
 * coop_mutex_lock(). The others may be called by any thread.
 */

struct coop_waiter;

/** struct coop_queue - who waits; part of the structures below */
struct coop_queue {
	struct coop_waiter *first;
	struct coop_waiter *last;
};

/** COOP_QUEUE_INIT - initializer: nobody waits */
#define COOP_QUEUE_INIT    \
	{                  \
		NULL, NULL \
	}

/** struct coop_mutex - at most one task has it locked */
struct coop_mutex {
	pthread_mutex_t lock;
	struct coop_queue queue;
	struct coop_task *owner;
};

/** COOP_MUTEX_INIT - initializer: not locked */
#define COOP_MUTEX_INIT                                          \
	{                                                        \
		PTHREAD_MUTEX_INITIALIZER, COOP_QUEUE_INIT, NULL \
	}

/**
 * coop_mutex_lock() - lock a mutex, and wait until that is possible
 * @mutex: that mutex
 * @deadline: until when, or COOP_FOREVER, or COOP_NOW
 *
 * Return: 0, -EPERM, -ETIME, or
 * -EDEADLK: the caller has it locked.
 */
COOP_AWAITS int coop_mutex_lock(struct coop_mutex *mutex, uint64_t deadline);

/**
 * coop_mutex_unlock() - unlock a mutex, and let the next task have it
 * @mutex: that mutex
 *
 * Return: 0, or
 * -EPERM: the caller has not locked it.
 */
int coop_mutex_unlock(struct coop_mutex *mutex);

/** struct coop_cond - tasks wait until another says that something changed */
struct coop_cond {
	pthread_mutex_t lock;
	struct coop_queue queue;
};

/** COOP_COND_INIT - initializer */
#define COOP_COND_INIT                                     \
	{                                                  \
		PTHREAD_MUTEX_INITIALIZER, COOP_QUEUE_INIT \
	}

/**
 * coop_cond_wait() - unlock a mutex, wait for a signal, lock it again
 * @cond: that is signalled
 * @mutex: that the caller has locked, also when the call returns
 * @deadline: until when, or COOP_FOREVER
 *
 * Look for what is waited for in a loop: others may run before the caller.
 *
 * Return: 0, -ETIME, or
 * -EPERM: also, the caller has not locked @mutex.
 */
COOP_AWAITS int coop_cond_wait(struct coop_cond *cond,
			       struct coop_mutex *mutex, uint64_t deadline);

/** coop_cond_signal() - wake the first task that waits. Return: 0 */
int coop_cond_signal(struct coop_cond *cond);

/** coop_cond_broadcast() - wake all tasks that wait. Return: 0 */
int coop_cond_broadcast(struct coop_cond *cond);

/** struct coop_sem - a number of things that tasks take and give back */
struct coop_sem {
	pthread_mutex_t lock;
	struct coop_queue queue;
	unsigned int count;
};

/** COOP_SEM_INIT() - initializer: so many are there */
#define COOP_SEM_INIT(count)                                        \
	{                                                           \
		PTHREAD_MUTEX_INITIALIZER, COOP_QUEUE_INIT, (count) \
	}

/** coop_sem_wait() - take one, and wait for it. Return: 0, -EPERM, -ETIME */
COOP_AWAITS int coop_sem_wait(struct coop_sem *sem, uint64_t deadline);

/**
 * coop_sem_post() - give one, to the first task that waits if there is any
 * @sem: that semaphore
 *
 * Return: 0, or
 * -EOVERFLOW: there are UINT_MAX already.
 */
int coop_sem_post(struct coop_sem *sem);

/** struct coop_wait_group - tasks wait until so many things are done */
struct coop_wait_group {
	pthread_mutex_t lock;
	struct coop_queue queue;
	int count;
};

/** COOP_WAIT_GROUP_INIT() - initializer: so many are to be done */
#define COOP_WAIT_GROUP_INIT(count)                                 \
	{                                                           \
		PTHREAD_MUTEX_INITIALIZER, COOP_QUEUE_INIT, (count) \
	}

/**
 * coop_wait_group_add() - so many more are to be done
 * @wait: that wait group
 * @n: may be negative
 *
 * Return: 0, or
 * -EINVAL: also, less than none would be left;
 * -EOVERFLOW: more than INT_MAX would be.
 */
int coop_wait_group_add(struct coop_wait_group *wait, int n);

/** coop_wait_group_done() - one is done. Return: 0 or -EINVAL */
int coop_wait_group_done(struct coop_wait_group *wait);

/** coop_wait_group_wait() - wait until all are. Return: 0, -EPERM, -ETIME */
COOP_AWAITS int coop_wait_group_wait(struct coop_wait_group *wait,
				     uint64_t deadline);

/** struct coop_channel - items go from tasks to tasks, in order */
struct coop_channel {
	pthread_mutex_t lock;
	struct coop_queue senders;
	struct coop_queue receivers;
	void *items;
	size_t size;
	size_t capacity;
	size_t first;
	size_t count;
	int closed;
};

/** COOP_CHANNEL_INIT() - initializer: holds as many items as that array */
#define COOP_CHANNEL_INIT(array)                                    \
	{                                                           \
		PTHREAD_MUTEX_INITIALIZER, COOP_QUEUE_INIT,         \
			COOP_QUEUE_INIT, (array), sizeof(*(array)), \
			sizeof(array) / sizeof(*(array)), 0, 0, 0   \
	}

/** COOP_CHANNEL_INIT_DIRECT() - initializer: a sender waits for its receiver */
#define COOP_CHANNEL_INIT_DIRECT(type)                                  \
	{                                                               \
		PTHREAD_MUTEX_INITIALIZER, COOP_QUEUE_INIT,             \
			COOP_QUEUE_INIT, NULL, sizeof(type), 0, 0, 0, 0 \
	}

/**
 * coop_channel_send() - send an item, and wait while the channel is full
 * @channel: that channel
 * @item: copied
 * @deadline: until when, or COOP_FOREVER, or COOP_NOW
 *
 * Return: 0, -EPERM, -ETIME, or
 * -EPIPE: the channel is closed.
 */
COOP_AWAITS int coop_channel_send(struct coop_channel *channel,
				  const void *item, uint64_t deadline);

/**
 * coop_channel_recv() - receive an item, and wait while there is none
 * @channel: that channel
 * @item: copied to
 * @deadline: until when, or COOP_FOREVER, or COOP_NOW
 *
 * Return: 0, -EPERM, -ETIME, or
 * -EPIPE: the channel is closed, and all that was sent is received.
 */
COOP_AWAITS int coop_channel_recv(struct coop_channel *channel, void *item,
				  uint64_t deadline);

/**
 * coop_channel_close() - nothing more will be sent
 * @channel: that channel. Who waits to send is turned away
 *
 * Return: 0, also if it is closed already.
 */
int coop_channel_close(struct coop_channel *channel);

/*
 * What is not for tasks
 */

/** COOP_OFFLOAD_MAX - so many helpers there are at most in a process */
#define COOP_OFFLOAD_MAX 16

/**
 * coop_offload() - have a function run by a thread that is no task, and wait
 * @fn: the function. It must return, and can wait for no turn, which it has not
 * @arg: what @fn gets
 * @result: set to what @fn returned; may be NULL
 *
 * For what computes for long, or blocks in a COOP_GROUP_ATOMIC group. While
 * COOP_OFFLOAD_MAX are at work, the next waits in line. Signals are blocked in
 * the helpers.
 *
 * Return: 0, or
 * -EAGAIN: there is no helper, and none can be made: see pthread_create(3);
 * -EPERM: the calling thread is not a task.
 */
COOP_AWAITS int coop_offload(int (*fn)(void *arg), void *arg, int *result);

/*
 * Errors
 */

/**
 * coop_explain() - what an error means here, and what to do about it
 * @error: what one of the functions returned, so negative
 *
 * Return: one line without a newline, never NULL and never to be freed.
 */
const char *coop_explain(int error);

/*
 * The device's calls, one by one, on a plain descriptor. They do not know of
 * groups and tasks as above: a thread that uses coop_sys_join() is none of
 * coop_self(). What they do and how they fail is in linux/coop.h and coop(4).
 */

/**
 * coop_sys_open() - open /dev/coop, close-on-exec
 * @flags: none is defined yet, so zero
 *
 * Opens what the environment variable COOP_DEVICE names instead, if it is set
 * and the program is not set-user-ID.
 *
 * Return: a descriptor, which is a new group; or a negative errno value.
 */
int coop_sys_open(unsigned int flags);

/** coop_sys_info() - COOP_IOC_INFO. Return: 0 or a negative errno value */
int coop_sys_info(int fd, struct coop_info *info);

/** coop_sys_setup() - COOP_IOC_SETUP. Return: 0 or a negative errno value */
int coop_sys_setup(int fd, const struct coop_setup *setup);

/** coop_sys_join() - COOP_IOC_JOIN. Return: the id or a negative errno value */
int coop_sys_join(int fd);

/** coop_sys_leave() - COOP_IOC_LEAVE. Return: 0 or a negative errno value */
int coop_sys_leave(int fd);

/** coop_sys_yield() - COOP_IOC_YIELD. Return: 0 or a negative errno value */
int coop_sys_yield(int fd);

/**
 * coop_sys_switch() - COOP_IOC_SWITCH
 * @fd: a group's descriptor
 * @id: of the task that shall run, as COOP_IOC_JOIN returned it
 *
 * Return: 0 or a negative errno value.
 */
int coop_sys_switch(int fd, int id);

/**
 * coop_sys_stat() - COOP_IOC_STAT
 * @fd: a group's descriptor
 * @stat: @task and @flags are read, all the rest is filled
 *
 * Return: 0 or a negative errno value.
 */
int coop_sys_stat(int fd, struct coop_stat *stat);

/**
 * coop_sys_wait() - COOP_IOC_WAIT
 * @fd: a group's descriptor
 * @wait: what to wait for
 *
 * Return: COOP_WAIT_* of what has happened, or a negative errno value.
 */
COOP_AWAITS int coop_sys_wait(int fd, const struct coop_wait *wait);

/**
 * coop_sys_wake() - COOP_IOC_WAKE
 * @fd: a group's descriptor
 * @id: of the task to wake, as COOP_IOC_JOIN returned it
 *
 * Return: 0 or a negative errno value.
 */
int coop_sys_wake(int fd, int id);

/**
 * coop_sys_call() - COOP_IOC_SWITCH with COOP_SWITCH_WAIT
 * @fd: a group's descriptor
 * @id: of the task to wake and run, as COOP_IOC_JOIN returned it
 * @wait: what to wait for
 *
 * Return: as coop_sys_wait().
 */
COOP_AWAITS int coop_sys_call(int fd, int id, const struct coop_wait *wait);

#ifdef __cplusplus
}
#endif

#endif /* COOP_H */
