/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: three tables. A vCPU's write is looked up among the ioeventfds of its bus;
 * at most one can match, since assigning keeps overlapping ones apart. A signal on an irqfd's
 * eventfd runs irqfd_fire() inside the signaller's call (a simulated eventfd's listener) or from
 * kc_kvm_poll() (a real one), looks up the GSI's route as it is now, and delivers.
 *
 * What an interrupt controller would do is modelled only as far as eventfds show it. The local APIC
 * takes every interrupt at once, so nothing coalesces while pending and there are no priorities.
 * Level-triggered GSIs have a line and an in-service bit. There is no memory map: a caller that
 * writes to guest memory does not come here, as a memslot wins over an ioeventfd.
 *
 * KVM does not keep an eventfd's file open. Here it holds exactly one reference per eventfd,
 * however often it is used, so kc_evfd_is_last() says whether userspace has closed it. Real
 * descriptors may live on in other processes; whether they do is not asked.
 *
 * Callbacks (deliver, listeners of resamplefds) may come back into the model: no pointer into a
 * table is used after one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sim/kvm.h>

#define PAGE		4096u
#define IOEVENTFD_FLAGS	KVM_IOEVENTFD_VALID_FLAG_MASK
#define IRQFD_FLAGS	(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE)
#define SIGNALS_MAX	(1u << 20)
#define BUS_CCW		2	/* accepted on x86 too, where nothing writes to it */

struct gsi {
	uint32_t gsi;
	bool routed;
	bool asserted;		/* the line, as RESAMPLE irqfds hold it */
	bool in_service;	/* level-triggered: delivered, EOI not seen */
	struct kc_msi msi;
	uint64_t added_up;	/* signals beyond the first of what was read at once */
};

struct kc_kvm {
	void (*deliver)(void *ctx, struct kc_msi msi);
	void *ctx;
	struct kc_ioeventfd *ios;
	unsigned nios;
	struct kc_irqfd *irqs;
	unsigned nirqs;
	struct gsi *gsis;
	unsigned ngsis;
	struct kc_kvm_stats stats;
};

struct kc_kvm *kc_kvm_new(void (*deliver)(void *ctx, struct kc_msi msi), void *ctx)
{
	struct kc_kvm *k = calloc(1, sizeof(*k));

	if (k) {
		k->deliver = deliver;
		k->ctx = ctx;
	}
	return k;
}

const struct kc_kvm_stats *kc_kvm_stats(const struct kc_kvm *k)
{
	return &k->stats;
}

/* Room for one entry more at the end of a table. */
static void *extend(void *table, unsigned n, size_t size)
{
	return reallocarray(table, n + 1, size);
}

/* References: one for all uses. */

static bool is_used(const struct kc_kvm *k, const struct kc_evfd *e)
{
	for (unsigned i = 0; i < k->nios; i++)
		if (k->ios[i].evfd == e)
			return true;
	for (unsigned i = 0; i < k->nirqs; i++)
		if (k->irqs[i].evfd == e || k->irqs[i].resample == e)
			return true;
	return false;
}

/* Before e comes into a table. */
static void hold(struct kc_kvm *k, struct kc_evfd *e)
{
	if (e && !is_used(k, e))
		kc_evfd_ref(e);
}

/* After e has gone from a table. */
static void release(struct kc_kvm *k, struct kc_evfd *e)
{
	if (e && !is_used(k, e))
		kc_evfd_unref(e);
}

static bool is_closed(const struct kc_evfd *e)
{
	return kc_evfd_fd(e) < 0 && kc_evfd_is_last(e);
}

/* GSIs. */

static struct gsi *gsi_find(struct kc_kvm *k, uint32_t gsi)
{
	for (unsigned i = 0; i < k->ngsis; i++)
		if (k->gsis[i].gsi == gsi)
			return &k->gsis[i];
	return NULL;
}

static struct gsi *gsi_get(struct kc_kvm *k, uint32_t gsi)
{
	struct gsi *g = gsi_find(k, gsi);

	if (g)
		return g;
	g = extend(k->gsis, k->ngsis, sizeof(*g));
	if (!g)
		return NULL;
	k->gsis = g;
	g += k->ngsis++;
	*g = (struct gsi){ .gsi = gsi };
	return g;
}

static bool is_level(const struct gsi *g)
{
	return g->routed && (g->msi.data & KC_MSI_LEVEL);
}

static void deliver(struct kc_kvm *k, struct gsi *g)
{
	g->in_service = is_level(g);
	k->stats.irqs++;
	k->deliver(k->ctx, g->msi);
}

/* A level-triggered interrupt in service holds back the next one. */
static void gsi_pulse(struct kc_kvm *k, struct gsi *g)
{
	if (!g->routed)
		k->stats.irqs_lost++;
	else if (!g->in_service)
		deliver(k, g);
}

/* Unlike a pulse, a line that is up is not lost when nobody listens: it is still up later. */
static void gsi_raise(struct kc_kvm *k, struct gsi *g)
{
	g->asserted = !g->routed || is_level(g);
	if (g->routed)
		gsi_pulse(k, g);
}

int kc_kvm_set_route(struct kc_kvm *k, uint32_t gsi, const struct kc_msi *msi)
{
	struct gsi *g = msi ? gsi_get(k, gsi) : gsi_find(k, gsi);

	if (!g)
		return msi ? -ENOMEM : 0;
	g->routed = msi != NULL;
	if (!msi)
		return 0;
	g->msi = *msi;
	if (!is_level(g))
		g->asserted = g->in_service = false;
	else if (g->asserted)
		gsi_pulse(k, g);
	return 0;
}

/* ioeventfds. */

static int bus_of(uint32_t flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return KC_BUS_PIO;
	return flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? BUS_CCW : KC_BUS_MMIO;
}

static bool is_wildcard(const struct kc_ioeventfd *io)
{
	return !(io->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static bool same_place(const struct kc_ioeventfd *a, const struct kc_ioeventfd *b)
{
	return bus_of(a->flags) == bus_of(b->flags) && a->addr == b->addr;
}

/* Could one write match both? The eventfd plays no part. */
static bool collides(const struct kc_ioeventfd *a, const struct kc_ioeventfd *b)
{
	if (!same_place(a, b))
		return false;
	return !a->len || !b->len ||
	       (a->len == b->len &&
		(is_wildcard(a) || is_wildcard(b) || a->datamatch == b->datamatch));
}

static bool is_same_ioeventfd(const struct kc_ioeventfd *a, const struct kc_ioeventfd *b)
{
	return same_place(a, b) && a->evfd == b->evfd && a->len == b->len &&
	       is_wildcard(a) == is_wildcard(b) &&
	       (is_wildcard(a) || a->datamatch == b->datamatch);
}

static bool is_valid_ioeventfd(const struct kc_ioeventfd *io)
{
	bool len_ok = io->len <= 8 && !(io->len & (io->len - 1));

	return len_ok && io->addr + io->len >= io->addr && !(io->flags & ~IOEVENTFD_FLAGS) &&
	       (io->len || is_wildcard(io));
}

static int ioeventfd_assign(struct kc_kvm *k, const struct kc_ioeventfd *io)
{
	struct kc_ioeventfd *p;

	if (!is_valid_ioeventfd(io))
		return -EINVAL;
	for (unsigned i = 0; i < k->nios; i++)
		if (collides(&k->ios[i], io))
			return -EEXIST;
	p = extend(k->ios, k->nios, sizeof(*p));
	if (!p)
		return -ENOMEM;
	k->ios = p;
	hold(k, io->evfd);
	k->ios[k->nios++] = *io;
	return 0;
}

static int ioeventfd_deassign(struct kc_kvm *k, const struct kc_ioeventfd *io)
{
	for (unsigned i = 0; i < k->nios; i++) {
		struct kc_evfd *e = k->ios[i].evfd;

		if (!is_same_ioeventfd(&k->ios[i], io))
			continue;
		k->ios[i] = k->ios[--k->nios];	/* no two match one write: order means nothing */
		release(k, e);
		return 0;
	}
	return -ENOENT;
}

int kc_kvm_ioeventfd(struct kc_kvm *k, const struct kc_ioeventfd *io)
{
	if (!io->evfd)
		return -EINVAL;
	if (io->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(k, io);
	return ioeventfd_assign(k, io);
}

static struct kc_ioeventfd *match(struct kc_kvm *k, enum kc_bus bus, uint64_t addr, uint32_t len,
				  uint64_t value)
{
	for (unsigned i = 0; i < k->nios; i++) {
		struct kc_ioeventfd *io = &k->ios[i];

		if (io->addr != addr || bus_of(io->flags) != (int)bus)
			continue;
		if (!io->len || (io->len == len && (is_wildcard(io) || io->datamatch == value)))
			return io;
	}
	return NULL;
}

static void reap(struct kc_kvm *k);

static bool write_one(struct kc_kvm *k, enum kc_bus bus, uint64_t addr, uint32_t len,
		      uint64_t value)
{
	uint64_t mask = len < 8 ? (1ull << (8 * len)) - 1 : UINT64_MAX;
	struct kc_ioeventfd *io = match(k, bus, addr, len, value & mask);
	struct kc_evfd *e;

	if (!io) {
		k->stats.io_exits++;
		return false;
	}
	k->stats.io_hits++;
	e = io->evfd;
	if (is_closed(e))
		reap(k);	/* an irqfd on it has gone with its file */
	kc_evfd_signal_kernel(e);
	return true;
}

bool kc_kvm_write(struct kc_kvm *k, enum kc_bus bus, uint64_t addr, uint32_t len, uint64_t value)
{
	uint32_t first = PAGE - addr % PAGE;
	bool low, high;

	if (bus != KC_BUS_MMIO || len <= first || len > 8)
		return write_one(k, bus, addr, len, value);
	low = write_one(k, bus, addr, first, value);
	high = write_one(k, bus, addr + first, len - first, value >> (8 * first));
	return low && high;
}

/* irqfds. */

static void irqfd_fire(struct kc_kvm *k, uint32_t gsi, uint32_t flags)
{
	struct gsi *g = gsi_find(k, gsi);

	if (!g)
		k->stats.irqs_lost++;
	else if (flags & KVM_IRQFD_FLAG_RESAMPLE)
		gsi_raise(k, g);
	else
		gsi_pulse(k, g);
}

static struct kc_irqfd *irqfd_find(struct kc_kvm *k, const struct kc_evfd *e)
{
	for (unsigned i = 0; i < k->nirqs; i++)
		if (k->irqs[i].evfd == e)
			return &k->irqs[i];
	return NULL;
}

/* n was read from an irqfd's eventfd. One who writes large numbers does not mean so many signals. */
static void count_signals(struct kc_kvm *k, uint32_t gsi, uint64_t n)
{
	struct gsi *g = gsi_find(k, gsi);

	if (g && n > 1 && n < SIGNALS_MAX)
		g->added_up += n - 1;
}

static void on_signal(void *ctx, struct kc_evfd *e)
{
	struct kc_kvm *k = ctx;
	const struct kc_irqfd *irq = irqfd_find(k, e);
	uint64_t n = 0;

	kc_evfd_read(e, &n);	/* whatever the count, it is one interrupt; even a write of 0 is */
	count_signals(k, irq->gsi, n);
	irqfd_fire(k, irq->gsi, irq->flags);
}

static bool has_resampler(const struct kc_kvm *k, uint32_t gsi)
{
	for (unsigned i = 0; i < k->nirqs; i++)
		if (k->irqs[i].gsi == gsi && k->irqs[i].resample)
			return true;
	return false;
}

static void irqfd_shutdown(struct kc_kvm *k, unsigned i)
{
	struct kc_irqfd irq = k->irqs[i];
	struct gsi *g = gsi_find(k, irq.gsi);

	memmove(&k->irqs[i], &k->irqs[i + 1], (--k->nirqs - i) * sizeof(irq));
	if (g && irq.resample && !has_resampler(k, irq.gsi))
		g->asserted = false;
	kc_evfd_listen(irq.evfd, NULL, NULL);
	release(k, irq.evfd);
	if (irq.resample != irq.evfd)
		release(k, irq.resample);
}

/* KVM hears the hang-up of an eventfd's last descriptor; the model looks. */
static void reap(struct kc_kvm *k)
{
	for (unsigned i = k->nirqs; i-- > 0; )
		if (is_closed(k->irqs[i].evfd))
			irqfd_shutdown(k, i);
}

static int irqfd_assign(struct kc_kvm *k, const struct kc_irqfd *irq)
{
	struct kc_irqfd new = *irq, *p;
	uint64_t n;

	if (!(irq->flags & KVM_IRQFD_FLAG_RESAMPLE))
		new.resample = NULL;
	else if (!irq->resample)
		return -EINVAL;
	if (irqfd_find(k, irq->evfd))
		return -EBUSY;
	p = extend(k->irqs, k->nirqs, sizeof(*p));
	if (!p)
		return -ENOMEM;
	k->irqs = p;
	if (!gsi_get(k, irq->gsi))
		return -ENOMEM;
	if (kc_evfd_listen(irq->evfd, on_signal, k) == -EBUSY)
		return -EBUSY;	/* another VM's irqfd */
	hold(k, new.evfd);
	if (new.resample != new.evfd)
		hold(k, new.resample);
	k->irqs[k->nirqs++] = new;
	if (kc_evfd_fd(new.evfd) < 0 ? kc_evfd_readable(new.evfd) : !kc_evfd_read(new.evfd, &n))
		irqfd_fire(k, new.gsi, new.flags);
	return 0;
}

static int irqfd_deassign(struct kc_kvm *k, const struct kc_irqfd *irq)
{
	for (unsigned i = k->nirqs; i-- > 0; )
		if (k->irqs[i].evfd == irq->evfd && k->irqs[i].gsi == irq->gsi)
			irqfd_shutdown(k, i);
	return 0;
}

int kc_kvm_irqfd(struct kc_kvm *k, const struct kc_irqfd *irq)
{
	if ((irq->flags & ~IRQFD_FLAGS) || !irq->evfd)
		return -EINVAL;
	reap(k);
	return irq->flags & KVM_IRQFD_FLAG_DEASSIGN ? irqfd_deassign(k, irq)
						     : irqfd_assign(k, irq);
}

void kc_kvm_eoi(struct kc_kvm *k, uint32_t gsi)
{
	struct gsi *g;

	reap(k);
	g = gsi_find(k, gsi);
	if (!g || !g->in_service)
		return;
	g->in_service = g->asserted = false;
	for (unsigned i = 0; i < k->nirqs; i++)
		if (k->irqs[i].gsi == gsi && k->irqs[i].resample)
			kc_evfd_signal_kernel(k->irqs[i].resample);
}

unsigned kc_kvm_poll(struct kc_kvm *k)
{
	unsigned fired = 0;
	uint64_t n;

	reap(k);
	for (unsigned i = 0; i < k->nirqs; i++) {
		struct kc_irqfd irq = k->irqs[i];

		/* One read is one interrupt: a semaphore eventfd gives one per look. */
		if (kc_evfd_fd(irq.evfd) < 0 || kc_evfd_read(irq.evfd, &n))
			continue;
		count_signals(k, irq.gsi, n);
		irqfd_fire(k, irq.gsi, irq.flags);
		fired++;
	}
	return fired;
}

uint64_t kc_kvm_added_up(const struct kc_kvm *k, uint32_t gsi)
{
	for (unsigned i = 0; i < k->ngsis; i++)
		if (k->gsis[i].gsi == gsi)
			return k->gsis[i].added_up;
	return 0;
}

unsigned kc_kvm_pollfds(const struct kc_kvm *k, int *fds, unsigned cap)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->nirqs && n < cap; i++)
		if (kc_evfd_fd(k->irqs[i].evfd) >= 0)
			fds[n++] = kc_evfd_fd(k->irqs[i].evfd);
	return n;
}

void kc_kvm_free(struct kc_kvm *k)
{
	if (!k)
		return;
	while (k->nirqs)
		irqfd_shutdown(k, k->nirqs - 1);
	while (k->nios) {
		struct kc_evfd *e = k->ios[--k->nios].evfd;

		release(k, e);
	}
	free(k->irqs);
	free(k->ios);
	free(k->gsis);
	free(k);
}
