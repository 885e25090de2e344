/* SPDX-License-Identifier: MIT */
/* Where paths of a thread lead: here, of this process itself. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "engine/place.h"

static char room[] = "/tmp/renacer-place-XXXXXX";
static char root[PATH_MAX]; /* room, as the kernel calls it */

static bool leads(const char *path, bool end, char to[RN_PLACE_MAX])
{
	static struct place place;
	char copy[PATH_MAX];
	struct stat st;

	CHECK(strlen(path) < sizeof(copy));
	strcpy(copy, path);
	if (!rn_place_find(getpid(), open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), copy, end,
			   &place))
		return false;
	CHECK(fstat(place.folder, &st) == 0 && S_ISDIR(st.st_mode));
	close(place.folder);
	strcpy(to, place.path);
	return true;
}

static void is_at(const char *path, bool end, const char *wanted)
{
	char to[RN_PLACE_MAX], whole[RN_PLACE_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, wanted);
	CHECK(leads(path, end, to));
	CHECK(strcmp(to, whole) == 0);
}

static void test_names(void)
{
	is_at("f", false, "/f");
	is_at("not-there", true, "/not-there");
	is_at("./d/../f", true, "/f");
	is_at("d/", false, "/d");
	is_at(".", false, "");
	is_at("d/..", false, "");
	is_at("d/./.", false, "/d");
}

static void test_links(void)
{
	is_at("link", false, "/link");
	is_at("link", true, "/d");
	is_at("link/g", true, "/d/g");
	is_at("link/g", false, "/d/g");
	is_at("dangling", true, "/d/new");
	is_at("dangling", false, "/dangling");
	is_at("absolute", true, "/d/h");
}

static void test_nowhere(void)
{
	char to[RN_PLACE_MAX], longer[PATH_MAX];

	CHECK(!leads("none/f", true, to));
	CHECK(!leads("f/g", true, to));
	CHECK(!leads("loop", true, to));
	CHECK(!leads("/proc/self/fd/0", true, to));
	CHECK(!leads("/dev/stdout", true, to));
	CHECK(!leads("/proc/self/status", false, to));
	memset(longer, 'x', NAME_MAX + 1);
	longer[NAME_MAX + 1] = 0;
	CHECK(!leads(longer, true, to));
	for (size_t i = 0; i + 1 < sizeof(longer); i++)
		longer[i] = i % 2 ? '/' : '.';
	longer[sizeof(longer) - 1] = 0;
	is_at(longer, true, "");
	CHECK(leads("/", true, to) && strcmp(to, "/") == 0);
	CHECK(leads("/x", true, to) && strcmp(to, "/x") == 0);
	CHECK(!rn_place_find(getpid(), -1, strcpy(longer, "f"), true, &(struct place){0}));
}

int main(void)
{
	char absolute[PATH_MAX + 8];

	CHECK(mkdtemp(room) && chdir(room) == 0 && getcwd(root, sizeof(root)));
	snprintf(absolute, sizeof(absolute), "%s/d/h", root);
	CHECK(mkdir("d", 0755) == 0);
	close(open("f", O_WRONLY | O_CREAT, 0600));
	CHECK(symlink("d", "link") == 0 && symlink("link/new", "dangling") == 0);
	CHECK(symlink(absolute, "absolute") == 0 && symlink("loop", "loop") == 0);
	test_names();
	test_links();
	test_nowhere();
	CHECK(unlink("f") == 0 && unlink("link") == 0 && unlink("dangling") == 0);
	CHECK(unlink("absolute") == 0 && unlink("loop") == 0 && rmdir("d") == 0);
	CHECK(chdir("/") == 0 && rmdir(root) == 0);
	return check_done();
}
