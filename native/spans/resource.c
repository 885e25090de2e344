/* SPDX-License-Identifier: MIT */
/* What a process publishes of itself; see resource.h. (protobuf.dev, "Encoding".) */
#include "resource.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 256u /* bytes of a value; longer ones are cut */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct bytes {
	const uint8_t *at, *end;
};

struct field {
	uint64_t number;
	unsigned type;
	struct bytes bytes; /* BYTES: its contents */
};

static bool varint(struct bytes *in, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool skip(struct bytes *in, uint64_t n, struct bytes *skipped)
{
	if (n > (size_t)(in->end - in->at))
		return false;
	skipped->at = in->at;
	in->at += n;
	skipped->end = in->at;
	return true;
}

/* 1 = a field, 0 = the end, -1 = not well-formed. */
static int next(struct bytes *in, struct field *field)
{
	uint64_t tag, n;
	bool good = false;

	if (in->at == in->end)
		return 0;
	if (!varint(in, &tag))
		return -1;
	field->number = tag >> 3;
	field->type = tag & 7;
	field->bytes = (struct bytes){NULL, NULL};
	switch (field->type) {
	case VARINT:
		good = varint(in, &n);
		break;
	case FIXED64:
		good = skip(in, 8, &field->bytes);
		break;
	case BYTES:
		good = varint(in, &n) && skip(in, n, &field->bytes);
		break;
	case FIXED32:
		good = skip(in, 4, &field->bytes);
		break;
	default:
		break;
	}
	return good ? 1 : -1;
}

static enum rn_resource_key key_of(const struct bytes *key)
{
	static const char *const keys[RN_RESOURCE_KEYS] = {
		[RN_RESOURCE_NAME] = "service.name",
		[RN_RESOURCE_NAMESPACE] = "service.namespace",
		[RN_RESOURCE_VERSION] = "service.version",
		[RN_RESOURCE_INSTANCE] = "service.instance.id",
	};
	size_t len = (size_t)(key->end - key->at);
	unsigned i = 0;

	while (i < RN_RESOURCE_KEYS &&
	       (len != strlen(keys[i]) || memcmp(key->at, keys[i], len) != 0))
		i++;
	return (enum rn_resource_key)i;
}

/* AnyValue: field 1 is a string. */
static bool string_of(struct bytes in, struct bytes *string)
{
	struct field field;
	int more;

	while ((more = next(&in, &field)) > 0)
		if (field.number == 1 && field.type == BYTES)
			*string = field.bytes;
	return more == 0;
}

/* KeyValue: key, value. */
static bool take_attribute(struct bytes in, char **values)
{
	struct bytes key = {NULL, NULL}, value = {NULL, NULL};
	enum rn_resource_key i;
	struct field field;
	size_t len;
	int more;

	while ((more = next(&in, &field)) > 0) {
		if (field.number == 1 && field.type == BYTES)
			key = field.bytes;
		else if (field.number == 2 && field.type == BYTES &&
			 !string_of(field.bytes, &value))
			return false;
	}
	if (more < 0)
		return false;
	i = key.at ? key_of(&key) : RN_RESOURCE_KEYS;
	if (i == RN_RESOURCE_KEYS || !value.at || value.at == value.end)
		return true;
	len = (size_t)(value.end - value.at);
	free(values[i]);
	values[i] = strndup((const char *)value.at, len < VALUE_MAX ? len : VALUE_MAX);
	return true;
}

/* Resource: field 1 is the attributes. */
static bool take_resource(struct bytes in, char **values)
{
	struct field field;
	int more;

	while ((more = next(&in, &field)) > 0)
		if (field.number == 1 && field.type == BYTES &&
		    !take_attribute(field.bytes, values))
			return false;
	return more == 0;
}

void rn_resource_clear(struct rn_process *process)
{
	for (unsigned i = 0; i < RN_RESOURCE_KEYS; i++) {
		free(process->resource[i]);
		process->resource[i] = NULL;
	}
}

bool rn_resource_take(struct rn_process *process, const uint8_t *data, size_t len)
{
	struct rn_process taken = {.resource = {NULL}};
	struct bytes in = {data, data + len};
	struct field field;
	int more;

	while ((more = next(&in, &field)) > 0) {
		if (field.number == 1 && field.type == BYTES &&
		    !take_resource(field.bytes, taken.resource)) {
			more = -1;
			break;
		}
	}
	if (more < 0) {
		rn_resource_clear(&taken);
		return false;
	}
	rn_resource_clear(process);
	memcpy(process->resource, taken.resource, sizeof(process->resource));
	return true;
}

const struct rn_piece *rn_resource_piece(const struct rn_event *ev)
{
	for (const struct rn_piece *p = rn_piece_first(ev); p; p = rn_piece_next(ev, p))
		if (p->type == RN_PIECE_RESOURCE)
			return p;
	return NULL;
}
