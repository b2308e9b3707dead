// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A server that sends back what it gets, and a thousand clients of it: a task
 * for each connection at either end, written as if it were alone. One turn, so
 * the counters need no lock.
 *
 *	echo [CLIENTS]
 */
#include <coop.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CLIENTS 1000
#define ROUNDS 10
#define PATIENCE UINT64_C(60000000000) /* ns */

static struct coop_group *group;
static struct sockaddr_in address;
static int listener;
static int clients = CLIENTS;

static int open_now, open_most;
static long echoed, answered;

/* One connection of the server's, in a task that nobody joins. */
static int serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[100];
	ssize_t n;

	if (++open_now > open_most)
		open_most = open_now;
	while ((n = coop_recv(fd, buffer, sizeof(buffer), 0, COOP_FOREVER)) > 0) {
		echoed += n;
		if (coop_send(fd, buffer, n, MSG_NOSIGNAL, COOP_FOREVER) != n)
			break;
	}
	open_now--;
	close(fd);
	return 0;
}

static int accept_all(void *unused)
{
	(void)unused;
	for (int i = 0; i < clients; i++) {
		struct coop_task *task;
		int ret, fd;

		fd = coop_accept(listener, NULL, NULL, SOCK_CLOEXEC,
				 coop_deadline(PATIENCE));
		if (fd < 0)
			return fd;
		ret = coop_spawn(group, &task, serve, (void *)(intptr_t)fd,
				 NULL);
		if (ret) {
			close(fd);
			return ret;
		}
		coop_detach(task);
	}
	return 0;
}

static struct coop_wait_group connecting;

/* Sends a line and waits for it to come back, when all are connected. */
static int talk(int fd, int id)
{
	char line[32], back[32];
	size_t size = snprintf(line, sizeof(line), "client %d", id);
	uint64_t until = coop_deadline(PATIENCE);
	int ret = coop_wait_group_wait(&connecting, until);

	for (int i = 0; i < ROUNDS && !ret; i++) {
		ssize_t n = coop_send(fd, line, size, MSG_NOSIGNAL, until);

		for (size_t got = 0; n > 0 && got < size; got += n)
			n = coop_recv(fd, back + got, size - got, 0, until);
		if (n <= 0)
			ret = n ? n : -ECONNRESET;
		else if (memcmp(line, back, size))
			ret = -EPROTO;
		else
			answered += size;
	}
	return ret;
}

static int be_client(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0) {
		ret = -errno;
		coop_wait_group_done(&connecting);
		return ret;
	}
	ret = coop_connect(fd, (struct sockaddr *)&address, sizeof(address),
			   coop_deadline(PATIENCE));
	coop_wait_group_done(&connecting);
	if (!ret)
		ret = talk(fd, (int)(intptr_t)arg);
	close(fd);
	return ret;
}

static int open_listener(void)
{
	socklen_t size = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&address, size) ||
	    listen(listener, 100) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		return -errno;
	return 0;
}

/* Joins what there is, whatever became of it, and returns the first error. */
static int join_all(struct coop_task **tasks, int n)
{
	int result = 0;

	for (int i = 0; i < n; i++) {
		int one = 0;
		int ret = coop_join(tasks[i], &one);

		if (!result)
			result = ret ? ret : one;
	}
	return result;
}

static int run(struct coop_task **tasks)
{
	struct coop_task_options options = COOP_TASK_OPTIONS_INIT;
	int n = 1, ret, joined;

	options.stack_size = 64 * 1024;
	ret = coop_spawn(group, &tasks[0], accept_all, NULL, NULL);
	if (ret)
		return ret;
	for (; n <= clients && !ret; n++)
		ret = coop_spawn(group, &tasks[n], be_client,
				 (void *)(intptr_t)n, &options);
	if (ret) {
		fprintf(stderr, "echo: client %d: %s\n", n - 1,
			coop_explain(ret));
		exit(1);
	}
	joined = join_all(tasks, n);
	/* The server's tasks are detached, and end by themselves. */
	while (coop_close(group) == -EBUSY)
		usleep(1000);
	return joined;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 0, 0 };
	struct coop_task **tasks;
	int ret;

	if (argc > 1)
		clients = atoi(argv[1]);
	if (argc > 2 || clients < 1) {
		fprintf(stderr, "usage: echo [CLIENTS]\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	tasks = calloc(clients + 1, sizeof(*tasks));
	ret = tasks ? open_listener() : -ENOMEM;
	connecting = (struct coop_wait_group)COOP_WAIT_GROUP_INIT(clients);
	if (!ret)
		ret = coop_open(&group, NULL);
	if (!ret)
		ret = run(tasks);
	free(tasks);
	if (ret) {
		fprintf(stderr, "echo: %s\n", coop_explain(ret));
		return 1;
	}
	printf("%d connections, at most %d at once: %ld bytes sent back, "
	       "%ld received\n",
	       clients, open_most, echoed, answered);
	return echoed != answered;
}
