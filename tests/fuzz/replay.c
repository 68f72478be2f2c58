/* replay: run a fuzz target once over every file of the folders given, instead of libFuzzer's own main. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Targets with a mutator of their own ask for this one. Here nothing is mutated. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    (void)data;
    (void)max;
    return size;
}

static bool run_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st) != 0)
        return false;
    size_t n = (size_t)st.st_size;
    uint8_t *bytes = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees any step beyond */
    bool ok = bytes && fread(bytes, 1, n, f) == n;
    if (ok)
        (void)LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    (void)fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (!d) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(d));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (!run_file(path)) {
                perror(path);
                (void)closedir(d);
                return 1;
            }
            count++;
        }
        (void)closedir(d);
    }
    printf("%zu inputs\n", count);
    return count ? 0 : 1;
}
