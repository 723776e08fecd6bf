/* test_partners.c - whom an image is mixed with, and repeated augmentation: the loader's batches with px_sample_partner and with
 * repeats, for any number of ranks and any starting step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader_scene.h"

/* Views of the image itself, and of the one that it would be mixed with. */
static void make_pair(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    (void)context;
    px_rng others;
    px_plane own = px_sample_plane(out, 0, 0), other = px_sample_plane(out, 0, 1), spare = px_sample_spare(out, own);
    const px_image *partner = px_sample_partner(out, &others);
    if (!partner)
        return;
    px_crop crop = px_crop_random(rng, image, 0.2f, 1, 0.75f, 4 / 3.0f);
    px_resize(&own, image, crop, false, PX_BICUBIC, out->scratch);
    crop = px_crop_random(&others, partner, 0.2f, 1, 0.75f, 4 / 3.0f);
    px_resize(&spare, partner, crop, false, PX_BICUBIC, out->scratch);
    memcpy(other.data, spare.data, IMAGE * sizeof(float));
    *px_sample_i32(out, 1, 0) = (int32_t)px_rng_below(&out->batch_rng, 1 << 30);
}

/* A partner's view is the one that it has in its own place of the global batch, and all ranks' images draw the same for it. */
static void partners(void **state)
{
    px_loader_spec spec = spec_of(*state, 12, 2);
    spec.make = make_pair;
    for (spec.repeats = 1; spec.repeats <= 3; spec.repeats++) {
        spec.first = 0;
        spec.batch = 12;
        record whole = record_make(&spec, 2, 2);
        for (int s = 0; s < 2; s++)
            for (int i = 0; i < 12; i++) {
                int before = (i + 12 - spec.repeats) % 12;
                assert_memory_equal(view_of(&whole, s, 1, i), view_of(&whole, s, 0, before), IMAGE * sizeof(float));
                assert_int_equal(whole.label[s * 12 + i], whole.label[s * 12]);
                assert_int_not_equal(whole.row[s * 12 + i], whole.row[s * 12 + before]);
            }
        assert_int_not_equal(whole.label[0], whole.label[12]);
        for (int rank = 0; rank < 4; rank++) {
            spec.batch = 3;
            spec.first = 3 * rank;
            record part = record_make(&spec, 2, 2);
            assert_part(&whole, 0, (int)spec.first, &part);
            record_free(&part);
        }
        record_free(&whole);
    }
}

/* Repeats stand side by side, each with views of its own, the first with those of a run without. */
static void repeats(void **state)
{
    px_loader_spec spec = spec_of(*state, 12, 2);
    record plain = record_make(&spec, 0, 6); /* 3 steps per epoch */
    spec.repeats = 3;
    record r = record_make(&spec, 0, 6), rest = record_make(&spec, 4, 2);
    assert_part(&r, 4, 0, &rest);
    for (int at = 0; at < 6 * 12; at++) {
        int epoch = at / 36, from = epoch * 36 + at % 36 / 3, first = at / 3 * 3;
        assert_int_equal(r.row[at], plain.row[from]);
        const float *own = view_of(&r, at / 12, 0, at % 12);
        if (at == first)
            assert_memory_equal(own, view_of(&plain, from / 12, 0, from % 12), IMAGE * sizeof(float));
        else
            assert_memory_not_equal(own, view_of(&r, first / 12, 0, first % 12), IMAGE * sizeof(float));
    }
    record_free(&plain);
    record_free(&r);
    record_free(&rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(partners), cmocka_unit_test(repeats)};
    return cmocka_run_group_tests_name("partners", tests, set_up, tear_down);
}
