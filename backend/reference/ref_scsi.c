// SPDX-License-Identifier: BSD-3-Clause
/*
 * The SCSI host: one target, one logical unit, which is a disk of 512-byte blocks in memory.
 *
 * Virtqueue 0 is for control, 1 for events, the others for requests. A request is found by position:
 * readable is a header with a CDB, and the data out behind it; writable is a response with room for sense
 * data, and the data in behind it. How long CDB and sense data are the driver may set, until a reset.
 *
 * A command is carried out at once, so there never is one that could be aborted: task management finds
 * nothing and is complete (SCSI-CTRL-02 holds by that). Nothing ever happens to the disk, so a buffer of
 * the event queue has no use and stays there.
 *
 * The response is written whole, the unused room for sense data as zeroes, and the data in up to where
 * the residual begins: used.len is just that.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_scsi.h>
#include "ref_internal.h"
#include "ref_storage.h"

#define BLOCK		KC_REF_SECTOR
#define FIRST_REQUESTS	2u		/* virtqueue */
#define HEADER		((uint32_t)offsetof(struct virtio_scsi_cmd_req, cdb))
#define RESPONSE	((uint32_t)offsetof(struct virtio_scsi_cmd_resp, sense))
#define CDB_MAX		32u
#define SENSE_MAX	252u
#define SEG_MAX		254u
#define MAX_SECTORS	2048u

/* SAM and SPC. */
enum { GOOD = 0x00, CHECK_CONDITION = 0x02 };
enum { ILLEGAL_REQUEST = 0x05 };
enum { INVALID_OPCODE = 0x20, LBA_OUT_OF_RANGE = 0x21, INVALID_FIELD = 0x24, NO_SUCH_UNIT = 0x25 };

struct scsi {
	struct kc_ref_storage storage;
	uint32_t queues;		/* for requests */
	uint32_t sense_size, cdb_size;
};

static struct scsi *scsi_of(struct kc_ref *r)
{
	return r->dev;
}

static void scsi_reset(struct kc_ref *r)	/* SCSI-CONF-DEV-01 */
{
	scsi_of(r)->sense_size = VIRTIO_SCSI_SENSE_DEFAULT_SIZE;
	scsi_of(r)->cdb_size = VIRTIO_SCSI_CDB_DEFAULT_SIZE;
}

static void scsi_close(struct kc_ref *r)
{
	kc_ref_storage_close(&scsi_of(r)->storage);
	free(r->dev);
	r->dev = NULL;
}

static int scsi_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	struct scsi *s;
	int rc;

	if (r->nqueues <= FIRST_REQUESTS)
		return kc_err_set(err, -EINVAL, "a SCSI host has 3 queues at least, not %u", r->nqueues);
	s = calloc(1, sizeof(*s));
	if (!s)
		return kc_err_set(err, -ENOMEM, "no memory for a SCSI host");
	r->dev = s;
	s->queues = r->nqueues - FIRST_REQUESTS;
	scsi_reset(r);
	rc = kc_ref_storage_open(&s->storage, NULL, false, config->capacity, err);
	if (rc)
		scsi_close(r);
	return rc;
}

/* ---- configuration ---- */

static void scsi_config_read(struct kc_ref *r, uint8_t *config)
{
	struct virtio_scsi_config c = {
		.num_queues = htole32(scsi_of(r)->queues),
		.seg_max = htole32(SEG_MAX),
		.max_sectors = htole32(MAX_SECTORS),
		.cmd_per_lun = htole32(128),
		.event_info_size = htole32(sizeof(struct virtio_scsi_event)),
		.sense_size = htole32(scsi_of(r)->sense_size),
		.cdb_size = htole32(scsi_of(r)->cdb_size),
		.max_target = htole16(1),
		.max_lun = htole32(1),
	};

	memcpy(config, &c, sizeof(c));
}

/* The two sizes are the driver's to write. At migration the rest may be said again, as it is. */
static int scsi_config_write(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
			     const uint8_t *data)
{
	const uint32_t from = offsetof(struct virtio_scsi_config, sense_size);
	const uint32_t to = offsetof(struct virtio_scsi_config, max_channel);
	struct virtio_scsi_config c, old;
	uint32_t sense, cdb;

	if (!migration && (offset < from || offset + len > to))
		return -EPERM;
	scsi_config_read(r, (uint8_t *)&old);
	c = old;
	memcpy((uint8_t *)&c + offset, data, len);
	sense = le32toh(c.sense_size);
	cdb = le32toh(c.cdb_size);
	old.sense_size = c.sense_size;
	old.cdb_size = c.cdb_size;
	if (memcmp(&c, &old, sizeof(c)) || sense > SENSE_MAX || cdb > CDB_MAX)
		return -EPERM;
	scsi_of(r)->sense_size = sense;
	scsi_of(r)->cdb_size = cdb;
	return 0;
}

/* ---- where a request goes ---- */

enum unit { NO_TARGET, NO_UNIT, DISK, WELL_KNOWN };

static enum unit find_unit(const uint8_t lun[8])
{
	static const uint8_t well_known[8] = { 0xc1, 0x01 };

	if (!memcmp(lun, well_known, sizeof(well_known)))
		return WELL_KNOWN;
	if (lun[0] != 1 || lun[1])
		return NO_TARGET;
	return (lun[2] & 0x3f) || lun[3] ? NO_UNIT : DISK;
}

/* ---- commands ---- */

struct command {
	struct scsi *s;
	enum unit unit;
	uint8_t cdb[CDB_MAX];
	struct kc_ref_cursor out, in;	/* at the first byte of data */
	uint64_t out_len, in_len;	/* bytes of data there is room for */
	uint64_t moved;			/* so many were transferred */
	uint8_t status, response;
	uint8_t key, asc;		/* with CHECK_CONDITION */
};

static void check_condition(struct command *c, uint8_t asc)
{
	c->status = CHECK_CONDITION;
	c->key = ILLEGAL_REQUEST;
	c->asc = asc;
}

static uint64_t get_be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void put_be(uint8_t *p, unsigned n, uint64_t v)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* Data that was made for the driver: no more than it allows for, and than the CDB asks for. */
static void give(struct command *c, const uint8_t *data, uint64_t len, uint64_t allocation)
{
	if (allocation > c->in_len) {
		c->response = VIRTIO_SCSI_S_OVERRUN;
		return;
	}
	c->moved = kc_ref_cursor_write(&c->in, data, len < allocation ? len : allocation);
}

static void do_nothing(struct command *c)
{
	(void)c;
}

static void do_inquiry(struct command *c)
{
	uint8_t data[36] = { [2] = 6, [3] = 2, [4] = 31 }, pages[6] = { [3] = 2, [4] = 0, [5] = 0x80 };
	uint8_t serial[8] = { [1] = 0x80, [3] = 4, [4] = '0', '0', '0', '1' };
	uint64_t allocation = get_be(c->cdb + 3, 2);

	memcpy(data + 8, "KICKCALLreference disk  0001", 28);
	if (c->unit == NO_UNIT)
		data[0] = 0x7f;		/* no device there, and none possible */
	else if (c->unit == WELL_KNOWN)
		data[0] = 0x1e;
	if (!(c->cdb[1] & 1) && !c->cdb[2])
		give(c, data, sizeof(data), allocation);
	else if ((c->cdb[1] & 1) && c->cdb[2] == 0)
		give(c, pages, sizeof(pages), allocation);
	else if ((c->cdb[1] & 1) && c->cdb[2] == 0x80)
		give(c, serial, sizeof(serial), allocation);
	else
		check_condition(c, INVALID_FIELD);
}

/* Sense data goes with the response, so there is none left to ask for; but there may be no unit. */
static void do_request_sense(struct command *c)
{
	uint8_t data[18] = { [0] = 0x70, [7] = 10 };

	if (c->unit == NO_UNIT) {
		data[2] = ILLEGAL_REQUEST;
		data[12] = NO_SUCH_UNIT;
	}
	give(c, data, sizeof(data), c->cdb[4]);
}

static void do_report_luns(struct command *c)
{
	uint8_t data[16] = { [3] = 8 };		/* one: LUN 0 */

	give(c, data, sizeof(data), get_be(c->cdb + 6, 4));
}

static void do_read_capacity(struct command *c)
{
	uint8_t data[8];

	put_be(data, 4, c->s->storage.sectors - 1 < UINT32_MAX ? c->s->storage.sectors - 1 : UINT32_MAX);
	put_be(data + 4, 4, BLOCK);
	give(c, data, sizeof(data), sizeof(data));
}

static void do_service_in(struct command *c)
{
	uint8_t data[32] = { 0 };

	if ((c->cdb[1] & 0x1f) != 0x10) {	/* READ CAPACITY(16) */
		check_condition(c, INVALID_FIELD);
		return;
	}
	put_be(data, 8, c->s->storage.sectors - 1);
	put_be(data + 8, 4, BLOCK);
	give(c, data, sizeof(data), get_be(c->cdb + 10, 4));
}

/* Reads, writes and SYNCHRONIZE CACHE name blocks in one of two forms. */
static bool take_range(struct command *c, uint64_t *lba, uint64_t *n)
{
	bool is_long = c->cdb[0] & 0x80;

	*lba = get_be(c->cdb + 2, is_long ? 8 : 4);
	*n = is_long ? get_be(c->cdb + 10, 4) : get_be(c->cdb + 7, 2);
	if (*lba <= c->s->storage.sectors && *n <= c->s->storage.sectors - *lba)
		return true;
	check_condition(c, LBA_OUT_OF_RANGE);
	return false;
}

static void transfer(struct command *c, bool write)
{
	struct kc_ref_cursor *data = write ? &c->out : &c->in;
	uint64_t lba, n, left;
	uint8_t *p;
	size_t len;

	if (!take_range(c, &lba, &n))
		return;
	left = n * BLOCK;
	if (left > (write ? c->out_len : c->in_len)) {
		c->response = VIRTIO_SCSI_S_OVERRUN;
		return;
	}
	for (; (p = kc_ref_cursor_take(data, left, &len)); left -= len, c->moved += len) {
		if (write)
			kc_ref_storage_write(&c->s->storage, lba * BLOCK + c->moved, p, len);
		else
			kc_ref_storage_read(&c->s->storage, lba * BLOCK + c->moved, p, len);
	}
}

static void do_read(struct command *c)
{
	transfer(c, false);
}

static void do_write(struct command *c)
{
	transfer(c, true);
}

static void do_sync(struct command *c)
{
	uint64_t lba, n;

	take_range(c, &lba, &n);
}

#define ANYWHERE	(1u << NO_UNIT | 1u << DISK | 1u << WELL_KNOWN)

static const struct {
	uint8_t opcode;
	unsigned units;			/* where it is known */
	void (*fn)(struct command *c);
} commands[] = {
	{ 0x00, 1u << DISK | 1u << WELL_KNOWN, do_nothing },	/* TEST UNIT READY */
	{ 0x03, ANYWHERE, do_request_sense },
	{ 0x12, ANYWHERE, do_inquiry },
	{ 0x25, 1u << DISK, do_read_capacity },
	{ 0x28, 1u << DISK, do_read },
	{ 0x2a, 1u << DISK, do_write },
	{ 0x35, 1u << DISK, do_sync },
	{ 0x88, 1u << DISK, do_read },
	{ 0x8a, 1u << DISK, do_write },
	{ 0x91, 1u << DISK, do_sync },
	{ 0x9e, 1u << DISK, do_service_in },
	{ 0xa0, ANYWHERE, do_report_luns },
};

static void do_command(struct command *c)
{
	if (c->unit == NO_TARGET) {
		c->response = VIRTIO_SCSI_S_BAD_TARGET;
		return;
	}
	if (c->out_len && c->in_len) {		/* SCSI-REQ-DEV-02: there is no INOUT */
		c->response = VIRTIO_SCSI_S_FAILURE;
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (commands[i].opcode == c->cdb[0] && commands[i].units & 1u << c->unit) {
			commands[i].fn(c);
			return;
		}
	}
	check_condition(c, c->unit == NO_UNIT ? NO_SUCH_UNIT : INVALID_OPCODE);
}

/* The response and the room for sense data: fixed format, as much of its 18 bytes as there is room for. */
static void respond(const struct command *c, struct kc_ref_chain *chain)
{
	struct kc_ref_cursor at = kc_ref_cursor_at(&chain->in, 0);
	uint32_t n = c->s->sense_size < 18 ? c->s->sense_size : 18;
	struct virtio_scsi_cmd_resp resp = {
		.sense_len = htole32(c->status == CHECK_CONDITION ? n : 0),
		.resid = htole32((uint32_t)(c->out_len + c->in_len - c->moved)),
		.status = c->status,
		.response = c->response,
	};
	uint8_t sense[SENSE_MAX] = { 0 };

	if (c->status == CHECK_CONDITION) {
		sense[0] = 0x70;
		sense[2] = c->key;
		sense[7] = 10;
		sense[12] = c->asc;
	}
	kc_ref_cursor_write(&at, &resp, RESPONSE);
	kc_ref_cursor_write(&at, sense, c->s->sense_size);
}

static uint32_t process_request(struct scsi *s, struct kc_ref_chain *chain)
{
	uint32_t header = HEADER + s->cdb_size, response = RESPONSE + s->sense_size;
	struct command c = { .s = s, .status = GOOD, .response = VIRTIO_SCSI_S_OK };
	uint8_t head[HEADER];

	/* No whole request, or no room for a response: the buffer goes back as it is. */
	if (chain->out.len < header || chain->in.len < response)
		return 0;
	c.out = kc_ref_cursor_at(&chain->out, 0);
	c.in = kc_ref_cursor_at(&chain->in, response);
	c.out_len = chain->out.len - header;
	c.in_len = chain->in.len - response;
	kc_ref_cursor_read(&c.out, head, sizeof(head));
	kc_ref_cursor_read(&c.out, c.cdb, s->cdb_size);
	c.unit = find_unit(head);
	do_command(&c);
	respond(&c, chain);
	return response + (uint32_t)(c.in_len ? c.moved : 0);
}

/* ---- control ---- */

static uint8_t manage(const uint8_t *lun, uint32_t subtype)
{
	enum unit unit = find_unit(lun);

	if (unit == NO_TARGET || unit == WELL_KNOWN)
		return VIRTIO_SCSI_S_BAD_TARGET;
	if (subtype > VIRTIO_SCSI_T_TMF_QUERY_TASK_SET)
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	if (unit == NO_UNIT && subtype != VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET)
		return VIRTIO_SCSI_S_INCORRECT_LUN;
	return VIRTIO_SCSI_S_OK;		/* FUNCTION COMPLETE: no task is left */
}

/* Of an unknown type nothing is known but that it wants an answer: all of it is filled with one. */
static uint32_t refuse_control(struct kc_ref_chain *chain)
{
	struct kc_ref_cursor c = kc_ref_cursor_at(&chain->in, 0);

	kc_ref_cursor_fill(&c, VIRTIO_SCSI_S_FAILURE, chain->in.len);
	return (uint32_t)chain->in.len;
}

static uint32_t process_control(struct kc_ref_chain *chain)
{
	struct kc_ref_cursor out = kc_ref_cursor_at(&chain->out, 0), in = kc_ref_cursor_at(&chain->in, 0);
	struct virtio_scsi_ctrl_tmf_req tmf = { 0 };
	struct virtio_scsi_ctrl_an_req an;
	struct virtio_scsi_ctrl_an_resp events = { 0 };
	uint64_t n = kc_ref_cursor_read(&out, &tmf, sizeof(tmf));
	uint32_t type = le32toh(tmf.type);
	uint8_t response;

	if (type == VIRTIO_SCSI_T_TMF && n == sizeof(tmf)) {
		response = manage(tmf.lun, le32toh(tmf.subtype));
		return (uint32_t)kc_ref_cursor_write(&in, &response, sizeof(response));
	}
	if ((type != VIRTIO_SCSI_T_AN_QUERY && type != VIRTIO_SCSI_T_AN_SUBSCRIBE) || n < sizeof(an))
		return refuse_control(chain);
	memcpy(&an, &tmf, sizeof(an));
	if (find_unit(an.lun) == NO_TARGET)
		events.response = VIRTIO_SCSI_S_BAD_TARGET;
	return (uint32_t)kc_ref_cursor_write(&in, &events, sizeof(events));
}

static uint32_t scsi_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	return qi < FIRST_REQUESTS ? process_control(chain) : process_request(scsi_of(r), chain);
}

static bool scsi_ready(struct kc_ref *r, unsigned qi)
{
	(void)r;
	return qi != 1;			/* no event ever comes */
}

const struct kc_ref_device kc_ref_scsi = {
	.name = "scsi",
	.queues = 4,
	.config_len = sizeof(struct virtio_scsi_config),
	.open = scsi_open,
	.close = scsi_close,
	.reset = scsi_reset,
	.config_read = scsi_config_read,
	.config_write = scsi_config_write,
	.process = scsi_process,
	.ready = scsi_ready,
};
