// SPDX-License-Identifier: GPL-2.0
/*
 * For selftests/events: /dev/coop_queue, whose wait queue goes before its file.
 *
 * A few kernels have files like that, whose queue belongs to a task or to a
 * cgroup; which ones changes with the release. Here each file has a queue of its
 * own, and a write to the file tells those in it that it goes, and frees it.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

static int coop_queue_open(struct inode *inode, struct file *file)
{
	struct wait_queue_head *head = kmalloc(sizeof(*head), GFP_KERNEL);

	if (!head)
		return -ENOMEM;
	init_waitqueue_head(head);
	file->private_data = head;
	return nonseekable_open(inode, file);
}

static __poll_t coop_queue_poll(struct file *file, poll_table *table)
{
	struct wait_queue_head *head = READ_ONCE(file->private_data);

	if (!head)
		return EPOLLERR;
	poll_wait(file, head, table);
	return 0;
}

/* What wake_up_pollfree() asks of its callers. */
static void coop_queue_free(struct file *file)
{
	struct wait_queue_head *head = xchg(&file->private_data, NULL);

	if (!head)
		return;
	wake_up_pollfree(head);
	synchronize_rcu();
	kfree(head);
}

static ssize_t coop_queue_write(struct file *file, const char __user *data,
				size_t size, loff_t *pos)
{
	coop_queue_free(file);
	return size;
}

static int coop_queue_release(struct inode *inode, struct file *file)
{
	coop_queue_free(file);
	return 0;
}

static const struct file_operations coop_queue_fops = {
	.owner = THIS_MODULE,
	.open = coop_queue_open,
	.poll = coop_queue_poll,
	.write = coop_queue_write,
	.release = coop_queue_release,
	.llseek = noop_llseek,
};

static struct miscdevice coop_queue_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "coop_queue",
	.fops = &coop_queue_fops,
};
module_misc_device(coop_queue_device);

MODULE_DESCRIPTION("A wait queue that goes before its file, for coop's tests");
MODULE_LICENSE("GPL");
