/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes and handles of the file system device.
 *
 * A node is a descriptor that was opened with O_PATH | O_NOFOLLOW relative to its directory's, by
 * a name that has no slash and is not "..": so no name and no symbolic link leads out of the
 * shared directory. A node's number is its place in the table, plus 1; a file has one number as
 * long as the driver knows it, whatever it is called.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref_fs_nodes.h"

static int identify(struct kc_ref_fs_node *node)
{
	struct stat st;

	if (fstat(node->fd, &st))
		return -errno;
	node->dev = st.st_dev;
	node->ino = st.st_ino;
	return 0;
}

int kc_ref_fs_nodes_open(struct kc_ref_fs_nodes *n, const char *path, struct kc_err *err)
{
	int rc;

	for (unsigned i = 0; i < KC_REF_FS_NODES; i++)
		n->node[i].fd = -1;
	for (unsigned i = 0; i < KC_REF_FS_HANDLES; i++)
		n->handle[i] = -1;
	n->node[0].fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = n->node[0].fd < 0 ? -errno : identify(&n->node[0]);
	return rc ? kc_err_set(err, rc, "%s: %s", path, strerror(-rc)) : 0;
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void kc_ref_fs_nodes_reset(struct kc_ref_fs_nodes *n)
{
	for (unsigned i = KC_REF_FS_ROOT; i < KC_REF_FS_NODES; i++) {
		drop(&n->node[i].fd);
		n->node[i].lookups = 0;
	}
	for (unsigned i = 0; i < KC_REF_FS_HANDLES; i++)
		drop(&n->handle[i]);
}

void kc_ref_fs_nodes_close(struct kc_ref_fs_nodes *n)
{
	kc_ref_fs_nodes_reset(n);
	drop(&n->node[0].fd);
}

int kc_ref_fs_node(const struct kc_ref_fs_nodes *n, uint64_t id)
{
	if (!id || id > KC_REF_FS_NODES || n->node[id - 1].fd < 0)
		return -ENOENT;
	return n->node[id - 1].fd;
}

/* The place of a file: where it is already, or a free one. */
static int place_of(const struct kc_ref_fs_nodes *n, const struct kc_ref_fs_node *found)
{
	int free_place = -ENFILE;

	for (unsigned i = 0; i < KC_REF_FS_NODES; i++) {
		const struct kc_ref_fs_node *node = &n->node[i];

		if (node->fd >= 0 && node->dev == found->dev && node->ino == found->ino)
			return (int)i;
		if (node->fd < 0 && free_place < 0)
			free_place = (int)i;
	}
	return free_place;
}

int kc_ref_fs_lookup(struct kc_ref_fs_nodes *n, uint64_t dir, const char *name, uint64_t *id)
{
	struct kc_ref_fs_node found = { .fd = -1 };
	int at = kc_ref_fs_node(n, dir), rc;

	if (at < 0)
		return at;
	if (!*name || strchr(name, '/') || !strcmp(name, ".."))
		return -EINVAL;
	found.fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found.fd < 0)
		return -errno;
	rc = identify(&found);
	if (!rc)
		rc = place_of(n, &found);
	if (rc < 0 || n->node[rc].fd >= 0)
		close(found.fd);
	else
		n->node[rc] = found;
	if (rc < 0)
		return rc;
	n->node[rc].lookups++;
	*id = (uint64_t)rc + 1;
	return 0;
}

void kc_ref_fs_forget(struct kc_ref_fs_nodes *n, uint64_t id, uint64_t times)
{
	struct kc_ref_fs_node *node;

	if (id == KC_REF_FS_ROOT || kc_ref_fs_node(n, id) < 0)
		return;
	node = &n->node[id - 1];
	node->lookups = times < node->lookups ? node->lookups - times : 0;
	if (!node->lookups)
		drop(&node->fd);
}

int kc_ref_fs_open(struct kc_ref_fs_nodes *n, uint64_t id, uint32_t flags, uint64_t *fh)
{
	int fd = kc_ref_fs_node(n, id);
	struct stat st;
	char path[64];
	unsigned i;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : S_ISLNK(st.st_mode) ? -ELOOP : -EACCES;
	for (i = 0; i < KC_REF_FS_HANDLES && n->handle[i] >= 0; i++)
		;
	if (i == KC_REF_FS_HANDLES)
		return -ENFILE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n->handle[i] = open(path, (int)(flags & O_ACCMODE) | O_CLOEXEC);
	if (n->handle[i] < 0)
		return -errno;
	*fh = i;
	return 0;
}

int kc_ref_fs_handle(const struct kc_ref_fs_nodes *n, uint64_t fh)
{
	return fh < KC_REF_FS_HANDLES && n->handle[fh] >= 0 ? n->handle[fh] : -EBADF;
}

int kc_ref_fs_release(struct kc_ref_fs_nodes *n, uint64_t fh)
{
	if (kc_ref_fs_handle(n, fh) < 0)
		return -EBADF;
	drop(&n->handle[fh]);
	return 0;
}
