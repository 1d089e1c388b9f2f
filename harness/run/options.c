/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: one table row per option. Options may come anywhere before "--"; what is no
 * option is an operand. "--" starts the command of a back-end to spawn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <harness/run/options.h>

const char kc_usage[] =
"usage: kickcall conform [OPTION...] [-- COMMAND ARG...]   run the conformance suite\n"
"       kickcall run FILE|DIR... [OPTION...] [-- COMMAND ARG...]\n"
"       kickcall probe [OPTION...] [-- COMMAND ARG...]     features and configuration, decoded\n"
"       kickcall list tests|clauses|devices|profiles|verbs [--format text|json]\n"
"       kickcall explain TEST-ID|CLAUSE-ID\n"
"\n"
"the back-end under test\n"
"  --backend SPEC        ref (default) | vhost-user:PATH | vhost-user-server:PATH\n"
"  --profile NAME|FILE   a known back-end (kickcall list profiles)\n"
"  -- COMMAND ARG...     start one; {socket} and {dir} in arguments are replaced\n"
"  --listen              with COMMAND: kickcall listens, the back-end connects\n"
"  --busy-poll           it polls by design: do not judge it by its CPU time\n"
"  --device TYPE         what it is: blk, net, rng, ... (kickcall list devices)\n"
"  --data PORT           where data goes: sink | loop (it comes back) | tap:IFNAME (net, live:\n"
"                        a tap interface; kickcall sends frames back at its other end)\n"
"  --control WHO         net: who serves the control queue, vmm | back-end\n"
"  --destructive         a served back-end's storage may be overwritten\n"
"\n"
"what to run\n"
"  --select PREFIX       only tests whose id begins so (may be repeated)\n"
"  --except PREFIX       not the tests whose id begins so (may be repeated)\n"
"  --clause PREFIX       only tests that name such a clause (may be repeated)\n"
"  --variant N=V,...     only variants with these values\n"
"  --mode auto|sim|live  auto: sim for ref, live for all others\n"
"  --seed N              of the run; each test derives its own\n"
"  --jobs N  --timeout-ms N  --timeout-scale X\n"
"\n"
"what to make of it\n"
"  --strict              a broken SHOULD fails\n"
"  --known FILE          failures that are expected\n"
"  --format text|json    the report; --output FILE writes it there, whole or not at all\n"
"  --trace FILE.jsonl    every event\n"
"  --keep DIR            keep scratch directories and logs there\n"
"  --pause-on-fail       stop before a failed test is torn down\n"
"  -v                    every test on a line of its own\n"
"\n"
"exit status: 0 no MUST failed; 1 a MUST failed; 2 usage or script error; 3 kickcall, the\n"
"environment, or a back-end that never came up or went away; 77 nothing could be run\n";

enum kind { FLAG, TEXT, LIST, UINT, MSEC, REAL, SEED, WORDS };

struct option {
	const char *name;
	enum kind kind;
	size_t offset;
	size_t count_offset;			/* LIST */
	const char *words;			/* WORDS: "auto|sim|live", index stored as int */
};

#define AT(f) offsetof(struct kc_options, f)

static const struct option options[] = {
	{ "--device", TEXT, AT(device), 0, NULL },
	{ "--backend", TEXT, AT(backend), 0, NULL },
	{ "--profile", TEXT, AT(profile), 0, NULL },
	{ "--listen", FLAG, AT(listen), 0, NULL },
	{ "--busy-poll", FLAG, AT(busy_poll), 0, NULL },
	{ "--data", TEXT, AT(data), 0, NULL },
	{ "--control", WORDS, AT(control), 0, "vmm|back-end" },
	{ "--select", LIST, AT(selects), AT(nselects), NULL },
	{ "--except", LIST, AT(excepts), AT(nexcepts), NULL },
	{ "--clause", LIST, AT(clauses), AT(nclauses), NULL },
	{ "--mode", WORDS, AT(mode), 0, "auto|sim|live" },
	{ "--strict", FLAG, AT(strict), 0, NULL },
	{ "--known", TEXT, AT(known), 0, NULL },
	{ "--destructive", FLAG, AT(destructive), 0, NULL },
	{ "--format", WORDS, AT(format), 0, "text|json" },
	{ "--output", TEXT, AT(output), 0, NULL },
	{ "--trace", TEXT, AT(trace), 0, NULL },
	{ "--keep", TEXT, AT(keep), 0, NULL },
	{ "--pause-on-fail", FLAG, AT(pause_on_fail), 0, NULL },
	{ "--jobs", UINT, AT(jobs), 0, NULL },
	{ "--timeout-ms", MSEC, AT(timeout_ms), 0, NULL },
	{ "--timeout-scale", REAL, AT(timeout_scale), 0, NULL },
	{ "--seed", SEED, AT(seed), 0, NULL },
	{ "-v", FLAG, AT(verbose), 0, NULL },
};

static const struct {
	const char *name;
	enum kc_command command;
} commands[] = {
	{ "conform", KC_CMD_CONFORM }, { "run", KC_CMD_RUN }, { "probe", KC_CMD_PROBE },
	{ "list", KC_CMD_LIST }, { "explain", KC_CMD_EXPLAIN },
	{ "help", KC_CMD_HELP }, { "--help", KC_CMD_HELP }, { "-h", KC_CMD_HELP },
	{ "--version", KC_CMD_VERSION },
};

static int set_word(const struct option *opt, int *to, const char *value, struct kc_err *err)
{
	const char *c = opt->words;
	size_t len = strlen(value);

	for (int i = 0;; i++) {
		size_t n = strcspn(c, "|");

		if (n == len && !memcmp(c, value, n)) {
			*to = i;
			return 0;
		}
		if (!c[n])
			return kc_err_set(err, -EINVAL, "%s takes %s, not '%s'", opt->name, opt->words, value);
		c += n + 1;
	}
}

static int set_number(const struct option *opt, void *at, const char *value, struct kc_err *err)
{
	char *end;
	double real;
	uint64_t v;

	errno = 0;
	if (opt->kind == REAL) {
		real = strtod(value, &end);
		if (*end || errno || !(real > 0 && real <= 1000))
			return kc_err_set(err, -EINVAL, "%s takes a number above 0 and up to 1000, not '%s'",
					  opt->name, value);
		*(double *)at = real;
		return 0;
	}
	v = strtoull(value, &end, 0);
	if (*end || errno || end == value || *value == '-' ||
	    (opt->kind != SEED && (v < 1 || v > 86400000)) || (opt->kind == UINT && v > 256))
		return kc_err_set(err, -EINVAL, "%s takes a whole number, not '%s'", opt->name, value);
	if (opt->kind == UINT)
		*(unsigned *)at = (unsigned)v;
	else if (opt->kind == MSEC)
		*(int64_t *)at = (int64_t)v;
	else
		*(uint64_t *)at = v;
	return 0;
}

static int set_option(struct kc_options *o, const struct option *opt, const char *value,
		      struct kc_err *err)
{
	char *at = (char *)o + opt->offset;
	unsigned *count = (unsigned *)((char *)o + opt->count_offset);

	switch (opt->kind) {
	case FLAG:
		*(bool *)at = true;
		return 0;
	case TEXT:
		if (*(const char **)at)
			return kc_err_set(err, -EINVAL, "%s is given twice", opt->name);
		*(const char **)at = value;
		return 0;
	case LIST:
		if (*count == KC_SELECT_MAX)
			return kc_err_set(err, -EINVAL, "%s is given more than %d times", opt->name,
					  KC_SELECT_MAX);
		((const char **)at)[(*count)++] = value;
		return 0;
	case WORDS:
		return set_word(opt, (int *)at, value, err);
	default:
		return set_number(opt, at, value, err);
	}
}

/* NAME=VALUE,NAME=VALUE */
static int set_variant(struct kc_options *o, const char *text, struct kc_err *err)
{
	while (*text) {
		size_t n = strcspn(text, ","), eq = strcspn(text, "=");

		if (eq >= n || eq >= sizeof(o->variant[0].name) ||
		    n - eq - 1 >= sizeof(o->variant[0].value) || o->nvariant == KC_VARIANT_MAX)
			return kc_err_set(err, -EINVAL, "--variant takes NAME=VALUE,..., not '%s'", text);
		memcpy(o->variant[o->nvariant].name, text, eq);
		memcpy(o->variant[o->nvariant].value, text + eq + 1, n - eq - 1);
		o->nvariant++;
		text += n + (text[n] == ',');
	}
	return 0;
}

/* "--name value" or "--name=value". *i moves over what was used. */
static int one_option(struct kc_options *o, int argc, char **argv, int *i, struct kc_err *err)
{
	const char *word = argv[*i], *eq = strchr(word, '=');
	size_t len = eq && !strncmp(word, "--", 2) ? (size_t)(eq - word) : strlen(word);
	bool variant = len == 9 && !memcmp(word, "--variant", 9);
	const struct option *opt = NULL;
	const char *value = word[len] ? word + len + 1 : NULL;

	for (unsigned k = 0; k < sizeof(options) / sizeof(*options); k++)
		if (strlen(options[k].name) == len && !memcmp(options[k].name, word, len))
			opt = &options[k];
	if (!opt && !variant)
		return kc_err_set(err, -EINVAL, "unknown option '%.*s'", (int)len, word);
	if (opt && opt->kind == FLAG && value)
		return kc_err_set(err, -EINVAL, "%s takes no value", opt->name);
	if (!(opt && opt->kind == FLAG) && !value) {
		if (*i + 1 >= argc || !strcmp(argv[*i + 1], "--"))
			return kc_err_set(err, -EINVAL, "a value is missing after '%s'", word);
		value = argv[++*i];
	}
	return variant ? set_variant(o, value, err) : set_option(o, opt, value, err);
}

static int check(struct kc_options *o, struct kc_err *err)
{
	unsigned ways = !!o->backend + !!o->profile + !!o->argv;

	if (ways > 1)
		return kc_err_set(err, -EINVAL, "one of --backend, --profile and -- COMMAND, not %u of them",
				  ways);
	if (o->listen && !o->argv)
		return kc_err_set(err, -EINVAL, "--listen goes with -- COMMAND "
				  "(or use --backend vhost-user-server:PATH)");
	if ((o->command == KC_CMD_RUN || o->command == KC_CMD_LIST || o->command == KC_CMD_EXPLAIN) &&
	    !o->noperands)
		return kc_err_set(err, -EINVAL, "what? (kickcall help)");
	if ((o->command == KC_CMD_CONFORM || o->command == KC_CMD_PROBE) && o->noperands)
		return kc_err_set(err, -EINVAL, "unexpected '%s'", o->operands[0]);
	return 0;
}

static int command_of(const char *word, enum kc_command *c)
{
	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(commands[i].name, word)) {
			*c = commands[i].command;
			return 0;
		}
	}
	return -EINVAL;
}

int kc_options_parse(struct kc_options *o, int argc, char **argv, struct kc_err *err)
{
	*o = (struct kc_options){ .program = argv[0], .timeout_ms = 1000, .timeout_scale = 1.0 };
	if (argc < 2)
		return kc_err_set(err, -EINVAL, "a command is missing (kickcall help)");
	if (command_of(argv[1], &o->command))
		return kc_err_set(err, -EINVAL, "unknown command '%s' (kickcall help)", argv[1]);
	o->operands = calloc((size_t)argc, sizeof(*o->operands));
	if (!o->operands)
		return kc_err_set(err, -ENOMEM, "out of memory");
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			if (i + 1 == argc)
				return kc_err_set(err, -EINVAL, "a command is missing after '--'");
			o->argv = argv + i + 1;
			break;
		}
		if (argv[i][0] == '-' && argv[i][1]) {
			if (one_option(o, argc, argv, &i, err))
				return -EINVAL;
		} else {
			o->operands[o->noperands++] = argv[i];
		}
	}
	return check(o, err);
}

void kc_options_free(struct kc_options *o)
{
	free(o->operands);
	o->operands = NULL;
}
