// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * On what it was measured. The lab says by coop_lab=tcg|icount|kvm on the
 * kernel's command line what its clock counts; a guest cannot find out.
 */
#include <coop.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "bench.h"

/* The first line of a file without its newline; NULL if there is none. */
static char *first_line(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getline(&line, &size, file) < 0) {
		free(line);
		line = NULL;
	} else {
		line[strcspn(line, "\n")] = '\0';
	}
	fclose(file);
	return line;
}

static json_t *line_of(const char *path)
{
	char *line = first_line(path);
	json_t *value = line ? json_string(line) : json_null();

	free(line);
	return value;
}

static bool lab_says(const char *what)
{
	char *words = first_line("/proc/cmdline"), *word = NULL;
	char wanted[32];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "coop_lab=%s", what);
	for (word = words ? strtok(words, " ") : NULL; word; word = strtok(NULL, " "))
		found |= !strcmp(word, wanted);
	free(words);
	return found;
}

/* The clock counts instructions and not time. */
bool bench_counts_instructions(void)
{
	return lab_says("icount");
}

const char *bench_unit(void)
{
	return bench_counts_instructions() ? "instructions" : "ns";
}

static bool emulated_cpu(void)
{
#ifdef __x86_64__
	unsigned int eax, ebx, ecx, edx;
	char name[13] = "";

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(name, &ebx, 4);
	memcpy(name + 4, &ecx, 4);
	memcpy(name + 8, &edx, 4);
	return !strcmp(name, "TCGTCGTCGTCG");
#else
	return lab_says("tcg") || bench_counts_instructions();
#endif
}

static json_t *cpu_name(void)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	json_t *name = json_null();
	char line[256], *colon;

	while (file && fgets(line, sizeof(line), file)) {
		colon = strchr(line, ':');
		if (!strncmp(line, "model name", 10) && colon) {
			colon[strcspn(colon, "\n")] = '\0';
			name = json_string(colon + 2);
			break;
		}
	}
	if (file)
		fclose(file);
	return name;
}

/* Only those that the CPU needs. */
static json_t *mitigations(void)
{
	static const char directory[] = "/sys/devices/system/cpu/vulnerabilities";
	json_t *all = json_object();
	struct dirent *entry;
	DIR *dir = opendir(directory);
	char path[512];
	char *line;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		line = entry->d_name[0] == '.' ? NULL : first_line(path);
		if (line && strcmp(line, "Not affected"))
			json_object_set_new(all, entry->d_name, json_string(line));
		free(line);
	}
	if (dir)
		closedir(dir);
	return all;
}

static json_t *preemption(const struct utsname *name)
{
	char *line = first_line("/sys/kernel/debug/sched/preempt");
	json_t *model;

	/* Written as "none (voluntary) full". */
	if (line && strchr(line, '(')) {
		char *model_name = strchr(line, '(') + 1;

		model_name[strcspn(model_name, ")")] = '\0';
		model = json_string(model_name);
	} else if (strstr(name->version, "PREEMPT_RT")) {
		model = json_string("rt");
	} else if (strstr(name->version, "PREEMPT_DYNAMIC")) {
		model = json_string("dynamic");
	} else if (strstr(name->version, "PREEMPT")) {
		model = json_string("full");
	} else {
		model = json_string("none or voluntary");
	}
	free(line);
	return model;
}

static const char *what_the_clock_is(void)
{
	if (bench_counts_instructions())
		return "instructions, counted by QEMU; not time";
	return emulated_cpu() ? "ns of an emulation; not those of any hardware" : "ns";
}

int bench_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
}

int bench_first_cpu(void)
{
	cpu_set_t cpus;
	int cpu = 0;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
			cpu++;
	return cpu;
}

/* Keep the calling thread on one CPU, and let it go where it might before. */
void bench_pin(bool on)
{
	static cpu_set_t before;
	cpu_set_t one;

	if (on) {
		sched_getaffinity(0, sizeof(before), &before);
		CPU_ZERO(&one);
		CPU_SET(bench_first_cpu(), &one);
	}
	sched_setaffinity(0, sizeof(one), on ? &one : &before);
}

/* Let the calling thread run before all that are not real-time ones. */
int bench_hurry(void)
{
	struct sched_param least = { .sched_priority = 1 };

	return sched_setscheduler(0, SCHED_FIFO, &least);
}

json_t *bench_environment(void)
{
	struct utsname name;

	uname(&name);
	return json_pack("{s:s, s:s, s:s, s:o, s:i, s:o, s:o, s:b, s:o, s:s, s:s, s:i}",
			 "kernel", name.release, "version", name.version,
			 "machine", name.machine, "cpu", cpu_name(),
			 "cpus", bench_cpus(), "mitigations", mitigations(),
			 "preemption", preemption(&name),
			 "psi", !access("/proc/pressure", F_OK),
			 "lsm", line_of("/sys/kernel/security/lsm"),
			 "clock", what_the_clock_is(), "unit", bench_unit(),
			 "abi", COOP_ABI_VERSION);
}
