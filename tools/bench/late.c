// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Ways to block in the kernel for a while, where no program would await. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "late.h"

static void sleep_late(void)
{
	struct timespec time = { .tv_nsec = LATE_NS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void answer_late(struct late *late)
{
	char byte;

	if (read(late->asked[0], &byte, 1) != 1)
		return;
	sleep_late();
	if (write(late->answers[1], &byte, 1) != 1)
		bench_complain("stall: a pipe cannot be written: errno %d", errno);
}

static void serve_page_late(struct late *late)
{
	struct uffdio_zeropage zero = {};
	struct uffd_msg fault;

	if (read(late->userfault, &fault, sizeof(fault)) != sizeof(fault))
		return;
	sleep_late();
	zero.range.len = sysconf(_SC_PAGESIZE);
	zero.range.start = fault.arg.pagefault.address & -zero.range.len;
	if (ioctl(late->userfault, UFFDIO_ZEROPAGE, &zero))
		bench_complain("stall: a page cannot be given: errno %d", errno);
}

static void *serve_late(void *arg)
{
	struct late *late = arg;
	struct pollfd wanted[2] = {
		{ .fd = late->asked[0], .events = POLLIN },
		{ .fd = late->userfault, .events = POLLIN },
	};

	bench_hurry();
	while (poll(wanted, 2, -1) > 0) {
		if (wanted[0].revents)
			answer_late(late);
		if (wanted[1].revents)
			serve_page_late(late);
	}
	return NULL;
}

/*
 * Returns a descriptor, or -1. That it serves no faults of the kernel's makes
 * it permitted to everybody, but for a container's filter.
 */
int late_open_userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int open_pages(struct late *late, int pages)
{
	size_t size = pages * sysconf(_SC_PAGESIZE);
	struct uffdio_register area = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range.len = size,
	};

	late->pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (late->pages == MAP_FAILED)
		return errno;
	area.range.start = (unsigned long)late->pages;
	return ioctl(late->userfault, UFFDIO_REGISTER, &area) ? errno : 0;
}

/**
 * late_open() - make ready to block
 * @late: filled; used until the process ends
 * @blocks: how often at the most
 *
 * Return: 0 or an errno value.
 */
int late_open(struct late *late, int blocks)
{
	pthread_t thread;
	int ret = 0;

	late->pages = NULL;
	late->userfault = late_open_userfault();
	if (late->userfault >= 0)
		ret = open_pages(late, blocks);
	if (!ret && (pipe(late->asked) || pipe(late->answers)))
		ret = errno;
	return ret ? ret : pthread_create(&thread, NULL, serve_late, late);
}

static void read_late(struct late *late)
{
	char byte = 0;

	if (write(late->asked[1], &byte, 1) != 1 ||
	    read(late->answers[0], &byte, 1) != 1)
		bench_complain("stall: a pipe cannot be used: errno %d", errno);
}

/**
 * late_block() - block for LATE_NS
 * @late: what late_open() filled
 * @number: the how-manieth time it is, from 0; each time in another way
 */
void late_block(struct late *late, int number)
{
	switch (number % (late->pages ? 3 : 2)) {
	case 0:
		sleep_late();
		return;
	case 1:
		read_late(late);
		return;
	default:
		(void)*(volatile char *)&late->pages[number * sysconf(_SC_PAGESIZE)];
	}
}
