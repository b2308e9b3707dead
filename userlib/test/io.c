// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Reading, writing and connecting that awaits, with a thread as the other end. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

#define MS UINT64_C(1000000)
#define SIZE (1 << 20)

static struct coop_group *group;
static int fds[2];
static char out[SIZE], in[SIZE];

static int enter(void **state)
{
	fake_reset(state);
	for (int i = 0; i < SIZE; i++)
		out[i] = (char)(i * 7 + i / 251);
	memset(in, 0, SIZE);
	group = fake_group();
	return coop_enter(group);
}

static int leave(void **state)
{
	(void)state;
	return coop_leave() || coop_close(group);
}

static void open_sockets(int type)
{
	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
}

static void close_both(void)
{
	close(fds[0]);
	close(fds[1]);
}

static void test_no_task(void **state)
{
	char byte = 0;

	(void)state;
	open_sockets(SOCK_STREAM);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_read(fds[0], &byte, 1, COOP_NOW), -EPERM);
	assert_int_equal(coop_write(fds[0], &byte, 1, COOP_NOW), -EPERM);
	assert_int_equal(coop_recv(fds[0], &byte, 1, 0, COOP_NOW), -EPERM);
	assert_int_equal(coop_send(fds[0], &byte, 1, 0, COOP_NOW), -EPERM);
	assert_int_equal(coop_accept(fds[0], NULL, NULL, 0, COOP_NOW), -EPERM);
	assert_int_equal(coop_connect(fds[0], NULL, 0, COOP_NOW), -EPERM);
	assert_int_equal(coop_enter(group), 0);
	close_both();
}

/* Nothing there, then something, then the end; with and without O_NONBLOCK. */
static void try_reading(void)
{
	char byte = 0;

	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		fcntl(fds[0], F_SETFL, fcntl(fds[0], F_GETFL) | flags);
		errno = 77;
		assert_int_equal(coop_read(fds[0], &byte, 1, COOP_NOW), -ETIME);
		assert_int_equal(errno, 77);
		assert_int_equal(coop_read(fds[0], &byte, 1, coop_deadline(MS)),
				 -ETIME);
		assert_int_equal(coop_write(fds[1], "x", 1, COOP_FOREVER), 1);
		assert_int_equal(coop_read(fds[0], &byte, 1, COOP_FOREVER), 1);
		assert_int_equal(byte, 'x');
	}
	close(fds[1]);
	assert_int_equal(coop_read(fds[0], &byte, 1, COOP_FOREVER), 0);
	close(fds[0]);
	assert_int_equal(coop_read(fds[0], &byte, 1, COOP_FOREVER), -EBADF);
	assert_int_equal(coop_write(fds[0], &byte, 1, COOP_FOREVER), -EBADF);
	assert_int_equal(errno, 77);
}

static void test_read_pipe(void **state)
{
	(void)state;
	assert_int_equal(pipe(fds), 0);
	try_reading();
}

static void test_read_socket(void **state)
{
	char byte;

	(void)state;
	open_sockets(SOCK_STREAM);
	assert_int_equal(coop_recv(fds[0], &byte, 1, 0, COOP_NOW), -ETIME);
	assert_int_equal(coop_send(fds[1], "y", 1, 0, COOP_NOW), 1);
	assert_int_equal(coop_recv(fds[0], &byte, 1, MSG_PEEK, COOP_NOW), 1);
	assert_int_equal(coop_recv(fds[0], &byte, 1, 0, COOP_NOW), 1);
	try_reading();
}

static void test_not_a_socket(void **state)
{
	char byte = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(coop_recv(fds[0], &byte, 1, 0, COOP_NOW), -ENOTSOCK);
	assert_int_equal(coop_send(fds[1], &byte, 1, 0, COOP_NOW), -ENOTSOCK);
	assert_int_equal(coop_connect(fds[1], NULL, 0, COOP_NOW), -ENOTSOCK);
	close_both();
}

static void *read_slowly(void *unused)
{
	size_t done = 0;
	ssize_t n;

	while ((n = read(fds[0], in + done, 5000)) > 0)
		done += n;
	return unused;
}

/* All of it arrives, though it does not fit. */
static void try_writing(void)
{
	pthread_t reader;

	assert_int_equal(pthread_create(&reader, NULL, read_slowly, NULL), 0);
	assert_int_equal(coop_write(fds[1], out, SIZE, COOP_FOREVER), SIZE);
	close(fds[1]);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_memory_equal(in, out, SIZE);
	close(fds[0]);
}

static void test_write_pipe(void **state)
{
	(void)state;
	assert_int_equal(pipe(fds), 0);
	try_writing();
}

static void test_write_socket(void **state)
{
	(void)state;
	open_sockets(SOCK_STREAM);
	try_writing();
}

static void test_write_late(void **state)
{
	ssize_t part;

	(void)state;
	for (int sockets = 0; sockets < 2; sockets++) {
		if (sockets)
			open_sockets(SOCK_STREAM);
		else
			assert_int_equal(pipe(fds), 0);
		part = coop_write(fds[1], out, SIZE, coop_deadline(MS));
		assert_in_range(part, 1, SIZE - 1);
		assert_int_equal(coop_write(fds[1], out, SIZE, COOP_NOW),
				 -ETIME);
		close(fds[0]);
		assert_int_equal(coop_write(fds[1], out, SIZE, COOP_NOW),
				 -EPIPE);
		close(fds[1]);
	}
}

static void test_datagrams(void **state)
{
	char got[10];

	(void)state;
	open_sockets(SOCK_DGRAM);
	assert_int_equal(coop_send(fds[0], "abc", 3, 0, COOP_FOREVER), 3);
	assert_int_equal(coop_send(fds[0], NULL, 0, 0, COOP_FOREVER), 0);
	assert_int_equal(coop_recv(fds[1], got, 10, 0, COOP_FOREVER), 3);
	assert_int_equal(coop_recv(fds[1], got, 10, 0, COOP_FOREVER), 0);
	assert_int_equal(coop_recv(fds[1], got, 10, 0, COOP_NOW), -ETIME);
	close_both();
}

static void test_file(void **state)
{
	char name[] = "/tmp/coop-io-XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(coop_write(fd, out, SIZE, COOP_NOW), SIZE);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(coop_read(fd, in, SIZE, COOP_NOW), SIZE);
	assert_int_equal(coop_read(fd, in, SIZE, COOP_NOW), 0);
	assert_memory_equal(in, out, SIZE);
	close(fd);
}

static int listen_at(struct sockaddr_in *address, int flags)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	memset(address, 0, size);
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int connect_to(struct sockaddr_in *address, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	assert_int_equal(coop_connect(fd, (struct sockaddr *)address,
				      sizeof(*address), COOP_FOREVER),
			 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, flags);
	return fd;
}

static void test_connect_and_accept(void **state)
{
	struct sockaddr_in address, peer;
	socklen_t size = sizeof(peer);
	int fd;

	(void)state;
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		fd = listen_at(&address, flags);
		assert_int_equal(coop_accept(fd, NULL, NULL, 0, COOP_NOW),
				 -ETIME);
		fds[0] = connect_to(&address, flags);
		fds[1] = coop_accept(fd, (struct sockaddr *)&peer, &size,
				     SOCK_CLOEXEC, COOP_FOREVER);
		assert_true(fds[1] >= 0);
		assert_int_equal(peer.sin_family, AF_INET);
		assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
		assert_int_equal(coop_send(fds[0], "z", 1, 0, COOP_NOW), 1);
		assert_int_equal(coop_recv(fds[1], in, 1, 0, COOP_FOREVER), 1);
		close_both();
		close(fd);
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(coop_connect(fd, (struct sockaddr *)&address,
				      sizeof(address), COOP_FOREVER),
			 -ECONNREFUSED);
	close(fd);
	assert_int_equal(coop_accept(fd, NULL, NULL, 0, COOP_NOW), -EBADF);
	assert_int_equal(coop_connect(fd, (struct sockaddr *)&address,
				      sizeof(address), COOP_NOW),
			 -EBADF);
}

/* Its queue is full, which no await ends. */
static void test_connect_unix(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int ret = 0, n = 0, clients[10];

	(void)state;
	snprintf(address.sun_path + 1, 100, "coop-io-%d", getpid());
	assert_int_equal(bind(listener, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	while (n < 10 && !ret) {
		clients[n] = socket(AF_UNIX, SOCK_STREAM, 0);
		ret = coop_connect(clients[n++], (void *)&address,
				   sizeof(address), COOP_FOREVER);
	}
	assert_int_equal(ret, -EAGAIN);
	while (n)
		close(clients[--n]);
	close(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_task),
		TEST(test_read_pipe),
		TEST(test_read_socket),
		TEST(test_not_a_socket),
		TEST(test_write_pipe),
		TEST(test_write_socket),
		TEST(test_write_late),
		TEST(test_datagrams),
		TEST(test_file),
		TEST(test_connect_and_accept),
		TEST(test_connect_unix),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
