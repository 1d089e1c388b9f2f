/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_RUN_FIXTURE_H
#define TESTS_UNIT_RUN_FIXTURE_H

/* For the tests of harness/run: a folder of scenarios of one's own, and a command line resolved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/run/runner.h>
#include <harness/run/scratch.h>

#define PASSES	"title t\nclause VQ-SPLIT-USED-02\n\nqueue 0 split size 4\ndriver request, kick\n" \
		"expect 1 used\n"
/* Two used entries for one request: no back-end can do that. */
#define FAILS	"title t\nclause VQ-SPLIT-USED-02\n\nqueue 0 split size 4\ndriver request, kick\n" \
		"expect 2 used\n"
/* A ring that never ran stops where it was; whether that is expected, and what clause it breaks if
 * not, is up to the test. Decided at once, in either mode. */
#define STOPS(clause, base)	"title t\nclause " MUST ", " SHOULD "\n\nqueue 0 split size 4\n" \
				"vmm stop 0\nexpect base " base " [" clause "]\n"
#define MUST	"VU-MSG-GETBASE-01"
#define SHOULD	"VQ-SPLIT-UNS-DEV-06"
#define SKIPS	"title t\nclause VQ-SPLIT-USED-02\nneeds no-REPLY_ACK\n\nqueue 0 split size 4\n"

static char root[64];

static inline void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline int root_setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/kickcall-run-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	return setenv("KICKCALL_SCENARIOS", root, 1);
}

static inline int root_teardown(void **state)
{
	(void)state;
	kc_remove_tree(root);
	return 0;
}

/* A command line: options, target and suite. */
struct run {
	struct kc_options o;
	struct kc_target t;
	struct kc_suite suite;
	struct kc_report rep;
	struct kc_err err;
};

/* argv as the program gets it, without its name; NULL-terminated. */
static inline void run_open(struct run *r, char **argv)
{
	static char *words[32];
	int argc = 1;

	memset(r, 0, sizeof(*r));
	words[0] = "kickcall";
	while (argv[argc - 1]) {
		assert_true(argc < 31);
		words[argc] = argv[argc - 1];
		argc++;
	}
	words[argc] = NULL;
	if (kc_options_parse(&r->o, argc, words, &r->err) || kc_target_init(&r->t, &r->o, &r->err) ||
	    kc_suite_load(&r->suite, &r->o, NULL, 0, r->t.device, &r->err))
		fail_msg("%s", r->err.msg);
}

static inline void run_close(struct run *r)
{
	kc_report_fini(&r->rep);
	kc_suite_free(&r->suite);
	kc_target_fini(&r->t);
	kc_options_free(&r->o);
}

#define ARGV(...)	((char *[]){ __VA_ARGS__, NULL })

#endif
