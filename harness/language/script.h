/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_LANGUAGE_SCRIPT_H
#define HARNESS_LANGUAGE_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include <harness/report/result.h>
#include <kickcall/err.h>

/*
 * A scenario file, parsed. The language is described by example in docs/SCENARIOS.md; the words a
 * script may use are the rows of kc_verbs (verbs.c), which parser, interpreter and documentation
 * share.
 *
 * A script is parsed once per variant: `$name` is replaced by text before the line is read, so that
 * a variant may change anything a line can say.
 */
#define KC_ARGS_MAX	5
#define KC_NEEDS_MAX	16
#define KC_VARS_MAX	6
#define KC_TOKENS_MAX	96

/* A number as scripts write it: a base and a constant. */
enum kc_num_base { KC_NUM_CONST, KC_NUM_USED_IDX, KC_NUM_AVAIL_IDX, KC_NUM_MAX, KC_NUM_QUEUE_NUM,
		   KC_NUM_COMBINATIONS, KC_NUM_LOW_END, KC_NUM_BORDER, KC_NUM_MEMORY_END };
struct kc_num {
	enum kc_num_base base;
	int64_t plus;
};

/* What `control` stands for, where the number of a queue is expected. */
#define KC_QUEUE_CONTROL	1000

struct kc_token {
	char *text;
	unsigned col;			/* 1-based */
};

struct kc_arg {
	struct kc_num num;		/* <n> */
	const char *word;		/* <w>: the token's text */
	const struct kc_token *rest;	/* <*>: remaining tokens */
	unsigned nrest;
};

struct kc_world;
struct kc_step;

enum kc_subject { KC_SUBJ_QUEUE, KC_SUBJ_DRIVER, KC_SUBJ_VMM, KC_SUBJ_MESSAGE, KC_SUBJ_EXPECT,
		  KC_SUBJ_REPEAT, KC_SUBJ_END, KC_SUBJECTS };
extern const char *const kc_subject_names[KC_SUBJECTS];

/* One thing a script can say. Pattern words: literal, <n> number, <w> word, <*> the rest. */
struct kc_verb {
	enum kc_subject subject;
	const char *pattern;
	/* Carries the step out. 0, or -1 when the scenario cannot go on (the world knows why). */
	int (*run)(struct kc_world *w, const struct kc_step *s);
	const char *doc;
};
extern const struct kc_verb kc_verbs[];
extern const unsigned kc_nverbs;
/* Does it end or begin a connection, so that it makes sense when there is none? */
bool kc_verb_connects(const struct kc_verb *v);
/* Belongs before DRIVER_OK. */
bool kc_verb_sets_up(const struct kc_verb *v);

/* One action of a line. */
struct kc_step {
	const struct kc_verb *verb;
	struct kc_arg args[KC_ARGS_MAX];
	unsigned line, col;
	unsigned qi;			/* "driver 1 ...", "expect queue 1 ...", "driver control ..." */
	char clause[48];		/* "[ID]" after an expectation, else "" */
	bool last_of_line;
	unsigned jump;			/* repeat: index of its end; end: index of its repeat */
};

struct kc_vary {
	char *name;
	char **values;
	unsigned nvalues;
};

struct kc_need {
	char *word;
	unsigned line, col;
};

struct kc_script {
	char *path;
	char *id;
	char *title;
	char *device;			/* NULL: any */
	char clauses[KC_CLAUSES_MAX][48];
	unsigned nclauses;
	char packed[KC_CLAUSES_MAX][48];	/* in their place where its rings are packed; may be empty */
	unsigned npacked;
	struct kc_need needs[KC_NEEDS_MAX];
	unsigned nneeds;
	struct kc_need without[KC_NEEDS_MAX];	/* features the driver, protocol features the VMM refuses */
	unsigned nwithout;
	bool manual;			/* "session manual": the script connects by itself */
	bool large_memory;		/* "memory large" */
	struct kc_vary vars[KC_VARS_MAX];
	unsigned nvars;
	unsigned nvariants;		/* cross product; 1 without vary */
	/* Of the variant it was parsed for: */
	char *variant;			/* "size=4,batch=2", "" */
	struct kc_step *steps;
	unsigned nsteps;
	char **lines;			/* the file's lines, for reports */
	unsigned nlines;
	struct kc_token *tokens;	/* storage behind steps */
	unsigned ntokens;
};

/* Reads and checks the file for variant number v. NULL with "FILE:LINE:COL: ..." in err. id NULL:
 * the path without its ending. */
struct kc_script *kc_script_load(const char *path, const char *id, unsigned v, struct kc_err *err);
/* The same from a text; path is for messages. */
struct kc_script *kc_script_parse(const char *path, const char *id, const char *text, unsigned v,
				  struct kc_err *err);
void kc_script_free(struct kc_script *s);
bool kc_script_needs(const struct kc_script *s, const char *word);
/* Does one of its queue lines ask for that layout? */
bool kc_script_has_layout(const struct kc_script *s, const char *layout);

/* A number at tokens[*i] (advances *i): "12", "0x10", "used_idx", "avail_idx", "max", "queue_num",
 * "combinations", "low_end", "border", "memory_end", each with an optional "+ N" or "- N". -EINVAL if there
 * is none. */
int kc_num_parse(const struct kc_token *tokens, unsigned n, unsigned *i, struct kc_num *num);

/* Names scripts use for virtio features: "event_idx" -> 29; -1 if unknown. A name of a device type's own
 * may mean another bit on another type ("mq"); device NULL: whichever knows it. */
int kc_feature_by_name(const char *device, const char *name);
const char *kc_feature_name(const char *device, unsigned bit);	/* NULL if unknown */

#endif
