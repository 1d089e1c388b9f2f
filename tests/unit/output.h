/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_OUTPUT_H
#define TESTS_UNIT_OUTPUT_H

/* Catches what is printed on a standard stream. Nothing may fail between begin and end. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct output {
	FILE *stream, *file;
	int saved;
};

static inline struct output output_begin(FILE *stream)
{
	struct output o = { .stream = stream, .file = tmpfile() };

	fflush(stream);
	o.saved = dup(fileno(stream));
	dup2(fileno(o.file), fileno(stream));
	return o;
}

/* The text; free it. */
static inline char *output_end(struct output *o)
{
	char *text;
	long len;

	fflush(o->stream);
	dup2(o->saved, fileno(o->stream));
	close(o->saved);
	len = lseek(fileno(o->file), 0, SEEK_END);
	text = calloc(1, len + 1);
	if (text && pread(fileno(o->file), text, len, 0) != len)
		*text = '\0';
	fclose(o->file);
	return text;
}

#endif
