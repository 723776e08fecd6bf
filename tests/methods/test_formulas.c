/* test_formulas.c - the losses of BYOL, MoCo and SwAV against their formulas written out in double; of those with a teacher in
 * the first step and after the teacher has moved. */
#include "heads.h"

/* Grill et al. 2020, equation 2, over both orders. */
static double byol(subject *t)
{
    double sum = 0, z[B * D], p[B * D], target[B * D];
    for (int v = 0; v < 2; v++) {
        head(t, "projector", t->image + v * B * F, B, F, true, false, z);
        head(t, "predictor", z, B, D, true, true, p);
        head(t, "teacher.projector", t->image + (1 - v) * B * F, B, F, true, true, target);
        for (int i = 0; i < B; i++)
            sum += (2 - 2 * dot(p + i * D, target + i * D)) / B;
    }
    return sum;
}

/* He et al. 2020, equation 1, of one order; `keys` gets this step's. */
static double moco(subject *t, int view, double temperature, const double *queue, double *keys)
{
    double q[B * D], loss = 0;
    head(t, "head", t->image + view * B * F, B, F, false, true, q);
    head(t, "teacher.head", t->image + (1 - view) * B * F, B, F, false, true, keys);
    for (int i = 0; i < B; i++) {
        double positive = dot(q + i * D, keys + i * D) / temperature, sum = exp(positive);
        for (int k = 0; k < K; k++)
            sum += exp(dot(q + i * D, queue + k * D) / temperature);
        loss += (log(sum) - positive) / B;
    }
    return loss;
}

/* ---- tests ---- */

/* As after an optimizer's step: the student's weights change, and the teacher moves. */
static void move_on(subject *t, double momentum)
{
    for (int i = 0; i < px_graph_params(t->g); i++) {
        const px_param *p = px_graph_param(t->g, i);
        if (p->value->kind != PX_PARAMETER)
            continue;
        int64_t n = px_shape_count(p->value->shape);
        double *x = px_calloc((size_t)n, sizeof x[0]);
        px_plan_get_param(t->plan, i, x);
        for (int64_t k = 0; k < n; k++)
            x[k] += 0.3 * cos((double)(k + i));
        px_plan_set_param(t->plan, i, x);
        free(x);
    }
    for (int i = 0; i < px_graph_followers(t->g); i++)
        px_plan_follow(t->plan, i, momentum);
}

static void byol_is_its_formula(void **state)
{
    (void)state;
    static const char *const given[] = {"method=byol", "byol.hidden=10", "byol.dim=7"};
    subject t;
    start(&t, given, 3);
    for (int step = 0; step < 3; step++) {
        px_plan_run(t.plan, NULL);
        assert_true(fabs(px_plan_scalar(t.plan, t.loss) - byol(&t)) < 1e-12);
        move_on(&t, 0.9);
    }
    stop(&t);
}

static void check_moco(bool symmetric)
{
    const char *given[] = {"method=moco",          "moco.hidden=10",
                           "moco.dim=7",           "moco.queue=14",
                           "moco.temperature=0.3", symmetric ? "moco.symmetric=true" : "moco.symmetric=false"};
    subject t;
    start(&t, given, 6);
    double queue[K * D], now[K * D], keys[2 * B * D], place;
    int n = symmetric ? 2 * B : B;
    px_plan_get_param(t.plan, find(&t, "queue"), queue);
    for (int k = 0; k < K; k++)
        assert_true(fabs(dot(queue + k * D, queue + k * D) - 1) < 1e-12);
    for (int step = 0; step < 4; step++) {
        px_plan_run(t.plan, NULL);
        double expected = moco(&t, 0, 0.3, queue, keys);
        if (symmetric)
            expected = (expected + moco(&t, 1, 0.3, queue, keys + B * D)) / 2;
        assert_true(fabs(px_plan_scalar(t.plan, t.loss) - expected) < 1e-12);
        for (int i = 0; i < n; i++) /* the oldest keys go */
            memcpy(queue + (step * n + i) % K * D, keys + i * D, D * sizeof(double));
        px_plan_get_param(t.plan, find(&t, "queue"), now);
        px_plan_get_param(t.plan, find(&t, "queue_ptr"), &place);
        for (int i = 0; i < K * D; i++)
            assert_true(fabs(now[i] - queue[i]) < 1e-12);
        assert_true(place == (step + 1) * n % K);
        move_on(&t, 0.9);
    }
    stop(&t);
}

/* Caron et al. 2020, equations 1 to 3, as the official code computes them: Q sums to 1, then rounds of rows and columns. */
static void sinkhorn(const double *scores, double q[B * K])
{
    double sum = 0;
    for (int i = 0; i < B * K; i++)
        sum += q[i] = exp(scores[i] / 0.05);
    for (int i = 0; i < B * K; i++)
        q[i] /= sum;
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < K; k++) {
            double of = 0;
            for (int i = 0; i < B; i++)
                of += q[i * K + k];
            for (int i = 0; i < B; i++)
                q[i * K + k] /= of * K;
        }
        for (int i = 0; i < B; i++) {
            double of = 0;
            for (int k = 0; k < K; k++)
                of += q[i * K + k];
            for (int k = 0; k < K; k++)
                q[i * K + k] /= of * B;
        }
    }
    for (int i = 0; i < B * K; i++)
        q[i] *= B;
}

static double swav(subject *t)
{
    double z[2 * B * D], prototypes[K * D], scores[2 * B * K], q[B * K], loss = 0;
    head(t, "projector", t->image, 2 * B, F, true, true, z);
    get(t, "prototypes", "weight", K * D, prototypes);
    for (int i = 0; i < 2 * B; i++)
        for (int k = 0; k < K; k++)
            scores[i * K + k] = dot(z + i * D, prototypes + k * D);
    for (int v = 0; v < 2; v++) {
        sinkhorn(scores + v * B * K, q);
        for (int i = 0; i < B; i++) {
            const double *s = scores + ((1 - v) * B + i) * K;
            double sum = 0;
            for (int k = 0; k < K; k++)
                sum += exp(s[k] / 0.1);
            for (int k = 0; k < K; k++)
                loss -= q[i * K + k] * (s[k] / 0.1 - log(sum)) / B;
        }
    }
    return loss / 2;
}

static void swav_is_its_formula(void **state)
{
    (void)state;
    static const char *const given[] = {"method=swav", "swav.hidden=10", "swav.dim=7", "swav.prototypes=14"};
    subject t;
    start(&t, given, 4);
    for (int step = 0; step < 2; step++) {
        px_plan_run(t.plan, NULL);
        double expected = swav(&t);
        if (!(fabs(px_plan_scalar(t.plan, t.loss) - expected) < 1e-11))
            fail_msg("loss %.15g, expected %.15g", px_plan_scalar(t.plan, t.loss), expected);
        move_on(&t, 0);
        px_plan_normalize(t.plan);
        double prototypes[K * D];
        get(&t, "prototypes", "weight", K * D, prototypes);
        for (int k = 0; k < K; k++)
            assert_true(fabs(dot(prototypes + k * D, prototypes + k * D) - 1) < 1e-12);
    }
    stop(&t);
}

static void moco_is_its_formula(void **state)
{
    (void)state;
    check_moco(false);
    check_moco(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(byol_is_its_formula), cmocka_unit_test(moco_is_its_formula),
                                       cmocka_unit_test(swav_is_its_formula)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
