/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_SERVER_H
#define BACKEND_SERVER_H

#include <backend/channel.h>
#include <backend/reference/ref.h>

/*
 * A small vhost-user server around the reference back-end: reads messages from a channel, lets the
 * reference carry them out, writes replies and acks.
 */
struct kc_server;

/* Borrows ref, takes ch. */
struct kc_server *kc_server_new(struct kc_ref *ref, struct kc_channel *ch, struct kc_err *err);
void kc_server_free(struct kc_server *s);
/* One message or one piece of ring work: 1 something was done, 0 idle, -EPIPE the session is
 * over. */
int kc_server_step(struct kc_server *s);
/* Serves until the front-end goes away or stop_fd (-1: none) becomes readable: 0. -errno. */
int kc_server_run(struct kc_server *s, int stop_fd);

/*
 * What any carrier of the reference does with one request: lets ref carry it out and applies the
 * rules of replies and acks. Takes what ref takes of req. *answer is initialised, and the
 * caller's. 1 *answer is due, 0 no answer is, -EPIPE the connection must be closed.
 */
int kc_server_answer(struct kc_ref *ref, struct kc_msg *req, struct kc_msg *answer);

#endif
