/* xml: what is accepted, how it comes out, and where every cap is. */
#include "installer/xml.h"
#include "package.h"

static struct err e;

static const struct xml_node *tree(struct arena *a, const char *s)
{
    return xml_tree(a, s, strlen(s), &e);
}

static void trees(void **state)
{
    (void)state;
    struct arena *a = arena_open();
    const struct xml_node *r =
        tree(a, "<?xml version=\"1.0\"?><!-- c --><r a=\"1\" b='&lt;&#65;&quot;'>x<c n=\"1\"/>y"
                "<d>in</d><c n=\"2\">&amp;<![CDATA[<z>]]></c>z</r>");
    assert_non_null(r);
    assert_string_equal(r->name, "r");
    assert_string_equal(r->text, "xyz");
    assert_string_equal(xml_get(r, "b"), "<A\"");
    assert_null(xml_get(r, "c"));
    assert_null(xml_get(NULL, "c"));
    const struct xml_node *c = xml_child(r, "c");
    assert_string_equal(xml_get(c, "n"), "1");
    assert_string_equal(c->text, "");
    c = xml_next(c, "c");
    assert_string_equal(c->text, "&<z>");
    assert_null(xml_next(c, "c"));
    assert_string_equal(xml_child(r, "d")->text, "in");
    const unsigned char utf16[] = {0xff, 0xfe, '<', 0,   'a', 0,   '>', 0,   0xe9,
                                   0,    '<',  0,   '/', 0,   'a', 0,   '>', 0};
    r = xml_tree(a, utf16, sizeof utf16, &e);
    assert_non_null(r);
    assert_string_equal(r->text, "\xc3\xa9");
    assert_string_equal(xml_escape(a, "<a&\"b\">"), "&lt;a&amp;&quot;b&quot;&gt;");
    arena_free(a);
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "",
        "hello",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a b=\"1\" b=\"2\"/>",
        "<a>&nope;</a>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<?xml version=\"1.0\" encoding=\"x-none\"?><a/>",
    };
    (void)state;
    struct arena *a = arena_open();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (tree(a, bad[i]))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(e.kind, ERR_FORMAT);
    }
    arena_free(a);
}

static void repeat(struct buf *b, const char *s, size_t times)
{
    for (size_t i = 0; i < times; i++)
        assert_true(buf_append(b, s, strlen(s), &e));
}

static void is_too_much(struct buf *b, const char *part)
{
    struct arena *a = arena_open();
    assert_null(xml_tree(a, b->data, b->len, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    if (!strstr(e.text, part))
        fail_msg("%s: not %s", e.text, part);
    arena_free(a);
    buf_clear(b);
}

static void caps(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64 * LIMIT_MB);
    repeat(&b, "<a>", 65);
    is_too_much(&b, "nested");
    repeat(&b, "<a>", 1);
    repeat(&b, "<b/>", 100000);
    is_too_much(&b, "elements");
    repeat(&b, "<a", 1);
    for (int i = 0; i < 65; i++)
        assert_true(buf_printf(&b, " a%d=\"\"", i));
    repeat(&b, "/>", 1);
    is_too_much(&b, "attributes");
    repeat(&b, "<a><!--", 1);
    repeat(&b, "xxxxxxxxxxxxxxxx", 100000); /* 1.6 MB in one token */
    is_too_much(&b, "1 MB");
    repeat(&b, "<a b=\"", 1);
    repeat(&b, "xxxxxxxxxxxxxxxx", 100000);
    is_too_much(&b, "1 MB");
    repeat(&b, "<a>", 1);
    repeat(&b, "xxxxxxxxxxxxxxxx", 300000);
    is_too_much(&b, "bytes");
    buf_release(&b);
}

struct counts {
    int starts, ends, stop_at;
    char text[64];
};

static bool on_start(void *ctx, const char *name, const char *const *attributes, struct err *err)
{
    struct counts *c = ctx;
    (void)name;
    (void)attributes;
    return ++c->starts != c->stop_at || err_set(err, ERR_FORMAT, CAUSE_FORMAT, "enough");
}

static bool on_end(void *ctx, const char *name, const char *text, size_t len, struct err *err)
{
    struct counts *c = ctx;
    (void)err;
    (void)name;
    assert_int_equal(strlen(text), len);
    snprintf(c->text, sizeof c->text, "%s", text);
    c->ends++;
    return true;
}

static void events(void **state)
{
    static const char doc[] = "<a>1<b>2</b>3<c/>4</a>";
    static const struct xml_limits limits = {
        .bytes = 1000, .elements = 3, .text = 3, .depth = 2, .attributes = 0};
    (void)state;
    for (size_t cut = 0; cut < sizeof doc; cut++) { /* in two pieces, wherever */
        struct counts c = {0};
        const struct xml_handler h = {on_start, on_end, &c};
        struct xml *x = xml_open(&limits, &h);
        assert_true(xml_write(x, doc, cut, &e) && xml_write(x, doc + cut, sizeof doc - 1 - cut, &e));
        assert_true(xml_finish(x, &e));
        assert_int_equal(c.starts, 3);
        assert_int_equal(c.ends, 3);
        assert_string_equal(c.text, "134");
        xml_free(x);
    }
    struct counts c = {.stop_at = 2};
    const struct xml_handler h = {on_start, on_end, &c};
    struct xml *x = xml_open(&limits, &h);
    assert_false(xml_write(x, doc, sizeof doc - 1, &e));
    assert_string_equal(e.text, "line 1: enough");
    assert_false(xml_finish(x, &e));
    assert_int_equal(c.starts, 2);
    xml_free(x);
    xml_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trees), cmocka_unit_test(refused),
                                       cmocka_unit_test(caps), cmocka_unit_test(events)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
