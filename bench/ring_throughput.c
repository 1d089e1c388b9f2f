/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches of requests through the driver's ring code and the reference's, both in this process, with
 * no eventfd system call between them. Against 4 KiB requests stands the memcpy of the same buffers;
 * against 64-byte requests a ring walk by hand, without a single check, through the same layout.
 */
#include <bench/bench.h>

#define BATCH	64u
#define BATCHES	200u

static struct bench_queue small, large;
static uint8_t *sides[2];

static double requests_per_s(void *ctx)
{
	struct bench_queue *q = ctx;
	double begin = bench_now_ns();

	for (unsigned i = 0; i < BATCHES; i++) {
		bench_offer(q, BATCH);
		kc_vmm_notify(&q->vmm, 0, 0);
		while (q->left) {
			if (q->be->ops->step(q->be) < 0)
				bench_die("reference", "it has stopped");
			bench_reap(q);
		}
	}
	return BATCHES * BATCH / (bench_now_ns() - begin) * 1e9;
}

static double gib_per_s(void *ctx)
{
	struct bench_queue *q = ctx;

	return requests_per_s(q) * q->bytes / (1u << 30);
}

static double memcpy_gib_per_s(void *ctx)
{
	struct bench_queue *q = ctx;
	double begin = bench_now_ns();

	for (unsigned i = 0; i < BATCHES; i++) {
		for (unsigned k = 0; k < BATCH; k++)
			memcpy(sides[1] + (size_t)k * q->bytes, sides[0] + (size_t)k * q->bytes, q->bytes);
		__asm__ volatile("" : : "r"(sides[1]) : "memory");
	}
	return (double)BATCHES * BATCH * q->bytes / (bench_now_ns() - begin) * 1e9 / (1u << 30);
}

/* One request by hand: two descriptors and an available entry written, then both read, the bytes
 * copied, and a used entry written and read. */
static void by_hand(struct bench_queue *q, uint8_t *ring, uint16_t idx)
{
	uint8_t *desc = ring, *avail = desc + kc_desc_bytes(BENCH_QUEUE);
	uint8_t *used = avail + ((kc_avail_bytes(BENCH_QUEUE) + 3) & ~3ull);
	unsigned head = idx * 2u % BENCH_QUEUE, slot = idx % BENCH_QUEUE, at = idx % BATCH * q->bytes;
	struct kc_desc d[2] = {
		{ .addr = at, .len = q->bytes, .flags = VRING_DESC_F_NEXT, .next = (uint16_t)(head + 1) },
		{ .addr = at, .len = q->bytes, .flags = VRING_DESC_F_WRITE },
	};

	kc_desc_encode(desc + 16 * head, d[0]);
	kc_desc_encode(desc + 16 * (head + 1), d[1]);
	kc_ring_store16(avail + kc_avail_slot(slot), (uint16_t)head, __ATOMIC_RELAXED);
	kc_ring_store16(avail + KC_AVAIL_IDX, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	head = kc_ring_load16(avail + kc_avail_slot(slot), __ATOMIC_RELAXED);
	d[0] = kc_desc_read(desc + 16 * head);
	d[1] = kc_desc_read(desc + 16 * d[0].next);
	memcpy(sides[1] + d[1].addr, sides[0] + d[0].addr, d[0].len);
	kc_ring_store32(used + kc_used_slot(slot), head, __ATOMIC_RELAXED);
	kc_ring_store32(used + kc_used_slot(slot) + 4, d[1].len, __ATOMIC_RELAXED);
	kc_ring_store16(used + KC_USED_IDX, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	if (kc_ring_load32(used + kc_used_slot(slot) + 4, __ATOMIC_ACQUIRE) != q->bytes)
		bench_die("ring by hand", "a wrong length");
}

static double by_hand_per_s(void *ctx)
{
	static _Alignas(64) uint8_t ring[16384];
	double begin = bench_now_ns();

	for (unsigned i = 0; i < BATCHES * BATCH; i++)
		by_hand(ctx, ring, (uint16_t)i);
	return BATCHES * BATCH / (bench_now_ns() - begin) * 1e9;
}

int main(void)
{
	const struct bench_entry entries[] = {
		{ "ring_copy_4k", "GiB/s", "memcpy", gib_per_s, memcpy_gib_per_s, &large },
		{ "ring_requests_64", "requests/s", "a ring walked without checks", requests_per_s,
		  by_hand_per_s, &small },
	};

	bench_open(&small, false, 64);
	bench_open(&large, false, 4096);
	for (unsigned i = 0; i < 2; i++) {
		sides[i] = malloc(BATCH * 4096);
		if (!sides[i])
			bench_die("memory", "none");
		memset(sides[i], (int)i + 1, BATCH * 4096);
	}
	for (unsigned i = 0; i < 2; i++)
		bench_run(&entries[i]);
	free(sides[0]);
	free(sides[1]);
	bench_close(&small);
	bench_close(&large);
	return 0;
}
