/* labels.c - see labels.h. */
#include "train/labels.h"

const char *px_labels_check(const px_task *task)
{
    if (task->classes == 1)
        return "the data set has only one class, which leaves nothing to learn; method=simclr needs none";
    if (task->classes < 1)
        return "the data set has no classes to learn; 'pretext pack' makes one of each folder, and method=simclr needs "
               "none";
    if (!task->labelled)
        return "some images of the split have no label; data.split=NAME takes another split";
    return NULL;
}

px_label_shares px_labelled_view(const px_mix *mix, const px_recipe *recipe, const px_task *task, px_rng *rng,
                                 const px_image *image, px_plane plane, px_sample *out)
{
    px_label_shares labels = {.share = 1, .label = image->label, .other = image->label};
    px_mixing how = {.share = 1};
    px_rng others;
    px_recipe_apply(recipe, rng, image, plane, out->scratch);
    if (task->augment)
        how = px_mix_draw(mix, out->batch_rng, task->image_size);
    const px_image *partner = how.mixes ? px_sample_partner(out, &others) : NULL;
    if (!partner) /* or it cannot be read, which the loader reports */
        return labels;
    px_plane mixed = px_sample_spare(out, plane);
    px_recipe_apply(recipe, &others, partner, mixed, out->scratch);
    px_mix_apply(&how, &plane, &mixed);
    labels.share = how.share;
    labels.other = partner->label;
    return labels;
}
