/* SPDX-License-Identifier: MIT */
/* What we may do, and what programs may not do because it is we who trace them. */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "engine_private.h"

bool rn_have_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[capability / 32].effective >> capability % 32 & 1u;
}

/* Whether the file of this program gives rights to who runs it untraced. */
static bool gives_rights(int pid)
{
	char path[64];
	struct stat exe;
	struct statvfs place;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &exe) < 0)
		return false;
	if (!((exe.st_mode & S_ISUID) && exe.st_uid != geteuid()) &&
	    !((exe.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	      exe.st_gid != getegid()) &&
	    getxattr(path, "security.capability", NULL, 0) <= 0)
		return false;
	return statvfs(path, &place) < 0 || !(place.f_flag & ST_NOSUID);
}

void rn_rights_at_exec(struct rn_engine *e, int pid)
{
	/* With it the kernel leaves them their rights: execve(2). */
	if (!e->may_trace_all && gives_rights(pid))
		atomic_fetch_add_explicit(&e->counters.void_set_id, 1, memory_order_relaxed);
}
