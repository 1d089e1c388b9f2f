/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_blk_storage.c
 *
 * What the block port knows of the disk: at first, after writes that race, after a crash.
 */
#include "port_blk_fixture.h"

/* What was written must be read, wherever it was written; and a lost write is found. */
static void written_data_is_known(void **state)
{
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	right(&t, make(&t, &(struct kc_shape){ .words = "write private 10", .data = 4096 }));
	right(&t, make(&t, &(struct kc_shape){ .words = "read private 12", .data = 1024 }));
	right(&t, make_words(&t, "back"));
	t.disk[(PRIVATE + 17) * 512 + 511] ^= 0x80;
	right(&t, make_words(&t, "read private 16"));
	finish(&t, make_words(&t, "read private 17"), KC_PAYLOAD_WRONG, 0);
	finish(&t, make_words(&t, "read back"), KC_PAYLOAD_WRONG, 0);
	/* unknown until written, and again after a failed write */
	t.disk[(PRIVATE + 30) * 512] ^= 1;
	right(&t, make_words(&t, "read private 30"));
	t.force_status = VIRTIO_BLK_S_IOERR;
	finish(&t, make_words(&t, "write private 17"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	t.force_status = -1;
	t.disk[(PRIVATE + 17) * 512] ^= 1;
	right(&t, make_words(&t, "read private 17"));
	/* the device forgets a write */
	t.frozen = true;
	right(&t, make_words(&t, "write private 40"));
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
	fix_close(&t);
}

static void races_leave_content_unknown(void **state)
{
	struct kc_request *a, *b, *r;
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	right(&t, make_words(&t, "write private 3"));
	/* two writes at once: either may win */
	a = make_words(&t, "write private 3");
	b = make_words(&t, "write private 3");
	right(&t, b);
	right(&t, a);
	t.disk[(PRIVATE + 3) * 512] ^= 1;
	right(&t, make_words(&t, "read private 3"));
	/* a read beside a write: no expectation, whichever came first and ends first */
	for (int i = 0; i < 4; i++) {
		right(&t, make_words(&t, "write private 3"));
		r = i & 1 ? make_words(&t, "read private 3") : NULL;
		a = make_words(&t, "write private 3");
		r = r ? r : make_words(&t, "read private 3");
		t.disk[(PRIVATE + 3) * 512] ^= 1;
		if (i & 2)
			right(&t, a);
		t.disk[(PRIVATE + 3) * 512] ^= 1;
		right(&t, r);
		if (!(i & 2))
			right(&t, a);
		t.disk[(PRIVATE + 3) * 512 + 7] ^= 1;
		finish(&t, make_words(&t, "read private 3"), KC_PAYLOAD_WRONG, 0);
	}
	/* released without an answer (the ring was stopped): unknown */
	a = make_words(&t, "write private 3");
	t.port->ops->release(t.port, a);
	right(&t, make_words(&t, "read private 3"));
	/* and a quiet write makes it known again */
	right(&t, make_words(&t, "write private 3"));
	t.disk[(PRIVATE + 3) * 512] ^= 1;
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
	fix_close(&t);
}

static void contents_at_first(void **state)
{
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_ZEROES);
	right(&t, make_words(&t, "read sector 0"));
	t.disk[600] = 1;
	finish(&t, make_words(&t, "read sector 1"), KC_PAYLOAD_WRONG, 0);
	/* unknown: the first answer is believed, and must stay */
	t.env.contents = KC_CONTENTS_UNKNOWN;
	reopen(&t);
	right(&t, make_words(&t, "read sector 1"));
	right(&t, make(&t, &(struct kc_shape){ .words = "read sector 0", .data = 2048 }));
	t.disk[600] = 2;
	finish(&t, make_words(&t, "read sector 1"), KC_PAYLOAD_WRONG, 0);
	/* what others may write is not believed for long */
	right(&t, make_words(&t, "read sector 5000"));
	t.disk[5000 * 512] ^= 1;
	right(&t, make_words(&t, "read sector 5000"));
	fix_close(&t);
}

/* A null device keeps its zeroes whatever is written; a read-only one keeps what it has. */
static void storage_that_never_changes(void **state)
{
	struct fix t;

	(void)state;
	fix_init(&t, 0, KC_CONTENTS_ZEROES);
	t.env.writes_dropped = true;
	t.frozen = true;
	open_port(&t);
	right(&t, make_words(&t, "write private 1"));
	right(&t, make_words(&t, "back"));
	t.frozen = false;
	right(&t, make_words(&t, "write private 1"));
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
	fix_close(&t);

	fix_open(&t, BIT(VIRTIO_BLK_F_RO), KC_CONTENTS_PATTERN);
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_OUT }, -EINVAL, "read-only");
	for (int i = 0; i < 4; i++) {
		struct kc_request *r = make(&t, &(struct kc_shape){ 0 });

		assert_int_equal(header_of(&t, r).type, VIRTIO_BLK_T_IN);
		right(&t, r);
	}
	fix_close(&t);
}

static void lose_power(struct fix *t)
{
	t->port->ops->power_lost(t->port);
}

static void spoil(struct fix *t, uint64_t sector)
{
	t->disk[(PRIVATE + sector) * 512 + 3] ^= 0x10;
}

/* A write is to be found after a crash if a flush came behind it, and only then. */
static void what_a_flush_makes_stable(void **state)
{
	struct kc_request *a, *b;
	struct fix t;

	(void)state;
	open_lists(&t, LIST_BITS | BIT(VIRTIO_BLK_F_FLUSH));
	right(&t, make_words(&t, "write private 1"));
	right(&t, make_words(&t, "write private 2"));
	right(&t, make_words(&t, "flush"));
	right(&t, make_words(&t, "write private 2"));		/* again: old or new */
	right(&t, make_words(&t, "write private 3"));		/* never flushed */
	a = make_words(&t, "write private 4");			/* beside a flush */
	right(&t, make_words(&t, "flush"));
	right(&t, a);
	b = make_words(&t, "flush");
	right(&t, make_words(&t, "write private 5"));		/* made after the flush was */
	right(&t, b);
	right(&t, make_words(&t, "write private 6"));
	t.force_status = VIRTIO_BLK_S_IOERR;
	finish(&t, make_words(&t, "flush"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	t.force_status = -1;
	right(&t, make_words(&t, "write private 7"));
	lose_power(&t);
	for (int i = 5; i < 8; i++) {
		spoil(&t, i);
		right(&t, make(&t, &(struct kc_shape){ .words = "read private 5", .data = 1536 }));
	}
	right(&t, make_words(&t, "read private 1"));
	right(&t, make_words(&t, "read private 3"));
	for (int i = 1; i < 5; i++)
		spoil(&t, i);
	/* the second flush above made the second write to 2, and 3, and the third one 4, stable */
	for (int i = 1; i < 5; i++) {
		char words[32];

		snprintf(words, sizeof(words), "read private %d", i);
		finish(&t, make_words(&t, words), KC_PAYLOAD_WRONG, 0);
	}
	fix_close(&t);
}

static void stable_after(struct fix *t, const char *words, bool stable)
{
	right(t, make_words(t, words));
	lose_power(t);
	spoil(t, 9);
	finish(t, make_words(t, "read private 9"), stable ? KC_PAYLOAD_WRONG : KC_PAYLOAD_RIGHT, 0);
}

static void what_is_written_through(void **state)
{
	const uint64_t flush = BIT(VIRTIO_BLK_F_FLUSH), wce = BIT(VIRTIO_BLK_F_CONFIG_WCE);
	static const struct { bool flush, wce, offered; uint8_t mode; bool stable; } rows[] = {
		{ false, false, true, 1, true },	/* the mode means nothing without WCE */
		{ false, false, true, 0, true },
		{ false, false, false, 0, false },	/* FLUSH is not offered: no promise */
		{ true, false, true, 0, false },
		{ true, true, true, 0, true },
		{ true, true, true, 1, false },
		{ false, true, true, 0, true },
		{ false, true, true, 1, false },
	};
	struct kc_request *r;
	struct fix t;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		open_lists(&t, (rows[i].flush ? flush : 0) | (rows[i].wce ? wce : 0));
		t.port->env.offered = rows[i].offered ? flush | wce : 0;
		t.config.wce = rows[i].mode;
		stable_after(&t, "write private 9", rows[i].stable);
		stable_after(&t, "write-zeroes private 9 sectors 1", false);
		fix_close(&t);
	}
	/* the mode changes while the write is under way: either */
	for (uint8_t from = 0; from < 2; from++) {
		open_lists(&t, flush | wce);
		t.config.wce = from;
		r = make_words(&t, "write private 9");
		t.config.wce = !from;
		right(&t, r);
		lose_power(&t);
		spoil(&t, 9);
		right(&t, make_words(&t, "read private 9"));
		fix_close(&t);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_data_is_known),
		cmocka_unit_test(races_leave_content_unknown),
		cmocka_unit_test(contents_at_first),
		cmocka_unit_test(storage_that_never_changes),
		cmocka_unit_test(what_a_flush_makes_stable),
		cmocka_unit_test(what_is_written_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
