/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many tasks at what they share, on the fake device or the real one. Each
 * fails the test unless all counts are exact in the end, and does not end if
 * a wake was lost.
 */
#ifndef COOP_TEST_STRESS_H
#define COOP_TEST_STRESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "internal.h"

/* So many tasks do it so often; called by one that may be a task or not. */
typedef void stress(struct coop_group *group, int tasks, int rounds);

stress stress_mutex;
stress stress_cond;
stress stress_sem;
stress stress_wait_group;
stress stress_channel;
stress stress_channel_direct;
stress stress_deadlines;
stress stress_park;

#endif /* COOP_TEST_STRESS_H */
