/* SPDX-License-Identifier: MIT */
/* Signals, timers, limits, credentials, scheduling, waiting. */
#include "subject.h"
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
}

static int exits(void)
{
	_exit(3);
}

static void signals(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} act = {(void *)1, 0, NULL, 0}, old;
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	uint64_t set = 1ull << (SIGUSR1 - 1) | 1ull << (SIGRTMIN + 1), got;
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	struct timespec ts = {0, 1000}, zero = {0, 0};
	stack_t ss = {.ss_flags = SS_DISABLE}, oss;
	union sigval value = {.sival_int = 7};

	CALL(rt_sigaction, SIGUSR2, &act, &old, 8);
	act.handler = handler;
	act.flags = SA_NOCLDSTOP | 0x04000000 | SA_RESETHAND | 0x100;
	act.restorer = (void *)0x1000;
	act.mask = set;
	CALL(rt_sigaction, SIGUSR2, &act, NULL, 8);
	CALL(rt_sigaction, SIGUSR2, NULL, &old, 8);
	CALL(rt_sigaction, SIGKILL, BAD, NULL, 8);
	CALL(rt_sigaction, SIGUSR1, &act, &old, 4);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGRTMIN + 2, &sa, NULL);
	CALL(rt_sigprocmask, SIG_BLOCK, &set, &got, 8);
	info.si_value = value;
	info.si_pid = getpid();
	CALL(rt_sigqueueinfo, getpid(), SIGUSR1, &info);
	CALL(rt_sigpending, &got, 8);
	CALL(rt_sigtimedwait, &set, &info, &ts, 8);
	CALL(rt_sigtimedwait, &set, &info, &zero, 8);
	CALL(rt_sigtimedwait, &set, NULL, &zero, 8);
	kill(getpid(), SIGUSR1);
	CALL(rt_sigtimedwait, &set, &info, NULL, 8);
	CALL(tgkill, getpid(), getpid(), SIGUSR1);
	CALL(rt_sigtimedwait, &set, &info, NULL, 8);
	CALL(rt_sigprocmask, SIG_SETMASK, NULL, &got, 8);
	CALL(rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8);
	CALL(rt_sigprocmask, 77, &set, &got, 8);
	CALL(rt_sigprocmask, SIG_BLOCK, &set, &got, 4);
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGUSR1, value);
	sigqueue(getpid(), SIGRTMIN + 2, value);
	CALL(rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &info);
	CALL(sigaltstack, &ss, &oss);
	CALL(signalfd4, -1, &set, 8, SFD_CLOEXEC);
	CALL(kill, 0, 0x41);
	CALL(tkill, 0, SIGUSR1);
	CALL(rt_sigsuspend, BAD, 8);
	CALL(pidfd_send_signal, -1, SIGUSR1, &info, 0);
}

static void timers(void)
{
	struct itimerval it = {{0, 0}, {1000, 5}}, oit;
	struct itimerspec its = {{0, 0}, {1000, 5}}, oits;
	struct sigevent sev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct timespec ts = {0, 100}, rem;
	struct timeval tv;
	struct timezone tz;
	struct timex tx = {0};
	int id = 0, tfd;
	time_t t;

	CALL(setitimer, ITIMER_REAL, &it, &oit);
	CALL(getitimer, ITIMER_REAL, &oit);
	it.it_value.tv_sec = 0;
	it.it_value.tv_usec = 0;
	CALL(setitimer, ITIMER_REAL, &it, NULL);
	sev.sigev_value.sival_int = 9;
	CALL(timer_create, CLOCK_MONOTONIC, &sev, &id);
	CALL(timer_settime, id, 0, &its, &oits);
	CALL(timer_gettime, id, &oits);
	CALL(timer_getoverrun, id);
	CALL(timer_delete, id);
	sev.sigev_notify = SIGEV_NONE;
	CALL(timer_create, CLOCK_REALTIME, &sev, &id);
	CALL(timer_create, 77, NULL, &id);
	tfd = (int)CALL(timerfd_create, CLOCK_MONOTONIC, O_NONBLOCK);
	CALL(timerfd_settime, tfd, 1, &its, &oits);
	CALL(timerfd_gettime, tfd, &oits);
	CALL(nanosleep, &ts, &rem);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, &rem);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	CALL(clock_gettime, CLOCK_MONOTONIC, &ts);
	CALL(clock_gettime, -6, &ts);
	CALL(clock_getres, CLOCK_REALTIME, &ts);
	CALL(gettimeofday, &tv, &tz);
	CALL(gettimeofday, &tv, NULL);
	CALL(time, &t);
	CALL(adjtimex, &tx);
	CALL(clock_adjtime, CLOCK_REALTIME, &tx);
	CALL(alarm, 0);
	ts.tv_nsec = -1;
	CALL(nanosleep, &ts, NULL);
}

static void limits(void)
{
	struct rlimit lim = {100, 100};
	struct rusage ru;
	struct sysinfo si;
	struct utsname un;
	struct tms tms;
	struct sched_param sp = {0};
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util_min, util_max;
	} attr = {56, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	struct __user_cap_header_struct hdr = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	struct timespec ts;
	uint64_t mask[16] = {1};
	uint32_t cpu, node;
	gid_t gids[64];
	uid_t r, e, s;

	CALL(getrlimit, RLIMIT_NOFILE, &lim);
	CALL(prlimit64, 0, RLIMIT_CORE, NULL, &lim);
	CALL(prlimit64, 0, RLIMIT_CORE, &lim, &lim);
	CALL(setrlimit, 77, &lim);
	CALL(getrusage, RUSAGE_SELF, &ru);
	CALL(sysinfo, &si);
	CALL(uname, &un);
	CALL(times, &tms);
	CALL(sched_getparam, 0, &sp);
	CALL(sched_getscheduler, 0);
	CALL(sched_setscheduler, 0, SCHED_OTHER, &sp);
	CALL(sched_getattr, 0, &attr, sizeof(attr), 0);
	CALL(sched_setattr, 0, &attr, 0);
	CALL(sched_rr_get_interval, 0, &ts);
	CALL(sched_get_priority_max, SCHED_FIFO);
	CALL(sched_yield);
	CALL(getcpu, &cpu, &node, NULL);
	CALL(capget, &hdr, data);
	CALL(capset, &hdr, data);
	CALL(capget, &hdr, NULL);
	CALL(getgroups, 64, gids);
	CALL(setgroups, 0, NULL);
	CALL(getresuid, &r, &e, &s);
	CALL(getresgid, &r, &e, &s);
	CALL(setresuid, -1, -1, -1);
	CALL(setreuid, -1, 0);
	CALL(setfsuid, 0);
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 0);
	CALL(ioprio_get, 1, 0);
	CALL(io_uring_setup, 4, (unsigned[30]){0});
	CALL(io_uring_setup, 4, BAD);
	CALL(ioprio_set, 1, 0, 0x4004);
	CALL(sched_getaffinity, 0, 8, BAD);
	CALL(personality, 0xffffffff);
	CALL(personality, PER_LINUX | ADDR_NO_RANDOMIZE);
	CALL(personality, PER_LINUX);
	CALL(getrandom, mask, 8, GRND_NONBLOCK);
	CALL(syslog, 10, NULL, 0);
	CALL(get_mempolicy, &cpu, mask, 64, NULL, 0);
	CALL(set_mempolicy, 0, NULL, 0);
	CALL(mbind, BAD, 4096, 0, mask, 64, 0);
}

static void controls(void)
{
	struct sock_filter code[] = {{0x20, 0, 0, 0}, {6, 0, 0, 0x7fff0000}};
	struct sock_fprog prog = {2, code};
	char name[16];
	int value;
	unsigned long fs;

	CALL(prctl, PR_SET_NAME, "subject");
	CALL(prctl, PR_GET_NAME, name);
	CALL(prctl, PR_SET_PDEATHSIG, SIGTERM);
	CALL(prctl, PR_GET_PDEATHSIG, &value);
	CALL(prctl, PR_SET_PDEATHSIG, 0);
	CALL(prctl, PR_GET_DUMPABLE);
	CALL(prctl, PR_SET_DUMPABLE, 1);
	CALL(prctl, PR_GET_SECCOMP);
	CALL(prctl, PR_CAPBSET_READ, CAP_SYS_ADMIN);
	CALL(prctl, PR_CAPBSET_READ, 999);
	CALL(prctl, PR_GET_KEEPCAPS);
	CALL(prctl, PR_SET_KEEPCAPS, 0);
	CALL(prctl, PR_GET_SECUREBITS);
	CALL(prctl, PR_SET_TIMERSLACK, 50000);
	CALL(prctl, PR_GET_TIMERSLACK);
	CALL(prctl, PR_SET_CHILD_SUBREAPER, 0);
	CALL(prctl, PR_GET_CHILD_SUBREAPER, &value);
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_PTRACER, 0);
	CALL(prctl, PR_GET_TID_ADDRESS, &fs);
	CALL(prctl, PR_SET_THP_DISABLE, 0, 0, 0, 0);
	CALL(prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0);
	CALL(prctl, PR_GET_TSC, &value);
	CALL(prctl, PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0);
	CALL(prctl, PR_GET_SPECULATION_CTRL, 0, 0, 0, 0);
	CALL(prctl, PR_MCE_KILL_GET, 0, 0, 0, 0);
	CALL(prctl, 0x53564d41, 0, 0, 0, 0);
	CALL(prctl, 9999, 1, 2, 3, 4);
	CALL(arch_prctl, 0x1003, &fs);
	CALL(arch_prctl, 0x1011, 0);
	CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &value);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CALL(prctl, PR_SET_SECCOMP, 77, &prog);
	CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0x4000, &prog);
	CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD);
	CALL(set_robust_list, BAD, 24);
	CALL(get_robust_list, 0, &fs, &fs);
	CALL(set_tid_address, &value);
	CALL(rseq, BAD, 32, 0, 0x53053053);
	CALL(membarrier, 0, 0);
	CALL(kcmp, getpid(), getpid(), 0, 0, 1);
	CALL(unshare, 0);
	CALL(setns, -1, CLONE_NEWNET);
	CALL(ptrace, 0x4206, 0, 0, 0);
	CALL(bpf, 0, BAD, 72);
	CALL(bpf, 5, NULL, 0);
	CALL(perf_event_open, BAD, 0, -1, -1, 8);
	CALL(keyctl, 0, -3, 0);
	CALL(keyctl, 1, "name");
	CALL(add_key, "user", "name", "payload", 7, -2);
	CALL(request_key, "user", "name", NULL, -2);
	CALL(io_uring_setup, 4, BAD);
	CALL(landlock_create_ruleset, NULL, 0, 1);
	CALL(landlock_restrict_self, -1, 0);
	CALL(pidfd_open, getpid(), 0);
	CALL(userfaultfd, O_CLOEXEC | O_NONBLOCK);
	CALL(modify_ldt, 17, BAD, 16);
	CALL(init_module, BAD, 10, "x=1");
	CALL(finit_module, -1, "x=1", 1);
	CALL(delete_module, "none", O_NONBLOCK);
	CALL(iopl, 9);
	CALL(ioperm, 1, 1, 1);
	CALL(fanotify_init, 0xffffff, 0);
	CALL(fanotify_mark, -1, 1, 0x20, AT_FDCWD, "/none");
	CALL(nfsservctl, 0, NULL, NULL);
	CALL(pkey_alloc, 0, 1);
	CALL(pkey_free, 99);
	CALL(mlock2, BAD, 0, 1);
	CALL(process_madvise, -1, NULL, 0, MADV_COLD, 0);
}

static void futexes(void)
{
	struct timespec ts = {0, 1000};
	uint32_t word = 1, other = 0;

	CALL(futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	CALL(futex, &word, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0);
	CALL(futex, &word, FUTEX_WAKE, 1);
	CALL(futex, &word, FUTEX_WAKE_PRIVATE, 0x7fffffff);
	CALL(futex, &word, FUTEX_REQUEUE_PRIVATE, 1, 2, &other);
	CALL(futex, &word, FUTEX_CMP_REQUEUE, 1, 2, &other, 1);
	CALL(futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &other,
	     FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, 1));
	CALL(futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &ts, NULL, -1);
	CALL(futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 5);
	CALL(futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 5);
	CALL(futex, &other, FUTEX_LOCK_PI, 1, &ts);
	CALL(futex, &other, FUTEX_UNLOCK_PI, 1);
	CALL(futex, &other, FUTEX_TRYLOCK_PI_PRIVATE, 1);
	CALL(futex, &word, 99, 1, &ts, &other, 3);
}

static void ipc(void)
{
	struct mq_attr attr = {0, 5, 64, 0};
	struct shmid_ds shm;
	struct msqid_ds msq;
	struct semid_ds sem;
	struct sembuf ops[2] = {{0, 1, 0}, {1, -1, IPC_NOWAIT}};
	struct timespec ts = {0, 0};
	struct {
		long type;
		char text[8];
	} message = {1, "text"};
	char text[100];
	unsigned priority;
	union {
		int value;
		void *ptr;
	} arg = {.value = 3};
	int id;

	id = (int)CALL(mq_open, "renacer-test-queue", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
	CALL(mq_getsetattr, id, NULL, &attr);
	CALL(mq_timedsend, id, "hello", 5, 3, NULL);
	CALL(mq_timedreceive, id, text, 64, &priority, &ts);
	CALL(mq_notify, id, NULL);
	CALL(mq_unlink, "renacer-test-queue");
	id = (int)CALL(shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	CALL(shmctl, id, IPC_STAT, &shm);
	CALL(shmdt, syscall(SYS_shmat, id, NULL, SHM_RDONLY));
	CALL(shmctl, id, IPC_RMID, NULL);
	id = (int)CALL(msgget, IPC_PRIVATE, IPC_CREAT | 0600);
	CALL(msgsnd, id, &message, 4, IPC_NOWAIT);
	CALL(msgrcv, id, &message, 8, 0, IPC_NOWAIT | MSG_NOERROR);
	CALL(msgctl, id, IPC_STAT, &msq);
	CALL(msgctl, id, IPC_RMID, NULL);
	id = (int)CALL(semget, IPC_PRIVATE, 2, IPC_CREAT | 0600);
	CALL(semctl, id, 0, SETVAL, arg);
	CALL(semctl, id, 0, GETVAL, 0);
	arg.ptr = &sem;
	CALL(semctl, id, 0, IPC_STAT, arg);
	CALL(semop, id, ops, 2);
	CALL(semtimedop, id, ops, 1, &ts);
	CALL(semctl, id, 0, IPC_RMID, 0);
}

static void waits(void)
{
	struct clone_args args = {.flags = 0, .exit_signal = SIGCHLD};
	struct rusage ru;
	siginfo_t info;
	int status, pid;

	signal(SIGCHLD, SIG_DFL);
	pid = (int)CALL(clone3, &args, sizeof(args));
	if (pid == 0)
		exits();
	CALL(wait4, pid, &status, 0, &ru);
	pid = fork();
	if (pid == 0)
		exits();
	CALL(waitid, P_PID, pid, &info, WEXITED | WNOWAIT, &ru);
	CALL(waitid, P_ALL, 0, &info, WEXITED, NULL);
	pid = fork();
	if (pid == 0) {
		kill(getpid(), SIGKILL);
		exits();
	}
	CALL(wait4, -1, &status, 0, NULL);
	CALL(wait4, -1, &status, WNOHANG, NULL);
	CALL(waitid, P_ALL, 0, &info, WEXITED | WNOHANG, NULL);
	args.flags = CLONE_PIDFD | 0x100000000ull;
	args.pidfd = (uintptr_t)&status;

	if (CALL(clone3, &args, 64) == 0)
		exits();
	CALL(wait4, -1, NULL, __WALL, NULL);
	pid = (int)CALL(clone3, &args, sizeof(args));
	if (pid == 0)
		exits();
	if (pid > 0)
		CALL(wait4, pid, NULL, __WALL, NULL);
	CALL(clone3, BAD, 64);
	CALL(clone3, &args, 8);
}

int main(void)
{
	mark();
	signals();
	timers();
	limits();
	futexes();
	ipc();
	controls();
	waits();
	mark();
	return 0;
}
