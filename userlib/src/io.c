// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Reading and writing: try without blocking, else await and try again.
 *
 * Sockets can be told with each call not to block. Anything else is awaited
 * first and then called plainly, which also does where O_NONBLOCK is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* What a call of libc's returned, as the library returns it. */
static ssize_t outcome(ssize_t ret, int saved)
{
	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

ssize_t coop_recv(int fd, void *buffer, size_t size, int flags,
		  uint64_t deadline)
{
	int saved = errno;
	ssize_t ret;

	if (!coop_self())
		return -EPERM;
	for (;;) {
		ret = outcome(recv(fd, buffer, size, flags | MSG_DONTWAIT),
			      saved);
		if (ret != -EAGAIN)
			return ret;
		ret = coop_await(fd, POLLIN, deadline);
		if (ret < 0)
			return ret;
	}
}

/* Some of it, at least one byte. */
static ssize_t send_some(int fd, const void *buffer, size_t size, int flags,
			 uint64_t deadline)
{
	int saved = errno;
	ssize_t ret;

	for (;;) {
		ret = outcome(send(fd, buffer, size, flags | MSG_DONTWAIT),
			      saved);
		if (ret != -EAGAIN)
			return ret;
		ret = coop_await(fd, POLLOUT, deadline);
		if (ret < 0)
			return ret;
	}
}

/* To a pipe no more than fits for sure when it is ready: more could block. */
static size_t limit(int fd, size_t size)
{
	struct stat stat;
	int saved = errno;

	if (size <= PIPE_BUF || outcome(fstat(fd, &stat), saved))
		return size;
	return S_ISFIFO(stat.st_mode) ? PIPE_BUF : size;
}

/* As send_some(), to what is no socket. */
static ssize_t write_some(int fd, const void *buffer, size_t size, int unused,
			  uint64_t deadline)
{
	int saved = errno;
	ssize_t ret;

	(void)unused;
	do {
		ret = coop_await(fd, POLLOUT, deadline);
		if (ret < 0)
			return ret;
		ret = outcome(write(fd, buffer, limit(fd, size)), saved);
	} while (ret == -EAGAIN || ret == -EINTR);
	return ret;
}

typedef ssize_t put_some(int fd, const void *buffer, size_t size, int flags,
			 uint64_t deadline);

static ssize_t put_all(put_some *put, int fd, const char *buffer, size_t size,
		       int flags, uint64_t deadline)
{
	size_t done = 0;
	ssize_t ret;

	if (!coop_self())
		return -EPERM;
	do {
		ret = put(fd, buffer + done, size - done, flags, deadline);
		if (ret < 0)
			return done ? (ssize_t)done : ret;
		done += ret;
	} while (ret && done < size);
	return done;
}

ssize_t coop_send(int fd, const void *buffer, size_t size, int flags,
		  uint64_t deadline)
{
	return put_all(send_some, fd, buffer, size, flags, deadline);
}

ssize_t coop_read(int fd, void *buffer, size_t size, uint64_t deadline)
{
	ssize_t ret = coop_recv(fd, buffer, size, 0, deadline);
	int saved = errno;

	if (ret != -ENOTSOCK)
		return ret;
	do {
		ret = coop_await(fd, POLLIN, deadline);
		if (ret < 0)
			return ret;
		ret = outcome(read(fd, buffer, size), saved);
	} while (ret == -EAGAIN || ret == -EINTR);
	return ret;
}

ssize_t coop_write(int fd, const void *buffer, size_t size, uint64_t deadline)
{
	ssize_t ret = coop_send(fd, buffer, size, 0, deadline);

	if (ret != -ENOTSOCK)
		return ret;
	return put_all(write_some, fd, buffer, size, 0, deadline);
}

int coop_accept(int fd, struct sockaddr *address, socklen_t *size, int flags,
		uint64_t deadline)
{
	int saved = errno;
	int ret;

	do {
		ret = coop_await(fd, POLLIN, deadline);
		if (ret < 0)
			return ret;
		ret = outcome(accept4(fd, address, size, flags), saved);
	} while (ret == -EAGAIN || ret == -EINTR);
	return ret;
}

/* connect() has no flag for it, so the socket has for the moment. */
static int try_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int saved = errno;
	int flags, ret;

	flags = outcome(fcntl(fd, F_GETFL), saved);
	if (flags < 0)
		return flags;
	if (!(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	ret = outcome(connect(fd, address, size), saved);
	if (!(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags);
	return ret;
}

int coop_connect(int fd, const struct sockaddr *address, socklen_t size,
		 uint64_t deadline)
{
	socklen_t error_size = sizeof(int);
	int saved = errno;
	int error, ret;

	if (!coop_self())
		return -EPERM;
	ret = try_connect(fd, address, size);
	if (ret != -EINPROGRESS && ret != -EALREADY)
		return ret;
	ret = coop_await(fd, POLLOUT, deadline);
	if (ret < 0)
		return ret;
	ret = outcome(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size),
		      saved);
	return ret ? ret : -error;
}
