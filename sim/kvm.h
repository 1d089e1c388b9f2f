/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_KVM_H
#define SIM_KVM_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/kvm.h>
#include <kickcall/evfd.h>

/*
 * KVM's eventfds as a model: ioeventfds on two buses, irqfds, and GSI routing to MSI.
 *
 * Semantics and errno follow the real KVM (docs/ARCHITECTURE.md, "The KVM model"). Flags and
 * struct field meanings are those of linux/kvm.h; eventfds are objects instead of numbers.
 */
struct kc_kvm;

enum kc_bus { KC_BUS_PIO, KC_BUS_MMIO };

struct kc_ioeventfd {
	uint64_t datamatch;
	uint64_t addr;
	uint32_t len;			/* 1, 2, 4, 8, or 0: any length */
	uint32_t flags;			/* KVM_IOEVENTFD_FLAG_* */
	struct kc_evfd *evfd;		/* borrowed; the model takes a reference of its own */
};

struct kc_irqfd {
	uint32_t gsi;
	uint32_t flags;			/* KVM_IRQFD_FLAG_* */
	struct kc_evfd *evfd;
	struct kc_evfd *resample;	/* with KVM_IRQFD_FLAG_RESAMPLE */
};

/* A route whose data has the trigger mode bit set stands for a level-triggered IOAPIC pin: the line
 * stays up until EOI, and resamplefds fire. On any other GSI they never do. */
#define KC_MSI_LEVEL	(1u << 15)

struct kc_msi {
	uint64_t addr;
	uint32_t data;
};

/* deliver is the vCPU's local APIC: called once per interrupt. */
struct kc_kvm *kc_kvm_new(void (*deliver)(void *ctx, struct kc_msi msi), void *ctx);
void kc_kvm_free(struct kc_kvm *k);

/* Assign or (KVM_IOEVENTFD_FLAG_DEASSIGN) deassign. 0, -EEXIST, -ENOENT, -EINVAL, -ENOMEM. When all
 * others have given up the eventfd the assignment stays, and swallows writes silently. */
int kc_kvm_ioeventfd(struct kc_kvm *k, const struct kc_ioeventfd *io);
/* Assign or deassign (which never fails, found or not). 0, -EBUSY, -EINVAL, -ENOMEM. An already
 * signalled eventfd interrupts at once and is not drained (a real one is: the model could not tell
 * the old signal from a new one). When all others have given up a simulated one, that
 * deassigns it. */
int kc_kvm_irqfd(struct kc_kvm *k, const struct kc_irqfd *irq);
/* gsi -> MSI; msi NULL removes the route. Takes effect from the next signal. */
int kc_kvm_set_route(struct kc_kvm *k, uint32_t gsi, const struct kc_msi *msi);

/* A vCPU's write. true: an ioeventfd swallowed it (its counter rose by 1, no exit to userspace). */
bool kc_kvm_write(struct kc_kvm *k, enum kc_bus bus, uint64_t addr, uint32_t len, uint64_t value);

/* End of interrupt for a GSI, if one of a level-triggered route is in service: drops the line and
 * signals every resamplefd of that GSI. */
void kc_kvm_eoi(struct kc_kvm *k, uint32_t gsi);
/* Real eventfds have no listener: drains those that are readable and interrupts. Returns their
 * number. */
unsigned kc_kvm_poll(struct kc_kvm *k);
/* Pollable descriptors of all irqfds (real ones): fills at most cap, returns how many. */
unsigned kc_kvm_pollfds(const struct kc_kvm *k, int *fds, unsigned cap);

/* For tests and reports. */
struct kc_kvm_stats {
	uint64_t io_hits;		/* writes swallowed by an ioeventfd */
	uint64_t io_exits;		/* writes that went to userspace */
	uint64_t irqs;			/* interrupts delivered */
	uint64_t irqs_lost;		/* signals on a GSI without a route */
};
const struct kc_kvm_stats *kc_kvm_stats(const struct kc_kvm *k);
/* Signals on this GSI's eventfds that were read together with another one, and gave no interrupt of their
 * own. */
uint64_t kc_kvm_added_up(const struct kc_kvm *k, uint32_t gsi);

#endif
