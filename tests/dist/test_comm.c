/* test_comm.c - a job of one rank, without MPI: every collective works and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/error.h"
#include "dist/allreduce.h"

static void test_collectives_of_one(void **state)
{
    (void)state;
    px_comm comm = px_comm_self();
    double d[2] = {1.5, -2}, scattered_d[2];
    float f[3] = {1, 2, 3}, scattered[3];
    char gathered[4];
    px_barrier(&comm);
    px_broadcast(&comm, d, sizeof d, 0);
    px_all_reduce_f64(&comm, d, 2);
    assert_true(d[0] == 1.5 && d[1] == -2);
    px_all_reduce_f32(&comm, f, 3);
    assert_true(f[0] == 1 && f[1] == 2 && f[2] == 3);
    px_all_gather_bytes(&comm, "abc", gathered, sizeof gathered);
    assert_string_equal(gathered, "abc");
    px_reduce_scatter_f32(&comm, f, scattered, 3);
    assert_memory_equal(f, scattered, sizeof f);
    px_reduce_scatter_f64(&comm, d, scattered_d, 2);
    assert_memory_equal(d, scattered_d, sizeof d);
    px_comm_finish(&comm);
}

static void test_allreduce_of_one(void **state)
{
    (void)state;
    px_comm comm = px_comm_self();
    float grad[4] = {1, 2, 3, 4};
    const int64_t begin[3] = {0, 1, 4};
    px_allreduce *a = px_allreduce_create(&comm, grad, begin, 2, PX_RING_SUM);
    px_allreduce_start(a, 1);
    px_allreduce_start(a, 0);
    assert_true(px_allreduce_progress(a));
    px_allreduce_finish(a);
    assert_true(grad[0] == 1 && grad[1] == 2 && grad[2] == 3 && grad[3] == 4);
    assert_true(px_allreduce_waited(a) == 0);
    px_allreduce_destroy(a);
    px_allreduce_destroy(NULL);
}

static void test_agree_of_one(void **state)
{
    (void)state;
    px_comm comm = px_comm_self();
    assert_int_equal(px_agree(&comm, 0), 0);
    assert_int_equal(px_agree(&comm, px_fail(PX_DATA, "no images")), -1);
    assert_string_equal(px_error(), "no images");
    assert_int_equal(px_error_status(), PX_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collectives_of_one),
        cmocka_unit_test(test_allreduce_of_one),
        cmocka_unit_test(test_agree_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
