/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A QEMU TCG plugin: counts the instructions executed per translation block
 * and writes "address count" lines when the guest powers off.
 *
 *   gcc -O2 -shared -fPIC -o icount-profile.so icount-profile.c
 *   PROFILE_OUT=a.txt qemu-system-x86_64 -icount shift=0,sleep=off -plugin ./icount-profile.so ...
 *
 * Two runs that differ only in their number of iterations, subtracted, give
 * the cost of one iteration: see profile-diff. Boot with nokaslr.
 * The declarations below are those of QEMU 7.2's plugin API, version 1.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_BLOCKS (1u << 20)

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info_t;

enum qemu_plugin_cb_flags {
	QEMU_PLUGIN_CB_NO_REGS
};

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
					   void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *,
					  void (*)(unsigned, void *),
					  enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t,
				    void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = 1;

struct block {
	uint64_t vaddr;
	uint64_t insns;
	uint64_t runs;
};

static struct block *blocks[MAX_BLOCKS];
static unsigned int nr_blocks;

static void block_ran(unsigned int cpu, void *data)
{
	((struct block *)data)->runs++;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b;

	if (nr_blocks == MAX_BLOCKS)
		return;
	b = calloc(1, sizeof(*b));
	if (!b)
		return;
	b->vaddr = qemu_plugin_tb_vaddr(tb);
	b->insns = qemu_plugin_tb_n_insns(tb);
	blocks[nr_blocks++] = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_ran, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void write_counts(qemu_plugin_id_t id, void *data)
{
	const char *path = getenv("PROFILE_OUT");
	FILE *out = fopen(path ? path : "profile.txt", "w");

	if (!out) {
		perror("icount-profile: cannot write the counts");
		return;
	}
	for (unsigned int i = 0; i < nr_blocks; i++)
		if (blocks[i]->runs)
			fprintf(out, "%lx %lu\n", (unsigned long)blocks[i]->vaddr,
				(unsigned long)(blocks[i]->insns * blocks[i]->runs));
	fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
			       int argc, char **argv)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, write_counts, NULL);
	return 0;
}
