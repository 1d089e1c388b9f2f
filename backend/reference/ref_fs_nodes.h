/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_REFERENCE_REF_FS_NODES_H
#define BACKEND_REFERENCE_REF_FS_NODES_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/err.h>

/*
 * What a driver of the file system device can name: nodes (files that were looked up) and handles
 * (files that are open). Node 1 is the root of the shared directory. Functions return 0 or -errno.
 */
#define KC_REF_FS_NODES		256u
#define KC_REF_FS_HANDLES	256u
#define KC_REF_FS_ROOT		1u

struct kc_ref_fs_node {
	int fd;				/* O_PATH, -1: free */
	uint64_t dev, ino;
	uint64_t lookups;		/* that were not forgotten */
};

struct kc_ref_fs_nodes {
	struct kc_ref_fs_node node[KC_REF_FS_NODES];	/* [0]: node 1 */
	int handle[KC_REF_FS_HANDLES];			/* fd, -1: free */
};

/* The root. n is to be closed also if this fails. */
int kc_ref_fs_nodes_open(struct kc_ref_fs_nodes *n, const char *path, struct kc_err *err);
void kc_ref_fs_nodes_close(struct kc_ref_fs_nodes *n);
/* As after open: all but the root is forgotten. */
void kc_ref_fs_nodes_reset(struct kc_ref_fs_nodes *n);
/* The O_PATH descriptor of a node; -ENOENT if there is none by that number. */
int kc_ref_fs_node(const struct kc_ref_fs_nodes *n, uint64_t id);
/* A name in a directory, without following it: *id is counted as looked up once more. */
int kc_ref_fs_lookup(struct kc_ref_fs_nodes *n, uint64_t dir, const char *name, uint64_t *id);
void kc_ref_fs_forget(struct kc_ref_fs_nodes *n, uint64_t id, uint64_t times);
/* A regular file, with the access mode in flags (O_RDONLY, ...); others are ignored. */
int kc_ref_fs_open(struct kc_ref_fs_nodes *n, uint64_t id, uint32_t flags, uint64_t *fh);
/* The descriptor of an open file; -EBADF if there is none. */
int kc_ref_fs_handle(const struct kc_ref_fs_nodes *n, uint64_t fh);
int kc_ref_fs_release(struct kc_ref_fs_nodes *n, uint64_t fh);

#endif
