/* sysproxy: what scutil --proxy prints, to what libcurl takes. */
#include "agent/sysproxy.h"
#include "tests/unit/ground.h"

static struct sysproxy p;

static void nothing_is_set(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "<dictionary> {\n}\n", "", "No such key\n",
        ("<dictionary> {\n  FTPPassive : 1\n  HTTPEnable : 0\n  HTTPProxy : old\n"
         "  HTTPPort : 1\n  ProxyAutoConfigURLString : http://off/\n}\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sysproxy_parse(memory, texts[i], &p);
        assert_null(p.https);
        assert_null(p.http);
        assert_null(p.pac);
        assert_null(p.exceptions);
    }
}

static void proxies_and_exceptions(void **state)
{
    (void)state;
    sysproxy_parse(
        memory,
        "<dictionary> {\n  ExceptionsList : <array> {\n    0 : *.local\n    1 : 169.254/16\n"
        "    2 : 10/8\n    3 : intranet\n    4 : 192.168.7.0/24\n  }\n  HTTPEnable : 1\n  HTTPPort : 8080\n"
        "  HTTPProxy : plain.example.com\n  HTTPSEnable : 1\n  HTTPSPort : 3128\n"
        "  HTTPSProxy : fd00::7\n  HTTPUser : joe\n}\n",
        &p);
    assert_string_equal(p.https, "http://[fd00::7]:3128");
    assert_string_equal(p.http, "http://plain.example.com:8080");
    assert_string_equal(p.exceptions, ".local,169.254.0.0/16,10.0.0.0/8,intranet,192.168.7.0/24");
    assert_null(p.pac);
}

static void a_script_decides(void **state)
{
    (void)state;
    sysproxy_parse(memory,
                   "<dictionary> {\n  HTTPSEnable : 1\n  HTTPSPort : 1\n  HTTPSProxy : x\n"
                   "  ProxyAutoConfigEnable : 1\n  ProxyAutoConfigURLString : http://wpad/wpad.dat\n}\n",
                   &p);
    assert_string_equal(p.pac, "http://wpad/wpad.dat");
    assert_null(p.https);
    sysproxy_parse(memory, "<dictionary> {\n  ProxyAutoDiscoveryEnable : 1\n}\n", &p);
    assert_string_equal(p.pac, "by discovery (WPAD)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_set, ground_up, ground_down),
        cmocka_unit_test_setup_teardown(proxies_and_exceptions, ground_up, ground_down),
        cmocka_unit_test_setup_teardown(a_script_decides, ground_up, ground_down),
    };
    return cmocka_run_group_tests_name("sysproxy", tests, NULL, NULL);
}
