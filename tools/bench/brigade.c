// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operation "brigade": a chain of tasks, each of which waits for a byte from
 * the one before and writes it to the one behind. One byte goes round.
 */
#include <coop.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "bench.h"
#include "ring.h"

static void take(struct seat *seat)
{
	char byte;

	if (read(seat->in, &byte, 1) != 1)
		bench_complain("a task cannot read: errno %d", errno);
}

static void pass_on(struct seat *seat)
{
	if (write(seat->next->out, "", 1) != 1)
		bench_complain("a task cannot write: errno %d", errno);
}

static void blocking_hop(struct seat *seat)
{
	pass_on(seat);
	take(seat);
}

/*
 * Tasks of a group with one turn. To look first whether the byte is there would
 * be a system call for nothing, since it never is.
 */
static void await_and_take(struct seat *seat)
{
	const struct coop_wait input = {
		.flags = COOP_WAIT_FD,
		.events = POLLIN,
		.fd = seat->in,
	};

	group_call(seat->ring, COOP_IOC_WAIT, &input);
	take(seat);
}

static void awaiting_enter(struct seat *seat)
{
	group_join(seat);
	if (seat != seat->ring->seats)
		await_and_take(seat);
}

static void awaiting_hop(struct seat *seat)
{
	pass_on(seat);
	await_and_take(seat);
}

static void awaiting_leave(struct seat *seat)
{
	pass_on(seat);
	coop_sys_leave(seat->ring->fd);
}

/*
 * Tasks that do not await and just read: that blocks, and so the turn goes to
 * the next one, in a group that is not COOP_GROUP_ATOMIC.
 */
static int handing_open(struct ring *ring)
{
	ring->fd = coop_sys_open(0);
	return ring->fd < 0 ? -ring->fd : 0;
}

/* Those that join before the others are made block in their first read. */
static int handing_ready(struct ring *ring)
{
	return ring->tasks;
}

static void handing_enter(struct seat *seat)
{
	group_join(seat);
	if (seat != seat->ring->seats)
		take(seat);
}

static void nothing(struct seat *seat)
{
}

#define BLOCKING_RING .close = fd_close, .enter = take, .hop = blocking_hop, .leave = pass_on
#define AWAITING_RING GROUP_RING, .close = fd_close, .enter = awaiting_enter, \
				  .hop = awaiting_hop, .leave = awaiting_leave
#define HANDING_RING .first = handing_open, .last = group_close, .seated = handing_ready, \
		     .close = fd_close, .enter = handing_enter, .hop = blocking_hop,      \
		     .leave = awaiting_leave

const struct ring_method brigade_methods[] = {
	{ "coop-thread", AWAITING_RING, .open = pipe_open },
	{ "coop-thread-block", HANDING_RING, .open = pipe_open },
	{ "coop-thread-socket", AWAITING_RING, .open = socket_open },
	{ "pthread-pipe", BLOCKING_RING, .open = pipe_open },
	{ "pthread-socket", BLOCKING_RING, .open = socket_open },
	/* The writes and reads alone, by a task that passes to itself. */
	{ "floor-pipe", .open = pipe_open, .close = fd_close, .enter = nothing,
	  .hop = blocking_hop, .leave = nothing, .alone = true },
	{ "floor-socket", .open = socket_open, .close = fd_close, .enter = nothing,
	  .hop = blocking_hop, .leave = nothing, .alone = true },
	{ NULL },
};

int bench_brigade(const struct bench_options *options)
{
	static const int tasks[] = { 100, 0 };
	static const struct ring_operation operation = {
		.name = "brigade",
		.methods = brigade_methods,
		.tasks = tasks,
	};

	return ring_measure(options, &operation);
}
