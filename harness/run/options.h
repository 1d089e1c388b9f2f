/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_OPTIONS_H
#define HARNESS_RUN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <kickcall/err.h>

/* The command line (docs: README.md). Strings are borrowed from argv. */
#define KC_SELECT_MAX	64
#define KC_VARIANT_MAX	16

enum kc_command { KC_CMD_CONFORM, KC_CMD_RUN, KC_CMD_PROBE, KC_CMD_LIST, KC_CMD_EXPLAIN, KC_CMD_HELP,
		  KC_CMD_VERSION };
enum kc_mode_choice { KC_CHOOSE_AUTO, KC_CHOOSE_SIM, KC_CHOOSE_LIVE };

struct kc_options {
	const char *program;		/* argv[0] */
	enum kc_command command;
	const char *device;		/* NULL: the profile's, else blk */
	const char *backend;		/* SPEC; NULL: ref */
	const char *profile;
	char **argv;			/* after "--"; NULL: none */
	const char *selects[KC_SELECT_MAX];
	unsigned nselects;
	const char *excepts[KC_SELECT_MAX];
	unsigned nexcepts;
	const char *clauses[KC_SELECT_MAX];
	unsigned nclauses;
	struct { char name[32]; char value[64]; } variant[KC_VARIANT_MAX];
	unsigned nvariant;
	int mode;			/* enum kc_mode_choice */
	bool strict, destructive, pause_on_fail, verbose, listen, busy_poll;
	const char *data;		/* a kc_data_port; NULL: the profile's, else sink; of ref loop */
	int control;			/* 0 vmm, 1 back-end: who serves a control queue */
	int format;			/* 0 text, 1 json */
	const char *known, *output, *trace, *keep;
	unsigned jobs;			/* 0: as many as processors */
	int64_t timeout_ms;
	double timeout_scale;
	uint64_t seed;
	char **operands;		/* files, or what to list or explain */
	unsigned noperands;
};

/* 0; -EINVAL with a sentence in err for whatever makes no sense. */
int kc_options_parse(struct kc_options *o, int argc, char **argv, struct kc_err *err);
void kc_options_free(struct kc_options *o);
extern const char kc_usage[];

#endif
