/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a profile is read line by line; the first word picks a row of `keys`, whose
 * function reads the rest of the line into the field that the row names. Errors point at the
 * offending text.
 */
#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <harness/run/profile.h>
#include <harness/run/share.h>
#include <kickcall/storage.h>

#define SUFFIX			".profile"
#define START_TIMEOUT_NS	(10000 * 1000000ll)
#define BLANKS			" \t"

struct parser {
	const char *path;
	unsigned line;
	const char *text;		/* the line */
	struct kc_profile *p;
	struct kc_err *err;
};

struct key;
typedef int parse_fn(struct parser *ps, const struct key *key, char *value);

struct key {
	const char *name;
	parse_fn *parse;
	size_t offset;			/* of the field in struct kc_profile */
	bool required, repeats;
	const char *words[3];		/* for a choice: what stands for 0, 1, 2 */
};

#define COLUMN(ps, at)	((unsigned)((at) - (ps)->text) + 1)
#define BAD(ps, at, fmt, ...) \
	kc_err_set((ps)->err, -EINVAL, "%s:%u:%u: " fmt, (ps)->path, (ps)->line, COLUMN(ps, at), \
		   ##__VA_ARGS__)

static void *field(const struct parser *ps, const struct key *key)
{
	return (char *)ps->p + key->offset;
}

static int no_memory(struct kc_err *err)
{
	return kc_err_set(err, -ENOMEM, "out of memory");
}

static int store(struct parser *ps, char **to, const char *text, size_t n)
{
	*to = strndup(text, n);
	return *to ? 0 : no_memory(ps->err);
}

/* --- Values ----------------------------------------------------------------------------------- */

static int parse_text(struct parser *ps, const struct key *key, char *value)
{
	return store(ps, field(ps, key), value, strlen(value));
}

static int parse_word(struct parser *ps, const struct key *key, char *value)
{
	size_t n = strcspn(value, BLANKS);

	if (value[n])
		return BAD(ps, value + n, "%s: '%s' is more than one word", key->name, value);
	return store(ps, field(ps, key), value, n);
}

/* Position of value among the key's words, or -EINVAL. */
static int choose(struct parser *ps, const struct key *key, const char *value)
{
	char want[64] = "";

	for (int i = 0; i < 3 && key->words[i]; i++) {
		size_t n = strlen(want);

		if (!strcmp(value, key->words[i]))
			return i;
		snprintf(want + n, sizeof(want) - n, "%s%s", i ? " or " : "", key->words[i]);
	}
	return BAD(ps, value, "%s '%s': want %s", key->name, value, want);
}

static int parse_bool(struct parser *ps, const struct key *key, char *value)
{
	int i = choose(ps, key, value);

	*(bool *)field(ps, key) = i > 0;
	return i < 0 ? i : 0;
}

static int parse_data(struct parser *ps, const struct key *key, char *value)
{
	struct kc_err err;

	return kc_data_port_parse(field(ps, key), value, &err) ? BAD(ps, value, "%s", err.msg) : 0;
}

static int parse_contents(struct parser *ps, const struct key *key, char *value)
{
	int i = choose(ps, key, value);

	if (i >= 0)
		ps->p->contents = (enum kc_contents)i;
	return i < 0 ? i : 0;
}

/* Digits up to a blank or the end, at most max; *end is what follows. */
static int number(struct parser *ps, const char *key, char *value, uint64_t max, char **end,
		  uint64_t *n)
{
	errno = 0;
	*n = strtoull(value, end, 10);
	if (!isdigit((unsigned char)*value) || errno)
		return BAD(ps, value, "%s '%s': want a number", key, value);
	if (!*n || *n > max)
		return BAD(ps, value, "%s '%s': want a number from 1 to %llu", key, value,
			   (unsigned long long)max);
	return 0;
}

static int plain_number(struct parser *ps, const struct key *key, char *value, uint64_t max,
			uint64_t *n)
{
	char *end;
	int ret = number(ps, key->name, value, max, &end, n);

	if (!ret && *end)
		ret = BAD(ps, end, "%s: '%s' after the number", key->name, end);
	return ret;
}

static int parse_limit(struct parser *ps, const struct key *key, char *value)
{
	uint64_t n;
	int ret = plain_number(ps, key, value, 65536, &n);

	if (!ret)
		*(uint32_t *)field(ps, key) = (uint32_t)n;
	return ret;
}

static int parse_timeout(struct parser *ps, const struct key *key, char *value)
{
	uint64_t ms;
	int ret = plain_number(ps, key, value, 3600 * 1000, &ms);

	if (!ret)
		ps->p->start_timeout_ns = (int64_t)ms * 1000000;
	return ret;
}

static unsigned size_shift(char unit)
{
	return unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
}

static int parse_image(struct parser *ps, const struct key *key, char *value)
{
	size_t n = strcspn(value, BLANKS);
	char *size = value + n + strspn(value + n, BLANKS), *end;
	uint64_t bytes;
	unsigned shift;
	int ret;

	if (memchr(value, '/', n))
		return BAD(ps, value, "image '%.*s': want the name of a file in {dir}, not a path",
			   (int)n, value);
	ret = number(ps, "size of the image", size, KC_IMAGE_MAX_BYTES, &end, &bytes);
	if (ret)
		return ret;
	shift = size_shift(*end);
	if (end[shift > 0])
		return BAD(ps, end, "%s: '%s' after the size: want K, M, G or nothing", key->name,
			   end);
	if (bytes > KC_IMAGE_MAX_BYTES >> shift)
		return BAD(ps, size, "size of the image '%s': more than 4G", size);
	ps->p->image_bytes = bytes << shift;
	return store(ps, &ps->p->image, value, n);
}

static int parse_share(struct parser *ps, const struct key *key, char *value)
{
	if (strchr(value, '/') || *value == '.')
		return BAD(ps, value, "share '%s': want the name of a directory in {dir}, not a path",
			   value);
	return parse_word(ps, key, value);
}

static int parse_quirk(struct parser *ps, const struct key *key, char *value)
{
	size_t n = strcspn(value, BLANKS);
	char *reason = value + n + strspn(value + n, BLANKS);
	struct kc_profile *p = ps->p;
	struct kc_quirk *more;
	int ret;

	if (!*reason)
		return BAD(ps, value + n, "%s '%s' has no reason", key->name, value);
	more = realloc(p->quirks, (p->nquirks + 1) * sizeof(*more));
	if (!more)
		return no_memory(ps->err);
	p->quirks = more;
	more[p->nquirks] = (struct kc_quirk){ 0 };
	ret = store(ps, &more[p->nquirks].name, value, n);
	if (!ret)
		ret = store(ps, &more[p->nquirks].reason, reason, strlen(reason));
	p->nquirks++;
	return ret;
}

/* A path that is relative to the profile's own directory. */
static int parse_beside(struct parser *ps, const struct key *key, char *value)
{
	const char *slash = strrchr(ps->path, '/');
	int dir = slash && *value != '/' ? (int)(slash - ps->path) + 1 : 0;

	if (value[strcspn(value, BLANKS)])
		return parse_word(ps, key, value);
	if (asprintf((char **)field(ps, key), "%.*s%s", dir, ps->path, value) >= 0)
		return 0;
	*(char **)field(ps, key) = NULL;
	return no_memory(ps->err);
}

/* --- The command ------------------------------------------------------------------------------ */

/* One character, or a quoted piece, from *in to *out, as a shell would take it. */
static int take_piece(struct parser *ps, char **in, char **out)
{
	char *start = *in, quote = *start;

	if (quote == '\\') {
		if (!start[1])
			return BAD(ps, start, "command: '\\' at the end of the line");
		*(*out)++ = start[1];
		*in += 2;
		return 0;
	}
	if (quote != '\'' && quote != '"') {
		*(*out)++ = *(*in)++;
		return 0;
	}
	for ((*in)++; **in && **in != quote; (*in)++) {
		if (quote == '"' && **in == '\\' && (*in)[1] && strchr("\"\\", (*in)[1]))
			(*in)++;
		*(*out)++ = **in;
	}
	if (!**in)
		return BAD(ps, start, "command: the quote at %s is not closed", start);
	(*in)++;
	return 0;
}

static int add_word(struct parser *ps, unsigned *n, const char *word, size_t len)
{
	char **more = realloc(ps->p->argv, (*n + 2) * sizeof(*more));

	if (!more)
		return no_memory(ps->err);
	ps->p->argv = more;
	more[*n] = strndup(word, len);
	more[*n + 1] = NULL;
	return more[(*n)++] ? 0 : no_memory(ps->err);
}

static int parse_command(struct parser *ps, const struct key *key, char *value)
{
	bool socket = strstr(value, "{socket}");
	char *in = value, *buf = malloc(strlen(value) + 1);
	unsigned n = 0;
	int ret = 0;

	if (!buf)
		return no_memory(ps->err);
	while (!ret && *in) {
		char *out = buf;

		while (!ret && *in && !strchr(BLANKS, *in))
			ret = take_piece(ps, &in, &out);
		if (!ret)
			ret = add_word(ps, &n, buf, (size_t)(out - buf));
		in += strspn(in, BLANKS);
	}
	free(buf);
	if (!ret && !socket)
		ret = BAD(ps, value, "%s never names {socket}", key->name);
	return ret;
}

/* --- Lines ------------------------------------------------------------------------------------ */

#define FIELD(name)	offsetof(struct kc_profile, name)

static const struct key keys[] = {
	{ "title", parse_text, FIELD(title), false, false, { 0 } },
	{ "device", parse_word, FIELD(device), true, false, { 0 } },
	{ "command", parse_command, 0, true, false, { 0 } },
	{ "listen", parse_bool, FIELD(listen), false, false, { "no", "yes" } },
	{ "image", parse_image, 0, false, false, { 0 } },
	{ "share", parse_share, FIELD(share), false, false, { 0 } },
	{ "contents", parse_contents, 0, false, false, {
		[KC_CONTENTS_UNKNOWN] = "unknown",
		[KC_CONTENTS_PATTERN] = "pattern",
		[KC_CONTENTS_ZEROES] = "zeroes",
	} },
	{ "writes", parse_bool, FIELD(writes_dropped), false, false, { "kept", "dropped" } },
	{ "data", parse_data, FIELD(data), false, false, { 0 } },
	{ "control", parse_bool, FIELD(control), false, false, { "vmm", "back-end" } },
	{ "one-shot", parse_bool, FIELD(one_shot), false, false, { "no", "yes" } },
	{ "ring-max", parse_limit, FIELD(ring_max), false, false, { 0 } },
	{ "chain-max", parse_limit, FIELD(chain_max), false, false, { 0 } },
	{ "jobs", parse_limit, FIELD(jobs), false, false, { 0 } },
	{ "start-timeout-ms", parse_timeout, 0, false, false, { 0 } },
	{ "known", parse_beside, FIELD(known), false, false, { 0 } },
	{ "quirk", parse_quirk, 0, false, true, { 0 } },
};
#define KEYS	(sizeof(keys) / sizeof(keys[0]))

static int parse_line(struct parser *ps, char *line, unsigned *seen)
{
	char *word = line + strspn(line, BLANKS), *value;
	size_t n = strcspn(word, BLANKS);
	unsigned i;

	if (!*word || *word == '#')
		return 0;
	for (i = 0; i < KEYS; i++)
		if (strlen(keys[i].name) == n && !strncmp(word, keys[i].name, n))
			break;
	if (i == KEYS)
		return BAD(ps, word, "unknown key '%.*s'", (int)n, word);
	if (*seen & 1u << i && !keys[i].repeats)
		return BAD(ps, word, "'%s' is given twice", keys[i].name);
	*seen |= 1u << i;
	value = word + n + strspn(word + n, BLANKS);
	if (!*value)
		return BAD(ps, word, "'%s' has no value", keys[i].name);
	return keys[i].parse(ps, &keys[i], value);
}

/* Cuts the end of the line, and blanks before it. */
static void trim(char *line)
{
	size_t n = strlen(line);

	while (n && strchr(BLANKS "\r\n", line[n - 1]))
		n--;
	line[n] = '\0';
}

static int parse_file(struct parser *ps, FILE *f)
{
	unsigned seen = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int ret = 0;

	while (!ret && (n = getline(&line, &cap, f)) >= 0) {
		ps->line++;
		ps->text = line;
		if (strlen(line) != (size_t)n) {
			ret = BAD(ps, line + strlen(line), "a byte of 0");
			break;
		}
		trim(line);
		ret = parse_line(ps, line, &seen);
	}
	free(line);
	if (!ret && ferror(f))
		return kc_err_set(ps->err, -EIO, "%s: cannot be read", ps->path);
	for (unsigned i = 0; i < KEYS && !ret; i++)
		if (keys[i].required && !(seen & 1u << i))
			ret = kc_err_set(ps->err, -EINVAL, "%s:%u:1: '%s' is missing", ps->path,
					 ps->line ? ps->line : 1, keys[i].name);
	return ret;
}

/* "dir/NAME.profile" -> NAME */
static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t n = strlen(base), m = strlen(SUFFIX);

	return strndup(base, n > m && !strcmp(base + n - m, SUFFIX) ? n - m : n);
}

int kc_profile_load(struct kc_profile *p, const char *path, struct kc_err *err)
{
	struct parser ps = { .path = path, .p = p, .err = err };
	FILE *f;
	int ret;

	memset(p, 0, sizeof(*p));
	p->start_timeout_ns = START_TIMEOUT_NS;
	f = fopen(path, "re");
	if (!f)
		return kc_err_set(err, -errno, "profile %s: %s", path, strerror(errno));
	p->name = name_of(path);
	ret = p->name ? parse_file(&ps, f) : no_memory(err);
	fclose(f);
	if (ret)
		kc_profile_fini(p);
	return ret;
}

void kc_profile_fini(struct kc_profile *p)
{
	for (unsigned i = 0; i < p->nquirks; i++) {
		free(p->quirks[i].name);
		free(p->quirks[i].reason);
	}
	for (char **word = p->argv; word && *word; word++)
		free(*word);
	free(p->quirks);
	free(p->argv);
	free(p->name);
	free(p->title);
	free(p->device);
	free(p->image);
	free(p->share);
	free(p->known);
	memset(p, 0, sizeof(*p));
}

const char *kc_profile_quirk(const struct kc_profile *p, const char *name)
{
	for (unsigned i = 0; i < p->nquirks; i++)
		if (!strcmp(p->quirks[i].name, name))
			return p->quirks[i].reason;
	return NULL;
}

/* --- Places ----------------------------------------------------------------------------------- */

#define PLACES	3

/* The i-th directory to look in; false: there is no such place. */
static bool place(unsigned i, char dir[PATH_MAX])
{
	const char *set = getenv("KICKCALL_PROFILES");
	ssize_t n;

	switch (i) {
	case 0:
		return set && *set && snprintf(dir, PATH_MAX, "%s", set) < PATH_MAX;
	case 1:
		strcpy(dir, "profiles");
		return true;
	default:
		n = readlink("/proc/self/exe", dir, PATH_MAX - sizeof("/../profiles"));
		if (n <= 0)
			return false;
		dir[n] = '\0';
		strcpy(strrchr(dir, '/'), "/../profiles");
		return true;
	}
}

int kc_profile_find(const char *name, char path[PATH_MAX], struct kc_err *err)
{
	size_t n = strlen(name), m = strlen(SUFFIX);
	char dir[PATH_MAX], tried[512] = "";

	if (strchr(name, '/') || (n > m && !strcmp(name + n - m, SUFFIX))) {
		if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
			return kc_err_set(err, -ENAMETOOLONG, "profile %.64s...: name too long",
					  name);
		if (access(path, R_OK))
			return kc_err_set(err, -errno, "profile %s: %s", path, strerror(errno));
		return 0;
	}
	for (unsigned i = 0; i < PLACES; i++) {
		size_t used = strlen(tried);

		if (!place(i, dir))
			continue;
		if (snprintf(path, PATH_MAX, "%s/%s" SUFFIX, dir, name) < PATH_MAX &&
		    !access(path, R_OK))
			return 0;
		snprintf(tried + used, sizeof(tried) - used, "%s%.128s", used ? ", " : "", dir);
	}
	return kc_err_set(err, -ENOENT, "no profile '%.64s' in %s", name, tried);
}

static int is_profile(const struct dirent *d)
{
	size_t n = strlen(d->d_name), m = strlen(SUFFIX);

	return n > m && *d->d_name != '.' && !strcmp(d->d_name + n - m, SUFFIX);
}

/* Would a look-up by that name end in path? */
static bool is_found(const char *path)
{
	char found[PATH_MAX], *name = name_of(path);
	bool same = name && !kc_profile_find(name, found, NULL) && !strcmp(found, path);

	free(name);
	return same;
}

static int each_in(const char *dir, int (*fn)(void *ctx, const char *path), void *ctx)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_profile, alphasort), ret = 0;
	char path[PATH_MAX];

	if (n < 0)
		return errno == ENOMEM ? -ENOMEM : 0;
	for (int i = 0; i < n; i++) {
		int len = snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);

		if (!ret && len < PATH_MAX && is_found(path))
			ret = fn(ctx, path);
		free(list[i]);
	}
	free(list);
	return ret;
}

int kc_profile_each(int (*fn)(void *ctx, const char *path), void *ctx)
{
	char dir[PATH_MAX];
	int ret = 0;

	for (unsigned i = 0; i < PLACES && !ret; i++)
		if (place(i, dir))
			ret = each_in(dir, fn, ctx);
	return ret;
}

/* --- The image -------------------------------------------------------------------------------- */

static int fill_pattern(FILE *f, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t word = htole64(kc_storage_pattern_word(at / 8));
		size_t n = bytes - at < 8 ? (size_t)(bytes - at) : 8;

		if (fwrite(&word, 1, n, f) != n)
			return -EIO;
	}
	return 0;
}

/* An image of unknown contents gets zeroes, but nobody relies on it. */
static int fill(const struct kc_profile *p, FILE *f)
{
	if (p->contents == KC_CONTENTS_PATTERN)
		return fill_pattern(f, p->image_bytes);
	return ftruncate(fileno(f), (off_t)p->image_bytes) ? -errno : 0;
}

static int make_image(const struct kc_profile *p, const char *dir, struct kc_err *err)
{
	char path[PATH_MAX];
	FILE *f;
	int ret;

	if (!p->image)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", dir, p->image) >= (int)sizeof(path))
		return kc_err_set(err, -ENAMETOOLONG, "image %s: name too long", p->image);
	f = fopen(path, "we");
	if (!f)
		return kc_err_set(err, -errno, "image %s: %s", path, strerror(errno));
	ret = fill(p, f);
	if (fclose(f) && !ret)
		ret = -errno;
	return ret ? kc_err_set(err, ret, "image %s: %s", path, strerror(-ret)) : 0;
}

int kc_profile_prepare(const struct kc_profile *p, const char *dir, struct kc_err *err)
{
	int ret = make_image(p, dir, err);

	return ret || !p->share ? ret : kc_share_make(dir, p->share, err);
}
