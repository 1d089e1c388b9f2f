/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: an expectation file is a list, read whole and searched from its start. It is
 * strict about its form, since an entry that silently means nothing turns a known failure into a
 * new one, and one that means too much hides one.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <harness/run/known.h>

#define BLANKS	" \t\r\n"

struct place {
	const char *path;
	unsigned line;
	struct kc_err *err;
};

#define BAD(at, fmt, ...) \
	kc_err_set((at)->err, -EINVAL, "%s:%u: " fmt, (at)->path, (at)->line, ##__VA_ARGS__)

/* Cuts blanks off both ends, in place. */
static char *trim(char *s)
{
	size_t n;

	s += strspn(s, BLANKS);
	for (n = strlen(s); n && strchr(BLANKS, s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

/* Cuts s at its first '|' and returns what follows, or NULL. */
static char *cut(char *s)
{
	char *bar = strchr(s, '|');

	if (!bar)
		return NULL;
	*bar = '\0';
	return bar + 1;
}

/* "ID [VARIANT]" -> ID in place, *variant in place or NULL. */
static int split_name(const struct place *at, char *name, char **variant)
{
	char *open = name + strcspn(name, BLANKS "[");
	size_t n = strlen(name);

	*variant = NULL;
	if (!*open)
		return 0;
	if (open == name)
		return BAD(at, "'%s' begins with no test id", name);
	if (*open != '[') {
		*open++ = '\0';
		open += strspn(open, BLANKS);
	}
	if (*open != '[' || name[n - 1] != ']')
		return BAD(at, "'%s' after the test id: want [VARIANT] or nothing", open);
	name[n - 1] = '\0';
	*open = '\0';
	*variant = trim(open + 1);
	return 0;
}

static int check_finding(const struct place *at, const char *finding)
{
	const char *hash = strchr(finding, '#');

	if (hash && hash > finding && hash[1] && !finding[strcspn(finding, BLANKS "|")])
		return 0;
	return BAD(at, "'%s': want FILE#ANCHOR of the finding", finding);
}

static bool same_variant(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static const struct kc_known_entry *find_exact(const struct kc_known *k, const char *id,
					       const char *variant)
{
	for (unsigned i = 0; i < k->nentries; i++)
		if (!strcmp(k->entries[i].id, id) && same_variant(k->entries[i].variant, variant))
			return &k->entries[i];
	return NULL;
}

static int add(struct kc_known *k, const struct place *at, const struct kc_known_entry *e)
{
	struct kc_known_entry *more = realloc(k->entries, (k->nentries + 1) * sizeof(*more));
	struct kc_known_entry *own;

	if (!more)
		return kc_err_set(at->err, -ENOMEM, "out of memory");
	k->entries = more;
	own = &more[k->nentries++];
	*own = (struct kc_known_entry){
		.id = strdup(e->id), .variant = e->variant ? strdup(e->variant) : NULL,
		.reason = strdup(e->reason), .finding = strdup(e->finding), .line = at->line,
	};
	if (own->id && own->reason && own->finding && (own->variant || !e->variant))
		return 0;
	return kc_err_set(at->err, -ENOMEM, "out of memory");
}

static int parse_line(struct kc_known *k, const struct place *at, char *line)
{
	struct kc_known_entry e = { .id = trim(line) };
	const struct kc_known_entry *twin;
	char *reason, *finding;
	int ret;

	if (!*e.id || *e.id == '#')
		return 0;
	reason = cut(e.id);
	finding = reason ? cut(reason) : NULL;
	if (!finding)
		return BAD(at, "'%s': want TEST-ID [VARIANT] | REASON | FINDING", line);
	e.id = trim(e.id);
	e.reason = trim(reason);
	e.finding = trim(finding);
	ret = split_name(at, e.id, &e.variant);
	if (ret)
		return ret;
	if (!*e.id || !*e.reason)
		return BAD(at, "the %s is empty", *e.id ? "reason" : "test id");
	ret = check_finding(at, e.finding);
	if (ret)
		return ret;
	twin = find_exact(k, e.id, e.variant);
	if (twin)
		return BAD(at, "'%s' is already known from line %u", e.id, twin->line);
	return add(k, at, &e);
}

int kc_known_load(struct kc_known *k, const char *path, struct kc_err *err)
{
	struct place at = { .path = path, .err = err };
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *f;
	int ret = 0;

	memset(k, 0, sizeof(*k));
	f = fopen(path, "re");
	if (!f)
		return kc_err_set(err, -errno, "known failures %s: %s", path, strerror(errno));
	while (!ret && (n = getline(&line, &cap, f)) >= 0) {
		at.line++;
		if (strlen(line) == (size_t)n)
			ret = parse_line(k, &at, line);
		else
			ret = BAD(&at, "a byte of 0");
	}
	if (!ret && ferror(f))
		ret = kc_err_set(err, -EIO, "%s: cannot be read", path);
	free(line);
	fclose(f);
	if (ret)
		kc_known_fini(k);
	return ret;
}

void kc_known_fini(struct kc_known *k)
{
	for (unsigned i = 0; i < k->nentries; i++) {
		free(k->entries[i].id);
		free(k->entries[i].variant);
		free(k->entries[i].reason);
		free(k->entries[i].finding);
	}
	free(k->entries);
	memset(k, 0, sizeof(*k));
}

const struct kc_known_entry *kc_known_match(const struct kc_known *k, const char *id,
					    const char *variant)
{
	variant = variant ? variant : "";
	for (unsigned i = 0; i < k->nentries; i++) {
		const struct kc_known_entry *e = &k->entries[i];

		if (!strcmp(e->id, id) && (!e->variant || !fnmatch(e->variant, variant, 0)))
			return e;
	}
	return NULL;
}
