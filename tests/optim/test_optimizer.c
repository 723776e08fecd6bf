/* test_optimizer.c - ten steps of each optimizer against PyTorch's; and threads, blocks, gradients that are not finite,
 * wrong settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "backends/rows.h"
#include "base/error.h"
#include "optim/optim.h"
#include "state.h"

enum { COUNT = 10, STEPS = 10, GAP = 3 };

struct fixture {
    const char *name;
    px_optim_cfg cfg;
    double after[3][COUNT]; /* weights after 1, 2 and STEPS steps: (2,3) and (4,) */
};

/* written by make_optim_fixtures.py */
static const double expected_norms[STEPS] = {0.945796622, 0.929129297, 0.88609043,  0.88609043, 0.929129297,
                                             0.945796622, 0.868277749, 0.970260919, 0.91215747, 0.894863816};
static const struct fixture fixtures[] = {
    {"plain",
     {.optimizer = PX_SGD, .lr = 0.125},
     {{-0.71875, 0.01171875, 0.7421875, -0.27734375, 0.515625, -0.50390625, 0.2265625, -0.73046875, 0, 0.73046875},
      {-0.7109375, -0.01953125, 0.796875, -0.26171875, 0.4921875, -0.44140625, 0.25, -0.74609375, -0.0546875,
       0.76171875},
      {-0.72265625, 0.03125, 0.78515625, -0.2109375, 0.60546875, -0.390625, 0.23828125, -0.6953125, 0.05859375,
       0.8125}}},
    {"momentum",
     {.optimizer = PX_SGD, .lr = 0.125, .momentum = 0.9, .weight_decay = 0.01},
     {{-0.718281269, 0.01171875, 0.741718769, -0.277187496, 0.515312493, -0.503593743, 0.2265625, -0.73046875, 0,
       0.73046875},
      {-0.652477145, 0.00154785067, 0.780572891, -0.310153514, 0.518793344, -0.446933001, 0.207812503, -0.7109375,
       -0.0546875, 0.7265625},
      {-0.356657207, 0.177226424, 0.721821725, -0.32032311, 0.962197483, -0.156477079, 0.129803941, -0.538913488,
       -0.14203319, 0.942750275}}},
    {"nesterov",
     {.optimizer = PX_SGD, .lr = 0.125, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
     {{-0.689734399, 0.0222656243, 0.734265625, -0.301656246, 0.529093742, -0.506828129, 0.205468744, -0.712890625, 0,
       0.712890625},
      {-0.621868134, -0.0181778818, 0.823012352, -0.315296054, 0.508112133, -0.392696291, 0.212031245, -0.7109375,
       -0.103906251, 0.740625024},
      {-0.361343145, 0.188119411, 0.750272274, -0.268953204, 1.01084685, -0.0787788182, 0.13010481, -0.505334616,
       -0.069236137, 0.985975266}}},
    {"clipped",
     {.optimizer = PX_SGD, .lr = 0.125, .momentum = 0.9, .weight_decay = 0.01, .clip = 0.5},
     {{-0.733010828, 0.00619516801, 0.745401144, -0.264299154, 0.507947743, -0.501752555, 0.23760967, -0.739674747, 0,
       0.739674747},
      {-0.697309792, 0.000521922484, 0.765620828, -0.281298846, 0.509006083, -0.470646352, 0.227919668, -0.729497671,
       -0.0294294041, 0.737906039},
      {-0.536111534, 0.0904010311, 0.719123185, -0.287967503, 0.734315336, -0.300232291, 0.189346105, -0.637312949,
       -0.0709603801, 0.859775662}}},
    {"decay_all",
     {.optimizer = PX_SGD, .lr = 0.125, .momentum = 0.9, .weight_decay = 0.01, .decay_all = true},
     {{-0.718281269, 0.01171875, 0.741718769, -0.277187496, 0.515312493, -0.503593743, 0.226406246, -0.730000019, 0,
       0.730000019},
      {-0.652477145, 0.00154785067, 0.780572891, -0.310153514, 0.518793344, -0.446933001, 0.207091987, -0.708712518,
       -0.0546875, 0.724337518},
      {-0.356657207, 0.177226424, 0.721821725, -0.32032311, 0.962197483, -0.156477079, 0.120761037, -0.507189691,
       -0.136802211, 0.905732036}}},
    {"mae",
     {.optimizer = PX_ADAMW, .lr = 0.0625, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-08, .weight_decay = 0.05},
     {{-0.717578173, 0.0312499944, 0.717578173, -0.280859381, 0.530468762, -0.530468762, 0.21875, -0.71875, 0, 0.71875},
      {-0.667421639, 0.0191002768, 0.748208046, -0.307762951, 0.534413636, -0.488342971, 0.20197691, -0.696950197,
       -0.0459349975, 0.715107143},
      {-0.566603005, 0.109663978, 0.737103045, -0.350159347, 0.709780514, -0.367365152, 0.153906062, -0.606678724,
       -0.11736998, 0.770311058}}},
    {"adamw clipped",
     {.optimizer = PX_ADAMW,
      .lr = 0.0625,
      .beta1 = 0.9,
      .beta2 = 0.999,
      .eps = 0.001,
      .weight_decay = 0.05,
      .clip = 0.5},
     {{-0.717695951, 0.0309378803, 0.718044043, -0.280724853, 0.530234098, -0.529550731, 0.21890685, -0.718938053, 0,
       0.718938053},
      {-0.6682868, 0.0183304716, 0.749075651, -0.30690521, 0.53358376, -0.487048477, 0.202795118, -0.697867751,
       -0.0462309197, 0.715868711},
      {-0.577807188, 0.106363699, 0.738537192, -0.350815803, 0.705750465, -0.366358519, 0.157285199, -0.608661473,
       -0.113269217, 0.774253786}}},
    {"adam",
     {.optimizer = PX_ADAM, .lr = 0.0625, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-08, .weight_decay = 0.05},
     {{-0.71875, 0.0312499944, 0.71875, -0.28125, 0.53125, -0.53125, 0.21875, -0.71875, 0, 0.71875},
      {-0.668581367, 0.0190160479, 0.745918453, -0.306841254, 0.529516876, -0.488362402, 0.20197691, -0.696950197,
       -0.0459349975, 0.715107143},
      {-0.534870088, 0.107309766, 0.691381514, -0.333808243, 0.677811921, -0.343634248, 0.153906062, -0.606678724,
       -0.11736998, 0.770311058}}},
    {"lamb",
     {.optimizer = PX_LAMB, .lr = 0.0625, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-06, .weight_decay = 0.05},
     {{-0.732847345, 0.0165326235, 0.732847444, -0.266326015, 0.516119328, -0.516119129, 0.218750083, -0.7187501, 0,
       0.7187501},
      {-0.681431728, 0.00394618364, 0.764899932, -0.29394305, 0.520233197, -0.472004793, 0.202104075, -0.697149825,
       -0.0465084012, 0.715117297},
      {-0.46193018, 0.135505326, 0.708718498, -0.302062672, 0.839512796, -0.242185132, 0.154565273, -0.606434323,
       -0.117425804, 0.771186656}}},
    {"lamb clipped",
     {.optimizer = PX_LAMB, .lr = 0.0625, .beta1 = 0.8, .beta2 = 0.95, .eps = 0.001, .weight_decay = 0.01, .clip = 0.5},
     {{-0.733177636, 0.0165924393, 0.733364311, -0.266645781, 0.516550174, -0.516183689, 0.218906842, -0.718938021, 0,
       0.718938021},
      {-0.685535643, -4.25077797e-05, 0.770275296, -0.291488212, 0.517686763, -0.471070178, 0.206155137, -0.701049666,
       -0.0482010523, 0.719482253},
      {-0.551758974, 0.0868178861, 0.740673616, -0.251082189, 0.80315335, -0.277448214, 0.173705191, -0.635467412,
       -0.0793673886, 0.790047675}}},
    {"lars",
     {.optimizer = PX_LARS, .lr = 4.0, .momentum = 0.9, .weight_decay = 0.01, .eta = 0.02},
     {{-0.714849522, 0.0129866299, 0.740822782, -0.280128981, 0.516969196, -0.503982567, -0.5, -0.125, 0, 0.125},
      {-0.673629551, -0.00974653272, 0.791749518, -0.289657942, 0.505727613, -0.438066814, -0.425, -0.0625, -1.75,
       0.5625},
      {-0.511122041, 0.308442136, 0.723767849, -0.101057822, 1.15690479, -0.0717156417, -0.858570342, 9.25276543,
       -1.90393739, 9.42684222}}},
    {"lars nesterov",
     {.optimizer = PX_LARS, .lr = 4.0, .momentum = 0.9, .weight_decay = 0.01, .eta = 0.02, .nesterov = true},
     {{-0.683214091, 0.0246745968, 0.732563285, -0.307245065, 0.532241473, -0.507566876, -1.175, 0.4375, 0, -0.4375},
      {-0.636729952, -0.029819478, 0.836887561, -0.298376757, 0.495891921, -0.379575831, -0.3575, -0.00625, -3.325,
       0.95625},
      {-0.437003841, 0.303752176, 0.698678924, 0.0117063522, 1.20910004, -0.022606467, -1.12271331, 10.0024889,
       0.161456347, 10.559158}}},
    {"lars clipped",
     {.optimizer = PX_LARS, .lr = 4.0, .momentum = 0.9, .weight_decay = 0.01, .eta = 0.02, .clip = 0.5},
     {{-0.714514041, 0.0129400739, 0.740394189, -0.279867141, 0.516600702, -0.503660628, -0.146490741, -0.419591049, 0,
       0.419591049},
      {-0.672175743, -0.00976090861, 0.789910104, -0.288876722, 0.50448817, -0.437042479, -0.099729166, -0.391291821,
       -0.941740898, 0.660360649},
      {-0.491447289, 0.310901265, 0.690930126, -0.101353704, 1.12759501, -0.0510710438, -0.430672154, 4.80707346,
       -0.782090475, 5.39627933}}},
    {"lars clip_lr",
     {.optimizer = PX_LARS, .lr = 0.25, .momentum = 0.9, .weight_decay = 0.01, .eta = 0.2, .clip_lr = true},
     {{-0.6865625, 0.0234375, 0.7334375, -0.304375, 0.530625, -0.5071875, 0.203125, -0.7109375, 0, 0.7109375},
      {-0.612127344, -0.0180273438, 0.826072656, -0.321301563, 0.509985937, -0.387388281, 0.2078125, -0.70703125,
       -0.109375, 0.73828125},
      {-0.461923947, 0.540537869, 0.857279351, -0.193298281, 1.58882321, 0.322434145, 0.180714354, -0.124827161,
       -0.118996087, 1.29230264}}},
};
/* end */

/* The formulas of make_optim_fixtures.py. */
static float initial(int i)
{
    return (float)((i * 3) % 7 - 3) / 4;
}

static float gradient(int step, int i)
{
    return (float)((step * 7 + i * 5) % 16 - 8) / 16;
}

/* There is a gap between the two parameters, like padding. */
static const px_param_span two_spans[] = {
    {.name = "weight", .offset = 0, .count = 6},
    {.name = "bias", .offset = 6 + GAP, .count = COUNT - 6, .exempt = true},
};

static int place(int i)
{
    return i < 6 ? i : i + GAP;
}

static void check_weights(const struct fixture *f, const float *w, int row)
{
    for (int i = 0; i < COUNT; i++)
        if (fabs(w[place(i)] - f->after[row][i]) > 2e-6 * fmax(1, fabs(f->after[row][i])))
            fail_msg("%s, row %d, element %d: %.9g is not %.9g", f->name, row, i, w[place(i)], f->after[row][i]);
    for (int i = 6; i < 6 + GAP; i++)
        assert_true(w[i] == 77);
}

static void test_pytorch(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof fixtures / sizeof *fixtures; k++) {
        const struct fixture *f = &fixtures[k];
        px_optimizer *o;
        float w[COUNT + GAP], g[COUNT + GAP];
        assert_int_equal(px_optimizer_create(&o, &f->cfg, two_spans, 2, &px_update_fast), 0);
        for (int i = 0; i < COUNT + GAP; i++)
            w[i] = 77, g[i] = NAN;
        for (int i = 0; i < COUNT; i++)
            w[place(i)] = initial(i);
        for (int step = 0, row = 0; step < STEPS; step++) {
            for (int i = 0; i < COUNT; i++)
                g[place(i)] = 4 * gradient(step, i); /* a sum over four ranks */
            double norm = px_optimizer_step(o, w, g, 0.25, f->cfg.lr * (1 + step % 3) / 2);
            assert_true(fabs(norm - expected_norms[step]) < 1e-6);
            if (step == 0 || step == 1 || step == STEPS - 1)
                check_weights(f, w, row++);
        }
        assert_int_equal(*px_optimizer_steps(o), STEPS);
        px_optimizer_destroy(o);
    }
}

/* All decay can be multiplied: half of 0.02 is 0.01, for every algorithm. */
static void test_decay_factor(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof fixtures / sizeof *fixtures; k++) {
        px_optimizer *o;
        float w[3][COUNT + GAP], g[COUNT + GAP] = {0};
        for (int run = 0; run < 3; run++) { /* 0.02 halved, 0.01, 0.02 */
            px_optim_cfg cfg = fixtures[k].cfg;
            cfg.weight_decay = run == 1 ? 0.01 : 0.02;
            assert_int_equal(px_optimizer_create(&o, &cfg, two_spans, 2, &px_update_fast), 0);
            for (int i = 0; i < COUNT + GAP; i++)
                w[run][i] = 1;
            for (int i = 0; i < COUNT; i++)
                w[run][place(i)] = initial(i), g[place(i)] = gradient(0, i);
            px_optimizer_decay(o, run == 0 ? 0.5 : 1);
            px_optimizer_step(o, w[run], g, 1, 0.1);
            px_optimizer_destroy(o);
        }
        assert_memory_equal(w[0], w[1], sizeof w[0]);
        assert_memory_not_equal(w[0], w[2], sizeof w[0]);
    }
}

/* A state that is copied into another optimizer continues bit for bit, as after a checkpoint. */
static void test_resume(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof fixtures / sizeof *fixtures; k++) {
        const struct fixture *f = &fixtures[k];
        px_optimizer *o[2];
        float w[2][COUNT + GAP], g[COUNT + GAP] = {0};
        for (int i = 0; i < COUNT + GAP; i++)
            w[0][i] = (float)i / 8;
        for (int j = 0; j < 2; j++)
            assert_int_equal(px_optimizer_create(&o[j], &f->cfg, two_spans, 2, &px_update_fast), 0);
        for (int step = 0; step < 2 * STEPS; step++) {
            if (step == STEPS) {
                int slots = hand_over(o[1], o[0], two_spans, 2);
                assert_int_equal(slots, f->cfg.optimizer == PX_SGD || f->cfg.optimizer == PX_LARS ? 1 : 2);
                memcpy(w[1], w[0], sizeof w[0]);
            }
            for (int i = 0; i < COUNT; i++)
                g[place(i)] = gradient(step, i);
            for (int j = 0; j < (step < STEPS ? 1 : 2); j++)
                px_optimizer_step(o[j], w[j], g, 1, f->cfg.lr);
        }
        assert_memory_equal(w[0], w[1], sizeof w[0]);
        px_optimizer_destroy(o[0]);
        px_optimizer_destroy(o[1]);
    }
}

/* Many blocks, and parameters that end inside one: the same bits with 1 and 4 threads, and the right norm. */
static void test_threads(void **state)
{
    (void)state;
    enum { A = 200003, B = 65536, C = 17, TOTAL = A + B + C };
    const px_param_span spans[] = {{"a", 0, A, false}, {"b", A, B, true}, {"c", A + B, C, false}};
    for (size_t k = 0; k < sizeof fixtures / sizeof *fixtures; k++) {
        float *w[2], *g = px_calloc(TOTAL, sizeof *g);
        double norm[2], square = 0;
        for (int i = 0; i < TOTAL; i++) {
            g[i] = 1.0f / (float)(1 + i % 1009) - 0.01f;
            square += (double)g[i] * g[i];
        }
        for (int j = 0; j < 2; j++) {
            px_optimizer *o;
            w[j] = px_calloc(TOTAL, sizeof *g);
            for (int i = 0; i < TOTAL; i++)
                w[j][i] = (float)(i % 613) / 700 - 0.4f;
            omp_set_num_threads(j == 0 ? 1 : 4);
            assert_int_equal(px_optimizer_create(&o, &fixtures[k].cfg, spans, 3, &px_update_fast), 0);
            for (int step = 0; step < 3; step++)
                norm[j] = px_optimizer_step(o, w[j], g, 0.5, fixtures[k].cfg.lr);
            px_optimizer_destroy(o);
        }
        assert_true(norm[0] == norm[1]);
        assert_true(fabs(norm[0] - 0.5 * sqrt(square)) < 1e-12 * norm[0]);
        assert_memory_equal(w[0], w[1], TOTAL * sizeof *g);
        free(w[0]);
        free(w[1]);
        free(g);
    }
}

static void test_not_finite(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof fixtures / sizeof *fixtures; k++) {
        px_optimizer *o;
        float w[COUNT + GAP], g[COUNT + GAP] = {0}, before[COUNT + GAP];
        for (int i = 0; i < COUNT + GAP; i++)
            w[i] = before[i] = (float)i;
        assert_int_equal(px_optimizer_create(&o, &fixtures[k].cfg, two_spans, 2, &px_update_fast), 0);
        g[3] = NAN;
        assert_true(isnan(px_optimizer_step(o, w, g, 1, 0.1)));
        g[3] = INFINITY;
        assert_true(isinf(px_optimizer_step(o, w, g, 1, 0.1)));
        assert_memory_equal(w, before, sizeof w);
        assert_int_equal(*px_optimizer_steps(o), 0);
        px_optimizer_destroy(o);
    }
}

/* A weight of zeros has no norm to adapt to: LARS updates it like SGD. */
static void test_lars_zero(void **state)
{
    (void)state;
    const px_optim_cfg cfg = {.optimizer = PX_LARS, .eta = 0.001, .weight_decay = 0.1};
    px_optimizer *o;
    float w[COUNT + GAP] = {0}, g[COUNT + GAP] = {0};
    g[2] = 3;
    assert_int_equal(px_optimizer_create(&o, &cfg, two_spans, 2, &px_update_fast), 0);
    assert_true(px_optimizer_step(o, w, g, 1, 0.5) == 3);
    assert_true(w[2] == -1.5f && w[1] == 0);
    memset(g, 0, sizeof g);
    assert_true(px_optimizer_step(o, w, g, 1, 0) == 0);
    px_optimizer_destroy(o);
}

static void test_wrong_settings(void **state)
{
    (void)state;
    px_optimizer *o;
    px_optim_cfg cfg = {.optimizer = PX_SGD, .nesterov = true};
    assert_int_equal(px_optimizer_create(&o, &cfg, two_spans, 2, &px_update_fast), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_string_equal(px_error(), "optim.nesterov needs optim.momentum above 0");
    assert_null(o);
    px_optimizer_destroy(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pytorch),        cmocka_unit_test(test_decay_factor), cmocka_unit_test(test_resume),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_not_finite),   cmocka_unit_test(test_lars_zero),
        cmocka_unit_test(test_wrong_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
