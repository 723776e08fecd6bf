/* comm.c - starting MPI, agreeing on failures, and the blocking collectives.
 *
 * Collectives that add are our own, made of point-to-point messages: so we fix the order of additions, all ranks get
 * the same bits, and the speed does not depend on which algorithm an MPI chooses for some size.
 */
#include "dist/comm.h"

#include "base/error.h"
#include "base/log.h"
#include "dist/sum.h"
#include "dist/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    TAG_SUM = 1,
    TAG_SCATTER = 2,
    TAG_GATHER = 3,
    TAG_CHAIN = 4,
    TAG_EXCHANGE = 5,
    TAG_PARTS = 6,
    PIECE = 4096,       /* doubles per message of a small sum: enough for the statistics of the widest norm */
    RING_BYTES = 16384, /* from here on a ring gathers faster than MPI's own choice (2 ranks, 64 KB: 5 us, MPI: 13) */
    MESSAGE = 1 << 30,  /* most bytes in one MPI call, whose counts are ints */
};

/* Memory of the blocking collectives. It grows to the needs of the largest call, so steps allocate nothing. */
struct px_comm_scratch {
    MPI_Request *requests; /* one per rank */
    void *block[2];        /* incoming blocks of a reduce-scatter */
    size_t block_bytes;
};

static void abort_job(void)
{
    int running = 0, over = 0;
    MPI_Initialized(&running);
    MPI_Finalized(&over);
    if (running && !over) {
        px_watch_giving_up();
        MPI_Abort(MPI_COMM_WORLD, PX_FAIL);
    }
}

/* For a process that runs alone Open MPI starts a daemon, which takes longer than all else, and makes a folder that it
 * shares with all others that do so, and that each removes at its end. Only shared file pointers need them, which
 * are not used here. It also loads what networks need: the libraries for Omni-Path and InfiniPath measure the processor's
 * clock for a tenth of a second each (a start takes 0.26 s, without them 0.05 s). */
static void set_up_alone(void)
{
    setenv("OMPI_MCA_pml", "ob1", 0);
    setenv("OMPI_MCA_btl", "self", 0);
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
    setenv("OMPI_MCA_sharedfp", "^sm", 0);
}

/* srun starts all its processes even if it cannot tell this MPI about them: then each would train alone. (mpirun within
 * a SLURM job sets OMPI_COMM_WORLD_SIZE.) */
static int check_srun(int size)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
    if (size > 1 || !tasks || atoi(tasks) < 2 || getenv("OMPI_COMM_WORLD_SIZE"))
        return 0;
    return px_fail(PX_USAGE,
                   "srun started %s tasks, but MPI does not see them as one job: use srun --mpi=pmix if "
                   "'srun --mpi=list' shows it, else mpirun",
                   tasks);
}

/* Whether the parent is Open MPI's launcher, and may write no files as large as it makes in its temporary folder. Then the
 * launcher gets SIGXFSZ, and MPI_Init waits for it forever. 4096 KiB are enough, 2048 KiB are not (Open MPI 4.1). */
static bool launcher_is_limited(void)
{
    enum { NEEDED = 4 << 20 };
    static const char *const launchers[] = {"mpirun\n", "mpiexec\n", "orterun\n", "orted\n", "prterun\n", "prted\n"};
    struct rlimit limit;
    char name[32] = "", *path = px_format("/proc/%d/comm", (int)getppid());
    FILE *in = fopen(path, "r");
    bool known = false, read = in && fgets(name, sizeof name, in);
    for (size_t i = 0; read && i < sizeof launchers / sizeof *launchers; i++)
        known = known || strcmp(name, launchers[i]) == 0;
    if (in)
        fclose(in);
    free(path);
    return known && prlimit(getppid(), RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur < NEEDED;
}

/* mpirun keeps memory that it shares with its processes in files of its temporary folder: PMIx makes two of 4 MB while they
 * start. Where it cannot write them, Open MPI fails with pages of text, or waits forever. So a file is tried before, and whether
 * there is room for those. */
static int check_temporary(void)
{
    enum { TRIED = 64 << 10, ROOM = 9 << 20 };
    const char *folder = getenv("PMIX_SERVER_TMPDIR");
    if (!folder || access(folder, F_OK) != 0)
        return 0;
    char *path = px_format("%s/pretext.XXXXXX", folder);
    int fd = mkostemp(path, O_CLOEXEC), error = fd < 0 ? errno : posix_fallocate(fd, 0, TRIED);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    free(path);
    struct statvfs about;
    if (error == 0 && statvfs(folder, &about) == 0 && (double)about.f_bavail * (double)about.f_frsize < ROOM)
        error = ENOSPC;
    if (error == 0 && launcher_is_limited())
        error = EFBIG;
    if (error != ENOSPC && error != EDQUOT && error != EFBIG)
        return 0;
    return px_fail(PX_FAIL, "%s: %s, but MPI keeps its memory there: %s", folder, strerror(error),
                   error == EFBIG ? "a larger limit on files (ulimit -f) would work"
                                  : "free some, or set TMPDIR to another folder");
}

int px_comm_init(px_comm *comm, int *argc, char ***argv)
{
    int threads = MPI_THREAD_SINGLE;
    *comm = px_comm_self();
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMIX_RANK") && !getenv("PMI_RANK")) /* mpirun, srun */
        set_up_alone();
    if (check_temporary() != 0)
        return -1;
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &threads) != MPI_SUCCESS)
        return px_fail(PX_FAIL, "MPI does not start");
    px_on_abort = abort_job;
    if (threads < MPI_THREAD_FUNNELED)
        return px_fail(PX_FAIL, "this MPI does not support threads (MPI_THREAD_FUNNELED)");
    MPI_Comm_dup(MPI_COMM_WORLD, &comm->mpi);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm->bucket);
    MPI_Comm_rank(comm->mpi, &comm->rank);
    MPI_Comm_size(comm->mpi, &comm->size);
    if (check_srun(comm->size) != 0)
        return -1;

    MPI_Comm host;
    MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &host);
    MPI_Comm_size(host, &comm->local_size);
    MPI_Comm_rank(host, &comm->local_rank);
    MPI_Comm_free(&host);

    comm->traffic = px_calloc(1, sizeof *comm->traffic);
    comm->scratch = px_calloc(1, sizeof *comm->scratch);
    comm->scratch->requests = px_calloc((size_t)comm->size, sizeof(MPI_Request));
    return 0;
}

void px_comm_finish(px_comm *comm)
{
    if (comm->mpi != MPI_COMM_NULL) {
        MPI_Comm_free(&comm->bucket);
        MPI_Comm_free(&comm->mpi);
        MPI_Finalize();
    }
    free(comm->traffic);
    if (comm->scratch) {
        free(comm->scratch->requests);
        free(comm->scratch->block[0]);
        free(comm->scratch->block[1]);
        free(comm->scratch);
    }
    *comm = px_comm_self();
}

px_comm px_comm_self(void)
{
    return (px_comm){.mpi = MPI_COMM_NULL, .bucket = MPI_COMM_NULL, .rank = 0, .size = 1, .local_size = 1};
}

int px_agree(const px_comm *comm, int rc)
{
    if (comm->size == 1)
        return rc == 0 ? 0 : -1;
    int lowest = rc == 0 ? comm->size : comm->rank;
    MPI_Allreduce(MPI_IN_PLACE, &lowest, 1, MPI_INT, MPI_MIN, comm->mpi);
    if (lowest == comm->size)
        return 0;

    int head[2] = {0, 0}; /* status, bytes of the message */
    char *own = px_strdup(rc == 0 ? "" : px_error());
    if (comm->rank == lowest) {
        head[0] = (int)px_error_status();
        head[1] = (int)strlen(own) + 1;
    }
    MPI_Bcast(head, 2, MPI_INT, lowest, comm->mpi);
    char *message = px_calloc((size_t)head[1], 1);
    if (comm->rank == lowest)
        memcpy(message, own, (size_t)head[1]);
    MPI_Bcast(message, head[1], MPI_CHAR, lowest, comm->mpi);

    int alike = rc != 0 && strcmp(message, own) == 0;
    MPI_Allreduce(MPI_IN_PLACE, &alike, 1, MPI_INT, MPI_MIN, comm->mpi);
    if (alike)
        px_fail((px_status)head[0], "%s", message);
    else
        px_fail((px_status)head[0], "rank %d: %s", lowest, message);
    free(message);
    free(own);
    return -1;
}

px_comm_begun px_comm_begin(void)
{
    return (px_comm_begun){px_now(), px_thread_seconds()};
}

void px_comm_count(const px_comm *comm, double bytes, px_comm_begun begun)
{
    PX_CHECK(comm->traffic);
    comm->traffic->bytes += bytes;
    comm->traffic->seconds += px_now() - begun.wall;
    comm->traffic->core += px_thread_seconds() - begun.core;
}

void px_broadcast(const px_comm *comm, void *data, int64_t bytes, int root)
{
    if (comm->size == 1)
        return;
    px_comm_begun begun = px_comm_begin();
    for (int64_t at = 0; at < bytes; at += MESSAGE)
        MPI_Bcast((char *)data + at, (int)(bytes - at < MESSAGE ? bytes - at : MESSAGE), MPI_BYTE, root, comm->mpi);
    px_comm_count(comm, comm->rank == root ? (double)bytes * (comm->size - 1) : 0, begun);
}

void px_barrier(const px_comm *comm)
{
    if (comm->size == 1)
        return;
    px_comm_begun begun = px_comm_begin();
    MPI_Barrier(comm->mpi);
    px_comm_count(comm, 0, begun);
}

/* Recursive doubling. Ranks beyond the largest power of two give their numbers to a partner below it and get the sum
 * back. Both sides of an exchange add the same two numbers, and a+b is b+a, so all ranks get the same bits. Returns how often
 * this rank has sent them. */
static int sum_piece(const px_comm *comm, double *data, int count)
{
    double theirs[PIECE];
    int power = 1, rank = comm->rank, sent = 0;
    while (2 * power <= comm->size)
        power *= 2;
    int extra = comm->size - power;

    if (rank >= power) {
        MPI_Send(data, count, MPI_DOUBLE, rank - power, TAG_SUM, comm->mpi);
        MPI_Recv(data, count, MPI_DOUBLE, rank - power, TAG_SUM, comm->mpi, MPI_STATUS_IGNORE);
        return 1;
    }
    if (rank < extra) {
        MPI_Recv(theirs, count, MPI_DOUBLE, rank + power, TAG_SUM, comm->mpi, MPI_STATUS_IGNORE);
        for (int i = 0; i < count; i++)
            data[i] += theirs[i];
    }
    for (int distance = 1; distance < power; distance *= 2) {
        int partner = rank ^ distance;
        MPI_Sendrecv(data, count, MPI_DOUBLE, partner, TAG_SUM, theirs, count, MPI_DOUBLE, partner, TAG_SUM, comm->mpi,
                     MPI_STATUS_IGNORE);
        for (int i = 0; i < count; i++)
            data[i] += theirs[i];
        sent++;
    }
    if (rank < extra)
        MPI_Send(data, count, MPI_DOUBLE, rank + power, TAG_SUM, comm->mpi);
    return sent + (rank < extra);
}

void px_all_reduce_f64(const px_comm *comm, double *data, int64_t count)
{
    if (comm->size == 1)
        return;
    px_comm_begun begun = px_comm_begin();
    int messages = 0;
    for (int64_t at = 0; at < count; at += PIECE)
        messages = sum_piece(comm, data + at, (int)(count - at < PIECE ? count - at : PIECE));
    px_comm_count(comm, (double)messages * (double)count * sizeof data[0], begun);
}

void px_chain_begin(const px_comm *comm, double *data, int64_t count)
{
    PX_CHECK(count <= INT32_MAX);
    if (comm->rank == 0)
        return;
    px_comm_begun begun = px_comm_begin();
    MPI_Recv(data, (int)count, MPI_DOUBLE, comm->rank - 1, TAG_CHAIN, comm->mpi, MPI_STATUS_IGNORE);
    px_comm_count(comm, 0, begun);
}

void px_chain_end(const px_comm *comm, double *data, int64_t count)
{
    if (comm->rank < comm->size - 1) {
        px_comm_begun begun = px_comm_begin();
        MPI_Send(data, (int)count, MPI_DOUBLE, comm->rank + 1, TAG_CHAIN, comm->mpi);
        px_comm_count(comm, (double)count * sizeof data[0], begun);
    }
    px_broadcast(comm, data, count * (int64_t)sizeof data[0], comm->size - 1);
}

/* Each rank forwards the block that it received last: it talks to only two others, however many ranks there are. */
static void ring_gather(const px_comm *comm, char *blocks, int bytes)
{
    const int rank = comm->rank, size = comm->size, left = (rank + size - 1) % size, right = (rank + 1) % size;
    for (int step = 0; step < size - 1; step++) {
        size_t out = (size_t)((rank - step + size) % size), in = (size_t)((rank - step - 1 + size) % size);
        MPI_Sendrecv(blocks + out * (size_t)bytes, bytes, MPI_BYTE, right, TAG_GATHER, blocks + in * (size_t)bytes,
                     bytes, MPI_BYTE, left, TAG_GATHER, comm->mpi, MPI_STATUS_IGNORE);
    }
}

void px_all_gather_bytes(const px_comm *comm, const void *in, void *out, int64_t bytes)
{
    PX_CHECK(bytes <= INT32_MAX);
    char *own = (char *)out + comm->rank * bytes;
    if (own != in)
        memmove(own, in, (size_t)bytes);
    if (comm->size == 1)
        return;
    px_comm_begun begun = px_comm_begin();
    if (bytes >= RING_BYTES)
        ring_gather(comm, out, (int)bytes);
    else
        MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, (int)bytes, MPI_BYTE, comm->mpi);
    px_comm_count(comm, (double)bytes * (comm->size - 1), begun);
}

void px_all_gather_parts(const px_comm *comm, const void *in, void *out, const int64_t *bytes)
{
    int64_t at = 0, all = 0;
    for (int r = 0; r < comm->size; r++) {
        at = r == comm->rank ? all : at;
        all += bytes[r];
    }
    char *own = (char *)out + at;
    if (own != in)
        memmove(own, in, (size_t)bytes[comm->rank]);
    if (comm->size == 1)
        return;
    if (all > MESSAGE) {
        at = 0;
        for (int r = 0; r < comm->size; at += bytes[r++])
            px_broadcast(comm, (char *)out + at, bytes[r], r);
        return;
    }
    px_comm_begun begun = px_comm_begin();
    int *count = px_calloc(2 * (size_t)comm->size, sizeof *count), *place = count + comm->size;
    for (int r = 0; r < comm->size; r++) {
        count[r] = (int)bytes[r];
        place[r] = r > 0 ? place[r - 1] + count[r - 1] : 0;
    }
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, count, place, MPI_BYTE, comm->mpi);
    free(count);
    px_comm_count(comm, (double)bytes[comm->rank] * (comm->size - 1), begun);
}

void px_gather_parts(const px_comm *comm, const void *in, void *out, const int64_t *bytes, int root)
{
    px_comm_begun begun = px_comm_begin();
    char *to = out;
    for (int r = 0; r < comm->size; r++) {
        if (r == comm->rank && r == root && to != in)
            memmove(to, in, (size_t)bytes[r]);
        for (int64_t at = 0; at < bytes[r] && r != root; at += MESSAGE) {
            int piece = (int)(bytes[r] - at < MESSAGE ? bytes[r] - at : MESSAGE);
            if (comm->rank == r)
                MPI_Send((const char *)in + at, piece, MPI_BYTE, root, TAG_PARTS, comm->mpi);
            else if (comm->rank == root)
                MPI_Recv(to + at, piece, MPI_BYTE, r, TAG_PARTS, comm->mpi, MPI_STATUS_IGNORE);
        }
        if (comm->rank == root)
            to += bytes[r];
    }
    px_comm_count(comm, comm->rank == root ? 0 : (double)bytes[comm->rank], begun);
}

/* Blocks that are too large for one message, with one partner after the other. */
static void exchange(const px_comm *comm, const char *in, char *out, int64_t bytes)
{
    const int rank = comm->rank, size = comm->size;
    memmove(out + rank * bytes, in + rank * bytes, (size_t)bytes);
    for (int step = 1; step < size; step++) {
        int to = (rank + step) % size, from = (rank + size - step) % size;
        for (int64_t at = 0; at < bytes; at += MESSAGE) {
            int piece = (int)(bytes - at < MESSAGE ? bytes - at : MESSAGE);
            MPI_Sendrecv(in + to * bytes + at, piece, MPI_BYTE, to, TAG_EXCHANGE, out + from * bytes + at, piece,
                         MPI_BYTE, from, TAG_EXCHANGE, comm->mpi, MPI_STATUS_IGNORE);
        }
    }
}

void px_all_to_all_bytes(const px_comm *comm, const void *in, void *out, int64_t bytes)
{
    if (comm->size == 1) {
        memmove(out, in, (size_t)bytes);
        return;
    }
    px_comm_begun begun = px_comm_begin();
    if (bytes > MESSAGE / comm->size)
        exchange(comm, in, out, bytes);
    else
        MPI_Alltoall(in, (int)bytes, MPI_BYTE, out, (int)bytes, MPI_BYTE, comm->mpi);
    px_comm_count(comm, (double)bytes * (comm->size - 1), begun);
}

static void reserve_blocks(px_comm_scratch *scratch, size_t bytes)
{
    if (bytes <= scratch->block_bytes)
        return;
    for (int i = 0; i < 2; i++) {
        free(scratch->block[i]);
        scratch->block[i] = px_aligned_calloc(bytes);
    }
    scratch->block_bytes = bytes;
}

void *px_comm_scratch_bytes(const px_comm *comm, size_t bytes)
{
    reserve_blocks(comm->scratch, bytes);
    return comm->scratch->block[0];
}

/* Every block goes directly to the rank that sums it: as few bytes as in a ring, and blocks are added in the order of
 * the ranks. While one block is added, the next one arrives. */
static void reduce_scatter(const px_comm *comm, const void *in, void *out, int64_t count, px_summand s)
{
    const int rank = comm->rank, size = comm->size, n = (int)count;
    const size_t bytes = (size_t)count * s.bytes;
    const char *blocks = in;
    px_comm_scratch *scratch = comm->scratch;
    if (count == 0)
        return;
    if (size == 1) {
        memmove(out, in, bytes);
        return;
    }
    PX_CHECK(count <= INT32_MAX);
    px_comm_begun begun = px_comm_begin();
    reserve_blocks(scratch, bytes);
    for (int i = 1; i < size; i++) { /* each rank starts with a different one, so that none is flooded */
        int to = (rank + i) % size;
        MPI_Isend(blocks + (size_t)to * bytes, n, s.type, to, TAG_SCATTER, comm->mpi, &scratch->requests[to]);
    }
    scratch->requests[rank] = MPI_REQUEST_NULL;

    MPI_Request incoming[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    for (int from = -1; from < size; from++) { /* -1: nothing to add yet, only the first receive to post */
        int next = from + 1;
        if (next < size && next != rank)
            MPI_Irecv(scratch->block[next % 2], n, s.type, next, TAG_SCATTER, comm->mpi, &incoming[next % 2]);
        if (from < 0)
            continue;
        const void *term = from == rank ? blocks + (size_t)rank * bytes : scratch->block[from % 2];
        MPI_Wait(&incoming[from % 2], MPI_STATUS_IGNORE);
        if (from == 0)
            memcpy(out, term, bytes);
        else
            s.add(out, term, count);
    }
    MPI_Waitall(size, scratch->requests, MPI_STATUSES_IGNORE);
    px_comm_count(comm, (double)bytes * (size - 1), begun);
}

void px_reduce_scatter_f32(const px_comm *comm, const float *in, float *out, int64_t count)
{
    reduce_scatter(comm, in, out, count, px_summand_f32());
}

void px_reduce_scatter_f64(const px_comm *comm, const double *in, double *out, int64_t count)
{
    reduce_scatter(comm, in, out, count, px_summand_f64());
}
