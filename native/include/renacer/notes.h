/* SPDX-License-Identifier: MIT */
/* Notes of an ELF file, as a segment or section holds them (elf(5)). */
#ifndef RENACER_NOTES_H
#define RENACER_NOTES_H

#include <elf.h>

#include "renacer/cursor.h"
#include "renacer/event.h"

/* The build id among them: how many bytes it has; 0 = there is none, or none as short. */
static inline uint8_t rn_notes_build_id(const uint8_t *notes, size_t len,
					uint8_t id[RN_BUILD_ID_MAX])
{
	struct rn_cursor c = rn_cursor_over(notes, len);

	while (rn_cursor_left(&c)) {
		uint64_t name_len = rn_cursor_unsigned(&c, 4);
		uint64_t data_len = rn_cursor_unsigned(&c, 4);
		uint64_t type = rn_cursor_unsigned(&c, 4);
		const uint8_t *name = rn_cursor_take(&c, (name_len + 3) & ~3ull);
		const uint8_t *data = rn_cursor_take(&c, (data_len + 3) & ~3ull);

		if (c.bad)
			return 0;
		if (type == NT_GNU_BUILD_ID && name_len == 4 && memcmp(name, "GNU", 4) == 0 &&
		    data_len && data_len <= RN_BUILD_ID_MAX) {
			memcpy(id, data, data_len);
			return (uint8_t)data_len;
		}
	}
	return 0;
}

#endif
