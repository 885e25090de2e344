/* SPDX-License-Identifier: MIT */
/* The ring: making and refusing it, going round, fullness, and content that lies. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringtool.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SIZE RN_RING_MIN

static _Alignas(8) uint8_t buf[RN_EVENT_MAX];
static _Alignas(8) uint8_t big[4 * RN_EVENT_MAX];

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static unsigned mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[1024];
	unsigned n = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "renacer-ring") != NULL;
	fclose(file);
	return n;
}

static void test_create(void)
{
	static const uint64_t sizes[][2] = {
		{0, SIZE}, {1, SIZE}, {SIZE, SIZE}, {SIZE + 1, 2 * SIZE}, {3 * SIZE, 4 * SIZE}};
	unsigned files = open_files();
	struct rn_ring ring;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_INT(rn_ring_create(&ring, sizes[i][0]), RN_RING_OK);
		CHECK_INT(ring.size, sizes[i][1]);
		CHECK_INT(ring.control->size, sizes[i][1]);
		CHECK_INT(lseek(ring.fd, 0, SEEK_END), RN_RING_CONTROL + sizes[i][1]);
		CHECK_INT(fcntl(ring.fd, F_GET_SEALS) & SEALS, SEALS);
		CHECK_INT(ftruncate(ring.fd, 0), -1);
		CHECK_INT(ftruncate(ring.fd, 1 << 30), -1);
		CHECK(fcntl(ring.fd, F_GETFD) & FD_CLOEXEC);
		/* The two mappings show the same bytes. */
		ring.data[5] = 77;
		CHECK_INT(ring.data[ring.size + 5], 77);
		ring.data[2 * ring.size - 1] = 78;
		CHECK_INT(ring.data[ring.size - 1], 78);
		rn_ring_deinit(&ring);
		CHECK_INT(ring.fd, -1);
		rn_ring_deinit(&ring); /* twice does no harm */
	}
	CHECK_INT(open_files(), files);
	CHECK_INT(mappings(), 0);
}

/* Both ends in one process need no seals; a consumer elsewhere refuses such a ring. */
static void test_unsealed(void)
{
	unsigned files = open_files();
	struct rn_ring ring, end;

	CHECK_INT(rn_ring_create_unsealed(&ring, SIZE), RN_RING_OK);
	CHECK_INT(fcntl(ring.fd, F_GET_SEALS), F_SEAL_SEAL); /* no more can be added */
	CHECK_INT(rn_ring_attach(&end, ring.fd), RN_RING_NOT_SEALED);
	CHECK_INT(rn_ring_attach_unsealed(&end, ring.fd), RN_RING_OK);
	CHECK_INT(end.size, SIZE);
	CHECK_INT(rn_ring_read(&end, buf, sizeof(buf)), 0);
	rn_ring_deinit(&end);
	rn_ring_deinit(&ring);
	CHECK_INT(open_files(), files);
	CHECK_INT(mappings(), 0);
}

static void test_create_without_memory(void)
{
	struct rlimit before, none = {4096, RLIM_INFINITY};
	unsigned files = open_files();
	struct rn_ring ring;

	CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &none), 0);
	errno = 0;
	CHECK_INT(rn_ring_create(&ring, SIZE), RN_RING_SYSTEM);
	CHECK_INT(errno, EFBIG);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
	CHECK_INT(ring.fd, -1);
	rn_ring_deinit(&ring);
	CHECK_INT(open_files(), files);
}

/* A memfd with these bytes of length and these seals, and a header for `size`. */
static int made_up(off_t len, int seals, uint64_t size)
{
	struct rn_ring_control control = {
		.magic = RN_RING_MAGIC,
		.version = RN_RING_VERSION,
		.control_size = RN_RING_CONTROL,
		.size = size,
	};
	int fd = memfd_create("renacer-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, len), 0);
	if (len >= (off_t)sizeof(control))
		CHECK_INT(pwrite(fd, &control, sizeof(control), 0), sizeof(control));
	CHECK_INT(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void refuse(int fd, int code)
{
	struct rn_ring ring;

	CHECK_INT(rn_ring_attach(&ring, fd), code);
	CHECK_INT(ring.fd, -1);
	CHECK(ring.control == NULL);
	rn_ring_deinit(&ring);
	if (fd >= 0)
		close(fd);
}

static void refuse_header(size_t at, const void *bytes, size_t len)
{
	int fd = made_up(RN_RING_CONTROL + SIZE, SEALS, SIZE);

	CHECK_INT(pwrite(fd, bytes, len, (off_t)at), len);
	refuse(fd, RN_RING_BAD_HEADER);
}

static void test_attach(void)
{
	static const int partial[] = {0,
				      F_SEAL_SHRINK,
				      F_SEAL_GROW,
				      F_SEAL_SHRINK | F_SEAL_GROW,
				      F_SEAL_SHRINK | F_SEAL_SEAL,
				      F_SEAL_GROW | F_SEAL_SEAL};
	static const off_t lens[] = {0,
				     8,
				     RN_RING_CONTROL,
				     RN_RING_CONTROL + SIZE - 1,
				     RN_RING_CONTROL + SIZE / 2,
				     RN_RING_CONTROL + SIZE + 4096,
				     RN_RING_CONTROL + 3 * SIZE,
				     RN_RING_CONTROL + 2ll * RN_RING_MAX};
	const uint64_t magic = RN_RING_MAGIC + 1, sizes[] = {0, SIZE / 2, 2 * SIZE, SIZE + 1};
	const uint32_t version = RN_RING_VERSION + 1, control_size = 8192;
	unsigned files = open_files();
	struct rn_ring ring;
	int pipes[2], fd;

	fd = made_up(RN_RING_CONTROL + SIZE, SEALS, SIZE);
	CHECK_INT(rn_ring_attach(&ring, fd), RN_RING_OK); /* all that follow differ from this */
	CHECK(ring.fd != fd); /* a descriptor of its own */
	close(fd);
	CHECK_INT(rn_ring_read(&ring, buf, sizeof(buf)), 0);
	rn_ring_deinit(&ring);

	refuse(-1, RN_RING_SYSTEM);
	CHECK_INT(pipe2(pipes, O_CLOEXEC), 0);
	refuse(pipes[0], RN_RING_NOT_SEALED);
	close(pipes[1]);
	refuse(open("/dev/null", O_RDWR | O_CLOEXEC), RN_RING_NOT_SEALED);
	refuse(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), RN_RING_NOT_SEALED);
	for (size_t i = 0; i < sizeof(partial) / sizeof(partial[0]); i++)
		refuse(made_up(RN_RING_CONTROL + SIZE, partial[i], SIZE), RN_RING_NOT_SEALED);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		refuse(made_up(lens[i], SEALS, (uint64_t)lens[i] - RN_RING_CONTROL),
		       RN_RING_BAD_HEADER);
	refuse_header(offsetof(struct rn_ring_control, magic), &magic, 8);
	refuse_header(offsetof(struct rn_ring_control, version), &version, 4);
	refuse_header(offsetof(struct rn_ring_control, control_size), &control_size, 4);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		refuse_header(offsetof(struct rn_ring_control, size), &sizes[i], 8);
	CHECK_INT(open_files(), files);
	CHECK_INT(mappings(), 0);
}

/* Many rounds of the ring, with counters that pass 2^64 and starts of every alignment. */
static void test_going_round(uint64_t start, struct rng *rng)
{
	uint64_t written = 0, seen = 0, bytes = 0, target = 40ull * SIZE * test_scale();
	struct ends ends;

	ends_open(&ends, SIZE, start);
	while (bytes < target || seen < written) {
		int64_t got;

		for (unsigned i = rng_below(rng, 200); i > 0 && bytes < target; i--) {
			struct rng before = *rng;
			uint32_t len = pattern_len(rng);

			if (!put_record(&ends.producer, written, len)) {
				*rng = before;
				break;
			}
			written++;
			bytes += len;
		}
		got = rn_ring_read(&ends.consumer, big,
				   rng_below(rng, 2) ? sizeof(big) : RN_EVENT_MAX);
		CHECK(got >= 0);
		CHECK(got > 0 || seen == written);
		for (int64_t at = 0; at < got;) {
			const struct rn_event *ev = (const struct rn_event *)(big + at);

			pattern_check(ev, seen, ev->size);
			seen++;
			at += ev->size;
		}
		CHECK_INT(atomic_load(&ends.producer.control->tail), ends.consumer.tail);
	}
	CHECK_INT(ends.producer.head, start + bytes);
	CHECK_INT(ends.consumer.tail, start + bytes);
	ends_close(&ends);
}

static unsigned fill(struct rn_ring *ring, uint32_t len, bool structural)
{
	unsigned n = 0;

	for (void *to; (to = rn_ring_reserve(ring, len, structural)) != NULL; n++) {
		pattern_write(to, n, len);
		rn_ring_commit(ring, len);
	}
	return n;
}

static void test_full(void)
{
	const uint64_t kept = 64 * 1024;
	const uint32_t len = 1024;
	struct ends ends;
	int64_t got;

	ends_open(&ends, SIZE, UINT64_MAX - 8 * 4096 + 1);
	/* Ordinary records leave the reserve; structural ones fill the last byte. */
	CHECK_INT(fill(&ends.producer, len, false), (SIZE - kept) / len);
	CHECK_INT(rn_ring_used(&ends.consumer), SIZE - kept);
	CHECK_INT(fill(&ends.producer, len, true), kept / len);
	CHECK_INT(rn_ring_used(&ends.consumer), SIZE);
	CHECK(rn_ring_reserve(&ends.producer, RN_EVENT_HEADER, true) == NULL);
	/* One read frees its room, and no more. */
	got = rn_ring_read(&ends.consumer, buf, sizeof(buf));
	CHECK_INT(got, sizeof(buf));
	CHECK_INT(fill(&ends.producer, len, true), sizeof(buf) / len);
	CHECK_INT(rn_ring_used(&ends.consumer), SIZE);
	while ((got = rn_ring_read(&ends.consumer, buf, sizeof(buf))) > 0)
		for (int64_t at = 0; at < got; at += len)
			CHECK_INT(rn_event_check(buf + at, (size_t)(got - at)), len);
	CHECK_INT(got, 0);
	CHECK_INT(fill(&ends.producer, len, false), (SIZE - kept) / len);
	ends_close(&ends);
}

/* Reserved and even written, but not committed: not there. */
static void test_producer_killed_in_a_record(void)
{
	struct ends ends;
	int64_t got, total = 0;
	int status;
	pid_t pid;

	ends_open(&ends, SIZE, 0);
	pid = fork_child();
	if (pid == 0) {
		for (uint64_t n = 0; n < 100; n++)
			put_record(&ends.producer, n, 2048);
		pattern_write(rn_ring_reserve(&ends.producer, 4096, false), 100, 4096);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(!rn_ring_closed(&ends.consumer));
	while ((got = rn_ring_read(&ends.consumer, big, sizeof(big))) > 0)
		for (int64_t at = 0; at < got; at += 2048)
			pattern_check(big + at, (uint64_t)total++, 2048);
	CHECK_INT(got, 0);
	CHECK_INT(total, 100);
	ends_close(&ends);
}

/* `head` says what no producer says: told once, nothing read, and the ring goes on. */
static void test_hostile_head(void)
{
	static const int64_t jumps[] = {
		SIZE + 8, 2 * SIZE, 1ll << 62, INT64_MAX, INT64_MIN, -8, -SIZE,           1,
		4,        7,        104 + 4,   -1,        8,         96, RN_EVENT_HEADER, SIZE};
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		struct ends ends;
		uint64_t head;

		ends_open(&ends, SIZE, 4096);
		head = 4096 + (uint64_t)jumps[i];
		atomic_store(&ends.producer.control->head, head);
		CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), RN_RING_CORRUPT);
		CHECK_INT(ends.consumer.tail, head);
		CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), 0);
		/* A producer that goes on from there, or from the next word, is heard again. */
		ends.producer.head = ends.producer.cached_tail = (head + 7) & ~7ull;
		if (head % 8) {
			CHECK(put_record(&ends.producer, 2, 256));
			CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), RN_RING_CORRUPT);
		}
		CHECK(put_record(&ends.producer, 3, 256));
		CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), 256);
		pattern_check(buf, 3, 256);
		ends_close(&ends);
	}
}

/* The same with a whole record at every place where one is looked for. */
static void test_hostile_head_on_good_bytes(void)
{
	static const int64_t jumps[] = {SIZE + 8, 2 * SIZE, 4 * SIZE, 256 + 4,
					256 + 1,  SIZE - 1, -256};

	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		struct ends ends;
		uint64_t tail;

		ends_open(&ends, SIZE, 0);
		while (put_record(&ends.producer, 0, 256))
			;
		while (rn_ring_read(&ends.consumer, big, sizeof(big)) > 0)
			;
		tail = ends.consumer.tail;
		CHECK_INT(tail, SIZE);
		atomic_store(&ends.producer.control->head, tail + (uint64_t)jumps[i]);
		CHECK_INT(rn_ring_read(&ends.consumer, big, sizeof(big)), RN_RING_CORRUPT);
		CHECK_INT(ends.consumer.tail, tail + (uint64_t)jumps[i]);
		ends_close(&ends);
	}
}

/* Lengths that lie, behind two good records: those are handed on first. */
static void test_hostile_lengths(void)
{
	static const uint32_t lies[] = {
		0, 8, 103, 105, 112, 264, 512, RN_EVENT_MAX, 0x80000000, 0xfffffff8, UINT32_MAX};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct rn_event *ev;
		struct ends ends;

		ends_open(&ends, SIZE, UINT64_MAX - 300 * (i % 2) * 8 - 7);
		CHECK(put_record(&ends.producer, 0, 256));
		CHECK(put_record(&ends.producer, 1, 128));
		ev = rn_ring_reserve(&ends.producer, 256, false);
		pattern_write(ev, 2, 256);
		rn_ring_commit(&ends.producer, 256);
		ev->size = lies[i];
		CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), 256 + 128);
		pattern_check(buf, 0, 256);
		pattern_check(buf + 256, 1, 128);
		CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), RN_RING_CORRUPT);
		CHECK(put_record(&ends.producer, 3, 256));
		CHECK_INT(rn_ring_read(&ends.consumer, buf, sizeof(buf)), 256);
		pattern_check(buf, 3, 256);
		ends_close(&ends);
	}
}

/* A record too long for any producer is refused although more bytes may come. */
static void test_endless_record(void)
{
	struct ends ends;
	struct rn_event *ev;

	ends_open(&ends, 4 * SIZE, 0);
	ev = (struct rn_event *)ends.producer.data;
	record_begin(ev, RN_GAP, 0, 0);
	ev->size = RN_EVENT_MAX + 8;
	atomic_store(&ends.producer.control->head, 2 * SIZE);
	CHECK_INT(rn_ring_read(&ends.consumer, big, RN_EVENT_MAX), RN_RING_CORRUPT);
	CHECK_INT(rn_ring_used(&ends.consumer), 0);
	/* The same in the middle: the good one first. */
	ends.producer.head = ends.producer.cached_tail = 2 * SIZE;
	CHECK(put_record(&ends.producer, 0, 256));
	ev = (struct rn_event *)(ends.producer.data + 2 * SIZE + 256);
	record_begin(ev, RN_GAP, 0, 0)->size = RN_EVENT_MAX + 8;
	atomic_store(&ends.producer.control->head, 2 * SIZE + 256 + 3 * RN_EVENT_MAX);
	CHECK_INT(rn_ring_read(&ends.consumer, big, 2 * RN_EVENT_MAX), 256);
	CHECK_INT(rn_ring_read(&ends.consumer, big, 2 * RN_EVENT_MAX), RN_RING_CORRUPT);
	ends_close(&ends);
}

/* Another process changes lengths while they are read: what was checked is what is had. */
static void test_lengths_that_change(void)
{
	const unsigned long each = 2000 * test_scale();
	unsigned long whole = 0, corrupt = 0;
	struct rn_event *ev;
	struct ends ends;
	int status;
	pid_t pid;

	ends_open(&ends, SIZE, 0);
	ev = (struct rn_event *)ends.producer.data;
	pattern_write(ev, 0, 256);
	pid = fork_child();
	if (pid == 0) {
		volatile uint32_t *size = &ev->size, *pieces = &ev->pieces;
		volatile uint32_t *len = &((struct rn_piece *)(ev + 1))->len;

		for (;;) {
			*size = RN_EVENT_MAX;
			*len = 0xffffff00;
			*size = RN_EVENT_HEADER;
			*pieces = 0;
			*size = 256;
			*pieces = 1;
			*len = 256 - RN_EVENT_HEADER - 16;
		}
	}
	/* Until both outcomes were seen often, so the two did meet. */
	while (whole < each || corrupt < each) {
		int64_t got;

		ends.consumer.tail = 0;
		atomic_store(&ends.consumer.control->head, 256);
		got = rn_ring_read(&ends.consumer, buf, sizeof(buf));
		if (got == RN_RING_CORRUPT) {
			corrupt++;
			continue;
		}
		CHECK(got > 0 && got <= 256);
		CHECK_INT(rn_event_check(buf, (size_t)got), ((struct rn_event *)buf)->size);
		CHECK_INT(((struct rn_event *)buf)->size, got);
		whole++;
	}
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	printf("lengths that change: %lu whole, %lu refused\n", whole, corrupt);
	ends_close(&ends);
}

int main(void)
{
	struct rng rng = test_rng();

	test_create();
	test_unsealed();
	test_create_without_memory();
	test_attach();
	test_going_round(0, &rng);
	test_going_round(SIZE - 8, &rng);
	test_going_round(UINT64_MAX - 3 * SIZE + 1 + 4096 - 8, &rng);
	test_full();
	test_producer_killed_in_a_record();
	test_hostile_head();
	test_hostile_head_on_good_bytes();
	test_hostile_lengths();
	test_endless_record();
	test_lengths_that_change();
	return check_done();
}
