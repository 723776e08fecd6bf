/* weights_spellings.c - see weights_spellings.h; a table for each program. */
#include "train/weights_spellings.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBERS = 4 };

/* How names begin, here and there. '#' stands for a number; {0}, {+3} or {-1} for the next of these numbers and what is
 * added to it. What follows is the same on both sides. Several names, separated by '|', are stacked. */
typedef struct px_spelling {
    const char *ours, *theirs;
} spelling;

/* The children of lightly's ResNet are numbered: conv1, bn1, relu, maxpool, layer1, ... */
static const spelling lightly[] = {{"conv1.", "0."}, {"bn1.", "1."}, {"layer#.", "{+3}."}, {0}};

/* xternalz/WideResNet-pytorch, and what came from it (TorchSSL, RobustBench). */
static const spelling wide_resnet[] = {
    {"layer#.#.downsample.0.", "block{0}.layer.{0}.convShortcut."}, {"layer#.#.", "block{0}.layer.{0}."}, {0}};

#define STAGE "encoder.stages.{-1}.layers.{0}."
static const spelling hugging_face_resnet[] = {{"conv1.", "embedder.embedder.convolution."},
                                               {"bn1.", "embedder.embedder.normalization."},
                                               {"layer#.#.downsample.0.", STAGE "shortcut.convolution."},
                                               {"layer#.#.downsample.1.", STAGE "shortcut.normalization."},
                                               {"layer#.#.conv#.", STAGE "layer.{-1}.convolution."},
                                               {"layer#.#.bn#.", STAGE "layer.{-1}.normalization."},
                                               {0}};

#define LAYER "encoder.layers.encoder_layer_{0}."
static const spelling torchvision_vit[] = {{"cls_token", "class_token"},
                                           {"pos_embed", "encoder.pos_embedding"},
                                           {"patch_embed.proj.", "conv_proj."},
                                           {"blocks.#.norm1.", LAYER "ln_1."},
                                           {"blocks.#.attn.qkv.", LAYER "self_attention.in_proj_"},
                                           {"blocks.#.attn.proj.", LAYER "self_attention.out_proj."},
                                           {"blocks.#.norm2.", LAYER "ln_2."},
                                           {"blocks.#.mlp.fc1.", LAYER "mlp.0."},
                                           {"blocks.#.mlp.fc2.", LAYER "mlp.3."},
                                           {"norm.", "encoder.ln."},
                                           {0}};
static const spelling older_torchvision_vit[] = {{"cls_token", "class_token"},
                                                 {"pos_embed", "encoder.pos_embedding"},
                                                 {"patch_embed.proj.", "conv_proj."},
                                                 {"blocks.#.norm1.", LAYER "ln_1."},
                                                 {"blocks.#.attn.qkv.", LAYER "self_attention.in_proj_"},
                                                 {"blocks.#.attn.proj.", LAYER "self_attention.out_proj."},
                                                 {"blocks.#.norm2.", LAYER "ln_2."},
                                                 {"blocks.#.mlp.fc1.", LAYER "mlp.linear_1."},
                                                 {"blocks.#.mlp.fc2.", LAYER "mlp.linear_2."},
                                                 {"norm.", "encoder.ln."},
                                                 {0}};

#define BLOCK "encoder.layer.{0}."
#define HEADS BLOCK "attention.attention."
static const spelling hugging_face_vit[] = {{"cls_token", "embeddings.cls_token"},
                                            {"dist_token", "embeddings.distillation_token"},
                                            {"pos_embed", "embeddings.position_embeddings"},
                                            {"patch_embed.proj.", "embeddings.patch_embeddings.projection."},
                                            {"blocks.#.norm1.", BLOCK "layernorm_before."},
                                            {"blocks.#.attn.qkv.", HEADS "query.|" HEADS "key.|" HEADS "value."},
                                            {"blocks.#.attn.proj.", BLOCK "attention.output.dense."},
                                            {"blocks.#.norm2.", BLOCK "layernorm_after."},
                                            {"blocks.#.mlp.fc1.", BLOCK "intermediate.dense."},
                                            {"blocks.#.mlp.fc2.", BLOCK "output.dense."},
                                            {"norm.", "layernorm."},
                                            {0}};

/* Dinov2Model and Dinov2WithRegistersModel; with SwiGLU the MLP's layers have other names. */
#define DINOV2(up, down)                                                                                               \
    {"cls_token", "embeddings.cls_token"}, {"reg_token", "embeddings.register_tokens"},                                \
        {"pos_embed", "embeddings.position_embeddings"},                                                               \
        {"patch_embed.proj.", "embeddings.patch_embeddings.projection."}, {"blocks.#.norm1.", BLOCK "norm1."},         \
        {"blocks.#.attn.qkv.", HEADS "query.|" HEADS "key.|" HEADS "value."},                                          \
        {"blocks.#.attn.proj.", BLOCK "attention.output.dense."},                                                      \
        {"blocks.#.ls1.gamma", BLOCK "layer_scale1.lambda1"}, {"blocks.#.norm2.", BLOCK "norm2."},                     \
        {"blocks.#.mlp.fc1.", BLOCK "mlp." up "."}, {"blocks.#.mlp.fc2.", BLOCK "mlp." down "."},                      \
        {"blocks.#.ls2.gamma", BLOCK "layer_scale2.lambda1"}, {"norm.", "layernorm."},                                 \
    {                                                                                                                  \
        0                                                                                                              \
    }
static const spelling hugging_face_dinov2[] = {DINOV2("fc1", "fc2")},
                      hugging_face_dinov2_swiglu[] = {DINOV2("weights_in", "weights_out")};

/* facebookresearch/dinov2. */
static const spelling official_dinov2[] = {{"reg_token", "register_tokens"}, {0}};
static const spelling official_dinov2_swiglu[] = {{"reg_token", "register_tokens"},
                                                  {"blocks.#.mlp.fc1.", "blocks.{0}.mlp.w12."},
                                                  {"blocks.#.mlp.fc2.", "blocks.{0}.mlp.w3."},
                                                  {0}};

/* BEiT's. */
static const spelling beit[] = {
    {"blocks.#.ls1.gamma", "blocks.{0}.gamma_1"}, {"blocks.#.ls2.gamma", "blocks.{0}.gamma_2"}, {0}};

/* timm's attention that keeps queries, keys and values apart (qkv_fused=False, EVA's). */
#define PART "blocks.{0}.attn."
static const spelling unfused[] = {{"blocks.#.attn.qkv.", PART "q_proj.|" PART "k_proj.|" PART "v_proj."}, {0}};

/* mmpretrain's, mmselfsup's and mmcls's VisionTransformer. */
static const spelling mm_vit[] = {{"patch_embed.proj.", "patch_embed.projection."},
                                  {"blocks.#.norm1.", "layers.{0}.ln1."},
                                  {"blocks.#.attn.", "layers.{0}.attn."},
                                  {"blocks.#.norm2.", "layers.{0}.ln2."},
                                  {"blocks.#.mlp.fc1.", "layers.{0}.ffn.layers.0.0."},
                                  {"blocks.#.mlp.fc2.", "layers.{0}.ffn.layers.1."},
                                  {"norm.", "ln1."},
                                  {0}};

/* Stage s; torchvision's features count the stem, and the layers between stages, too. */
#define CONVNEXT(s, theirs)                                                                                            \
    {"stages." s ".blocks.#.conv_dw.", theirs "block.0."}, {"stages." s ".blocks.#.norm.", theirs "block.2."},         \
        {"stages." s ".blocks.#.mlp.fc1.", theirs "block.3."}, {"stages." s ".blocks.#.mlp.fc2.", theirs "block.5."},  \
    {                                                                                                                  \
        "stages." s ".blocks.#.gamma", theirs "layer_scale"                                                            \
    }
static const spelling torchvision_convnext[] = {{"stem.#.", "features.0.{0}."},
                                                {"stages.1.downsample.#.", "features.2.{0}."},
                                                {"stages.2.downsample.#.", "features.4.{0}."},
                                                {"stages.3.downsample.#.", "features.6.{0}."},
                                                CONVNEXT("0", "features.1.{0}."),
                                                CONVNEXT("1", "features.3.{0}."),
                                                CONVNEXT("2", "features.5.{0}."),
                                                CONVNEXT("3", "features.7.{0}."),
                                                {"head.norm.", "classifier.0."},
                                                {0}};

/* facebookresearch/ConvNeXt. */
static const spelling official_convnext[] = {{"stem.#.", "downsample_layers.0.{0}."},
                                             {"stages.#.downsample.#.", "downsample_layers.{0}.{0}."},
                                             {"stages.#.blocks.#.conv_dw.", "stages.{0}.{0}.dwconv."},
                                             {"stages.#.blocks.#.mlp.fc1.", "stages.{0}.{0}.pwconv1."},
                                             {"stages.#.blocks.#.mlp.fc2.", "stages.{0}.{0}.pwconv2."},
                                             {"stages.#.blocks.#.", "stages.{0}.{0}."},
                                             {"head.norm.", "norm."},
                                             {0}};

/* microsoft/Swin-Transformer: what merges pixels belongs to the stage before. */
static const spelling official_swin[] = {{"layers.#.downsample.", "layers.{-1}.downsample."}, {0}};

/* timm's Swin V2, and microsoft/Swin-Transformer's. Keys have no bias: V2 does not use those that ours, as torchvision's, has room
 * for, so it does not matter that the queries' fill it. */
#define SWIN_ATTENTION "layers.{0}.blocks.{0}.attn."
#define SWIN_V2_BIAS                                                                                                   \
    {                                                                                                                  \
        "layers.#.blocks.#.attn.qkv.bias", SWIN_ATTENTION "q_bias|" SWIN_ATTENTION "q_bias|" SWIN_ATTENTION "v_bias"   \
    }
static const spelling timm_swin_v2[] = {SWIN_V2_BIAS, {0}};
static const spelling official_swin_v2[] = {{"layers.#.downsample.", "layers.{-1}.downsample."}, SWIN_V2_BIAS, {0}};

#define SWIN(s, theirs)                                                                                                \
    {"layers." s ".blocks.#.mlp.fc1.", theirs "mlp.0."}, {"layers." s ".blocks.#.mlp.fc2.", theirs "mlp.3."},          \
    {                                                                                                                  \
        "layers." s ".blocks.#.", theirs                                                                               \
    }
static const spelling torchvision_swin[] = {{"patch_embed.proj.", "features.0.0."},
                                            {"patch_embed.norm.", "features.0.2."},
                                            {"layers.1.downsample.", "features.2."},
                                            {"layers.2.downsample.", "features.4."},
                                            {"layers.3.downsample.", "features.6."},
                                            SWIN("0", "features.1.{0}."),
                                            SWIN("1", "features.3.{0}."),
                                            SWIN("2", "features.5.{0}."),
                                            SWIN("3", "features.7.{0}."),
                                            {0}};

/* Of two that differ in the MLP alone SwiGLU's comes first: which MLP it is follows from its shapes under its own names. */
const px_weights_scheme px_weights_schemes[] = {{"the usual names", NULL, NULL},
                                                {"lightly's numbers for names", "resnet", lightly},
                                                {"Hugging Face's names", "resnet", hugging_face_resnet},
                                                {"WideResNet-pytorch's names", "resnet", wide_resnet},
                                                {"torchvision's names", "convnext", torchvision_convnext},
                                                {"the names of ConvNeXt's authors", "convnext", official_convnext},
                                                {"torchvision's names", "swin", torchvision_swin},
                                                {"the names of Swin's authors", "swin", official_swin},
                                                {"timm's names of Swin V2", "swin", timm_swin_v2},
                                                {"the names of Swin's authors", "swin", official_swin_v2},
                                                {"torchvision's names", "vit", torchvision_vit},
                                                {"torchvision's names", "vit", older_torchvision_vit},
                                                {"Hugging Face's names", "vit", hugging_face_vit},
                                                {"Hugging Face's names of DINOv2", "vit", hugging_face_dinov2_swiglu},
                                                {"Hugging Face's names of DINOv2", "vit", hugging_face_dinov2},
                                                {"the names of DINOv2's authors", "vit", official_dinov2_swiglu},
                                                {"the names of DINOv2's authors", "vit", official_dinov2},
                                                {"BEiT's names", "vit", beit},
                                                {"queries, keys and values apart", "vit", unfused},
                                                {"OpenMMLab's names", "vit", mm_vit},
                                                {0}};

/* Whether `name` begins with the pattern; *rest: what follows it. */
static bool matches(const char *pattern, const char *name, int64_t number[NUMBERS], const char **rest)
{
    int n = 0;
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern)
                return false;
            continue;
        }
        if (!isdigit((unsigned char)*name))
            return false;
        char *end;
        number[n++] = strtoll(name, &end, 10);
        name = end;
    }
    *rest = name;
    return true;
}

/* Writes the scheme's name for one of its parts; returns what follows the part in `theirs`. */
static const char *spell(const char *theirs, const int64_t number[NUMBERS], const char *prefix, const char *rest,
                         char out[PX_WEIGHTS_NAME])
{
    size_t length = (size_t)snprintf(out, PX_WEIGHTS_NAME, "%s", prefix);
    for (int n = 0; *theirs && *theirs != '|' && length + 32 < PX_WEIGHTS_NAME;) {
        if (*theirs != '{') {
            out[length++] = *theirs++;
            continue;
        }
        char *end;
        int64_t add = strtoll(theirs + 1, &end, 10);
        length += (size_t)snprintf(out + length, PX_WEIGHTS_NAME - length, "%" PRId64, number[n++] + add);
        theirs = end + 1;
    }
    if (length < PX_WEIGHTS_NAME)
        snprintf(out + length, PX_WEIGHTS_NAME - length, "%s", rest);
    return *theirs ? theirs + 1 : theirs;
}

int px_weights_spell(const px_weights_scheme *s, const char *prefix, const char *ours,
                     char out[PX_WEIGHTS_PARTS][PX_WEIGHTS_NAME])
{
    int64_t number[NUMBERS] = {0};
    const char *rest = "";
    const spelling *p = s->spellings;
    while (p && p->ours && !matches(p->ours, ours, number, &rest))
        p++;
    int count = 0;
    if (!p || !p->ours) {
        snprintf(out[0], PX_WEIGHTS_NAME, "%s%s", prefix, ours);
        return 1;
    }
    for (const char *theirs = p->theirs; *theirs && count < PX_WEIGHTS_PARTS; count++)
        theirs = spell(theirs, number, prefix, rest, out[count]);
    return count;
}
