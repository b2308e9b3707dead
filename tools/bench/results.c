// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Results: a row's median and spread, and reports as JSON and CSV. A report is
 * {"environment": {...}, "results": [row, ...]}.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* The columns of a row, in the order of the CSV file. */
static const char *const columns[] = {
	"operation",
	"method",
	"tasks",
	"cpus",
	"pinned",
	"unit",
	"median",
	"min",
	"max",
	"runs",
	"syscalls",
	"context_switches",
	"moved",
	"ipis",
};

bool bench_wanted(const struct bench_options *options, const char *method)
{
	const char *list = options->methods;
	size_t length = strlen(method);

	if (!list)
		return true;
	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == length && !strncmp(list, method, length))
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* As exactly as a count over a hundred thousand operations can tell. */
static json_t *count_or_null(double count)
{
	return count < 0 ? json_null() : json_real(round(count * 1e5) / 1e5);
}

static json_t *tenths(double value)
{
	return json_real(round(value * 10) / 10);
}

/* The row of that kind, or NULL. */
json_t *bench_find_row(json_t *rows, const char *operation, const char *method,
		       int tasks, bool pinned)
{
	const char *row_operation, *row_method;
	int row_tasks, row_pinned;
	size_t index;
	json_t *row;

	json_array_foreach(rows, index, row) {
		if (!json_unpack(row, "{s:s, s:s, s:i, s:b}",
				 "operation", &row_operation, "method", &row_method,
				 "tasks", &row_tasks, "pinned", &row_pinned) &&
		    !strcmp(row_operation, operation) &&
		    !strcmp(row_method, method) &&
		    row_tasks == tasks && row_pinned == pinned)
			return row;
	}
	return NULL;
}

void bench_set_syscalls(json_t *row, double syscalls)
{
	if (row)
		json_object_set_new(row, "syscalls", count_or_null(syscalls));
}

void bench_add_row(const struct bench_options *options,
		   const struct bench_row *row)
{
	double sorted[BENCH_RUNS_MAX];
	double median;
	json_t *json;

	memcpy(sorted, row->samples, row->runs * sizeof(*sorted));
	qsort(sorted, row->runs, sizeof(*sorted), compare);
	median = (sorted[(row->runs - 1) / 2] + sorted[row->runs / 2]) / 2;
	json = json_pack("{s:s, s:s, s:i, s:i, s:b, s:s, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o}",
			 "operation", row->operation, "method", row->method,
			 "tasks", row->tasks,
			 "cpus", row->pinned ? 1 : bench_cpus(),
			 "pinned", row->pinned,
			 "unit", row->unit ? row->unit : bench_unit(),
			 "median", tenths(median), "min", tenths(sorted[0]),
			 "max", tenths(sorted[row->runs - 1]), "runs", row->runs,
			 "syscalls", json_null(),
			 "context_switches", count_or_null(row->context_switches),
			 "moved", count_or_null(row->moved),
			 "ipis", count_or_null(row->ipis));
	if (row->parts)
		json_object_set_new(json, "parts", row->parts);
	json_array_append_new(options->rows, json);
	bench_progress(options, "%s", "");
	bench_print_row(json);
}

static FILE *create(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		bench_complain("%s cannot be written: %s", path, strerror(errno));
	return file;
}

int bench_write_json(const char *path, json_t *report)
{
	FILE *file = create(path);
	int ret;

	if (!file)
		return 1;
	ret = json_dumpf(report, file, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	fputc('\n', file);
	return fclose(file) || ret;
}

static void write_cell(FILE *file, json_t *value)
{
	if (json_is_string(value))
		fprintf(file, "%s", json_string_value(value));
	else if (json_is_boolean(value))
		fprintf(file, "%s", json_is_true(value) ? "true" : "false");
	else if (json_is_number(value))
		fprintf(file, "%.12g", json_number_value(value));
}

int bench_write_csv(const char *path, json_t *report)
{
	const int count = sizeof(columns) / sizeof(*columns);
	FILE *file = create(path);
	json_t *row;
	size_t index;

	if (!file)
		return 1;
	for (int i = 0; i < count; i++)
		fprintf(file, "%s%c", columns[i], i + 1 < count ? ',' : '\n');
	json_array_foreach(json_object_get(report, "results"), index, row) {
		for (int i = 0; i < count; i++) {
			write_cell(file, json_object_get(row, columns[i]));
			fputc(i + 1 < count ? ',' : '\n', file);
		}
	}
	return fclose(file) != 0;
}

/* A report, or NULL after saying what is wrong with it. */
json_t *bench_read_json(const char *path)
{
	json_error_t error;
	json_t *report = json_load_file(path, 0, &error);

	if (!report) {
		bench_complain("%s: %s", path, error.text);
	} else if (!json_is_object(json_object_get(report, "environment")) ||
		   !json_is_array(json_object_get(report, "results"))) {
		bench_complain("%s: not a report of coopbench's", path);
		json_decref(report);
		report = NULL;
	}
	return report;
}

/* Add the rows of @more, measured on the same machine, to @report. */
int bench_merge(json_t *report, json_t *more, const char *path)
{
	static const char *const same[] = { "kernel", "version", "cpu", "clock" };
	json_t *here = json_object_get(report, "environment");
	json_t *there = json_object_get(more, "environment");

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		if (!json_equal(json_object_get(here, same[i]),
				json_object_get(there, same[i]))) {
			bench_complain("%s: measured with another %s: not to be merged",
				       path, same[i]);
			return 1;
		}
	}
	return json_array_extend(json_object_get(report, "results"),
				 json_object_get(more, "results"));
}
