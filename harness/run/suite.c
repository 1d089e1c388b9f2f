/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a test's id is its file's path below the scenarios folder, without ".kick", so
 * that `run scenarios/split/x.kick` and `conform --select split/x` are the same test with the same
 * seed.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <harness/run/suite.h>

const char *kc_find_folder(const char *program, const char *name, char *buf, size_t cap)
{
	char env[64], exe[PATH_MAX];
	const char *dir;
	char *slash;
	ssize_t n;

	(void)program;
	snprintf(env, sizeof(env), "KICKCALL_%s", name);
	for (char *c = env; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	dir = getenv(env);
	if (dir || access(name, R_OK | X_OK) == 0) {
		snprintf(buf, cap, "%s", dir ? dir : name);
		return buf;
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = 0;
		slash = strrchr(exe, '/');
		*slash = 0;
		snprintf(buf, cap, "%s/../%s", exe, name);
		return buf;
	}
	snprintf(buf, cap, "%s", name);
	return buf;
}

const char *kc_suite_root(const char *program, char *buf, size_t cap)
{
	return kc_find_folder(program, "scenarios", buf, cap);
}

static bool wanted_variant(const struct kc_script *t, const struct kc_options *o)
{
	for (unsigned i = 0; i < o->nvariant; i++) {
		char pair[100];
		size_t len = (size_t)snprintf(pair, sizeof(pair), "%s=%s", o->variant[i].name,
					      o->variant[i].value);
		const char *c = t->variant;
		bool found = false;

		for (; *c && !found; c += strcspn(c, ","), c += *c == ',')
			found = strcspn(c, ",") == len && !memcmp(c, pair, len);
		if (!found)
			return false;
	}
	return true;
}

static bool has_prefix(const char *text, const char *const *prefixes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!strncmp(text, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* What takes minutes runs only when asked for by its name. */
static bool too_long(const struct kc_script *t, const struct kc_options *o)
{
	for (unsigned i = 0; i < o->nselects; i++)
		if (!strcmp(o->selects[i], t->id))
			return false;
	return kc_script_needs(t, "long") && (o->command == KC_CMD_CONFORM || o->command == KC_CMD_PROBE);
}

/* Known before the file is read: most runs want few of them. */
static bool wanted_id(const char *id, const struct kc_options *o)
{
	return (!o->nselects || has_prefix(id, o->selects, o->nselects)) &&
		!has_prefix(id, o->excepts, o->nexcepts);
}

static bool wanted(const struct kc_script *t, const struct kc_options *o, const char *device)
{
	bool clause = !o->nclauses;

	for (unsigned i = 0; i < t->nclauses; i++)
		clause = clause || has_prefix(t->clauses[i], o->clauses, o->nclauses);
	return clause && !too_long(t, o) && wanted_variant(t, o) &&
		(!t->device || !device || !strcmp(t->device, device));
}

static int add(struct kc_suite *s, struct kc_script *t, struct kc_err *err)
{
	struct kc_script **more = realloc(s->tests, (s->ntests + 1) * sizeof(*more));

	if (!more)
		return kc_err_set(err, -ENOMEM, "out of memory");
	s->tests = more;
	s->tests[s->ntests++] = t;
	return 0;
}

/* Every variant of one file. */
static int add_file(struct kc_suite *s, const char *path, const char *id, const struct kc_options *o,
		    const char *device, struct kc_err *err)
{
	unsigned variants = 1;

	for (unsigned v = 0; v < variants; v++) {
		struct kc_script *t = kc_script_load(path, id, v, err);

		if (!t)
			return -EINVAL;
		variants = t->nvariants;
		if (!wanted(t, o, device))
			kc_script_free(t);
		else if (add(s, t, err))
			return -ENOMEM;
	}
	return 0;
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* In a folder, what is neither a folder nor a scenario is none of our business. */
static bool is_scenario_or_dir(const char *path)
{
	size_t n = strlen(path);
	struct stat st;

	return (n > 5 && !strcmp(path + n - 5, ".kick")) || (!stat(path, &st) && S_ISDIR(st.st_mode));
}

static int add_path(struct kc_suite *s, const char *path, const char *root, const struct kc_options *o,
		    const char *device, struct kc_err *err);

static int add_dir(struct kc_suite *s, const char *path, const char *root, const struct kc_options *o,
		   const char *device, struct kc_err *err)
{
	struct dirent **names;
	int n = scandir(path, &names, is_visible, alphasort), ret = 0;
	char sub[PATH_MAX];

	if (n < 0)
		return kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, names[i]->d_name);
		if (!ret && is_scenario_or_dir(sub))
			ret = add_path(s, sub, root, o, device, err);
		free(names[i]);
	}
	free(names);
	return ret;
}

/* The part of path below root, without ".kick"; the whole path if it is not below. */
static void make_id(const char *path, const char *root, char *id, size_t cap)
{
	char real[PATH_MAX], base[PATH_MAX];
	size_t n;

	snprintf(id, cap, "%s", path);
	if (realpath(path, real) && realpath(root, base)) {
		n = strlen(base);
		if (!strncmp(real, base, n) && real[n] == '/')
			snprintf(id, cap, "%s", real + n + 1);
	}
	n = strlen(id);
	if (n > 5 && !strcmp(id + n - 5, ".kick"))
		id[n - 5] = 0;
}

static int add_path(struct kc_suite *s, const char *path, const char *root, const struct kc_options *o,
		    const char *device, struct kc_err *err)
{
	char id[PATH_MAX];
	struct stat st;

	if (stat(path, &st))
		return kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return add_dir(s, path, root, o, device, err);
	make_id(path, root, id, sizeof(id));
	return wanted_id(id, o) ? add_file(s, path, id, o, device, err) : 0;
}

int kc_suite_load(struct kc_suite *s, const struct kc_options *o, char *const *paths, unsigned npaths,
		  const char *device, struct kc_err *err)
{
	char root[PATH_MAX];
	int ret = 0;

	*s = (struct kc_suite){ 0 };
	kc_suite_root(o->program, root, sizeof(root));
	if (!paths)
		ret = add_dir(s, root, root, o, device, err);
	for (unsigned i = 0; paths && i < npaths && !ret; i++)
		ret = add_path(s, paths[i], root, o, device, err);
	if (!ret && !s->ntests)
		ret = kc_err_set(err, -EINVAL, "no test fits the selection (kickcall list tests)");
	return ret;
}

void kc_suite_free(struct kc_suite *s)
{
	for (unsigned i = 0; i < s->ntests; i++)
		kc_script_free(s->tests[i]);
	free(s->tests);
	*s = (struct kc_suite){ 0 };
}
