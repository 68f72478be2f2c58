/* Any bytes: no bootstrap.json, or items of which two plans are made, of a Mac where nothing is there and of
 * one where all is: names and files in Cache are each item's own, and nothing is lost.
 */
#include "core/limits.h"
#include "core/text.h"
#include "manifests/bootstrap.h"
#include "manifests/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum plan_state installed(void *self, const struct pkginfo *p)
{
    if (!p->bootstrap || p->bootstrap->refusal)
        abort();
    return self ? PLAN_THIS : PLAN_ABSENT;
}

static struct plan_download download(void *self, const struct pkginfo *p, bool uninstaller)
{
    (void)self;
    if (!p->location || !p->complete_url || uninstaller)
        abort();
    return (struct plan_download){.failure = p->version[0] == 'a' ? PLAN_DOWNLOAD_HASH : PLAN_DOWNLOAD_OK};
}

static void hold(struct arena *a, const struct plan *p, size_t all)
{
    struct names *names = names_open(a), *files = names_open(a);
    if (p->item_count + p->present_count + value_count(p->problem_items) != all)
        abort();
    for (size_t i = 0; i < p->item_count; i++) {
        const struct pkginfo *item = p->items[i].pkg;
        if (!names_add(names, item->name) || strlen(item->version) > LIMIT_PATH)
            abort();
        if (item->location &&
            (!names_add(files, text_fold(a, item->location)) || strchr(item->location, '/') ||
             item->location[0] == '.' || strlen(item->location) > LIMIT_NAME))
            abort();
    }
    for (size_t i = 0; i < p->present_count; i++)
        if (!names_add(names, p->present[i]->name) || !p->present_reasons[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_open();
    struct err e = {0};
    const struct bootstrap *b = bootstrap_decode(a, (const char *)data, size, &e);
    const struct plan_input in = {.arch = "arm64"};
    if (!b && (e.kind == ERR_NONE || !e.text[0]))
        abort();
    for (int full = 0; b && full < 2; full++) {
        const struct world w = {.self = full ? a : NULL, .installed = installed, .download = download};
        hold(a, bootstrap_plan(a, b, &in, &w, BOOTSTRAP_NOT_ASKED), b->count);
        hold(a, bootstrap_plan(a, b, &in, &w, BOOTSTRAP_OVER), b->count);
    }
    arena_free(a);
    return 0;
}
