/* test_weights_names.c - names of tensors as other programs spell them, the backbone that follows from them, and what it lacks. */
#include "weights_files.h"

#include "train/weights_spellings.h"

#include <math.h>

static const char *lightly(const char *ours, char *text)
{
    static const char *const names[] = {"conv1.", "bn1.", "", "", "layer1.", "layer2.", "layer3.", "layer4."};
    for (int i = 0; i < 8; i++)
        if (names[i][0] && strncmp(ours, names[i], strlen(names[i])) == 0)
            sprintf(text, "%d.%s", i, ours + strlen(names[i]));
    return text;
}

static const char *torchvision(const char *ours, char *text)
{
    static const char *const names[][2] = {{"norm1.", "ln_1."},
                                           {"attn.qkv.", "self_attention.in_proj_"},
                                           {"attn.proj.", "self_attention.out_proj."},
                                           {"norm2.", "ln_2."},
                                           {"mlp.fc1.", "mlp.0."},
                                           {"mlp.fc2.", "mlp.3."},
                                           {"cls_token", "class_token"},
                                           {"norm.", "encoder.ln."},
                                           {"pos_embed", "encoder.pos_embedding"},
                                           {"patch_embed.proj.", "conv_proj."}};
    int block, at = 0;
    bool inside = sscanf(ours, "blocks.%d.%n", &block, &at) == 1;
    text[0] = '\0';
    if (inside)
        sprintf(text, "encoder.layers.encoder_layer_%d.", block);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(ours + at, names[i][0], strlen(names[i][0])) == 0)
            sprintf(text + strlen(text), "%s%s", names[i][1], ours + at + strlen(names[i][0]));
    return text;
}

/* OpenMMLab's VisionTransformer. */
static const char *mm(const char *ours, char *text)
{
    static const char *const names[][2] = {{"norm1.", "ln1."},
                                           {"attn.", "attn."},
                                           {"norm2.", "ln2."},
                                           {"mlp.fc1.", "ffn.layers.0.0."},
                                           {"mlp.fc2.", "ffn.layers.1."},
                                           {"norm.", "ln1."},
                                           {"cls_token", "cls_token"},
                                           {"pos_embed", "pos_embed"},
                                           {"patch_embed.proj.", "patch_embed.projection."}};
    int block, at = 0;
    bool inside = sscanf(ours, "blocks.%d.%n", &block, &at) == 1;
    text[0] = '\0';
    if (inside)
        sprintf(text, "layers.%d.", block);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(ours + at, names[i][0], strlen(names[i][0])) == 0)
            sprintf(text + strlen(text), "%s%s", names[i][1], ours + at + strlen(names[i][0]));
    return text;
}

static void prefixes_and_spellings_are_found(void **state)
{
    fixture *f = *state;
    foreign o = {0};
    encoder resnet, vit;
    start(&resnet, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    start(&vit, 32, 1, "backbone=vit_tiny_16", "vit.pool=cls");
    add_renamed(&o, &resnet, "state_dict.module.", NULL, 1);
    write_foreign(f, &o);
    check_same(f, &resnet, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    add_renamed(&o, &resnet, "backbone.", lightly, 1);
    write_foreign(f, &o);
    check_same(f, &resnet, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    add_renamed(&o, &vit, "", torchvision, 1);
    write_foreign(f, &o);
    check_same(f, &vit, "backbone=vit_tiny_16", "vit.pool=cls", "weights.prefix=auto");
    add_renamed(&o, &vit, "state_dict.backbone.", mm, 1);
    write_foreign(f, &o);
    check_same(f, &vit, "backbone=vit_tiny_16", "vit.pool=cls", "weights.prefix=auto");
    stop(&resnet);
    stop(&vit);
}

static void check_guess(const fixture *f, const char *given, const char *backbone, const char *key, const char *value)
{
    px_settings s;
    const char *assignments[] = {given};
    if (px_weights_settings(&s, f->path, assignments, given != NULL) != 0)
        fail_msg("%s", px_error());
    assert_string_equal(s.backbone->name, backbone);
    char *text = px_config_text(s.config);
    char *line = px_format("%s = %s;", key, value);
    if (!strstr(text, line))
        fail_msg("%s is not in %s", line, text);
    free(line);
    free(text);
    px_settings_finish(&s);
}

/* The backbone, its stem, its width and its patches follow from the tensors. */
static void the_backbone_follows_from_the_tensors(void **state)
{
    fixture *f = *state;
    foreign o = {0};
    encoder e;
    start(&e, 224, 1, "backbone=resnet34", "resnet.width=0.125");
    add_renamed(&o, &e, "module.", NULL, 1);
    write_foreign(f, &o);
    stop(&e);
    check_guess(f, NULL, "resnet34", "stem", "\"7x7\"");
    check_guess(f, NULL, "resnet34", "width", "0.125");
    check_guess(f, "backbone=resnet34", "resnet34", "width", "0.125");
    check_guess(f, "resnet.width=0.25", "resnet34", "width", "0.25");
    check_guess(f, "weights.prefix=module", "resnet34", "width", "0.125");
    start(&e, 32, 1, "backbone=vit_tiny_8", "vit.pool=cls");
    add_renamed(&o, &e, "", torchvision, 1);
    write_foreign(f, &o);
    stop(&e);
    check_guess(f, NULL, "vit_tiny_8", "pool", "\"cls\"");
}

/* A tensor in the header; *bytes: where the next one begins. */
static void put_tensor(FILE *out, const char *name, px_shape shape, int64_t *bytes)
{
    fprintf(out, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[", *bytes ? ',' : '{', name);
    for (int k = 0; k < shape.rank; k++)
        fprintf(out, "%s%lld", k ? "," : "", (long long)shape.dim[k]);
    int64_t end = *bytes + 4 * px_shape_count(shape);
    fprintf(out, "],\"data_offsets\":[%lld,%lld]}", (long long)*bytes, (long long)end);
    *bytes = end;
}

/* The biases of queries and of values, of those of all three. */
static void put_biases_apart(FILE *out, const char *name, px_shape shape, int64_t *bytes)
{
    static const char *const parts[] = {"q_bias", "v_bias"};
    shape.dim[0] /= 3;
    for (int k = 0; k < 2; k++) {
        char *theirs = px_format("%.*s%s", (int)(strlen(name) - strlen("qkv.bias")), name, parts[k]);
        put_tensor(out, theirs, shape, bytes);
        free(theirs);
    }
}

/* A file with the backbone's tensors, whose numbers take no place on the disk: all are zero. `units`: a Swin V2's tables of
 * distances in windows of 2, which each stage scales by one of 1 + units[i]; or NULL. */
static void write_hollow(const fixture *f, const px_settings *s, int size, const int units[4])
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    s->backbone->family->build(g, s->backbone, s->backbone_cfg, px_input(g, "x", PX_F32, PX_SHAPE(1, 3, size, size)));
    assert_null(px_graph_error(g));
    char *header = NULL;
    size_t length;
    int64_t bytes = 0;
    FILE *out = open_memstream(&header, &length);
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        bool apart = strncmp(s->backbone->name, "swin_v2", 7) == 0 && strstr(p->name, ".qkv.bias");
        (apart ? put_biases_apart : put_tensor)(out, p->name, p->value->shape, &bytes);
    }
    for (int i = 0; units && i < 4; i++) {
        char *name = px_format("layers.%d.blocks.0.attn.relative_coords_table", i);
        put_tensor(out, name, PX_SHAPE(1, 3, 3, 2), &bytes);
        free(name);
    }
    fputc('}', out);
    fclose(out);
    px_graph_destroy(g);
    FILE *file = fopen(f->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&(uint64_t){length}, 8, 1, file) + fwrite(header, length, 1, file), 2);
    assert_int_equal(fflush(file) + ftruncate(fileno(file), 8 + (off_t)length + bytes), 0);
    for (int i = 0; units && i < 4; i++) { /* the last number is that of the largest distance */
        assert_int_equal(fseek(file, -4 * (1 + 18 * (3 - i)), SEEK_END), 0);
        assert_int_equal(fwrite(&(float){log2f(1 + 8.0F / (float)units[i]) / 3}, 4, 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
    free(header);
}

/* V2 as timm writes it. The file is whole, or the backbone would not be loaded from it. */
static void a_swin_v2_of_timm_is_known(void **state)
{
    fixture *f = *state;
    encoder e;
    px_settings s;
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"backbone=swin_v2_tiny", "swin.patch=4"}, 2), 0);
    write_hollow(f, &s, 256, NULL);
    px_settings_finish(&s);
    check_guess(f, NULL, "swin_v2_tiny", "patch", "4");
    start(&e, 64, 1, "backbone=swin_v2_tiny", "swin.patch=4");
    if (px_weights_load(&e.m, &e.s, &e.task, f->path, &f->quiet) != 0)
        fail_msg("%s", px_error());
    stop(&e);
}

/* The scale of distances is compared where a file tells it. */
static void the_windows_of_a_pretraining_are_asked_for(void **state)
{
    static const struct {
        int units[4];
        const char *given, *refused;
    } cases[] = {{{7, 7, 7, 3}, "swin.pretrained_windows=[]", NULL}, /* those in use at 128 px */
                 {{7, 7, 7, 7}, "swin.pretrained_windows=[]", "swin.pretrained_windows=[8,8,8,8] would fit"},
                 {{11, 11, 11, 5}, "swin.pretrained_windows=[12, 12, 12, 6]", NULL},
                 {{11, 11, 11, 5}, "swin.pretrained_windows=[]", "swin.pretrained_windows=[12,12,12,6] would fit"},
                 {{1, 1, 1, 2}, "swin.pretrained_windows=[2, 2, 2, 2]", "swin.pretrained_windows=[2,2,2,3] would fit"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture *f = *state;
        encoder e;
        start(&e, 128, 1, "backbone=swin_v2_tiny", cases[i].given);
        e.s.data.image_size = 128; /* as px_task_make sets it */
        write_hollow(f, &e.s, 128, cases[i].units);
        bool loads = px_weights_load(&e.m, &e.s, &e.task, f->path, &f->quiet) == 0;
        if (loads ? cases[i].refused != NULL : !cases[i].refused || !strstr(px_error(), cases[i].refused))
            fail_msg("%s: %s", cases[i].given, loads ? "was not refused" : px_error());
        stop(&e);
    }
}

/* Images of one size do not fit all windows: 7, 8 and 12 have no common one among those that are tried. */
static void the_windows_of_a_swin_follow_from_its_tables(void **state)
{
    static const struct {
        int size, window;
    } cases[] = {{224, 7}, {256, 8}, {384, 12}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *window = px_format("%d", cases[i].window), *given = px_format("swin.window=%s", window);
        px_settings s;
        const char *all[] = {"backbone=swin_tiny", given, "swin.patch=4"};
        assert_int_equal(px_settings_load(&s, NULL, all, 3), 0);
        write_hollow(*state, &s, cases[i].size, NULL);
        px_settings_finish(&s);
        check_guess(*state, NULL, "swin_tiny", "window", window);
        free(given);
        free(window);
    }
}

/* The names of one parameter in a scheme that has several. */
static void check_spelled(const char *scheme, bool v2, const char *ours, const char *const theirs[])
{
    char names[PX_WEIGHTS_PARTS][PX_WEIGHTS_NAME];
    int met = 0;
    for (const px_weights_scheme *s = px_weights_schemes; s->name; s++) {
        int count = px_weights_spell(s, "", "layers.0.blocks.0.attn.qkv.bias", names);
        if (strcmp(s->name, scheme) != 0 || (count == 3) != v2)
            continue;
        count = px_weights_spell(s, "", ours, names);
        met++;
        for (int i = 0; i < count; i++) {
            assert_non_null(theirs[i]);
            assert_string_equal(names[i], theirs[i]);
        }
        assert_null(theirs[count]);
    }
    assert_int_equal(met, 1);
}

/* Swin V2 of timm and of its authors: no biases of keys, whose place nothing reads. */
static void swin_v2_has_biases_apart(void **state)
{
    (void)state;
    static const char *const biases[] = {"layers.2.blocks.5.attn.q_bias", "layers.2.blocks.5.attn.q_bias",
                                         "layers.2.blocks.5.attn.v_bias", NULL},
                             *const weight[] = {"layers.2.blocks.5.attn.qkv.weight", NULL},
                             *const same[] = {"layers.1.downsample.norm.bias", NULL},
                             *const before[] = {"layers.0.downsample.norm.bias", NULL};
    static const char timm[] = "timm's names of Swin V2", authors[] = "the names of Swin's authors";
    check_spelled(timm, true, "layers.2.blocks.5.attn.qkv.bias", biases);
    check_spelled(timm, true, "layers.2.blocks.5.attn.qkv.weight", weight);
    check_spelled(timm, true, same[0], same);
    check_spelled(authors, true, "layers.2.blocks.5.attn.qkv.bias", biases);
    check_spelled(authors, true, same[0], before);
    check_spelled(authors, false, same[0], before);
}

/* Hugging Face keeps queries, keys and values apart. */
static const char *hugging_face(const char *ours, char *text)
{
    static const char *const names[][2] = {{"norm1.", "layernorm_before."},
                                           {"attn.proj.", "attention.output.dense."},
                                           {"norm2.", "layernorm_after."},
                                           {"mlp.fc1.", "intermediate.dense."},
                                           {"mlp.fc2.", "output.dense."},
                                           {"attn.qkv.", "qkv."},
                                           {"cls_token", "embeddings.cls_token"},
                                           {"norm.", "layernorm."},
                                           {"pos_embed", "embeddings.position_embeddings"},
                                           {"patch_embed.proj.", "embeddings.patch_embeddings.projection."}};
    int block, at = 0;
    bool inside = sscanf(ours, "blocks.%d.%n", &block, &at) == 1;
    text[0] = '\0';
    if (inside)
        sprintf(text, "encoder.layer.%d.", block);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(ours + at, names[i][0], strlen(names[i][0])) == 0)
            sprintf(text + strlen(text), "%s%s", names[i][1], ours + at + strlen(names[i][0]));
    return text;
}

static void parts_are_stacked(void **state)
{
    fixture *f = *state;
    foreign all = {0}, o = {0};
    encoder vit;
    start(&vit, 32, 1, "backbone=vit_tiny_16", "vit.pool=cls");
    add_renamed(&all, &vit, "vit.", hugging_face, 1);
    for (int i = 0; i < all.count; i++) {
        static const char *const parts[] = {"query", "key", "value"};
        const char *name = all.list[i].name, *at = strstr(name, ".qkv.");
        const float *values = all.list[i].data;
        px_shape shape = all.list[i].shape;
        if (!at) {
            add(&o, name, shape, values);
            continue;
        }
        shape.dim[0] /= 3;
        size_t third = (size_t)px_shape_count(shape);
        for (int k = 0; k < 3; k++) {
            float *own = px_calloc(third, sizeof own[0]);
            memcpy(own, values + (size_t)k * third, third * sizeof own[0]);
            char *theirs = px_format("%.*s.attention.attention.%s.%s", (int)(at - name), name, parts[k], at + 5);
            add(&o, theirs, shape, own);
            free(theirs);
        }
        free((void *)(uintptr_t)values);
    }
    for (int i = 0; i < all.count; i++)
        free((void *)(uintptr_t)all.list[i].name);
    free(all.list);
    write_foreign(f, &o);
    check_same(f, &vit, "backbone=vit_tiny_16", "vit.pool=cls", "weights.prefix=auto");
    stop(&vit);
}

static void of_several_encoders_the_usual_one_is_taken(void **state)
{
    /* as DINO, MoCo, lightly, mmselfsup, mmpretrain, solo-learn, VISSL, MSN, timm and DeiT write them */
    static const char *const pairs[][2] = {{"teacher.backbone.", "student.backbone."},
                                           {"module.encoder_q.", "module.encoder_k."},
                                           {"teacher_backbone.", "student_backbone."},
                                           {"state_dict.encoder_q.0.", "state_dict.encoder_k.0."},
                                           {"online_net.0.", "target_net.0."},
                                           {"backbone.", "target_net.module.0."},
                                           {"state_dict.encoder.", "state_dict.momentum_encoder."},
                                           {"base_model.trunk._feature_blocks.", "moco_encoder.trunk._feature_blocks."},
                                           {"target_encoder.module.", "encoder.module."},
                                           {"state_dict_ema.", "state_dict."},
                                           {"model_ema.", "model."},
                                           {"a.", "b."}};
    enum { PAIRS = sizeof pairs / sizeof pairs[0] };
    fixture *f = *state;
    encoder e;
    start(&e, 32, 1, "backbone=resnet18", "resnet.width=0.125");
    for (int i = 0; i < PAIRS; i++) {
        foreign o = {0};
        add_renamed(&o, &e, pairs[i][0], NULL, 1);
        add_renamed(&o, &e, pairs[i][1], NULL, 2);
        write_foreign(f, &o);
        if (i < PAIRS - 1)
            check_same(f, &e, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=auto");
    }
    check_refused(f, &e,
                  "has the backbone 2 times, with the prefixes \"a.\" and \"b.\"; weights.prefix=... chooses one");
    check_same(f, &e, "backbone=resnet18", "resnet.width=0.125", "weights.prefix=a");
    assert_int_equal(px_config_set(e.s.config, "weights.prefix=c"), 0);
    assert_int_equal(px_config_finish(e.s.config), 0);
    check_refused(f, &e, "has no tensor of resnet18 with the prefix \"c\"");
    stop(&e);
}

static void what_the_backbone_lacks_is_named(void **state)
{
    static const char *const cases[][2] = {
        {"blocks.0.ls1.gamma", "belongs to LayerScale, which vit_tiny_16 does not have here, so features would be "
                               "others; vit.layer_scale=1e-5 would "
                               "fit"},
        {"reg_token", "belongs to register tokens, which vit_tiny_16 does not have here, so features would be others; "
                      "vit.registers=4 would fit"},
        {"dist_token",
         "belongs to DeiT's distillation token, which vit_tiny_16 does not have here, so features would be "
         "others; vit.distillation_token=true would fit"},
        {"fc_norm.weight", "belongs to a norm after pooling (fc_norm), which vit_tiny_16 does not have here, so "
                           "features would be others"},
        {"gate.weight", "is neither of vit_tiny_16 nor a head that is known, so features may be others"}};
    fixture *f = *state;
    encoder e;
    start(&e, 32, 1, "backbone=vit_tiny_16", "vit.pool=cls");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        foreign o = {0};
        add_renamed(&o, &e, "model.", NULL, 1);
        char *name = px_format("model.%s", cases[i][0]);
        add(&o, name, PX_SHAPE(1), px_calloc(1, sizeof(float)));
        add(&o, "model.head.bias", PX_SHAPE(1), px_calloc(1, sizeof(float)));
        add(&o, "optimizer.0", PX_SHAPE(1), px_calloc(1, sizeof(float)));
        write_foreign(f, &o);
        char *says = px_format("tensor %s %s; weights.other=ignore reads the rest all the same", name, cases[i][1]);
        check_refused(f, &e, says);
        check_same(f, &e, "backbone=vit_tiny_16", "vit.pool=cls", "weights.other=ignore");
        free(says);
        free(name);
    }
    stop(&e);
}

/* What timm's ViTs have beside the usual follows from the tensors. */
static void layer_scale_and_fc_norm_are_built(void **state)
{
    fixture *f = *state;
    foreign o = {0};
    encoder scaled, normed;
    start(&scaled, 32, 1, "backbone=vit_tiny_16", "vit.layer_scale=0.1");
    add_renamed(&o, &scaled, "model.", NULL, 1);
    write_foreign(f, &o);
    check_guess(f, NULL, "vit_tiny_16", "layer_scale", "1.0e-05");
    check_guess(f, "backbone=vit_tiny_16", "vit_tiny_16", "layer_scale", "1.0e-05");
    check_same(f, &scaled, "backbone=vit_tiny_16", "vit.layer_scale=0.2", "weights.prefix=auto");
    start(&normed, 32, 1, "backbone=vit_tiny_16", "vit.pool=mean_norm");
    add_renamed(&o, &normed, "", NULL, 1);
    write_foreign(f, &o);
    check_guess(f, NULL, "vit_tiny_16", "pool", "\"mean_norm\"");
    check_same(f, &normed, "backbone=vit_tiny_16", "vit.pool=mean_norm", "weights.prefix=auto");
    stop(&scaled);
    start(&scaled, 32, 1, "backbone=vit_tiny_16", "vit.pool=mean");
    check_refused(f, &scaled,
                  "has no tensor norm.weight, which vit_tiny_16 needs; it has 148 of the 150 that are needed; "
                  "vit.pool=mean_norm would fit");
    stop(&scaled);
    stop(&normed);
}

/* The backbone is known by its shapes even if something of it is missing. */
static void what_is_missing_of_a_backbone_is_named(void **state)
{
    fixture *f = *state;
    foreign all = {0}, o = {0};
    encoder e;
    start(&e, 32, 1, "backbone=vit_tiny_8", "vit.pool=mean");
    add_renamed(&all, &e, "encoder.", NULL, 1);
    for (int i = 0; i < all.count; i++) {
        if (strcmp(all.list[i].name, "encoder.cls_token") != 0)
            add(&o, all.list[i].name, all.list[i].shape, all.list[i].data);
        else
            free((void *)(uintptr_t)all.list[i].data);
        free((void *)(uintptr_t)all.list[i].name);
    }
    free(all.list);
    write_foreign(f, &o);
    check_guess(f, NULL, "vit_tiny_8", "pool", "\"cls\"");
    check_refused(
        f, &e,
        "has no tensor encoder.cls_token, which vit_tiny_8 needs; it has 149 of the 150 that are needed; it looks "
        "like a ViT without a class token (I-JEPA, pooled ones), but ours has one");
    stop(&e);
}

/* Nobody who brings a Swin wants to hear of resnet18. */
static void what_fits_nothing_is_told_for_what_it_is(void **state)
{
    static const char *const cases[][3] = {
        {"encoder.blocks.0.attn.qkv.weight", "predictor.norm.weight",
         "I-JEPA's ViT, which has no class token, but ours has one"},
        {"layers.0.blocks.0.attn.relative_position_bias_table", "patch_embed.norm.weight",
         "a Swin transformer of a size that is not among the backbones"},
        {"blocks.0.mlp.w12.weight", "cls_token", "a ViT with SwiGLU of a size that is not among the backbones"}};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        foreign o = {0};
        for (int k = 0; k < 2; k++)
            add(&o, cases[i][k], PX_SHAPE(1), px_calloc(1, sizeof(float)));
        write_foreign(f, &o);
        px_settings s;
        assert_int_equal(px_weights_settings(&s, f->path, NULL, 0), -1);
        assert_int_equal(px_error_status(), PX_DATA);
        if (!strstr(px_error(), cases[i][2]) || !strstr(px_error(), cases[i][0]) || strstr(px_error(), "resnet18"))
            fail_msg("%s", px_error());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prefixes_and_spellings_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_backbone_follows_from_the_tensors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_swin_v2_of_timm_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_windows_of_a_pretraining_are_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_windows_of_a_swin_follow_from_its_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_are_stacked, set_up, tear_down),
        cmocka_unit_test(swin_v2_has_biases_apart),
        cmocka_unit_test_setup_teardown(of_several_encoders_the_usual_one_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_backbone_lacks_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(layer_scale_and_fc_norm_are_built, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_missing_of_a_backbone_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fits_nothing_is_told_for_what_it_is, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
