/* fuzz_image.c - JPEG and PNG. Input: the channels that are wanted (0, 1 or 3), and the file. */
#include "fuzz.h"

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int wanted[] = {0, 1, 3};
    static px_image image; /* as a thread of the loader has it: what one file leaves in the decoder meets the next */
    if (size == 0)
        return 0;
    int channels = wanted[bytes[0] % 3], height, width, own;
    uint8_t *file = malloc(size); /* alone in its memory: the address sanitizer sees a byte too far */
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
        volatile uint8_t last = image.pixels[count - 1]; /* is there, for the address sanitizer */
        (void)last;
    }
    if (image.capacity > 1 << 20) /* as the loader, which is done with large images one day */
        px_image_finish(&image);
    free(file);
    return 0;
}
