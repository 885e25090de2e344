/* SPDX-License-Identifier: MIT */
/* Arguments of a call as attributes: part of span_walk.h. */

/* The captured data of an argument, or NULL if there is none that can be used. */
static const struct rn_piece *walk_piece(const struct rn_call *call, unsigned arg, unsigned type,
					 unsigned other)
{
	const struct rn_piece *piece = rn_call_piece(call, arg);

	if (!piece || piece->flags & RN_PIECE_UNREAD ||
	    (piece->type != type && piece->type != other))
		return NULL;
	return piece;
}

/* A string; what is missing of it may make half a secret of it. */
static void walk_captured(struct writer *w, const char *key, size_t key_len,
			  const struct rn_piece *piece)
{
	if (w->redact)
		w->redact->cut = piece->flags & RN_PIECE_CUT;
	attr_bytes(w, key, key_len, rn_piece_data(piece), piece->len);
}

static void walk_argv(struct writer *w, const char *key, size_t key_len,
		      const struct rn_piece *piece)
{
	const uint8_t *data = rn_piece_data(piece), *end = data + piece->len;
	struct rn_budget *budget = &w->budget;
	const struct rn_budget before = *budget;
	size_t start = before.left < RN_ARRAY_MAX ? before.left : RN_ARRAY_MAX;
	struct rn_words words = {0};
	uint64_t count = 0;
	size_t used;

	if (!rn_bounds_take(&w->bounds))
		return;
	/* The sign of the cut is kept back. */
	start -= start < RN_MORE_COST ? start : RN_MORE_COST;
	*budget = (struct rn_budget){.left = start, .cut = false};
	array_open(w, key, key_len);
	while (data < end && budget->left >= RN_ITEM_COST && !budget->cut) {
		const uint8_t *nul = memchr(data, 0, (size_t)(end - data));
		size_t len = (size_t)((nul ? nul : end) - data), item_len = len;
		const void *item;

		budget->left -= RN_ITEM_COST;
		if (w->redact)
			w->redact->cut = piece->flags & RN_PIECE_CUT && data + len + 1 >= end;
		item = rn_redact_word(w->redact, &words, data, &item_len);
		array_item(w, item, item_len);
		count++;
		data += len + (nul != NULL);
	}
	used = start - budget->left;
	if (data < end || count < piece->total || piece->flags & RN_PIECE_CUT)
		budget->cut = true;
	if (budget->cut && w->bounds.limits->value_length) {
		array_more(w);
		used += RN_MORE_COST;
	}
	array_close(w);
	budget->left = before.left > used ? before.left - used : 0;
	budget->cut |= before.cut;
}

/* Room that it may take to write one; what needs more is an address. */
#define RN_SHOWN_ROOM (2u * 1024u * 1024u)

/* What is more than a number or a string; payload only where that is asked for. */
static bool walk_is_shown(const struct rn_meaning *meaning, bool payload)
{
	switch (meaning->kind) {
	case RN_ARG_SIZED_IN:
	case RN_ARG_STRUCT_IN:
	case RN_ARG_STRUCT_OUT:
	case RN_ARG_STRUCT_INOUT:
	case RN_ARG_REMAINDER:
	case RN_ARG_CLONE_ARGS:
	case RN_ARG_WAIT_STATUS:
	case RN_ARG_FD_PAIR_OUT:
	case RN_ARG_ARRAY_IN:
	case RN_ARG_ARRAY_OUT:
	case RN_ARG_ARRAY_FILLED:
	case RN_ARG_POLLFDS:
	case RN_ARG_FDSET:
	case RN_ARG_SIGMASK_ARG:
	case RN_ARG_SOCKADDR_IN:
	case RN_ARG_SOCKADDR_OUT:
	case RN_ARG_LENGTH_INOUT:
	case RN_ARG_VALUE_IN:
	case RN_ARG_VALUE_OUT:
	case RN_ARG_DIRENTS_OUT:
	case RN_ARG_IOVEC_IN:
	case RN_ARG_IOVEC_OUT:
	case RN_ARG_MSG_IN:
	case RN_ARG_MSG_OUT:
	case RN_ARG_MMSG_IN:
	case RN_ARG_MMSG_OUT:
		return true;
	case RN_ARG_BUF_IN:
	case RN_ARG_BUF_OUT:
		return payload || meaning->form == RN_SHAPE_CPUS;
	default:
		return false;
	}
}

/* Room for one at a time; 0: there is none to be shown. */
static size_t walk_room(const struct rn_trace *trace, const struct rn_call *call)
{
	const struct rn_event *events[] = {call->entry, call->exit};
	bool any = false;
	size_t room;

	for (unsigned i = 0; i < 2 && !any; i++) {
		const struct rn_piece *piece = NULL;

		if (events[i] && events[i]->pieces)
			piece = rn_piece_first(events[i]);
		for (; piece && !any; piece = rn_piece_next(events[i], piece))
			any = piece->type == RN_PIECE_STRUCT ||
			      (trace->payload && piece->type == RN_PIECE_BUFFER) ||
			      (piece->arg < call->desc->nargs &&
			       call->desc->args[piece->arg].form == RN_SHAPE_CPUS);
	}
	if (!any)
		return 0;
	room = rn_call_room(call) + sizeof(RN_MORE);
	return room <= RN_SHOWN_ROOM ? room : 0;
}

/*
 * As a line of text has it; payload that is not asked for is an address. False: there is not
 * room, or nothing was captured.
 */
static bool walk_shown(struct writer *w, const char *key, size_t key_len,
		       const struct rn_trace *trace, const struct rn_call *call, unsigned arg)
{
	const struct rn_style style = rn_style_of(trace);
	const struct rn_piece *piece = rn_call_piece(call, arg);
	size_t room = piece && call->args[arg] ? walk_room(trace, call) : 0, len;
	char *text = NULL, cut[RN_SHOWN_MAX + sizeof(RN_MORE)];
	const char *shown;

	if (room && w->budget.left >= RN_SHOWN_MAX + sizeof(RN_MORE))
		text = scratch(w, room);
	if (!text)
		return false;
	len = (size_t)(rn_write_arg(text, call, arg, &style) - text);
	shown = rn_redact_shown(w->redact, text, &len);
	if (len > RN_SHOWN_MAX) {
		len = RN_SHOWN_MAX;
		memcpy(cut, shown, len);
		shown = cut;
		memcpy(cut + len, RN_MORE, sizeof(RN_MORE) - 1);
		len += sizeof(RN_MORE) - 1;
		w->budget.cut = true;
	}
	w->budget.left -= len;
	attr_text(w, key, key_len, shown, len);
	return true;
}

static void walk_arg(struct writer *w, const struct rn_trace *trace, const struct rn_call *call,
		     unsigned arg)
{
	const struct rn_arg_desc *desc = &call->desc->args[arg];
	size_t name_len = strnlen(desc->name, RN_KEY_MAX - 13);
	uint64_t value = call->args[arg];
	const struct rn_piece *piece;
	char key[RN_KEY_MAX];
	size_t len = 13 + name_len;
	bool narrow = call->abi == RN_ABI_I386 || call->abi == RN_ABI_ARM;
	struct rn_meaning meaning;
	uint64_t count;

	if (rn_arg_is_void(call, arg))
		return;
	memcpy(key, "syscall.args.", 13);
	memcpy(key + 13, desc->name, name_len);
	rn_arg_meaning(call, arg, &meaning);
	if (rn_meaning_named(&meaning)) {
		char names[RN_NAMES_MAX];

		attr_text(w, key, len, names,
			  (size_t)(rn_write_arg_names(names, call, arg, &meaning) - names));
		return;
	}
	switch (meaning.kind) {
	case RN_ARG_INT:
	case RN_ARG_FD:
	case RN_ARG_DIRFD:
	case RN_ARG_PID:
	case RN_ARG_ID:
		attr_int(w, key, len, (int32_t)value);
		return;
	case RN_ARG_LONG:
		attr_int(w, key, len, narrow ? (int32_t)value : (int64_t)value);
		return;
	case RN_ARG_UINT:
	case RN_ARG_MODE:
	case RN_ARG_MODE_TYPE:
		attr_int(w, key, len, (uint32_t)value);
		return;
	case RN_ARG_IOCTL: {
		char text[RN_NAMES_MAX];

		attr_text(w, key, len, text,
			  (size_t)(rn_write_arg(text, call, arg, &(const struct rn_style){0}) -
				   text));
		return;
	}
	case RN_ARG_RAW:
	case RN_ARG_ULONG:
	case RN_ARG_FLAGS:
		walk_unsigned(w, key, len, value);
		return;
	case RN_ARG_SIGNAL:
		walk_signal(w, key, len, (int32_t)value);
		return;
	case RN_ARG_PATH:
	case RN_ARG_STRING:
	case RN_ARG_PATH_OUT:
		piece = walk_piece(call, arg, RN_PIECE_PATH, RN_PIECE_STRING);
		if (!piece)
			break;
		walk_captured(w, key, len, piece);
		return;
	case RN_ARG_ARGV:
		piece = walk_piece(call, arg, RN_PIECE_ARGV, RN_PIECE_ARGV);
		if (!piece)
			break;
		walk_argv(w, key, len, piece);
		return;
	case RN_ARG_ENVP:
		piece = walk_piece(call, arg, RN_PIECE_ENVC, RN_PIECE_ENVC);
		if (!piece || piece->len < sizeof(count))
			break;
		memcpy(&count, rn_piece_data(piece), sizeof(count));
		attr_int(w, key, len, walk_count(count));
		return;
	default:
		if (walk_is_shown(&meaning, trace->payload) &&
		    walk_shown(w, key, len, trace, call, arg))
			return;
		break;
	}
	walk_hex(w, key, len, value);
}
