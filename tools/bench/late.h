/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What comes late, and blocks who wants it. */
#ifndef LATE_H
#define LATE_H

#define LATE_NS 50000000

/**
 * struct late - ways to block for LATE_NS
 * @userfault: where to learn of page faults; -1 where that is not permitted
 * @pages: memory of which each page is late; NULL without @userfault
 * @asked: a pipe, to which a byte is written by who wants one
 * @answers: a pipe, from which it is read late
 */
struct late {
	int userfault;
	char *pages;
	int asked[2], answers[2];
};

int late_open(struct late *late, int blocks);
void late_block(struct late *late, int number);
int late_open_userfault(void);

#endif
