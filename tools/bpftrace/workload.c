// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What the scripts' test looks at: four groups in which, over and over, turns
 * move. Runs until it is killed.
 *
 * In the first, all at once: "coop-hog" keeps each 20th turn for 200 ms,
 * "coop-giver" hands over to "coop-taker", and visitors leave, exit and exec.
 * In the second a wait is cut short, which gives joins and returns. Both are
 * COOP_GROUP_ATOMIC, and tasks of theirs sleep with their turns. The third is
 * not: "coop-sleeper" sleeps and loses its turn, "coop-yielder" mostly yields.
 * In the fourth "coop-writer" waits for a deadline 20 ms away, writes to the
 * pipe that "coop-reader" awaits, and wakes "coop-server", which also gives up
 * waiting after 20 s, and "coop-patient", whose wait a signal cuts short.
 * Prints "FIRST SECOND PID-OF-HOG THIRD FOURTH" when it has begun.
 */
#include <fcntl.h>
#include <linux/coop.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOLD_MS 200
#define SHORT_TURNS 19
#define YIELDS 1000
#define BEAT_NS 20000000ULL

static int *taker_id;		    /* shared by all */
static int told[2];		    /* a pipe: go on */
static int data[2];		    /* a pipe: what the reader awaits */
static int *server_id, *patient_id; /* shared by all */

static int check(int ret, const char *what)
{
	if (ret < 0) {
		perror(what);
		exit(1);
	}
	return ret;
}

static int join(int fd)
{
	return check(ioctl(fd, COOP_IOC_JOIN, 0), "workload: JOIN");
}

static void yield(int fd)
{
	check(ioctl(fd, COOP_IOC_YIELD, 0), "workload: YIELD");
}

static pid_t start(void (*role)(int fd), const char *name, int fd)
{
	pid_t pid = check(fork(), "workload: fork");

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	role(fd);
	_exit(0);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void hog(int fd)
{
	join(fd);
	for (;;) {
		long end = now_ms() + HOLD_MS + 1;

		while (now_ms() < end)
			;
		for (int i = 0; i <= SHORT_TURNS; i++)
			yield(fd);
	}
}

static void taker(int fd)
{
	__atomic_store_n(taker_id, join(fd), __ATOMIC_RELEASE);
	for (;;) {
		/* It keeps its turn, and leaves the CPU to those who look on. */
		usleep(1000);
		yield(fd);
	}
}

static void giver(int fd)
{
	struct coop_switch to = { 0 };

	join(fd);
	for (;;) {
		to.task = __atomic_load_n(taker_id, __ATOMIC_ACQUIRE);
		/* It may not have joined yet. */
		if (!to.task || ioctl(fd, COOP_IOC_SWITCH, &to))
			yield(fd);
	}
}

static void visit_and_leave(int fd)
{
	join(fd);
	check(ioctl(fd, COOP_IOC_LEAVE, 0), "workload: LEAVE");
}

static void visit_and_exit(int fd)
{
	join(fd);
}

static void visit_and_exec(int fd)
{
	join(fd);
	execl("/bin/true", "true", NULL);
	check(-1, "workload: /bin/true");
}

static void visitors(int fd)
{
	for (;;) {
		start(visit_and_leave, "coop-leaver", fd);
		start(visit_and_exit, "coop-exiter", fd);
		start(visit_and_exec, "coop-execer", fd);
		while (wait(NULL) > 0)
			;
		usleep(50000);
	}
}

static void wait_to_be_told(int signal)
{
	char byte;

	while (read(told[0], &byte, 1) < 0)
		;
}

static void waiter(int fd)
{
	signal(SIGUSR1, wait_to_be_told);
	join(fd);
}

static void wait_until(int fd, unsigned int tasks, unsigned int ready)
{
	struct coop_stat stat = { 0 };

	do {
		usleep(1000);
		check(ioctl(fd, COOP_IOC_STAT, &stat), "workload: STAT");
	} while (stat.tasks != tasks || stat.ready != ready);
}

/* The waiter is off READY when the turn becomes free, so it has to return. */
static void returns(int fd)
{
	for (;;) {
		pid_t pid;

		join(fd);
		pid = start(waiter, "coop-waiter", fd);
		wait_until(fd, 2, 1);
		kill(pid, SIGUSR1);
		wait_until(fd, 2, 0);
		check(ioctl(fd, COOP_IOC_LEAVE, 0), "workload: LEAVE");
		check(write(told[1], "", 1), "workload: pipe");
		waitpid(pid, NULL, 0);
		wait_until(fd, 0, 0);
		usleep(50000);
	}
}

static void sleeper(int fd)
{
	join(fd);
	for (;;)
		usleep(1000);
}

static void yielder(int fd)
{
	join(fd);
	for (;;) {
		for (int i = 0; i < YIELDS; i++)
			yield(fd);
		/* Now the turn becomes free, and the sleeper returns to it. */
		usleep(1000);
	}
}

static unsigned int await(int fd, const struct coop_wait *what)
{
	return check(ioctl(fd, COOP_IOC_WAIT, what), "workload: WAIT");
}

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void reader(int fd)
{
	struct coop_wait input = {
		.flags = COOP_WAIT_FD,
		.events = POLLIN,
		.fd = data[0],
	};
	char byte;

	join(fd);
	for (;;) {
		await(fd, &input);
		check(read(data[0], &byte, 1), "workload: read");
	}
}

static void server(int fd)
{
	struct coop_wait request = { .flags = COOP_WAIT_WAKE | COOP_WAIT_DEADLINE };

	__atomic_store_n(server_id, join(fd), __ATOMIC_RELEASE);
	for (;;) {
		request.deadline = now_ns() + 1000 * BEAT_NS;
		await(fd, &request);
	}
}

static void nothing(int signal)
{
}

/* A signal comes with each wake, just before it. */
static void patient(int fd)
{
	struct coop_wait wake = { .flags = COOP_WAIT_WAKE };

	signal(SIGUSR1, nothing);
	__atomic_store_n(patient_id, join(fd), __ATOMIC_RELEASE);
	for (;;)
		await(fd, &wake);
}

static void wake(int fd, int *id)
{
	struct coop_wake task = { .task = __atomic_load_n(id, __ATOMIC_ACQUIRE) };

	/* It may not have joined yet. */
	if (task.task)
		check(ioctl(fd, COOP_IOC_WAKE, &task), "workload: WAKE");
}

static void writer(int fd)
{
	pid_t pid = start(patient, "coop-patient", fd);
	struct coop_wait beat = { .flags = COOP_WAIT_DEADLINE };

	join(fd);
	for (;;) {
		beat.deadline = now_ns() + BEAT_NS;
		await(fd, &beat);
		check(write(data[1], "", 1), "workload: write");
		wake(fd, server_id);
		if (__atomic_load_n(patient_id, __ATOMIC_ACQUIRE))
			kill(pid, SIGUSR1);
		beat.deadline = now_ns() + BEAT_NS;
		await(fd, &beat);
		wake(fd, patient_id);
	}
}

static int open_group(unsigned int flags, __u64 budget)
{
	struct coop_setup setup = { .turns = 1, .flags = flags, .budget = budget };
	int fd = check(open("/dev/coop", O_RDWR | O_CLOEXEC),
		       "workload: /dev/coop");

	check(ioctl(fd, COOP_IOC_SETUP, &setup), "workload: SETUP");
	return fd;
}

static unsigned long group_id(int fd)
{
	unsigned long id = 0;
	char line[64];
	FILE *info;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	info = fopen(line, "r");
	while (info && fgets(line, sizeof(line), info))
		sscanf(line, "coop-group: %lu", &id);
	if (!id) {
		fprintf(stderr, "workload: no group in fdinfo\n");
		exit(1);
	}
	fclose(info);
	return id;
}

int main(void)
{
	int first = open_group(COOP_GROUP_ATOMIC, 50000000);
	int second = open_group(COOP_GROUP_ATOMIC, 0);
	int third = open_group(0, 0);
	int fourth = open_group(0, 0);
	pid_t pid;

	taker_id = mmap(NULL, 3 * sizeof(*taker_id), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(taker_id == MAP_FAILED ? -1 : 0, "workload: mmap");
	server_id = taker_id + 1;
	patient_id = taker_id + 2;
	check(pipe(told), "workload: pipe");
	check(pipe(data), "workload: pipe");
	start(taker, "coop-taker", first);
	start(giver, "coop-giver", first);
	start(visitors, "coop-visitors", first);
	start(returns, "coop-returns", second);
	start(sleeper, "coop-sleeper", third);
	start(yielder, "coop-yielder", third);
	start(reader, "coop-reader", fourth);
	start(server, "coop-server", fourth);
	start(writer, "coop-writer", fourth);
	pid = start(hog, "coop-hog", first);
	printf("%lu %lu %d %lu %lu\n", group_id(first), group_id(second), pid,
	       group_id(third), group_id(fourth));
	fflush(stdout);
	wait(NULL);
	fprintf(stderr, "workload: a part of it has ended\n");
	return 1;
}
