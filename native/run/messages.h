/* SPDX-License-Identifier: MIT */
/* Messages of sendmsg(2), recvmsg(2) and their like, as records have them; inner part of the replay. */
#ifndef RENACER_RUN_MESSAGES_H
#define RENACER_RUN_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "renacer/event.h"

struct rn_call;
struct rn_peer;

/* Whom the call's first message names: whom it goes to, or came from. false: nobody. */
bool rn_message_peer(const struct rn_call *call, struct rn_peer *peer);
/* The descriptors that messages pass on (SCM_RIGHTS), by a record of the call's entry; the first
   `max`. Returns how many these are. */
unsigned rn_message_rights(const struct rn_event *ev, int32_t *fds, unsigned max);

#endif
