/* resnet.c - Deep Residual Learning for Image Recognition, He et al. 2016; torchvision's variant (stride in the 3x3
 * convolution), with its parameter names; its ResNeXts (Xie et al. 2017), Wide ResNets (Zagoruyko & Komodakis 2016), with channel
 * attention timm's SE-ResNets (Hu et al. 2018), and the three-stage ResNets for CIFAR (section 4.2). The 3x3 stem without
 * max-pool is SimCLR's for CIFAR (appendix B.9).
 *
 *   x [N,C,S,S] -> conv1 bn1 relu (maxpool) -> layer1..4 -> mean over the map -> [N, 512 or 2048]
 *
 * Also for CIFAR, with norm and activation before each convolution (He et al. 2016, arXiv:1603.05027): PreResNets, and those
 * that are k times wider, WRN-depth-k (Zagoruyko & Komodakis 2016):
 *
 *   x [N,C,S,S] -> conv1 -> layer1..3 -> bn1 relu -> mean over the map -> [N, 64 k] */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    enum { POOL_AUTO, POOL_YES, POOL_NO } max_pool;
    int stem_padding;
    double width, drop_path, dropout;
    bool shortcuts;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(px_backbone_cfg, stem, "auto", "auto|3x3|7x7",
                     "first layer: 7x7 with stride 2 (He 2016), or 3x3 (SimCLR B.9); auto: 3x3 up to 64 px"),
    PX_OPTION(
        px_backbone_cfg, stem_padding, "0", 0, 3,
        "zeros around the image; 0: half of the stem's kernel (torchvision); solo-learn and EB-JEPA on CIFAR have "
        "2 with a 3x3 stem, which makes maps of 34 px"),
    PX_OPTION_CHOICE(px_backbone_cfg, max_pool, "auto", "auto|yes|no",
                     "3x3 max-pool after the stem; auto: after a 7x7 stem (He 2016)"),
    PX_OPTION(px_backbone_cfg, width, "1", 0.125, 8, "multiplies the number of channels of every layer"),
    PX_OPTION(px_backbone_cfg, drop_path, "0", 0, 0.99,
              "stochastic depth: rate of the last block; earlier blocks in proportion (Huang et al. 2016: 0.5 for "
              "CIFAR's 110 layers; timm's shape, in which the first block stays)"),
    PX_OPTION(px_backbone_cfg, dropout, "0", 0, 0.99,
              "dropout between both convolutions of a block of a WRN (Zagoruyko & Komodakis 2016: 0.3) or PreResNet"),
    PX_OPTION_FLAG(
        px_backbone_cfg, shortcuts, "true",
        "each block adds its branch to what came in (He 2016); false: the plain network with which the paper compares"),
    {0}};

typedef enum block_kind { BASIC, BOTTLENECK } block_kind;
enum { STAGES = 4 };

struct variant {
    int blocks[STAGES]; /* 0: there is no such stage */
    block_kind kind;
    int groups, group_width; /* of a bottleneck's 3x3 convolutions, where the first stage has 64 channels: 1 and 64 */
    bool squeeze;            /* channel attention at the end of each block's branch */
    bool cifar;              /* three stages of 16, 32 and 64 channels behind a 3x3 stem */
    int wider;               /* with norm and activation first, and so many times as wide; 0: after the convolutions */
};

/* The network that is built. */
typedef struct resnet {
    px_graph *g;
    const struct variant *v;
    const px_backbone_cfg *c;
    int64_t N;
    int block, blocks; /* how many there are already, and in all */
} resnet;

/* spec.pad 0: half of the kernel. closed: the norm's weight begins as 0. */
static px_value *conv_bn_of(px_graph *g, const char *number, px_value *x, px_conv_spec spec, bool closed)
{
    char conv[16], bn[16];
    snprintf(conv, sizeof conv, "conv%s", number);
    snprintf(bn, sizeof bn, "bn%s", number);
    spec.pad = spec.pad ? spec.pad : spec.kernel / 2;
    return px_batch_norm_layer_of(g, bn, px_conv_layer_of(g, conv, x, spec), (px_batch_norm_spec){.closed = closed});
}

static px_value *conv_bn(px_graph *g, const char *number, px_value *x, int out, int kernel, int stride, int groups)
{
    px_conv_spec spec = {.out = out, .kernel = kernel, .stride = stride, .groups = groups};
    return conv_bn_of(g, number, x, spec, false);
}

/* The last convolution and norm of a block's branch. timm's ResNets, of which those with channel attention are, close it at first
 * (zero_init_last); torchvision's do not, and a plain network would give nothing but zeros. */
static px_value *last_conv_bn(const resnet *r, const char *number, px_value *x, int out, int kernel)
{
    return conv_bn_of(r->g, number, x, (px_conv_spec){.out = out, .kernel = kernel}, r->v->squeeze && r->c->shortcuts);
}

/* The identity, or a strided 1x1 projection if the shapes differ. */
static px_value *skip(px_graph *g, px_value *x, int out, int stride)
{
    if (px_graph_error(g) || (stride == 1 && x->shape.dim[1] == out))
        return x;
    px_scope_push(g, "downsample");
    px_value *y = px_batch_norm_layer(g, "1", px_conv_layer(g, "0", x, out, 1, stride, 0, false), true);
    px_scope_pop(g);
    return y;
}

/* A block's branch, which stochastic depth leaves out for some samples. */
static px_value *dropped(const resnet *r, px_value *branch)
{
    return px_drop_path(r->g, branch, px_drop_path_rate(r->c->drop_path, r->block, r->blocks), r->N);
}

/* What a block hands on: its branch, added to what came in; of a plain network (section 3.3) the branch alone. */
static px_value *joined(const resnet *r, px_value *branch, px_value *x, int out, int stride)
{
    return r->c->shortcuts ? px_add(r->g, dropped(r, branch), skip(r->g, x, out, stride)) : branch;
}

/* timm's width between both layers: a 16th, a multiple of 8. */
static px_value *attend(px_graph *g, px_value *y, bool squeeze)
{
    if (!squeeze || px_graph_error(g))
        return y;
    int squeezed = (int)(y->shape.dim[1] / 16 + 4) / 8 * 8;
    return px_squeeze_layer(g, "se", y, squeezed < 8 ? 8 : squeezed, PX_FN_SIGMOID, PX_BEGIN_HE_TORCH);
}

static px_value *basic(const resnet *r, px_value *x, int planes, int stride)
{
    px_graph *g = r->g;
    px_value *y = px_relu(g, conv_bn(g, "1", x, planes, 3, stride, 1));
    y = attend(g, last_conv_bn(r, "2", y, planes, 3), r->v->squeeze);
    return px_relu(g, joined(r, y, x, planes, stride));
}

static px_value *bottleneck(const resnet *r, px_value *x, int planes, int stride)
{
    px_graph *g = r->g;
    const struct variant *v = r->v;
    int width = planes * v->group_width / 64 * v->groups;
    px_value *y = px_relu(g, conv_bn(g, "1", x, width, 1, 1, 1));
    y = px_relu(g, conv_bn(g, "2", y, width, 3, stride, v->groups));
    y = attend(g, last_conv_bn(r, "3", y, 4 * planes, 1), v->squeeze);
    return px_relu(g, joined(r, y, x, 4 * planes, stride));
}

static px_value *norm_relu(px_graph *g, const char *name, px_value *x)
{
    return px_relu(g, px_batch_norm_layer(g, name, x, true));
}

/* Norm and activation first. The projection sees what the branch sees; the identity what came. */
static px_value *activated_first(const resnet *r, px_value *x, int planes, int stride)
{
    px_graph *g = r->g;
    if (px_graph_error(g))
        return x;
    bool same = stride == 1 && x->shape.dim[1] == planes;
    px_value *a = norm_relu(g, "bn1", x), *skipped = x;
    px_value *y = norm_relu(g, "bn2", px_conv_layer(g, "conv1", a, planes, 3, stride, 1, false));
    y = px_conv_layer(g, "conv2", px_dropout(g, y, r->c->dropout, r->N), planes, 3, 1, 1, false);
    if (!r->c->shortcuts)
        return y;
    if (!same) {
        px_scope_push(g, "downsample");
        skipped = px_conv_layer(g, "0", a, planes, 1, stride, 0, false);
        px_scope_pop(g);
    }
    return px_add(g, dropped(r, y), skipped);
}

extern const px_backbone_family px_resnet_family;

#define VARIANT(name, ...)                                                                                             \
    {                                                                                                                  \
        name, &px_resnet_family, &(const struct variant)                                                               \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const px_backbone variants[] = {
    VARIANT("resnet18", .blocks = {2, 2, 2, 2}, .kind = BASIC, .groups = 1, .group_width = 64),
    VARIANT("resnet34", .blocks = {3, 4, 6, 3}, .kind = BASIC, .groups = 1, .group_width = 64),
    VARIANT("resnet50", .blocks = {3, 4, 6, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 64),
    VARIANT("resnet101", .blocks = {3, 4, 23, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 64),
    VARIANT("resnet152", .blocks = {3, 8, 36, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 64),
    VARIANT("resnext50_32x4d", .blocks = {3, 4, 6, 3}, .kind = BOTTLENECK, .groups = 32, .group_width = 4),
    VARIANT("resnext101_32x8d", .blocks = {3, 4, 23, 3}, .kind = BOTTLENECK, .groups = 32, .group_width = 8),
    VARIANT("resnext101_64x4d", .blocks = {3, 4, 23, 3}, .kind = BOTTLENECK, .groups = 64, .group_width = 4),
    VARIANT("wide_resnet50_2", .blocks = {3, 4, 6, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 128),
    VARIANT("wide_resnet101_2", .blocks = {3, 4, 23, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 128),
    VARIANT("seresnet18", .blocks = {2, 2, 2, 2}, .kind = BASIC, .groups = 1, .group_width = 64, .squeeze = true),
    VARIANT("seresnet34", .blocks = {3, 4, 6, 3}, .kind = BASIC, .groups = 1, .group_width = 64, .squeeze = true),
    VARIANT("seresnet50", .blocks = {3, 4, 6, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 64, .squeeze = true),
    VARIANT("seresnet101", .blocks = {3, 4, 23, 3}, .kind = BOTTLENECK, .groups = 1, .group_width = 64,
            .squeeze = true),
    VARIANT("seresnext50_32x4d", .blocks = {3, 4, 6, 3}, .kind = BOTTLENECK, .groups = 32, .group_width = 4,
            .squeeze = true),
    VARIANT("resnet20", .blocks = {3, 3, 3}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true),
    VARIANT("resnet32", .blocks = {5, 5, 5}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true),
    VARIANT("resnet44", .blocks = {7, 7, 7}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true),
    VARIANT("resnet56", .blocks = {9, 9, 9}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true),
    VARIANT("resnet110", .blocks = {18, 18, 18}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true),
    VARIANT("preresnet20", .blocks = {3, 3, 3}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true,
            .wider = 1),
    VARIANT("preresnet56", .blocks = {9, 9, 9}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true,
            .wider = 1),
    VARIANT("preresnet110", .blocks = {18, 18, 18}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true,
            .wider = 1),
    VARIANT("wrn_16_8", .blocks = {2, 2, 2}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true, .wider = 8),
    VARIANT("wrn_28_2", .blocks = {4, 4, 4}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true, .wider = 2),
    VARIANT("wrn_28_10", .blocks = {4, 4, 4}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true,
            .wider = 10),
    VARIANT("wrn_40_4", .blocks = {6, 6, 6}, .kind = BASIC, .groups = 1, .group_width = 64, .cifar = true, .wider = 4),
    {0}};

/* Channels of the stem. */
static int first_width(const struct variant *v, const px_backbone_cfg *c)
{
    return (int)((v->cifar ? 16 : 64) * c->width);
}

static bool pooled_stem(const px_backbone_cfg *c, bool small)
{
    return c->max_pool == POOL_YES || (!small && c->max_pool == POOL_AUTO);
}

/* A method may feed the backbone less than an image (patches); the stem still follows the image's size. */
static void settle(px_backbone_cfg *c, int image_size)
{
    bool small = px_is_small(c->stem, image_size);
    c->max_pool = pooled_stem(c, small) ? POOL_YES : POOL_NO;
    c->stem = px_settled(c->stem, image_size);
}

/* conv1: (64 x width, C, side, side); 16 x width where there is no fourth stage */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape stem = shape_of(file, "conv1.weight");
    int64_t side = stem.rank == 4 ? stem.dim[2] : 0;
    if (side == 3 || side == 7)
        fprintf(out, "stem = \"%dx%d\"; width = %.17g;", (int)side, (int)side,
                (double)stem.dim[0] / (shape_of(file, "layer4.0.conv1.weight").rank == 4 ? 64 : 16));
    /* CIFAR's ResNets have no fourth stage, and others' have shortcuts without parameters (He et al.'s option A). */
    if (shape_of(file, "layer4.0.conv1.weight").rank == 4 && shape_of(file, "layer4.0.downsample.0.weight").rank != 4)
        fprintf(out, " shortcuts = false;");
}

/* How many blocks layer<stage> has. */
static int count_blocks(px_shape (*shape_of)(const void *file, const char *name), const void *file, int stage)
{
    enum { MOST = 64 };
    int count = 0;
    for (char name[48]; count < MOST; count++) {
        snprintf(name, sizeof name, "layer%d.%d.conv1.weight", stage + 1, count);
        if (shape_of(file, name).rank != 4)
            break;
    }
    return count;
}

/* layer1.0.conv2: (groups x group_width x width, group_width x width, 3, 3) in a bottleneck */
static bool has_groups(const struct variant *v, px_shape stem, px_shape second)
{
    return second.rank == 4 && second.dim[0] == v->groups * second.dim[1] &&
           second.dim[1] == stem.dim[0] * v->group_width / 64;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    int blocks[STAGES];
    px_shape stem = shape_of(file, "conv1.weight"), first = shape_of(file, "layer1.0.conv1.weight"),
             second = shape_of(file, "layer1.0.conv2.weight"), norm = shape_of(file, "bn1.weight");
    bool last = stem.rank == 4 && norm.rank == 1 && norm.dim[0] != stem.dim[0]; /* bn1 is not behind conv1 */
    int64_t wider = last && first.rank == 4 ? first.dim[0] / stem.dim[0] : 0;
    block_kind kind = shape_of(file, "layer1.0.conv3.weight").rank == 4 ? BOTTLENECK : BASIC;
    bool squeeze = shape_of(file, "layer1.0.se.fc1.weight").rank == 4;
    for (int i = 0; i < STAGES; i++)
        blocks[i] = count_blocks(shape_of, file, i);
    for (const px_backbone *b = variants; b->name; b++) {
        const struct variant *v = b->variant;
        if (v->kind == kind && v->squeeze == squeeze && v->wider == wider &&
            memcmp(v->blocks, blocks, sizeof blocks) == 0 && (kind == BASIC || has_groups(v, stem, second)))
            return b;
    }
    return NULL;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    const struct variant *v = b->variant;
    (void)channels;
    if (first_width(v, c) < 1 || (v->kind == BOTTLENECK && first_width(v, c) * v->group_width < 64))
        return "resnet.width leaves no channels; resnet.width=0.25 leaves some";
    if (v->cifar && !px_is_small(c->stem, image_size))
        return "the ResNets for CIFAR have no 7x7 stem; resnet.stem=3x3 would work";
    if (c->dropout > 0 && !v->wider)
        return "resnet.dropout is for WRNs and PreResNets; resnet.drop_path is for all";
    if (!c->shortcuts && c->drop_path > 0)
        return "resnet.drop_path would leave nothing of a block without its shortcut; resnet.shortcuts=true has one";
    return image_size < 8 ? "a ResNet needs images of at least 8 px" : NULL;
}

/* The stem, the stages (four, three for CIFAR), then what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    const struct variant *v = b->variant;
    bool first = !v->wider; /* the norm is the stem's */
    *layers = v->blocks[STAGES - 1] ? STAGES + 2 : STAGES + 1;
    if (strncmp(parameter, "layer", 5) == 0 && parameter[5] >= '1' && parameter[5] <= '4' && parameter[6] == '.')
        return parameter[5] - '0';
    if (strncmp(parameter, "bn1.", 4) == 0)
        return first ? 0 : *layers - 1;
    return strncmp(parameter, "conv1.", 6) == 0 ? 0 : -1;
}

static px_value *stage(resnet *r, px_value *x, int planes, int number)
{
    px_graph *g = r->g;
    px_scope_push(g, "layer%d", number + 1);
    for (int k = 0; k < r->v->blocks[number]; k++, r->block++) {
        int stride = number > 0 && k == 0 ? 2 : 1;
        px_scope_push(g, "%d", k);
        x = r->v->wider           ? activated_first(r, x, planes, stride)
            : r->v->kind == BASIC ? basic(r, x, planes, stride)
                                  : bottleneck(r, x, planes, stride);
        px_graph_cut(g);
        px_scope_pop(g);
    }
    px_scope_pop(g);
    return x;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    int width = first_width(v, c), planes = v->wider ? width * v->wider : width;
    bool small = v->cifar || px_is_small(c->stem, px_image_side(x));
    resnet r = {.g = g, .v = v, .c = c, .N = x->shape.dim[0]};
    for (int i = 0; i < STAGES; i++)
        r.blocks += v->blocks[i];
    px_conv_spec stem = {
        .out = width, .kernel = small ? 3 : 7, .stride = small ? 1 : 2, .pad = c->stem_padding, .groups = 1};
    x = v->wider ? px_conv_layer(g, "conv1", x, width, 3, 1, c->stem_padding ? c->stem_padding : 1, false)
                 : px_relu(g, conv_bn_of(g, "1", x, stem, false));
    if (pooled_stem(c, small))
        x = px_max_pool(g, x, 3, 2, 1);
    px_graph_cut(g);
    for (int i = 0; i < STAGES && v->blocks[i]; i++) {
        x = stage(&r, x, planes << i, i);
        if (v->wider && i == 2)
            x = norm_relu(g, "bn1", x); /* so that the last map is what is pooled */
        px_stage_add(&e, g, x, "layer%d", i + 1);
    }
    e.pooled = px_map_pool(g, c, x);
    return e;
}

const px_backbone_family px_resnet_family = {.name = "resnet",
                                             .paper = "He et al. 2016, arXiv:1512.03385",
                                             .summary = "residual convolutional networks",
                                             .cfg_size = sizeof(px_backbone_cfg),
                                             .options = options,
                                             .variants = variants,
                                             .settle = settle,
                                             .stored = stored,
                                             .of_shapes = of_shapes,
                                             .telling = "conv1.weight",
                                             .check = check,
                                             .layer = layer,
                                             .build = build,
                                             .build_masked = px_map_build_masked,
                                             .pool = px_map_pool,
                                             .pools_last = true};
