/* cmd_check: decide and say so. Nothing is downloaded but manifests and catalogs, nothing is written but
 * these and InstallInfo.plist; with --dry-run not even they. */
#include "agent/cmd.h"
#include "agent/setup.h"
#include "agent/tojson.h"
#include "core/files.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/text.h"

#include <fcntl.h>

/* A file is replaced whole or not at all. */
static bool replace(const char *path, const struct buf *bytes, struct err *e)
{
    char parent[LIMIT_PATH + 1] = ".";
    const char *name = text_basename(path);
    if (name != path)
        snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);
    int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_sys(e, "%s", parent);
    bool ok = files_replace(dir, name, buf_str(bytes), bytes->len, 0644, FILES_LAZY, e);
    close(dir);
    return ok;
}

/* What is there and is no file (/dev/null, a pipe) takes the bytes and stays what it is. */
static bool write_into(const char *path, const struct buf *bytes, struct err *e)
{
    int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, "open");
    bool ok = files_write(fd, buf_str(bytes), bytes->len, e);
    close(fd);
    return ok;
}

/* The plist where --output wants it. */
static bool write_output(const char *output, const struct value *info, struct err *e)
{
    struct buf bytes;
    struct stat st;
    buf_init(&bytes, LIMIT_CATALOG);
    bool ok = props_encode(info, &bytes, e);
    if (ok && strcmp(output, "-") == 0)
        ok = files_write(STDOUT_FILENO, buf_str(&bytes), bytes.len, e);
    else if (ok && stat(output, &st) == 0 && !S_ISREG(st.st_mode))
        ok = write_into(output, &bytes, e);
    else if (ok)
        ok = replace(output, &bytes, e);
    buf_release(&bytes);
    return ok || err_wrap(e, "--output %s", output);
}

static void print_plan(struct decide *d, const struct plan *plan)
{
    size_t installs = 0, removals = 0;
    text_say(stdout, "manifest %s (%s)", decide_manifest(d), repo_show(decide_repo(d)));
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct plan_item *item = &plan->items[i];
        text_say(stdout, "%s  %s %s", item->removal ? "remove " : "install", item->pkg->name,
                 item->pkg->version);
        *(item->removal ? &removals : &installs) += 1;
    }
    const struct value *problems = props_array(plan->install_info, "problem_items");
    for (size_t i = 0; i < value_count(problems); i++) {
        const char *name = props_str(value_at(problems, i), "name");
        const char *note = props_str(value_at(problems, i), "note");
        text_say(stdout, "problem  %s: %s", name != NULL ? name : "?",
                 note != NULL ? note : "no reason given");
    }
    text_say(stdout, "%zu to install, %zu to remove, %zu problem%s, %zu already there", installs, removals,
             value_count(problems), value_count(problems) == 1 ? "" : "s", plan->present_count);
}

static bool print_json(struct decide *d, const struct plan *plan)
{
    json_t *root = json_object(), *items = json_array(), *warnings = json_array();
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "manifest", json_string(decide_manifest(d)));
    json_object_set_new(root, "repository", json_string(repo_show(decide_repo(d))));
    json_object_set_new(root, "trust", json_string(repo_trust_name(repo_trust(decide_repo(d)))));
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct plan_item *item = &plan->items[i];
        json_t *one = json_object();
        json_object_set_new(one, "action", json_string(item->removal ? "remove" : "install"));
        json_object_set_new(one, "name", json_string(item->pkg->name));
        json_object_set_new(one, "version", json_string(item->pkg->version));
        json_array_append_new(items, one);
    }
    for (size_t i = 0; i < plan->warning_count; i++)
        json_array_append_new(warnings, json_string(plan->warnings[i]));
    json_object_set_new(root, "items", items);
    json_object_set_new(root, "warnings", warnings);
    json_object_set_new(root, "install_info", tojson_value(plan->install_info));
    return tojson_print(root);
}

int cmd_check(struct options *o)
{
    struct setup s;
    struct err e;
    bool silent = o->output != NULL && strcmp(o->output, "-") == 0;
    if (o->dry_run)
        o->run_scripts = false;
    int code = setup_open(&s, o, o->dry_run ? TARGET_READ : TARGET_CHECK, false);
    if (code != 0)
        goto out;
    const struct plan *plan = decide_make(s.decide, &e);
    if (plan == NULL) {
        setup_complain(&e);
        code = decide_exit_code(&e);
        goto out;
    }
    bool written = o->dry_run          ? true
                   : o->output != NULL ? write_output(o->output, plan->install_info, &e)
                                       : decide_write(s.decide, NULL, &e);
    if (!written) {
        setup_complain(&e);
        code = EXIT_DIRECTORIES;
        goto out;
    }
    if (o->json && !silent)
        (void)print_json(s.decide, plan);
    else if (!silent && !o->quiet)
        print_plan(s.decide, plan);
out:
    setup_close(&s);
    return code;
}
