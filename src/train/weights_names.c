/* weights_names.c - see weights_names.h; tables of prefixes, heads, and parts of backbones that ours lack. */
#include "train/weights_names.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int px_weights_names_parts(const px_weights_names *n, const char *name, const px_stored_tensor *part[PX_WEIGHTS_PARTS])
{
    char names[PX_WEIGHTS_PARTS][PX_WEIGHTS_NAME];
    int count = px_weights_spell(n->scheme, n->prefix, name, names);
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

/* Whether there is a candidate with this prefix. */
static bool is_candidate(const candidates *c, const char *prefix)
{
    bool is = false;
    for (int i = 0; i < c->count && !is; i++)
        is = strcmp(c->list[i].prefix, prefix) == 0;
    return is;
}

/* Keeps the candidates with the most parameters. Of schemes that find as many behind one prefix, the first: they differ only in
 * parts that this backbone does not have. */
static void consider(candidates *c, px_weights_names n, const px_graph *bare)
{
    int found = px_weights_names_count(&n, bare);
    if (found > c->most)
        discard(c);
    if (found < c->most || found == 0 || (found == c->most && is_candidate(c, n.prefix))) {
        free(n.prefix);
        return;
    }
    c->most = found;
    c->list = px_grow(c->list, c->count, sizeof c->list[0]);
    c->list[c->count++] = n;
}

/* Every prefix with which the file has the parameter `telling` in this scheme. */
static void each_prefix(const px_weights_scheme *s, const px_tensor_file *f, const char *telling,
                        px_weights_visit *visit, void *context)
{
    enum { CANDIDATES = 64 }; /* a file with more has other parameters with this name */
    char first[PX_WEIGHTS_PARTS][PX_WEIGHTS_NAME];
    px_weights_spell(s, "", telling, first);
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

static bool is_of(const px_weights_scheme *s, const px_backbone_family *family)
{
    return !s->family || strcmp(s->family, family->name) == 0;
}

void px_weights_names_visit(const px_tensor_file *f, const px_backbone_family *family, const char *wanted,
                            px_weights_visit *visit, void *context)
{
    bool any = strcmp(wanted, "auto") == 0;
    for (int i = 0; px_weights_schemes[i].name; i++) {
        if (!is_of(&px_weights_schemes[i], family))
            continue;
        if (any) {
            each_prefix(&px_weights_schemes[i], f, family->telling, visit, context);
            continue;
        }
        const px_stored_tensor *part[PX_WEIGHTS_PARTS];
        px_weights_names n = {&px_weights_schemes[i], with_point(wanted), f};
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
    for (int i = 0; px_weights_schemes[i].name; i++) {
        if (!is_of(&px_weights_schemes[i], s->backbone->family))
            continue;
        if (any)
            each_prefix(&px_weights_schemes[i], f, s->backbone->family->telling, try_prefix, &(search){&c, bare});
        else
            consider(&c, (px_weights_names){&px_weights_schemes[i], with_point(prefix), f}, bare);
    }
    *n = (px_weights_names){&px_weights_schemes[0], NULL, f};
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
                                    "aux1.", /* GoogLeNet's auxiliary classifiers */
                                    "aux2.",
                                    "online_classifier."};

/* Parts of backbones that ours do not have: what is in their names, and what it is called. */
static const struct part {
    const char *in_name, *is, *fits; /* the option that builds it, or NULL */
} parts[] = {{".ls1.", "LayerScale", "vit.layer_scale=1e-5"},
             {".ls2.", "LayerScale", "vit.layer_scale=1e-5"},
             {".gamma_", "LayerScale", "vit.layer_scale=1e-5"},
             {"layer_scale", "LayerScale", "vit.layer_scale=1e-5"},
             {"lambda1", "LayerScale", "vit.layer_scale=1e-5"},
             {"reg_token", "register tokens", "vit.registers=4"},
             {"register_tokens", "register tokens", "vit.registers=4"},
             {"storage_tokens", "register tokens", NULL}, /* DINOv3's, which has rotary positions */
             {"dist_token", "DeiT's distillation token", "vit.distillation_token=true"},
             {"distillation_token", "DeiT's distillation token", "vit.distillation_token=true"},
             {"q_bias", "separate biases of queries and values", "vit.qkv_bias=qv"},
             {"v_bias", "separate biases of queries and values", "vit.qkv_bias=qv"},
             {"fc_norm.", "a norm after pooling (fc_norm)", NULL},
             {"norm_pre.", "a norm before the blocks", NULL},
             {"ln_pre.", "a norm before the blocks", NULL},
             {"q_norm.", "norms of queries and keys", "vit.qk_norm=true"},
             {"k_norm.", "norms of queries and keys", "vit.qk_norm=true"},
             {"relative_position", "relative positions", NULL},
             {"rel_pos", "relative positions", NULL},
             {".w12.", "SwiGLU", "vit.mlp=swiglu"},
             {".se.", "squeeze-and-excitation", NULL},
             {"se_module", "squeeze-and-excitation", NULL}};

/* Swin's masks of shifted windows, and V2's coordinates of places in a window, follow from its sizes. */
static bool is_made(const char *name)
{
    static const char *const made[] = {".attn_mask", ".relative_coords_table"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        size_t end = strlen(made[i]);
        if (length > end && strcmp(name + length - end, made[i]) == 0)
            return true;
    }
    return false;
}

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

/* A px_numbers_of. */
static float *numbers_of(const void *names, const char *name, px_shape *shape)
{
    const px_stored_tensor *part[PX_WEIGHTS_PARTS];
    if (px_weights_names_parts(names, name, part) != 1 || !px_stored_tensor_is_real(part[0]))
        return NULL;
    *shape = part[0]->shape;
    float *numbers = px_calloc((size_t)px_shape_count(*shape) + 1, sizeof numbers[0]);
    px_stored_tensor_read(part[0], numbers);
    return numbers;
}

int px_weights_names_check_rest(const px_weights_names *n, const bool used[], const char *path, const px_settings *s)
{
    size_t length = strlen(n->prefix);
    for (int i = 0; i < px_tensor_file_count(n->file); i++) {
        const px_stored_tensor *t = px_tensor_file_at(n->file, i);
        bool under = strncmp(t->name, n->prefix, length) == 0;
        if (under && !used[i] && px_stored_tensor_is_real(t) && !is_head(t->name + length) && !is_made(t->name))
            return unknown(t, t->name + length, path, s);
    }
    const px_backbone_family *family = s->backbone->family;
    if (family->check_made && family->check_made(s->backbone_cfg, s->data.image_size, numbers_of, n) != 0)
        return px_fail(PX_DATA, "%s: %s", path, px_error());
    return 0;
}
