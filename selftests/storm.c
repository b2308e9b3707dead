// SPDX-License-Identifier: GPL-2.0
/*
 * A program whose tasks block wherever a program can (a read, a page fault
 * served late, a sleep) beside tasks that wait and yield, and what it must
 * stand: signals, a debugger that attaches, steps and detaches, and turns that
 * are taken. All tasks go on, and never two at once.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "coop_test.h"

enum { ACTORS = 4, READER = ACTORS, FAULTER, TASKS, PAGE = 4096 };

/* Shared with the child, which is the program. */
struct storm {
	int fd, pipe[2], faults;
	char *page;
	atomic_bool over;
	atomic_int broken, watched, failed, tids[TASKS], ids[TASKS];
	atomic_long beats[TASKS], rounds[TASKS], handled;
};

static struct storm *storm;

static void on_signal(int signal)
{
	storm->handled++;
}

static long beats_of_others(long me)
{
	long beats = 0;

	for (int i = 0; i < TASKS; i++)
		if (i != me)
			beats += storm->beats[i];
	return beats;
}

static unsigned long turns_granted(int id)
{
	struct coop_stat stat;

	return get_stat(storm->fd, id, &stat) ? 0 : stat.switches;
}

/*
 * While this task is granted no turn anew, it has not lost its turn, and no
 * other one of the group may have moved.
 */
static void watch_others(long me)
{
	unsigned long granted = turns_granted(storm->ids[me]);
	long before = beats_of_others(me), after;

	for (int i = 0; i < 500; i++)
		storm->beats[me]++;
	after = beats_of_others(me);
	if (turns_granted(storm->ids[me]) != granted)
		return;
	storm->watched++;
	if (after != before)
		storm->broken++;
}

static void act(unsigned int *seed)
{
	struct coop_wait wait = {
		.flags = COOP_WAIT_DEADLINE | COOP_WAIT_WAKE };

	switch (rand_r(seed) % 6) {
	case 0:
		yield(storm->fd);
		break;
	case 1:
		usleep(rand_r(seed) % 100);
		break;
	case 2:
		sched_yield();
		break;
	case 3:
		wait.deadline = now() + rand_r(seed) % 1000000;
		if (wait_for(storm->fd, wait) <= 0)
			storm->failed++;
		break;
	case 4:
		wake(storm->fd, storm->ids[rand_r(seed) % ACTORS]);
		break;
	}
}

static void *be_a_task(void *arg)
{
	long me = (long)arg;
	unsigned int seed = me;
	char byte;

	storm->tids[me] = gettid();
	storm->ids[me] = join(storm->fd);
	while (!storm->over) {
		if (me == READER) {
			while (read(storm->pipe[0], &byte, 1) < 0)
				;
		} else if (me == FAULTER) {
			madvise(storm->page, PAGE, MADV_DONTNEED);
			if (*(volatile char *)storm->page != 42)
				storm->failed++;
		} else {
			act(&seed);
		}
		watch_others(me);
		storm->rounds[me]++;
	}
	leave(storm->fd);
	return NULL;
}

/* No task: supplies the reader's bytes and the faulter's pages, late. */
static void *serve(void *arg)
{
	char source[PAGE] = { 42 };
	struct uffdio_copy copy = {
		.dst = (unsigned long)storm->page,
		.src = (unsigned long)source,
		.len = PAGE,
	};
	struct pollfd fault = { .fd = storm->faults, .events = POLLIN };
	struct uffd_msg msg;

	for (;;) {
		usleep(500);
		if (write(storm->pipe[1], "", 1) != 1)
			storm->failed++;
		if (poll(&fault, 1, 0) <= 0)
			continue;
		if (read(storm->faults, &msg, sizeof(msg)) == sizeof(msg))
			ioctl(storm->faults, UFFDIO_COPY, &copy);
	}
	return NULL;
}

static bool make_slow_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range;

	storm->faults = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	storm->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range = (struct uffdio_register){
		.range = { (unsigned long)storm->page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	return !ioctl(storm->faults, UFFDIO_API, &api) &&
	       !ioctl(storm->faults, UFFDIO_REGISTER, &range);
}

/* The child: the program that has to stand it all. */
static void run_program(void)
{
	pthread_t threads[TASKS], server;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (!make_slow_page())
		_exit(2);
	start(&server, serve, NULL);
	for (long i = 0; i < TASKS; i++)
		if (start(&threads[i], be_a_task, (void *)i))
			_exit(3);
	for (int i = 0; i < TASKS; i++)
		pthread_join(threads[i], NULL);
	_exit(storm->failed ? 1 : 0);
}

FIXTURE(storm) {
	pid_t program;
};

FIXTURE_VARIANT(storm) {
	unsigned int turn_flags;
	bool signals, debugger;
};

FIXTURE_VARIANT_ADD(storm, calm) { 0, false, false };
FIXTURE_VARIANT_ADD(storm, of_signals) { 0, true, false };
FIXTURE_VARIANT_ADD(storm, of_a_debugger) { 0, false, true };
FIXTURE_VARIANT_ADD(storm, of_all) { COOP_GROUP_PREEMPT, true, true };

FIXTURE_SETUP(storm)
{
	struct coop_setup setup = {
		.turns = 1, .flags = variant->turn_flags,
		.budget = COOP_BUDGET_MIN };
	struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = SA_RESTART };

	storm = map_shared(sizeof(*storm));
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, pipe(storm->pipe));
	storm->fd = open("/dev/coop", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, ioctl(storm->fd, COOP_IOC_SETUP, &setup));
	self->program = fork_child();
	if (!self->program)
		run_program();
}

FIXTURE_TEARDOWN(storm)
{
	kill(self->program, SIGKILL);
	waitpid(self->program, NULL, 0);
	close(storm->fd);
}

/* Each task has gone that many rounds since. */
static void let_run(pid_t program, long rounds, bool signals)
{
	unsigned int seed = 1;
	long was[TASKS];

	for (int i = 0; i < TASKS; i++)
		was[i] = storm->rounds[i];
	for (int i = 0; i < TASKS; usleep(rand_r(&seed) % 200)) {
		int tid = storm->tids[rand_r(&seed) % TASKS];

		if (signals && tid)
			syscall(SYS_tgkill, program, tid, SIGUSR1);
		if (storm->rounds[i] >= was[i] + rounds)
			i++;
	}
}

static int debug(pid_t program)
{
	char command[300];

	snprintf(command, sizeof(command),
		 "gdb -nx -batch -p %d -ex 'handle SIGUSR1 nostop noprint pass' %s %s",
		 program,
		 "-ex 'thread 2' -ex 'stepi 20' -ex 'thread 6' -ex 'stepi 20'",
		 "-ex 'thread 8' -ex 'stepi 20' -ex detach </dev/null >/dev/null 2>&1");
	return system(command);
}

TEST_F_TIMEOUT(storm, all_go_on_one_at_a_time, 280)
{
	struct coop_stat stat;
	int status;

	let_run(self->program, 100, variant->signals);
	for (int i = 0; variant->debugger && i < 3; i++) {
		EXPECT_EQ(0, debug(self->program));
		let_run(self->program, 20, variant->signals);
	}
	storm->over = true;
	ASSERT_EQ(self->program, waitpid(self->program, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, storm->broken);
	EXPECT_LT(1000, storm->watched);
	if (variant->signals)
		EXPECT_LT(100, storm->handled);
	ASSERT_EQ(0, get_stat(storm->fd, 0, &stat));
	EXPECT_LT(100, stat.blocks);
	EXPECT_EQ(0, stat.tasks);
	EXPECT_EQ(0, stat.running);
	EXPECT_EQ(0, stat.waiting);
}

static void __attribute__((constructor)) require_strict(void)
{
	if (!is_strict())
		skip_all("COOP_FEATURE_STRICT is missing", 0);
	if (syscall(SYS_userfaultfd, 0) < 0)
		skip_all("userfaultfd needs root or its sysctl", 0);
	if (system("command -v gdb >/dev/null"))
		skip_all("gdb is not installed", 0);
}

TEST_HARNESS_MAIN
