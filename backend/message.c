/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control plane's vocabulary as data.
 *
 * Two tables drive everything here. `rows` has a line per request: its number, ioctl, payload,
 * file descriptors, reply and gate. `shapes` describes each payload as fields of struct kc_msg in
 * wire order; a field is as wide in the struct as on the wire, so that moving it is one memcpy,
 * and the byte order is the machine's own (VU-HDR-01). A shape may end in an array (regions, data
 * bytes) and in padding. Encoder, decoder, printer and access by name all walk those fields, so
 * they cannot disagree about a layout; what keeps the layout itself honest are the transcripts of
 * other programs' bytes in tests/unit/test_message.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <kickcall/err.h>
#include <kickcall/message.h>

#define NO_GATE	(-1)
#define ROW(name, ioctl, request, fds, rule, reply, gate) \
	[KC_VU_ ## name] = { #name, KC_VU_ ## name, ioctl, KC_PL_ ## request, KC_PL_ ## reply, \
			     KC_FD_ ## fds, KC_REPLY_ ## rule, gate }

static const struct kc_msg_row rows[KC_VU_MAX] = {
	ROW(GET_FEATURES, VHOST_GET_FEATURES, NONE, NONE, OWN, U64, NO_GATE),
	ROW(SET_FEATURES, VHOST_SET_FEATURES, U64, NONE, ACK, NONE, NO_GATE),
	ROW(SET_OWNER, VHOST_SET_OWNER, NONE, NONE, ACK, NONE, NO_GATE),
	ROW(RESET_OWNER, VHOST_RESET_OWNER, NONE, NONE, ACK, NONE, NO_GATE),
	ROW(SET_MEM_TABLE, VHOST_SET_MEM_TABLE, MEM_TABLE, REGIONS, ACK, NONE, NO_GATE),
	ROW(SET_LOG_BASE, VHOST_SET_LOG_BASE, LOG, MAYBE, OWN, U64, KC_PF_LOG_SHMFD),
	ROW(SET_LOG_FD, VHOST_SET_LOG_FD, NONE, ONE, ACK, NONE, NO_GATE),
	ROW(SET_VRING_NUM, VHOST_SET_VRING_NUM, STATE, NONE, ACK, NONE, NO_GATE),
	ROW(SET_VRING_ADDR, VHOST_SET_VRING_ADDR, ADDR, NONE, ACK, NONE, NO_GATE),
	ROW(SET_VRING_BASE, VHOST_SET_VRING_BASE, STATE, NONE, ACK, NONE, NO_GATE),
	ROW(GET_VRING_BASE, VHOST_GET_VRING_BASE, STATE, NONE, OWN, STATE, NO_GATE),
	ROW(SET_VRING_KICK, VHOST_SET_VRING_KICK, U64, RING, ACK, NONE, NO_GATE),
	ROW(SET_VRING_CALL, VHOST_SET_VRING_CALL, U64, RING, ACK, NONE, NO_GATE),
	ROW(SET_VRING_ERR, VHOST_SET_VRING_ERR, U64, RING, ACK, NONE, NO_GATE),
	ROW(GET_PROTOCOL_FEATURES, 0, NONE, NONE, OWN, U64, NO_GATE),
	ROW(SET_PROTOCOL_FEATURES, 0, U64, NONE, ACK, NONE, NO_GATE),
	ROW(GET_QUEUE_NUM, 0, NONE, NONE, OWN, U64, KC_PF_MQ),
	ROW(SET_VRING_ENABLE, VHOST_VDPA_SET_VRING_ENABLE, STATE, NONE, ACK, NONE, NO_GATE),
	ROW(SEND_RARP, 0, U64, NONE, ACK, NONE, KC_PF_RARP),
	ROW(NET_SET_MTU, 0, U64, NONE, ACK, NONE, KC_PF_MTU),
	ROW(SET_BACKEND_REQ_FD, 0, NONE, ONE, ACK, NONE, KC_PF_BACKEND_REQ),
	ROW(IOTLB_MSG, 0, OPAQUE, NONE, OWN, U64, NO_GATE),
	ROW(SET_VRING_ENDIAN, VHOST_SET_VRING_ENDIAN, STATE, NONE, ACK, NONE, KC_PF_CROSS_ENDIAN),
	ROW(GET_CONFIG, VHOST_VDPA_GET_CONFIG, CONFIG, NONE, OWN, CONFIG, KC_PF_CONFIG),
	ROW(SET_CONFIG, VHOST_VDPA_SET_CONFIG, CONFIG, NONE, ACK, NONE, KC_PF_CONFIG),
	ROW(CREATE_CRYPTO_SESSION, 0, OPAQUE, NONE, OWN, OPAQUE, KC_PF_CRYPTO_SESSION),
	ROW(CLOSE_CRYPTO_SESSION, 0, U64, NONE, ACK, NONE, KC_PF_CRYPTO_SESSION),
	ROW(POSTCOPY_ADVISE, 0, NONE, NONE, OWN, NONE, KC_PF_PAGEFAULT),
	ROW(POSTCOPY_LISTEN, 0, NONE, NONE, ACK, NONE, KC_PF_PAGEFAULT),
	ROW(POSTCOPY_END, 0, NONE, NONE, OWN, U64, KC_PF_PAGEFAULT),
	ROW(GET_INFLIGHT_FD, 0, INFLIGHT, NONE, OWN, INFLIGHT, KC_PF_INFLIGHT_SHMFD),
	ROW(SET_INFLIGHT_FD, 0, INFLIGHT, ONE, ACK, NONE, KC_PF_INFLIGHT_SHMFD),
	ROW(GPU_SET_SOCKET, 0, NONE, ONE, ACK, NONE, NO_GATE),
	ROW(RESET_DEVICE, 0, NONE, NONE, ACK, NONE, KC_PF_RESET_DEVICE),
	ROW(VRING_KICK, 0, STATE, NONE, ACK, NONE, KC_PF_INBAND_NOTIFICATIONS),
	ROW(GET_MAX_MEM_SLOTS, 0, NONE, NONE, OWN, U64, KC_PF_CONFIGURE_MEM_SLOTS),
	ROW(ADD_MEM_REG, 0, MEM_REGION, ONE, ACK, NONE, KC_PF_CONFIGURE_MEM_SLOTS),
	ROW(REM_MEM_REG, 0, MEM_REGION, MAYBE, ACK, NONE, KC_PF_CONFIGURE_MEM_SLOTS),
	ROW(SET_STATUS, VHOST_VDPA_SET_STATUS, U64, NONE, ACK, NONE, KC_PF_STATUS),
	ROW(GET_STATUS, VHOST_VDPA_GET_STATUS, NONE, NONE, OWN, U64, KC_PF_STATUS),
	ROW(GET_SHARED_OBJECT, 0, OPAQUE, NONE, OWN, OPAQUE, KC_PF_SHARED_OBJECT),
	ROW(SET_DEVICE_STATE_FD, 0, OPAQUE, ONE, OWN, U64, KC_PF_DEVICE_STATE),
	ROW(CHECK_DEVICE_STATE, 0, NONE, NONE, OWN, U64, KC_PF_DEVICE_STATE),
	ROW(GET_SHMEM_CONFIG, 0, NONE, NONE, OWN, OPAQUE, KC_PF_SHMEM),
	ROW(GET_VRING_BASE_SKIP_DRAIN, 0, STATE, NONE, OWN, STATE, KC_PF_GET_VRING_BASE_SKIP_DRAIN),
};

static const char *const pf_names[KC_PF_COUNT] = {
	"MQ", "LOG_SHMFD", "RARP", "REPLY_ACK", "MTU", "BACKEND_REQ", "CROSS_ENDIAN",
	"CRYPTO_SESSION", "PAGEFAULT", "CONFIG", "BACKEND_SEND_FD", "HOST_NOTIFIER",
	"INFLIGHT_SHMFD", "RESET_DEVICE", "INBAND_NOTIFICATIONS", "CONFIGURE_MEM_SLOTS", "STATUS",
	"XEN_MMAP", "SHARED_OBJECT", "DEVICE_STATE", "GET_VRING_BASE_INFLIGHT", "GPA_ADDRESSES",
	"SHMEM", "GET_VRING_BASE_SKIP_DRAIN",
};

struct field {
	const char *name;
	size_t offset;		/* in struct kc_msg */
	uint8_t width;		/* bytes, in the struct as on the wire */
	bool hex;		/* how it is printed */
};

struct shape {
	const struct field *fields;
	unsigned nfields;
	/* The array at the end, if array is not NULL. */
	const char *array;
	const struct field *elem;	/* fields of element 0 */
	unsigned nelem;
	unsigned max;			/* elements */
	size_t stride;			/* bytes in struct kc_msg from element to element */
	size_t count_at;		/* offset of the u32 that counts them; 0: always max */
	bool count_from_len;		/* the count is not on the wire: it is what came */
	unsigned pad;			/* bytes after the fields: sent, and accepted if missing */
};

#define FIELD(name, member, hex) \
	{ name, offsetof(struct kc_msg, member), sizeof(((struct kc_msg *)NULL)->member), hex }
#define FIELDS(f)	.fields = f, .nfields = sizeof(f) / sizeof(f[0])
#define ELEM(f)		.elem = f, .nelem = sizeof(f) / sizeof(f[0])

static const struct field f_u64[] = { FIELD("u64", u64, true) };
static const struct field f_state[] = {
	FIELD("index", state.index, false), FIELD("num", state.num, false),
};
static const struct field f_addr[] = {
	FIELD("index", addr.index, false), FIELD("flags", addr.flags, true),
	FIELD("desc", addr.desc, true), FIELD("used", addr.used, true),
	FIELD("avail", addr.avail, true), FIELD("log", addr.log, true),
};
static const struct field f_table[] = {
	FIELD("nregions", mem.nregions, false), FIELD("padding", mem.padding, true),
};
/* A single region has 8 bytes of padding before it; u64 is free there to hold them. */
static const struct field f_single[] = { FIELD("padding", u64, true) };
static const struct field f_region[] = {
	FIELD("gpa", mem.regions[0].gpa, true), FIELD("size", mem.regions[0].size, true),
	FIELD("uva", mem.regions[0].uva, true),
	FIELD("mmap_offset", mem.regions[0].mmap_offset, true),
};
static const struct field f_log[] = {
	FIELD("size", log.size, true), FIELD("offset", log.offset, true),
};
static const struct field f_config[] = {
	FIELD("offset", config.offset, false), FIELD("size", config.size, false),
	FIELD("flags", config.flags, true),
};
static const struct field f_config_data[] = { FIELD("", config.data[0], true) };
static const struct field f_inflight[] = {
	FIELD("mmap_size", inflight.mmap_size, true),
	FIELD("mmap_offset", inflight.mmap_offset, true),
	FIELD("num_queues", inflight.num_queues, false),
	FIELD("queue_size", inflight.queue_size, false),
};
static const struct field f_opaque[] = { FIELD("", opaque[0], true) };

static const struct shape shapes[KC_PL_COUNT] = {
	[KC_PL_U64] = { FIELDS(f_u64) },
	[KC_PL_STATE] = { FIELDS(f_state) },
	[KC_PL_ADDR] = { FIELDS(f_addr) },
	[KC_PL_MEM_TABLE] = { FIELDS(f_table), .array = "region", ELEM(f_region),
			      .max = KC_VU_MEM_REGIONS_MAX, .stride = sizeof(struct kc_vu_region),
			      .count_at = offsetof(struct kc_msg, mem.nregions) },
	[KC_PL_MEM_REGION] = { FIELDS(f_single), .array = "region", ELEM(f_region), .max = 1,
			       .stride = sizeof(struct kc_vu_region) },
	[KC_PL_LOG] = { FIELDS(f_log) },
	[KC_PL_CONFIG] = { FIELDS(f_config), .array = "data", ELEM(f_config_data),
			   .max = KC_VU_CONFIG_MAX, .stride = 1,
			   .count_at = offsetof(struct kc_msg, config.size) },
	/* 20 bytes of fields, which C pads to 24: what every peer sends */
	[KC_PL_INFLIGHT] = { FIELDS(f_inflight), .pad = 4 },
	[KC_PL_OPAQUE] = { .array = "data", ELEM(f_opaque), .max = KC_VU_PAYLOAD_MAX, .stride = 1,
			   .count_at = offsetof(struct kc_msg, opaque_len),
			   .count_from_len = true },
};

/* Payloads that a row allows beside its own, told apart by their length in bytes. */
static const struct {
	uint32_t id;
	bool is_reply;
	uint32_t len;
	enum kc_payload payload;
} variants[] = {
	{ KC_VU_SET_LOG_BASE, false, 8, KC_PL_U64 },	/* without LOG_SHMFD */
	{ KC_VU_SET_LOG_BASE, true, 0, KC_PL_NONE },
	{ KC_VU_GET_CONFIG, true, 0, KC_PL_CONFIG },	/* says error (VU-MSG-GETCONFIG-01) */
};

const struct kc_msg_row *kc_msg_row(uint32_t id)
{
	return id < KC_VU_MAX && rows[id].name ? &rows[id] : NULL;
}

const struct kc_msg_row *kc_msg_row_by_name(const char *name)
{
	for (uint32_t id = 1; id < KC_VU_MAX; id++)
		if (!strcmp(rows[id].name, name))
			return &rows[id];
	return NULL;
}

const char *kc_pf_name(unsigned bit)
{
	return bit < KC_PF_COUNT ? pf_names[bit] : NULL;
}

int kc_pf_by_name(const char *name)
{
	for (unsigned bit = 0; bit < KC_PF_COUNT; bit++)
		if (!strcmp(pf_names[bit], name))
			return bit;
	return -1;
}

void kc_msg_init(struct kc_msg *m, uint32_t id)
{
	const struct kc_msg_row *row = kc_msg_row(id);

	memset(m, 0, sizeof(*m));
	m->id = id;
	m->payload = row ? row->request : KC_PL_NONE;
	for (unsigned i = 0; i < KC_VU_FDS_MAX; i++)
		m->handles[i] = KC_HANDLE_NONE;
}

void kc_msg_fini(struct kc_msg *m)
{
	for (unsigned i = 0; i < m->nhandles; i++)
		kc_handle_close(&m->handles[i]);
	m->nhandles = 0;
}

static const struct shape *shape_of(enum kc_payload payload)
{
	return &shapes[(unsigned)payload < KC_PL_COUNT ? payload : KC_PL_NONE];
}

static size_t fields_bytes(const struct field *f, unsigned n)
{
	size_t bytes = 0;

	while (n--)
		bytes += f++->width;
	return bytes;
}

/* How many elements m says its array has; may be more than fit. */
static uint32_t claimed_count(const struct kc_msg *m, const struct shape *s)
{
	uint32_t count = s->max;

	if (s->count_at)
		memcpy(&count, (const char *)m + s->count_at, sizeof(count));
	return count;
}

static uint32_t kept_count(const struct kc_msg *m, const struct shape *s)
{
	uint32_t count = claimed_count(m, s);

	return count < s->max ? count : s->max;
}

static bool is_error_config(const struct kc_msg *m)
{
	return m->payload == KC_PL_CONFIG && m->flags & KC_VU_REPLY && !m->config.size;
}

static size_t payload_bytes(const struct kc_msg *m, const struct shape *s)
{
	if (is_error_config(m))
		return 0;
	return fields_bytes(s->fields, s->nfields) + s->pad +
	       kept_count(m, s) * fields_bytes(s->elem, s->nelem);
}

static uint8_t *put_fields(const struct kc_msg *m, const struct field *f, unsigned n, size_t shift,
			   uint8_t *out)
{
	for (; n--; f++) {
		memcpy(out, (const char *)m + f->offset + shift, f->width);
		out += f->width;
	}
	return out;
}

static const uint8_t *take_fields(struct kc_msg *m, const struct field *f, unsigned n, size_t shift,
				  const uint8_t *in)
{
	for (; n--; f++) {
		memcpy((char *)m + f->offset + shift, in, f->width);
		in += f->width;
	}
	return in;
}

int kc_msg_encode(const struct kc_msg *m, void *buf, size_t cap)
{
	const struct shape *s = shape_of(m->payload);
	size_t bytes = payload_bytes(m, s);
	uint32_t hdr[3] = { m->id, m->flags ? m->flags : KC_VU_VERSION, bytes };
	uint8_t *out = buf;

	if (cap < KC_VU_HDR_BYTES + bytes)
		return -ENOSPC;
	memcpy(out, hdr, sizeof(hdr));
	out += sizeof(hdr);
	if (!bytes)
		return KC_VU_HDR_BYTES;
	out = put_fields(m, s->fields, s->nfields, 0, out);
	for (uint32_t i = 0; i < kept_count(m, s); i++)
		out = put_fields(m, s->elem, s->nelem, i * s->stride, out);
	memset(out, 0, s->pad);
	return KC_VU_HDR_BYTES + bytes;
}

/* The payload shape that the table gives to a message of that number and length. */
static enum kc_payload expected_payload(const struct kc_msg_row *row, uint32_t len, bool is_reply)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (variants[i].id == row->id && variants[i].is_reply == is_reply &&
		    variants[i].len == len)
			return variants[i].payload;
	if (!is_reply)
		return row->request;
	return row->reply_rule == KC_REPLY_OWN ? row->reply : KC_PL_U64;
}

static int decode_payload(struct kc_msg *m, const uint8_t *in, size_t len, struct kc_err *err)
{
	const struct shape *s = shape_of(m->payload);
	size_t fixed = fields_bytes(s->fields, s->nfields), elem = fields_bytes(s->elem, s->nelem);
	const char *name = kc_msg_row(m->id) ? kc_msg_row(m->id)->name : "unknown request";
	size_t want;

	if (len < fixed)
		return kc_err_set(err, -EPROTO, "%s: payload of %zu bytes, the fields take %zu",
				  name, len, fixed);
	in = take_fields(m, s->fields, s->nfields, 0, in);
	if (s->count_from_len)
		m->opaque_len = len;
	if (claimed_count(m, s) > s->max)
		return kc_err_set(err, -EPROTO, "%s: %" PRIu32 " %s elements, at most %u fit", name,
				  claimed_count(m, s), s->array, s->max);
	want = fixed + claimed_count(m, s) * elem;
	if (len != want && len != want + s->pad)
		return kc_err_set(err, -EPROTO, "%s: payload of %zu bytes instead of %zu", name,
				  len, want + s->pad);
	for (uint32_t i = 0; i < claimed_count(m, s); i++)
		in = take_fields(m, s->elem, s->nelem, i * s->stride, in);
	return 0;
}

/* What cannot be decoded is kept as bytes, so that it can still be shown. */
static void keep_opaque(struct kc_msg *m, const uint8_t *in, size_t len)
{
	uint32_t id = m->id, flags = m->flags;

	memset(m, 0, offsetof(struct kc_msg, handles));
	m->id = id;
	m->flags = flags;
	m->payload = KC_PL_OPAQUE;
	m->opaque_len = len < sizeof(m->opaque) ? len : sizeof(m->opaque);
	memcpy(m->opaque, in, m->opaque_len);
}

int kc_msg_decode(struct kc_msg *m, const void *buf, size_t len, bool is_reply, struct kc_err *err)
{
	const uint8_t *in = (const uint8_t *)buf + KC_VU_HDR_BYTES;
	const struct kc_msg_row *row;
	uint32_t hdr[3];
	int ret;

	memset(m, 0, offsetof(struct kc_msg, handles));
	if (len < KC_VU_HDR_BYTES)
		return kc_err_set(err, -EPROTO, "%zu bytes are no header", len);
	memcpy(hdr, buf, sizeof(hdr));
	len -= KC_VU_HDR_BYTES;
	m->id = hdr[0];
	m->flags = hdr[1];
	row = kc_msg_row(m->id);
	/* Whatever was asked, an ack is a u64 (VU-MSG-REPLYACK-01). */
	if (!row && is_reply && hdr[2] == 8 && len == 8) {
		m->payload = KC_PL_U64;
		return decode_payload(m, in, len, err);
	}
	if (hdr[2] != len || !row) {
		keep_opaque(m, in, len);
		if (hdr[2] != len)
			return kc_err_set(err, -EPROTO, "header announces %" PRIu32 " bytes of "
					  "payload, there are %zu", hdr[2], len);
		return kc_err_set(err, -EINVAL, "unknown request %" PRIu32, m->id);
	}
	m->payload = expected_payload(row, len, is_reply);
	if (m->payload == KC_PL_CONFIG && is_reply && !len)
		return 0;
	ret = decode_payload(m, in, len, err);
	if (ret)
		keep_opaque(m, in, len);
	return ret;
}

/* A text that is cut off where the buffer ends. */
struct text {
	char *buf;
	size_t cap, len;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
	size_t room = t->len < t->cap ? t->cap - t->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? t->buf + t->len : NULL, room, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? n : 0;
}

static uint64_t load_field(const struct kc_msg *m, const struct field *f, size_t shift)
{
	const char *p = (const char *)m + f->offset + shift;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (f->width) {
	case 8:
		memcpy(&v64, p, 8);
		return v64;
	case 4:
		memcpy(&v32, p, 4);
		return v32;
	case 2:
		memcpy(&v16, p, 2);
		return v16;
	}
	return *(const uint8_t *)p;
}

static void store_field(struct kc_msg *m, const struct field *f, size_t shift, uint64_t v)
{
	char *p = (char *)m + f->offset + shift;
	uint32_t v32 = v;
	uint16_t v16 = v;

	switch (f->width) {
	case 8:
		memcpy(p, &v, 8);
		break;
	case 4:
		memcpy(p, &v32, 4);
		break;
	case 2:
		memcpy(p, &v16, 2);
		break;
	default:
		*(uint8_t *)p = v;
	}
}

#define PRINT_BYTES_MAX	64u	/* bytes of data that are shown */

static void print_bytes(struct text *t, const struct kc_msg *m, const struct shape *s, uint32_t n)
{
	const uint8_t *p = (const uint8_t *)m + s->elem->offset;

	add(t, "%s%s ", s->nfields ? ", " : "", s->array);
	for (uint32_t i = 0; i < n && i < PRINT_BYTES_MAX; i++)
		add(t, "%02x", p[i]);
	if (n > PRINT_BYTES_MAX)
		add(t, "... (%" PRIu32 " bytes)", n);
}

static void print_field(struct text *t, const struct kc_msg *m, const struct field *f, size_t shift)
{
	uint64_t v = load_field(m, f, shift);

	if (f->hex)
		add(t, "%s 0x%" PRIx64, f->name, v);
	else
		add(t, "%s %" PRIu64, f->name, v);
}

static void print_payload(struct text *t, const struct kc_msg *m, const struct shape *s)
{
	uint32_t n = kept_count(m, s);

	add(t, " {");
	for (unsigned i = 0; i < s->nfields; i++) {
		add(t, "%s", i ? ", " : "");
		print_field(t, m, &s->fields[i], 0);
	}
	if (s->array && s->stride == 1 && n)
		print_bytes(t, m, s, n);
	for (uint32_t i = 0; s->array && s->stride > 1 && i < n; i++) {
		for (unsigned k = 0; k < s->nelem; k++) {
			add(t, ", %s[%" PRIu32 "].", s->array, i);
			print_field(t, m, &s->elem[k], i * s->stride);
		}
	}
	add(t, "}");
}

void kc_msg_print(const struct kc_msg *m, char *buf, size_t cap)
{
	const struct kc_msg_row *row = kc_msg_row(m->id);
	struct text t = { buf, cap, 0 };

	if (cap)
		*buf = 0;
	if (row)
		add(&t, "%s", row->name);
	else
		add(&t, "request %" PRIu32, m->id);
	if (m->payload != KC_PL_NONE)
		print_payload(&t, m, shape_of(m->payload));
	if (m->flags && (m->flags & KC_VU_VERSION_MASK) != KC_VU_VERSION)
		add(&t, " version %" PRIu32, m->flags & KC_VU_VERSION_MASK);
	if (m->flags & KC_VU_REPLY)
		add(&t, " reply");
	if (m->flags & KC_VU_NEED_REPLY)
		add(&t, " need_reply");
	if (m->nhandles)
		add(&t, " +%u fd%s", m->nhandles, m->nhandles > 1 ? "s" : "");
}

static const struct field *find_in(const struct field *f, unsigned n, const char *name)
{
	for (; n--; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

/* "region[1].gpa" or "data[7]": the field of element 0, and in *shift how far it is from there. */
static const struct field *find_in_array(const struct shape *s, const char *name, size_t *shift)
{
	size_t len = s->array ? strlen(s->array) : 0;
	unsigned long i;
	char *end;

	if (!len || strncmp(name, s->array, len) || name[len] != '[')
		return NULL;
	name += len + 1;
	if (*name < '0' || *name > '9')
		return NULL;
	i = strtoul(name, &end, 10);
	if (i >= s->max || *end++ != ']')
		return NULL;
	if (s->stride > 1 && *end++ != '.')
		return NULL;
	*shift = i * s->stride;
	return find_in(s->elem, s->nelem, end);
}

static const struct field *find_field(const struct kc_msg *m, const char *name, size_t *shift)
{
	const struct shape *s = shape_of(m->payload);
	const struct field *f = find_in(s->fields, s->nfields, name);

	*shift = 0;
	return f ? f : find_in_array(s, name, shift);
}

int kc_msg_set_field(struct kc_msg *m, const char *field, uint64_t value)
{
	size_t shift;
	const struct field *f = find_field(m, field, &shift);

	if (!f)
		return -ENOENT;
	if (f->width < 8 && value >> (8 * f->width))
		return -ERANGE;
	store_field(m, f, shift, value);
	return 0;
}

int kc_msg_get_field(const struct kc_msg *m, const char *field, uint64_t *value)
{
	size_t shift;
	const struct field *f = find_field(m, field, &shift);

	if (!f)
		return -ENOENT;
	*value = load_field(m, f, shift);
	return 0;
}
