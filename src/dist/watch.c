/* watch.c - a star of TCP connections around rank 0.
 *
 * Rank 0 listens. The others learn its addresses, its port and a secret number by MPI, connect and introduce
 * themselves. From then on both ends send a byte every BEAT_MS. What an end may see:
 *   - silence: the other process is stopped, or its host or the network is down;
 *   - the end of the connection without a goodbye: the process has died. This rank reports it. Launchers notice it,
 *     too, and know the signal, so they get GRACE seconds to end the job. Not all do (srun without
 *     --kill-on-bad-exit).
 * A process that did not run for a while (the whole job was suspended) cannot judge the others, and starts over.
 */
#include "dist/watch.h"

#include "base/error.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BEAT_MS = 500,
    /* Delay before a death is reported: if all ranks are being killed, it need not be. Open MPI 5's mpirun kills the
     * other ranks after half a second, Open MPI 4's after a second. */
    TELL_MS = 100,
    GRACE = 3, /* seconds for a launcher to end the job by itself */
    LEAVE = 7, /* ... and for a rank that gives up, whose status the job's is to be: on a busy machine it takes long */
    SUSPENDED = 2, /* seconds without a turn: this process was stopped */
    CONNECT_MS = 2000,
    JOIN_SECONDS = 5, /* time for all ranks to connect */
    BYE_SECONDS = 1,  /* for the other end to read the goodbye */
    ADDRESSES = 16,
    HOST = 64,
};

/* A rank that gives up has already said why, and ends the job by its own call of MPI_Abort. */
static const char BYTE_ALIVE = 'a', BYTE_BYE = 'q', BYTE_GIVING_UP = 'x';

/* How to reach rank 0; sent by MPI. */
typedef struct meeting_point {
    char host[HOST];
    uint64_t secret;
    uint16_t port; /* network byte order, like the addresses; 0: rank 0 could not listen */
    int count;
    in_addr_t address[ADDRESSES];
} meeting_point;

/* A rank's first message; rank 0 answers with its own. */
typedef struct hello {
    uint64_t secret;
    int32_t rank, process;
    char host[HOST];
} hello;

typedef struct peer {
    hello who;
    int socket;   /* -1: not connected, or it has said goodbye */
    double heard; /* time of its last sign of life, by px_now */
    double ended; /* time when the connection ended without goodbye; 0: it did not */
    bool told;    /* its death has been reported */
    bool gives_up;
} peer;

struct px_watch {
    int rank, peers; /* rank 0 has a peer for each other rank; each other rank has one: rank 0 */
    peer *peer;
    int listener; /* rank 0, until all have connected; else -1 */
    hello own;
    double limit;
    _Atomic int come; /* peers that have introduced themselves */
    _Atomic bool stop;
    _Atomic bool gives_up; /* this rank: it no longer judges those that its end ends */
    pthread_t thread;
    bool running;
};

/* The watch of this process. A global, since px_watch_giving_up is called from any thread, without a context. */
static px_watch *own_watch;
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;

static void set_own(px_watch *w)
{
    pthread_mutex_lock(&own_lock);
    own_watch = w;
    pthread_mutex_unlock(&own_lock);
}

/* ---- sockets ---- */

static void make_ready(int fd)
{
    int on = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Waits for one of `events` until `end`, by px_now; signals do not shorten it. */
static bool ready_by(int fd, short events, double end)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (double left; (left = end - px_now()) > 0;) {
        int count = poll(&p, 1, (int)(left * 1000) + 1);
        if (count > 0 || (count < 0 && errno != EINTR))
            return count > 0;
    }
    return false;
}

/* Reads a whole hello within CONNECT_MS; a peer that sends anything else is a stranger. */
static bool read_hello(int fd, hello *h, uint64_t secret)
{
    size_t have = 0;
    double end = px_now() + CONNECT_MS / 1000.0;
    while (have < sizeof *h) {
        if (!ready_by(fd, POLLIN, end))
            return false;
        ssize_t got = recv(fd, (char *)h + have, sizeof *h - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    h->host[HOST - 1] = '\0';
    return h->secret == secret;
}

static bool write_hello(int fd, const hello *h)
{
    return send(fd, h, sizeof *h, MSG_NOSIGNAL) == (ssize_t)sizeof *h; /* the first bytes always fit */
}

static void find_addresses(meeting_point *m)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0)
        return;
    for (struct ifaddrs *i = all; i && m->count < ADDRESSES; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && i->ifa_flags & IFF_UP)
            m->address[m->count++] = ((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr;
    freeifaddrs(all);
}

static int listen_anywhere(meeting_point *m)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    make_ready(fd);
    m->port = a.sin_port;
    find_addresses(m);
    return fd;
}

static int connect_to(in_addr_t address, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = address};
    int fd = socket(AF_INET, SOCK_STREAM, 0), error = 0;
    socklen_t size = sizeof error;
    if (fd < 0)
        return -1;
    make_ready(fd);
    if ((connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 && errno != EINPROGRESS) ||
        !ready_by(fd, POLLOUT, px_now() + CONNECT_MS / 1000.0) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Tries rank 0's addresses. Some lead to another host (every host has a 127.0.0.1), which does not know the secret. */
static bool join(px_watch *w, const meeting_point *m)
{
    bool same_host = strcmp(m->host, w->own.host) == 0;
    for (int i = 0; i < m->count; i++) {
        bool loop = ntohl(m->address[i]) >> 24 == 127;
        int fd = loop && !same_host ? -1 : connect_to(m->address[i], m->port);
        if (fd < 0)
            continue;
        if (write_hello(fd, &w->own) && read_hello(fd, &w->peer[0].who, m->secret)) {
            w->peer[0].socket = fd;
            w->peer[0].heard = px_now();
            w->come = 1;
            return true;
        }
        close(fd);
    }
    return false;
}

/* ---- the end of the job ---- */

/* The lost ranks in one line, grouped by host. */
static void name_lost(const px_watch *w, const peer *first, const bool *lost, char *text, size_t size)
{
    size_t at = 0;
    int count = 0;
    for (int i = 0; i < w->peers && at < size; i++)
        if (lost[i] && strcmp(w->peer[i].who.host, first->who.host) == 0)
            at += (size_t)snprintf(text + at, size - at, "%s%d (process %d)", count++ ? ", " : "rank ",
                                   (int)w->peer[i].who.rank, (int)w->peer[i].who.process);
}

static void describe(const px_watch *w, const bool *lost, char *text, size_t size)
{
    char names[512];
    size_t at = 0;
    for (int i = 0; i < w->peers && at < size; i++) {
        const peer *p = &w->peer[i];
        bool told = false;
        for (int k = 0; k < i; k++)
            told |= lost[k] && strcmp(w->peer[k].who.host, p->who.host) == 0;
        if (!lost[i] || told)
            continue;
        name_lost(w, p, lost, names, sizeof names);
        at += (size_t)snprintf(text + at, size - at, "%s%s on %s %s", at ? "; " : "", names, p->who.host,
                               p->ended > 0 ? "has died"
                                            : "shows no sign of life: it is stopped, or its host or network is down");
    }
}

static _Noreturn void end_job(const px_watch *w, const bool *lost)
{
    char text[900] = "";
    describe(w, lost, text, sizeof text);
    alarm(GRACE); /* in case the abort hangs as well */
    px_die("%s: the job ends", text);
}

/* ---- the thread ---- */

/* Rank 0 accepts a connection. The secret keeps strangers and port scanners out. */
static void welcome(px_watch *w)
{
    hello h;
    int fd = accept(w->listener, NULL, NULL);
    if (fd < 0)
        return;
    make_ready(fd);
    bool known = read_hello(fd, &h, w->own.secret) && h.rank >= 1 && h.rank <= w->peers &&
                 w->peer[h.rank - 1].socket < 0 && write_hello(fd, &w->own);
    if (!known) {
        close(fd);
        return;
    }
    w->peer[h.rank - 1] = (peer){.who = h, .socket = fd, .heard = px_now()};
    if (++w->come == w->peers) { /* stop listening: a silent stranger can no longer delay the beat */
        close(w->listener);
        w->listener = -1;
    }
}

static void listen_to(peer *p)
{
    char bytes[64];
    ssize_t got = recv(p->socket, bytes, sizeof bytes, 0);
    if (got > 0) {
        p->heard = px_now();
        p->told = p->gives_up = memchr(bytes, BYTE_GIVING_UP, (size_t)got);
        if (p->told)
            p->ended = p->heard;
        else if (!memchr(bytes, BYTE_BYE, (size_t)got))
            return;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    } else {
        p->ended = px_now();
    }
    close(p->socket);
    p->socket = -1;
}

static void send_all(const px_watch *w, char byte)
{
    for (int i = 0; i < w->peers; i++)
        if (w->peer[i].socket >= 0)
            send(w->peer[i].socket, &byte, 1,
                 MSG_NOSIGNAL); /* a byte that does not fit is lost: the peer does not read, and will miss it rightly */
}

/* Reports the peers that have died. */
static void tell_of_dead(px_watch *w, double before, bool *dead)
{
    char text[900] = "";
    bool any = false;
    for (int i = 0; i < w->peers; i++) {
        peer *p = &w->peer[i];
        dead[i] = p->ended > 0 && p->ended < before && !p->told;
        p->told |= dead[i];
        any |= dead[i];
    }
    describe(w, dead, text, sizeof text);
    if (any)
        px_tell("%s", text);
}

/* Whether so much time has passed that the job must be ended from here. */
static bool is_overdue(const px_watch *w, const peer *p, double now, double delay)
{
    if (p->socket >= 0)
        return now - p->heard > w->limit + delay;
    return p->ended > 0 && now - p->ended > (p->gives_up ? LEAVE : GRACE) + delay;
}

/* Ends the job if a peer is lost. One rank is enough to say so: rank 0, else rank 1, else any that is left. */
static void judge(px_watch *w, double now)
{
    if (w->gives_up)
        return;
    double delay = w->rank < 2 ? 0 : 1;
    bool any = false, *lost = px_calloc((size_t)w->peers, sizeof *lost);
    tell_of_dead(w, now - TELL_MS / 1000.0 - delay, lost);
    for (int i = 0; i < w->peers; i++)
        any |= is_overdue(w, &w->peer[i], now, delay);
    for (int i = 0; i < w->peers; i++) { /* other ranks of the same host may be noticed a beat later */
        const peer *p = &w->peer[i];
        lost[i] = p->socket >= 0 ? now - p->heard > w->limit - 2 * BEAT_MS / 1000.0 : p->ended > 0;
    }
    if (any)
        end_job(w, lost);
    free(lost);
}

static void *watch(void *argument)
{
    px_watch *w = argument;
    struct pollfd *polled = px_calloc((size_t)w->peers + 1, sizeof *polled);
    double beat = 0, turn = px_now();
    while (!w->stop) {
        for (int i = 0; i < w->peers; i++)
            polled[i] = (struct pollfd){.fd = w->peer[i].socket, .events = POLLIN};
        polled[w->peers] = (struct pollfd){.fd = w->listener, .events = POLLIN};
        poll(polled, (nfds_t)w->peers + 1, TELL_MS);
        double now = px_now();
        for (int i = 0; now - turn > SUSPENDED && i < w->peers; i++)
            w->peer[i].heard = now;
        turn = now;
        for (int i = 0; i < w->peers; i++)
            if (polled[i].fd >= 0 && polled[i].revents)
                listen_to(&w->peer[i]);
        if (polled[w->peers].fd >= 0 && polled[w->peers].revents)
            welcome(w);
        if (now - beat > BEAT_MS / 1000.0 || beat == 0) {
            send_all(w, BYTE_ALIVE);
            beat = now;
        }
        judge(w, px_now());
    }
    free(polled);
    return NULL;
}

/* Starts the thread with all signals blocked: the main thread handles them. */
static bool start_thread(px_watch *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    w->running = pthread_create(&w->thread, NULL, watch, w) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return w->running;
}

/* ---- start and stop ---- */

static void wait_for_peers(const px_watch *w)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (double start = px_now(); w->come < w->peers && px_now() - start < JOIN_SECONDS;)
        nanosleep(&pause, NULL);
}

int px_watch_start(px_watch **out, const px_comm *comm, double seconds)
{
    *out = NULL;
    if (comm->size == 1 || seconds <= 0)
        return 0;
    px_watch *w = px_calloc(1, sizeof *w);
    *w = (px_watch){.rank = comm->rank, .peers = comm->rank ? 1 : comm->size - 1, .listener = -1, .limit = seconds};
    w->peer = px_calloc((size_t)w->peers, sizeof *w->peer);
    for (int i = 0; i < w->peers; i++)
        w->peer[i].socket = -1;

    meeting_point m = {.port = 0};
    gethostname(w->own.host, HOST - 1);
    w->own.rank = comm->rank;
    w->own.process = (int32_t)getpid();
    memcpy(m.host, w->own.host, HOST);
    bool here = true;
    if (comm->rank == 0) {
        here = getrandom(&m.secret, sizeof m.secret, 0) == sizeof m.secret;
        w->own.secret = m.secret;
        w->listener = here ? listen_anywhere(&m) : -1;
        here = w->listener >= 0 && start_thread(w);
    }
    px_broadcast(comm, &m, sizeof m, 0);
    w->own.secret = m.secret;
    if (comm->rank == 0)
        wait_for_peers(w);
    else
        here = m.port != 0 && join(w, &m) && start_thread(w);
    here = here && w->come == w->peers;
    if (px_agree(comm, here ? 0 : px_fail(PX_FAIL, "no connection to rank 0 on %s", m.host)) != 0) {
        px_watch_stop(w);
        return -1;
    }
    *out = w;
    set_own(w);
    return 0;
}

void px_watch_stop_own(void)
{
    px_watch_stop(own_watch);
}

void px_watch_giving_up(void)
{
    pthread_mutex_lock(&own_lock);
    if (own_watch) {
        own_watch->gives_up = true;
        send_all(own_watch, BYTE_GIVING_UP);
    }
    pthread_mutex_unlock(&own_lock);
}

/* Closing a connection that has unread data resets it, and then our goodbye may be lost on its way. So each end waits
 * for the other's goodbye, or for the other to close. */
static void say_goodbye(px_watch *w)
{
    send_all(w, BYTE_BYE);
    double start = px_now();
    for (int i = 0; i < w->peers; i++) {
        peer *p = &w->peer[i];
        while (p->socket >= 0 && px_now() - start < BYE_SECONDS) {
            struct pollfd wait = {.fd = p->socket, .events = POLLIN};
            if (poll(&wait, 1, BEAT_MS) > 0)
                listen_to(p);
        }
        if (p->socket >= 0)
            close(p->socket);
    }
}

void px_watch_stop(px_watch *w)
{
    if (!w)
        return;
    set_own(NULL);
    w->stop = true;
    if (w->running)
        pthread_join(w->thread, NULL);
    say_goodbye(w);
    if (w->listener >= 0)
        close(w->listener);
    free(w->peer);
    free(w);
}
