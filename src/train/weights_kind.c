/* weights_kind.c - see weights_kind.h; the table of networks that people have and Pretext does not. */
#include "train/weights_kind.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ours look so, too. */
static const char some_vit[] = "a ViT of a size, or with parts, that are not among the backbones";

/* The first row of which some tensors' names hold all that is in `has`, and none holds `lacks`. */
static const struct kind {
    const char *has[2], *lacks, *is;
} kinds[] = {
    {{"relative_position_bias_table", "layers.0.blocks."},
     NULL,
     "a Swin transformer of a size that is not among the backbones"},
    {{"relative_position_bias_table", NULL}, NULL, "BEiT, whose relative positions our ViT does not have"},
    {{"encoder_layer_0.", "encoder.pos_embedding"}, NULL, "a ViT in torchvision's names, or nearly so"},
    {{"encoder.layer.0.", "embeddings.cls_token"}, NULL, "a ViT in Hugging Face's names, or nearly so"},
    {{"dwconv.", "downsample_layers."}, NULL, "a ConvNeXt of a size that is not among the backbones"},
    {{"conv_dw.", "stages.0."}, NULL, "a ConvNeXt of a size, or with parts, that are not among the backbones"},
    {{".resblocks.", NULL}, NULL, "CLIP's encoder, whose norm before the blocks our ViT does not have"},
    {{"patch_embed.proj.0.", NULL}, NULL, "MoCo v3's ViT with convolutions for patches, which our ViT does not have"},
    {{".mlp.w12.", NULL}, NULL, "a ViT with SwiGLU of a size that is not among the backbones"},
    {{"predictor.", "blocks.0.attn.qkv."}, "cls_token", "I-JEPA's ViT, which has no class token, but ours has one"},
    {{"blocks.0.attn.qkv.", NULL}, "cls_token", "a ViT without a class token (I-JEPA, pooled ones), but ours has one"},
    {{"blocks.0.attn.", NULL}, NULL, some_vit},
    {{"conv1.0.weight", "layer1."},
     NULL,
     "a ResNet with three filters in its stem (ResNet-D), which is not among the backbones"},
    {{"features.0.", NULL},
     NULL,
     "torchvision's EfficientNet, DenseNet or SqueezeNet, which are not among the backbones"},
    {{"_blocks.0.", "_bn0."}, NULL, "EfficientNet, which is not among the backbones"},
    {{"conv_stem.", NULL}, NULL, "EfficientNet or timm's MobileNetV2 or V3, which are not among the backbones"}};

static bool has(const px_tensor_file *f, const char *part)
{
    for (int i = 0; i < px_tensor_file_count(f); i++)
        if (strstr(px_tensor_file_at(f, i)->name, part))
            return true;
    return false;
}

const char *px_weights_kind(const px_tensor_file *f, bool sure)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (has(f, kinds[i].has[0]) && (!kinds[i].has[1] || has(f, kinds[i].has[1])) &&
            !(kinds[i].lacks && has(f, kinds[i].lacks)) && !(sure && kinds[i].is == some_vit))
            return kinds[i].is;
    return NULL;
}

int px_weights_fit_nothing(const px_tensor_file *f, const char *path)
{
    enum { NAMED = 3 };
    char *names;
    size_t size;
    FILE *out = open_memstream(&names, &size);
    PX_CHECK(out);
    int count = px_tensor_file_count(f);
    for (int i = 0; i < count && i < NAMED; i++)
        fprintf(out, "%s%.80s", i > 0 ? ", " : "", px_tensor_file_at(f, i)->name);
    fclose(out);
    const char *kind = px_weights_kind(f, false);
    px_fail(PX_DATA,
            "%s: none of the backbones has its parameters in it (%d tensors: %s%s)%s%s; 'pretext backbones' lists them",
            path, count, names, count > NAMED ? ", ..." : "", kind ? "; it looks like " : "", kind ? kind : "");
    free(names);
    return -1;
}
