/* Asks for addresses on an Ethernet and times the replies.
 *
 *   layer2_load INTERFACE arp|ndp FIRST COUNT MODE VALUE SECONDS [DESTINATION]
 *
 * MODE "closed": VALUE questions are outstanding; "open": VALUE are asked a second; "noise": the
 * same, and nothing is expected. FIRST is the address that COUNT follow from. Each question has a
 * hardware address of its own as its sender, so every reply says which question it is of.
 * Prints one line: sent, answered, answered twice, lost, then p50 and p99 in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define MOST (1 << 23)
#define LATE 200000000ll /* a question without a reply for so long is lost */

static int64_t asked[MOST];
static uint32_t took[MOST];
static uint8_t mac[6], first[16], source[16];
static int six, count, sock;
static long sent, answered, twice, given_up;

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static uint16_t checksum(const uint8_t *from, const uint8_t *to, const uint8_t *body, int length)
{
	uint32_t sum = 58 + length;
	for (int i = 0; i < 16; i += 2)
		sum += (from[i] << 8 | from[i + 1]) + (to[i] << 8 | to[i + 1]);
	for (int i = 0; i < length; i += 2)
		sum += body[i] << 8 | body[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void target(uint8_t *out, long number)
{
	int length = six ? 16 : 4;
	memcpy(out, first, length);
	uint32_t low = (out[length - 4] << 24 | out[length - 3] << 16 | out[length - 2] << 8 |
			out[length - 1]) + number % count;
	for (int i = 0; i < 4; i++)
		out[length - 1 - i] = low >> (8 * i);
}

static void sender(uint8_t *out, long number)
{
	out[0] = 2;
	out[1] = 0xaa;
	for (int i = 0; i < 4; i++)
		out[2 + i] = number >> (8 * (3 - i));
}

static void ask(long number)
{
	uint8_t f[86] = {0};
	int length = 42;
	memcpy(f + 6, mac, 6);
	if (!six) {
		memset(f, 0xff, 6);
		memcpy(f + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
		sender(f + 22, number);
		memcpy(f + 28, source, 4);
		target(f + 38, number);
	} else {
		uint8_t *to = f + 38;
		length = 86;
		memcpy(f + 12, "\x86\xdd\x60\0\0\0\0\x20\x3a\xff", 10);
		memcpy(f + 22, source, 16);
		target(f + 62, number);
		memcpy(to, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff", 13);
		memcpy(to + 13, f + 75, 3);
		memcpy(f, "\x33\x33", 2);
		memcpy(f + 2, to + 12, 4);
		f[54] = 135;
		f[78] = 1;
		f[79] = 1;
		sender(f + 80, number);
		uint16_t sum = checksum(f + 22, to, f + 54, 32);
		f[56] = sum >> 8;
		f[57] = sum;
	}
	asked[number] = now();
	if (send(sock, f, length, 0) == length)
		sent++;
}

static long reply(const uint8_t *f, int length)
{
	if (!six && (length < 42 || memcmp(f + 12, "\x08\x06", 2) || f[21] != 2))
		return -1;
	if (six && (length < 86 || memcmp(f + 12, "\x86\xdd", 2) || f[20] != 58 || f[54] != 136))
		return -1;
	if (f[0] != 2 || f[1] != 0xaa)
		return -1;
	return (long)f[2] << 24 | f[3] << 16 | f[4] << 8 | f[5];
}

static int hear(void)
{
	uint8_t f[256];
	int heard = 0, length;
	while ((length = recv(sock, f, sizeof f, MSG_DONTWAIT)) > 0) {
		long number = reply(f, length);
		if (number < 0 || number >= MOST || !asked[number])
			continue;
		if (took[number]) {
			twice++;
			continue;
		}
		took[number] = now() - asked[number];
		answered++;
		heard++;
	}
	return heard;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	if (argc < 8)
		return 64;
	struct ifreq request = {0};
	int one = 1, big = 8 << 20;
	six = !strcmp(argv[2], "ndp");
	count = atoi(argv[4]);
	double value = atof(argv[6]);
	int64_t length = atof(argv[7]) * 1e9;
	inet_pton(six ? AF_INET6 : AF_INET, argv[3], first);
	inet_pton(six ? AF_INET6 : AF_INET, six ? "2001:db8::c8" : "192.0.2.200", source);
	sock = socket(AF_PACKET, SOCK_RAW, htons(six ? ETH_P_IPV6 : ETH_P_ARP));
	strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
	if (sock < 0 || ioctl(sock, SIOCGIFHWADDR, &request))
		return perror("layer2_load"), 1;
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	ioctl(sock, SIOCGIFINDEX, &request);
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(six ? ETH_P_IPV6 : ETH_P_ARP),
		.sll_ifindex = request.ifr_ifindex,
	};
	setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
	if (bind(sock, (struct sockaddr *)&where, sizeof where))
		return perror("layer2_load"), 1;

	struct pollfd ready = {.fd = sock, .events = POLLIN};
	int64_t start = now(), end = start + length, at;
	long number = 0;
	int closed = !strcmp(argv[5], "closed"), noise = !strcmp(argv[5], "noise");
	if (closed) {
		int64_t progress = start;
		while (number < value)
			ask(number++);
		while ((at = now()) < end && number < MOST) {
			int heard = hear();
			if (heard)
				progress = at;
			else if (at - progress > LATE) { /* all that is outstanding is lost */
				given_up += value;
				heard = value;
				progress = at;
			} else
				poll(&ready, 1, 1);
			while (heard-- && number < MOST)
				ask(number++);
		}
	} else {
		while ((at = now()) < end && number < MOST) {
			while (number < MOST && start + number * 1e9 / value <= now())
				ask(number++);
			hear();
			if (value <= 2000) {
				struct timespec wait = {0, 20000};
				ppoll(&ready, 1, &wait, NULL);
			}
		}
	}
	int64_t seconds = now() - start;
	for (at = now(); !noise && now() - at < LATE; poll(&ready, 1, 10))
		hear();
	long kept = 0;
	for (long i = 0; i < number; i++)
		if (took[i])
			took[kept++] = took[i];
	qsort(took, kept, sizeof *took, compare);
	printf("%ld %ld %ld %ld %.1f %.1f %.0f\n", sent, answered, twice, sent - answered,
	       kept ? took[kept / 2] / 1e3 : 0, kept ? took[kept * 99 / 100] / 1e3 : 0,
	       answered / (seconds / 1e9));
	return 0;
}
