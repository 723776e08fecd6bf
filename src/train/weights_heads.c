/* weights_heads.c - see weights_heads.h. */
#include "train/weights_heads.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* MoCo v3's vit_small has 12 heads (vits.py), timm's and everybody else's 6. */
enum { MOCO_V3_WIDTH = 384, MOCO_V3_HEADS = 12 };

/* Positions of MoCo v3 and MAE are sines and cosines: the class token's are 0, and those of the first patch are, by quarters,
 * 0, 1, 0, 1. */
static bool are_fixed(const float *table, int64_t width)
{
    for (int64_t i = 0; i < width; i++) {
        float first = i / (width / 4) % 2 ? 1 : 0;
        if (table[i] != 0 || table[width + i] != first)
            return false;
    }
    return true;
}

int px_weights_heads_known(const px_weights_names *n)
{
    const px_stored_tensor *part[PX_WEIGHTS_PARTS];
    bool moco = strstr(n->prefix, "base_encoder.") || strstr(n->prefix, "momentum_encoder.");
    if (!moco || px_weights_names_parts(n, "pos_embed", part) != 1 || !px_stored_tensor_is_real(part[0]))
        return 0;
    px_shape s = part[0]->shape;
    if (s.rank != 3 || s.dim[0] != 1 || s.dim[1] < 2 || s.dim[2] != MOCO_V3_WIDTH)
        return 0;
    float *table = px_calloc((size_t)px_shape_count(s), sizeof table[0]);
    px_stored_tensor_read(part[0], table);
    bool fixed = are_fixed(table, s.dim[2]);
    free(table);
    return fixed ? MOCO_V3_HEADS : 0;
}

int px_weights_heads_check(const px_weights_names *n, const px_settings *s, const char *path, px_log *log)
{
    const px_backbone_family *family = s->backbone->family;
    if (!family->heads)
        return 0;
    char *key = px_format("%s.heads", family->name);
    bool given = strcmp(px_config_peek(s->config, key, "0"), "0") != 0;
    int here = family->heads(s->backbone, s->backbone_cfg), known = px_weights_heads_known(n), status = 0;
    if (known > 0 && known != here && !given)
        status = px_fail(PX_DATA, "%s: is MoCo v3's ViT-S, which has %d heads, but %s has %d; %s=%d would fit", path,
                         known, s->backbone->name, here, key, known);
    else if (given)
        px_log_line(log, "%s: %d attention heads, as %s says%s", path, here, key,
                    known > 0 && known != here ? " (it looks like MoCo v3's ViT-S, which has 12)" : "");
    else
        px_log_line(log, "%s: %d attention heads are assumed, those of %s, as tensors do not tell; %s=N for others",
                    path, here, s->backbone->name, key);
    free(key);
    return status;
}
