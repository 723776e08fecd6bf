/* settings.h - everything that a configuration says about a run, and what it chooses: method, backbone and their
 * options.
 *
 *     px_settings s;
 *     if (px_settings_load(&s, "experiments/simclr.cfg", assignments, count) != 0) ...
 *     ... s.train.epochs, s.method->build(s.method_cfg, ...) ...
 *     px_settings_finish(&s);
 *
 * Order, of which later ones win: the tables' defaults, the method's defaults, the file, key=value.
 */
#ifndef PX_TRAIN_SETTINGS_H
#define PX_TRAIN_SETTINGS_H

#include "base/config.h"
#include "optim/optim.h"
#include "train/method.h"

typedef enum px_precision {
    PX_PRECISION_FP32,
    PX_PRECISION_BF16,
    PX_PRECISION_AUTO, /* px_precision_settle (train/model.h) decides */
} px_precision;

typedef struct px_train_cfg {
    const char *method, *backbone, *out, *init, *backend, *isa;
    enum { PX_AUGMENT_RECIPE, PX_AUGMENT_NONE } augment;
    px_precision precision;
    enum { PX_NONFINITE_STOP, PX_NONFINITE_SKIP } nonfinite;
    int64_t seed;
    double epochs;
    int batch, accumulate;
    bool recompute, reproducible;
    enum { PX_DIVIDE_AUTO, PX_DIVIDE_YES, PX_DIVIDE_NO } divide_optimizer;
    int shards;
    double validate_epochs;
    const char *validate_split;
    double online_linear; /* rate; 0: none */
    double online_knn_epochs;
    int online_images;
    double checkpoint_minutes, time_limit;
    int threads;
    double rank_timeout;
} px_train_cfg;
extern const px_option px_train_options[];

/* "bf16" or "fp32"; PX_PRECISION_AUTO must have been settled. Static. */
static inline const char *px_precision_name(const px_train_cfg *c)
{
    return c->precision == PX_PRECISION_BF16 ? "bf16" : "fp32";
}

/* The same for plans. */
static inline px_dtype px_precision_dtype(const px_train_cfg *c)
{
    return c->precision == PX_PRECISION_BF16 ? PX_BF16 : PX_F32;
}

/* The key of the precision in which a frozen network computes features, for a table of options whose struct `type` holds it as
 * `member`. */
#define PX_ENCODER_PRECISION_OPTION(type, member)                                                                      \
    PX_OPTION_CHOICE(type, member, "fp32", "fp32|bf16|auto",                                                           \
                     "precision of the network that makes the features, whatever it was trained in; auto: bf16 if "    \
                     "every rank's processor supports it; protocol=finetune trains in it")

typedef struct px_data_cfg {
    const char *path, *split;
    bool links;
    int image_size;
    enum {
        PX_NORMALIZE_AUTO,
        PX_NORMALIZE_NONE,
        PX_NORMALIZE_DATASET,
        PX_NORMALIZE_IMAGENET,
        PX_NORMALIZE_HALF,
        PX_NORMALIZE_GIVEN,
        PX_NORMALIZE_FALSE, /* NONE and DATASET, as earlier versions said it */
        PX_NORMALIZE_TRUE
    } normalize;
    px_list mean, std; /* PX_NORMALIZE_GIVEN */
    px_list shown;     /* channels that pictures show; none: the first three */
    bool shuffle;
    int repeats;
    int workers;
    int64_t limit;
    int timeout;
} px_data_cfg;
extern const px_option px_data_options[];

/* Whether pixels are normalized by the numbers of the data set. */
static inline bool px_normalizes_by_dataset(const px_data_cfg *c)
{
    return c->normalize == PX_NORMALIZE_DATASET || c->normalize == PX_NORMALIZE_TRUE;
}

/* How a file of weights is read: init= and the subject of probe and features. */
typedef struct px_weights_cfg {
    const char *prefix;
    enum { PX_OTHER_REFUSE, PX_OTHER_IGNORE } other;
} px_weights_cfg;
extern const px_option px_weights_options[];

/* What pixels in [0,1] are normalized by, per channel. */
enum { PX_MOMENTS_MAX = 64 };
typedef struct px_moments {
    float mean[PX_MOMENTS_MAX], std[PX_MOMENTS_MAX];
} px_moments;

typedef struct px_settings {
    px_train_cfg train;
    px_data_cfg data;
    px_weights_cfg weights;
    px_optim_cfg optim;
    const px_method *method;
    px_method_cfg *method_cfg;
    const px_backbone *backbone;
    px_backbone_cfg *backbone_cfg;
    px_config *config;  /* owns the strings */
    px_moments moments; /* filled in by px_settings_moments */
    px_moments own;     /* of a run: what it was trained with; instead of the data set's where that is another */
    int own_channels;   /* of `own`; 0: it is not known */
} px_settings;

/* Fills in `moments` as data.normalize says. `mean`, `std`: the data set's. *normalized: false if pixels stay as they are.
 * 0, or -1 (PX_USAGE) if the numbers do not fit this number of channels. */
int px_settings_moments(px_settings *, const float mean[], const float std[], int channels, bool *normalized);

/* If `path` is NULL, there are only assignments. 0, or -1 (PX_USAGE) with nothing to finish. */
int px_settings_load(px_settings *, const char *path, const char *const assignments[], int count);

/* The same from text, such as a run's /config. `origin` is its name in messages. */
int px_settings_load_text(px_settings *, const char *text, const char *origin, const char *const assignments[],
                          int count);

/* The name of a run's network that `net` asks for; "": the one that is trained. `net`: a name; "trained"; "": what the method has
 * probed (px_method.probed). Borrowed from either. */
const char *px_settings_net(const px_settings *, const char *net);

void px_settings_finish(px_settings *);

#endif
