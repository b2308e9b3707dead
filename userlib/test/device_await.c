// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Awaiting and sharing on the real device; every test is skipped where there is
 * none. With one turn and two, with and without turns that stay with a task
 * that blocks.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawn.h"
#include "stress.h"

#define MS UINT64_C(1000000)
#define TASKS 8
#define ROUNDS 300

static const struct {
	unsigned int turns;
	unsigned int flags;
} kinds[] = {
	{ 1, 0 },
	{ 2, 0 },
	{ 1, COOP_GROUP_ATOMIC },
	{ 2, COOP_GROUP_ATOMIC },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void open_group(int kind)
{
	struct coop_options options = COOP_OPTIONS_INIT;
	int ret;

	options.turns = kinds[kind].turns;
	options.flags = kinds[kind].flags;
	ret = coop_open(&group, &options);
	if (ret == -ENOENT)
		skip();
	assert_int_equal(ret, 0);
}

static void close_group(void)
{
	assert_int_equal(coop_close(group), 0);
}

/* By a thread that is no task, and by one that is. */
static void run_stress(stress *fn)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		open_group(kind);
		fn(group, TASKS, ROUNDS);
		assert_int_equal(coop_enter(group), 0);
		fn(group, TASKS, ROUNDS);
		assert_int_equal(coop_leave(), 0);
		close_group();
	}
}

#define STRESS(name)                          \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		run_stress(name);             \
	}

STRESS(stress_mutex)
STRESS(stress_cond)
STRESS(stress_sem)
STRESS(stress_wait_group)
STRESS(stress_channel)
STRESS(stress_channel_direct)
STRESS(stress_deadlines)
STRESS(stress_park)

static void test_await(void **state)
{
	uint64_t until;
	int fds[2];

	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		open_group(kind);
		assert_int_equal(coop_enter(group), 0);
		assert_int_equal(pipe(fds), 0);
		assert_int_equal(coop_await(fds[1], POLLOUT, COOP_FOREVER),
				 POLLOUT);
		assert_int_equal(coop_await(fds[0], POLLIN, COOP_NOW), -ETIME);
		until = coop_deadline(MS);
		assert_int_equal(coop_await(fds[0], POLLIN, until), -ETIME);
		assert_true(coop_deadline(0) >= until);
		assert_int_equal(coop_await(fds[0], 0x4000, COOP_NOW), -EINVAL);
		assert_int_equal(coop_await(coop_fd(group), POLLIN, COOP_NOW),
				 -EINVAL);
		close(fds[1]);
		assert_int_equal(coop_await(fds[0], POLLIN, COOP_FOREVER),
				 POLLHUP);
		close(fds[0]);
		assert_int_equal(coop_await(fds[0], POLLIN, COOP_NOW), -EBADF);
		until = coop_deadline(MS);
		assert_int_equal(coop_sleep(until), 0);
		assert_true(coop_deadline(0) >= until);
		assert_int_equal(coop_sleep(COOP_NOW), 0);
		assert_int_equal(coop_sleep(COOP_FOREVER), -EINVAL);
		assert_int_equal(coop_leave(), 0);
		assert_int_equal(coop_await(fds[0], POLLIN, COOP_NOW), -EPERM);
		close_group();
	}
}

static void test_park(void **state)
{
	(void)state;
	open_group(0);
	assert_int_equal(coop_enter(group), 0);
	assert_int_equal(coop_park(COOP_NOW), -ETIME);
	assert_int_equal(coop_park(coop_deadline(MS)), -ETIME);
	assert_int_equal(coop_wake(coop_self()), 0);
	assert_int_equal(coop_park(COOP_FOREVER), 0);
	assert_int_equal(coop_park(COOP_NOW), -ETIME);
	assert_int_equal(coop_call(coop_self(), COOP_NOW), -EDEADLK);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_wake(coop_self()), -EINVAL);
	close_group();
}

struct service {
	struct coop_task *client;
	atomic_int asked;
	atomic_int answered;
};

static int serve(void *arg)
{
	struct service *service = arg;
	int ret = 0;

	for (int i = 1; i <= ROUNDS && !ret; i++) {
		while (atomic_load(&service->asked) < i && !ret)
			ret = coop_park(COOP_FOREVER);
		atomic_store(&service->answered, i);
		ret = coop_wake(service->client);
	}
	return ret;
}

static void test_call(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct service service = { .asked = 0 };
		struct coop_task *server;

		open_group(kind);
		assert_int_equal(coop_enter(group), 0);
		service.client = coop_self();
		server = spawn(serve, &service);
		for (int i = 1; i <= ROUNDS; i++) {
			atomic_store(&service.asked, i);
			while (atomic_load(&service.answered) < i)
				assert_int_equal(coop_call(server,
							   COOP_FOREVER),
						 0);
		}
		join(server);
		assert_int_equal(coop_leave(), 0);
		close_group();
	}
}

#define BYTES 300000

/* What is written to it comes back; a pipe or a pair of sockets each way. */
static int echo(void *arg)
{
	int *fds = arg;
	char buffer[9000];
	ssize_t n;

	while ((n = coop_read(fds[0], buffer, sizeof(buffer), COOP_FOREVER)) >
	       0) {
		if (coop_write(fds[1], buffer, n, COOP_FOREVER) != n)
			return 1;
	}
	return n != 0;
}

static int send_all(void *fd)
{
	static char zeros[BYTES];

	return coop_write(*(int *)fd, zeros, BYTES, COOP_FOREVER) != BYTES;
}

static void run_echo(bool sockets)
{
	struct coop_task *server, *sender;
	int to[2], from[2], fds[2];
	char buffer[7000];
	size_t got = 0;
	ssize_t n;

	assert_int_equal(sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, to) : pipe(to),
			 0);
	assert_int_equal(pipe(from), 0);
	fds[0] = to[0];
	fds[1] = from[1];
	server = spawn(echo, fds);
	sender = spawn(send_all, &to[1]);
	while (got < BYTES) {
		n = coop_read(from[0], buffer, sizeof(buffer), COOP_FOREVER);
		assert_true(n > 0);
		got += n;
	}
	assert_int_equal(got, BYTES);
	join(sender);
	close(to[1]);
	join(server);
	close(to[0]);
	close(from[0]);
	close(from[1]);
}

/* All three take part with the only turn, which stays with who blocks. */
static void test_echo(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		open_group(kind);
		assert_int_equal(coop_enter(group), 0);
		run_echo(false);
		run_echo(true);
		assert_int_equal(coop_leave(), 0);
		close_group();
	}
}

/* A task that joins keeps its id and gives up its turn, in any group. */
static int yield_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++)
		coop_yield();
	return coop_sleep(coop_deadline(MS));
}

static void test_join(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct coop_task *tasks[TASKS];
		int id;

		open_group(kind);
		assert_int_equal(coop_enter(group), 0);
		id = coop_id(coop_self());
		for (int i = 0; i < TASKS; i++)
			tasks[i] = spawn(yield_often, NULL);
		for (int i = 0; i < TASKS; i++)
			join(tasks[i]);
		assert_int_equal(coop_id(coop_self()), id);
		assert_int_equal(coop_leave(), 0);
		close_group();
	}
}

static int read_byte(void *fd)
{
	char byte = 0;

	return read(*(int *)fd, &byte, 1) == 1 ? byte : -1;
}

static int write_byte(void *fd)
{
	return write(*(int *)fd, "x", 1) != 1;
}

/* It blocks until a task has had the only turn. */
static void test_offload(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct coop_task *task;
		int fds[2], result;

		open_group(kind);
		assert_int_equal(coop_enter(group), 0);
		assert_int_equal(pipe(fds), 0);
		task = spawn(write_byte, &fds[1]);
		assert_int_equal(coop_offload(read_byte, &fds[0], &result), 0);
		assert_int_equal(result, 'x');
		join(task);
		close(fds[0]);
		close(fds[1]);
		assert_int_equal(coop_leave(), 0);
		close_group();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_await),
		cmocka_unit_test(test_park),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_stress_mutex),
		cmocka_unit_test(test_stress_cond),
		cmocka_unit_test(test_stress_sem),
		cmocka_unit_test(test_stress_wait_group),
		cmocka_unit_test(test_stress_channel),
		cmocka_unit_test(test_stress_channel_direct),
		cmocka_unit_test(test_stress_deadlines),
		cmocka_unit_test(test_stress_park),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
