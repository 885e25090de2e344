/* SPDX-License-Identifier: MIT */
/* Sockets: options, messages, addresses. */
#include "subject.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char control[256], text[300];

static void messages(int a, int b)
{
	struct iovec iov[2] = {{"hello", 5}, {"world\n", 6}};
	struct iovec in[2] = {{text, 4}, {text + 10, 100}};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct mmsghdr many[2] = {{{.msg_iov = iov, .msg_iovlen = 1}, 0},
				  {{.msg_iov = iov, .msg_iovlen = 2}, 0}};
	struct timespec ts = {0, 1000};
	struct cmsghdr *c = (struct cmsghdr *)control;
	struct ucred me = {getpid(), getuid(), getgid()};
	int fds[2] = {0, 1}, yes = 1, udp = socket(AF_INET, SOCK_DGRAM, 0);

	CALL(sendmsg, a, &msg, 0);
	msg.msg_iov = in;
	CALL(recvmsg, b, &msg, 0);
	msg.msg_iov = iov;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	msg.msg_control = control;
	msg.msg_controllen = CMSG_SPACE(sizeof(fds));
	CALL(sendmsg, a, &msg, MSG_NOSIGNAL);
	memset(control, 0, sizeof(control));
	msg.msg_controllen = sizeof(control);
	msg.msg_iov = in;
	CALL(recvmsg, b, &msg, MSG_CMSG_CLOEXEC);
	setsockopt(b, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(me));
	memcpy(CMSG_DATA(c), &me, sizeof(me));
	msg.msg_iov = iov;
	msg.msg_controllen = CMSG_SPACE(sizeof(me));
	CALL(sendmsg, a, &msg, 0);
	msg.msg_controllen = sizeof(control);
	msg.msg_iov = in;
	CALL(recvmsg, b, &msg, 0);
	msg.msg_control = NULL;
	msg.msg_controllen = 0;
	CALL(recvmsg, b, &msg, MSG_DONTWAIT);
	CALL(sendmmsg, a, many, 2, 0);
	many[0].msg_hdr.msg_iov = many[1].msg_hdr.msg_iov = in;
	CALL(recvmmsg, b, many, 2, MSG_DONTWAIT, &ts);
	CALL(recvmmsg, b, many, 2, MSG_DONTWAIT, NULL);
	inet_aton("127.0.0.1", &to.sin_addr);
	msg = (struct msghdr){
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = iov, .msg_iovlen = 1};
	CALL(sendmsg, udp, &msg, 0);
	CALL(sendto, udp, "data", 4, 0, &to, sizeof(to));
	CALL(recvfrom, udp, text, 10, MSG_DONTWAIT, &to, BAD);
	CALL(sendmsg, a, BAD, 0);
	CALL(recvmsg, a, NULL, MSG_DONTWAIT);
	msg = (struct msghdr){
		.msg_iov = BAD, .msg_iovlen = 2, .msg_control = BAD, .msg_controllen = 30};
	CALL(sendmsg, a, &msg, 0);
	msg = (struct msghdr){.msg_iov = iov, .msg_iovlen = (size_t)1 << 40};
	CALL(sendmsg, a, &msg, 0);
	CALL(sendmmsg, a, BAD, 2, 0);
	CALL(sendmmsg, a, many, 0, 0);
}

static void options(int tcp, int pair)
{
	int value = 1,
	    names[] = {SO_DEBUG,    SO_REUSEADDR, SO_TYPE,      SO_ERROR,      SO_SNDBUF,
		       SO_RCVBUF,   SO_KEEPALIVE, SO_BROADCAST, SO_ACCEPTCONN, SO_DOMAIN,
		       SO_PROTOCOL, SO_RCVLOWAT,  SO_REUSEPORT, SO_MARK,       SO_PRIORITY};
	struct linger linger = {1, 5};
	struct timeval tv = {3, 500};
	struct ucred peer;
	struct sock_filter code[] = {{6, 0, 0, 0xffff}};
	struct sock_fprog prog = {1, code};
	struct ip_mreq mreq = {{htonl(0xe0000001)}, {0}};
	struct ipv6_mreq mreq6 = {.ipv6mr_interface = 1};
	struct tcp_info info;
	socklen_t len;
	char name[32] = "lo";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		len = sizeof(value);
		CALL(getsockopt, tcp, SOL_SOCKET, names[i], &value, &len);
	}
	value = 1;
	CALL(setsockopt, tcp, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
	CALL(setsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	CALL(setsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, 4);
	CALL(setsockopt, tcp, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	CALL(setsockopt, tcp, SOL_SOCKET, SO_BINDTODEVICE, name, 3);
	CALL(setsockopt, tcp, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	CALL(setsockopt, tcp, SOL_SOCKET, SO_REUSEADDR, BAD, sizeof(value));
	CALL(setsockopt, tcp, SOL_SOCKET, SO_REUSEADDR, &value, 2);
	CALL(setsockopt, tcp, SOL_SOCKET, SO_REUSEADDR, &value, -1);
	CALL(setsockopt, tcp, SOL_SOCKET, 999, &value, sizeof(value));
	CALL(setsockopt, tcp, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
	CALL(setsockopt, tcp, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	CALL(setsockopt, tcp, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	CALL(setsockopt, tcp, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
	CALL(setsockopt, tcp, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof(value));
	CALL(setsockopt, tcp, IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq6, sizeof(mreq6));
	CALL(setsockopt, tcp, 999, 1, &value, sizeof(value));
	CALL(setsockopt, pair, SOL_SOCKET, SO_PASSCRED, &value, sizeof(value));
	len = sizeof(linger);
	CALL(getsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, &len);
	len = 5;
	CALL(getsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, &len);
	len = sizeof(tv);
	CALL(getsockopt, tcp, SOL_SOCKET, SO_RCVTIMEO, &tv, &len);
	len = sizeof(peer);
	CALL(getsockopt, pair, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	len = 100;
	CALL(getsockopt, pair, SOL_SOCKET, SO_PEERSEC, text, &len);
	len = sizeof(info);
	CALL(getsockopt, tcp, IPPROTO_TCP, TCP_INFO, &info, &len);
	len = 16;
	CALL(getsockopt, tcp, IPPROTO_TCP, TCP_CONGESTION, text, &len);
	len = 4;
	CALL(getsockopt, tcp, IPPROTO_TCP, TCP_MAXSEG, &value, &len);
	CALL(getsockopt, tcp, IPPROTO_IP, IP_TTL, &value, &len);
	CALL(getsockopt, tcp, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len);
	CALL(getsockopt, tcp, SOL_SOCKET, SO_TYPE, BAD, &len);
	CALL(getsockopt, tcp, SOL_SOCKET, SO_TYPE, &value, BAD);
	len = 2;
	CALL(getsockopt, tcp, SOL_SOCKET, SO_TYPE, &value, &len);
	len = 8;
	CALL(getsockopt, tcp, SOL_SOCKET, SO_COOKIE, text, &len);
	CALL(getsockopt, tcp, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, &len);
}

int main(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_groups = 5};
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(0x800),
				 .sll_ifindex = 1,
				 .sll_halen = 6};
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = 2, .svm_port = 99};
	struct sockaddr_storage got;
	struct {
		struct nlmsghdr head;
		char rest[32];
	} request = {{48, 18, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {0}};
	struct ifconf ifc = {sizeof(text), {text}};
	struct ifreq ifr = {.ifr_name = "lo"};
	socklen_t len = sizeof(got);
	int tcp, unix_pair[2], dgram[2], netlink, n, fd;

	mark();
	tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair);
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, dgram);
	netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	socket(AF_PACKET, SOCK_RAW, htons(3));
	socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	socket(AF_INET6, SOCK_DGRAM, 0);
	socket(999, 77, 5);
	CALL(bind, tcp, &in, sizeof(in));
	CALL(listen, tcp, 5);
	options(tcp, unix_pair[0]);
	messages(dgram[0], dgram[1]);
	CALL(bind, netlink, &nl, sizeof(nl));
	CALL(getsockname, netlink, &got, &len);
	CALL(sendto, netlink, &request, sizeof(request.head) + 4, 0, NULL, 0);
	CALL(connect, tcp, &ll, sizeof(ll));
	CALL(connect, tcp, &vm, sizeof(vm));
	CALL(ioctl, tcp, SIOCGIFCONF, &ifc);
	CALL(ioctl, tcp, SIOCGIFINDEX, &ifr);
	CALL(ioctl, tcp, SIOCGIFFLAGS, &ifr);
	CALL(ioctl, tcp, SIOCGIFADDR, &ifr);
	CALL(ioctl, tcp, SIOCGIFMTU, &ifr);
	CALL(ioctl, tcp, FIONREAD, &n);
	fd = (int)CALL(accept4, tcp, NULL, NULL, SOCK_NONBLOCK | 0x4000);
	CALL(shutdown, tcp, SHUT_RDWR);
	CALL(close, fd);
	mark();
	return 0;
}
