/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <harness/run/replay.h>

static void word(FILE *f, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_./:=,+@%";

	fputc(' ', f);
	if (*text && strspn(text, plain) == strlen(text)) {
		fputs(text, f);
		return;
	}
	fputc('\'', f);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", f);
		else
			fputc(*text, f);
	}
	fputc('\'', f);
}

static void option(FILE *f, const char *name, const char *value)
{
	if (!value)
		return;
	word(f, name);
	word(f, value);
}

char *kc_replay_command(const struct kc_options *o, const struct kc_script *t)
{
	static const char *const modes[] = { NULL, "sim", "live" };
	char *text = NULL, number[32];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "%s run", o->program);
	word(f, t->path);
	option(f, "--variant", *t->variant ? t->variant : NULL);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)o->seed);
	option(f, "--seed", number);
	option(f, "--device", o->device);
	option(f, "--mode", modes[o->mode]);
	option(f, "--backend", o->backend);
	option(f, "--profile", o->profile);
	snprintf(number, sizeof(number), "%lld", (long long)o->timeout_ms);
	option(f, "--timeout-ms", o->timeout_ms == 1000 ? NULL : number);
	snprintf(number, sizeof(number), "%g", o->timeout_scale);
	option(f, "--timeout-scale", o->timeout_scale == 1.0 ? NULL : number);
	if (o->destructive)
		word(f, "--destructive");
	if (o->strict)
		word(f, "--strict");
	option(f, "--data", o->data);
	option(f, "--control", o->control ? "back-end" : NULL);
	if (o->listen)
		word(f, "--listen");
	if (o->busy_poll)
		word(f, "--busy-poll");
	for (unsigned i = 0; o->argv && o->argv[i]; i++) {
		if (!i)
			word(f, "--");
		word(f, o->argv[i]);
	}
	fclose(f);
	return text;
}
