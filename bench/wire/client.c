/* A client that reads the rows of one statement and discards them.
 *
 * client PORT USER text|binary SQL
 *
 * Prints the number of rows, their bytes, and a checksum of them where CHECK is set in the environment. It knows only what it needs
 * of the protocol: an empty password, and answers without errors.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (1 << 20)
/* PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH */
#define CAPABILITIES (1u << 9 | 1u << 15 | 1u << 19)

static int server;
static uint8_t room[ROOM];
static size_t from, to;

static void fail(const char *what) {
    fprintf(stderr, "client: %s\n", what);
    exit(1);
}

/* So many bytes that lie together; they stay until the next call. */
static uint8_t *arrived(size_t wanted) {
    if (wanted > ROOM) fail("a packet is too long");
    if (to - from < wanted && from > 0) {
        memmove(room, room + from, to - from);
        to -= from;
        from = 0;
    }
    while (to - from < wanted) {
        ssize_t got = read(server, room + to, ROOM - to);
        if (got <= 0) fail("the server is gone");
        to += (size_t)got;
    }
    uint8_t *bytes = room + from;
    from += wanted;
    return bytes;
}

static uint8_t *packet(size_t *length) {
    uint8_t *header = arrived(4);
    *length = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
    uint8_t *payload = arrived(*length);
    if (*length > 0 && payload[0] == 0xff) {
        fprintf(stderr, "client: %.*s\n", (int)(*length - 3), payload + 3);
        exit(1);
    }
    return payload;
}

static void send_packet(const void *payload, size_t length, uint8_t number) {
    uint8_t frame[4096];
    if (length > sizeof frame - 4) fail("a statement is too long");
    frame[0] = (uint8_t)length;
    frame[1] = (uint8_t)(length >> 8);
    frame[2] = (uint8_t)(length >> 16);
    frame[3] = number;
    memcpy(frame + 4, payload, length);
    if (write(server, frame, length + 4) != (ssize_t)(length + 4)) fail("cannot write");
}

static void send_command(uint8_t code, const char *text, size_t length) {
    uint8_t payload[4000];
    if (length > sizeof payload - 1) fail("a statement is too long");
    payload[0] = code;
    memcpy(payload + 1, text, length);
    send_packet(payload, length + 1, 0);
}

static void log_in(const char *port, const char *user) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
    int one = 1;
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    size_t length;
    packet(&length);
    uint8_t answer[200] = {0};
    uint32_t capabilities = CAPABILITIES;
    memcpy(answer, &capabilities, 4);
    answer[8] = 45;
    strncpy((char *)answer + 32, user, 50);
    size_t at = 32 + strlen(user) + 2;
    strcpy((char *)answer + at, "mysql_native_password");
    send_packet(answer, at + sizeof "mysql_native_password", 1);
    uint8_t number = 3;
    /* asked for another plugin, an empty password is answered by nothing */
    while (packet(&length)[0] == 0xfe) {
        send_packet("", 0, number);
        number += 2;
    }
}

static int is_eof(const uint8_t *payload, size_t length) { return length < 9 && payload[0] == 0xfe; }

static void skip_to_eof(void) {
    size_t length;
    uint8_t *payload;
    do payload = packet(&length);
    while (!is_eof(payload, length));
}

static void read_rows(void) {
    const int check = getenv("CHECK") != NULL;
    size_t length;
    uint64_t rows = 0, bytes = 0, sum = 14695981039346656037u;
    packet(&length);
    skip_to_eof();
    for (;;) {
        uint8_t *payload = packet(&length);
        if (is_eof(payload, length)) break;
        rows++;
        bytes += length;
        for (size_t i = 0; check && i < length; i++) sum = (sum ^ payload[i]) * 1099511628211u;
    }
    printf("%llu %llu %llx\n", (unsigned long long)rows, (unsigned long long)bytes, check ? (unsigned long long)sum : 0);
}

int main(int count, char **arguments) {
    if (count != 5) fail("PORT USER text|binary SQL");
    const char *sql = arguments[4];
    log_in(arguments[1], arguments[2]);
    if (strcmp(arguments[3], "text") == 0) {
        send_command(0x03, sql, strlen(sql));
        read_rows();
        return 0;
    }
    size_t length;
    send_command(0x16, sql, strlen(sql));
    uint8_t *prepared = packet(&length);
    char execute[9] = {0};
    memcpy(execute, prepared + 1, 4);
    execute[5] = 1;
    if (prepared[7] != 0 || prepared[8] != 0) fail("a statement with parameters");
    skip_to_eof();
    send_command(0x17, execute, sizeof execute);
    read_rows();
    return 0;
}
