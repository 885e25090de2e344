/* SPDX-License-Identifier: MIT */
#include "functions.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_MAX (128u << 20) /* bytes of symbols; of more none is told */

static bool take(const Elf64_Sym *symbol, uint32_t place, struct function *function)
{
	static const uint8_t ranks[] = {[STB_LOCAL] = 2, [STB_GLOBAL] = 0, [STB_WEAK] = 1};
	unsigned type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_value == 0)
		return false;
	*function = (struct function){
		.address = symbol->st_value,
		.size = symbol->st_size,
		.name = symbol->st_name,
		.rank = (uint32_t)(bind < sizeof(ranks) ? ranks[bind] : 3) << 28 |
			(place & 0xfffffff),
	};
	return true;
}

static int in_order(const void *a, const void *b)
{
	const struct function *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return left->rank < right->rank ? -1 : left->rank > right->rank;
}

void rn_functions_index(const struct elf_file *file, struct function_index *index)
{
	Elf64_Sym *symbols = rn_elf_take(file, &file->symbols, SECTION_MAX);
	size_t n = symbols ? (size_t)file->symbols.size / sizeof(*symbols) : 0;

	*index = (struct function_index){.n = 0};
	index->functions = n ? malloc(n * sizeof(*index->functions)) : NULL;
	for (size_t i = 0; index->functions && i < n; i++)
		index->n += take(&symbols[i], (uint32_t)i, &index->functions[index->n]);
	free(symbols);
	if (index->n)
		qsort(index->functions, index->n, sizeof(*index->functions), in_order);
}

void rn_functions_free(struct function_index *index)
{
	free(index->functions);
	*index = (struct function_index){.n = 0};
}

/* What a compiler made of one function: "name.cold", "name.part.0", "name.constprop.0". */
static void cut_suffix(char *name)
{
	static const char *const words[] = {"cold", "part", "constprop", "isra", "lto_priv"};

	for (char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			size_t len = strlen(words[i]);

			if (dot > name && strncmp(dot + 1, words[i], len) == 0 &&
			    (dot[len + 1] == 0 || dot[len + 1] == '.')) {
				*dot = 0;
				return;
			}
		}
}

bool rn_functions_find(const struct elf_file *file, const struct function_index *index,
		       uint64_t address, char name[FUNCTION_NAME_MAX])
{
	const struct function *function;
	size_t low = 0, high = index->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	function = &index->functions[low - 1];
	while (function > index->functions && function[-1].address == function->address)
		function--;
	/* One of hand-written code may have no size: it goes on to the next one. */
	if (function->size && address - function->address >= function->size)
		return false;
	if (!rn_elf_string(file, &file->names, function->name, name, FUNCTION_NAME_MAX) || !*name)
		return false;
	cut_suffix(name);
	return true;
}
