// SPDX-License-Identifier: GPL-2.0
/* Waiting for a descriptor of each kind. */
#include "coop_test.h"

#include <linux/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

/* A descriptor to wait for; by what else its event is made to happen. */
struct ends {
	int fd, other;
	pid_t child;
};

static int write_byte(struct ends *ends)
{
	return write(ends->other, "\n", 1) == 1 ? 0 : -1;
}

static int open_pipe(struct ends *ends)
{
	int fds[2], ret = pipe(fds);

	ends->fd = fds[0];
	ends->other = fds[1];
	return ret;
}

/* Whoever polls it is in two queues. */
static int open_fifo(struct ends *ends)
{
	char path[] = "/tmp/coop-fifo-XXXXXX";

	if (!mkdtemp(path) || rmdir(path) || mkfifo(path, 0600))
		return -1;
	ends->fd = open(path, O_RDWR);
	ends->other = open(path, O_RDWR);
	return unlink(path);
}

static int open_sockets(struct ends *ends, int type)
{
	int fds[2], ret = socketpair(AF_UNIX, type, 0, fds);

	ends->fd = fds[0];
	ends->other = fds[1];
	return ret;
}

static int open_stream(struct ends *ends)
{
	return open_sockets(ends, SOCK_STREAM);
}

static int open_datagram(struct ends *ends)
{
	return open_sockets(ends, SOCK_DGRAM);
}

static void fill(int fd)
{
	char bytes[4096] = "";

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	/* The last gap. */
	while (write(fd, bytes, 1) > 0)
		;
}

static int drain(struct ends *ends)
{
	char bytes[4096];

	fcntl(ends->other, F_SETFL, O_NONBLOCK);
	while (read(ends->other, bytes, sizeof(bytes)) > 0)
		;
	return 0;
}

/* The one for writers is the second. */
static int open_full_fifo(struct ends *ends)
{
	int ret = open_fifo(ends);

	fill(ends->fd);
	return ret;
}

static int open_full_pipe(struct ends *ends)
{
	int fds[2], ret = pipe(fds);

	ends->fd = fds[1];
	ends->other = fds[0];
	fill(ends->fd);
	return ret;
}

static int open_full_datagram(struct ends *ends)
{
	int ret = open_datagram(ends);

	fill(ends->fd);
	return ret;
}

static int open_tcp(struct ends *ends)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ends->fd = socket(AF_INET, SOCK_STREAM, 0);
	ends->other = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(ends->fd, (void *)&address, size) || listen(ends->fd, 1) ||
	    getsockname(ends->fd, (void *)&address, &size))
		return -1;
	return connect(ends->other, (void *)&address, size);
}

static int open_connection(struct ends *ends)
{
	int listener, ret = open_tcp(ends);

	listener = ends->fd;
	ends->fd = ret ? -1 : accept(listener, NULL, NULL);
	close(listener);
	return ret;
}

static int open_listener(struct ends *ends)
{
	int ret = open_tcp(ends);

	close(accept(ends->fd, NULL, NULL));
	return ret;
}

static int connect_again(struct ends *ends)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	close(ends->other);
	ends->other = socket(AF_INET, SOCK_STREAM, 0);
	return getsockname(ends->fd, (void *)&address, &size) ||
	       connect(ends->other, (void *)&address, size);
}

static int open_eventfd(struct ends *ends)
{
	ends->fd = eventfd(0, 0);
	ends->other = dup(ends->fd);
	return 0;
}

static int count_one(struct ends *ends)
{
	return eventfd_write(ends->other, 1);
}

static int open_full_eventfd(struct ends *ends)
{
	open_eventfd(ends);
	return eventfd_write(ends->fd, ~0ULL - 1);
}

static int open_timerfd(struct ends *ends)
{
	ends->fd = timerfd_create(CLOCK_MONOTONIC, 0);
	ends->other = -1;
	return 0;
}

static int start_timer(struct ends *ends)
{
	struct itimerspec soon = { .it_value = { .tv_nsec = 1 } };

	return timerfd_settime(ends->fd, 0, &soon, NULL);
}

static int open_signalfd(struct ends *ends)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	/* Threads that are started later inherit it. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ends->fd = signalfd(-1, &set, 0);
	ends->other = -1;
	return 0;
}

static int send_signal(struct ends *ends)
{
	return kill(getpid(), SIGUSR2);
}

static int open_pidfd(struct ends *ends)
{
	ends->child = fork_child();
	if (!ends->child)
		for (;;)
			pause();
	ends->fd = syscall(SYS_pidfd_open, ends->child, 0);
	ends->other = -1;
	return ends->fd < 0 ? -1 : 0;
}

static int kill_child(struct ends *ends)
{
	return kill(ends->child, SIGKILL);
}

static int open_terminal(struct ends *ends)
{
	struct termios raw;

	ends->other = posix_openpt(O_RDWR | O_NOCTTY);
	if (grantpt(ends->other) || unlockpt(ends->other))
		return -1;
	ends->fd = open(ptsname(ends->other), O_RDWR | O_NOCTTY);
	tcgetattr(ends->fd, &raw);
	cfmakeraw(&raw);
	return tcsetattr(ends->fd, TCSANOW, &raw);
}

static int open_terminal_master(struct ends *ends)
{
	int slave, ret = open_terminal(ends);

	slave = ends->fd;
	ends->fd = ends->other;
	ends->other = slave;
	return ret;
}

static int open_epoll(struct ends *ends)
{
	struct epoll_event event = { .events = EPOLLIN };

	ends->fd = epoll_create1(0);
	ends->other = eventfd(0, 0);
	return epoll_ctl(ends->fd, EPOLL_CTL_ADD, ends->other, &event);
}

/*
 * What is zero in the queues is a request for nothing, which completes. Returns
 * 1 where there are none, or not for us.
 */
static int open_uring(struct ends *ends)
{
	struct io_uring_params params = {};
	char *queue;

	ends->fd = syscall(SYS_io_uring_setup, 4, &params);
	ends->other = -1;
	if (ends->fd < 0)
		return 1;
	queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ends->fd,
		     IORING_OFF_SQ_RING);
	if (queue == MAP_FAILED)
		return -1;
	atomic_store((atomic_uint *)(queue + params.sq_off.tail), 1);
	return munmap(queue, 4096);
}

static int submit(struct ends *ends)
{
	return syscall(SYS_io_uring_enter, ends->fd, 1, 0, 0, NULL, 0) != 1;
}

FIXTURE(kind) {
	int fd;
	struct ends ends;
};

FIXTURE_VARIANT(kind) {
	int (*open)(struct ends *ends);
	int (*happen)(struct ends *ends);
	unsigned int events;
};

FIXTURE_VARIANT_ADD(kind, pipe) { open_pipe, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, full_pipe) { open_full_pipe, drain, POLLOUT };
FIXTURE_VARIANT_ADD(kind, fifo_for_both) { open_fifo, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, full_fifo_for_both) {
	open_full_fifo, drain, POLLOUT };
FIXTURE_VARIANT_ADD(kind, unix_stream) { open_stream, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, unix_datagram) { open_datagram, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, full_unix_datagram) {
	open_full_datagram, drain, POLLOUT };
FIXTURE_VARIANT_ADD(kind, tcp_connection) {
	open_connection, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, tcp_listener) {
	open_listener, connect_again, POLLIN };
FIXTURE_VARIANT_ADD(kind, eventfd) { open_eventfd, count_one, POLLIN };
FIXTURE_VARIANT_ADD(kind, full_eventfd) { open_full_eventfd, drain, POLLOUT };
FIXTURE_VARIANT_ADD(kind, timerfd) { open_timerfd, start_timer, POLLIN };
FIXTURE_VARIANT_ADD(kind, signalfd) { open_signalfd, send_signal, POLLIN };
FIXTURE_VARIANT_ADD(kind, pidfd) { open_pidfd, kill_child, POLLIN };
FIXTURE_VARIANT_ADD(kind, terminal) { open_terminal, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, terminal_master) {
	open_terminal_master, write_byte, POLLIN };
FIXTURE_VARIANT_ADD(kind, epoll) { open_epoll, count_one, POLLIN };
FIXTURE_VARIANT_ADD(kind, io_uring) { open_uring, submit, POLLIN };

FIXTURE_SETUP(kind)
{
	int none;

	self->fd = open_group(1);
	none = variant->open(&self->ends);
	if (none > 0)
		SKIP(return, "cannot open one (%s)", strerror(errno));
	ASSERT_EQ(0, none);
	ASSERT_LE(0, self->ends.fd);
}

FIXTURE_TEARDOWN(kind)
{
	if (self->ends.child) {
		kill(self->ends.child, SIGKILL);
		waitpid(self->ends.child, NULL, 0);
	}
	close(self->ends.fd);
	close(self->ends.other);
	close(self->fd);
}

TEST_F(kind, wakes)
{
	unsigned int events = variant->events;
	struct coop_stat stat;
	struct waiter waiter = {};

	start_waiter(&waiter, self->fd, for_fd(self->ends.fd, events));
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, variant->happen(&self->ends));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(ended_by(events), waiter.ended[0]);
	/* It is still there, so that one does not wait. */
	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(ended_by(events),
		  wait_fd(self->fd, self->ends.fd, events));
	/* One wait, one turn for each who joined, and one after the wait. */
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.waits);
	EXPECT_EQ(3, stat.switches);
}

/* A wait that ends otherwise leaves every queue of the file. */
TEST_F(kind, is_let_go_of)
{
	struct waiter waiter = {};
	struct coop_wait wait = for_fd(self->ends.fd, variant->events);

	wait.flags |= COOP_WAIT_WAKE;
	start_waiter(&waiter, self->fd, wait);
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[0]);
	EXPECT_EQ(0, variant->happen(&self->ends));
}

static const char *const always[] = { "/dev/null", "/proc/self/exe" };

TEST_F(group, what_is_always_ready)
{
	struct coop_stat stat;

	ASSERT_LT(0, join(self->fd));
	for (int i = 0; i < 2; i++) {
		int fd = open(always[i], O_RDONLY);

		ASSERT_LE(0, fd);
		EXPECT_EQ(ended_by(POLLIN), wait_fd(self->fd, fd, POLLIN));
		EXPECT_EQ(ended_by(POLLIN | POLLOUT),
			  wait_fd(self->fd, fd, POLLIN | POLLOUT | POLLPRI));
		close(fd);
	}
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.waits);
}

TEST_HARNESS_MAIN
