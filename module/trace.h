/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints: what happens to tasks and turns, as it happens. All but
 * coop_join are hit with the group's lock held, so their order is the truth.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM coop

#if !defined(COOP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define COOP_TRACE_H

#include <linux/tracepoint.h>

#include "coop.h"

#define COOP_WHYS				\
	COOP_WHY(JOIN,		"join")		\
	COOP_WHY(LEAVE,		"leave")	\
	COOP_WHY(YIELD,		"yield")	\
	COOP_WHY(HANDOVER,	"handover")	\
	COOP_WHY(RETURN,	"return")	\
	COOP_WHY(EXIT,		"exit")		\
	COOP_WHY(EXEC,		"exec")		\
	COOP_WHY(BLOCK,		"block")	\
	COOP_WHY(SIGNAL,	"signal")	\
	COOP_WHY(WAIT,		"wait")		\
	COOP_WHY(WAKE,		"wake")		\
	COOP_WHY_LAST(BUDGET,	"budget")

#undef COOP_WHY
#undef COOP_WHY_LAST
#define COOP_WHY(why, name)		TRACE_DEFINE_ENUM(COOP_WHY_##why);
#define COOP_WHY_LAST(why, name)	TRACE_DEFINE_ENUM(COOP_WHY_##why);
COOP_WHYS

#undef COOP_WHY
#undef COOP_WHY_LAST
#define COOP_WHY(why, name)		{ COOP_WHY_##why, name },
#define COOP_WHY_LAST(why, name)	{ COOP_WHY_##why, name }
#define show_coop_why(why)		__print_symbolic(why, COOP_WHYS)

DECLARE_EVENT_CLASS(coop_task,
	TP_PROTO(const struct coop_task *task),
	TP_ARGS(task),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u32, task)
		__field(pid_t, pid)
	),
	TP_fast_assign(
		__entry->group = task->group->id;
		__entry->task = task->id;
		__entry->pid = task->thread->pid;
	),
	TP_printk("group=%llu task=%u pid=%d",
		  __entry->group, __entry->task, __entry->pid)
);

/* A thread became a task; it has no turn yet. */
DEFINE_EVENT(coop_task, coop_join,
	TP_PROTO(const struct coop_task *task),
	TP_ARGS(task)
);

/* A task is one no more: it left, died or execed. */
DEFINE_EVENT(coop_task, coop_leave,
	TP_PROTO(const struct coop_task *task),
	TP_ARGS(task)
);

/* A task was queued for a turn. */
DEFINE_EVENT(coop_task, coop_ready,
	TP_PROTO(const struct coop_task *task),
	TP_ARGS(task)
);

#define show_coop_waits(flags)			\
	__print_flags(flags, "|",		\
		      { COOP_WAIT_FD,		"fd" },	\
		      { COOP_WAIT_DEADLINE,	"deadline" },	\
		      { COOP_WAIT_WAKE,		"wake" },	\
		      { COOP_WAIT_INTR,		"intr" })

/* A task waits. fd, events and deadline mean something if flags say so. */
TRACE_EVENT(coop_wait,
	TP_PROTO(const struct coop_task *task, const struct coop_wait *wait),
	TP_ARGS(task, wait),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u64, deadline)
		__field(u32, task)
		__field(pid_t, pid)
		__field(u32, flags)
		__field(u32, events)
		__field(s32, fd)
	),
	TP_fast_assign(
		__entry->group = task->group->id;
		__entry->deadline = wait->deadline;
		__entry->task = task->id;
		__entry->pid = task->thread->pid;
		__entry->flags = wait->flags;
		__entry->events = wait->events;
		__entry->fd = wait->fd;
	),
	TP_printk("group=%llu task=%u pid=%d for=%s fd=%d events=%#x deadline=%llu",
		  __entry->group, __entry->task, __entry->pid,
		  show_coop_waits(__entry->flags), __entry->fd,
		  __entry->events, __entry->deadline)
);

/* A task's wait has ended, by this. It is READY, or has a turn, next. */
TRACE_EVENT(coop_wake,
	TP_PROTO(const struct coop_task *task, u32 by),
	TP_ARGS(task, by),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u32, task)
		__field(pid_t, pid)
		__field(u32, by)
	),
	TP_fast_assign(
		__entry->group = task->group->id;
		__entry->task = task->id;
		__entry->pid = task->thread->pid;
		__entry->by = by;
	),
	TP_printk("group=%llu task=%u pid=%d by=%s",
		  __entry->group, __entry->task, __entry->pid,
		  show_coop_waits(__entry->by))
);

DECLARE_EVENT_CLASS(coop_task_ns,
	TP_PROTO(const struct coop_task *task, u64 ns),
	TP_ARGS(task, ns),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u64, ns)
		__field(u32, task)
		__field(pid_t, pid)
		__array(char, comm, TASK_COMM_LEN)
	),
	TP_fast_assign(
		__entry->group = task->group->id;
		__entry->ns = ns;
		__entry->task = task->id;
		__entry->pid = task->thread->pid;
		memcpy(__entry->comm, task->thread->comm, TASK_COMM_LEN);
	),
	TP_printk("group=%llu task=%u pid=%d comm=%s ns=%llu",
		  __entry->group, __entry->task, __entry->pid,
		  __entry->comm, __entry->ns)
);

/* A task of a COOP_GROUP_ATOMIC group has blocked, and kept its turn so long. */
DEFINE_EVENT(coop_task_ns, coop_stall,
	TP_PROTO(const struct coop_task *task, u64 ns),
	TP_ARGS(task, ns)
);

/* A turn has lasted at least so long. Once a budget, as long as it lasts. */
DEFINE_EVENT(coop_task_ns, coop_overrun,
	TP_PROTO(const struct coop_task *task, u64 ns),
	TP_ARGS(task, ns)
);

/*
 * A turn moved. prev is 0 when the turn was free, next is 0 when nobody was
 * READY for it and it becomes free.
 */
TRACE_EVENT(coop_switch,
	TP_PROTO(const struct coop_group *group, const struct coop_task *prev,
		 const struct coop_task *next, enum coop_why why),
	TP_ARGS(group, prev, next, why),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u32, prev)
		__field(u32, next)
		__field(pid_t, prev_pid)
		__field(pid_t, next_pid)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->group = group->id;
		__entry->prev = prev ? prev->id : 0;
		__entry->next = next ? next->id : 0;
		__entry->prev_pid = prev ? prev->thread->pid : 0;
		__entry->next_pid = next ? next->thread->pid : 0;
		__entry->why = why;
	),
	TP_printk("group=%llu prev=%u prev_pid=%d next=%u next_pid=%d why=%s",
		  __entry->group, __entry->prev, __entry->prev_pid,
		  __entry->next, __entry->next_pid,
		  show_coop_why(__entry->why))
);

#endif /* COOP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
