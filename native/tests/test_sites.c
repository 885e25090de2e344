/* SPDX-License-Identifier: MIT */
/* Names of recorded places, and pieces that are none. */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "sample.h"
#include "symbols/elf_file.h"
#include "symbols/sites.h"

struct piece {
	struct rn_source head;
	uint64_t places[RN_SOURCE_PLACES + 1];
	const char *path;
	uint32_t cut; /* bytes that are missing at the end */
};

static const struct rn_site *look(struct rn_sites *sites, const struct piece *piece)
{
	static struct sample s;
	static uint8_t bytes[sizeof(*piece) + 8192];
	size_t len = sizeof(piece->head), n = piece->head.count;

	if (n > RN_SOURCE_PLACES + 1)
		n = RN_SOURCE_PLACES + 1;
	memcpy(bytes, &piece->head, len);
	memcpy(bytes + len, piece->places, n * sizeof(uint64_t));
	len += n * sizeof(uint64_t);
	memcpy(bytes + len, piece->path, strlen(piece->path));
	len += strlen(piece->path) - piece->cut;
	sample(&s, "getpid", ARGS(0));
	sample_piece(&s, RN_PIECE_SOURCE, RN_PIECE_NO_ARG, bytes, (uint32_t)len, len, 0);
	return rn_sites_look(sites, &s.call);
}

static struct piece piece_of(const char *path)
{
	return (struct piece){
		.head = {.how = RN_SOURCE_CFI, .count = 1, .path_len = (uint32_t)strlen(path)},
		.places = {0x1234},
		.path = path,
	};
}

static void test_what_is_no_piece(struct rn_sites *sites)
{
	struct piece piece = piece_of("/nonexistent/program");
	const struct rn_site *site = look(sites, &piece);

	CHECK(site && site->id);
	CHECK_INT(site->offset, 0x1234);
	CHECK_STR(site->module, "/nonexistent/program");
	CHECK_STR(site->file, "");
	CHECK_STR(site->function, "");
	CHECK(look(sites, &piece) == site);
	piece.cut = 1;
	CHECK(!look(sites, &piece));
	piece.cut = 0;
	piece.head.path_len = UINT32_MAX;
	CHECK(!look(sites, &piece));
	piece = piece_of("/nonexistent/program");
	piece.head.count = RN_SOURCE_PLACES + 1;
	CHECK(!look(sites, &piece));
	piece = piece_of("/nonexistent/program");
	piece.head.id_len = RN_BUILD_ID_MAX + 1;
	CHECK(!look(sites, &piece));
	piece.head.id_len = 0;
	piece.head.how = 0;
	CHECK(!look(sites, &piece));
	piece.head.how = RN_SOURCE_ABI + 1;
	CHECK(!look(sites, &piece));
}

static void test_ways_without_a_place(struct rn_sites *sites)
{
	for (uint8_t how = RN_SOURCE_NONE; how <= RN_SOURCE_ABI; how++) {
		struct piece piece = {.head = {.how = how}, .path = ""};
		const struct rn_site *site = look(sites, &piece);

		CHECK(site);
		CHECK_INT(site->how, how);
		CHECK_STR(site->module, "");
	}
}

/* Nobody waits for them: not for who opens a FIFO's other end, nor for a terminal. */
static void test_files_that_are_none(struct rn_sites *sites)
{
	char folder[] = "/tmp/sites-XXXXXX", fifo[64];
	struct piece piece;

	CHECK(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	CHECK_INT(mkfifo(fifo, 0600), 0);
	piece = piece_of(fifo);
	CHECK_STR(look(sites, &piece)->function, "");
	unlink(fifo);
	rmdir(folder);
	piece = piece_of("/dev/zero");
	CHECK_STR(look(sites, &piece)->function, "");
	piece = piece_of("relative");
	CHECK_STR(look(sites, &piece)->module, "relative");
}

/* With -g0, as the wheel's compiler is called, clang makes no lines, though -g follows. */
#ifdef __clang__
#define LINES_MAY_LACK true
#else
#define LINES_MAY_LACK false
#endif

static void known_by_this_test(void)
{
}

/* Its own file, by its inode: where it is said to be this function, it is. */
static void test_own_function(struct rn_sites *sites)
{
	char path[PATH_MAX] = "", line[PATH_MAX + 128];
	uint64_t here = (uintptr_t)known_by_this_test;
	const struct rn_site *site;
	struct elf_file elf;
	struct piece piece;
	struct stat st;
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;

	CHECK(maps && readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	CHECK_INT(stat(path, &st), 0);
	piece = piece_of(path);
	piece.head.inode = st.st_ino;
	while (!found && fgets(line, sizeof(line), maps)) {
		unsigned long long from, to, offset;

		found = sscanf(line, "%llx-%llx %*s %llx", &from, &to, &offset) == 3 &&
			here >= from && here < to;
		piece.places[0] = here - from + offset;
	}
	fclose(maps);
	CHECK(found);
	CHECK(rn_elf_open(path, &elf));
	piece.head.id_len = elf.id_len;
	memcpy(piece.head.id, elf.id, elf.id_len);
	rn_elf_close(&elf);
	site = look(sites, &piece);
	CHECK_STR(site->function, "known_by_this_test");
	if (!LINES_MAY_LACK || *site->file)
		CHECK(strstr(site->file, "test_sites.c") && site->line > 100);
	/* Another file by its id, or one without by its inode. */
	piece.head.id[0] ^= 1;
	piece.head.inode++;
	CHECK_STR(look(sites, &piece)->function, "");
}

/* More places than are kept are told by their files. */
static void test_many(struct rn_sites *sites)
{
	struct piece piece = piece_of("/nonexistent/many");
	unsigned kept = 0;

	for (uint64_t i = 0; i < 70000; i++) {
		const struct rn_site *site;

		piece.places[0] = i;
		site = look(sites, &piece);
		CHECK(site);
		CHECK_INT(site->offset, i);
		CHECK_STR(site->module, "/nonexistent/many");
		kept += site->id != 0;
	}
	CHECK(kept > 60000 && kept < 65537);
}

int main(void)
{
	struct rn_sites *sites = rn_sites_create();

	CHECK(sites);
	test_what_is_no_piece(sites);
	test_ways_without_a_place(sites);
	test_files_that_are_none(sites);
	test_own_function(sites);
	test_many(sites);
	rn_sites_destroy(sites);
	return check_done();
}
