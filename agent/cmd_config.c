/* cmd_config: every effective preference, where it comes from, and who else had something to say. Secrets are
 * never printed, only that they are set, and whether every local user can read them. */
#include "agent/cmd_config.h"
#include "agent/cmd.h"
#include "agent/setup.h"
#include "agent/tojson.h"
#include "core/log.h"
#include "core/text.h"
#include "installer/install.h"

static json_t *json_of(const struct prefs_entry *p, const struct value *v)
{
    return v != NULL && p->secret ? json_string("•••") : tojson_value(v);
}

static const char *shown(const struct prefs_entry *p, const struct value *v, char **text)
{
    *text = NULL;
    if (v == NULL)
        return "not set";
    if (p->secret)
        return "•••";
    json_t *j = tojson_value(v);
    *text = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(j);
    if (*text != NULL)
        log_redact(*text); /* user and password of a URL */
    return *text != NULL ? *text : "?";
}

static void place(char *out, size_t size, const struct prefs_entry *p)
{
    snprintf(out, size, "%s%s%s", prefs_source_text(p->source), p->path[0] != '\0' ? " " : "", p->path);
}

static json_t *json_of_keychain(const struct keychain *k)
{
    json_t *o = json_object(), *all = json_array();
    json_object_set_new(o, "asked", json_boolean(k->asked));
    json_object_set_new(o, "failure", k->failure != NULL ? json_string(k->failure) : json_null());
    for (size_t i = 0; i < k->count; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "subject", json_string(k->authorities[i].subject));
        json_object_set_new(one, "sha256", json_string(k->authorities[i].sha256));
        json_array_append_new(all, one);
    }
    json_object_set_new(o, "authorities", all);
    return o;
}

json_t *cmd_config_json(const struct prefs *prefs, const struct keychain *k)
{
    json_t *root = json_object(), *all = json_array();
    json_object_set_new(root, "schema", json_integer(1));
    for (size_t i = 0; i < prefs->entry_count; i++) {
        const struct prefs_entry *p = &prefs->entries[i];
        json_t *one = json_object();
        json_object_set_new(one, "key", json_string(p->key));
        json_object_set_new(one, "value", json_of(p, p->value));
        json_object_set_new(one, "source", json_string(prefs_source_text(p->source)));
        json_object_set_new(one, "domain", json_string(p->domain));
        json_object_set_new(one, "path", json_string(p->path));
        json_object_set_new(one, "forced", json_boolean(p->forced));
        json_object_set_new(one, "effective", json_boolean(p->effective));
        if (p->other != NULL) {
            json_object_set_new(one, "other_value", json_of(p, p->other));
            json_object_set_new(one, "other_domain", json_string(p->other_domain));
            json_object_set_new(one, "other_path", json_string(p->other_path));
        }
        json_array_append_new(all, one);
    }
    json_object_set_new(root, "preferences", all);
    json_object_set_new(root, "keychain", json_of_keychain(k));
    return root;
}

static void print_keychain(const struct keychain *k)
{
    if (!k->asked)
        return;
    if (k->failure != NULL)
        text_say(stdout, "System keychain: none of its certification authorities is trusted: %s", k->failure);
    else
        text_say(stdout, "System keychain: %zu certification %s trusted besides the system's", k->count,
                 k->count == 1 ? "authority is" : "authorities are");
    for (size_t i = 0; i < k->count; i++)
        text_say(stdout, "  %s  SHA-256 %s", k->authorities[i].subject, k->authorities[i].sha256);
}

static void print_text(const struct prefs *prefs)
{
    for (size_t i = 0; i < prefs->entry_count; i++) {
        const struct prefs_entry *p = &prefs->entries[i];
        char where[1200], *text;
        if (!p->effective && p->source == PREFS_DEFAULT)
            continue;
        place(where, sizeof where, p);
        printf("%-41s %s  [%s]%s%s\n", p->key, shown(p, p->value, &text),
               p->value == NULL ? "not set" : where, p->effective ? "" : "  without effect here",
               p->readable ? "  every local user can read it" : "");
        free(text);
        if (p->other == NULL)
            continue;
        printf("%41s %s  [%s]  overruled\n", "", shown(p, p->other, &text), p->other_path);
        free(text);
    }
}

int cmd_config(struct options *o)
{
    struct arena *a = arena_open();
    struct target target = {0};
    struct prefs prefs;
    struct keychain keychain = {0};
    struct err e;
    struct loop *loop = loop_open();
    int code = EXIT_USAGE;
    if (!target_open(a, o, &target, &e) || !prefs_load(a, o, target.root, loop, &prefs, &e)) {
        setup_complain(&e);
        goto out;
    }
    code = EXIT_DONE;
    if (!target_dirs(a, o, &prefs, TARGET_READ, &target, &e))
        log_debug("%s", e.text); /* nothing ran here yet: the keychain is asked through another folder */
    if (o->explain_profile) {
        const struct install_env env = {
            .loop = loop, .root = target.root, .live = target.live, .state = target.state, .tools = o->tools};
        cmd_config_explain(&env, &prefs, o->json);
        goto out;
    }
    keychain_ask(&keychain, a, loop, o, &target);
    if (o->json) {
        (void)tojson_print(cmd_config_json(&prefs, &keychain));
    } else {
        print_text(&prefs);
        print_keychain(&keychain);
    }
out:
    target_close(&target);
    loop_free(loop);
    arena_free(a);
    return code;
}
