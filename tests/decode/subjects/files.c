/* SPDX-License-Identifier: MIT */
/* Files, terminals and waiting for them. */
#include "subject.h"
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <termios.h>
#include <utime.h>

int main(void)
{
	struct statfs fs;
	struct stat st;
	struct statx stx;
	struct termios tio;
	struct winsize ws = {24, 80, 0, 0};
	struct pollfd polls[3] = {{0, POLLIN, 0}, {0, POLLOUT | POLLPRI, 0}, {-1, POLLIN, 0}};
	struct timespec ts = {0, 1000000}, zero = {0, 0};
	struct timeval tv = {0, 1000}, tvs[2] = {{1, 2}, {3, 4}};
	struct utimbuf ut = {1, 2};
	struct epoll_event ev = {EPOLLIN | EPOLLET, {.u64 = 0x500000007ull}}, evs[4];
	struct open_how how = {O_RDONLY | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS};
	struct flock lock = {F_WRLCK, SEEK_SET, 0, 10, 0};
	struct f_owner_ex owner = {F_OWNER_PID, 1};
	struct iovec iov[2] = {{"abc", 3}, {"defg", 4}};
	sigset_t set;
	fd_set in, out, err;
	int fds[2], pty, tty, ep, dir, in1, file, n;
	loff_t from = 0, to = 0;
	uint64_t hint = 2;
	char buf[4096], *name;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (pipe(fds) || (pty = open("/dev/ptmx", O_RDWR | O_NOCTTY)) < 0)
		return 1;
	unlockpt(pty);
	name = ptsname(pty);
	tty = open(name, O_RDWR | O_NOCTTY);
	mark();
	CALL(statfs, "/proc", &fs);
	CALL(fstatfs, fds[0], &fs);
	CALL(statfs, "/proc", BAD);
	CALL(stat, "/etc/passwd", &st);
	CALL(fstat, fds[0], &st);
	CALL(stat, "/dev/null", &st);
	CALL(newfstatat, AT_FDCWD, "/dev", &st, AT_SYMLINK_NOFOLLOW);
	CALL(statx, AT_FDCWD, "/etc/passwd", AT_STATX_SYNC_AS_STAT, STATX_ALL, &stx);
	CALL(statx, AT_FDCWD, "/dev/null", 0, STATX_BASIC_STATS, &stx);
	CALL(statx, AT_FDCWD, "/dev/none", AT_STATX_FORCE_SYNC | 0x40000, 0xffff0000, &stx);
	for (n = 0; n < 3; n++) {
		polls[0].fd = fds[0];
		polls[1].fd = fds[1];
		CALL(poll, polls, 3, 0);
		CALL(ppoll, polls, 1, &ts, &set, 8);
		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_ZERO(&err);
		FD_SET(fds[0], &in);
		FD_SET(fds[1], &out);
		FD_SET(fds[0], &err);
		tv.tv_usec = 1000;
		CALL(select, fds[1] + 1, &in, n ? &out : NULL, &err, &tv);
		FD_SET(fds[0], &in);
		CALL(pselect6, fds[1] + 1, &in, NULL, NULL, &zero, NULL);
		if (n == 0)
			write(fds[1], "x", 1);
	}
	{
		struct {
			sigset_t *set;
			size_t len;
		} sig = {&set, 8};

		CALL(pselect6, 0, NULL, NULL, NULL, &zero, &sig);
		CALL(select, 64, BAD, NULL, NULL, &zero);
		CALL(select, -1, &in, NULL, NULL, NULL);
		CALL(select, 0, &in, &in, &in, &zero);
	}
	polls[0].fd = 1000;
	CALL(poll, polls, 1, 0);
	CALL(poll, polls, 0, 0);
	CALL(poll, BAD, 2, 0);
	CALL(ppoll, polls, 1, NULL, NULL, 8);
	ep = (int)CALL(epoll_create1, EPOLL_CLOEXEC);
	CALL(epoll_create, 10);
	CALL(epoll_ctl, ep, EPOLL_CTL_ADD, fds[0], &ev);
	ev.events = EPOLLOUT;
	CALL(epoll_ctl, ep, EPOLL_CTL_ADD, fds[1], &ev);
	CALL(epoll_ctl, ep, EPOLL_CTL_DEL, 1000, NULL);
	CALL(epoll_wait, ep, evs, 4, 0);
	CALL(epoll_pwait, ep, evs, 4, 0, &set, 8);
	CALL(epoll_pwait2, ep, evs, 4, &zero, NULL, 8);
	CALL(epoll_wait, ep, BAD, 4, 0);
	CALL(ioctl, tty, TCGETS, &tio);
	CALL(ioctl, tty, TCSETS, &tio);
	CALL(ioctl, tty, TCSETSW, &tio);
	CALL(ioctl, tty, TIOCSWINSZ, &ws);
	CALL(ioctl, tty, TIOCGWINSZ, &ws);
	CALL(ioctl, fds[0], TCGETS, &tio);
	CALL(ioctl, fds[0], TCGETS, BAD);
	CALL(ioctl, fds[0], FIONREAD, &n);
	CALL(ioctl, fds[0], FIONBIO, &n);
	CALL(ioctl, fds[0], FIOCLEX);
	CALL(ioctl, tty, TIOCGPGRP, &n);
	CALL(ioctl, tty, TIOCSPGRP, &n);
	CALL(ioctl, tty, TIOCGSID, &n);
	CALL(ioctl, pty, TIOCGPTN, &n);
	n = 0; /* else its number would lock it, unless that is 0 */
	CALL(ioctl, pty, TIOCSPTLCK, &n);
	CALL(ioctl, pty, TIOCGPTPEER, O_RDWR);
	CALL(ioctl, tty, TCSBRK, 1);
	CALL(ioctl, tty, TCFLSH, TCIOFLUSH);
	CALL(ioctl, tty, TCXONC, TCOON);
	CALL(ioctl, tty, TIOCMGET, &n);
	CALL(ioctl, tty, TIOCOUTQ, &n);
	CALL(ioctl, tty, TIOCEXCL);
	CALL(ioctl, tty, TIOCNXCL);
	CALL(ioctl, tty, TIOCSTI, "x");
	CALL(ioctl, tty, TIOCSCTTY, 0);
	CALL(ioctl, tty, TIOCGETD, &n);
	CALL(ioctl, fds[0], _IOC(_IOC_READ, 0xde, 0xad, 16), buf);
	CALL(ioctl, fds[0], _IO('x', 1), 1);
	CALL(ioctl, fds[0], 0xdeadbeef, 0x1234);
	file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0640);
	CALL(ioctl, file, FS_IOC_GETFLAGS, &n);
	CALL(ioctl, file, FIGETBSZ, &n);
	CALL(ioctl, file, FIBMAP, &n);
	CALL(ioctl, file, BLKGETSIZE64, buf);
	CALL(ioctl, file, BLKGETSIZE, buf);
	CALL(ioctl, file, FICLONE, fds[0]);
	CALL(fcntl, file, F_SETLK, &lock);
	CALL(fcntl, file, F_GETLK, &lock);
	CALL(fcntl, file, F_SETLKW, &lock);
	lock.l_pid = 0;
	CALL(fcntl, file, F_OFD_SETLK, &lock);
	CALL(fcntl, file, F_OFD_GETLK, &lock);
	CALL(fcntl, file, F_SETLK, BAD);
	CALL(fcntl, file, F_SETOWN, getpid());
	CALL(fcntl, file, F_GETOWN);
	CALL(fcntl, file, F_SETOWN_EX, &owner);
	CALL(fcntl, file, F_GETOWN_EX, &owner);
	CALL(fcntl, file, F_SETSIG, SIGUSR1);
	CALL(fcntl, file, F_GETSIG);
	CALL(fcntl, file, F_SETLEASE, F_RDLCK);
	CALL(fcntl, file, F_GETLEASE);
	CALL(fcntl, file, F_NOTIFY, 1);
	CALL(fcntl, file, F_SET_RW_HINT, &hint);
	CALL(fcntl, file, F_GET_RW_HINT, &hint);
	CALL(fcntl, fds[0], F_GETPIPE_SZ);
	CALL(fcntl, fds[0], F_SETPIPE_SZ, 65536);
	CALL(fcntl, file, 9999, 5);
	CALL(flock, file, LOCK_EX | LOCK_NB);
	CALL(flock, file, LOCK_UN);
	CALL(openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how));
	CALL(openat2, AT_FDCWD, "/etc/passwd", &how, 8);
	CALL(openat2, AT_FDCWD, "/etc/passwd", BAD, sizeof(how));
	CALL(creat, "made", 0600);
	CALL(mknod, "fifo", S_IFIFO | 0600, 0);
	CALL(mknodat, AT_FDCWD, "dev", S_IFCHR | 0600, 0x103);
	CALL(link, "made", "linked");
	CALL(symlink, "made", "sym");
	CALL(readlink, "sym", buf, sizeof(buf));
	CALL(readlink, "sym", buf, 2);
	CALL(readlinkat, AT_FDCWD, "none", buf, 2);
	CALL(rename, "linked", "renamed");
	CALL(chmod, "made", 0644);
	CALL(fchmod, file, 0600);
	CALL(chown, "made", -1, 0);
	CALL(fchownat, AT_FDCWD, "made", 0, -1, AT_SYMLINK_NOFOLLOW);
	CALL(utime, "made", &ut);
	CALL(utimes, "made", tvs);
	CALL(futimesat, AT_FDCWD, "made", tvs);
	CALL(utimensat, AT_FDCWD, "made", NULL, 0);
	CALL(truncate, "made", 100);
	CALL(ftruncate, file, 4096);
	CALL(fallocate, file, FALLOC_FL_KEEP_SIZE, 0, 8192);
	CALL(fadvise64, file, 0, 0, POSIX_FADV_SEQUENTIAL);
	CALL(readahead, file, 0, 10);
	CALL(sync_file_range, file, 0, 0, SYNC_FILE_RANGE_WRITE);
	CALL(pwrite64, file, "hello", 5, 7);
	CALL(pread64, file, buf, 5, 7);
	CALL(writev, file, iov, 2);
	CALL(pwritev, file, iov, 2, 5, 0);
	CALL(pwritev2, file, iov, 2, -1, 0, RWF_DSYNC);
	CALL(preadv, file, BAD, 2, 0, 0);
	CALL(lseek, file, 0, SEEK_DATA);
	CALL(copy_file_range, file, &from, file, &to, 3, 0);
	CALL(sendfile, fds[1], file, &from, 3);
	CALL(splice, fds[0], NULL, file, &to, 3, SPLICE_F_MOVE);
	CALL(tee, fds[0], fds[1], 3, SPLICE_F_NONBLOCK);
	CALL(vmsplice, fds[1], iov, 2, 0);
	CALL(setxattr, "made", "user.name", "value", 5, XATTR_CREATE);
	CALL(getxattr, "made", "user.name", buf, sizeof(buf));
	CALL(getxattr, "made", "user.name", NULL, 0);
	CALL(listxattr, "made", buf, sizeof(buf));
	CALL(removexattr, "made", "user.name");
	mkdir("dir", 0700);
	close(open("dir/one", O_CREAT | O_WRONLY, 0600));
	close(open("dir/two", O_CREAT | O_WRONLY, 0600));
	dir = open("dir", O_RDONLY | O_DIRECTORY);
	CALL(getdents64, dir, buf, sizeof(buf));
	CALL(getdents64, dir, buf, sizeof(buf));
	CALL(getdents, dir, buf, sizeof(buf));
	CALL(getdents64, dir, buf, 1);
	lseek(dir, 0, SEEK_SET);
	CALL(getdents, dir, buf, sizeof(buf));
	in1 = (int)CALL(inotify_init1, IN_NONBLOCK);
	CALL(inotify_add_watch, in1, "dir", IN_CREATE | IN_DELETE);
	close(open("dir/three", O_CREAT | O_WRONLY, 0600));
	CALL(read, in1, buf, sizeof(buf));
	CALL(inotify_rm_watch, in1, 1);
	CALL(mount, "none", "/nonexistent", "tmpfs", MS_NOSUID | MS_REC, "size=1m");
	CALL(mount, "none", "/nonexistent", "tmpfs", MS_BIND, NULL);
	CALL(umount2, "/nonexistent", MNT_DETACH);
	CALL(pivot_root, ".", ".");
	CALL(chroot, "/nonexistent");
	CALL(swapon, "/nonexistent", 0x8001);
	CALL(quotactl, 0x80000700, "/dev/none", 0, buf);
	CALL(quotactl, 0x80000801, "/dev/none", 1, buf);
	CALL(access, "made", R_OK | W_OK);
	CALL(faccessat2, AT_FDCWD, "made", R_OK, AT_EACCESS);
	CALL(dup3, fds[0], 100, O_CLOEXEC);
	CALL(name_to_handle_at, AT_FDCWD, "made", buf, &n, 0);
	CALL(ustat, 0, buf);
	CALL(sysfs, 3);
	CALL(fsopen, "nonefs", 1);
	CALL(fsconfig, -1, 1, "key", "value", 0);
	CALL(fsmount, -1, 0, 0);
	CALL(fspick, AT_FDCWD, "/none", 0);
	CALL(move_mount, AT_FDCWD, "a", AT_FDCWD, "b", 0);
	CALL(open_tree, AT_FDCWD, "/none", 1);
	CALL(umask, 022);
	CALL(getcwd, buf, sizeof(buf));
	CALL(getcwd, buf, 1);
	CALL(chdir, "dir");
	CALL(fchdir, dir);
	CALL(mincore, BAD, 4096, buf);
	CALL(madvise, NULL, 0, MADV_DONTNEED);
	CALL(mremap, BAD, 4096, 8192, MREMAP_MAYMOVE);
	CALL(msync, BAD, 4096, MS_SYNC);
	CALL(memfd_create, "name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CALL(process_vm_readv, getpid(), iov, 1, iov, 1, 0);
	CALL(process_vm_writev, getpid(), iov, 1, BAD, 1, 0);
	CALL(close_range, 900, 1000, CLOSE_RANGE_CLOEXEC);
	CALL(io_setup, 0, buf);
	CALL(mprotect, BAD, 4096, PROT_READ | PROT_EXEC);
	mark();
	return 0;
}
