/* jigsaw.c - Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles, Noroozi & Favaro 2016
 * (arXiv:1603.09246), with the head of VISSL (Goyal et al. 2019, arXiv:1905.01235).
 *
 *   nine tiles of an image in a permuted order [9B,C,P,P] -> backbone -> h [9B,F] -> fc1, norm, relu -> [9B,H]
 *   the nine beside each other [B,9H] -> fc2 -> which of the permutations?
 *
 * Permutations are a group. The tiles are the points 0 to 7, infinity of the projective line over the field of 8 elements, and a
 * permutation is z -> (a z + b) / (c z + d). Three places determine it, so two of these 504 differ in 7 places or more, and no
 * larger set does (Frankl & Deza 1977). With z's conjugates z^2 and z^4 there are 1512, which differ in 6. */
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/tiles.h"

enum { INFINITE = 8, FRACTIONS = 504 };

struct px_method_cfg {
    px_tiles tiles;
    int permutations, hidden;
};

static const px_option options[] = {
    PX_TILES_OPTIONS(px_method_cfg, tiles),
    PX_OPTION(px_method_cfg, permutations, "504", FRACTIONS, 3 * FRACTIONS,
              "504 or 1512; they differ in at least 7 places, or 6 (paper: 1000, in 2; VISSL: 2000)"),
    PX_OPTION(px_method_cfg, hidden, "1000", 1, 65536, "numbers per tile that the last layer sees (VISSL)"),
    {0}};

/* VISSL's, jigsaw_8gpu_resnet.yaml. */
static const char defaults[] =
    "epochs = 105.0;\n"
    "batch = 256;\n"
    "data = { normalize = true; };\n"
    "optim = { optimizer = \"sgd\"; lr = 0.1; momentum = 0.9; weight_decay = 1e-4; warmup_epochs = 5.0; "
    "warmup_from = 0.25;\n"
    "          schedule = \"step\"; steps = [30, 60, 90, 100]; step_factor = 0.1; };\n";

static const char *const complaints[] = PX_TILES_COMPLAINTS("jigsaw");

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    if (c->permutations % FRACTIONS || c->permutations == 2 * FRACTIONS)
        return "jigsaw.permutations is 504 or 1512";
    return px_tiles_check(&c->tiles, task, complaints);
}

/* ---- permutations ---- */

/* The product of polynomials over GF(2) of degree 2 at most, modulo x^3 + x + 1. Addition is exclusive or. */
static int times(int a, int b)
{
    int product = (a & 1) * b ^ (a >> 1 & 1) * b << 1 ^ (a >> 2) * b << 2;
    product ^= (product >> 4) * 0x16; /* x^4 = x^2 + x */
    return product ^ (product >> 3 & 1) * 0xb;
}

static int inverse(int a) /* a^6 */
{
    int square = times(a, a);
    return times(square, times(square, square));
}

/* (a z + b) / (c z + d) */
typedef struct fraction {
    int a, b, c, d;
} fraction;

/* 56 are a z + b, a not 0; 448 are (a z + b) / (z + d), b not a d. */
static fraction fraction_at(int k)
{
    if (k < 56)
        return (fraction){1 + k / 8, k % 8, 0, 1};
    k -= 56;
    int a = k / 56, d = k / 7 % 8;
    return (fraction){a, times(a, d) ^ (1 + k % 7), 1, d};
}

static int apply(fraction f, int z)
{
    int above = z == INFINITE ? f.a : times(f.a, z) ^ f.b, below = z == INFINITE ? f.c : times(f.c, z) ^ f.d;
    return below == 0 ? INFINITE : times(above, inverse(below));
}

/* ---- views and head ---- */

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    px_tiles_declare(&c->tiles, task, "tiles", out);
    px_views_add(out, "permutation", PX_I32, 1, 0, NULL);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    int number = (int)px_rng_below(rng, (uint32_t)c->permutations), copy_of[PX_TILES];
    fraction f = fraction_at(number % FRACTIONS);
    for (int z = 0; z < PX_TILES; z++) {
        int conjugate = z;
        for (int k = 0; k < number / FRACTIONS && z != INFINITE; k++)
            conjugate = times(conjugate, conjugate);
        copy_of[z] = apply(f, conjugate);
    }
    px_tiles_make(&c->tiles, task, rng, image, copy_of, out);
    px_sample_i32(out, 1, 0)[0] = number;
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int B = b->task->batch, H = c->hidden;
    px_value *h = px_encode(b, px_view_input(b, "tiles")).pooled, *number = px_view_input(b, "permutation");
    px_scope_push(g, "head");
    px_value *each =
        px_relu(g, px_batch_norm_layer(g, "bn1", px_linear_layer(g, "fc1", h, H, false), true)); /* [9B, H] */
    px_value *together = px_permute(g, px_reshape(g, each, PX_SHAPE(PX_TILES, B, H)), (int[]){1, 0, 2});
    px_value *logits =
        px_linear_layer(g, "fc2", px_reshape(g, together, PX_SHAPE(B, PX_TILES * H)), c->permutations, true);
    px_scope_pop(g);
    px_metric(b, "accuracy", px_accuracy(g, logits, number)); /* chance: 1/504 or 1/1512 */
    return px_cross_entropy(g, logits, number);
}

const px_method px_jigsaw = {.name = "jigsaw",
                             .paper = "Noroozi & Favaro 2016, arXiv:1603.09246",
                             .summary = "tells in which order the nine tiles of an image are",
                             .formula =
                                 "L = -log softmax(W [f(tile_1); ...; f(tile_9)])_k, k the number of the permutation",
                             .published = "ImageNet, ResNet-50, 105 epochs: linear 46.7 to 48.6 (VISSL)",
                             .departures = "Paper picks permutations one by one, as far apart as it can find: 1000 "
                                           "differ in 2 of 9 places or more. Here they are a group, which does "
                                           "better: 504 differ in 7, 1512 in 6.\n"
                                           "Paper has a head of its own: here it is VISSL's (Goyal et al. 2019, "
                                           "arXiv:1905.01235).",
                             .cfg_size = sizeof(px_method_cfg),
                             .options = options,
                             .defaults = defaults,
                             .check = check,
                             .views = views,
                             .make_views = make_views,
                             .build = build};
