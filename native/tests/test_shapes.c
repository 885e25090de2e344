/* SPDX-License-Identifier: MIT */
/* Structures and socket addresses as text, and arguments that hang on others. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>

#include "decode/decode.h"
#include "sample.h"

static const char *arg_text(struct rn_buf *buf, const struct sample *s, unsigned arg)
{
	rn_format_arg(buf, &s->call, arg, 32);
	return taken(buf);
}

/* Bytes of a structure, captured for argument `arg` of `name`; the text of that argument. */
static const char *shape_text(struct rn_buf *buf, struct sample *s, const char *name, unsigned arg,
			      const void *data, size_t len)
{
	bool out;

	sample(s, name, ARGS(0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
	out = rn_kind_is_out(s->call.desc->args[arg].kind);
	if (s->call.desc->args[arg].kind == RN_ARG_STRUCT_IN && s->call.desc->args[arg].aux)
		s->call.args[s->call.desc->args[arg].aux] = len;
	sample_piece(s, RN_PIECE_STRUCT, arg, data, len, len, out ? RN_PIECE_AT_EXIT : 0);
	sample_result(s, 0);
	return arg_text(buf, s, arg);
}

/* As strace 6.1 shows the same bytes. */
static void test_structures(struct rn_buf *buf, struct sample *s)
{
	const struct timespec ts[2] = {{1, 500}, {0, (1l << 30) - 1}};
	struct rlimit limit = {8192 * 1024, RLIM_INFINITY};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 5};
	struct pollfd polls[] = {{3, POLLIN, 0}, {-1, POLLIN, 0}, {4, POLLIN | POLLOUT, 0}};
	struct {
		uint64_t handler, flags, restorer, mask;
	} action = {1, 0x14000000, 0x7000, 0x4002};
	struct stat st = {.st_mode = S_IFREG | 04644, .st_size = 12};
	struct utsname name = {.sysname = "Linux", .nodename = "a\n\"b"};
	uint64_t set = ~0x80000000ull;

	CHECK_STR(shape_text(buf, s, "nanosleep", 0, ts, 16), "{tv_sec=1, tv_nsec=500}");
	CHECK_STR(shape_text(buf, s, "nanosleep", 0, ts, 15), "0x10");
	CHECK_STR(shape_text(buf, s, "setrlimit", 1, &limit, sizeof(limit)),
		  "{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}");
	CHECK_STR(shape_text(buf, s, "epoll_ctl", 3, &event, sizeof(event)),
		  "{events=EPOLLIN|EPOLLET, data={u32=5, u64=5}}");
	CHECK_STR(shape_text(buf, s, "rt_sigaction", 1, &action, sizeof(action)),
		  "{sa_handler=SIG_IGN, sa_mask=[INT TERM], sa_flags=SA_RESTORER|SA_RESTART, "
		  "sa_restorer=0x7000}");
	CHECK_STR(shape_text(buf, s, "rt_sigprocmask", 1, &set, 4), "0x10");
	CHECK_STR(shape_text(buf, s, "rt_sigprocmask", 1, &set, 8), "~[RTMIN]");
	set = ~0ull;
	CHECK_STR(shape_text(buf, s, "rt_sigprocmask", 1, &set, 8), "~[]");
	set = 0;
	CHECK_STR(shape_text(buf, s, "rt_sigprocmask", 1, &set, 8), "[]");
	CHECK_STR(shape_text(buf, s, "fstat", 1, &st, sizeof(st)),
		  "{st_mode=S_IFREG|S_ISUID|0644, st_size=12, ...}");
	st.st_mode = S_IFCHR | 0620;
	st.st_rdev = makedev(136, 3);
	CHECK_STR(shape_text(buf, s, "fstat", 1, &st, sizeof(st)),
		  "{st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0x3), ...}");
	s->call.flags |= RN_FLAG_FAILED;
	CHECK_STR(arg_text(buf, s, 1), "0x10");
	CHECK_STR(shape_text(buf, s, "uname", 0, &name, sizeof(name)),
		  "{sysname=\"Linux\", nodename=\"a\\n\\\"b\", ...}");

	sample(s, "poll", ARGS(0x10, 3, 0));
	sample_piece(s, RN_PIECE_STRUCT, 0, polls, sizeof(polls), sizeof(polls), 0);
	CHECK_STR(arg_text(buf, s, 0),
		  "[{fd=3, events=POLLIN}, {fd=-1}, {fd=4, events=POLLIN|POLLOUT}]");
	s->call.args[1] = 0xffffffff; /* more than were captured */
	CHECK_STR(arg_text(buf, s, 0),
		  "[{fd=3, events=POLLIN}, {fd=-1}, {fd=4, events=POLLIN|POLLOUT}, ...]");
	sample(s, "epoll_wait", ARGS(3, 0x10, 8, 0));
	sample_result(s, 0);
	CHECK_STR(arg_text(buf, s, 1), "[]");
}

static void test_addresses(struct rn_buf *buf, struct sample *s)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/s"};
	struct rn_peer peer;
	int32_t room = 128, length = 16;

	in.sin_addr.s_addr = htonl(0x7f000001);
	in6.sin6_addr.s6_addr[15] = 1;
	CHECK_STR(shape_text(buf, s, "connect", 1, &in, sizeof(in)),
		  "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}");
	CHECK(rn_call_peer(&s->call, &peer) && peer.port == 80 && !peer.local);
	CHECK_STR((const char *)peer.data, "127.0.0.1");
	CHECK_STR(shape_text(buf, s, "bind", 1, &in6, sizeof(in6)),
		  "{sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
		  "inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}");
	CHECK(rn_call_peer(&s->call, &peer) && peer.port == 443 && peer.local);
	CHECK_STR(shape_text(buf, s, "connect", 1, &un, sizeof(un)),
		  "{sa_family=AF_UNIX, sun_path=\"/run/s\"}");
	CHECK(rn_call_peer(&s->call, &peer) && peer.port == -1 && peer.len == 6);
	memcpy(un.sun_path, "\0x\0\1", 4);
	CHECK_STR(shape_text(buf, s, "connect", 1, &un, 6),
		  "{sa_family=AF_UNIX, sun_path=@\"x\\0\\1\"}");
	CHECK_STR(shape_text(buf, s, "connect", 1, &un, 2), "{sa_family=AF_UNIX}");
	CHECK_STR(shape_text(buf, s, "connect", 1, "\50\0\0\0c\0\0\0\2\0\0\0\0\0\0\0", 16),
		  "{sa_family=AF_VSOCK, svm_cid=VMADDR_CID_HOST, svm_port=0x63, svm_flags=0}");
	CHECK_STR(shape_text(buf, s, "bind", 1, "\21\0\0\3\2\0\0\0\1\0\0\11\1\2\3\0\0\0\0\377", 20),
		  "{sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL), sll_ifindex=2, "
		  "sll_hatype=ARPHRD_ETHER, sll_pkttype=PACKET_HOST, sll_halen=9, "
		  "sll_addr=[0x1, 0x2, 0x3, 00, 00, 00, 00, 0xff, ...]}");
	CHECK_STR(shape_text(buf, s, "bind", 1, "\21\0\0\3\2\0\0\0\1\0\0", 11),
		  "{sa_family=AF_PACKET, sa_data=\"\\0\\3\\2\\0\\0\\0\\1\\0\\0\"}");
	CHECK_STR(shape_text(buf, s, "connect", 1, &un, 1), "0x10");
	CHECK(!rn_call_peer(&s->call, &peer));

	/* What accept() fills in is as long as it says, and no longer than there was room. */
	sample(s, "accept", ARGS(3, 0x10, 0x20));
	sample_piece(s, RN_PIECE_STRUCT, 2, &room, 4, 4, 0);
	CHECK_STR(arg_text(buf, s, 2), "[128]");
	sample_piece(s, RN_PIECE_STRUCT, 1, &in, sizeof(in), 128, RN_PIECE_AT_EXIT);
	sample_piece(s, RN_PIECE_STRUCT, 2, &length, 4, 4, RN_PIECE_AT_EXIT);
	sample_result(s, 4);
	CHECK_STR(arg_text(buf, s, 1),
		  "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}");
	CHECK_STR(arg_text(buf, s, 2), "[128 => 16]");
	CHECK(rn_call_peer(&s->call, &peer) && peer.port == 80 && !peer.local);

	/* A client without a name: behind its family stands what was in the buffer before. */
	un.sun_family = AF_UNIX;
	length = 2;
	sample(s, "accept", ARGS(3, 0x10, 0x20));
	sample_piece(s, RN_PIECE_STRUCT, 2, &room, 4, 4, 0);
	sample_piece(s, RN_PIECE_STRUCT, 1, &un, sizeof(un), 128, RN_PIECE_AT_EXIT);
	sample_piece(s, RN_PIECE_STRUCT, 2, &length, 4, 4, RN_PIECE_AT_EXIT);
	sample_result(s, 4);
	CHECK_STR(arg_text(buf, s, 1), "{sa_family=AF_UNIX}");
	CHECK(!rn_call_peer(&s->call, &peer));
}

static void test_buffers(struct rn_buf *buf, struct sample *s)
{
	struct {
		struct rn_iovec_head head;
		char bytes[8];
	} list[2] = {{{0x1000, 5, 5, 5}, "hello"}, {{0x2000, 900, 900, 3}, "a\n\1"}};
	struct rn_iovec_head gone = {8, 3, 3, UINT64_MAX};

	sample(s, "writev", ARGS(1, 0x10, 3));
	sample_piece(s, RN_PIECE_STRUCT, 1, list, sizeof(list), 2, 0);
	CHECK_STR(arg_text(buf, s, 1), "[{iov_base=\"hello\", iov_len=5}, "
				       "{iov_base=\"a\\n\\1\"..., iov_len=900}]");
	/* Lengths that lie: no further than what is there. */
	list[1].head.captured = 1ull << 40;
	sample(s, "writev", ARGS(1, 0x10, 3));
	sample_piece(s, RN_PIECE_STRUCT, 1, list, sizeof(list) - 5, 3, 0);
	CHECK_STR(arg_text(buf, s, 1), "[{iov_base=\"hello\", iov_len=5}, "
				       "{iov_base=\"a\\n\\1\"..., iov_len=900}, ...]");
	CHECK_STR(shape_text(buf, s, "writev", 1, &gone, sizeof(gone)),
		  "[{iov_base=0x8, iov_len=3}, ...]");
}

/* A message, its name, buffers and control data, which may lie about their lengths. */
static void test_messages(struct rn_buf *buf, struct sample *s)
{
	struct {
		struct rn_message_head head;
		struct rn_iovec_head iov;
		char bytes[8];
		uint64_t control_len;
		uint32_t level, type, fds[2];
	} message = {{.iov = 0x10,
		      .iovlen = 1,
		      .control = 0x20,
		      .controllen = 24,
		      .iov_bytes = 40,
		      .control_bytes = 24},
		     {0x1000, 5, 5, 5},
		     "hello",
		     24,
		     1,
		     1,
		     {3, 4}};

	sample(s, "sendmsg", ARGS(3, 0x10, 0));
	sample_piece(s, RN_PIECE_STRUCT, 1, &message, sizeof(message), 1, 0);
	sample_result(s, 5);
	CHECK_STR(arg_text(buf, s, 1),
		  "{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"hello\", iov_len=5}], "
		  "msg_iovlen=1, msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, "
		  "cmsg_type=SCM_RIGHTS, cmsg_data=[3, 4]}], msg_controllen=24, msg_flags=0}");
	message.control_len = 1ull << 40;
	message.head.control_bytes = 1u << 30;
	message.head.name = 1;
	message.head.name_bytes = UINT32_MAX;
	sample(s, "sendmsg", ARGS(3, 0x10, 0));
	sample_piece(s, RN_PIECE_STRUCT, 1, &message, sizeof(message) - 4, 1, 0);
	CHECK_STR(arg_text(buf, s, 1),
		  "{msg_name=0x1, msg_namelen=0, msg_iov=[{iov_base=\"hello\", iov_len=5}], "
		  "msg_iovlen=1, msg_control=[{cmsg_len=1099511627776, cmsg_level=SOL_SOCKET, "
		  "cmsg_type=SCM_RIGHTS, cmsg_data=[3]}, ...], msg_controllen=24, msg_flags=0}");
}

/* What an argument is may hang on another one. */
static void test_choices(struct rn_buf *buf, struct sample *s)
{
	struct rn_meaning meaning;

	sample(s, "fcntl", ARGS(3, F_SETFD, 1));
	CHECK_STR(arg_text(buf, s, 2), "FD_CLOEXEC");
	s->call.args[1] = F_SETFL;
	s->call.args[2] = O_RDWR | O_NONBLOCK;
	CHECK_STR(arg_text(buf, s, 2), "O_RDWR|O_NONBLOCK");
	s->call.args[1] = F_GETFD;
	CHECK(rn_arg_is_void(&s->call, 2));
	CHECK(rn_result_meaning(&s->call, &meaning) && meaning.form == RN_SET_FDFLAGS);
	s->call.args[1] = F_SETLK;
	CHECK(!rn_arg_is_void(&s->call, 2));
	CHECK_STR(arg_text(buf, s, 2), "0x802");
	CHECK(!rn_result_meaning(&s->call, &meaning));
	sample(s, "socket", ARGS(AF_INET, SOCK_STREAM, 6));
	CHECK_STR(arg_text(buf, s, 2), "IPPROTO_TCP");
	s->call.args[0] = AF_UNIX;
	CHECK_STR(arg_text(buf, s, 2), "6");
}

int main(void)
{
	static struct sample s;
	struct rn_buf buf;

	rn_buf_init(&buf);
	test_structures(&buf, &s);
	test_addresses(&buf, &s);
	test_choices(&buf, &s);
	test_buffers(&buf, &s);
	test_messages(&buf, &s);
	rn_buf_deinit(&buf);
	return check_done();
}
