/* ibot.c - iBOT: Image BERT Pre-Training with Online Tokenizer, Zhou et al. 2022 (arXiv:2111.07832).
 *
 *   large crops, blocks of patches replaced by a token -> ViT -> class token [2B,D], hidden patches [2B,M,D] \
 *   small crops                                        -> ViT -> class token [N B,D]                           > one head -> scores
 *   large crops, whole -> teacher's ViT -> class token, patches -> its head -> scores
 *
 * Loss: DINO's, of class tokens of other crops, and the same cross-entropy of each hidden patch with the teacher's patch at its
 * place: the mean over the hidden patches of a crop. Patches have a centre of their own. The paper evaluates the teacher
 * (net=teacher). */
#include "train/masked_distil.h"
#include "train/method.h"

struct px_method_cfg {
    px_masked_distil distil;
};

static const px_option options[] = {PX_MASKED_DISTIL_OPTIONS(px_method_cfg, distil, "8192", "paper", "0.996", "0"),
                                    {0}};

/* Official code for ViT-S. */
static const char defaults[] =
    "backbone = \"vit_tiny_4\";\n"
    "epochs = 100;\n"
    "batch = 256;\n"
    "ibot = { area_min = 0.25; small_area_max = 0.25; };\n"
    "optim = { optimizer = \"adamw\"; lr = 5e-4; lr_min = 1e-6; weight_decay = 0.04; weight_decay_end = 0.4; "
    "warmup_epochs = 10.0; clip = 3.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    return px_masked_distil_check(&c->distil, task, backbone);
}

PX_MASKED_DISTIL_VIEWS(distil)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    return px_masked_distil_build(&c->distil, b, NULL);
}

const px_method px_ibot = {
    .name = "ibot",
    .paper = "Zhou et al. 2022, arXiv:2111.07832",
    .summary = "matches a teacher's distributions over prototypes, of other crops and of patches that are hidden",
    .formula = "L = DINO's of class tokens + mean over hidden patches p of -sum softmax((t_p - c') / T_t) log "
               "softmax(s_p / T_s)",
    .published = "ImageNet, ViT-S/16, 800 epochs: k-NN 75.2, linear 77.9 (official)",
    .departures = "Official code has 10 small crops, and drop path: here only if asked for (ibot.small_crops=10, "
                  "vit.drop_path=0.1).\n"
                  "Official views are blurred: here, for small images, only if asked for (ibot.blur=1, "
                  "ibot.second_blur=0.1).\n"
                  "Official recipe for ViT-S learns the prototypes' lengths: here all are 1.",
    .family = "vit",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
