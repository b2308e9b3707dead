/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A device that is not there, and the C library's failures, by wrapping what
 * the library calls (see wrapped in the Makefile). Every thread has its own
 * idea of being a task; nobody waits for a turn. Waits and wakes do work.
 */
#ifndef COOP_TEST_FAKE_H
#define COOP_TEST_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "internal.h"

/* What can be counted and made to fail; first the calls by their number. */
enum fake_call {
	FAKE_INFO,
	FAKE_SETUP,
	FAKE_JOIN,
	FAKE_LEAVE,
	FAKE_YIELD,
	FAKE_SWITCH,
	FAKE_STAT,
	FAKE_WAIT,
	FAKE_WAKE,
	FAKE_OPEN,
	FAKE_MALLOC,
	FAKE_CALLOC,
	FAKE_THREAD,
	FAKE_KEY,
	FAKE_SPECIFIC,
	FAKE_ATFORK,
	FAKE_CALLS,
};

/* Forget all counts and failures; a cmocka setup function. */
int fake_reset(void **state);

/* All calls of this kind fail with this errno value, until 0 ends it. */
void fake_fail(enum fake_call call, int error);

/* How often it was called since fake_reset(). */
unsigned int fake_count(enum fake_call call);

/* Who wakes another is slow to go on. */
extern atomic_bool fake_slow_wakes;

/* What open() got, and whether it shall really open that and no fake. */
extern const char *fake_path;
extern int fake_flags;
extern bool fake_opens_path;

/* What the last calls got. */
extern struct coop_setup fake_setup;
extern _Thread_local struct coop_switch fake_switch;
extern _Thread_local struct coop_wait fake_wait;
extern _Atomic int fake_fd;

/* A group on the fake device. */
struct coop_group *fake_group(void);

/* Wait until a thread that is not joined has let go of the group. */
void fake_close_when_idle(struct coop_group *group);

#endif /* COOP_TEST_FAKE_H */
