/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SCSI host's port.
 *
 * Theory of operation: virtqueue 0 takes control requests, 1 buffers for events, the others commands. All
 * of them are a header and perhaps data to be read, and a response and perhaps data to be written. A row
 * of `commands` or `controls` says what a word asks; what a script leaves open is a read, or a write where
 * it says `out`. What the disk holds is port_blk_storage.c's to know; its blocks are taken to have 512
 * bytes, and target 0 to have a LUN 0.
 *
 * A response that the specification does not know is wrong. So are sense data without a key in a CHECK
 * CONDITION, and a residual that cannot be. UNIT ATTENTION is news of a reset that a target may tell to
 * the first who asks: nobody's failure, and nothing was carried out.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_scsi.h>
#include <common/say.h>
#include <guest_model/port_blk_storage.h>
#include <guest_model/port_build.h>

#define FIRST_REQUESTS	2u
#define HEADER		((uint32_t)offsetof(struct virtio_scsi_cmd_req, cdb))
#define RESPONSE	((uint32_t)offsetof(struct virtio_scsi_cmd_resp, sense))
#define EACH_BYTE	16u		/* so many bytes of a header are cut one by one */
#define SIZE_LIMIT	4096u		/* of what a configuration may say of CDB and sense data */
#define DISK_BLOCKS	4096u		/* as many as any disk is taken to have */
#define CHECK_CONDITION	0x02
#define UNIT_ATTENTION	0x06
#define ILLEGAL_REQUEST	0x05
/* Codes are a response, BY_STATUS and a status, or BY_KEY and a sense key. */
#define BY_STATUS	0x100
#define BY_KEY		0x200

struct scsi {
	uint64_t serial;
	uint32_t queues, seg_max, max_sectors;
	struct kc_blk_storage storage;
	uint64_t last_write;
	uint32_t last_blocks;
};

/* Where in a CDB a number stands. */
struct field {
	uint8_t at, bytes;
};

static const struct command {
	const char *word;
	uint8_t opcode, service;
	uint32_t natural;		/* bytes of data */
	struct field lba, length;
	bool out, blocks;		/* data goes out; the length counts blocks */
} commands[] = {
	{ "read", 0x28, 0, 512, { 2, 4 }, { 7, 2 }, false, true },
	{ "write", 0x2a, 0, 512, { 2, 4 }, { 7, 2 }, true, true },
	{ "read16", 0x88, 0, 512, { 2, 8 }, { 10, 4 }, false, true },
	{ "write16", 0x8a, 0, 512, { 2, 8 }, { 10, 4 }, true, true },
	{ "test-unit-ready", 0x00, 0, 0, { 0, 0 }, { 0, 0 }, false, false },
	{ "request-sense", 0x03, 0, 18, { 0, 0 }, { 4, 1 }, false, false },
	{ "inquiry", 0x12, 0, 36, { 0, 0 }, { 3, 2 }, false, false },
	{ "read-capacity", 0x25, 0, 8, { 0, 0 }, { 0, 0 }, false, false },
	{ "read-capacity16", 0x9e, 0x10, 32, { 0, 0 }, { 10, 4 }, false, false },
	{ "report-luns", 0xa0, 0, 16, { 0, 0 }, { 6, 4 }, false, false },
	{ "opcode", 0, 0, 0, { 0, 0 }, { 0, 0 }, false, false },
};

static const struct control {
	const char *word;
	uint32_t type, subtype;
} controls[] = {
	{ "abort-task", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_ABORT_TASK },
	{ "abort-task-set", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET },
	{ "clear-aca", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_CLEAR_ACA },
	{ "clear-task-set", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET },
	{ "nexus-reset", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET },
	{ "lun-reset", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET },
	{ "query-task", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_QUERY_TASK },
	{ "query-task-set", VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET },
	{ "query-events", VIRTIO_SCSI_T_AN_QUERY, 0 },
	{ "subscribe-events", VIRTIO_SCSI_T_AN_SUBSCRIBE, 0 },
};

/* What a script asks, and what is remembered of it. */
struct ask {
	const struct command *command;
	const struct control *control;
	bool event, well_known, back, both_ways, has_length;
	uint32_t opcode, target, lun, lba, length, blocks, data;
	uint64_t block;
	bool write, proper, contended, over;
	uint64_t begun;
};

static uint32_t config32(const struct kc_port *p, size_t at, uint32_t otherwise)
{
	uint32_t v;

	if (!p->env.config || at + sizeof(v) > p->env.config_len)
		return otherwise;
	memcpy(&v, p->env.config + at, sizeof(v));
	return le32toh(v);
}

static uint32_t size_of(const struct kc_port *p, size_t at, uint32_t otherwise)
{
	uint32_t v = config32(p, at, otherwise);

	return v <= SIZE_LIMIT ? v : otherwise;
}

static uint32_t cdb_size(const struct kc_port *p)
{
	return size_of(p, offsetof(struct virtio_scsi_config, cdb_size), VIRTIO_SCSI_CDB_DEFAULT_SIZE);
}

static uint32_t sense_size(const struct kc_port *p)
{
	return size_of(p, offsetof(struct virtio_scsi_config, sense_size), VIRTIO_SCSI_SENSE_DEFAULT_SIZE);
}

static void scsi_close(struct kc_port *p)
{
	kc_blk_storage_fini(&((struct scsi *)p->priv)->storage);
	kc_port_free(p);
}

static struct kc_port *scsi_open(const struct kc_port_env *env, struct kc_err *err)
{
	struct kc_port *p = kc_port_alloc(&kc_port_scsi, env, sizeof(struct scsi), err);
	struct scsi *s = p ? p->priv : NULL;

	if (!p)
		return NULL;
	s->queues = config32(p, offsetof(struct virtio_scsi_config, num_queues), 0);
	s->seg_max = config32(p, offsetof(struct virtio_scsi_config, seg_max), 0);
	s->max_sectors = config32(p, offsetof(struct virtio_scsi_config, max_sectors), 0);
	if (!kc_blk_storage_init(&s->storage, env, DISK_BLOCKS, env->writes_dropped))
		return p;
	kc_err_set(err, -ENOMEM, "no memory for the model of a disk");
	scsi_close(p);
	return NULL;
}

static unsigned scsi_virtqueue(unsigned n)
{
	return n + FIRST_REQUESTS;
}

static bool scsi_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	uint32_t queues = ((struct scsi *)p->priv)->queues;

	if (queues && qi >= FIRST_REQUESTS && qi - FIRST_REQUESTS >= queues)
		kc_err_set(why, 0, "the device has %u request queues", queues);
	else if (queue_num && qi >= queue_num)
		kc_err_set(why, 0, "the back-end has %llu queues", (unsigned long long)queue_num);
	else
		return true;
	return false;
}

/* --- Words ------------------------------------------------------------------------------------ */

static const struct {
	const char *word;
	size_t number, flag;		/* offsets in struct ask; 0: none */
} details[] = {
	{ "target", offsetof(struct ask, target), 0 },
	{ "lun", offsetof(struct ask, lun), 0 },
	{ "lba", offsetof(struct ask, lba), 0 },
	{ "length", offsetof(struct ask, length), offsetof(struct ask, has_length) },
	{ "well-known", 0, offsetof(struct ask, well_known) },
	{ "back", 0, offsetof(struct ask, back) },
	{ "both-ways", 0, offsetof(struct ask, both_ways) },
};

static int read_number(char **save, uint32_t *v, const char *after, struct kc_err *err)
{
	const char *t = strtok_r(NULL, " ", save);
	char *end = NULL;
	unsigned long long n = t && *t >= '0' && *t <= '9' ? strtoull(t, &end, 0) : 0;

	if (!end || *end || n > UINT32_MAX)
		return kc_err_set(err, -EBADMSG, "a 32-bit number must follow '%s'", after);
	*v = (uint32_t)n;
	return 0;
}

static bool find_kind(struct ask *a, const char *t, bool control)
{
	for (unsigned i = 0; control && i < sizeof(controls) / sizeof(*controls); i++)
		if (!strcmp(controls[i].word, t))
			return (a->control = &controls[i]) != NULL;
	for (unsigned i = 0; !control && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].word, t))
			return (a->command = &commands[i]) != NULL;
	return false;
}

static int read_word(struct ask *a, const char *t, bool control, char **save, struct kc_err *err)
{
	for (unsigned i = 0; i < sizeof(details) / sizeof(*details); i++) {
		if (strcmp(details[i].word, t))
			continue;
		if (details[i].flag)
			*((bool *)((char *)a + details[i].flag)) = true;
		return details[i].number ? read_number(save, (uint32_t *)((char *)a + details[i].number),
						       t, err) : 0;
	}
	if (!find_kind(a, t, control))
		return kc_err_set(err, -EBADMSG, "this queue of a SCSI host knows no '%s'", t);
	return strcmp(t, "opcode") ? 0 : read_number(save, &a->opcode, t, err);
}

static int read_words(struct ask *a, unsigned qi, const struct kc_shape *shape, struct kc_err *err)
{
	char copy[256], *save = NULL;
	int ret = 0;

	*a = (struct ask){ .event = qi == 1 };
	snprintf(copy, sizeof(copy), "%s", shape->words ? shape->words : "");
	for (char *t = strtok_r(copy, " ", &save); t && !ret; t = strtok_r(NULL, " ", &save))
		ret = a->event ? kc_err_set(err, -EBADMSG, "an event queue knows no '%s'", t) :
		      read_word(a, t, !qi, &save, err);
	if (!qi && !a->control)
		a->control = &controls[0];
	if (qi >= FIRST_REQUESTS && !a->command)
		a->command = &commands[shape->dir == KC_DIR_OUT];
	return ret;
}

/* --- Requests --------------------------------------------------------------------------------- */

static int choose_block(struct kc_port *p, struct ask *a, struct kc_err *err)
{
	struct scsi *s = p->priv;
	struct kc_blk_area *area = a->command->out ? &s->storage.private : &s->storage.common;

	a->write = a->command->out;
	if (a->write && !p->env.writes_allowed)
		return kc_err_set(err, -EPERM, "to write to the back-end's storage: --destructive");
	if (a->blocks > area->n)
		return kc_err_set(err, -EINVAL, "%u blocks are more than there is room for", a->blocks);
	if (a->lba && a->write && a->lba < UINT32_MAX / 2)
		return kc_err_set(err, -EINVAL, "only this scenario's own blocks are written to");
	a->block = a->lba ? a->lba : a->back && s->last_blocks ? s->last_write :
		   kc_blk_area_next(area, a->blocks);
	return 0;
}

static int settle(struct kc_port *p, struct ask *a, const struct kc_shape *shape, struct kc_err *err)
{
	const struct command *c = a->command;
	struct scsi *s = p->priv;

	if (!c)
		return 0;
	a->data = shape->data ? shape->data : c->natural;
	if (c->blocks && !shape->data && shape->descriptors > a->data + 2)
		a->data = shape->descriptors;
	if (c->blocks)
		a->data = (a->data + KC_SECTOR - 1) / KC_SECTOR * KC_SECTOR;
	a->blocks = a->data / KC_SECTOR;
	if (s->max_sectors && a->blocks > s->max_sectors)
		return kc_err_set(err, -EINVAL, "%u blocks, but max_sectors is %u", a->blocks, s->max_sectors);
	if (shape->dir != KC_DIR_ANY && a->data && (shape->dir == KC_DIR_OUT) != c->out)
		return kc_err_set(err, -EINVAL, "the data of '%s' goes the other way", c->word);
	if (!a->has_length)
		a->length = c->blocks ? a->blocks : a->data;
	a->proper = !a->has_length && !a->target && !a->lun && !a->well_known && !a->both_ways && !a->lba;
	return c->blocks ? choose_block(p, a, err) : 0;
}

static void put_be(uint8_t *cdb, uint32_t size, struct field f, uint64_t v)
{
	for (unsigned i = f.bytes; i-- && f.at + i < size; v >>= 8)
		cdb[f.at + i] = (uint8_t)v;
}

static void lay_address(const struct ask *a, uint8_t lun[8])
{
	memset(lun, 0, 8);
	lun[0] = a->well_known ? 0xc1 : 1;
	lun[1] = a->well_known ? 1 : (uint8_t)a->target;
	lun[2] = a->lun ? (uint8_t)(0x40 | a->lun >> 8) : 0;
	lun[3] = (uint8_t)a->lun;
}

static void lay_command(struct kc_port *p, const struct ask *a, uint64_t serial, struct kc_plan *plan)
{
	uint64_t tag = htole64(serial);
	uint32_t size = cdb_size(p);
	uint8_t cdb[SIZE_LIMIT] = { a->command == &commands[10] ? (uint8_t)a->opcode : a->command->opcode,
				    a->command->service };

	put_be(cdb, size, a->command->lba, a->block);
	put_be(cdb, size, a->command->length, a->length);
	lay_address(a, plan->out.bytes);
	memcpy(plan->out.bytes + offsetof(struct virtio_scsi_cmd_req, tag), &tag, sizeof(tag));
	memcpy(plan->out.bytes + HEADER, cdb, size);
	kc_port_fill(p, KC_FILL_DATA, serial, plan->out.bytes + HEADER + size, plan->out.len - HEADER - size);
}

static void lay_control(const struct ask *a, struct kc_plan *plan)
{
	struct virtio_scsi_ctrl_tmf_req tmf = { .type = htole32(a->control->type),
						.subtype = htole32(a->control->subtype), .tag = UINT64_MAX };
	struct virtio_scsi_ctrl_an_req an = { .type = tmf.type, .event_requested = htole32(0x7e) };

	lay_address(a, a->control->type ? an.lun : tmf.lun);
	memcpy(plan->out.bytes, a->control->type ? (void *)&an : (void *)&tmf, plan->out.len);
}

static void sizes(const struct kc_port *p, const struct ask *a, uint32_t *out, uint32_t *in)
{
	bool an = a->control && a->control->type;

	*out = an ? sizeof(struct virtio_scsi_ctrl_an_req) : sizeof(struct virtio_scsi_ctrl_tmf_req);
	*in = an ? sizeof(struct virtio_scsi_ctrl_an_resp) : sizeof(struct virtio_scsi_ctrl_tmf_resp);
	if (a->event) {
		*out = 0;
		*in = size_of(p, offsetof(struct virtio_scsi_config, event_info_size), 0);
		if (*in < sizeof(struct virtio_scsi_event))
			*in = sizeof(struct virtio_scsi_event);
	}
	if (a->command) {
		*out = HEADER + cdb_size(p);
		*in = RESPONSE + sense_size(p);
	}
}

static int cut(struct kc_port *p, struct kc_plan *plan, const struct ask *a, uint32_t out, uint32_t in,
	       const struct kc_shape *shape, struct kc_err *err)
{
	bool is_out = a->command && a->command->out;
	struct kc_data_range data = { is_out ? &plan->out : &plan->in, is_out ? out : in, a->data };
	uint32_t have, longest, seg_max = ((struct scsi *)p->priv)->seg_max;
	int ret;

	if (!shape->one_piece && shape->descriptors != 2) {
		kc_stream_cut(&plan->out, out);
		kc_stream_cut(&plan->in, in);
	}
	for (uint32_t i = 1; shape->every_byte && i <= EACH_BYTE && i <= out; i++)
		kc_stream_cut(&plan->out, i);
	ret = kc_plan_cut_explicit(plan, shape, err);
	have = kc_plan_descriptors(plan);
	if (!ret && shape->descriptors && (have > shape->descriptors ||
	    kc_range_cut_more(&data, shape->descriptors - have) < shape->descriptors - have))
		ret = kc_err_set(err, -EINVAL, "the request cannot be cut into exactly %u descriptors",
				 shape->descriptors);
	if (!ret && seg_max && kc_range_pieces(&data, &longest) > seg_max)
		ret = kc_err_set(err, -EINVAL, "more pieces of data than the device's seg_max of %u", seg_max);
	return ret;
}

static void lay(struct kc_port *p, const struct ask *a, uint64_t serial, struct kc_plan *plan, uint32_t in)
{
	struct scsi *s = p->priv;
	uint8_t there[KC_SECTOR];

	if (a->command)
		lay_command(p, a, serial, plan);
	if (a->control)
		lay_control(a, plan);
	kc_port_fill(p, KC_FILL_POISON, serial, plan->in.bytes, plan->in.len);
	/* No response that a device may give, in either run. */
	plan->in.bytes[a->command ? RESPONSE - 1 : plan->in.len - 1] = p->env.poison_flip ? 0xf0 : 0xff;
	for (uint32_t i = 0; a->proper && !a->write && a->command && a->command->blocks && i < a->blocks; i++)
		if (kc_blk_storage_known(&s->storage, a->block + i, there))
			kc_poison_unlike(plan->in.bytes + in + i * KC_SECTOR, there, KC_SECTOR);
}

static void begin(struct kc_port *p, struct ask *a)
{
	struct scsi *s = p->priv;

	if (!a->blocks)
		return;
	a->contended = kc_blk_storage_begin(&s->storage, a->block, a->blocks, a->write);
	a->begun = kc_blk_storage_begun(&s->storage, a->block, a->blocks);
	if (a->write && !a->lba) {
		s->last_write = a->block;
		s->last_blocks = a->blocks;
	}
}

static struct kc_request *scsi_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape, int *code,
				    struct kc_err *err)
{
	struct ask *a = calloc(1, sizeof(*a));
	struct scsi *s = p->priv;
	struct kc_request *r = NULL;
	struct kc_plan plan = { 0 };
	uint32_t out = 0, in = 0;

	*code = a ? read_words(a, qi, shape, err) : kc_err_set(err, -ENOMEM, "no memory for a request");
	if (!*code && shape->descriptors > KC_SHAPE_SEGS_MAX)
		*code = kc_err_set(err, -EINVAL, "more descriptors than any ring has");
	if (!*code)
		*code = settle(p, a, shape, err);
	if (!*code) {
		bool o = a->command && a->command->out;

		sizes(p, a, &out, &in);
		*code = kc_plan_init(&plan, out + (o || a->both_ways ? a->data : 0),
				     in + (!o || a->both_ways ? a->data : 0), err);
	}
	if (!*code)
		*code = cut(p, &plan, a, out, in, shape, err);
	if (!*code) {
		lay(p, a, s->serial + 1, &plan, in);
		r = kc_plan_build(&plan, p, shape, s->serial + 1, code, err);
	}
	kc_plan_fini(&plan);
	if (!r) {
		free(a);
		return NULL;
	}
	s->serial++;
	a->blocks = a->command && a->command->blocks ? a->blocks : 0;
	begin(p, a);
	r->priv = a;
	r->len_expected = UINT32_MAX;
	kc_say(r->what, sizeof(r->what), "scsi %s", a->event ? "event buffer" : a->control ?
		 a->control->word : a->command->word);
	return r;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* The request is over; bytes: what was written, NULL if that is not certain. Was it alone? */
static bool end(struct kc_port *p, struct ask *a, const uint8_t *bytes)
{
	struct scsi *s = p->priv;
	bool alone = !a->contended && kc_blk_storage_begun(&s->storage, a->block, a->blocks) == a->begun;

	if (a->over || !a->blocks)
		return alone;
	a->over = true;
	if (a->write)
		kc_blk_storage_end(&s->storage, a->block, a->blocks,
				   bytes && alone && a->proper ? KC_BLK_LEFT_BYTES : KC_BLK_LEFT_UNKNOWN,
				   bytes, false);
	return alone;
}

static enum kc_payload_verdict wrong(struct kc_port *p, const char *clause)
{
	p->clause = clause;
	return KC_PAYLOAD_WRONG;
}

static enum kc_payload_verdict check_read(struct kc_port *p, const struct ask *a, const uint8_t *data,
					  struct kc_err *why)
{
	struct scsi *s = p->priv;
	uint8_t known[KC_SECTOR];

	for (uint32_t i = 0; i < a->data; i++) {
		uint64_t block = a->block + i / KC_SECTOR;
		uint32_t at = i % KC_SECTOR;

		if (!at && !kc_blk_storage_known(&s->storage, block, known)) {
			kc_blk_storage_believe(&s->storage, block, data + i);
			memcpy(known, data + i, KC_SECTOR);
		}
		if (data[i] == known[at])
			continue;
		kc_err_set(why, -EIO, "byte %u of block %llu: expected 0x%02x, actual 0x%02x", at,
			   (unsigned long long)block, known[at], data[i]);
		return KC_PAYLOAD_WRONG;
	}
	return KC_PAYLOAD_RIGHT;
}

/* Status GOOD. */
static enum kc_payload_verdict check_good(struct kc_port *p, struct kc_request *r, const uint8_t *in,
					  uint32_t resid, struct kc_err *why)
{
	struct ask *a = r->priv;
	bool exact = a->command->blocks, sized = exact || a->command->length.bytes;
	uint64_t asked = (uint64_t)a->length * (exact ? KC_SECTOR : 1);
	uint32_t least = sized && asked < a->data ? a->data - (uint32_t)asked : 0;
	uint8_t *written = a->write ? calloc(1, a->data + 1) : NULL;
	bool alone;

	if (written)
		kc_port_fill(p, KC_FILL_DATA, r->serial, written, a->data);
	alone = end(p, a, written);
	free(written);
	if (resid < least || resid > a->data || (exact && a->proper && resid)) {
		kc_err_set(why, -EIO, "residual: expected %u%s of %u bytes of data, actual %u", least,
			   exact ? "" : " or more", a->data, resid);
		return wrong(p, "SCSI-REQ-04");
	}
	if (exact && !a->write && a->proper && alone)
		return check_read(p, a, in + RESPONSE + sense_size(p), why);
	return KC_PAYLOAD_RIGHT;
}

/* A CHECK CONDITION tells why, in fixed or descriptor format. */
static enum kc_payload_verdict check_sense(struct kc_port *p, const uint8_t *in, uint32_t len, int *code,
					   struct kc_err *why)
{
	const uint8_t *sense = in + RESPONSE;
	uint8_t format = sense_size(p) >= 3 ? sense[0] & 0x7f : 0x70;

	if (sense_size(p) < 3) {
		*code = BY_STATUS + CHECK_CONDITION;
		return KC_PAYLOAD_FAILED;
	}
	if (len < 3 || len > sense_size(p) || format < 0x70 || format > 0x73) {
		kc_err_set(why, -EIO, "CHECK CONDITION: expected sense data in up to %u bytes, actual %u bytes "
			   "of format 0x%02x", sense_size(p), len, format);
		return wrong(p, "SCSI-REQ-01");
	}
	*code = BY_KEY + (sense[format < 0x72 ? 2 : 1] & 0xf);
	return *code == BY_KEY + UNIT_ATTENTION ? KC_PAYLOAD_RIGHT : KC_PAYLOAD_FAILED;
}

static enum kc_payload_verdict check_command(struct kc_port *p, struct kc_request *r, const uint8_t *in,
					     int *code, struct kc_err *why)
{
	uint8_t response = in[RESPONSE - 1], status = in[RESPONSE - 2];
	uint32_t sense_len, resid;

	memcpy(&sense_len, in, sizeof(sense_len));
	memcpy(&resid, in + sizeof(sense_len), sizeof(resid));
	*code = response;
	if (response > VIRTIO_SCSI_S_FAILURE) {
		kc_err_set(why, -EIO, "response: expected 0 to 9, actual %u", response);
		return wrong(p, "SCSI-REQ-DEV-01");
	}
	if (response)
		return KC_PAYLOAD_FAILED;
	if (!status)
		return check_good(p, r, in, le32toh(resid), why);
	if (status == CHECK_CONDITION)
		return check_sense(p, in, le32toh(sense_len), code, why);
	*code = BY_STATUS + status;
	return KC_PAYLOAD_FAILED;
}

static enum kc_payload_verdict check_control(struct kc_port *p, uint8_t response, int *code,
					     struct kc_err *why)
{
	*code = response == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED ? 0 : response;
	if (!*code)
		return KC_PAYLOAD_RIGHT;
	if (response >= VIRTIO_SCSI_S_BAD_TARGET && response <= VIRTIO_SCSI_S_INCORRECT_LUN &&
	    response != VIRTIO_SCSI_S_RESET)
		return KC_PAYLOAD_FAILED;
	kc_err_set(why, -EIO, "response: expected one of a control request, actual %u", response);
	return wrong(p, "SCSI-CTRL-01");
}

static enum kc_payload_verdict check_event(struct kc_port *p, const uint8_t *in, struct kc_err *why)
{
	struct virtio_scsi_event e;
	uint32_t event;
	bool plug;

	memcpy(&e, in, sizeof(e));
	event = le32toh(e.event) & ~VIRTIO_SCSI_T_EVENTS_MISSED;
	plug = event == VIRTIO_SCSI_T_TRANSPORT_RESET && le32toh(e.reason) != VIRTIO_SCSI_EVT_RESET_HARD;
	if (!plug || p->env.features & 1u << VIRTIO_SCSI_F_HOTPLUG)
		return KC_PAYLOAD_RIGHT;
	kc_err_set(why, -EIO, "an event of hot plugging, reason %u, without HOTPLUG", le32toh(e.reason));
	return wrong(p, "SCSI-EVT-DEV-02");
}

static enum kc_payload_verdict scsi_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					  const struct kc_used *u, int *code, struct kc_err *why)
{
	const struct ask *a = r->priv;
	uint8_t *in = kc_request_read_back(p, r);
	enum kc_payload_verdict v;

	(void)qi;
	(void)u;
	*code = 0;
	if (!in) {
		*code = kc_err_set(why, -ENOMEM, "no memory to check the answer");
		return KC_PAYLOAD_FAILED;
	}
	if (a->event)
		v = check_event(p, in, why);
	else
		v = a->control ? check_control(p, in[r->writable - 1], code, why) :
		    check_command(p, r, in, code, why);
	free(in);
	return v;
}

static void scsi_release(struct kc_port *p, struct kc_request *r)
{
	if (r)
		end(p, r->priv, NULL);
	kc_request_free(p, r);
}

static const char *scsi_code_name(int code)
{
	static const char *const names[] = {
		"OK", "OVERRUN", "ABORTED", "BAD_TARGET", "RESET", "BUSY", "TRANSPORT_FAILURE",
		"TARGET_FAILURE", "NEXUS_FAILURE", "FAILURE", "SUCCEEDED", "REJECTED", "INCORRECT_LUN",
	};

	if (code == BY_KEY + ILLEGAL_REQUEST)
		return "ILLEGAL_REQUEST";
	if (code >= BY_STATUS)
		return "CHECK_CONDITION";
	return code >= 0 && code < (int)(sizeof(names) / sizeof(*names)) ? names[code] : "unknown";
}

static uint32_t scsi_max_descriptors(struct kc_port *p)
{
	uint32_t max = ((struct scsi *)p->priv)->seg_max;

	return max && max < UINT32_MAX - 2 ? max + 2 : 0;
}

const struct kc_port_ops kc_port_scsi = {
	.device = "scsi",
	.virtio_id = VIRTIO_ID_SCSI,
	.features = 1u << VIRTIO_SCSI_F_HOTPLUG | 1u << VIRTIO_SCSI_F_CHANGE,
	.config_len = sizeof(struct virtio_scsi_config),
	.payload_clause = "SCSI-REQ-01",
	.len_clause = "SCSI-REQ-01",
	.refusal_clause = "SCSI-REQ-DEV-01",
	.open = scsi_open,
	.close = scsi_close,
	.virtqueue = scsi_virtqueue,
	.has_queue = scsi_has_queue,
	.make = scsi_make,
	.check = scsi_check,
	.release = scsi_release,
	.max_descriptors = scsi_max_descriptors,
	.code_name = scsi_code_name,
};
