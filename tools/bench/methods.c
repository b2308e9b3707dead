// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operation "switch": the ways that tasks can take turns. Each is written as its own manual page
 * shows it: with no more system calls than it needs, and no fewer checks.
 */
#include <coop.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "ring.h"

/* /dev/coop: the tasks of a group with one turn */

/*
 * The first seat sleeps while it makes the others, and keeps its turn so that
 * these do not begin without it. A yield is the same in either kind of group.
 */
int group_open(struct ring *ring)
{
	const struct coop_setup setup = {
		.turns = 1,
		.flags = COOP_GROUP_ATOMIC,
	};

	ring->fd = coop_sys_open(0);
	return ring->fd < 0 ? -ring->fd : -coop_sys_setup(ring->fd, &setup);
}

void group_close(struct ring *ring)
{
	close(ring->fd);
}

void group_join(struct seat *seat)
{
	seat->id = coop_sys_join(seat->ring->fd);
	if (seat->id < 0)
		bench_complain("a task cannot join: %s", coop_explain(seat->id));
}

/* A call that the library has no function for. */
void group_call(struct ring *ring, unsigned long call, const void *what)
{
	if (ioctl(ring->fd, call, what) < 0)
		bench_complain("a task cannot go on: %s", coop_explain(-errno));
}

static void coop_hop(struct seat *seat)
{
	coop_sys_yield(seat->ring->fd);
}

static void coop_hop_directed(struct seat *seat)
{
	/* It has no id before its first turn, which a yield brings. */
	if (seat->next->id)
		coop_sys_switch(seat->ring->fd, seat->next->id);
	else
		coop_sys_yield(seat->ring->fd);
}

/*
 * Call the next one and wait to be called: each but the first waits for that
 * from the beginning, and the first lets them.
 */
static void call_enter(struct seat *seat)
{
	const struct coop_wait called = { .flags = COOP_WAIT_WAKE };

	group_join(seat);
	if (seat != seat->ring->seats)
		group_call(seat->ring, COOP_IOC_WAIT, &called);
}

static void call_hop(struct seat *seat)
{
	struct coop_switch next = {
		.flags = COOP_SWITCH_WAIT,
		.wait.flags = COOP_WAIT_WAKE,
	};

	if (!seat->next->id)
		coop_sys_yield(seat->ring->fd);
	next.task = seat->next->id;
	group_call(seat->ring, COOP_IOC_SWITCH, &next);
}

static void call_leave(struct seat *seat)
{
	const struct coop_wake next = { .task = seat->next->id };

	/* The last one's next, the first, has left. */
	if (seat->next != seat->ring->seats)
		group_call(seat->ring, COOP_IOC_WAKE, &next);
	coop_sys_leave(seat->ring->fd);
}

static void coop_seat_leave(struct seat *seat)
{
	coop_sys_leave(seat->ring->fd);
}

int group_ready(struct ring *ring)
{
	struct coop_stat stat = {};

	coop_sys_stat(ring->fd, &stat);
	return stat.ready;
}

/* What a call costs that does nothing */

static void nothing(struct seat *seat)
{
}

static void syscall_hop(struct seat *seat)
{
	syscall(SYS_getppid);
}

static void yield_hop(struct seat *seat)
{
	sched_yield();
}

/* A futex for each task */

static void futex_enter(struct seat *seat)
{
	while (!atomic_load(&seat->word))
		syscall(SYS_futex, &seat->word, FUTEX_WAIT_PRIVATE, 0, NULL);
	atomic_store(&seat->word, 0);
}

static void futex_leave(struct seat *seat)
{
	atomic_store(&seat->next->word, 1);
	syscall(SYS_futex, &seat->next->word, FUTEX_WAKE_PRIVATE, 1);
}

static void futex_hop(struct seat *seat)
{
	futex_leave(seat);
	futex_enter(seat);
}

/* One mutex, and a condition for each task */

static int cond_first(struct ring *ring)
{
	return pthread_mutex_init(&ring->mutex, NULL);
}

static int cond_open(struct seat *seat)
{
	return pthread_cond_init(&seat->wakeup, NULL);
}

static void cond_close(struct seat *seat)
{
	pthread_cond_destroy(&seat->wakeup);
}

static void cond_last(struct ring *ring)
{
	pthread_mutex_destroy(&ring->mutex);
}

static void cond_wait(struct seat *seat)
{
	while (!atomic_load_explicit(&seat->word, memory_order_relaxed))
		pthread_cond_wait(&seat->wakeup, &seat->ring->mutex);
	atomic_store_explicit(&seat->word, 0, memory_order_relaxed);
}

static void cond_signal(struct seat *seat)
{
	atomic_store_explicit(&seat->next->word, 1, memory_order_relaxed);
	pthread_cond_signal(&seat->next->wakeup);
}

static void cond_enter(struct seat *seat)
{
	pthread_mutex_lock(&seat->ring->mutex);
	cond_wait(seat);
	pthread_mutex_unlock(&seat->ring->mutex);
}

static void cond_leave(struct seat *seat)
{
	pthread_mutex_lock(&seat->ring->mutex);
	cond_signal(seat);
	pthread_mutex_unlock(&seat->ring->mutex);
}

static void cond_hop(struct seat *seat)
{
	pthread_mutex_lock(&seat->ring->mutex);
	cond_signal(seat);
	cond_wait(seat);
	pthread_mutex_unlock(&seat->ring->mutex);
}

/* A descriptor for each task, which is read until it is that one's turn */

int pipe_open(struct seat *seat)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	seat->in = ends[0];
	seat->out = ends[1];
	return 0;
}

int socket_open(struct seat *seat)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return errno;
	seat->in = ends[0];
	seat->out = ends[1];
	return 0;
}

static int eventfd_open(struct seat *seat)
{
	seat->in = eventfd(0, EFD_CLOEXEC);
	seat->out = seat->in;
	return seat->in < 0 ? errno : 0;
}

void fd_close(struct seat *seat)
{
	close(seat->in);
	if (seat->out != seat->in)
		close(seat->out);
}

/* An eventfd wants eight bytes, and the others do not mind. */
static void fd_enter(struct seat *seat)
{
	uint64_t token;

	if (read(seat->in, &token, sizeof(token)) != sizeof(token))
		bench_complain("a task cannot read: errno %d", errno);
}

static void fd_leave(struct seat *seat)
{
	uint64_t token = 1;

	if (write(seat->next->out, &token, sizeof(token)) != sizeof(token))
		bench_complain("a task cannot write: errno %d", errno);
}

static void fd_hop(struct seat *seat)
{
	fd_leave(seat);
	fd_enter(seat);
}

#define COOP_RING GROUP_RING, .enter = group_join, .leave = coop_seat_leave
#define YIELD_RING .enter = nothing, .hop = yield_hop, .leave = nothing, \
		   .pinned_only = true
#define FUTEX_RING .enter = futex_enter, .hop = futex_hop, .leave = futex_leave
#define FD_RING .close = fd_close, .enter = fd_enter, .hop = fd_hop, \
		.leave = fd_leave

const struct ring_method switch_methods[] = {
	{ "coop-thread", COOP_RING, .hop = coop_hop },
	{ "coop-thread-fifo", COOP_RING, .hop = coop_hop, .fifo = true },
	{ "coop-thread-directed", COOP_RING, .hop = coop_hop_directed },
	{ "coop-thread-call", GROUP_RING, .enter = call_enter, .hop = call_hop,
	  .leave = call_leave },
	{ "pthread-yield", YIELD_RING },
	{ "pthread-yield-fifo", YIELD_RING, .fifo = true },
	{ "pthread-futex", FUTEX_RING },
	{ "pthread-futex-fifo", FUTEX_RING, .fifo = true },
	{ "pthread-cond", .first = cond_first, .open = cond_open,
	  .close = cond_close, .last = cond_last, .enter = cond_enter,
	  .hop = cond_hop, .leave = cond_leave },
	{ "pthread-pipe", FD_RING, .open = pipe_open },
	{ "pthread-pipe-fifo", FD_RING, .open = pipe_open, .fifo = true },
	{ "pthread-eventfd", FD_RING, .open = eventfd_open },
	{ "pthread-socket", FD_RING, .open = socket_open },
	{ "syscall", .enter = nothing, .hop = syscall_hop, .leave = nothing,
	  .alone = true },
	/* A yield that finds nobody READY. */
	{ "ioctl", COOP_RING, .hop = coop_hop, .alone = true },
	{ NULL },
};

int bench_switch(const struct bench_options *options)
{
	static const int tasks[] = { 2, 10, 100, 1000, 0 };
	static const struct ring_operation operation = {
		.name = "switch",
		.methods = switch_methods,
		.tasks = tasks,
	};

	return ring_measure(options, &operation);
}
