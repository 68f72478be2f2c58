/* tar_writer: numbers in a header are octal text; its checksum is the sum of its bytes with eight blanks
 * where the checksum stands; contents are padded to 512 bytes, and two empty blocks end the archive. */
#include "installer/tar_writer.h"
#include "core/arena.h"
#include "core/files.h"
#include "core/limits.h"
#include <zlib.h>

enum { BLOCK = 512, NAME_MAX_BYTES = 99, GZIP_WINDOW = 15 + 16 };
#define SIZE_MAX_BYTES ((size_t)0x3fffffff)

struct tar_writer {
    int fd;
    z_stream z;
    unsigned char out[65536];
};

struct tar_writer *tar_writer_open(int fd, struct err *e)
{
    struct tar_writer *t = arena_heap(NULL, sizeof *t);
    memset(t, 0, sizeof *t);
    t->fd = fd;
    if (deflateInit2(&t->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(t);
        err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "zlib cannot begin");
        return NULL;
    }
    return t;
}

static bool push(struct tar_writer *t, const void *p, size_t n, int how, struct err *e)
{
    union { /* zlib declares what it only reads without const */
        const void *in;
        unsigned char *out;
    } bytes = {.in = p};
    t->z.next_in = bytes.out;
    t->z.avail_in = (uInt)n;
    do {
        t->z.next_out = t->out;
        t->z.avail_out = sizeof t->out;
        if (deflate(&t->z, how) == Z_STREAM_ERROR)
            return err_set(e, ERR_INTERNAL, CAUSE_INTERNAL, "zlib failed");
        if (!files_write(t->fd, t->out, sizeof t->out - t->z.avail_out, e))
            return false;
    } while (t->z.avail_out == 0);
    return true;
}

bool tar_writer_add(struct tar_writer *t, const char *name, const void *p, size_t n, time_t mtime,
                    struct err *e)
{
    static const char zeros[BLOCK];
    char h[BLOCK] = {0};
    unsigned sum = 0;
    if (strlen(name) > NAME_MAX_BYTES || n > SIZE_MAX_BYTES)
        return err_set(e, ERR_LIMIT, CAUSE_LIMIT, "%s does not fit into a tar archive", name);
    memcpy(h, name, strlen(name));
    snprintf(h + 100, 8, "%07o", 0600);
    snprintf(h + 108, 8, "%07o", 0);
    snprintf(h + 116, 8, "%07o", 0);
    snprintf(h + 124, 12, "%011lo", (unsigned long)n);
    snprintf(h + 136, 12, "%011llo", (unsigned long long)(mtime > 0 ? mtime : 0) & 077777777777);
    memset(h + 148, ' ', 8);
    h[156] = '0';
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    memcpy(h + 265, "root", 4);
    memcpy(h + 297, "wheel", 5);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    return push(t, h, BLOCK, Z_NO_FLUSH, e) && (n == 0 || push(t, p, n, Z_NO_FLUSH, e)) &&
           (n % BLOCK == 0 || push(t, zeros, BLOCK - n % BLOCK, Z_NO_FLUSH, e));
}

bool tar_writer_end(struct tar_writer *t, struct err *e)
{
    static const char zeros[2 * BLOCK];
    return push(t, zeros, sizeof zeros, Z_FINISH, e);
}

void tar_writer_free(struct tar_writer *t)
{
    if (t == NULL)
        return;
    deflateEnd(&t->z);
    free(t);
}
