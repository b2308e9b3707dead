// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Errors in words: for those that a user can do something about, what to do.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define LOAD_IT "load the module with 'insmod coop.ko' (as root)"
#define PASS_IT "a container needs --device /dev/coop"

static const struct {
	int error;
	const char *advice;
} advices[] = {
	{ -ENOENT, "/dev/coop is not there: " LOAD_IT "; " PASS_IT },
	{ -ENXIO, "/dev/coop is there, its module is not: " LOAD_IT },
	{ -ENODEV, "/dev/coop is there, its module is not: " LOAD_IT },
	{ -EACCES, "no permission to open /dev/coop: have its mode changed" },
	{ -EPERM, "the thread is no task of this group: call coop_enter(). At opening: " PASS_IT },
	{ -ENOTTY,
	  "not a coop device, or one without this call: check COOP_DEVICE and the module" },
	{ -EBADF, "the group's descriptor is not open: only coop_close() may close it" },
	{ -EBUSY, "a task is not READY, or is a task already, or the group still has tasks" },
	{ -EDEADLK, "a task cannot hand over to itself, join itself or wait for what it holds" },
	{ -EINVAL, "an argument is NULL, out of its range or of a wrong kind" },
	{ -E2BIG, "an option that this libcoop does not know: use a newer one" },
	{ -ENOSPC, "the group is full: raise the module's tasks_max" },
	{ -ESRCH, "no such task in this group: it has ended or left, or is another process's" },
	{ -EAGAIN, "no more threads or thread-specific keys: see ulimit -u, or pids.max" },
	{ -ENOMEM, "out of memory" },
	{ -ETIME, "the deadline has passed: use a later one, or COOP_FOREVER" },
	{ -EPIPE, "the channel is closed, or the other end of the pipe or socket is" },
	{ -EOVERFLOW, "the count of the semaphore or wait group is at its end" },
	{ -ECANCELED, "the task ended early, by pthread_exit() or cancellation" },
};

/* The largest errno value that a system call can return. */
#define ERRNO_MAX 4095

const char *coop_explain(int error)
{
	const char *text = NULL;
	size_t i;

	if (error >= 0)
		return "no error";
	for (i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		if (advices[i].error == error)
			return advices[i].advice;
	}
	if (error >= -ERRNO_MAX)
		text = strerrordesc_np(-error);
	return text ? text : "an error that the C library does not know";
}
