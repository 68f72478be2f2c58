/* cmd_logs: the log as it stands, or the archive for a colleague. The archive is a new file: an existing one
 * is not touched, because root may be writing into a folder of somebody else's. */
#include "agent/bundle.h"
#include "agent/cmd.h"
#include "agent/setup.h"
#include "agent/tojson.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include <errno.h>
#include <fcntl.h>

#define LOG TARGET_LOGS "/daybreak.log"

static bool print_json(const char *text)
{
    json_t *root = json_object(), *lines = json_array();
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "path", json_string("/" LOG));
    for (size_t n; *text != '\0'; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        json_t *line = json_stringn(text, n);
        if (line != NULL)
            json_array_append_new(lines, line);
    }
    json_object_set_new(root, "lines", lines);
    return tojson_print(root);
}

static int show(const struct options *o, const struct target *t)
{
    struct buf text;
    struct err e;
    int code = EXIT_DONE;
    buf_init(&text, 2 * LIMIT_LOG_FILE);
    if (!files_read(t->root, LOG, &text, &e)) {
        if (e.kind == ERR_NOT_FOUND)
            err_set(&e, ERR_NOT_FOUND, CAUSE_NONE, "/" LOG " is not there: nothing ran on this Mac yet");
        setup_complain(&e);
        code = EXIT_PREFLIGHT;
    } else if (o->json) {
        (void)print_json(buf_str(&text));
    } else {
        fwrite(buf_str(&text), 1, text.len, stdout);
    }
    buf_release(&text);
    return code;
}

static int pack(struct doctor *d, const char *path)
{
    struct err e;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_sys(&e, "--bundle %s", path);
        setup_complain(&e);
        return EXIT_PREFLIGHT;
    }
    doctor_examine(d);
    bool ok = bundle_write(fd, d, &e);
    if (close(fd) != 0 && ok)
        ok = err_sys(&e, "close");
    if (ok) {
        printf("%s\n", path);
        return EXIT_DONE;
    }
    unlink(path);
    err_wrap(&e, "--bundle %s", path);
    setup_complain(&e);
    return EXIT_PREFLIGHT;
}

int cmd_logs(struct options *o)
{
    struct doctor d = {.a = arena_open(), .loop = loop_open(), .options = o};
    struct err e;
    int code = EXIT_USAGE;
    if (!target_open(d.a, o, &d.target, &e))
        setup_complain(&e);
    else
        code = o->bundle != NULL ? pack(&d, o->bundle) : show(o, &d.target);
    target_close(&d.target);
    loop_free(d.loop);
    arena_free(d.a);
    return code;
}
