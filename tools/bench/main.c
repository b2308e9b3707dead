// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* coopbench: the command line. */
#include <argp.h>
#include <coop.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "ring.h"

static const struct operation {
	const char *name, *what;
	int (*measure)(const struct bench_options *options);
} operations[] = {
	{ "switch", "one task stops, another goes on", bench_switch },
	{ "brigade", "a byte goes from task to task, each awaits it", bench_brigade },
	{ "create", "a task is made, runs, ends and is waited for", bench_create },
	{ "memory", "what an idle task holds", bench_memory },
	{ "stall", "a request that blocks delays those that do not", bench_stall },
	{ NULL },
};

enum {
	KEY_JSON = 256,
	KEY_CSV,
	KEY_STACK,
	KEY_TIME_ONLY
};

static const struct argp_option argp_options[] = {
	{ "tasks", 't', "N,...", 0, "numbers of tasks (default: the operation's own)" },
	{ "methods", 'm', "NAME,...", 0, "only these ways (see 'list')" },
	{ "runs", 'r', "N", 0, "measured runs of each row (default 7)" },
	{ "operations", 'n', "N", 0,
	  "operations in a run (default: 20000 switches or hops, 2000 creations; "
	  "a tenth under icount; 300 requests of stall)" },
	{ "placement", 'p', "WHERE", 0,
	  "pinned (all tasks on one CPU), unpinned, or both (default)" },
	{ "stack", KEY_STACK, "BYTES", 0,
	  "size of a task's stack (default: the system's; 65536 for switch)" },
	{ "time-only", KEY_TIME_ONLY, NULL, 0,
	  "do not count system calls in a second ring" },
	{ "json", KEY_JSON, "FILE", 0, "write a report" },
	{ "csv", KEY_CSV, "FILE", 0, "write the results as a table" },
	{ 0 },
};

static const char doc[] =
	"Measures what tasks that take turns cost, at /dev/coop and by the means that "
	"preempted threads have.\v"
	"OPERATION is switch, brigade, create, memory or stall; without one, all are measured. "
	"'list' names the methods. 'report FILE...' prints what --json wrote, "
	"merged if it is several.\n\n"
	"Figures are nanoseconds, or instructions where the lab's guest counts these. "
	"Exit status: 0; 1 if something could not be measured; 2 for wrong options.";

struct command_line {
	struct bench_options options;
	const char *json, *csv;
	char **words;
	int nr_words;
};

/* A terminal that can clear a line. */
static bool shows_progress(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb");
}

void bench_progress(const struct bench_options *options, const char *format, ...)
{
	va_list args;

	if (!options->progress)
		return;
	fputs("\r\033[K", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fflush(stderr);
}

void bench_complain(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%scoopbench: ", shows_progress() ? "\r\033[K" : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* A whole number of the given range, or an error that names the option. */
static long whole_number(struct argp_state *state, const char *option,
			 const char *text, long least, long most)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < least || value > most)
		argp_error(state, "--%s wants a number from %ld to %ld, not '%s'",
			   option, least, most, text);
	return value;
}

static void parse_tasks(struct argp_state *state, int *tasks, char *list)
{
	int count = 0;

	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		if (count == 15)
			argp_error(state, "--tasks takes 15 numbers at most");
		tasks[count++] = whole_number(state, "tasks", word, 1, 1000000);
	}
	tasks[count] = 0;
}

static bool is_ring_method(const struct ring_method *method, const char *name,
			   size_t length)
{
	for (; method->name; method++)
		if (strlen(method->name) == length &&
		    !strncmp(method->name, name, length))
			return true;
	return false;
}

static bool is_method(const char *name, size_t length)
{
	if (is_ring_method(switch_methods, name, length) ||
	    is_ring_method(brigade_methods, name, length))
		return true;
	for (int i = 0; bench_stall_method(i); i++)
		if (strlen(bench_stall_method(i)) == length &&
		    !strncmp(bench_stall_method(i), name, length))
			return true;
	return false;
}

static void check_methods(struct argp_state *state, const char *list)
{
	size_t length;

	for (; *list; list += length + (list[length] == ',')) {
		length = strcspn(list, ",");
		if (!is_method(list, length))
			argp_error(state, "no method '%.*s': see 'coopbench list'",
				   (int)length, list);
	}
}

static void parse_placement(struct argp_state *state,
			    struct bench_options *options, const char *where)
{
	if (!strcmp(where, "pinned"))
		options->placement = PINNED;
	else if (!strcmp(where, "unpinned"))
		options->placement = UNPINNED;
	else if (strcmp(where, "both"))
		argp_error(state, "--placement is pinned, unpinned or both, not '%s'",
			   where);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command_line *line = state->input;
	struct bench_options *options = &line->options;

	switch (key) {
	case 't':
		parse_tasks(state, options->tasks, arg);
		return 0;
	case 'm':
		check_methods(state, arg);
		options->methods = arg;
		return 0;
	case 'r':
		options->runs = whole_number(state, "runs", arg, 1, BENCH_RUNS_MAX);
		return 0;
	case 'n':
		options->operations = whole_number(state, "operations", arg, 1,
						   INT_MAX);
		return 0;
	case 'p':
		parse_placement(state, options, arg);
		return 0;
	case KEY_STACK:
		options->stack = whole_number(state, "stack", arg, 16384, INT_MAX);
		return 0;
	case KEY_TIME_ONLY:
		options->time_only = true;
		return 0;
	case KEY_JSON:
		line->json = arg;
		return 0;
	case KEY_CSV:
		line->csv = arg;
		return 0;
	case ARGP_KEY_ARGS:
		line->words = state->argv + state->next;
		line->nr_words = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void list_ring_methods(const char *operation,
			      const struct ring_method *method)
{
	printf("methods of %s:\n", operation);
	for (; method->name; method++)
		printf("  %s\n", method->name);
}

static int list(void)
{
	const struct operation *operation;

	printf("operations:\n");
	for (operation = operations; operation->name; operation++)
		printf("  %-8s %s\n", operation->name, operation->what);
	list_ring_methods("switch", switch_methods);
	list_ring_methods("brigade", brigade_methods);
	printf("methods of create and memory:\n  coop-thread\n  pthread\n");
	printf("methods of stall:\n");
	for (int i = 0; bench_stall_method(i); i++)
		printf("  %s\n", bench_stall_method(i));
	return 0;
}

static int write_files(const struct command_line *line, json_t *report)
{
	int failed = 0;

	if (line->json)
		failed |= bench_write_json(line->json, report);
	if (line->csv)
		failed |= bench_write_csv(line->csv, report);
	return failed;
}

static int show_reports(const struct command_line *line)
{
	json_t *report, *more;
	int failed = 0;

	if (line->nr_words < 2) {
		bench_complain("report: name a file that --json wrote");
		return 2;
	}
	report = bench_read_json(line->words[1]);
	if (!report)
		return 1;
	for (int i = 2; i < line->nr_words && !failed; i++) {
		more = bench_read_json(line->words[i]);
		failed = !more || bench_merge(report, more, line->words[i]);
		json_decref(more);
	}
	if (!failed) {
		bench_print_headline(json_object_get(report, "environment"));
		bench_print_report(report);
		failed = write_files(line, report);
	}
	json_decref(report);
	return failed;
}

static const struct operation *find_operation(const char *name)
{
	const struct operation *operation;

	for (operation = operations; operation->name; operation++)
		if (!strcmp(operation->name, name))
			return operation;
	bench_complain("no operation '%s': it is switch, brigade, create, memory, "
		       "stall, list or report",
		       name);
	return NULL;
}

/* One line that says what to do is better than one for each row. */
static void check_device(void)
{
	int fd = coop_sys_open(0);

	if (fd < 0)
		bench_complain("no coop rows: %s", coop_explain(fd));
	else
		close(fd);
}

static int measure(struct command_line *line)
{
	const struct operation *wanted[16];
	json_t *report;
	int count = 0, failed = 0;

	for (int i = 0; i < line->nr_words && count < 16; i++) {
		wanted[count] = find_operation(line->words[i]);
		if (!wanted[count++])
			return 2;
	}
	if (!count)
		for (; operations[count].name; count++)
			wanted[count] = &operations[count];

	report = json_pack("{s:o, s:[]}", "environment", bench_environment(),
			   "results");
	line->options.rows = json_object_get(report, "results");
	bench_print_headline(json_object_get(report, "environment"));
	check_device();
	for (int i = 0; i < count; i++)
		failed |= wanted[i]->measure(&line->options);
	bench_print_report(report);
	failed |= write_files(line, report);
	json_decref(report);
	return failed;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options,
		parse,
		"[OPERATION...]\nlist\nreport FILE...",
		doc,
	};
	struct command_line line = {
		.options = { .runs = 7, .progress = shows_progress() },
	};

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &line))
		return 2;
	if (line.nr_words && !strcmp(line.words[0], "list"))
		return list();
	if (line.nr_words && !strcmp(line.words[0], "report"))
		return show_reports(&line);
	return measure(&line);
}
