/* fuzz_image.c - JPEG and PNG. Input: the requested channels (0, 1 or 3), and the file. */
#include "fuzz.h"

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int wanted[] = {0, 1, 3};
    static px_image
        image; /* reused as in a loader's thread, so that what one file leaves in the decoder meets the next */
    if (size == 0)
        return 0;
    int channels = wanted[bytes[0] % 3], height, width, own;
    uint8_t *file =
        malloc(size); /* in memory of exactly its size, so that the address sanitizer sees a read beyond it */
    memcpy(file, bytes + 1, size - 1);
    int probed = px_image_probe(file, size - 1, &height, &width, &own, "file");
    if (probed != 0)
        fuzz_check_message();
    if (px_image_decode(&image, file, size - 1, channels, "file") != 0) {
        fuzz_check_message();
    } else {
        PX_CHECK(probed == 0 && image.height == height && image.width == width);
        PX_CHECK(image.channels == (channels ? channels : own));
        size_t count = (size_t)height * (size_t)width * (size_t)image.channels;
        PX_CHECK(count <= image.capacity);
        volatile uint8_t last = image.pixels[count - 1]; /* the address sanitizer checks that it exists */
        (void)last;
    }
    if (image.capacity > 1 << 20) /* as the loader, which is done with large images one day */
        px_image_finish(&image);
    free(file);
    return 0;
}
