/* SPDX-License-Identifier: BSD-3-Clause */
/* The KVM model against the rules measured on real KVM: ioeventfd, irqfd, level-triggered GSIs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <sim/kvm.h>

#define N(a)	(sizeof(a) / sizeof((a)[0]))
#define DM	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define CCW	KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY
#define FAST	(1u << kvm_ioeventfd_flag_nr_fast_mmio)
#define DE	KVM_IOEVENTFD_FLAG_DEASSIGN
#define RS	KVM_IRQFD_FLAG_RESAMPLE
#define FULL	(UINT64_MAX - 1)

struct apic {
	unsigned n;
	struct kc_msi last;
};

static void deliver(void *ctx, struct kc_msi msi)
{
	struct apic *a = ctx;

	a->n++;
	a->last = msi;
}

static struct apic apic;

static struct kc_kvm *new_kvm(void)
{
	struct kc_kvm *k = kc_kvm_new(deliver, &apic);

	assert_non_null(k);
	apic = (struct apic){ 0 };
	return k;
}

static uint64_t drain(struct kc_evfd *e)
{
	uint64_t n;

	return kc_evfd_read(e, &n) ? 0 : n;
}

static void route(struct kc_kvm *k, uint32_t gsi, uint32_t data)
{
	struct kc_msi msi = { .addr = 0xfee00000, .data = data };

	assert_int_equal(kc_kvm_set_route(k, gsi, &msi), 0);
}

/* Validity: rule 3 (no DATAMATCH without a length) and rule 6. */
static void test_io_valid(void **state)
{
	struct kc_evfd *e = kc_evfd_new_sim();
	const struct { struct kc_ioeventfd io; int ret; } rows[] = {
		{ { .addr = 0x10, .len = 1, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 2, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 4, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 8, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 0, .evfd = e }, 0 },
		{ { .addr = 0x12345, .len = 8, .flags = PIO, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 2, .flags = CCW, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 2, .flags = FAST, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 1, .flags = DM, .datamatch = 0x1ff, .evfd = e }, 0 },
		{ { .addr = UINT64_MAX - 3, .len = 2, .evfd = e }, 0 },
		{ { .addr = 0x10, .len = 3, .evfd = e }, -EINVAL },
		{ { .addr = 0x10, .len = 16, .evfd = e }, -EINVAL },
		{ { .addr = 0x10, .len = 0x80000000, .evfd = e }, -EINVAL },
		{ { .addr = 0x10, .len = 0, .flags = DM, .evfd = e }, -EINVAL },
		{ { .addr = UINT64_MAX, .len = 2, .evfd = e }, -EINVAL },
		{ { .addr = 0x10, .len = 2, .flags = 1 << 5, .evfd = e }, -EINVAL },
		{ { .addr = 0x10, .len = 2, .flags = 1u << 31, .evfd = e }, -EINVAL },
		{ { .addr = 0x10, .len = 2, .evfd = NULL }, -EINVAL },
	};

	(void)state;
	for (unsigned i = 0; i < N(rows); i++) {
		struct kc_kvm *k = new_kvm();

		assert_int_equal(kc_kvm_ioeventfd(k, &rows[i].io), rows[i].ret);
		kc_kvm_free(k);
		assert_true(kc_evfd_is_last(e));
	}
	kc_evfd_unref(e);
}

/* Rules 1 to 3: what matches. */
static void test_io_match(void **state)
{
	static const struct {
		struct { uint64_t addr; uint32_t len, flags; uint64_t datamatch; } io;
		struct { enum kc_bus bus; uint64_t addr; uint32_t len; uint64_t value; } w;
		bool hit;
	} rows[] = {
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_MMIO, 0x1010, 2, 7 }, true },
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_MMIO, 0x1010, 4, 7 }, false },
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_MMIO, 0x1010, 1, 7 }, false },
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_MMIO, 0x1011, 1, 7 }, false },
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_MMIO, 0x100f, 2, 7 }, false },
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_PIO, 0x1010, 2, 7 }, false },
		{ { 0x1010, 2, PIO, 0 }, { KC_BUS_PIO, 0x1010, 2, 7 }, true },
		{ { 0x1010, 2, PIO, 0 }, { KC_BUS_MMIO, 0x1010, 2, 7 }, false },
		{ { 0x1010, 2, CCW, 0 }, { KC_BUS_MMIO, 0x1010, 2, 7 }, false },
		{ { 0x1010, 2, FAST, 0 }, { KC_BUS_MMIO, 0x1010, 2, 7 }, true },
		{ { 0x1010, 0, 0, 0 }, { KC_BUS_MMIO, 0x1010, 1, 7 }, true },
		{ { 0x1010, 0, 0, 0 }, { KC_BUS_MMIO, 0x1010, 8, 7 }, true },
		{ { 0x1010, 0, 0, 0 }, { KC_BUS_MMIO, 0x1011, 1, 7 }, false },
		{ { 0x1010, 2, DM, 7 }, { KC_BUS_MMIO, 0x1010, 2, 7 }, true },
		{ { 0x1010, 2, DM, 7 }, { KC_BUS_MMIO, 0x1010, 2, 8 }, false },
		{ { 0x1010, 2, DM, 7 }, { KC_BUS_MMIO, 0x1010, 2, 0xabcd0007 }, true },
		{ { 0x1010, 2, DM, 0x10007 }, { KC_BUS_MMIO, 0x1010, 2, 0x10007 }, false },
		{ { 0x1010, 8, DM, UINT64_MAX }, { KC_BUS_MMIO, 0x1010, 8, UINT64_MAX }, true },
		{ { 0x1010, 2, 0, 0 }, { KC_BUS_MMIO, 0x1010, 9, 7 }, false },
	};

	(void)state;
	for (unsigned i = 0; i < N(rows); i++) {
		struct kc_kvm *k = new_kvm();
		struct kc_evfd *e = kc_evfd_new_sim();
		struct kc_ioeventfd io = { .addr = rows[i].io.addr, .len = rows[i].io.len,
					   .flags = rows[i].io.flags, .evfd = e,
					   .datamatch = rows[i].io.datamatch };

		assert_int_equal(kc_kvm_ioeventfd(k, &io), 0);
		assert_int_equal(kc_kvm_write(k, rows[i].w.bus, rows[i].w.addr, rows[i].w.len,
					      rows[i].w.value), rows[i].hit);
		assert_true(drain(e) == rows[i].hit);
		assert_int_equal(kc_kvm_stats(k)->io_hits, rows[i].hit);
		assert_int_equal(kc_kvm_stats(k)->io_exits, !rows[i].hit);
		kc_evfd_unref(e);
		kc_kvm_free(k);
	}
}

/* Rule 4: two assignments at one address. The eventfd plays no part. */
static void test_io_collision(void **state)
{
	static const struct { uint32_t len1, flags1; uint64_t dm1; uint32_t len2, flags2;
			      uint64_t dm2; int ret; } rows[] = {
		{ 2, 0, 0, 2, 0, 0, -EEXIST },
		{ 2, 0, 0, 4, 0, 0, 0 },
		{ 0, 0, 0, 4, 0, 0, -EEXIST },
		{ 4, 0, 0, 0, 0, 0, -EEXIST },
		{ 2, DM, 1, 2, DM, 2, 0 },
		{ 2, DM, 1, 2, DM, 1, -EEXIST },
		{ 2, DM, 1, 2, 0, 0, -EEXIST },
		{ 2, 0, 0, 2, DM, 1, -EEXIST },
		{ 2, DM, 1, 4, DM, 1, 0 },
		{ 2, DM, 1, 0, 0, 0, -EEXIST },
		{ 2, 0, 0, 2, PIO, 0, 0 },
		{ 2, 0, 0, 2, CCW, 0, 0 },
		{ 2, PIO, 0, 2, PIO | CCW, 0, -EEXIST },
	};

	(void)state;
	for (unsigned i = 0; i < 2 * N(rows); i++) {
		const bool same_fd = i % 2;
		struct kc_kvm *k = new_kvm();
		struct kc_evfd *e[2] = { kc_evfd_new_sim(), kc_evfd_new_sim() };
		struct kc_ioeventfd a = { rows[i / 2].dm1, 0x100, rows[i / 2].len1,
					  rows[i / 2].flags1, e[0] };
		struct kc_ioeventfd b = { rows[i / 2].dm2, 0x100, rows[i / 2].len2,
					  rows[i / 2].flags2, e[!same_fd] };

		assert_int_equal(kc_kvm_ioeventfd(k, &a), 0);
		assert_int_equal(kc_kvm_ioeventfd(k, &b), rows[i / 2].ret);
		b.addr++;
		assert_int_equal(kc_kvm_ioeventfd(k, &b), 0);
		kc_kvm_free(k);
		assert_true(kc_evfd_is_last(e[0]) && kc_evfd_is_last(e[1]));
		kc_evfd_unref(e[0]);
		kc_evfd_unref(e[1]);
	}
}

/* Rule 5: everything must be as at assign; the count stays. */
static void test_io_deassign(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *e = kc_evfd_new_sim(), *other = kc_evfd_new_sim();
	const struct kc_ioeventfd right = { 5, 0x100, 2, DM, e };
	struct kc_ioeventfd wrong[] = { { 5, 0x100, 2, DM, other }, { 5, 0x101, 2, DM, e },
					{ 5, 0x100, 4, DM, e }, { 5, 0x100, 2, 0, e },
					{ 6, 0x100, 2, DM, e }, { 5, 0x100, 2, DM | PIO, e } };
	struct kc_ioeventfd de = right;

	(void)state;
	de.flags |= DE;
	assert_int_equal(kc_kvm_ioeventfd(k, &de), -ENOENT);
	assert_int_equal(kc_kvm_ioeventfd(k, &right), 0);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 5));
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 5));
	for (unsigned i = 0; i < N(wrong); i++) {
		wrong[i].flags |= DE;
		assert_int_equal(kc_kvm_ioeventfd(k, &wrong[i]), -ENOENT);
	}
	assert_int_equal(kc_kvm_ioeventfd(k, &de), 0);
	assert_true(kc_evfd_is_last(e));
	assert_int_equal(kc_kvm_ioeventfd(k, &de), -ENOENT);
	assert_false(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 5));
	assert_true(drain(e) == 2);
	kc_evfd_unref(e);
	kc_evfd_unref(other);
	kc_kvm_free(k);
}

/* Rule 8: full is no error; rule 7: thousands are possible; rule 9: closing does not deassign. */
static void test_io_saturates(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *e = kc_evfd_new_sim();
	struct kc_ioeventfd io = { .addr = 0x100, .len = 2, .evfd = e };

	(void)state;
	assert_int_equal(kc_kvm_ioeventfd(k, &io), 0);
	assert_int_equal(kc_evfd_signal(e, FULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 0));
	assert_true(drain(e) == UINT64_MAX);

	for (unsigned i = 0; i < 3000; i++) {
		io.addr = 0x1000 + i;
		assert_int_equal(kc_kvm_ioeventfd(k, &io), 0);
	}
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x1000 + 2999, 2, 0));
	kc_evfd_unref(e);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 0));
	e = kc_evfd_new_sim();
	io = (struct kc_ioeventfd){ .addr = 0x100, .len = 2, .evfd = e };
	assert_int_equal(kc_kvm_ioeventfd(k, &io), -EEXIST);
	kc_evfd_unref(e);
	kc_kvm_free(k);
}

/* Rule 10: an MMIO write across a page is two writes. */
static void test_io_page_crossing(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *e[3] = { kc_evfd_new_sim(), kc_evfd_new_sim(), kc_evfd_new_sim() };
	const struct kc_ioeventfd io[] = { { 0, 0x1ffe, 4, 0, e[0] },
					   { 0x2211, 0x1ffe, 2, DM, e[1] },
					   { 0x4433, 0x2000, 2, DM, e[2] },
					   { 0, 0x1ffe, 4, PIO, e[0] } };

	(void)state;
	assert_int_equal(kc_kvm_ioeventfd(k, &io[0]), 0);
	assert_false(kc_kvm_write(k, KC_BUS_MMIO, 0x1ffe, 4, 0x44332211));
	assert_int_equal(kc_kvm_ioeventfd(k, &io[1]), 0);
	assert_false(kc_kvm_write(k, KC_BUS_MMIO, 0x1ffe, 4, 0x44332211));
	assert_int_equal(kc_kvm_ioeventfd(k, &io[2]), 0);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x1ffe, 4, 0x44332211));
	assert_int_equal(kc_kvm_ioeventfd(k, &io[3]), 0);
	assert_true(kc_kvm_write(k, KC_BUS_PIO, 0x1ffe, 4, 0x44332211));
	assert_true(drain(e[0]) == 1 && drain(e[1]) == 2 && drain(e[2]) == 1);
	for (unsigned i = 0; i < 3; i++)
		kc_evfd_unref(e[i]);
	kc_kvm_free(k);
}

/* irqfd rules 2, 4 and 5: one interrupt per write, drained inside it; routes as they are now. */
static void test_irq_routes(void **state)
{
	static const uint32_t gsis[] = { 0, 24, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < N(gsis); i++) {
		struct kc_kvm *k = new_kvm();
		struct kc_evfd *e = kc_evfd_new_sim();
		struct kc_irqfd irq = { .gsi = gsis[i], .evfd = e };

		assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
		kc_evfd_signal(e, 1);		/* no route: drained and lost */
		assert_false(kc_evfd_readable(e));
		route(k, gsis[i], 3);
		assert_int_equal(apic.n, 0);
		kc_evfd_signal(e, 5);
		assert_false(kc_evfd_readable(e));
		assert_true(apic.n == 1 && apic.last.data == 3 && apic.last.addr == 0xfee00000);
		kc_evfd_signal(e, 0);
		assert_int_equal(apic.n, 2);
		route(k, gsis[i], 9);
		kc_evfd_signal(e, 1);
		assert_true(apic.n == 3 && apic.last.data == 9);
		assert_int_equal(kc_kvm_set_route(k, gsis[i], NULL), 0);
		kc_evfd_signal(e, 1);
		assert_int_equal(apic.n, 3);
		assert_int_equal(kc_kvm_stats(k)->irqs, 3);
		assert_int_equal(kc_kvm_stats(k)->irqs_lost, 2);
		kc_kvm_eoi(k, gsis[i]);
		kc_evfd_unref(e);
		kc_kvm_free(k);
	}
}

static void test_irq_valid(void **state)
{
	struct kc_kvm *k = new_kvm(), *vm2 = kc_kvm_new(deliver, &apic);
	struct kc_evfd *e = kc_evfd_new_sim(), *r = kc_evfd_new_sim();
	struct kc_irqfd irq = { .gsi = 1, .evfd = e };
	const struct kc_irqfd invalid[] = { { 1, 0, NULL, NULL }, { 1, 4, e, NULL },
					    { 1, RS, e, NULL }, { 1, 1, NULL, NULL } };

	(void)state;
	for (unsigned i = 0; i < N(invalid); i++)
		assert_int_equal(kc_kvm_irqfd(k, &invalid[i]), -EINVAL);
	assert_true(kc_evfd_is_last(e));

	/* Rule 7: one eventfd, one irqfd, also across VMs; several eventfds may share a GSI. */
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	assert_int_equal(kc_kvm_irqfd(k, &irq), -EBUSY);
	irq.gsi = 2;
	assert_int_equal(kc_kvm_irqfd(k, &irq), -EBUSY);
	assert_int_equal(kc_kvm_irqfd(vm2, &irq), -EBUSY);
	irq = (struct kc_irqfd){ .gsi = 1, .evfd = r };
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	route(k, 1, 7);
	kc_evfd_signal(e, 1);
	kc_evfd_signal(r, 1);
	assert_int_equal(apic.n, 2);

	/* Rule 8: deassign always succeeds; for a wrong GSI without effect. */
	irq = (struct kc_irqfd){ .gsi = 5, .flags = KVM_IRQFD_FLAG_DEASSIGN, .evfd = e };
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	kc_evfd_signal(e, 1);
	assert_int_equal(apic.n, 3);
	irq.gsi = 1;
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_signal(e, 2);
	kc_evfd_signal(e, 2);
	assert_int_equal(apic.n, 3);
	assert_true(drain(e) == 4);

	irq = (struct kc_irqfd){ .gsi = 1, .evfd = e };
	assert_int_equal(kc_kvm_irqfd(vm2, &irq), 0);
	kc_kvm_free(vm2);
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	kc_kvm_free(k);
	kc_evfd_unref(e);
	kc_evfd_unref(r);
}

/* Rule 6: signalled before assign: one interrupt, the counter stays; a full one is then stuck. */
static void test_irq_signalled_before(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *e = kc_evfd_new_sim(), *full = kc_evfd_new_sim();
	struct kc_irqfd irq = { .gsi = 1, .evfd = e }, stuck = { .gsi = 1, .evfd = full };

	(void)state;
	route(k, 1, 7);
	kc_evfd_signal(e, 3);
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	assert_int_equal(apic.n, 1);
	assert_true(kc_evfd_readable(e));
	assert_int_equal(kc_kvm_poll(k), 0);
	kc_evfd_signal(e, 1);
	assert_int_equal(apic.n, 2);
	assert_false(kc_evfd_readable(e));

	kc_evfd_signal(full, FULL);
	assert_int_equal(kc_kvm_irqfd(k, &stuck), 0);
	assert_int_equal(apic.n, 3);
	assert_int_equal(kc_evfd_signal(full, 1), -EAGAIN);
	assert_int_equal(apic.n, 3);
	assert_true(drain(full) == FULL);
	assert_int_equal(kc_evfd_signal(full, 1), 0);
	assert_int_equal(apic.n, 4);
	kc_kvm_free(k);
	kc_evfd_unref(e);
	kc_evfd_unref(full);
}

/* Rule 9: giving up the last reference deassigns, one of two does not. Rule 11: doorbell to
 * interrupt without userspace, until the file is closed. */
static void test_irq_close(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *e = kc_evfd_new_sim();
	struct kc_irqfd irq = { .gsi = 1, .evfd = e };
	struct kc_ioeventfd io = { .addr = 0x100, .len = 2, .evfd = e };

	(void)state;
	route(k, 1, 7);
	kc_evfd_ref(e);
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	assert_int_equal(kc_kvm_ioeventfd(k, &io), 0);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 0));
	assert_int_equal(apic.n, 1);
	assert_false(kc_evfd_readable(e));
	kc_evfd_unref(e);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 0));
	assert_int_equal(apic.n, 2);
	kc_evfd_unref(e);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 0x100, 2, 0));
	assert_int_equal(apic.n, 2);
	kc_kvm_free(k);

	/* Closed and not used otherwise: the eventfd itself goes. */
	k = new_kvm();
	irq.evfd = kc_evfd_new_sim();
	assert_int_equal(kc_kvm_irqfd(k, &irq), 0);
	kc_evfd_unref(irq.evfd);
	assert_int_equal(kc_kvm_poll(k), 0);
	kc_kvm_free(k);
}

struct level {
	struct kc_kvm *k;
	struct kc_evfd *trigger, *resample;
};

static void set_up_level(struct level *l, uint32_t data)
{
	struct kc_irqfd irq = { 5, RS, kc_evfd_new_sim(), kc_evfd_new_sim() };

	*l = (struct level){ new_kvm(), irq.evfd, irq.resample };
	if (data)
		route(l->k, 5, data);
	assert_int_equal(kc_kvm_irqfd(l->k, &irq), 0);
}

static void tear_down_level(struct level *l)
{
	kc_kvm_free(l->k);
	assert_true(kc_evfd_is_last(l->trigger) && kc_evfd_is_last(l->resample));
	kc_evfd_unref(l->trigger);
	kc_evfd_unref(l->resample);
}

/* Rule 12: asserted until EOI; repeated writes coalesce and are not injected again. */
static void test_resample(void **state)
{
	struct kc_evfd *e2 = kc_evfd_new_sim(), *r2 = kc_evfd_new_sim(), *plain = kc_evfd_new_sim();
	struct level l;

	(void)state;
	set_up_level(&l, KC_MSI_LEVEL | 3);
	assert_int_equal(kc_kvm_irqfd(l.k, &(struct kc_irqfd){ 5, RS, e2, r2 }), 0);
	kc_kvm_eoi(l.k, 5);		/* nothing in service */
	assert_false(kc_evfd_readable(l.resample));
	for (unsigned i = 1; i <= 2; i++) {
		kc_evfd_signal(l.trigger, 1);
		kc_evfd_signal(l.trigger, 1);
		kc_evfd_signal(e2, 1);
		assert_int_equal(apic.n, i);
		kc_kvm_eoi(l.k, 6);
		kc_kvm_eoi(l.k, 5);
		kc_kvm_eoi(l.k, 5);
		assert_int_equal(apic.n, i);
		assert_true(drain(l.resample) == 1 && drain(r2) == 1);
	}
	/* A plain irqfd on the GSI fires them too. */
	assert_int_equal(kc_kvm_irqfd(l.k, &(struct kc_irqfd){ 5, 0, plain, NULL }), 0);
	kc_evfd_signal(plain, 1);
	assert_int_equal(apic.n, 3);
	kc_kvm_eoi(l.k, 5);
	assert_true(drain(l.resample) == 1 && drain(r2) == 1);
	tear_down_level(&l);
	kc_evfd_unref(e2);
	kc_evfd_unref(r2);
	kc_evfd_unref(plain);
}

static void test_resample_masked(void **state)
{
	const uint32_t de = KVM_IRQFD_FLAG_DEASSIGN;
	struct level l;

	(void)state;
	/* Raised while nobody is routed: delivered later, unlike an edge. */
	set_up_level(&l, 0);
	kc_evfd_signal(l.trigger, 1);
	assert_int_equal(apic.n, 0);
	route(l.k, 5, KC_MSI_LEVEL | 3);
	assert_int_equal(apic.n, 1);
	assert_int_equal(kc_kvm_stats(l.k)->irqs_lost, 0);
	tear_down_level(&l);

	/* Deassign drops the line. */
	set_up_level(&l, 0);
	kc_evfd_signal(l.trigger, 1);
	assert_int_equal(kc_kvm_irqfd(l.k, &(struct kc_irqfd){ 5, de, l.trigger, NULL }), 0);
	route(l.k, 5, KC_MSI_LEVEL | 3);
	assert_int_equal(apic.n, 0);
	tear_down_level(&l);

	/* On an MSI, resample never fires and nothing holds interrupts back. */
	set_up_level(&l, 3);
	kc_evfd_signal(l.trigger, 1);
	kc_evfd_signal(l.trigger, 1);
	assert_int_equal(apic.n, 2);
	kc_kvm_eoi(l.k, 5);
	assert_false(kc_evfd_readable(l.resample));
	tear_down_level(&l);
}

/* Signals that were read at once are one interrupt, and are counted; a number that nobody counts up to is
 * none of signals. */
static void test_signals_added_up(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *sim = kc_evfd_new_sim(), *real = kc_evfd_new_real(NULL);

	(void)state;
	route(k, 5, 3);
	route(k, 6, 4);
	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ 5, 0, sim, NULL }), 0);
	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ 6, 0, real, NULL }), 0);
	kc_evfd_signal(sim, 1);
	kc_evfd_signal(sim, 1);
	assert_int_equal(kc_kvm_added_up(k, 5), 0);	/* each was read by itself */
	kc_evfd_signal(sim, 3);
	assert_int_equal(kc_kvm_added_up(k, 5), 2);
	kc_evfd_signal(real, 1);
	kc_evfd_signal(real, 1);
	assert_int_equal(kc_kvm_poll(k), 1);
	assert_int_equal(kc_kvm_added_up(k, 6), 1);
	kc_evfd_signal(real, UINT64_MAX - 1);
	assert_int_equal(kc_kvm_poll(k), 1);
	assert_int_equal(kc_kvm_added_up(k, 6), 1);
	assert_int_equal(kc_kvm_added_up(k, 7), 0);
	assert_int_equal(apic.n, 5);
	kc_kvm_free(k);
	kc_evfd_unref(sim);
	kc_evfd_unref(real);
}

/* A device whose condition still holds writes again from its resample handler. */
static void again(void *ctx, struct kc_evfd *e)
{
	drain(e);
	kc_evfd_signal(ctx, 1);
}

static void test_resample_reasserts(void **state)
{
	struct level l;

	(void)state;
	set_up_level(&l, KC_MSI_LEVEL | 3);
	assert_int_equal(kc_evfd_listen(l.resample, again, l.trigger), 0);
	kc_evfd_signal(l.trigger, 1);
	for (unsigned i = 2; i < 5; i++) {
		kc_kvm_eoi(l.k, 5);
		assert_int_equal(apic.n, i);
	}
	kc_evfd_listen(l.resample, NULL, NULL);
	tear_down_level(&l);
}

static void test_same_evfd_twice(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *e = kc_evfd_new_sim();

	(void)state;
	route(k, 5, KC_MSI_LEVEL | 1);
	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ 5, RS, e, e }), 0);
	kc_evfd_signal(e, 1);
	assert_int_equal(apic.n, 1);
	kc_kvm_eoi(k, 5);		/* resampling triggers it again */
	assert_int_equal(apic.n, 2);
	kc_kvm_free(k);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_unref(e);
}

/* Real eventfds: the counter is drained, and interrupts come, when somebody polls. */
static void test_real(void **state)
{
	struct kc_kvm *k = new_kvm();
	struct kc_evfd *call = kc_evfd_new_real(NULL), *kick = kc_evfd_new_real(NULL);
	struct kc_evfd *early = kc_evfd_new_real(NULL), *sim = kc_evfd_new_sim();
	int fds[4] = { -1, -1, -1, -1 };

	(void)state;
	route(k, 24, 0);
	kc_evfd_signal(early, 2);
	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ .gsi = 24, .evfd = call }), 0);
	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ .gsi = 24, .evfd = sim }), 0);
	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ .gsi = 24, .evfd = call }), -EBUSY);
	assert_int_equal(kc_kvm_pollfds(k, fds, 4), 1);
	assert_int_equal(fds[0], kc_evfd_fd(call));
	assert_int_equal(kc_kvm_pollfds(k, fds, 0), 0);
	assert_int_equal(kc_kvm_poll(k), 0);
	kc_evfd_signal(call, 3);
	assert_int_equal(apic.n, 0);
	assert_int_equal(kc_kvm_poll(k), 1);
	assert_int_equal(apic.n, 1);
	assert_int_equal(kc_kvm_poll(k), 0);

	assert_int_equal(kc_kvm_irqfd(k, &(struct kc_irqfd){ .gsi = 24, .evfd = early }), 0);
	assert_int_equal(apic.n, 2);
	assert_int_equal(kc_kvm_poll(k), 0);

	assert_int_equal(kc_kvm_ioeventfd(k, &(struct kc_ioeventfd){ .addr = 64, .len = 2,
								     .evfd = kick }), 0);
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 64, 2, 0));
	assert_true(kc_kvm_write(k, KC_BUS_MMIO, 64, 2, 0));
	assert_true(drain(kick) == 2);
	kc_kvm_free(k);
	kc_kvm_free(NULL);
	kc_evfd_unref(call);
	kc_evfd_unref(kick);
	kc_evfd_unref(early);
	kc_evfd_unref(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io_valid), cmocka_unit_test(test_io_match),
		cmocka_unit_test(test_io_collision), cmocka_unit_test(test_io_deassign),
		cmocka_unit_test(test_io_saturates), cmocka_unit_test(test_io_page_crossing),
		cmocka_unit_test(test_irq_routes), cmocka_unit_test(test_irq_valid),
		cmocka_unit_test(test_irq_signalled_before), cmocka_unit_test(test_irq_close),
		cmocka_unit_test(test_signals_added_up),
		cmocka_unit_test(test_resample), cmocka_unit_test(test_resample_masked),
		cmocka_unit_test(test_resample_reasserts), cmocka_unit_test(test_same_evfd_twice),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
