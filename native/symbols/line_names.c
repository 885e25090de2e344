/* SPDX-License-Identifier: MIT */
/* Names of source files in the tables of a unit (DWARF 5, 6.2.4.1; DWARF 4, 6.2.4). */
#include <string.h>

#include "lines_private.h"

#define FORMATS_MAX 16u

enum { FORM_STRING = 0x08, FORM_STRP = 0x0e, FORM_LINE_STRP = 0x1f };
enum { CONTENT_PATH = 1, CONTENT_DIRECTORY = 2 };

/* A name, in the tables or elsewhere. */
struct name {
	bool known;
	char text[LINE_PATH_MAX];
};

struct entry {
	struct name *name; /* NULL: not asked for */
	uint64_t folder;
};

static void take_form(const struct elf_file *file, const struct line_unit *unit,
		      struct rn_cursor *c, uint64_t form, struct name *name, uint64_t *number)
{
	const struct elf_part *part = form == FORM_STRP ? &file->strings : &file->line_strings;
	const char *text;
	uint64_t value;

	switch (form) {
	case FORM_STRING:
		text = rn_cursor_string(c);
		if (name && text && strlen(text) < sizeof(name->text)) {
			strcpy(name->text, text);
			name->known = true;
		}
		return;
	case FORM_STRP:
	case FORM_LINE_STRP:
		value = rn_cursor_unsigned(c, unit->offset_size);
		if (name && !c->bad)
			name->known =
				rn_elf_string(file, part, value, name->text, sizeof(name->text));
		return;
	case 0x0b: /* data1 */
	case 0x25: /* strx1 */
		*number = rn_cursor_unsigned(c, 1);
		return;
	case 0x05: /* data2 */
	case 0x26: /* strx2 */
		*number = rn_cursor_unsigned(c, 2);
		return;
	case 0x06: /* data4 */
	case 0x28: /* strx4 */
		*number = rn_cursor_unsigned(c, 4);
		return;
	case 0x07: /* data8 */
		*number = rn_cursor_unsigned(c, 8);
		return;
	case 0x1e: /* data16 */
		rn_cursor_take(c, 16);
		return;
	case 0x0f: /* udata */
	case 0x1a: /* strx */
		*number = rn_cursor_uleb(c);
		return;
	case 0x09: /* block */
		rn_cursor_take(c, rn_cursor_uleb(c));
		return;
	default:
		c->bad = true;
	}
}

/* A table of DWARF 5: its entry `want`, if there is one; the cursor goes behind it. */
static void take_table(const struct elf_file *file, const struct line_unit *unit,
		       struct rn_cursor *c, uint64_t want, struct entry *entry)
{
	uint64_t contents[FORMATS_MAX], forms[FORMATS_MAX], count;
	unsigned formats = (unsigned)rn_cursor_unsigned(c, 1);

	if (formats > FORMATS_MAX)
		c->bad = true;
	for (unsigned i = 0; i < formats && !c->bad; i++) {
		contents[i] = rn_cursor_uleb(c);
		forms[i] = rn_cursor_uleb(c);
	}
	count = rn_cursor_uleb(c);
	if (formats == 0)
		return;
	for (uint64_t at = 0; at < count && !c->bad && rn_cursor_left(c); at++)
		for (unsigned i = 0; i < formats; i++) {
			bool path = contents[i] == CONTENT_PATH && at == want;
			uint64_t number = 0;

			take_form(file, unit, c, forms[i], path ? entry->name : NULL, &number);
			if (contents[i] == CONTENT_DIRECTORY && at == want)
				entry->folder = number;
		}
}

/* The same before DWARF 5: lists, each ended by an empty name, from 1 on. */
static void take_list(struct rn_cursor *c, bool files, uint64_t want, struct entry *entry)
{
	for (uint64_t at = 1; !c->bad; at++) {
		const char *text = rn_cursor_string(c);
		uint64_t folder;

		if (!text || !*text)
			return;
		folder = files ? rn_cursor_uleb(c) : 0;
		if (files) {
			rn_cursor_uleb(c); /* time… */
			rn_cursor_uleb(c); /* …and size */
		}
		if (at != want || !entry->name)
			continue;
		entry->folder = folder;
		entry->name->known = strlen(text) < sizeof(entry->name->text);
		if (entry->name->known)
			strcpy(entry->name->text, text);
	}
}

static void look_up(const struct elf_file *file, const struct line_unit *unit, bool files,
		    uint64_t want, struct entry *entry)
{
	struct rn_cursor c = unit->tables;
	struct entry skipped = {.name = NULL};

	entry->name->known = false;
	if (unit->version == 5) {
		if (files)
			take_table(file, unit, &c, UINT64_MAX, &skipped);
		take_table(file, unit, &c, want, entry);
	} else {
		if (files)
			take_list(&c, false, 0, &skipped);
		take_list(&c, files, want, entry);
	}
}

/* `folder`/`path` in place of `path`, unless that begins at the root. */
static void prepend(char *path, const char *folder)
{
	size_t len = strlen(path), more = strlen(folder);

	if (*path == '/' || more == 0 || len + more + 2 > LINE_PATH_MAX)
		return;
	memmove(path + more + 1, path, len + 1);
	memcpy(path, folder, more);
	path[more] = '/';
}

/* Without "." and what ".." takes back. */
static void tidy(char *path)
{
	char *to = path;
	const char *from = path;
	bool root = *path == '/';

	while (*from) {
		const char *end = strchrnul(from, '/');
		size_t len = (size_t)(end - from);
		char *last = to > path ? memrchr(path, '/', (size_t)(to - path)) : NULL;
		char *word = last ? last + 1 : path;

		if (len == 2 && memcmp(from, "..", 2) == 0 && to > path + root &&
		    !(to - word == 2 && memcmp(word, "..", 2) == 0)) {
			to = last ? last : path;
		} else if (len && !(len == 1 && *from == '.')) {
			if (to > path || root)
				*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from = *end ? end + 1 : end;
	}
	if (to == path && root)
		*to++ = '/';
	*to = 0;
}

bool rn_lines_name_file(const struct elf_file *file, const struct line_unit *unit, uint64_t number,
			struct line_found *found)
{
	struct name name = {.known = false};
	struct entry entry = {.name = &name};
	uint64_t folder;

	look_up(file, unit, true, number, &entry);
	if (!name.known || !*name.text)
		return false;
	strcpy(found->path, name.text);
	folder = entry.folder;
	look_up(file, unit, false, folder, &entry);
	if (name.known && (folder || unit->version == 5))
		prepend(found->path, name.text);
	found->below = 0;
	if (unit->version == 5) {
		if (folder)
			look_up(file, unit, false, 0, &entry);
		if (name.known) {
			prepend(found->path, name.text);
			tidy(name.text);
		}
	}
	tidy(found->path);
	if (unit->version == 5 && name.known) {
		size_t len = strlen(name.text);

		if (len && strncmp(found->path, name.text, len) == 0 && found->path[len] == '/')
			found->below = len + 1;
	}
	return true;
}
