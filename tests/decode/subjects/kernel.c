/* SPDX-License-Identifier: MIT */
/* What administrators' programs call: memory policies, quotas, file handles, perf events, bpf. */
#include "subject.h"
#include <linux/bpf.h>
#include <linux/dqblk_xfs.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <sys/mman.h>
#include <sys/socket.h>

static void nodes(void)
{
	uint64_t mask[16] = {5, 0x8000000000000000ull};
	char buf[64];
	void *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *pages[3] = {p, BAD, p + 4096};
	int policy, list[3] = {0, 0, 0}, status[3];

	CALL(get_mempolicy, &policy, mask, 64, NULL, 0);
	CALL(get_mempolicy, &policy, mask, 1024, NULL, 0);
	CALL(get_mempolicy, &policy, mask, 64, buf, 3);
	CALL(get_mempolicy, NULL, mask, 64, NULL, 4);
	CALL(get_mempolicy, &policy, NULL, 0, mask, 1);
	CALL(get_mempolicy, &policy, BAD, 65, NULL, 0);
	CALL(get_mempolicy, &policy, mask, 0, NULL, 0);
	mask[0] = 1;
	mask[1] = 0;
	CALL(set_mempolicy, 0, NULL, 0);
	CALL(set_mempolicy, 2, mask, 64);
	CALL(set_mempolicy, 2 | 0x8000, mask, 65);
	CALL(set_mempolicy, 1, mask, 0);
	CALL(set_mempolicy, 1, mask, 128);
	CALL(set_mempolicy, 1, mask, 1025);
	CALL(set_mempolicy, 99, BAD, 64);
	CALL(set_mempolicy, 0x6003, mask, 4);
	CALL(mbind, p, 4096, 2, mask, 64, 0);
	CALL(mbind, p, 4096, 2, mask, 64, 3);
	CALL(mbind, p, 4096, 0x4002, mask, 2, 7);
	CALL(mbind, p, 4096, 0, NULL, 0, 0x10);
	CALL(migrate_pages, 0, 64, mask, mask);
	CALL(migrate_pages, getpid(), 128, mask, mask + 1);
	CALL(migrate_pages, 0, 64, BAD, NULL);
	CALL(move_pages, 0, 3, pages, list, status, 2);
	CALL(move_pages, 0, 3, pages, NULL, status, 0);
	CALL(move_pages, 0, 0, pages, list, status, 2);
	CALL(move_pages, 0, 3, BAD, BAD, BAD, 99);
}

static void handles(void)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[128];
	} h = {0, 0, {0}};
	int mount;

	CALL(name_to_handle_at, AT_FDCWD, "/tmp", &h, &mount, 0);
	h.bytes = 128;
	CALL(name_to_handle_at, AT_FDCWD, "/", &h, &mount, AT_SYMLINK_FOLLOW);
	CALL(open_by_handle_at, 33, &h, O_RDONLY);
	h.bytes = 8;
	h.type = 1;
	memcpy(h.handle, "abcdefgh", 8);
	CALL(open_by_handle_at, AT_FDCWD, &h, O_RDONLY | O_DIRECTORY);
	h.bytes = 200;
	CALL(open_by_handle_at, AT_FDCWD, &h, O_RDONLY);
	CALL(name_to_handle_at, AT_FDCWD, "/tmp", &h, &mount, 0);
	CALL(name_to_handle_at, AT_FDCWD, "/none", BAD, NULL, AT_EMPTY_PATH | 1);
	CALL(open_by_handle_at, -1, BAD, 0);
}

#define QUOTA(command, type, id, what) CALL(quotactl, QCMD(command, type), "/dev/none", id, what)

static void quotas(void)
{
	struct if_dqblk limits = {.dqb_bhardlimit = 100,
				  .dqb_valid = QIF_BLIMITS | QIF_ITIME | 0x100};
	struct if_dqinfo info = {1, 2, 0x1ff01, 3};
	struct fs_disk_quota xfs = {1, 1, 5, 6};
	unsigned flags = 5;
	char buf[1024] = {0};

	QUOTA(Q_GETQUOTA, USRQUOTA, 1000, buf);
	QUOTA(Q_SETQUOTA, GRPQUOTA, -1, &limits);
	QUOTA(Q_SETQUOTA, PRJQUOTA, 3, BAD);
	QUOTA(Q_QUOTAON, USRQUOTA, QFMT_VFS_V1, "/quota.user");
	QUOTA(Q_QUOTAOFF, USRQUOTA, 5, 0);
	QUOTA(Q_SYNC, USRQUOTA, 0, NULL); /* of no device that there is */
	QUOTA(Q_SETINFO, USRQUOTA, 7, &info);
	QUOTA(Q_GETINFO, USRQUOTA, 7, buf);
	QUOTA(Q_GETFMT, USRQUOTA, 7, buf);
	QUOTA(Q_GETNEXTQUOTA, USRQUOTA, 7, buf);
	QUOTA(Q_XGETQUOTA, USRQUOTA, 7, buf);
	QUOTA(Q_XSETQLIM, USRQUOTA, 7, &xfs);
	QUOTA(Q_XGETQSTAT, USRQUOTA, 7, buf);
	QUOTA(Q_XGETQSTATV, USRQUOTA, 7, buf);
	QUOTA(Q_XQUOTAON, USRQUOTA, 7, &flags);
	QUOTA(Q_XQUOTARM, USRQUOTA, 7, &flags);
	QUOTA(Q_XQUOTASYNC, USRQUOTA, 7, &flags);
	QUOTA(0x55, 9, 7, buf);
	CALL(quotactl_fd, -1, QCMD(Q_SETQUOTA, USRQUOTA), 7, &limits);
	CALL(quotactl_fd, -1, QCMD(Q_QUOTAON, USRQUOTA), 7, "/x");
}

static void event(unsigned type, uint64_t config, unsigned size)
{
	struct perf_event_attr attr = {.type = type, .config = config, .size = size, .config1 = 4};

	CALL(perf_event_open, &attr, -1, -1, -1, 0);
}

static void events(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = 1000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_BRANCH_STACK | PERF_SAMPLE_STACK_USER |
			       1ull << 55,
		.read_format = PERF_FORMAT_ID | PERF_FORMAT_GROUP,
		.precise_ip = 2,
		.watermark = 1,
		.use_clockid = 1,
		.clockid = 1,
		.branch_sample_type = PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY,
		.sample_stack_user = 4096,
	};
	struct perf_event_attr stop = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(stop), .bp_len = 4};

	CALL(perf_event_open, &attr, 1, 0, 3, 8);
	stop.bp_type = HW_BREAKPOINT_RW;
	CALL(perf_event_open, &stop, -1, -1, -1, 0);
	event(PERF_TYPE_HARDWARE, 3, sizeof(attr));
	event(PERF_TYPE_HARDWARE, 0x100000021, sizeof(attr));
	event(PERF_TYPE_SOFTWARE, 33, sizeof(attr));
	event(PERF_TYPE_TRACEPOINT, 33, 72);
	event(PERF_TYPE_HW_CACHE, 0x10003, 64);
	event(PERF_TYPE_HW_CACHE, 0x1234567890, 100);
	event(PERF_TYPE_RAW, 0x33, 0);
	event(77, 6, 400);
	event(77, 6, 4);
	CALL(perf_event_open, BAD, -1, -1, -1, 0);
}

static void bpf_call(int command, int fill, int size)
{
	char attr[256];

	for (int i = 0; i < 256; i++)
		attr[i] = fill < 0 ? i + 1 : fill;
	CALL(bpf, command, attr, size);
}

static void programs(void)
{
	/* Those that strace 6.1 knows. */
	for (int command = 0; command <= BPF_PROG_BIND_MAP; command++) {
		if (command == BPF_ENABLE_STATS) /* would count for all of the machine */
			continue;
		bpf_call(command, 0, 120);
		bpf_call(command, -1, 152);
		bpf_call(command, -1, 24);
		bpf_call(command, 1, 128);
		bpf_call(command, 0, 0);
	}
	CALL(bpf, BPF_PROG_LOAD, BAD, 72);
}

static void addresses(void)
{
	unsigned char address[128];

	for (int family = 0; family < 48; family++)
		for (int fill = 0; fill < 2; fill++)
			for (int len = 2; len < 100; len += len < 24 ? 2 : 36) {
				for (int i = 0; i < 128; i++)
					address[i] = fill ? i + 1 : 0;
				address[0] = family;
				address[1] = 0;
				CALL(connect, -1, address, len);
			}
}

int main(void)
{
	mark();
	nodes();
	handles();
	quotas();
	events();
	programs();
	addresses();
	mark();
	return 0;
}
