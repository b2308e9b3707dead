// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/coop: the device. Every call comes in here, is checked, and goes to
 * the file that knows the subject. The calls themselves are described in
 * uapi/linux/coop.h, the types and locks in coop.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "coop.h"

static ushort mode = 0666;
module_param(mode, ushort, 0444);
MODULE_PARM_DESC(mode, "access mode of /dev/coop (default 0666)");

static uint tasks_max = 1 << 20;
module_param(tasks_max, uint, 0644);
MODULE_PARM_DESC(tasks_max, "most tasks in one group (default 1048576)");

/* The size of the structures as first published; shorter ones are refused. */
#define COOP_INFO_SIZE_V1	24
#define COOP_SETUP_SIZE_V1	8
#define COOP_SWITCH_SIZE_V1	8
#define COOP_STAT_SIZE_V1	48
#define COOP_WAIT_SIZE_V1	24
#define COOP_WAKE_SIZE_V1	8

/* A call whatever the size of its structure, which may grow. */
#define COOP_CALL(cmd)		((cmd) & ~IOCSIZE_MASK)

/* The size is nearly always ours; with that known, the copy is a few moves. */
static __always_inline int coop_copy_in(void *to, size_t size, size_t size_v1,
					unsigned int cmd,
					const void __user *from)
{
	size_t usize = _IOC_SIZE(cmd);

	if (usize == size)
		return copy_from_user(to, from, size) ? -EFAULT : 0;
	if (usize < size_v1)
		return -EINVAL;
	return copy_struct_from_user(to, size, from, usize);
}

static int coop_copy_out(void __user *to, unsigned int cmd, const void *from,
			 size_t size)
{
	size_t usize = _IOC_SIZE(cmd);

	if (copy_to_user(to, from, min(usize, size)))
		return -EFAULT;
	if (usize > size && clear_user(to + size, usize - size))
		return -EFAULT;
	return 0;
}

/*
 * Calls with a structure are not inlined, lest coop_ioctl() make room for it on
 * the stack when it only yields.
 */
static noinline_for_stack long
coop_ioctl_info(unsigned int cmd, void __user *uinfo)
{
	struct coop_info info = {
		.abi = COOP_ABI_VERSION,
		.turns_max = COOP_TURNS_MAX,
		.features = COOP_FEATURES,
		.tasks_max = READ_ONCE(tasks_max),
	};

	if (_IOC_SIZE(cmd) < COOP_INFO_SIZE_V1)
		return -EINVAL;
	return coop_copy_out(uinfo, cmd, &info, sizeof(info));
}

static bool coop_setup_valid(const struct coop_setup *setup)
{
	if (!setup->turns || setup->turns > COOP_TURNS_MAX ||
	    setup->flags & ~(COOP_GROUP_ATOMIC | COOP_GROUP_PREEMPT))
		return false;
	if (setup->budget && setup->budget < COOP_BUDGET_MIN)
		return false;
	return !(setup->flags & COOP_GROUP_PREEMPT) ||
	       (setup->budget && !(setup->flags & COOP_GROUP_ATOMIC));
}

static noinline_for_stack long
coop_ioctl_setup(struct coop_group *group, unsigned int cmd,
		 const void __user *usetup)
{
	struct coop_setup setup;
	int ret;

	ret = coop_copy_in(&setup, sizeof(setup), COOP_SETUP_SIZE_V1, cmd,
			   usetup);
	if (ret)
		return ret;
	if (!coop_setup_valid(&setup))
		return -EINVAL;
	if (setup.flags & COOP_GROUP_PREEMPT &&
	    !(COOP_FEATURES & COOP_FEATURE_STRICT))
		return -EOPNOTSUPP;
	return coop_turn_setup(group, &setup);
}

static long coop_ioctl_join(struct coop_group *group, unsigned long arg)
{
	struct coop_task *me = coop_task_current(group);
	long ret;

	if (arg)
		return -EINVAL;
	if (!me || !me->nr_cuts)
		return coop_task_join(group, READ_ONCE(tasks_max));
	/* A signal may have cut this call short. */
	ret = coop_task_begin(me, COOP_IOC_JOIN, 0);
	if (!ret)
		return -EBUSY;
	return ret > 0 ? me->id : ret;
}

static long coop_ioctl_leave(struct coop_group *group, unsigned long arg)
{
	struct coop_task *me = coop_task_current(group);

	if (arg)
		return -EINVAL;
	if (!me)
		return -EPERM;
	coop_task_leave(me);
	return 0;
}

static long coop_ioctl_yield(struct coop_group *group, unsigned long arg)
{
	struct coop_task *me = coop_task_current(group);
	long ret;

	if (arg)
		return -EINVAL;
	if (!me)
		return -EPERM;
	do {
		ret = coop_task_begin(me, COOP_IOC_YIELD, 0);
		if (ret)
			return ret > 0 ? 0 : ret;
		ret = coop_turn_yield(me);
	} while (ret == -EAGAIN);
	return ret < 0 ? coop_task_fail(me, COOP_IOC_YIELD, 0, ret) : ret;
}

static long coop_switch(struct coop_task *me, u32 to, unsigned long arg)
{
	long ret;

	do {
		ret = coop_task_begin(me, COOP_IOC_SWITCH, arg);
		if (ret)
			return ret > 0 ? 0 : ret;
		ret = coop_turn_switch(me, to);
	} while (ret == -EAGAIN);
	return ret < 0 ? coop_task_fail(me, COOP_IOC_SWITCH, arg, ret) : ret;
}

/*
 * A wait that a signal cut short is begun anew, and needs no turn for that; it
 * is only EINTR that has to be remembered, and a call that was made.
 */
static long coop_wait_or_restart(struct coop_task *me, struct file *file,
				 const struct coop_wait *wait, u32 call,
				 unsigned int cmd, unsigned long arg)
{
	bool again = coop_task_again(me, cmd, arg);
	long ret;

	ret = coop_wait_check(wait);
	if (ret)
		return ret;
	if (again && wait->flags & COOP_WAIT_INTR) {
		ret = coop_task_begin(me, cmd, arg);
		return ret > 0 ? -EINTR : ret;
	}
	ret = coop_wait(me, file, wait, again ? 0 : call);
	if (again && ret != -ERESTARTNOINTR)
		coop_task_forget(me);
	return ret;
}

static noinline_for_stack long
coop_ioctl_switch(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct coop_task *me = coop_task_current(file->private_data);
	struct coop_switch to;
	long ret;

	if (!me)
		return -EPERM;
	ret = coop_copy_in(&to, sizeof(to), COOP_SWITCH_SIZE_V1, cmd,
			   (const void __user *)arg);
	if (!ret && to.flags & ~COOP_SWITCH_WAIT)
		ret = -EINVAL;
	if (!ret && !to.task)
		ret = -ESRCH;
	if (!ret && !to.flags)
		return coop_switch(me, to.task, arg);
	if (!ret)
		ret = coop_wait_or_restart(me, file, &to.wait, to.task,
					   COOP_IOC_SWITCH, arg);
	return ret < 0 ? coop_task_fail(me, COOP_IOC_SWITCH, arg, ret) : ret;
}

static noinline_for_stack long
coop_ioctl_wait(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct coop_task *me = coop_task_current(file->private_data);
	struct coop_wait wait;
	long ret;

	if (!me)
		return -EPERM;
	ret = coop_copy_in(&wait, sizeof(wait), COOP_WAIT_SIZE_V1, cmd,
			   (const void __user *)arg);
	if (!ret)
		ret = coop_wait_or_restart(me, file, &wait, 0, COOP_IOC_WAIT,
					   arg);
	return ret < 0 ? coop_task_fail(me, COOP_IOC_WAIT, arg, ret) : ret;
}

static noinline_for_stack long
coop_ioctl_wake(struct coop_group *group, unsigned int cmd,
		const void __user *uwake)
{
	struct coop_wake wake;
	int ret;

	ret = coop_copy_in(&wake, sizeof(wake), COOP_WAKE_SIZE_V1, cmd, uwake);
	if (ret)
		return ret;
	if (wake.flags)
		return -EINVAL;
	return coop_turn_wake(group, wake.task);
}

static noinline_for_stack long
coop_ioctl_stat(struct coop_group *group, unsigned int cmd, void __user *ustat)
{
	struct coop_stat stat = {};
	int ret;

	if (_IOC_SIZE(cmd) < COOP_STAT_SIZE_V1)
		return -EINVAL;
	if (copy_from_user(&stat, ustat, offsetof(struct coop_stat, state)))
		return -EFAULT;
	if (stat.flags)
		return -EINVAL;
	ret = coop_turn_stat(group, &stat);
	if (ret)
		return ret;
	return coop_copy_out(ustat, cmd, &stat, sizeof(stat));
}

static long coop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct coop_group *group = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (COOP_CALL(cmd)) {
	case COOP_CALL(COOP_IOC_YIELD):
		return coop_ioctl_yield(group, arg);
	case COOP_CALL(COOP_IOC_SWITCH):
		return coop_ioctl_switch(file, cmd, arg);
	case COOP_CALL(COOP_IOC_WAIT):
		return coop_ioctl_wait(file, cmd, arg);
	case COOP_CALL(COOP_IOC_WAKE):
		return coop_ioctl_wake(group, cmd, uarg);
	case COOP_CALL(COOP_IOC_JOIN):
		return coop_ioctl_join(group, arg);
	case COOP_CALL(COOP_IOC_LEAVE):
		return coop_ioctl_leave(group, arg);
	case COOP_CALL(COOP_IOC_INFO):
		return coop_ioctl_info(cmd, uarg);
	case COOP_CALL(COOP_IOC_SETUP):
		return coop_ioctl_setup(group, cmd, uarg);
	case COOP_CALL(COOP_IOC_STAT):
		return coop_ioctl_stat(group, cmd, uarg);
	default:
		return -ENOTTY;
	}
}

static int coop_open(struct inode *inode, struct file *file)
{
	struct coop_group *group = coop_group_new();

	if (!group)
		return -ENOMEM;
	file->private_data = group;
	return nonseekable_open(inode, file);
}

static int coop_release(struct inode *inode, struct file *file)
{
	struct coop_group *group = file->private_data;

	coop_turn_close(group);
	coop_group_put(group);
	return 0;
}

static __poll_t coop_poll(struct file *file, poll_table *table)
{
	struct coop_group *group = file->private_data;

	poll_wait(file, &group->poll, table);
	return coop_turn_poll(group) ? EPOLLIN | EPOLLRDNORM : 0;
}

#ifdef CONFIG_PROC_FS
static void coop_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct coop_group *group = file->private_data;
	struct coop_stat stat = {};

	coop_turn_stat(group, &stat);
	seq_printf(seq, "coop-group:\t%llu\n", group->id);
	seq_printf(seq, "turns:\t%u\n", stat.turns);
	seq_printf(seq, "tasks:\t%u\n", stat.tasks);
	seq_printf(seq, "ready:\t%u\n", stat.ready);
	seq_printf(seq, "running:\t%u\n", stat.running);
	seq_printf(seq, "waiting:\t%u\n", stat.waiting);
	seq_printf(seq, "out:\t%u\n",
		   stat.tasks - stat.ready - stat.running - stat.waiting);
	seq_printf(seq, "switches:\t%llu\n", stat.switches);
	seq_printf(seq, "handovers:\t%llu\n", stat.handovers);
	seq_printf(seq, "blocks:\t%llu\n", stat.blocks);
	seq_printf(seq, "stalls:\t%llu\n", stat.stalls);
	seq_printf(seq, "overruns:\t%llu\n", stat.overruns);
	seq_printf(seq, "waits:\t%llu\n", stat.waits);
	seq_printf(seq, "wakes:\t%llu\n", stat.wakes);
}
#endif

static const struct file_operations coop_fops = {
	.owner = THIS_MODULE,
	.open = coop_open,
	.release = coop_release,
	.poll = coop_poll,
	.unlocked_ioctl = coop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = coop_show_fdinfo,
#endif
};

static struct miscdevice coop_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "coop",
	.fops = &coop_fops,
};

static int __init coop_init(void)
{
	int ret;

	if (mode & ~0666) {
		pr_err("mode=%#o is not an access mode within 0666\n", mode);
		return -EINVAL;
	}
	ret = coop_task_init();
	if (ret)
		return ret;
	coop_device.mode = mode;
	ret = misc_register(&coop_device);
	if (ret)
		coop_task_exit();
	return ret;
}
module_init(coop_init);

static void __exit coop_exit(void)
{
	misc_deregister(&coop_device);
	coop_task_exit();
}
module_exit(coop_exit);

MODULE_DESCRIPTION("Cooperative tasks that take turns, at /dev/coop");
MODULE_VERSION("1.0.0");
MODULE_LICENSE("GPL");
