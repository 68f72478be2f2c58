/* inspect: what the worker that reads a package's tables says of it, in which order, and the plan it leaves;
 * and that it says nothing further of what it refuses. */
#include "authority.h"
#include "looked.h"

static const struct archive_member tree[] = {{.name = ".", .mode = 040755},
                                             {.name = "./bin", .mode = 040755},
                                             {.name = "./bin/tool", .mode = 0100755, .data = "tool"},
                                             {.name = "./bin/link", .mode = 0120777, .data = "tool"},
                                             {.name = NULL}};
static const struct archive_member script[] = {
    {.name = "./postinstall", .mode = 0100755, .data = "#!/bin/sh\n"}, {.name = NULL}};

static struct record_request asked;
static int plan = -1;

/* What inspect makes of a package, which is closed. */
static bool looks(int package)
{
    if (plan >= 0)
        close(plan);
    plan = package_file("", 0);
    bool ok = uncaged_inspect(package, plan, &asked);
    close(package);
    return ok;
}

static off_t planned(void)
{
    struct stat st;
    assert_int_equal(fstat(plan, &st), 0);
    return st.st_size;
}

/* The records it sent, a letter each. */
static const char *order(void)
{
    static const char letters[] = "ACEPNSBKG";
    static char text[64];
    struct worker_fields f;
    size_t n = 0;
    uncaged_at = 0;
    for (unsigned type; (type = uncaged_next(&f)) != 0; text[n++] = letters[type - RECORD_ARCHIVE])
        assert_true(type >= RECORD_ARCHIVE && type <= RECORD_SIGNATURE && n + 1 < sizeof text);
    text[n] = '\0';
    uncaged_at = 0;
    return text;
}

static void refused(int package, enum err_kind kind, const char *why, const char *said)
{
    if (looks(package))
        fail_msg("not refused: %s", why);
    if (e.kind != kind || strstr(e.text, why) == NULL)
        fail_msg("kind %d, and not \"%s\": %s", e.kind, why, e.text);
    assert_string_equal(order(), said);
}

static void fields(struct worker_fields *f, unsigned type)
{
    assert_int_equal(uncaged_next(f), type);
}

/* --- an installation ----------------------------------------------------------------------------------- */

static void a_component_is_told_and_planned(void **state)
{
    (void)state;
    char name[LIMIT_NAME + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct part p = {
        .folder = "",
        .identifier = "com.example.one",
        .attributes = "install-location=\"/opt/one\" postinstall-action=\"restart\"",
        .payload = tree,
        .bom = true,
        .scripts = script,
        .more = "<postinstall file=\"./postinstall\" timeout=\"30\"/>",
        .bundles = arena_printf(memory,
                                "<bundle path=\"./A.app\" id=\"a\" CFBundleShortVersionString=\"%s\" "
                                "CFBundleVersion=\"7\"/><bundle path=\"./B.app\" id=\"b\"/>"
                                "<bundle-version><bundle id=\"a\"/></bundle-version>",
                                name)};
    asked = uncaged_request(RECORD_LAYOUT);
    if (!looks(make_package(&p, 1, NULL)))
        fail_msg("%s", e.text);
    assert_string_equal(order(), "ACSB"); /* B.app has no rule */

    struct worker_fields f;
    struct record_archive a;
    struct record_component c;
    struct record_script x;
    struct record_bundle b;
    fields(&f, RECORD_ARCHIVE);
    assert_true(record_get_archive(&f, &a, &e) && a.components == 1 && !a.has_signature);
    fields(&f, RECORD_COMPONENT);
    assert_true(record_get_component(&f, &c, &e));
    assert_string_equal(c.identifier, "com.example.one");
    assert_string_equal(c.location, "/opt/one");
    assert_true(c.has_payload && c.has_bom && c.restart);
    fields(&f, RECORD_SCRIPT);
    assert_true(record_get_script(&f, &x, &e) && x.timeout_s == 30);
    assert_string_equal(x.file, "postinstall");
    fields(&f, RECORD_BUNDLE);
    assert_true(record_get_bundle(&f, &b, &e) && b.checked && !b.strict && !b.replace && !b.relocate);
    assert_string_equal(b.path, "A.app");
    assert_string_equal(b.short_version, ""); /* longer than anybody means: of no use */
    assert_string_equal(b.version, "7");

    struct plan_reader r;
    struct plan_record next;
    plan_open(&r, plan);
    assert_true(plan_next(&r, &next, &e) && next.type == PLAN_TOTAL && next.components == 1);
    uint64_t total = next.total;
    assert_true(plan_next(&r, &next, &e) && next.type == PLAN_COMPONENT);
    assert_string_equal(next.component.payload.path, "Payload");
    assert_int_equal(total, next.component.payload.length + next.component.scripts.length +
                                next.component.bom.length);
    const char *sums = "";
    while (plan_next(&r, &next, &e) && next.type == PLAN_SUM)
        sums = arena_printf(memory, "%s %s:%d:%u", sums, next.sum.path, next.sum.type, next.sum.size);
    assert_int_equal(next.type, PLAN_END);
    assert_string_equal(sums, " bin:2:0 bin/link:3:4 bin/tool:1:4"); /* the root is not one of them */
    plan_reader_release(&r);
}

static void what_cannot_be_installed_is_refused(void **state)
{
    (void)state;
    struct part p = {.folder = "",
                     .identifier = "com.example.gone",
                     .more = "<payload numberOfFiles=\"3\" installKBytes=\"1\"/>"};
    asked = uncaged_request(RECORD_LAYOUT);
    refused(make_package(&p, 1, NULL), ERR_FORMAT, "com.example.gone: its payload is missing", "A");
    assert_int_equal(planned(), 0);
    p.more = "<scripts><preinstall file=\"./preinstall\"/></scripts>";
    refused(make_package(&p, 1, NULL), ERR_FORMAT, "com.example.gone: its preinstall script is missing", "A");
    refused(package_file("xar?", 4), ERR_FORMAT, "", "");
    refused(package_xar("<xar><toc><checksum style=\"sha1\"><offset>0</offset><size>20</size></checksum>"
                        "</toc></xar>",
                        "", 0),
            ERR_FORMAT, "neither PackageInfo nor Distribution", "");

    int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = package_file("", 0);
    struct xar_writer *w = xar_writer_open(dir, &e);
    static const char info[] = "<pkg-info identifier=\"com.example.b\" version=\"1\"/>";
    add_text(w, "", "PackageInfo", info, sizeof info - 1);
    add_text(w, "", "Bom", "BOMStore?", 9);
    assert_true(xar_writer_commit(w, fd, &e));
    xar_writer_free(w);
    close(dir);
    refused(fd, ERR_FORMAT, "Bom", "AC");
    assert_int_equal(planned(), 0);
}

static void a_request_without_sense_is_refused(void **state)
{
    (void)state;
    asked = uncaged_request((enum record_task)(RECORD_CLAIMS + 1));
    refused(package_file("", 0), ERR_INTERNAL, "asked for something it does not know", "");
}

/* --- products ------------------------------------------------------------------------------------------ */

#define REF(id, at) "<pkg-ref id=\"" id "\">#" at "</pkg-ref>"
#define PRODUCT(refs, inside, named)                                                                         \
    "<installer-gui-script minSpecVersion=\"1\"><options " inside " customize=\"never\"/><choices-outline>"  \
    "<line choice=\"c\"/></choices-outline><choice id=\"c\">" refs "</choice>" named                         \
    "</installer-gui-script>"
#define BOTH      "<pkg-ref id=\"a\"/><pkg-ref id=\"b\"/>"
#define ARCHES(s) "hostArchitectures=\"" s "\""

static struct part two[] = {{.folder = "a.pkg", .identifier = "com.example.a", .payload = tree},
                            {.folder = "b.pkg", .identifier = "com.example.b", .payload = tree}};

static void a_product_is_what_its_distribution_chooses(void **state)
{
    (void)state;
    struct worker_fields f;
    struct record_archive a;
    asked = uncaged_request(RECORD_LAYOUT);
    const char *one = PRODUCT("<pkg-ref id=\"b\"/>", ARCHES("x86_64"),
                              REF("a", "a.pkg") "<pkg-ref id=\"b\" onConclusion=\"RequireShutdown\">#b.pkg"
                                                "</pkg-ref>");
    assert_true(looks(make_package(two, 2, one)));
    assert_string_equal(order(), "AC");
    fields(&f, RECORD_ARCHIVE);
    assert_true(record_get_archive(&f, &a, &e));
    assert_true(a.components == 1 && a.restart && a.needs_rosetta && !a.may_need_rosetta);
    /* two names for one component: it is there once */
    assert_true(
        looks(make_package(two, 2, PRODUCT(BOTH, ARCHES("arm64"), REF("a", "a.pkg") REF("b", "a.pkg")))));
    assert_string_equal(order(), "AC");
    /* all of a product, whatever it would choose, is a listing's to show */
    asked = uncaged_request(RECORD_LIST);
    asked.all = true;
    assert_true(looks(make_package(two, 2, one)));
    assert_string_equal(order(), "ACC");

    asked = uncaged_request(RECORD_LAYOUT);
    refused(make_package(two, 2, PRODUCT(BOTH, ARCHES("ppc"), REF("a", "a.pkg") REF("b", "b.pkg"))),
            ERR_REFUSED, "", "");
    refused(make_package(two, 2, PRODUCT(BOTH, "", REF("a", "a.pkg") REF("b", "c.pkg"))), ERR_FORMAT,
            "its component c.pkg has no PackageInfo", "");
    refused(make_package(two, 2, PRODUCT(BOTH, "", REF("a", "a.pkg") REF("b", "Distribution"))), ERR_FORMAT,
            "Distribution is a package within the package", "");
    refused(make_package(two, 2, "<installer-gui-script"), ERR_FORMAT, "Distribution", "");
    struct part same[] = {two[0], two[1]};
    same[1].identifier = "com.example.A";
    refused(make_package(same, 2, PRODUCT(BOTH, "", REF("a", "a.pkg") REF("b", "b.pkg"))), ERR_FORMAT,
            "a.pkg and b.pkg have one identifier, and so one receipt: com.example.A", "");
    same[1].identifier = "../evil";
    refused(make_package(same, 2, PRODUCT(BOTH, "", REF("a", "a.pkg") REF("b", "b.pkg"))), ERR_FORMAT,
            "b.pkg", "");
}

static void choices_come_from_outside(void **state)
{
    (void)state;
    static const char off[] = "<?xml version=\"1.0\"?><plist version=\"1.0\"><array><dict>"
                              "<key>choiceIdentifier</key><string>c</string>"
                              "<key>choiceAttribute</key><string>selected</string>"
                              "<key>attributeSetting</key><integer>0</integer></dict></array></plist>";
    const char *product = PRODUCT(BOTH, "", REF("a", "a.pkg") REF("b", "b.pkg"));
    asked = uncaged_request(RECORD_LAYOUT);
    asked.choices = "<plist";
    asked.choices_len = 6;
    refused(make_package(two, 2, product), ERR_FORMAT, "installer_choices_xml", "");
    asked.choices = off;
    asked.choices_len = sizeof off - 1;
    assert_true(looks(make_package(two, 2, product)));
    assert_string_equal(order(), "A"); /* nothing of it is wanted */
}

static void too_many_components(void **state)
{
    (void)state;
    static const char info[] = "<pkg-info identifier=\"com.example.%d\" version=\"1\"/>";
    int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = package_file("", 0);
    struct xar_writer *w = xar_writer_open(dir, &e);
    add_text(w, "", "Distribution", "<installer-gui-script/>", 23);
    for (int i = 0; i <= LIMIT_COMPONENTS; i++) {
        const char *folder = arena_printf(memory, "%d.pkg", i), *text = arena_printf(memory, info, i);
        assert_true(xar_writer_directory(w, folder, &e));
        add_text(w, folder, "PackageInfo", text, strlen(text));
    }
    assert_true(xar_writer_commit(w, fd, &e));
    xar_writer_free(w);
    close(dir);
    asked = uncaged_request(RECORD_LIST);
    asked.all = true;
    refused(fd, ERR_LIMIT, "it holds more than 256 components", "");
}

/* --- what must hold before it is read ------------------------------------------------------------------- */

static void nothing_is_read_before_the_judgement(void **state)
{
    (void)state;
    const struct part p = {.folder = "", .identifier = "com.example.one", .payload = tree};
    struct buf b, roots;
    authority_developer(&b, &roots);
    /* one that must be signed, and is not: there is nothing to be said of it */
    asked = uncaged_request(RECORD_LAYOUT);
    asked.sealed = true;
    assert_true(looks(make_package(&p, 1, "<no distribution>")));
    assert_string_equal(order(), "");
    assert_int_equal(planned(), 0);
    /* one that is, whether it must be or not */
    for (int sealed = 0; sealed < 2; sealed++) {
        asked.sealed = sealed;
        assert_true(looks(package_file(b.data, b.len)));
        assert_string_equal(order(), "K");
        assert_int_equal(planned(), 0);
    }
    /* once judged, it is read: this one holds nothing */
    asked.judged = true;
    refused(package_file(b.data, b.len), ERR_FORMAT, "neither PackageInfo nor Distribution", "");
    /* asked for nothing else */
    asked = uncaged_request(RECORD_CLAIMS);
    assert_true(looks(package_file(b.data, b.len)));
    assert_string_equal(order(), "K");
    assert_true(looks(make_package(&p, 1, "<no distribution>")));
    assert_string_equal(order(), "");
    assert_int_equal(planned(), 0);
    buf_release(&b);
    buf_release(&roots);
}

static void what_nothing_proves_is_not_installed(void **state)
{
    (void)state;
    static const char info[] = "<pkg-info identifier=\"com.example.bare\" version=\"1\"/>";
    const char *toc = arena_printf(
        memory,
        "<xar><toc><checksum style=\"sha1\"><offset>0</offset><size>20</size></checksum><file id=\"1\"><name>"
        "PackageInfo</name><type>file</type><data><length>%zu</length><offset>20</offset><size>%zu</size>"
        "<encoding style=\"application/octet-stream\"/></data></file></toc></xar>",
        sizeof info - 1, sizeof info - 1);
    asked = uncaged_request(RECORD_LAYOUT);
    refused(package_xar(toc, info, sizeof info - 1), ERR_TRUST, "no hash from outside proves the package",
            "");
    assert_int_equal(e.cause, CAUSE_HASH);
    asked.proved = true;
    if (!looks(package_xar(toc, info, sizeof info - 1)))
        fail_msg("%s", e.text);
    assert_string_equal(order(), "AC");
    asked = uncaged_request(RECORD_LIST); /* only looked at */
    assert_true(looks(package_xar(toc, info, sizeof info - 1)));
}

/* --- listings and members ------------------------------------------------------------------------------- */

static const char *entries(void)
{
    struct worker_fields f;
    struct record_entry m;
    struct record_count c;
    const char *text = "";
    uncaged_at = 0;
    for (unsigned type; (type = uncaged_next(&f)) != 0;) {
        if (type == RECORD_ENTRY) {
            assert_true(record_get_entry(&f, &m, &e));
            text = arena_printf(memory, "%s %c%s%s%s%s%s", text, (char)m.type, m.path, *m.link ? ">" : "",
                                m.link, m.apple_double ? "?" : "", *m.refused ? "!" : "");
        } else if (type == RECORD_COUNT) {
            assert_true(record_get_count(&f, &c, &e));
            text = arena_printf(memory, "%s =%llu:%llu", text, (unsigned long long)c.members,
                                (unsigned long long)c.bytes);
        }
    }
    return text;
}

static void payloads_are_listed(void **state)
{
    (void)state;
    static const struct archive_member odd[] = {
        {.name = "./x", .mode = 0100644, .data = "1"},
        {.name = "./._x", .mode = 0100644, .data = "\0\5\x16\7", .size = 4},
        {.name = "./X", .mode = 0100644, .data = "22"},
        {.name = "./l", .mode = 0120777, .data = "a\nb"},
        {.name = NULL}};
    struct part p = {.folder = "", .identifier = "com.example.one", .payload = tree};
    asked = uncaged_request(RECORD_LIST);
    asked.entries = true;
    if (!looks(make_package(&p, 1, NULL)))
        fail_msg("%s", e.text);
    assert_string_equal(entries(), " d dbin -bin/tool lbin/link>tool =3:4");
    assert_int_equal(planned(), 0);
    /* everything is shown, then what an install would not take is said */
    p.payload = odd;
    refused(make_package(&p, 1, NULL), ERR_FORMAT,
            "Payload: an install would refuse it: \"X\" is in the archive twice", "ACEEEE");
    assert_string_equal(entries(), " -x -._x? -X! ll>a\\nb");
    /* damaged in the middle: what went before is shown, and the member is named */
    int fd =
        make_package(&(struct part){.folder = "", .identifier = "com.example.one", .payload = tree}, 1, NULL);
    struct arena *a = arena_open();
    const struct xar *x = xar_open(a, fd, &e);
    assert_int_equal(pwrite(fd, "????", 4, (off_t)(xar_find(x, "Payload")->offset + 20)), 4);
    arena_free(a);
    assert_false(looks(fd));
    assert_true(text_starts(e.text, "Payload"));
    /* more than was asked for */
    static const struct archive_member big[] = {{.name = "./b", .mode = 0100644, .data = "0123456789"},
                                                {.name = NULL}};
    p.payload = big;
    asked.max_bytes = 100;
    assert_false(looks(make_package(&p, 1, NULL)));
    assert_true(text_starts(e.text, "Payload"));
    asked.entries = false; /* then payloads are not opened at all */
    assert_true(looks(make_package(&p, 1, NULL)));
    assert_string_equal(order(), "AC");
}

static void members_are_listed_and_planned(void **state)
{
    (void)state;
    int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = package_file("", 0);
    struct xar_writer *w = xar_writer_open(dir, &e);
    assert_true(xar_writer_directory(w, "d", &e));
    add_text(w, "d", "f", "hello", 5);
    assert_true(xar_writer_commit(w, fd, &e));
    xar_writer_free(w);
    close(dir);
    /* no package: as a container it can be listed, and taken apart */
    asked = uncaged_request(RECORD_LIST);
    asked.all = true;
    assert_true(looks(dup(fd)));
    assert_string_equal(entries(), " dd -d/f =2:5");
    asked = uncaged_request(RECORD_EXPAND);
    assert_true(looks(fd));
    assert_string_equal(order(), "A");
    struct plan_reader r;
    struct plan_record next;
    plan_open(&r, plan);
    assert_true(plan_next(&r, &next, &e) && next.type == PLAN_TOTAL && next.total == 5 &&
                next.components == 0);
    assert_true(plan_next(&r, &next, &e) && next.type == PLAN_MEMBER && next.member.directory);
    assert_true(plan_next(&r, &next, &e) && next.type == PLAN_MEMBER && next.member.size == 5);
    assert_string_equal(next.member.path, "d/f");
    assert_true(plan_next(&r, &next, &e) && next.type == PLAN_END);
    plan_reader_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_component_is_told_and_planned),
        cmocka_unit_test(what_cannot_be_installed_is_refused),
        cmocka_unit_test(a_request_without_sense_is_refused),
        cmocka_unit_test(a_product_is_what_its_distribution_chooses),
        cmocka_unit_test(choices_come_from_outside),
        cmocka_unit_test(too_many_components),
        cmocka_unit_test(nothing_is_read_before_the_judgement),
        cmocka_unit_test(what_nothing_proves_is_not_installed),
        cmocka_unit_test(payloads_are_listed),
        cmocka_unit_test(members_are_listed_and_planned),
    };
    uncaged_reserve();
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
