/* SPDX-License-Identifier: BSD-3-Clause */
/* The guard: the flag says "inside" exactly while the back-end's own code runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <harness/run/guard.h>

static volatile int inside;
static char seen[64];

/* One letter per operation: upper case if it was inside. */
static void saw(char lower)
{
	size_t n = strlen(seen);

	seen[n] = inside ? lower - 'a' + 'A' : lower;
}

static int fake_open(struct kc_backend *be, struct kc_err *err)
{
	(void)be;
	saw('o');
	return kc_err_set(err, -11, "opened");
}

static void fake_close(struct kc_backend *be)
{
	(void)be;
	saw('c');
}

static int fake_submit(struct kc_backend *be, const struct kc_msg *m)
{
	(void)be;
	saw('s');
	return m->id;
}

static int fake_next(struct kc_backend *be, struct kc_event *ev)
{
	(void)be, (void)ev;
	saw('n');
	return 5;
}

static int fake_step(struct kc_backend *be)
{
	(void)be;
	saw('t');
	return 1;
}

static const struct kc_backend_ops with_step = {
	.name = "fake", .caps = KC_CAP_STEP, .open = fake_open, .close = fake_close,
	.submit = fake_submit, .next_event = fake_next, .step = fake_step,
};
static const struct kc_backend_ops without_step = {
	.name = "other", .open = fake_open, .close = fake_close, .submit = fake_submit,
};

static void each_operation_is_inside_and_says_what_it_said(void **state)
{
	struct kc_backend be = { .ops = &with_step };
	struct kc_event ev;
	struct kc_err err;
	struct kc_msg m;

	(void)state;
	memset(seen, 0, sizeof(seen));
	kc_msg_init(&m, 7);
	kc_guard(&be, &inside);
	assert_int_equal(be.ops->open(&be, &err), -11);
	assert_string_equal(err.msg, "opened");
	assert_int_equal(inside, 0);
	assert_int_equal(be.ops->submit(&be, &m), 7);
	assert_int_equal(inside, 0);
	assert_int_equal(be.ops->step(&be), 1);
	assert_int_equal(inside, 0);
	assert_int_equal(be.ops->next_event(&be, &ev), 5);	/* takes out of a list: no code of its */
	be.ops->close(&be);
	assert_int_equal(inside, 0);
	assert_string_equal(seen, "OSTnC");
	assert_string_equal(be.ops->name, "fake");
	assert_int_equal(be.ops->caps, KC_CAP_STEP);
}

static void what_it_cannot_do_it_still_cannot(void **state)
{
	struct kc_backend be = { .ops = &without_step };

	(void)state;
	kc_guard(&be, &inside);
	assert_null(be.ops->step);
	assert_null(be.ops->next_event);
	assert_string_equal(be.ops->name, "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_is_inside_and_says_what_it_said),
		cmocka_unit_test(what_it_cannot_do_it_still_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
