/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The language, one row per thing a script can say. In patterns <n> is a number ("12", "0x10",
 * "used_idx + 1", "max", "queue_num", "combinations"), <w> a word and <*> the rest of the action. `kickcall list
 * verbs` prints this table and docs/SCENARIOS.md explains it by example. Of two patterns that fit, the
 * first wins.
 */
#include <harness/language/verbs.h>

#define Q KC_SUBJ_QUEUE
#define D KC_SUBJ_DRIVER
#define V KC_SUBJ_VMM
#define M KC_SUBJ_MESSAGE
#define E KC_SUBJ_EXPECT

const struct kc_verb kc_verbs[] = {
	{ Q, "<n> <w> size <n> from <n> <*>", kc_do_queue,
	  "make and start a queue of that layout (split, packed, negotiated) whose indices begin at N; options: later (do not start), disabled, "
	  "unkicked, no-call, no-kick-fd, before-driver-ok (DRIVER_OK waits for `vmm driver ok`), apart "
	  "(the table in another region), least-aligned, low (all in the first region), and "
	  "at-region-end (the used ring), avail-at-region-end or table-at-region-end. A queue that is "
	  "stopped is made anew, in other memory" },
	{ Q, "<n> <w> size <n> <*>", kc_do_queue_sized, "the same from index 0" },

	{ KC_SUBJ_REPEAT, "<n>", kc_do_repeat, "run the lines up to `end` N times" },
	{ KC_SUBJ_END, "", kc_do_end, "ends repeat" },

	{ D, "request <*>", kc_do_request,
	  "add one request of that shape and publish it. Shape: out | in, exactly N descriptors, data N, "
	  "cut out at N..., cut in at N..., one-piece, every-byte, indirect [after N direct] [flagged] [unaligned], "
	  "placed PLACE, or the device's "
	  "own words" },
	{ D, "urgent request <*>", kc_do_urgent_request,
	  "the same, and what it waits for goes into the report: requests used before it, and time" },
	{ D, "<n> requests <*>", kc_do_requests, "add N and publish them together" },
	{ D, "add <*>", kc_do_add, "add one without publishing" },
	{ D, "publish", kc_do_publish, "publish what was added" },
	{ D, "kick if needed", kc_do_kick_if_needed, "notify unless the device suppresses it" },
	{ D, "kick <n> times", kc_do_kick_times, "notify N times" },
	{ D, "kick", kc_do_kick, "notify" },
	{ D, "fill <*>", kc_do_fill, "add requests until one does not fit (-ENOSPC), and publish" },
	{ D, "in parallel <n> requests <*>", kc_do_in_parallel,
	  "live: a thread for each queue sends N, one after the other, and takes them back" },
	{ D, "wait used", kc_do_wait_used, "until everything offered is used; looks at memory only" },
	{ D, "wait urgent", kc_do_wait_urgent, "until the urgent requests are used" },
	{ D, "wait <n> used", kc_do_wait_n_used, "until N more are used" },
	{ D, "hello", kc_do_hello,
	  "net: send frames until one has come back on the receive queue of the pair: a link that has just "
	  "come up may lose some" },
	{ D, "wait call", kc_do_wait_call,
	  "as an interrupt-driven driver: arm, re-check, sleep until the call; until all is used" },
	{ D, "used_event = <n>", kc_do_used_event, "split, with event_idx" },
	{ D, "event in <n> slots", kc_do_event_in_slots,
	  "packed, with event_idx: a call when the device has used that slot, counted from the one that it "
	  "uses next" },
	{ D, "no_interrupt = <n>", kc_do_no_interrupt, "split: avail.flags, without event_idx" },
	{ D, "suppress calls", kc_do_suppress_calls, "by whichever means was negotiated" },
	{ D, "arm calls", kc_do_arm_calls, "ask for a call at the next used entry" },

	{ D, "desc[<n>] = <*>", kc_do_raw_desc,
	  "hostile: out LEN | in LEN | table LEN [next N | more] [id N] [flags N] [at ADDRESS | at desc | "
	  "at avail | at used]; more: NEXT, in a packed ring" },
	{ D, "table[<n>] = <*>", kc_do_raw_table, "hostile: the same, into a scratch indirect table" },
	{ D, "offer head <n>", kc_do_raw_offer, "hostile: put a head into the available ring" },
	{ D, "offer <n> slots", kc_do_raw_offer_slots, "hostile: make the next N slots of a packed ring available" },
	{ D, "avail.idx = <n>", kc_do_raw_avail_idx, "hostile" },
	{ D, "avail.ring[<n>] = <n>", kc_do_raw_avail_ring, "hostile" },
	{ D, "avail.flags = <n>", kc_do_raw_avail_flags, "the field as such, whatever was negotiated" },
	{ D, "avail.used_event = <n>", kc_do_raw_used_event, "the field as such" },
	{ D, "used.idx = <n>", kc_do_raw_used_idx, "hostile: scribble over the device's field" },
	{ D, "used.flags = <n>", kc_do_raw_used_flags, "hostile" },
	{ D, "used.ring[<n>] = <n> <n>", kc_do_raw_used_ring, "hostile: id and len" },
	{ D, "used.avail_event = <n>", kc_do_raw_avail_event, "hostile" },
	{ D, "driver area slot <n> wrap <n> flags <n>", kc_do_raw_driver_area,
	  "packed: the field as such, whatever was negotiated" },
	{ D, "device area slot <n> wrap <n> flags <n>", kc_do_raw_device_area,
	  "packed, hostile: scribble over the device's field" },

	{ V, "open", kc_do_open, "only the connection: no message" },
	{ V, "connect", kc_do_connect, "connection, features, protocol features, owner" },
	{ V, "disconnect", kc_do_disconnect, "close the connection; queues are gone" },
	{ V, "negotiate combination", kc_do_negotiate_combination,
	  "one set of features after the other, a round of `repeat combinations` each: all, none, each "
	  "alone, each absent, and so many more that any two were taken and left in every way" },
	{ V, "negotiate <*>", kc_do_negotiate,
	  "device status to DRIVER_OK; accept: all, or `only F...`, or `without F...`" },
	{ V, "session", kc_do_session, "connect and negotiate as the header says" },
	{ V, "driver ok", kc_do_driver_ok, "DRIVER_OK, after a queue that was made before-driver-ok" },
	{ V, "memory", kc_do_memory, "SET_MEM_TABLE (again)" },
	{ V, "stop <n>", kc_do_stop, "GET_VRING_BASE" },
	{ V, "start <n> from <n>", kc_do_start_from, "start a stopped queue at that base" },
	{ V, "start <n>", kc_do_start, "start a queue, at its last base" },
	{ V, "enable <n>", kc_do_enable, "SET_VRING_ENABLE 1" },
	{ V, "disable <n>", kc_do_disable, "SET_VRING_ENABLE 0" },
	{ V, "swap kick <n>", kc_do_swap_kick, "another kick eventfd" },
	{ V, "swap call <n>", kc_do_swap_call, "another call eventfd" },
	{ V, "resend features", kc_do_resend_features, "the same SET_FEATURES while rings run" },
	{ V, "resend addresses <n>", kc_do_resend_addr, "the same SET_VRING_ADDR while the ring runs" },
	{ V, "log on <*>", kc_do_log_on,
	  "a fresh dirty log and LOG_ALL, while rings run; `log on used rings` has them logged, too, and "
	  "`log on used rings elsewhere` under other addresses than their own" },
	{ V, "log off", kc_do_log_off, "LOG_ALL is cleared" },
	{ V, "inflight <n> queues size <n>", kc_do_inflight,
	  "GET_INFLIGHT_FD, then SET_INFLIGHT_FD with that buffer, before queues start" },
	{ V, "inflight again", kc_do_inflight_again, "SET_INFLIGHT_FD with the same buffer" },
	{ V, "inflight taken <n>", kc_do_inflight_taken,
	  "split: marks what is published on that queue as a back-end would have that took it and died" },
	{ V, "inflight half done <n>", kc_do_inflight_half_done,
	  "split: takes back the marks of the last request used, as if the back-end had died before it made them" },
	{ V, "reset", kc_do_reset, "device reset by STATUS, else RESET_DEVICE, else stopping all rings" },
	{ V, "write config <n> size <n> = <n>", kc_do_write_config_field,
	  "a little-endian field at that offset, flags 0" },
	{ V, "write config <n> = <n>", kc_do_write_config, "one byte at that offset, flags 0" },
	{ V, "kill", kc_do_kill, "SIGKILL to a back-end that kickcall started; the next `vmm session` starts it" },
	{ V, "settle", kc_do_settle, "give the back-end every chance to run" },

	{ M, "bytes <*>", kc_do_bytes, "hexadecimal bytes as they are" },
	{ M, "<*>", kc_do_message,
	  "NAME [FIELD = N]... [need_reply] [fd KIND | N fds KIND | no fd] [version N] [id N] "
	  "[header size N] [header flags N] [cut to N bytes] [byte-wise] [together]; fd kinds: kick, "
	  "memory; SET_FEATURES u64 may be: offered, accepted, `accepted plus bit N`, "
	  "`accepted without bit N`" },

	{ E, "<n> used", kc_do_expect_used, "N requests come back, answered as their port says" },
	{ E, "<n> used at rest", kc_do_expect_used_at_rest,
	  "N have come back once the back-end rests; for clauses that are no MUST" },
	{ E, "nothing carried out", kc_do_expect_nothing_carried_out,
	  "no request comes back as done; one may come back refused" },
	{ E, "all used", kc_do_expect_all_used, "nothing stays in flight" },
	{ E, "nothing used", kc_do_expect_nothing_used, "the ring stays as it is" },
	{ E, "call due", kc_do_expect_call_due, "a call was due since the last expect, and came" },
	{ E, "no call due", kc_do_expect_no_call_due, "none was due, and none came (SHOULD)" },
	{ E, "no call", kc_do_expect_no_call, "none came" },
	{ E, "call", kc_do_expect_call, "one came" },
	{ E, "status <w>", kc_do_expect_status,
	  "each request used in this line was answered so; any: with any status that there is; refused: "
	  "with any but OK" },
	{ E, "used_len <n>", kc_do_expect_used_len, "of the last request used" },
	{ E, "used_flags <n>", kc_do_expect_used_flags, "used.flags as it is now" },
	{ E, "avail_event <n>", kc_do_expect_avail_event, "used.avail_event as it is now" },
	{ E, "kick wanted", kc_do_expect_kick_wanted, "the idle device does not suppress the next kick" },
	{ E, "full", kc_do_expect_full, "fill ended by -ENOSPC" },
	{ E, "not full", kc_do_expect_not_full, "there is room for a request again" },
	{ E, "<n> in flight", kc_do_expect_in_flight, "heads offered and not used" },
	{ E, "handles-malformed-chain", kc_do_expect_malformed,
	  "error eventfd, silence, used with length 0, close or clean exit; never crash, hang or spin" },
	{ E, "serves", kc_do_expect_serves, "a fresh request on that queue works (if still connected)" },
	{ E, "logged", kc_do_expect_logged,
	  "every page that the device has changed since `log on` is marked, and there is one" },
	{ E, "base <n>", kc_do_expect_base, "what the last stop of the queue answered" },

	{ E, "reply <w> = <n>", kc_do_expect_reply_field, "a field of the reply" },
	{ E, "reply data[<n>] = <n>", kc_do_expect_reply_data, "a byte of the configuration in the reply" },
	{ E, "reply as before", kc_do_expect_reply_as_before, "the same as the last reply to that message" },
	{ E, "reply lacks bit <n>", kc_do_expect_reply_lacks_bit, "the u64 does not have it" },
	{ E, "reply has <w> only with <w> or <w>", kc_do_expect_reply_has_only_with,
	  "the u64 does not have the first feature without one of the others" },
	{ E, "reply has <w> only with <w>", kc_do_expect_reply_has_only_with,
	  "the u64 does not have the first feature without the second" },
	{ E, "reply has <w>", kc_do_expect_reply_has, "the u64 has this feature bit" },
	{ E, "reply lacks <w>", kc_do_expect_reply_lacks, "the u64 does not have it" },
	{ E, "reply to <w>", kc_do_expect_reply_to, "the next to come is the answer to that message" },
	{ E, "reply", kc_do_expect_reply, "the message's own reply comes" },
	{ E, "ack", kc_do_expect_ack, "u64 0" },
	{ E, "refused or closed", kc_do_expect_refused_or_closed,
	  "a non-zero ack, an error reply, or the end of the connection" },
	{ E, "refused", kc_do_expect_refused, "a non-zero ack" },
	{ E, "any answer or closed", kc_do_expect_any_answer,
	  "an ack of any value or a close: but no silence, no crash" },
	{ E, "no reply", kc_do_expect_no_reply, "proved by the answer to the next message" },
	{ E, "alive or closed", kc_do_expect_alive_or_closed, "GET_FEATURES is answered, or it closed" },
	{ E, "alive", kc_do_expect_alive, "GET_FEATURES is answered" },
	{ E, "closed", kc_do_expect_closed, "the connection ends, the process does not crash" },
	{ E, "whole config <n> size <n> = <n>", kc_do_expect_whole_config,
	  "the same field, out of one read of the whole configuration" },
	{ E, "whole config <n> size <n> at most <n>", kc_do_expect_whole_config_at_most, "likewise" },
	{ E, "whole config <n> size <n> at least <n>", kc_do_expect_whole_config_at_least, "likewise" },
	{ E, "config in pieces of <n> as whole", kc_do_expect_config_pieces,
	  "reads of N bytes each give what one read gives" },
	{ E, "config <n> size <n> = <n>", kc_do_expect_config, "little-endian field of the configuration" },
};
const unsigned kc_nverbs = sizeof(kc_verbs) / sizeof(*kc_verbs);

bool kc_verb_connects(const struct kc_verb *v)
{
	return v->run == kc_do_open || v->run == kc_do_connect || v->run == kc_do_disconnect ||
		v->run == kc_do_session;
}

bool kc_verb_sets_up(const struct kc_verb *v)
{
	return v->subject == KC_SUBJ_QUEUE || v->run == kc_do_inflight;
}
