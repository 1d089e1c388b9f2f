/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_LANGUAGE_VERBS_H
#define HARNESS_LANGUAGE_VERBS_H

#include <harness/world/world.h>

/* What the rows of kc_verbs call, by subject: do_queue.c, do_driver.c, do_raw.c, do_vmm.c,
 * do_message.c, do_expect.c. Each carries one step out: 0, or -1 when the scenario is over. */
#define KC_VERB(name) int kc_do_##name(struct kc_world *w, const struct kc_step *s)

KC_VERB(queue); KC_VERB(queue_sized);
KC_VERB(repeat); KC_VERB(end);

KC_VERB(request); KC_VERB(urgent_request); KC_VERB(requests); KC_VERB(add); KC_VERB(publish);
KC_VERB(kick); KC_VERB(kick_times); KC_VERB(kick_if_needed);
KC_VERB(in_parallel); KC_VERB(fill); KC_VERB(wait_used); KC_VERB(wait_n_used); KC_VERB(hello); KC_VERB(wait_urgent);
KC_VERB(wait_call);
KC_VERB(used_event); KC_VERB(event_in_slots); KC_VERB(no_interrupt); KC_VERB(suppress_calls); KC_VERB(arm_calls);

KC_VERB(raw_desc); KC_VERB(raw_table); KC_VERB(raw_offer); KC_VERB(raw_offer_slots);
KC_VERB(raw_avail_idx); KC_VERB(raw_driver_area); KC_VERB(raw_device_area);
KC_VERB(raw_avail_ring); KC_VERB(raw_avail_flags); KC_VERB(raw_used_event);
KC_VERB(raw_used_idx); KC_VERB(raw_used_flags); KC_VERB(raw_used_ring); KC_VERB(raw_avail_event);

KC_VERB(negotiate_combination);
KC_VERB(open); KC_VERB(connect); KC_VERB(disconnect); KC_VERB(negotiate); KC_VERB(memory);
KC_VERB(stop); KC_VERB(start); KC_VERB(start_from); KC_VERB(enable); KC_VERB(disable);
KC_VERB(swap_kick); KC_VERB(swap_call); KC_VERB(reset); KC_VERB(resend_features);
KC_VERB(log_on); KC_VERB(log_off); KC_VERB(inflight); KC_VERB(inflight_again);
KC_VERB(inflight_taken); KC_VERB(inflight_half_done);
KC_VERB(resend_addr); KC_VERB(settle); KC_VERB(session);
KC_VERB(write_config); KC_VERB(write_config_field); KC_VERB(kill); KC_VERB(driver_ok);

KC_VERB(message); KC_VERB(bytes);

KC_VERB(expect_used); KC_VERB(expect_all_used); KC_VERB(expect_nothing_used);
KC_VERB(expect_call_due); KC_VERB(expect_no_call_due); KC_VERB(expect_no_call);
KC_VERB(expect_call); KC_VERB(expect_status); KC_VERB(expect_full); KC_VERB(expect_not_full);
KC_VERB(expect_logged); KC_VERB(expect_malformed); KC_VERB(expect_serves); KC_VERB(expect_base);
KC_VERB(expect_used_len); KC_VERB(expect_used_flags); KC_VERB(expect_kick_wanted);
KC_VERB(expect_in_flight);
KC_VERB(expect_reply); KC_VERB(expect_reply_to); KC_VERB(expect_reply_field); KC_VERB(expect_ack);
KC_VERB(expect_refused);
KC_VERB(expect_refused_or_closed); KC_VERB(expect_any_answer); KC_VERB(expect_no_reply);
KC_VERB(expect_alive); KC_VERB(expect_alive_or_closed); KC_VERB(expect_closed);
KC_VERB(expect_reply_has); KC_VERB(expect_reply_lacks); KC_VERB(expect_config);
KC_VERB(expect_used_at_rest); KC_VERB(expect_nothing_carried_out); KC_VERB(expect_avail_event);
KC_VERB(expect_reply_data); KC_VERB(expect_reply_as_before); KC_VERB(expect_reply_lacks_bit);
KC_VERB(expect_reply_has_only_with);
KC_VERB(expect_whole_config); KC_VERB(expect_whole_config_at_most);
KC_VERB(expect_whole_config_at_least); KC_VERB(expect_config_pieces);

#endif
