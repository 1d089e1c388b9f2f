/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the log is a memfd of its own, larger than the log on both sides, so that a
 * back-end that counts from a wrong place is seen to. Every switch-on takes a fresh one, all clear:
 * what is marked in it was marked since.
 *
 * A VMM hands over the log, then sets bit 26 of the features, then tells each ring again where it
 * lies, with the flag that has it logged (VU-LOG-01). A log stays mapped until the next one takes its
 * place, so that one can hear a back-end write to it after its rings have stopped (VU-LOG-09).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost_types.h>
#include <sim/vmm.h>

#define AROUND	0x10000u	/* bytes before and behind the log: whole pages on any machine */

static uint64_t bytes_for(const struct kc_mem *mem)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < mem->nregions; i++) {
		const struct kc_region *r = &mem->regions[i];

		end = r->gpa + r->size > end ? r->gpa + r->size : end;
	}
	return ((end + KC_LOG_ELSEWHERE) / VHOST_PAGE_SIZE / 8 + 8) & ~7ull;
}

void kc_vmm_log_drop(struct kc_vmm_log *l)
{
	if (l->file)
		munmap(l->file, l->file_bytes);
	if (l->file)
		close(l->memfd);
	*l = (struct kc_vmm_log){ 0 };
}

int kc_vmm_log_make(struct kc_vmm_log *l, const struct kc_mem *mem)
{
	struct kc_vmm_log fresh = { .bytes = bytes_for(mem), .offset = AROUND };

	fresh.file_bytes = fresh.bytes + 2 * AROUND;
	fresh.memfd = memfd_create("kickcall-log", MFD_CLOEXEC);
	if (fresh.memfd < 0)
		return -errno;
	fresh.file = ftruncate(fresh.memfd, (off_t)fresh.file_bytes) ? MAP_FAILED :
		mmap(NULL, fresh.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fresh.memfd, 0);
	if (fresh.file == MAP_FAILED) {
		int ret = -errno;

		close(fresh.memfd);
		return ret;
	}
	kc_vmm_log_drop(l);
	*l = fresh;
	return 0;
}

int kc_vmm_log_msg(const struct kc_vmm_log *l, struct kc_msg *m)
{
	kc_msg_init(m, KC_VU_SET_LOG_BASE);
	m->log.size = l->bytes;
	m->log.offset = l->offset;
	m->handles[0] = kc_handle_dup((struct kc_handle){ .fd = l->memfd });
	m->nhandles = 1;
	return kc_handle_is_none(m->handles[0]) ? -EMFILE : 0;
}
