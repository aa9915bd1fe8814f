/* The cheapest milter that there can be: it reads nothing but where packets end, and has its answers ready.
 *
 * ready SOCKET: one process, epoll, a unix socket. As ours does, it lets Postfix leave out what a message can do
 * without and wait for one answer alone, that to the end of the message: two fields for the top. What is lost with
 * this one is lost with every milter. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READY = 64,      /* connections that one look at them may tell of */
    ROOM = 1 << 16,  /* octets that are read at once: the messages of the run are smaller */
    BACKLOG = 100,
    HEAD = 4,        /* octets of the length of a packet, before its code */
};

/* The reply to OPTNEG. Version 6; fields may be added and changed, macros chosen. BODY, EOH, UNKNOWN and DATA are
 * not to be sent; CONNECT, HELO, MAIL, RCPT and HEADER need no reply. Macros for MAIL and for BODYEOB. */
#define CHOICE "\0\0\0\6" "\0\0\1\x11" "\0\0\xf3\xd0" "\0\0\0\2{auth_type} {auth_authen} i\0" "\0\0\0\5i"

static const char *const fields[][2] = {
    {"Authentication-Results",
     "mx.example.org; spf=pass smtp.mailfrom=sender.example;\n sender-id=pass header.from=sender.example"},
    {"Received-SPF",
     "pass (mx.example.org: domain of user@sender.example designates\n 127.0.0.1 as permitted sender)"
     " receiver=mx.example.org; client-ip=127.0.0.1;\n envelope-from=\"user@sender.example\";"
     " helo=mail.sender.example;\n identity=mailfrom; mechanism=\"include:_spf.sender.example\""},
};

typedef struct {
    char octets[1024];
    size_t length;
} said_t;

static said_t choice, answer;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void put(said_t *said, const void *octets, size_t length) {
    if (length > sizeof said->octets - said->length) die("too much to say");
    memcpy(said->octets + said->length, octets, length);
    said->length += length;
}

static void put_number(said_t *said, size_t number) {
    uint32_t octets = htonl((uint32_t)number);
    put(said, &octets, sizeof octets);
}

static void make_answers(void) {
    put_number(&choice, 1 + sizeof CHOICE);
    put(&choice, "O", 1);
    put(&choice, CHOICE, sizeof CHOICE);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t name = strlen(fields[i][0]) + 1, body = strlen(fields[i][1]) + 1;
        put_number(&answer, 1 + 4 + name + body);
        put(&answer, "i", 1); /* SMFIR_INSHEADER */
        put_number(&answer, 0);
        put(&answer, fields[i][0], name);
        put(&answer, fields[i][1], body);
    }
    put_number(&answer, 1);
    put(&answer, "c", 1); /* SMFIR_CONTINUE */
}

static int listening(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    if (strlen(path) >= sizeof address.sun_path) die("the path is too long");
    strcpy(address.sun_path, path);
    if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof address) || listen(sock, BACKLOG)) die(path);
    return sock;
}

/* Whether the connection goes on. Postfix writes whole packets on a unix socket; a run with others would hang, and
 * so end. */
static int answered(int connection) {
    static unsigned char octets[ROOM];
    ssize_t length = read(connection, octets, sizeof octets);
    if (length <= 0) return 0;
    for (ssize_t at = 0; at + HEAD < length;) {
        uint32_t size;
        memcpy(&size, octets + at, sizeof size);
        const said_t *said = NULL;
        switch (octets[at + HEAD]) {
        case 'O': said = &choice; break;
        case 'E': said = &answer; break;
        case 'Q': return 0;
        }
        if (said && write(connection, said->octets, said->length) != (ssize_t)said->length) return 0;
        at += HEAD + (ssize_t)ntohl(size);
    }
    return 1;
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "usage: ready SOCKET\n");
        return 2;
    }
    make_answers();
    int sock = listening(words[1]), loop = epoll_create1(0);
    struct epoll_event one = {.events = EPOLLIN, .data.fd = sock}, ready[READY];
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, sock, &one)) die("epoll");
    for (;;) {
        int found = epoll_wait(loop, ready, READY, -1);
        for (int i = 0; i < found; i++) {
            int file = ready[i].data.fd;
            if (file == sock) {
                one.data.fd = accept(sock, NULL, NULL);
                if (one.data.fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, one.data.fd, &one)) die("epoll_ctl");
            } else if (!answered(file)) {
                close(file);
            }
        }
    }
}
