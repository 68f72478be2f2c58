/* profile: what a profile must be, signatures, the list of a target, the gate since macOS 11. */
#include "installer/profile.h"
#include "volume.h"
#include <dirent.h>

#define PAYLOAD                                                                                              \
    "<dict><key>PayloadType</key><string>org.x</string><key>PayloadIdentifier</key><string>org.p.1</string>" \
    "<key>PayloadUUID</key><string>U1</string><key>PayloadVersion</key><integer>1</integer></dict>"
#define HEAD                                                                                                 \
    "<key>PayloadType</key><string>Configuration</string><key>PayloadIdentifier</key><string>org.p</string>" \
    "<key>PayloadUUID</key><string>U0</string><key>PayloadVersion</key><integer>1</integer>"
#define GOOD                                                                                                 \
    HEAD "<key>PayloadDisplayName</key><string>Pee</string><key>PayloadContent</key><array>" PAYLOAD         \
         "</array>"

static struct profile *decode(const char *inside)
{
    const char *text = plist(inside);
    return profile_decode(memory, text, strlen(text), &e);
}

static void facts(const char *os)
{
    env.facts = dict(arena_printf(memory, "<key>os_vers</key><string>%s</string>", os));
}

static void structure(void **state)
{
    (void)state;
    struct profile *pr = decode(GOOD);
    assert_non_null(pr);
    assert_string_equal(pr->identifier, "org.p");
    assert_string_equal(pr->uuid, "U0");
    assert_string_equal(pr->display_name, "Pee");
    assert_int_equal(pr->payload_count, 1);
    assert_false(pr->is_signed);
    const char *marked = arena_printf(memory, "\xef\xbb\xbf%s", plist(GOOD));
    assert_non_null(profile_decode(memory, marked, strlen(marked), &e));
    pr = decode(HEAD "<key>IsEncrypted</key><true/><key>EncryptedPayloadContent</key><data>AAAA</data>");
    assert_non_null(pr);
    assert_true(pr->encrypted);
}

static void refusals(void **state)
{
    static const struct {
        const char *inside, *says;
    } rows[] = {
        {"", "PayloadType: a string is needed, found nothing"},
        {"<key>PayloadType</key><string>Other</string><key>PayloadIdentifier</key><string>a</string>"
         "<key>PayloadUUID</key><string>b</string><key>PayloadContent</key><array/>",
         "PayloadType is Other, not Configuration"},
        {"<key>PayloadType</key><string>Configuration</string><key>PayloadIdentifier</key><integer>1</"
         "integer>",
         "PayloadIdentifier: a string is needed, found integer"},
        {"<key>PayloadType</key><string>Configuration</string><key>PayloadIdentifier</key><string></string>",
         "PayloadIdentifier: a string is needed, found an empty one"},
        {HEAD, "PayloadContent: an array is needed, found nothing"},
        {HEAD "<key>PayloadContent</key><string>x</string>",
         "PayloadContent: an array is needed, found string"},
        {HEAD "<key>PayloadContent</key><array><string>x</string></array>",
         "PayloadContent[0]: a dictionary is needed, found string"},
        {HEAD "<key>PayloadContent</key><array>" PAYLOAD "<dict/></array>",
         "PayloadContent[1]: PayloadType: a string is needed, found nothing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(decode(rows[i].inside));
        assert_string_equal(e.text, rows[i].says);
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    assert_null(profile_decode(memory, "", 0, &e));
    assert_null(profile_decode(memory, "<html>", 6, &e));
    assert_null(profile_decode(memory, "0\x82\x01\x02nonsense", 12, &e));
    char *big = arena_alloc(memory, LIMIT_PROFILE + 1);
    assert_null(profile_decode(memory, big, LIMIT_PROFILE + 1, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
}

/* Every sample decodes or is refused with a sentence; a signed one whose content changed is refused. */
static void samples(void **state)
{
    size_t good = 0, is_signed = 0, refused = 0;
    const char *folder = shared("samples/profiles");
    (void)state;
    if (!folder)
        skip();
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        struct arena *a = arena_open();
        struct buf b;
        buf_init(&b, LIMIT_PROFILE);
        int fd = open(arena_printf(a, "%s/%s", folder, entry->d_name), O_RDONLY | O_CLOEXEC);
        assert_true(files_read_fd(fd, &b, &e));
        close(fd);
        e.text[0] = '\0';
        struct profile *pr = profile_decode(a, b.data, b.len, &e);
        if (pr) {
            good++;
        } else {
            refused++;
            print_message("refused: %s: %s\n", entry->d_name, e.text);
            assert_int_not_equal(e.text[0], '\0');
        }
        if (pr && pr->is_signed) {
            is_signed++;
            assert_int_not_equal(pr->signer[0], '\0');
            for (size_t i = 0; i + 14 < b.len; i++)
                if (memcmp(b.data + i, "PayloadContent", 14) == 0) {
                    b.data[i] = 'Q';
                    break;
                }
            assert_null(profile_decode(a, b.data, b.len, &e));
            assert_int_equal(e.cause, CAUSE_SIGNATURE);
        }
        buf_release(&b);
        arena_free(a);
    }
    closedir(d);
    print_message("%zu good, %zu of them signed, %zu refused\n", good, is_signed, refused);
    assert_true(good > 50);
    assert_true(is_signed > 10);
}

static enum install_end install(bool *ok)
{
    struct install_outcome out = {.code = 0};
    put("Library/Daybreak/Cache/p.mobileconfig", plist(GOOD));
    int fd = files_open(env.cache, "p.mobileconfig", &e);
    *ok = profile_install(&env, fd, "/cache/p.mobileconfig", false, &out, &e);
    close(fd);
    return out.end;
}

static void older_systems(void **state)
{
    bool ok, present;
    (void)state;
    facts("10.15.7");
    assert_true(profile_present(&env, "org.p", &present, &e));
    assert_false(present);
    assert_int_equal(install(&ok), INSTALL_OK);
    assert_true(ok);
    assert_true(profile_present(&env, "org.p", &present, &e) && present);
    const char *once = text_of("Library/Daybreak/profiles.plist");
    const struct value *list = props_decode(memory, once, strlen(once), &e);
    const struct value *entry = value_at(props_array(list, "_computerlevel"), 0);
    assert_string_equal(props_str(entry, "ProfileUUID"), "U0");
    assert_string_equal(props_str(entry, "ProfileRemovalDisallowed"), "false");
    assert_int_equal(strlen(props_str(entry, "ProfileInstallDate")), strlen("2026-11-24 03:00:00 +0000"));
    assert_string_equal(props_str(value_at(props_array(entry, "ProfileItems"), 0), "PayloadType"), "org.x");
    install(&ok); /* replaces itself */
    once = text_of("Library/Daybreak/profiles.plist");
    list = props_decode(memory, once, strlen(once), &e);
    assert_int_equal(value_count(props_array(list, "_computerlevel")), 1);
    assert_true(profile_remove(&env, "org.p", &e));
    assert_true(profile_present(&env, "org.p", &present, &e) && !present);
    assert_true(profile_remove(&env, "org.p", &e));
}

static void newer_systems(void **state)
{
    bool ok, present;
    (void)state;
    facts("14.5");
    assert_true(files_remove(env.state, "profiles.plist", &e));
    assert_int_equal(install(&ok), INSTALL_WAITING);
    assert_true(ok);
    assert_false(there("Library/Daybreak/profiles.plist"));
    put("Library/Daybreak/profiles.plist",
        plist(
            "<key>_computerlevel</key><array><dict><key>ProfileIdentifier</key><string>org.p</string></dict>"
            "</array><key>jo</key><array><dict><key>ProfileIdentifier</key><string>org.u</string></dict></"
            "array>"));
    assert_int_equal(install(&ok), INSTALL_OK);
    assert_true(ok);
    assert_true(profile_present(&env, "org.u", &present, &e) && !present); /* a user's alone */
    assert_false(profile_remove(&env, "org.p", &e));
    put("Library/Daybreak/profiles.plist", "not a list");
    assert_false(profile_present(&env, "org.p", &present, &e));
    assert_int_equal(e.cause, CAUSE_PROFILE);
    assert_true(files_remove(env.state, "profiles.plist", &e));
}

static void by_the_tool(void **state)
{
    bool ok, present;
    (void)state;
    put_mode("tools/profiles",
             "#!/bin/sh\nd=${0%/*}\ncase $1 in\n-C) echo 'some warning'; cat \"$d/list\";;\n-I) [ -e "
             "\"$d/refuse\" ] && "
             "{ echo 'profiles tool no longer supports installs.'; exit 0; }; cp \"$d/with\" \"$d/list\";;\n"
             "-R) cp \"$d/without\" \"$d/list\";;\nesac\n",
             0755);
    put("tools/with", plist("<key>_computerlevel</key><array><dict><key>ProfileIdentifier</key><string>org.p"
                            "</string></dict></array>"));
    put("tools/without", plist(""));
    put("tools/list", plist(""));
    env.tools = arena_printf(memory, "%s/tools", volume_path);
    facts("10.14");
    install(&ok);
    assert_true(ok);
    assert_true(profile_present(&env, "org.p", &present, &e) && present);
    assert_true(profile_remove(&env, "org.p", &e));
    assert_true(profile_present(&env, "org.p", &present, &e) && !present);
    put("tools/refuse", "");
    install(&ok);
    assert_false(ok);
    assert_non_null(strstr(e.text, "no longer supports installs"));
    env.tools = NULL;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structure),     cmocka_unit_test(refusals),      cmocka_unit_test(samples),
        cmocka_unit_test(older_systems), cmocka_unit_test(newer_systems), cmocka_unit_test(by_the_tool),
    };
    if (argc == 3 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[2]);
    return cmocka_run_group_tests(tests, volume_up, volume_down);
}
