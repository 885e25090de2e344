# SPDX-License-Identifier: MIT
"""What is left out of the canonical form, by rule: which calls, and why. docs/golden-form.md.

Rules do not learn: what the scheduler decides once in a hundred runs is in no five runs.
"""

from __future__ import annotations

import enum

#: Each can be switched off ("kept"); the words tell what it does.
RULES: dict[str, str] = {
    "addresses": "addresses and sizes of memory are <addr>",
    "closing": "closing descriptors, moving and marking them, is not a call of its own",
    "environment": "variables that shells keep (_, SHLVL, PWD, OLDPWD, …) are left out",
    "folder": "the folder that the command is run in is <folder>; no looks at those above it",
    "home": "the command's home folder (HOME) is <home>",
    "identities": "numbers of processes are <process>; no asking for one's own, or terminal",
    "loader": "what the loader does before the program begins is one list of libraries",
    "lookups": "folders of PATH in which a program is not are left out, where it is found later",
    "memory": "mmap without a file, munmap, brk, mprotect, madvise count as peak memory",
    "ports": "ports that the run was told before it named them are <port>",
    "random-names": "names of mkstemp and its like, UUIDs, long hex are <random>; no getrandom",
    "retries": "calls that a signal cut short, or that were to be tried again, are left out",
    "threads": "what starting and ending a thread takes is left out; their work counts together",
    "times": "times are <time>, but for what a timer is set to; asking for the time is left out",
    "transfers": "reads and writes count as bytes, however they were split; seeks are left out",
    "waits": "waiting (futex, poll, select, epoll, wait, sleep, yield) is left out",
    "wakeups": "what a process tells itself, by a pipe or eventfd that it alone uses, is left out",
}


class Way(enum.IntEnum):
    """What becomes of a call."""

    ITEM = 0
    READ = 1
    WRITE = 2
    LEFT_OUT = 3


_LEFT_OUT = {
    "closing": "close close_range dup dup2 dup3",
    "identities": "getpid getppid gettid getpgrp getpgid getsid",
    "memory": "munmap brk mprotect madvise mremap pkey_mprotect mincore mlock2 map_shadow_stack",
    "threads": """set_robust_list get_robust_list rseq set_tid_address rt_sigprocmask sigprocmask
        sigaltstack arch_prctl exit exit_group clone clone3 fork vfork execve execveat
        sched_getaffinity set_thread_area get_thread_area set_tls""",
    "times": """clock_gettime clock_gettime64 gettimeofday time times getrusage clock_getres
        getitimer timer_gettime timerfd_gettime getcpu sysinfo""",
    "random-names": "getrandom",
    "transfers": "lseek _llseek",
    "waits": """futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue poll ppoll
        ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_wait epoll_pwait epoll_pwait2
        epoll_ctl sched_yield restart_syscall nanosleep clock_nanosleep clock_nanosleep_time64 pause
        wait4 waitid waitpid rt_sigtimedwait rt_sigsuspend rt_sigreturn sigreturn membarrier
        io_getevents""",
}
#: By the name of a call: the rule that leaves it out.
LEFT_OUT = {name: rule for rule, names in _LEFT_OUT.items() for name in names.split()}

READS = frozenset(
    """read pread64 readv preadv preadv2 recvfrom recv recvmsg recvmmsg recvmmsg_time64
    mq_timedreceive mq_timedreceive_time64""".split()
)
WRITES = frozenset(
    """write pwrite64 writev pwritev pwritev2 sendto send sendmsg sendmmsg sendfile sendfile64
    copy_file_range splice tee vmsplice mq_timedsend mq_timedsend_time64""".split()
)
#: Of WRITES: the second descriptor is the one that is written to.
TO_THE_SECOND = frozenset("copy_file_range splice tee".split())
#: Of WRITES: the second descriptor is the one that the kernel takes it from.
FROM_THE_SECOND = frozenset("sendfile sendfile64".split())
OPENS = frozenset("open openat openat2 creat".split())
#: Calls that show that the order and number of others is not the program's own choice.
MULTIPLEXING = frozenset(
    """poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_wait epoll_pwait
    epoll_pwait2 nanosleep clock_nanosleep clock_nanosleep_time64""".split()
)

#: What others can see: names, contents, modes, peers, signals.
EFFECTS = frozenset(
    """creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink
    symlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat chown32
    lchown32 fchown32 utime utimes utimensat utimensat_time64 futimesat truncate truncate64
    ftruncate ftruncate64 fallocate fsync fdatasync sync syncfs sync_file_range msync setxattr
    lsetxattr fsetxattr removexattr lremovexattr fremovexattr mount umount umount2 connect bind
    listen shutdown kill tkill tgkill rt_sigqueueinfo pidfd_send_signal chroot pivot_root setuid
    setgid setreuid setregid setresuid setresgid setgroups sethostname setdomainname reboot swapon
    swapoff unshare setns ptrace mq_open mq_unlink msgsnd msgctl semctl shmctl shmget semget msgget
    process_vm_writev init_module finit_module delete_module quotactl settimeofday clock_settime
    setpriority ioprio_set setsid setpgid setxattrat removexattrat""".split()
)
#: What changes only the caller itself.
CHANGES = frozenset(
    """ioctl fcntl fcntl64 flock setsockopt rt_sigaction sigaction chdir fchdir umask setrlimit
    prctl prlimit64 socket socketpair pipe pipe2 accept accept4 eventfd eventfd2 signalfd signalfd4
    timerfd_create epoll_create epoll_create1 inotify_init1 inotify_add_watch alarm setitimer
    mmap mmap2 seccomp memfd_create io_uring_setup io_uring_enter bpf perf_event_open
    userfaultfd personality capset keyctl add_key timer_create timer_settime timer_settime64
    timerfd_settime timerfd_settime64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler""".split()
)
#: That set a time to come: by their own choice, unless it is a time of the day or what is left of
#: one. How often is not, where what they are for comes again.
TIMERS = frozenset(
    "setitimer timer_settime timer_settime64 timerfd_settime timerfd_settime64".split()
)
#: What ioctl() is asked that only tells whether something is a terminal: isatty(3).
TERMINAL = ("TCGETS", "TCGETS2", "TIOCGWINSZ")
#: That only look at a name.
LOOKS = frozenset(
    """stat stat64 lstat lstat64 newfstatat fstatat64 statx readlink readlinkat access faccessat
    faccessat2 statfs statfs64""".split()
)
#: Flags of an open() that let it change something.
WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND")

#: Errors that say: again. A connect() that is under way counts as made.
RETRIES = frozenset("EAGAIN EINTR ERESTARTSYS ERESTARTNOINTR ERESTARTNOHAND ERESTART_RESTARTBLOCK"
    " EALREADY EISCONN".split())  # fmt: skip
#: Signals that come of what is counted elsewhere: children, timers, terminals.
QUIET_SIGNALS = frozenset("SIGCHLD SIGALRM SIGVTALRM SIGPROF SIGWINCH SIGCONT SIGURG".split())
#: That the allocator of glibc looks at when threads meet in it.
ALLOCATOR_FILES = frozenset(
    {
        "/proc/sys/vm/overcommit_memory",
        "/sys/devices/system/cpu/online",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
    }
)
#: What the loader and the start of the C library do; anything else ends the prologue.
PROLOGUE = frozenset(
    """brk mmap mmap2 munmap mprotect access faccessat faccessat2 open openat read pread64 fstat
    newfstatat stat lstat statx close arch_prctl set_tid_address set_robust_list rseq prlimit64
    getrandom readlink fstat64 stat64 ugetrlimit set_thread_area uname""".split()
)
