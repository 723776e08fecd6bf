/* test_hosts.c - training on several hosts gives the same bits as one host with as many ranks. When a host dies or its
 * link goes down, the job ends within ten seconds and names the host, and the run can be resumed on the others. The
 * hosts are those of hosts.sh, which starts this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "make_set.h"
#include "run.h"
#include "same_run.h"

#include <sys/stat.h>

enum { STEPS = 24, LIMIT = 10 };

typedef struct fixture {
    char *folder, *data;
} fixture;

/* One rank on each of `hosts`, the digits "12" for the first two; or NULL: `ranks` of them where we are. The options
 * are those of docs/cluster.md: a daemon that Open MPI cannot reach is taken for lost after four seconds. */
static run_child start(const fixture *f, const char *out, const char *hosts, int ranks, const char *epochs, bool resume)
{
    char *set_out = px_format("out=%s", out), *set_data = px_format("data.path=%s", f->data),
         *hostfile = px_format("%s/hostfile", f->folder), text[256];
    int length = 0;
    for (const char *h = hosts; h && *h; h++)
        length += snprintf(text + length, sizeof text - (size_t)length, "192.0.2.%c slots=1\n", *h);
    write_content(f->folder, "hostfile", text, length);
    const char *const arguments[] = {"pretrain",
                                     set_out,
                                     set_data,
                                     "resnet.width=0.125",
                                     "batch=24",
                                     "optim.optimizer=adamw",
                                     "optim.lr=1e-3",
                                     "data.workers=1",
                                     "optim.warmup_epochs=1",
                                     "checkpoint_minutes=0",
                                     epochs,
                                     resume ? "--resume" : NULL,
                                     NULL};
    const char *const launcher[] = {"mpirun",
                                    "--hostfile",
                                    hostfile,
                                    "--mca",
                                    "oob_tcp_keepalive_time",
                                    "2",
                                    "--mca",
                                    "oob_tcp_keepalive_intvl",
                                    "1",
                                    "--mca",
                                    "oob_tcp_keepalive_probes",
                                    "2",
                                    "--mca",
                                    "btl_tcp_if_include",
                                    "192.0.2.0/24",
                                    "--mca",
                                    "oob_tcp_if_include",
                                    "192.0.2.0/24",
                                    "--mca",
                                    "btl",
                                    "tcp,self",
                                    "--mca",
                                    "plm_rsh_agent",
                                    getenv("HOSTS_AGENT"),
                                    "--mca",
                                    "mpi_yield_when_idle",
                                    "1",
                                    "--bind-to",
                                    "none",
                                    "-x",
                                    "OMP_NUM_THREADS=1",
                                    NULL};
    run_child c = hosts ? run_start_by(launcher, arguments) : run_start(ranks, arguments);
    free(set_out);
    free(set_data);
    free(hostfile);
    return c;
}

static void finish(run_child *c, const char *says)
{
    run_result r = run_wait(c);
    if (r.status != 0 || !strstr(r.err, says) || strstr(r.err, "damaged"))
        fail_msg("status %d: %s", r.status, r.err);
    run_finish(&r);
}

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* Waits LIMIT seconds, or until the host has no processes left; returns how many there are. */
static int left_on(int host)
{
    char *command = px_format("test -z \"$(ip netns pids host%d)\"", host);
    double start = px_now();
    int left = 1;
    while (left && px_now() - start < LIMIT) {
        left = system(command) != 0;
        run_pause_ms(100);
    }
    free(command);
    return left;
}

/* ---- the tests ---- */

static void the_same_as_one_host(void **state)
{
    const fixture *f = *state;
    static const char *const hosts[] = {"12", "123"};
    for (int i = 0; i < 2; i++) {
        int ranks = 2 + i;
        char *one = px_format("%s/one-%d", f->folder, ranks), *more = px_format("%s/hosts-%d", f->folder, ranks), *name;
        run_child c = start(f, one, NULL, ranks, "epochs=8", false);
        finish(&c, "\ndone: ");
        c = start(f, more, hosts[i], 0, "epochs=8", false);
        finish(&c, "\ndone: ");
        same_run(one, more, STEPS);
        px_results *r = open_h5(more, "run.h5");
        double here = 0;
        assert_int_equal(px_results_get_attribute_text(r, "/provenance", "host", &name), 0);
        assert_string_equal(name, "host1");
        assert_int_equal(px_results_get_attribute_real(r, "/provenance", "ranks_on_host", &here), 0);
        assert_int_equal(here, 1);
        px_results_close(r);
        free(name);
        free(one);
        free(more);
    }
}

/* Three hosts train until `event` happens to `host`; then the other two resume the run. */
static void lose(const fixture *f, const char *event, int host, const char *left)
{
    char *out = px_format("%s/lost-%d", f->folder, host), *address = px_format("192.0.2.%d", host),
         *name = px_format("on host%d", host), *node = px_format("on node host%d", host);
    run_child c = start(f, out, "123", 0, "epochs=100000", false);
    run_wait_for_progress(&c);
    run_pause_ms(1000);
    if (!run_is_alive(c.process)) {
        run_result early = run_wait(&c);
        fail_msg("status %d before anything has happened: %s", early.status, early.err);
    }
    shell(event);
    double start_time = px_now();
    run_result r = run_wait(&c);
    double seconds = px_now() - start_time;
    print_message("%s: ended after %.1f s\n", event, seconds);
    /* mpirun of Open MPI 5.0.7 names the host, and then answers with 0. */
    bool told_by_5 = strstr(r.err, "PRTE has lost communication") && strstr(r.err, node);
    bool told = told_by_5 || (r.status != 0 && (strstr(r.err, address) || strstr(r.err, name)));
    if (!told || strstr(r.err, "\ndone: ") || seconds > LIMIT)
        fail_msg("status %d after %.1f s: %s", r.status, seconds, r.err);
    run_finish(&r);
    for (int i = 1; i < 4; i++)
        assert_int_equal(left_on(i), 0);
    array rows = read_array(out, "run.h5", "/train/step");
    char *epochs = px_format("epochs=%g", (double)(rows.count + 6) / 3);
    c = start(f, out, left, 0, epochs, true);
    finish(&c, "resumed at step ");
    free(rows.data);
    free(epochs);
    free(node);
    free(name);
    free(address);
    free(out);
}

static void a_host_dies(void **state)
{
    lose(*state, "kill -9 $(ip netns pids host1)", 1, "23");
}

static void a_link_goes_down(void **state)
{
    lose(*state, "ip link set link2 down", 2, "13");
    shell("ip link set link2 up");
}

static int set_up(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 96, .side = 16, .channels = 3, .classes = 5});
    run_allow_root();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f);
    return 0;
}

int main(void)
{
    const char *delay = getenv("HOSTS_DELAY");
    if (!delay)
        return 77; /* not started by hosts.sh */
    if (strcmp(delay, "none") == 0)
        printf("links of 400 Mbit/s without delay: this kernel has no netem\n");
    else
        printf("links of 400 Mbit/s with a delay of %s ms\n", delay);
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_as_one_host), cmocka_unit_test(a_host_dies),
                                       cmocka_unit_test(a_link_goes_down)};
    return cmocka_run_group_tests_name("hosts", tests, set_up, tear_down);
}
