// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Operation "stall": a server with many connections, and one request in a
 * hundred makes it block for 50 ms in a place where the program does not
 * await. How long do the innocent requests take, that do not block?
 *
 * All is on one CPU, and each run is a process of its own. Its first thread,
 * which is no task, sends requests at fixed times, whatever the server does,
 * and measures from those times on: a server that stalls cannot hide what it
 * keeps waiting.
 */
#include <coop.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"
#include "late.h"

/* When all runs well, a server stalls a quarter of the time. */
#define INTERVAL_NS 2000000
#define REQUESTS 300
#define EVERY 100
/* With fewer, requests would wait for one that blocks on their connection. */
#define CONNECTIONS_MIN 50
#define GIVE_UP_NS 10e9

/**
 * struct server - serves connections by one method
 * @method: that method
 * @connections: how many
 * @ends: of each connection, the server's and the client's
 * @stack: size of a thread's stack in bytes; 0 for the system's default
 * @group: coop: the group
 * @there: threads that serve
 * @error: why one does not: an errno value, or 0
 * @late: what requests block by
 */
struct server {
	const struct method *method;
	int connections, (*ends)[2];
	size_t stack;
	int group;
	atomic_int there, error;
	struct late late;
};

/* A thread of the server's, and its connection. */
struct servant {
	struct server *server;
	int fd;
};

/**
 * struct method - a way to serve
 * @name: what the report calls it
 * @serve: runs in a thread for each connection, or else in one for all
 * @alone: it is one for all
 * @coop: the threads are tasks of a group with one turn
 * @flags: of the group
 */
struct method {
	const char *name;
	void (*serve)(struct servant *servant);
	bool alone, coop;
	unsigned int flags;
};

/* Requests are numbers, and so are replies. */
static bool blocks(uint32_t request)
{
	return request % EVERY == EVERY / 2;
}

static void serve_one(struct servant *servant, int fd)
{
	uint32_t request;

	if (read(fd, &request, sizeof(request)) != sizeof(request)) {
		servant->server->error = errno;
		return;
	}
	if (blocks(request))
		late_block(&servant->server->late, request / EVERY);
	if (write(fd, &request, sizeof(request)) != sizeof(request))
		servant->server->error = errno;
}

static void serve_blocking(struct servant *servant)
{
	while (!servant->server->error)
		serve_one(servant, servant->fd);
}

/* To read when nothing is there would keep the turn, and all others from it. */
static void serve_awaiting(struct servant *servant)
{
	const struct coop_wait input = {
		.flags = COOP_WAIT_FD,
		.events = POLLIN,
		.fd = servant->fd,
	};

	while (!servant->server->error) {
		if (ioctl(servant->server->group, COOP_IOC_WAIT, &input) < 0)
			servant->server->error = errno;
		else
			serve_one(servant, servant->fd);
	}
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve_all(struct servant *servant)
{
	struct server *server = servant->server;
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC), count;

	for (int i = 0; i < server->connections; i++)
		if (watch(epoll, server->ends[i][0]))
			server->error = errno;
	while (!server->error) {
		count = epoll_wait(epoll, events, 64, -1);
		for (int i = 0; i < count; i++)
			serve_one(servant, events[i].data.fd);
	}
}

static const struct method methods[] = {
	{ "coop-thread", serve_blocking, .coop = true },
	{ "coop-thread-atomic", serve_awaiting, .coop = true, .flags = COOP_GROUP_ATOMIC },
	{ "pthread", serve_blocking },
	{ "epoll", serve_all, .alone = true },
	{ NULL },
};

const char *bench_stall_method(int number)
{
	return methods[number].name;
}

static void *serve(void *arg)
{
	struct servant *servant = arg;
	struct server *server = servant->server;
	int id = server->method->coop ? coop_sys_join(server->group) : 0;

	if (id < 0)
		server->error = -id;
	atomic_fetch_add(&server->there, 1);
	server->method->serve(servant);
	return NULL;
}

static int open_group(struct server *server)
{
	struct coop_setup setup = { .turns = 1, .flags = server->method->flags };

	server->group = coop_sys_open(0);
	if (server->group < 0)
		return -server->group;
	return -coop_sys_setup(server->group, &setup);
}

static int start_threads(struct server *server, int threads)
{
	struct servant *servants = calloc(threads, sizeof(*servants));
	pthread_attr_t attr;
	pthread_t thread;
	int ret = servants ? 0 : ENOMEM;

	pthread_attr_init(&attr);
	if (server->stack)
		pthread_attr_setstacksize(&attr, server->stack);
	for (int i = 0; i < threads && !ret; i++) {
		servants[i].server = server;
		servants[i].fd = server->ends[i][0];
		ret = pthread_create(&thread, &attr, serve, &servants[i]);
	}
	pthread_attr_destroy(&attr);
	return ret;
}

/* Returns 0 with all connections idle, or an errno value. */
static int start_server(struct server *server)
{
	int threads = server->method->alone ? 1 : server->connections;
	double start = bench_clock();
	int ret = 0;

	server->ends = calloc(server->connections, sizeof(*server->ends));
	if (!server->ends)
		return ENOMEM;
	for (int i = 0; i < server->connections; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, server->ends[i]))
			return errno;
	if (server->method->coop)
		ret = open_group(server);
	if (!ret)
		ret = start_threads(server, threads);
	while (!ret && server->there < threads) {
		usleep(10000);
		ret = bench_clock() > start + GIVE_UP_NS ? ETIMEDOUT : server->error;
	}
	/* What is freed later belongs to the making. */
	usleep(100000);
	return ret ? ret : server->error;
}

/**
 * struct load - requests that come at fixed times
 * @server: whom they ask
 * @requests: how many
 * @sent, @answered: how many by now
 * @epoll: what is waited by
 * @timer: readable when a request is due
 * @start: when the first one was due
 * @latencies: of each, from when it was due to its answer
 */
struct load {
	struct server *server;
	int requests, sent, answered;
	int epoll, timer;
	double start, *latencies;
};

static double due(const struct load *load, int request)
{
	return load->start + (double)request * INTERVAL_NS;
}

static int open_load(struct load *load)
{
	const struct timespec interval = { .tv_nsec = INTERVAL_NS };
	const struct itimerspec beat = { interval, interval };

	load->latencies = calloc(load->requests, sizeof(*load->latencies));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (!load->latencies || watch(load->epoll, load->timer))
		return errno;
	for (int i = 0; i < load->server->connections; i++)
		if (watch(load->epoll, load->server->ends[i][1]))
			return errno;
	load->start = bench_clock() + INTERVAL_NS;
	return timerfd_settime(load->timer, 0, &beat, NULL) ? errno : 0;
}

static int send_due(struct load *load)
{
	struct server *server = load->server;
	uint64_t beats;
	uint32_t request;
	int fd;

	if (read(load->timer, &beats, sizeof(beats)) != sizeof(beats))
		return errno;
	while (load->sent < load->requests &&
	       due(load, load->sent) <= bench_clock()) {
		request = load->sent++;
		fd = server->ends[request % server->connections][1];
		if (write(fd, &request, sizeof(request)) != sizeof(request))
			return errno;
	}
	return 0;
}

static int take_answer(struct load *load, int fd)
{
	uint32_t request;

	if (read(fd, &request, sizeof(request)) != sizeof(request))
		return errno;
	load->latencies[request] = bench_clock() - due(load, request);
	load->answered++;
	return 0;
}

/* Returns 0 when all are answered, or an errno value. */
static int run_load(struct load *load)
{
	struct epoll_event events[64];
	int ret = open_load(load), count, fd;

	while (!ret && load->answered < load->requests) {
		count = epoll_wait(load->epoll, events, 64, GIVE_UP_NS / 1e6);
		ret = load->server->error;
		for (int i = 0; i < count && !ret; i++) {
			fd = events[i].data.fd;
			ret = fd == load->timer ? send_due(load) : take_answer(load, fd);
		}
		if (bench_clock() > due(load, load->requests) + GIVE_UP_NS)
			ret = ETIMEDOUT;
	}
	return ret;
}

/* What one run shall do, and what came of it. */
struct order {
	const struct method *method;
	int connections, requests;
	size_t stack;
};

struct outcome {
	double p50, p99;
	struct bench_usage usage;
};

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* How long the innocent requests took. Returns 0 or an errno value. */
static int note_latencies(struct load *load, struct outcome *outcome)
{
	int count = 0;

	for (int i = 0; i < load->requests; i++) {
		if (!blocks(i))
			load->latencies[count++] = load->latencies[i];
		else if (load->latencies[i] < LATE_NS)
			return EPROTO;
	}
	qsort(load->latencies, count, sizeof(*load->latencies), compare);
	outcome->p50 = load->latencies[(count - 1) / 2];
	outcome->p99 = load->latencies[(count - 1) * 99 / 100];
	return 0;
}

/* In a process of its own. Returns 0 or an errno value. */
static int run(const void *what, void *result)
{
	const struct order *order = what;
	struct outcome *outcome = result;
	struct server server = {
		.method = order->method,
		.connections = order->connections,
		.stack = order->stack,
	};
	struct load load = { .server = &server, .requests = order->requests };
	int ret;

	bench_pin(true);
	ret = late_open(&server.late, order->requests / EVERY + 1);
	if (ret)
		return ret;
	bench_read_usage(&outcome->usage);
	ret = start_server(&server);
	if (ret)
		return ret;
	bench_usage_since(&outcome->usage, order->connections);
	/* Clients elsewhere would not wait for the server's CPU. */
	bench_hurry();
	ret = run_load(&load);
	return ret ? ret : note_latencies(&load, outcome);
}

static void add_rows(const struct bench_options *options,
		     const struct order *order, const struct outcome *outcomes)
{
	struct bench_usage usages[BENCH_RUNS_MAX];
	struct bench_row row = {
		.operation = "stall-p50",
		.method = order->method->name,
		.unit = "ns",
		.tasks = order->connections,
		.pinned = true,
		.runs = options->runs,
		BENCH_NO_COUNTS,
	};

	for (int i = 0; i < row.runs; i++)
		row.samples[i] = outcomes[i].p50;
	bench_add_row(options, &row);
	row.operation = "stall-p99";
	for (int i = 0; i < row.runs; i++) {
		row.samples[i] = outcomes[i].p99;
		usages[i] = outcomes[i].usage;
	}
	bench_add_row(options, &row);
	row.operation = "stall-memory";
	bench_note_usages(&row, usages);
	bench_add_row(options, &row);
}

static void complain(const struct order *order, int error)
{
	const char *why = strerror(error);

	if (error == ETIMEDOUT)
		why = "the server hangs";
	else if (error == EPROTO)
		why = "a request that was to block did not";
	else if (order->method->coop)
		why = coop_explain(-error);
	bench_complain("stall %s, %d connections: not measured: %s",
		       order->method->name, order->connections, why);
}

static int measure(const struct bench_options *options,
		   const struct order *order)
{
	struct outcome outcomes[BENCH_RUNS_MAX], *outcome;
	int ret;

	/* The first run warms the kernel's caches up. */
	for (int i = -1; i < options->runs; i++) {
		bench_progress(options, "stall %s, %d connections, run %d of %d",
			       order->method->name, order->connections, i + 1,
			       options->runs);
		outcome = &outcomes[i < 0 ? 0 : i];
		ret = bench_in_process(run, order, outcome, sizeof(*outcome));
		if (ret) {
			complain(order, ret);
			return 1;
		}
	}
	add_rows(options, order, outcomes);
	return 0;
}

/* In a process of its own, which is the one that hurries. */
static int try_hurry(const void *what, void *result)
{
	return bench_hurry() ? errno : 0;
}

static void check_rights(void)
{
	int fd = late_open_userfault();
	char nothing;

	if (bench_in_process(try_hurry, NULL, &nothing, 0))
		bench_complain("stall: the clients wait for the server's CPU, too: "
			       "SCHED_FIFO needs root or CAP_SYS_NICE");
	if (fd < 0)
		bench_complain("stall: no request blocks in a page fault: "
			       "userfaultfd is not permitted here");
	else
		close(fd);
}

/* Returns 0, or 1 if something could not be measured. */
int bench_stall(const struct bench_options *options)
{
	static const int usual[] = { 200, 0 };
	const int *tasks = options->tasks[0] ? options->tasks : usual;
	struct order order = { .stack = options->stack };
	int failed = 0;

	bench_raise_descriptor_limit();
	check_rights();
	order.requests = options->operations ? options->operations : REQUESTS;
	/* One of them has to block. */
	if (order.requests < EVERY)
		order.requests = EVERY;
	for (; *tasks; tasks++) {
		order.connections = *tasks;
		if (order.connections < CONNECTIONS_MIN) {
			bench_complain("stall, %d connections: not measured: needs %d",
				       order.connections, CONNECTIONS_MIN);
			failed = 1;
			continue;
		}
		for (order.method = methods; order.method->name; order.method++)
			if (bench_wanted(options, order.method->name))
				failed |= measure(options, &order);
	}
	return failed;
}
