/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the file is split into lines; the first pass reads the header (title, clause,
 * needs, vary, ...), which gives the number of variants. For one variant each body line has its
 * `$name`s replaced, is cut into tokens, and each comma-separated action is matched against the
 * rows of kc_verbs. A pattern either matches a whole action or not at all; the longest literal match
 * names the place of the error when none does.
 */
#include <ctype.h>
#include <stdarg.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coverage/clauses.h>
#include <harness/language/script.h>

const char *const kc_subject_names[KC_SUBJECTS] = {
	"queue", "driver", "vmm", "message", "expect", "repeat", "end",
};

struct parser {
	struct kc_script *s;
	unsigned v;			/* variant wanted */
	unsigned line;
	unsigned steps_cap;
	unsigned open[16];		/* repeat steps without their end */
	unsigned nopen;
	struct kc_err *err;
};

static int bad(struct parser *p, unsigned col, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int bad(struct parser *p, unsigned col, const char *fmt, ...)
{
	char msg[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return kc_err_set(p->err, -EINVAL, "%s:%u:%u: %s", p->s->path, p->line, col, msg);
}

/* --- Tokens ------------------------------------------------------------------------------------- */

static bool word_char(const char *c)
{
	if (isalnum((unsigned char)*c) || *c == '_' || *c == '.')
		return true;
	/* A dash belongs to a word when a letter follows: "region-end", but not "used_idx-1". */
	return *c == '-' && isalpha((unsigned char)c[1]);
}

/* Length of the token at c. */
static size_t token_len(const char *c)
{
	size_t n = 1;

	if (!word_char(c) || *c == '-')
		return 1;
	while (c[n] && word_char(c + n))
		n++;
	return n;
}

static int tokenize(struct parser *p, const char *line, struct kc_token *tok, unsigned *n)
{
	const char *c = line;

	*n = 0;
	while (*c && *c != '#') {
		size_t len;

		if (isspace((unsigned char)*c)) {
			c++;
			continue;
		}
		if (*n == KC_TOKENS_MAX)
			return bad(p, (unsigned)(c - line) + 1, "line too long: more than %d words",
				   KC_TOKENS_MAX);
		len = token_len(c);
		tok[*n].text = strndup(c, len);
		tok[(*n)++].col = (unsigned)(c - line) + 1;
		c += len;
	}
	return 0;
}

static void free_tokens(struct kc_token *tok, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(tok[i].text);
}

/* --- Numbers ------------------------------------------------------------------------------------ */

static bool plain_number(const char *text, int64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*v = (int64_t)strtoull(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	return !*end && !errno;
}

static bool num_base(const char *text, struct kc_num *num)
{
	static const struct { const char *name; enum kc_num_base base; } names[] = {
		{ "used_idx", KC_NUM_USED_IDX }, { "avail_idx", KC_NUM_AVAIL_IDX }, { "max", KC_NUM_MAX },
		{ "queue_num", KC_NUM_QUEUE_NUM }, { "combinations", KC_NUM_COMBINATIONS },
		{ "low_end", KC_NUM_LOW_END }, { "border", KC_NUM_BORDER }, { "memory_end", KC_NUM_MEMORY_END },
	};

	*num = (struct kc_num){ 0 };
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i].name)) {
			num->base = names[i].base;
			return true;
		}
	}
	if (!strcmp(text, "control")) {
		num->plus = KC_QUEUE_CONTROL;
		return true;
	}
	return plain_number(text, &num->plus);
}

int kc_num_parse(const struct kc_token *tok, unsigned n, unsigned *i, struct kc_num *num)
{
	int64_t sign = 1, v;

	if (*i < n && tok[*i].text[0] == '-' && !tok[*i].text[1]) {
		sign = -1;
		(*i)++;
	}
	if (*i >= n || !num_base(tok[*i].text, num))
		return -EINVAL;
	num->plus *= sign;
	(*i)++;
	if (*i + 1 < n && strchr("+-", tok[*i].text[0]) && !tok[*i].text[1] &&
	    plain_number(tok[*i + 1].text, &v)) {
		num->plus += tok[*i].text[0] == '-' ? -v : v;
		*i += 2;
	}
	return 0;
}

/* --- Header ------------------------------------------------------------------------------------- */

static int header_clauses(struct parser *p, const struct kc_token *tok, unsigned n, char (*list)[48],
			  unsigned *count)
{
	for (unsigned i = 1; i < n; i++) {
		char id[48] = "";
		unsigned col = tok[i].col;

		/* An id such as VQ-SPLIT-UNS-DEV-05 ends in "-", "05": put its pieces together. */
		for (; i < n && strcmp(tok[i].text, ","); i++) {
			if (id[0] && tok[i].col != tok[i - 1].col + strlen(tok[i - 1].text))
				return bad(p, tok[i].col, "',' expected between clause ids");
			strncat(id, tok[i].text, sizeof(id) - strlen(id) - 1);
		}
		if (!kc_clause_by_id(id))
			return bad(p, col, "unknown clause '%s'", id);
		if (*count == KC_CLAUSES_MAX)
			return bad(p, col, "more than %d clauses", KC_CLAUSES_MAX);
		strcpy(list[(*count)++], id);
	}
	return 0;
}

static int header_words(struct parser *p, const struct kc_token *tok, unsigned n,
			struct kc_need *list, unsigned *count)
{
	for (unsigned i = 1; i < n; i++) {
		if (!strcmp(tok[i].text, ","))
			continue;
		if (*count == KC_NEEDS_MAX)
			return bad(p, tok[i].col, "more than %d words", KC_NEEDS_MAX);
		list[(*count)++] = (struct kc_need){ strdup(tok[i].text), p->line, tok[i].col };
	}
	return 0;
}

static int add_value(struct parser *p, struct kc_vary *v, const struct kc_token *t)
{
	char **more = realloc(v->values, (v->nvalues + 1) * sizeof(*more));

	if (!more)
		return bad(p, t->col, "out of memory");
	v->values = more;
	v->values[v->nvalues++] = strdup(t->text);
	return 0;
}

/* vary  size = 4 256, batch = 2 3 */
static int header_vary(struct parser *p, const struct kc_token *tok, unsigned n)
{
	struct kc_script *s = p->s;
	unsigned i = 1;

	while (i < n) {
		struct kc_vary *v = &s->vars[s->nvars];

		if (s->nvars == KC_VARS_MAX)
			return bad(p, tok[i].col, "more than %d variables", KC_VARS_MAX);
		if (i + 2 >= n || strcmp(tok[i + 1].text, "="))
			return bad(p, tok[i].col, "expected 'NAME = VALUE...' after vary");
		v->name = strdup(tok[i].text);
		s->nvars++;
		for (i += 2; i < n && strcmp(tok[i].text, ","); i++) {
			if (add_value(p, v, &tok[i]))
				return -EINVAL;
		}
		s->nvariants *= v->nvalues;
		if (i++ < n && i == n)
			return bad(p, tok[n - 1].col, "a variable is missing after ','");
	}
	return 0;
}

static int header_flag(struct parser *p, const struct kc_token *tok, const char *word, bool *flag)
{
	if (strcmp(tok[1].text, word))
		return bad(p, tok[1].col, "'%s' takes '%s', not '%s'", tok[0].text, word, tok[1].text);
	*flag = true;
	return 0;
}

static int header_line(struct parser *p, const char *raw, const struct kc_token *tok, unsigned n)
{
	struct kc_script *s = p->s;
	const char *key = tok[0].text;

	if ((!strcmp(key, "title") && s->title) || (!strcmp(key, "device") && s->device))
		return bad(p, tok[0].col, "'%s' is given twice", key);
	if (!strcmp(key, "title")) {
		s->title = strdup(raw + tok[0].col - 1 + 5);
		memmove(s->title, s->title + strspn(s->title, " \t"),
			strlen(s->title + strspn(s->title, " \t")) + 1);
		return 0;
	}
	if (!strcmp(key, "clause"))
		return header_clauses(p, tok, n, s->clauses, &s->nclauses);
	if (!strcmp(key, "packed"))
		return header_clauses(p, tok, n, s->packed, &s->npacked);
	if (!strcmp(key, "needs"))
		return header_words(p, tok, n, s->needs, &s->nneeds);
	if (!strcmp(key, "without"))
		return header_words(p, tok, n, s->without, &s->nwithout);
	if (!strcmp(key, "vary"))
		return header_vary(p, tok, n);
	if (n != 2)
		return bad(p, tok[0].col, "one word expected after '%s'", key);
	if (!strcmp(key, "device")) {
		s->device = strdup(tok[1].text);
		return 0;
	}
	if (!strcmp(key, "memory"))
		return header_flag(p, tok, "large", &s->large_memory);
	return header_flag(p, tok, "manual", &s->manual);
}

static bool is_header(const char *key)
{
	static const char *const keys[] = {
		"title", "clause", "packed", "needs", "without", "vary", "device", "session", "memory",
	};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

/* --- Variants ----------------------------------------------------------------------------------- */

/* The value of variable i in variant v: the last variable changes fastest. */
static const char *var_value(const struct kc_script *s, unsigned i, unsigned v)
{
	for (unsigned k = s->nvars; k-- > i + 1;)
		v /= s->vars[k].nvalues;
	return s->vars[i].values[v % s->vars[i].nvalues];
}

static char *variant_name(const struct kc_script *s, unsigned v)
{
	char buf[256] = "";

	for (unsigned i = 0; i < s->nvars; i++) {
		size_t at = strlen(buf);

		snprintf(buf + at, sizeof(buf) - at, "%s%s=%s", i ? "," : "", s->vars[i].name,
			 var_value(s, i, v));
	}
	return strdup(buf);
}

/* A copy of the line with its variables replaced; NULL after an error. */
static char *substitute(struct parser *p, const char *line)
{
	char out[1024];
	size_t n = 0;

	for (const char *c = line; *c && n < sizeof(out) - 64; c++) {
		size_t len = 0;
		unsigned i;

		if (*c != '$') {
			out[n++] = *c;
			continue;
		}
		while (isalnum((unsigned char)c[1 + len]) || c[1 + len] == '_')
			len++;
		for (i = 0; i < p->s->nvars; i++) {
			const char *name = p->s->vars[i].name;

			if (strlen(name) == len && !memcmp(name, c + 1, len))
				break;
		}
		if (i == p->s->nvars) {
			bad(p, (unsigned)(c - line) + 1, "unknown variable '%.*s'", (int)len + 1, c);
			return NULL;
		}
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s", var_value(p->s, i, p->v));
		c += len;
	}
	out[n] = 0;
	return strdup(out);
}

/* "vary event_idx = on off": a variable named like a feature switches it. */
static int feature_variables(struct parser *p)
{
	struct kc_script *s = p->s;

	for (unsigned i = 0; i < s->nvars; i++) {
		const char *name = s->vars[i].name, *value = var_value(s, i, p->v);
		struct kc_need *to;

		if (kc_feature_by_name(NULL, name) < 0)
			continue;
		if (strcmp(value, "on") && strcmp(value, "off"))
			return bad(p, 1, "variable '%s' is a feature: its values are on and off, not '%s'",
				   name, value);
		if (s->nneeds == KC_NEEDS_MAX || s->nwithout == KC_NEEDS_MAX)
			return bad(p, 1, "more than %d words", KC_NEEDS_MAX);
		to = !strcmp(value, "on") ? &s->needs[s->nneeds++] : &s->without[s->nwithout++];
		*to = (struct kc_need){ strdup(name), p->line, 1 };
	}
	return 0;
}

/* --- Actions ------------------------------------------------------------------------------------ */

/* Tries one pattern on tok[0..n). true: matched whole. *far: how many tokens fitted. */
static bool match(const struct kc_verb *verb, const struct kc_token *tok, unsigned n,
		  struct kc_step *step, unsigned *far)
{
	const char *c = verb->pattern;
	unsigned i = 0, arg = 0;

	memset(step->args, 0, sizeof(step->args));
	while (*c) {
		size_t len = *c == '<' ? 3 : token_len(c);

		if (*c == ' ') {
			c++;
			continue;
		}
		*far = i;
		if (!strncmp(c, "<*>", 3)) {
			step->args[arg].rest = tok + i;
			step->args[arg].nrest = n - i;
			return true;
		}
		if (i >= n)
			return false;
		if (!strncmp(c, "<n>", 3)) {
			if (kc_num_parse(tok, n, &i, &step->args[arg++].num))
				return false;
		} else if (!strncmp(c, "<w>", 3)) {
			step->args[arg++].word = tok[i++].text;
		} else if (strlen(tok[i].text) == len && !memcmp(tok[i].text, c, len)) {
			i++;
		} else {
			return false;
		}
		c += len;
	}
	*far = i;
	return i == n;
}

/* A clause that an expectation is bound to is the scenario's as well: --clause finds it. */
static int name_clause(struct parser *p, const char *id, unsigned col)
{
	struct kc_script *s = p->s;

	for (unsigned i = 0; i < s->nclauses; i++)
		if (!strcmp(s->clauses[i], id))
			return 0;
	if (s->nclauses == KC_CLAUSES_MAX)
		return bad(p, col, "more than %d clauses", KC_CLAUSES_MAX);
	strcpy(s->clauses[s->nclauses++], id);
	return 0;
}

/* "[CLAUSE-ID]" at the end of an expectation: cut off and remembered. */
static int take_clause(struct parser *p, struct kc_token *tok, unsigned *n, struct kc_step *step)
{
	unsigned open = *n;

	if (!*n || strcmp(tok[*n - 1].text, "]"))
		return 0;
	while (open-- > 0 && strcmp(tok[open].text, "["))
		;
	/* "desc [ 0 ]" is an index, not a clause: ids hold letters and dashes. */
	if (open == (unsigned)-1 || !isupper((unsigned char)tok[open + 1].text[0]))
		return 0;
	for (unsigned i = open + 1; i < *n - 1; i++)
		strncat(step->clause, tok[i].text, sizeof(step->clause) - strlen(step->clause) - 1);
	if (!kc_clause_by_id(step->clause))
		return bad(p, tok[open + 1].col, "unknown clause '%s'", step->clause);
	*n = open;
	return name_clause(p, step->clause, tok[open].col);
}

static int no_such_action(struct parser *p, enum kc_subject subj, const struct kc_token *tok,
			  unsigned n, unsigned far, const char *nearest)
{
	const char *text = far < n ? tok[far].text : "end of line";
	unsigned col = far < n ? tok[far].col : tok[n - 1].col + (unsigned)strlen(tok[n - 1].text);

	if (far > 0 && nearest)
		return bad(p, col, "'%s' does not fit here: %s takes '%s'", text,
			   kc_subject_names[subj], nearest);
	return bad(p, col, "%s has no '%s' (kickcall list verbs)", kc_subject_names[subj], text);
}

static struct kc_step *new_step(struct parser *p)
{
	struct kc_script *s = p->s;

	if (s->nsteps == p->steps_cap) {
		unsigned cap = p->steps_cap ? 2 * p->steps_cap : 32;
		struct kc_step *more = realloc(s->steps, cap * sizeof(*more));

		if (!more)
			return NULL;
		s->steps = more;
		p->steps_cap = cap;
	}
	s->steps[s->nsteps] = (struct kc_step){ .line = p->line };
	return &s->steps[s->nsteps++];
}

static int action(struct parser *p, enum kc_subject subj, unsigned qi, struct kc_token *tok,
		  unsigned n)
{
	struct kc_step *step = new_step(p);
	const char *nearest = NULL;
	unsigned best = 0, far;

	if (!step)
		return bad(p, 1, "out of memory");
	step->qi = qi;
	step->col = n ? tok[0].col : tok[-1].col;	/* the subject or the comma before it */
	if (take_clause(p, tok, &n, step))
		return -EINVAL;
	if (!n && subj != KC_SUBJ_END)
		return bad(p, step->col, "an action is missing");
	for (unsigned i = 0; i < kc_nverbs; i++) {
		far = 0;
		if (kc_verbs[i].subject != subj)
			continue;
		if (match(&kc_verbs[i], tok, n, step, &far)) {
			step->verb = &kc_verbs[i];
			return 0;
		}
		if (far > best || !nearest) {
			best = far;
			nearest = kc_verbs[i].pattern;
		}
	}
	return no_such_action(p, subj, tok, n, best, nearest);
}

/* repeat and end: remember where to jump. */
static int block(struct parser *p, enum kc_subject subj)
{
	struct kc_script *s = p->s;
	unsigned here = s->nsteps - 1, from;

	if (subj == KC_SUBJ_REPEAT) {
		if (p->nopen == sizeof(p->open) / sizeof(*p->open))
			return bad(p, 1, "repeat nested too deeply");
		p->open[p->nopen++] = here;
	} else if (subj == KC_SUBJ_END) {
		if (!p->nopen)
			return bad(p, 1, "'end' without 'repeat'");
		from = p->open[--p->nopen];
		s->steps[from].jump = here;
		s->steps[here].jump = from;
	}
	return 0;
}

static int subject_of(const char *word)
{
	for (unsigned i = 0; i < KC_SUBJECTS; i++)
		if (!strcmp(word, kc_subject_names[i]))
			return (int)i;
	return -1;
}

/* "driver 1 ...", "driver control ..." and "expect queue 1 ...": which queue is meant. Returns how many
 * tokens that was. */
static unsigned queue_prefix(enum kc_subject subj, const struct kc_token *tok, unsigned n,
			     unsigned *qi)
{
	unsigned skip = subj == KC_SUBJ_EXPECT ? 1 : 0;
	int64_t v;

	*qi = 0;
	if (subj == KC_SUBJ_EXPECT && (n < 1 || strcmp(tok[0].text, "queue")))
		return 0;
	if (subj != KC_SUBJ_DRIVER && subj != KC_SUBJ_EXPECT)
		return 0;
	if (n > skip && !strcmp(tok[skip].text, "control")) {
		*qi = KC_QUEUE_CONTROL;
		return skip + 1;
	}
	if (n <= skip || !plain_number(tok[skip].text, &v) || v < 0 || v > 63)
		return 0;
	/* "driver 3 requests" and "driver 3 times": a count, not a queue. */
	if (subj == KC_SUBJ_DRIVER && n > 1 &&
	    (!strcmp(tok[1].text, "requests") || !strcmp(tok[1].text, "+") || !strcmp(tok[1].text, "-")))
		return 0;
	*qi = (unsigned)v;
	return skip + 1;
}

static int body_line(struct parser *p, struct kc_token *tok, unsigned n)
{
	int subj = subject_of(tok[0].text);
	unsigned qi = 0, i, start;

	if (subj < 0)
		return bad(p, tok[0].col, "a line starts with queue, driver, vmm, message, expect, "
			   "repeat or end, not '%s'", tok[0].text);
	i = 1 + queue_prefix((enum kc_subject)subj, tok + 1, n - 1, &qi);
	for (start = i; i <= n; i++) {
		if (i < n && strcmp(tok[i].text, ","))
			continue;
		if (action(p, (enum kc_subject)subj, qi, tok + start, i - start))
			return -EINVAL;
		start = i + 1;
	}
	p->s->steps[p->s->nsteps - 1].last_of_line = true;
	return block(p, (enum kc_subject)subj);
}

/* --- Files -------------------------------------------------------------------------------------- */

static int split_lines(struct kc_script *s, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char **more = realloc(s->lines, (s->nlines + 1) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->lines = more;
		s->lines[s->nlines++] = strndup(text, len);
		text += len + (text[len] == '\n');
	}
	return 0;
}

/* Tokens live as long as the script: steps point into them. */
static struct kc_token *keep_tokens(struct kc_script *s, const struct kc_token *tok, unsigned n)
{
	struct kc_token *block = calloc(n + 1, sizeof(*block));

	if (!block)
		return NULL;
	memcpy(block + 1, tok, n * sizeof(*block));
	/* Blocks are chained through the first element, whose col holds the length. */
	block[0].text = (char *)s->tokens;
	block[0].col = n;
	s->tokens = block;
	return block + 1;
}

static int one_line(struct parser *p, const char *raw, bool header)
{
	struct kc_token tok[KC_TOKENS_MAX], *kept;
	char *line = header ? strdup(raw) : substitute(p, raw);
	unsigned n = 0;
	int ret;

	if (!line)
		return -EINVAL;
	ret = tokenize(p, line, tok, &n);
	free(line);
	if (ret || !n || is_header(tok[0].text) != header) {
		free_tokens(tok, n);
		return ret;
	}
	if (header) {
		ret = header_line(p, raw, tok, n);
		free_tokens(tok, n);
		return ret;
	}
	kept = keep_tokens(p->s, tok, n);
	return kept ? body_line(p, kept, n) : bad(p, 1, "out of memory");
}

static int check_header(struct parser *p)
{
	struct kc_script *s = p->s;

	p->line = 1;
	if (!s->title)
		return bad(p, 1, "the header has no title");
	if (!s->nclauses)
		return bad(p, 1, "the header names no clause");
	if (p->v >= s->nvariants)
		return bad(p, 1, "there is no variant %u: it has %u", p->v, s->nvariants);
	s->variant = variant_name(s, p->v);
	return feature_variables(p);
}

/* The layouts state the same rule in clauses of their own. */
static int choose_clauses(struct parser *p, unsigned in_header)
{
	struct kc_script *s = p->s;
	unsigned bound = s->nclauses - in_header;

	if (!s->npacked || !kc_script_has_layout(s, "packed"))
		return 0;
	if (s->npacked + bound > KC_CLAUSES_MAX)
		return bad(p, 1, "more than %d clauses", KC_CLAUSES_MAX);
	memmove(s->clauses[s->npacked], s->clauses[in_header], bound * sizeof(*s->clauses));
	memcpy(s->clauses, s->packed, s->npacked * sizeof(*s->clauses));
	s->nclauses = s->npacked + bound;
	return 0;
}

static int parse_all(struct parser *p)
{
	struct kc_script *s = p->s;
	unsigned in_header;

	for (p->line = 1; p->line <= s->nlines; p->line++)
		if (!strchr(s->lines[p->line - 1], '$') && one_line(p, s->lines[p->line - 1], true))
			return -EINVAL;
	if (check_header(p))
		return -EINVAL;
	in_header = s->nclauses;
	for (p->line = 1; p->line <= s->nlines; p->line++)
		if (one_line(p, s->lines[p->line - 1], false))
			return -EINVAL;
	if (p->nopen) {
		p->line = s->steps[p->open[p->nopen - 1]].line;
		return bad(p, 1, "'repeat' without 'end'");
	}
	if (!s->nsteps)
		return bad(p, 1, "the script does nothing");
	return choose_clauses(p, in_header);
}

static char *id_from_path(const char *path)
{
	char *id = strdup(path), *dot = strrchr(id, '.');

	if (dot && !strcmp(dot, ".kick"))
		*dot = 0;
	return id;
}

struct kc_script *kc_script_parse(const char *path, const char *id, const char *text, unsigned v,
				  struct kc_err *err)
{
	struct kc_script *s = calloc(1, sizeof(*s));
	struct parser p = { .s = s, .v = v, .err = err };

	if (!s) {
		kc_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	s->path = strdup(path);
	s->id = id ? strdup(id) : id_from_path(path);
	s->nvariants = 1;
	if (split_lines(s, text) || parse_all(&p)) {
		kc_script_free(s);
		return NULL;
	}
	return s;
}

static char *read_file(const char *path, struct kc_err *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!f) {
		kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	errno = 0;
	n = getdelim(&text, &cap, '\0', f);
	if (n < 0 && (errno || ferror(f))) {
		kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	} else if (n < 0) {
		text[0] = 0;
	}
	fclose(f);
	return text;
}

struct kc_script *kc_script_load(const char *path, const char *id, unsigned v, struct kc_err *err)
{
	char *text = read_file(path, err);
	struct kc_script *s = text ? kc_script_parse(path, id, text, v, err) : NULL;

	free(text);
	return s;
}

static void free_needs(struct kc_need *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(list[i].word);
}

void kc_script_free(struct kc_script *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->nvars; i++) {
		for (unsigned k = 0; k < s->vars[i].nvalues; k++)
			free(s->vars[i].values[k]);
		free(s->vars[i].values);
		free(s->vars[i].name);
	}
	for (unsigned i = 0; i < s->nlines; i++)
		free(s->lines[i]);
	while (s->tokens) {
		struct kc_token *next = (struct kc_token *)s->tokens[0].text;

		free_tokens(s->tokens + 1, s->tokens[0].col);
		free(s->tokens);
		s->tokens = next;
	}
	free_needs(s->needs, s->nneeds);
	free_needs(s->without, s->nwithout);
	free(s->lines);
	free(s->steps);
	free(s->path);
	free(s->id);
	free(s->title);
	free(s->device);
	free(s->variant);
	free(s);
}

bool kc_script_needs(const struct kc_script *s, const char *word)
{
	for (unsigned i = 0; i < s->nneeds; i++)
		if (!strcmp(s->needs[i].word, word))
			return true;
	return false;
}

bool kc_script_has_layout(const struct kc_script *s, const char *layout)
{
	for (unsigned i = 0; i < s->nsteps; i++)
		if (s->steps[i].verb->subject == KC_SUBJ_QUEUE && s->steps[i].args[1].word &&
		    !strcmp(s->steps[i].args[1].word, layout))
			return true;
	return false;
}
