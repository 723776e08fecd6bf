/* fuzz_image.c - image files. Input: a byte with the wanted channels (0, 1 or 3: its value modulo 3), 16 bits (64) and no
 * turning (128); and the file. */
#include "fuzz.h"

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int wanted[] = {0, 1, 3};
    static px_image
        image; /* reused as in a loader's thread, so that what one file leaves in the decoder meets the next */
    if (size == 0)
        return 0;
    int channels = wanted[bytes[0] % 3];
    px_image_about about;
    px_image_want want = {.channels = channels, .bits = bytes[0] & 64 ? 16 : 8, .unturned = bytes[0] & 128};
    uint8_t *file =
        malloc(size); /* in memory of exactly its size, so that the address sanitizer sees a read beyond it */
    memcpy(file, bytes + 1, size - 1);
    int probed = px_image_probe(file, size - 1, &about, "file");
    if (probed != 0)
        fuzz_check_message();
    if (px_image_decode(&image, file, size - 1, want, "file") != 0) {
        fuzz_check_message();
    } else {
        bool turned = !want.unturned && about.orientation >= 5;
        PX_CHECK(probed == 0 && image.bits == want.bits);
        PX_CHECK(image.height == (turned ? about.width : about.height));
        PX_CHECK(image.width == (turned ? about.height : about.width));
        PX_CHECK(image.channels == (channels ? channels : about.channels));
        size_t bytes_of = (size_t)image.height * (size_t)image.width * (size_t)(image.channels * image.bits / 8);
        PX_CHECK(bytes_of <= image.capacity);
        volatile uint8_t last = image.pixels[bytes_of - 1]; /* the address sanitizer checks that it exists */
        (void)last;
    }
    if (image.capacity > 1 << 20) /* as the loader, which is done with large images one day */
        px_image_finish(&image);
    free(file);
    return 0;
}
