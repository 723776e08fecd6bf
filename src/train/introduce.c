/* introduce.c - see introduce.h. */
#include "train/introduce.h"

#include <inttypes.h>
#include <omp.h>
#include <stdlib.h>

void px_introduce(const px_session *s, px_log *log)
{
    const px_train_cfg *c = &s->settings->train;
    int ranks = s->comm->size;
    int64_t parameters = 0;
    for (int i = 0; i < px_graph_params(s->model->graph); i++) {
        const px_value *v = px_graph_param(s->model->graph, i)->value;
        parameters += v->kind == PX_PARAMETER ? px_shape_count(v->shape) : 0;
    }
    px_log_line(log, "%s on %s: %.2f M parameters, %s", s->settings->method->name, s->settings->backbone->name,
                (double)parameters / 1e6, px_precision_name(c));
    px_log_line(log,
                "%" PRId64 " images, used at %d px%s: %" PRId64 " steps per epoch, %g epochs, %" PRId64 " steps in all",
                s->split.count, s->task.image_size, px_dataset_about(s->data)->height ? "" : " (data.image_size)",
                s->per_epoch, c->epochs, s->steps);
    px_log_line(log, "batch %d = %d %s x %d images x %d micro-batch%s; %d rank%s x %d thread%s", c->batch,
                s->task.ranks,
                c->reproducible ? "shards"
                : ranks > 1     ? "ranks"
                                : "rank",
                s->task.batch, c->accumulate, c->accumulate > 1 ? "es" : "", ranks, ranks > 1 ? "s" : "",
                omp_get_max_threads(), omp_get_max_threads() > 1 ? "s" : "");
    char *need = px_need_text(&s->need);
    px_log_line(log, "memory%s: %s", ranks > 1 ? " per rank" : "", need);
    free(need);
}
