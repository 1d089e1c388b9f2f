/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the back-end makes the buffer in which it says what is in flight, and the VMM
 * keeps it for the next one: its descriptor and a mapping outlive the session. The file must have the
 * bytes that the reply speaks of, or looking at it would end us.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <kickcall/inflight.h>
#include <sim/vmm.h>

void kc_vmm_inflight_drop(struct kc_vmm_inflight *f)
{
	if (f->map)
		munmap(f->map, f->map_bytes);
	if (f->map)
		close(f->fd);
	*f = (struct kc_vmm_inflight){ 0 };
}

static const char *what_is_wrong(const struct kc_msg *reply)
{
	uint64_t bytes = reply->inflight.mmap_size, offset = reply->inflight.mmap_offset;
	unsigned queues = reply->inflight.num_queues;
	struct stat st;

	if (reply->nhandles != 1 || reply->handles[0].fd < 0 || fstat(reply->handles[0].fd, &st))
		return "no file descriptor came along";
	if (!queues || bytes / queues < kc_inflight_bytes(reply->inflight.queue_size))
		return "too few bytes for the regions of all queues";
	if (bytes / queues % 8 || offset % 8)
		return "the regions' counters are misaligned";
	if (offset > (uint64_t)st.st_size || bytes > (uint64_t)st.st_size - offset)
		return "the file ends before the regions do";
	return NULL;
}

const char *kc_vmm_inflight_take(struct kc_vmm_inflight *f, struct kc_msg *reply)
{
	const char *why = what_is_wrong(reply);
	uint64_t skip = reply->inflight.mmap_offset % (uint64_t)sysconf(_SC_PAGESIZE);
	void *map;

	if (why)
		return why;
	map = mmap(NULL, reply->inflight.mmap_size + skip, PROT_READ | PROT_WRITE, MAP_SHARED,
		   reply->handles[0].fd, (off_t)(reply->inflight.mmap_offset - skip));
	if (map == MAP_FAILED)
		return "the file cannot be mapped";
	kc_vmm_inflight_drop(f);
	*f = (struct kc_vmm_inflight){
		.map = map, .map_bytes = reply->inflight.mmap_size + skip,
		.regions = (uint8_t *)map + skip, .bytes = reply->inflight.mmap_size,
		.offset = reply->inflight.mmap_offset, .queues = reply->inflight.num_queues,
		.size = reply->inflight.queue_size, .fd = reply->handles[0].fd,
	};
	f->stride = f->bytes / f->queues;
	reply->handles[0] = KC_HANDLE_NONE;
	reply->nhandles = 0;
	return NULL;
}

int kc_vmm_inflight_msg(const struct kc_vmm_inflight *f, struct kc_msg *m)
{
	kc_msg_init(m, KC_VU_SET_INFLIGHT_FD);
	m->inflight.mmap_size = f->bytes;
	m->inflight.mmap_offset = f->offset;
	m->inflight.num_queues = (uint16_t)f->queues;
	m->inflight.queue_size = (uint16_t)f->size;
	m->handles[0] = kc_handle_dup((struct kc_handle){ .fd = f->fd });
	m->nhandles = 1;
	return kc_handle_is_none(m->handles[0]) ? -EMFILE : 0;
}

struct kc_inflight_split *kc_vmm_inflight_region(const struct kc_vmm_inflight *f, unsigned qi)
{
	return f->map && qi < f->queues ? (void *)(f->regions + qi * f->stride) : NULL;
}
