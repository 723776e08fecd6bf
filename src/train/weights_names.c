/* weights_names.c - see weights_names.h; tables of schemes, prefixes, heads, and parts of backbones that ours lack. */
#include "train/weights_names.h"
#include "base/error.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 512, NUMBERS = 4 };

/* ---- schemes ---- */

/* How names begin, here and there. '#' stands for a number; {0}, {+3} or {-1} for the next of these numbers and what is
 * added to it. What follows is the same on both sides. Several names, separated by '|', are stacked. */
typedef struct spelling {
    const char *ours, *theirs;
} spelling;

/* The children of lightly's ResNet are numbered: conv1, bn1, relu, maxpool, layer1, ... */
static const spelling lightly[] = {{"conv1.", "0."}, {"bn1.", "1."}, {"layer#.", "{+3}."}, {0}};

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

/* Dinov2Model. */
static const spelling hugging_face_dinov2[] = {{"cls_token", "embeddings.cls_token"},
                                               {"pos_embed", "embeddings.position_embeddings"},
                                               {"patch_embed.proj.", "embeddings.patch_embeddings.projection."},
                                               {"blocks.#.norm1.", BLOCK "norm1."},
                                               {"blocks.#.attn.qkv.", HEADS "query.|" HEADS "key.|" HEADS "value."},
                                               {"blocks.#.attn.proj.", BLOCK "attention.output.dense."},
                                               {"blocks.#.ls1.gamma", BLOCK "layer_scale1.lambda1"},
                                               {"blocks.#.norm2.", BLOCK "norm2."},
                                               {"blocks.#.mlp.fc1.", BLOCK "mlp.fc1."},
                                               {"blocks.#.mlp.fc2.", BLOCK "mlp.fc2."},
                                               {"blocks.#.ls2.gamma", BLOCK "layer_scale2.lambda1"},
                                               {"norm.", "layernorm."},
                                               {0}};

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

struct px_weights_scheme {
    const char *name, *family; /* family NULL: any */
    const spelling *spellings; /* NULL: names are ours */
};
static const struct px_weights_scheme schemes[] = {{"the usual names", NULL, NULL},
                                                   {"lightly's numbers for names", "resnet", lightly},
                                                   {"Hugging Face's names", "resnet", hugging_face_resnet},
                                                   {"torchvision's names", "vit", torchvision_vit},
                                                   {"torchvision's names", "vit", older_torchvision_vit},
                                                   {"Hugging Face's names", "vit", hugging_face_vit},
                                                   {"Hugging Face's names of DINOv2", "vit", hugging_face_dinov2},
                                                   {"queries, keys and values apart", "vit", unfused},
                                                   {"OpenMMLab's names", "vit", mm_vit}};

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
                         char out[NAME_MAX_BYTES])
{
    size_t length = (size_t)snprintf(out, NAME_MAX_BYTES, "%s", prefix);
    for (int n = 0; *theirs && *theirs != '|' && length + 32 < NAME_MAX_BYTES;) {
        if (*theirs != '{') {
            out[length++] = *theirs++;
            continue;
        }
        char *end;
        int64_t add = strtoll(theirs + 1, &end, 10);
        length += (size_t)snprintf(out + length, NAME_MAX_BYTES - length, "%" PRId64, number[n++] + add);
        theirs = end + 1;
    }
    if (length < NAME_MAX_BYTES)
        snprintf(out + length, NAME_MAX_BYTES - length, "%s", rest);
    return *theirs ? theirs + 1 : theirs;
}

/* The names of the parameter `ours` in this scheme: how many. */
static int names_of(const struct px_weights_scheme *s, const char *prefix, const char *ours,
                    char out[PX_WEIGHTS_PARTS][NAME_MAX_BYTES])
{
    int64_t number[NUMBERS] = {0};
    const char *rest = "";
    const spelling *p = s->spellings;
    while (p && p->ours && !matches(p->ours, ours, number, &rest))
        p++;
    int count = 0;
    if (!p || !p->ours) {
        snprintf(out[0], NAME_MAX_BYTES, "%s%s", prefix, ours);
        return 1;
    }
    for (const char *theirs = p->theirs; *theirs && count < PX_WEIGHTS_PARTS; count++)
        theirs = spell(theirs, number, prefix, rest, out[count]);
    return count;
}

int px_weights_names_parts(const px_weights_names *n, const char *name, const px_stored_tensor *part[PX_WEIGHTS_PARTS])
{
    char names[PX_WEIGHTS_PARTS][NAME_MAX_BYTES];
    int count = names_of(n->scheme, n->prefix, name, names);
    for (int i = 0; i < count; i++) {
        part[i] = px_tensor_file_find(n->file, names[i]);
        if (!part[i])
            return 0;
    }
    return count;
}

int px_weights_names_count(const px_weights_names *n, const px_graph *bare)
{
    const px_stored_tensor *part[PX_WEIGHTS_PARTS];
    int found = 0;
    for (int i = 0; i < px_graph_params(bare); i++)
        found += px_weights_names_parts(n, px_graph_param(bare, i)->name, part) > 0;
    return found;
}

/* ---- prefixes ---- */

/* Where a file has several encoders, the one that its authors evaluate: better, worse. */
static const char *const preferred[][2] = {
    {"teacher", "student"},                   /* DINO, iBOT, DINOv2, stable-pretraining */
    {"teacher_backbone", "student_backbone"}, /* lightly */
    {"teacher_model", "student_model"},
    {"encoder_q", "encoder_k"}, /* MoCo; mmselfsup's have a number behind it: encoder_q.0 */
    {"query_encoder", "key_encoder"},
    {"query", "key"},
    {"base_encoder", "momentum_encoder"}, /* MoCo v3 */
    {"backbone", "momentum_backbone"},    /* solo-learn */
    {"backbone", "backbone_momentum"},    /* lightly */
    {"backbone", "momentum_encoder"},     /* mmpretrain: MoCo v3 */
    {"backbone", "encoder_k"},            /* mmpretrain: MoCo */
    {"backbone", "target_net"},           /* mmpretrain: BYOL */
    {"encoder", "momentum_encoder"},      /* solo-learn before 1.0.4 */
    {"encoder", "encoder_momentum"},
    {"base_model", "moco_encoder"}, /* VISSL */
    {"online_encoder", "target_encoder"},
    {"online_network", "target_network"},
    {"online_net", "target_net"}, /* mmselfsup's BYOL */
    {"online_backbone", "target_backbone"},
    {"online", "target"},
    {"target_encoder", "encoder"},    /* MSN, I-JEPA */
    {"state_dict_ema", "state_dict"}, /* timm, which takes the average, too */
    {"state_dict_ema", "model"},
    {"model_ema", "model"}, /* DeiT */
    {"model_ema", "state_dict"},
    {"ema_model", "model"},
    {"ema", "model"}};

/* Whether the word is one of the prefix's parts between points. */
static bool has_word(const char *prefix, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = prefix; (at = strstr(at, word)); at++)
        if ((at == prefix || at[-1] == '.') && at[length] == '.')
            return true;
    return false;
}

static bool beats(const char *a, const char *b)
{
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++)
        if (has_word(a, preferred[i][0]) && has_word(b, preferred[i][1]) && !has_word(b, preferred[i][0]))
            return true;
    return false;
}

typedef struct candidates {
    px_weights_names *list;
    int count, most; /* parameters that the fullest of them have */
} candidates;

static void discard(candidates *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->list[i].prefix);
    c->count = 0;
}

/* Keeps the candidates with the most parameters. */
static void consider(candidates *c, px_weights_names n, const px_graph *bare)
{
    int found = px_weights_names_count(&n, bare);
    if (found > c->most)
        discard(c);
    if (found < c->most || found == 0) {
        free(n.prefix);
        return;
    }
    c->most = found;
    c->list = px_grow(c->list, c->count, sizeof c->list[0]);
    c->list[c->count++] = n;
}

/* Every prefix with which the file has the parameter `telling` in this scheme. */
static void each_prefix(const struct px_weights_scheme *s, const px_tensor_file *f, const char *telling,
                        px_weights_visit *visit, void *context)
{
    enum { CANDIDATES = 64 }; /* a file with more has other parameters with this name */
    char first[PX_WEIGHTS_PARTS][NAME_MAX_BYTES];
    names_of(s, "", telling, first);
    size_t length = strlen(first[0]);
    for (int i = 0, tried = 0; i < px_tensor_file_count(f) && tried < CANDIDATES; i++) {
        const char *there = px_tensor_file_at(f, i)->name;
        size_t all = strlen(there);
        if (all < length || strcmp(there + all - length, first[0]) != 0 ||
            (all > length && there[all - length - 1] != '.'))
            continue;
        tried++;
        px_weights_names n = {s, px_format("%.*s", (int)(all - length), there), f};
        visit(context, &n);
        free(n.prefix);
    }
}

static char *with_point(const char *prefix)
{
    size_t length = strlen(prefix);
    return px_format("%s%s", prefix, length > 0 && prefix[length - 1] != '.' ? "." : "");
}

static bool is_of(const struct px_weights_scheme *s, const px_backbone_family *family)
{
    return !s->family || strcmp(s->family, family->name) == 0;
}

void px_weights_names_visit(const px_tensor_file *f, const px_backbone_family *family, const char *wanted,
                            px_weights_visit *visit, void *context)
{
    bool any = strcmp(wanted, "auto") == 0;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!is_of(&schemes[i], family))
            continue;
        if (any) {
            each_prefix(&schemes[i], f, family->telling, visit, context);
            continue;
        }
        const px_stored_tensor *part[PX_WEIGHTS_PARTS];
        px_weights_names n = {&schemes[i], with_point(wanted), f};
        if (px_weights_names_parts(&n, family->telling, part) > 0)
            visit(context, &n);
        free(n.prefix);
    }
}

/* What is looked for while prefixes are tried. */
typedef struct search {
    candidates *found;
    const px_graph *bare;
} search;

static void try_prefix(void *context, const px_weights_names *n)
{
    search *s = context;
    consider(s->found, (px_weights_names){n->scheme, px_strdup(n->prefix), n->file}, s->bare);
}

static int ambiguous(const candidates *c, const char *path)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    for (int i = 0; i < c->count; i++)
        fprintf(out, "%s\"%s\"", i == 0 ? "" : i == c->count - 1 ? " and " : ", ", c->list[i].prefix);
    fclose(out);
    int status = px_fail(PX_DATA, "%s: has the backbone %d times, with the prefixes %s; weights.prefix=... chooses one",
                         path, c->count, text);
    free(text);
    return status;
}

/* The candidate that is better than all others, or -1 with an error. */
static int choose(const candidates *c, const char *path)
{
    for (int i = 0; i < c->count; i++) {
        int better = 0;
        for (int k = 0; k < c->count; k++)
            better += k != i && beats(c->list[i].prefix, c->list[k].prefix);
        if (better == c->count - 1)
            return i;
    }
    return ambiguous(c, path);
}

int px_weights_names_find(px_weights_names *n, const px_tensor_file *f, const char *path, const px_settings *s,
                          const px_graph *bare)
{
    const char *prefix = s->weights.prefix;
    bool any = strcmp(prefix, "auto") == 0;
    candidates c = {0};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!is_of(&schemes[i], s->backbone->family))
            continue;
        if (any)
            each_prefix(&schemes[i], f, s->backbone->family->telling, try_prefix, &(search){&c, bare});
        else
            consider(&c, (px_weights_names){&schemes[i], with_point(prefix), f}, bare);
    }
    *n = (px_weights_names){&schemes[0], NULL, f};
    /* What is not whole will be refused anyway, by the name of what is missing. */
    int status = 0, best = c.most == px_graph_params(bare) ? choose(&c, path) : 0;
    if (best < 0)
        status = -1;
    else if (c.count > 0)
        *n = (px_weights_names){c.list[best].scheme, px_strdup(c.list[best].prefix), f};
    else if (!any)
        status = px_fail(PX_DATA, "%s: has no tensor of %s with the prefix \"%s\"", path, s->backbone->name, prefix);
    else
        n->prefix = px_strdup("");
    discard(&c);
    free(c.list);
    return status;
}

void px_weights_names_finish(px_weights_names *n)
{
    free(n->prefix);
    n->prefix = NULL;
}

const char *px_weights_names_text(const px_weights_names *n, char *text, size_t size)
{
    text[0] = '\0';
    if (n->scheme->spellings && n->prefix[0])
        snprintf(text, size, "%s after the prefix %s", n->scheme->name, n->prefix);
    else if (n->scheme->spellings)
        snprintf(text, size, "%s", n->scheme->name);
    else if (n->prefix[0])
        snprintf(text, size, "names after the prefix %s", n->prefix);
    return text;
}

/* ---- what else is in a file ---- */

/* Beginnings of names that belong to what follows a backbone: classifiers, projections, decoders. */
static const char *const heads[] = {"fc.",
                                    "head.",
                                    "heads.",
                                    "head_",
                                    "classifier.",
                                    "classifier_",
                                    "last_linear.",
                                    "projector.",
                                    "projection_head.",
                                    "projection.",
                                    "predictor.",
                                    "prediction_head.",
                                    "prototypes.",
                                    "decoder.",
                                    "decoder_",
                                    "mask_token",
                                    "embeddings.mask_token",
                                    "pre_logits.",
                                    "pooler.",
                                    "mlp_head.",
                                    "queue",
                                    "center",
                                    "online_classifier."};

/* Parts of backbones that ours do not have: what is in their names, and what it is called. */
static const struct part {
    const char *in_name, *is, *fits; /* the option that builds it, or NULL */
} parts[] = {{".ls1.", "LayerScale", "vit.layer_scale=1e-5"},
             {".ls2.", "LayerScale", "vit.layer_scale=1e-5"},
             {".gamma_", "LayerScale", "vit.layer_scale=1e-5"},
             {"layer_scale", "LayerScale", "vit.layer_scale=1e-5"},
             {"lambda1", "LayerScale", "vit.layer_scale=1e-5"},
             {"reg_token", "register tokens", NULL},
             {"register_tokens", "register tokens", NULL},
             {"storage_tokens", "register tokens", NULL},
             {"dist_token", "DeiT's distillation token", NULL},
             {"distillation_token", "DeiT's distillation token", NULL},
             {"head_dist", "DeiT's distillation token", NULL},
             {"fc_norm.", "a norm after pooling (fc_norm)", NULL},
             {"norm_pre.", "a norm before the blocks", NULL},
             {"ln_pre.", "a norm before the blocks", NULL},
             {"q_norm.", "norms of queries and keys", NULL},
             {"k_norm.", "norms of queries and keys", NULL},
             {"relative_position", "relative positions", NULL},
             {"rel_pos", "relative positions", NULL},
             {".w12.", "SwiGLU", NULL},
             {".se.", "squeeze-and-excitation", NULL},
             {"se_module", "squeeze-and-excitation", NULL}};

static bool is_head(const char *name)
{
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (strncmp(name, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

static int unknown(const px_stored_tensor *t, const char *rest, const char *path, const px_settings *s)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(rest, parts[i].in_name))
            return px_fail(
                PX_DATA,
                "%s: tensor %s belongs to %s, which %s does not have here, so features would be others%s%s%s; "
                "weights.other=ignore reads the rest all the same",
                path, t->name, parts[i].is, s->backbone->name, parts[i].fits ? "; " : "",
                parts[i].fits ? parts[i].fits : "", parts[i].fits ? " would fit" : "");
    return px_fail(PX_DATA,
                   "%s: tensor %s is neither of %s nor a head that is known, so features may be others; "
                   "weights.other=ignore reads the rest all the same",
                   path, t->name, s->backbone->name);
}

int px_weights_names_check_rest(const px_weights_names *n, const bool used[], const char *path, const px_settings *s)
{
    size_t length = strlen(n->prefix);
    for (int i = 0; i < px_tensor_file_count(n->file); i++) {
        const px_stored_tensor *t = px_tensor_file_at(n->file, i);
        bool under = strncmp(t->name, n->prefix, length) == 0;
        if (under && !used[i] && px_stored_tensor_is_real(t) && !is_head(t->name + length))
            return unknown(t, t->name + length, path, s);
    }
    return 0;
}
