/* online_test.c - see online_test.h. */
#include "train/online_test.h"

#include "base/error.h"

#include <math.h>

int px_online_test_begin(px_online_test *t, const px_online_test_kind *kind, const px_session *s, px_log *log)
{
    *t = (px_online_test){.value = NAN, .seconds = NAN};
    void *own = NULL;
    if (kind && kind->create(&own, s, log) != 0)
        return -1;
    if (!own)
        return 0;
    t->kind = kind;
    t->own = own;
    t->every = (int64_t)fmax(1, round(s->settings->train.online_knn_epochs * (double)s->per_epoch));
    t->ended = px_now();
    return 0;
}

void px_online_test_end(px_online_test *t)
{
    if (t->kind)
        t->kind->destroy(t->own);
    *t = (px_online_test){0};
}

bool px_online_test_is_due(const px_online_test *t, int64_t place, bool last)
{
    return t->kind && (last || (place + 1) % t->every == 0);
}

int px_online_test_run(px_online_test *t, px_log *log, double epochs_done)
{
    double begun = px_now(), since = begun - t->ended;
    if (t->kind->measure(t->own, &t->value) != 0)
        return -1;
    t->ended = px_now();
    t->seconds = t->ended - begun;
    px_log_line(log, "epoch %.4g: %s %.2f %%; %.1f s, after %.1f s of training", epochs_done, t->kind->says,
                100 * t->value, t->seconds, since);
    return 0;
}

double px_online_test_bytes(const px_online_test_kind *kind, const px_settings *s, const px_task *task)
{
    return kind && s->train.online_knn_epochs > 0 ? kind->bytes(s, task) : 0;
}
