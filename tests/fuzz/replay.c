/* replay.c - runs a fuzz target on files and on the files of folders: replay CORPUS... */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static void replay_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    struct stat about;
    PX_CHECK(in && fstat(fileno(in), &about) == 0);
    size_t size = (size_t)about.st_size;
    uint8_t *bytes =
        malloc(size ? size : 1); /* of exactly this size, so that the address sanitizer sees a read beyond it */
    PX_CHECK(bytes && fread(bytes, 1, size, in) == size);
    fclose(in);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

/* Returns the number of files. */
static int replay(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        PX_CHECK(errno == ENOTDIR);
        replay_file(path);
        return 1;
    }
    int count = 0;
    for (struct dirent *d; (d = readdir(folder));) {
        char *file = px_format("%s/%s", path, d->d_name);
        if (d->d_name[0] != '.') {
            replay_file(file);
            count++;
        }
        free(file);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
