/* cmd_config_explain: how the preferences get from MDM to this Mac: which profiles carry one of our two
 * domains, and what of them the system has made of it. A profile that is there while its values are not, or
 * the other way round, is what people look for. Values are not shown: `daybreak config` does, secrets left
 * out. */
#include "agent/cmd_config.h"
#include "agent/tojson.h"
#include "core/text.h"
#include "installer/profile.h"

static const char *const domains[] = {DAYBREAK_DOMAIN, "ManagedInstalls"};
enum { DOMAINS = sizeof domains / sizeof domains[0] };

/* Does this payload set preferences of domain? As its own type, or wrapped (custom settings of the old kind).
 */
static bool carries(const struct value *payload, const char *domain)
{
    const char *type = props_str(payload, "PayloadType");
    const struct value *content = props_dict(payload, "PayloadContent");
    const struct value *wrapped = props_dict(content, "PayloadContentManagedPreferences");
    return (type != NULL && strcmp(type, domain) == 0) || value_get(content, domain) != NULL ||
           value_get(wrapped, domain) != NULL;
}

static void set(json_t *o, const char *key, const char *text)
{
    json_object_set_new(o, key, text != NULL ? json_string(text) : json_null());
}

static json_t *json_of_profile(const struct value *profile)
{
    json_t *o = json_object(), *of = json_array();
    const struct value *items = props_array(profile, "ProfileItems");
    for (size_t d = 0; d < DOMAINS; d++)
        for (size_t i = 0; i < value_count(items); i++)
            if (carries(value_at(items, i), domains[d])) {
                json_array_append_new(of, json_string(domains[d]));
                break;
            }
    set(o, "identifier", props_str(profile, "ProfileIdentifier"));
    set(o, "uuid", props_str(profile, "ProfileUUID"));
    set(o, "display_name", props_str(profile, "ProfileDisplayName"));
    set(o, "installed", props_str(profile, "ProfileInstallDate"));
    set(o, "verification", props_str(profile, "ProfileVerificationState"));
    json_object_set_new(o, "domains", of);
    return o;
}

static json_t *json_of_domain(const struct prefs *prefs, const char *domain)
{
    json_t *o = json_object(), *keys = json_array();
    for (size_t i = 0; i < prefs->entry_count; i++) {
        const struct prefs_entry *p = &prefs->entries[i];
        if (p->source == PREFS_MANAGED && strcmp(p->domain, domain) == 0)
            json_array_append_new(keys, json_string(p->key));
    }
    set(o, "domain", domain);
    json_object_set_new(o, "keys", keys);
    return o;
}

static json_t *explain(const struct prefs *prefs, const struct value *device, const char *failure)
{
    json_t *root = json_object(), *of = json_array(), *profiles = json_array();
    json_object_set_new(root, "schema", json_integer(1));
    for (size_t d = 0; d < DOMAINS; d++)
        json_array_append_new(of, json_of_domain(prefs, domains[d]));
    for (size_t i = 0; i < value_count(device); i++) {
        json_t *one = json_of_profile(value_at(device, i));
        if (json_array_size(json_object_get(one, "domains")) > 0)
            json_array_append(profiles, one);
        json_decref(one);
    }
    json_object_set_new(root, "managed", of);
    json_object_set_new(root, "profiles", profiles);
    json_object_set_new(root, "profiles_present", json_integer((json_int_t)value_count(device)));
    set(root, "failure", failure);
    return root;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "?";
}

static void print_list(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(list, i)));
    puts("");
}

static void print_text(const json_t *root)
{
    const json_t *of = json_object_get(root, "managed"), *profiles = json_object_get(root, "profiles");
    size_t n = json_array_size(profiles), keys = 0;
    for (size_t i = 0; i < json_array_size(of); i++) {
        const json_t *list = json_object_get(json_array_get(of, i), "keys");
        printf("%s, managed: ", text_of(json_array_get(of, i), "domain"));
        if (json_array_size(list) == 0)
            puts("nothing that counts");
        else
            print_list(list);
        keys += json_array_size(list);
    }
    if (json_is_string(json_object_get(root, "failure")))
        text_say(stdout, "which profiles are on this Mac cannot be told: %s", text_of(root, "failure"));
    for (size_t i = 0; i < n; i++) {
        const json_t *p = json_array_get(profiles, i);
        text_say(stdout, "profile %s (%s), installed %s, %s, sets:", text_of(p, "identifier"),
                 text_of(p, "display_name"), text_of(p, "installed"), text_of(p, "verification"));
        printf("  ");
        print_list(json_object_get(p, "domains"));
    }
    if (n == 0 && !json_is_string(json_object_get(root, "failure")))
        printf("none of the %d profiles on this Mac sets either: MDM has not sent it, or sends it to users\n",
               (int)json_integer_value(json_object_get(root, "profiles_present")));
    else if (n > 0 && keys == 0)
        puts("a profile is there and none of its values counts: its keys may be misspelt, or are overruled");
}

void cmd_config_explain(const struct install_env *env, const struct prefs *prefs, bool json)
{
    struct arena *a = arena_open();
    struct err e = {.kind = ERR_NONE};
    const struct value *device = profile_list(env, a, &e);
    json_t *root = explain(prefs, device, device == NULL ? e.text : NULL);
    if (json) {
        (void)tojson_print(root);
    } else {
        print_text(root);
        json_decref(root);
    }
    arena_free(a);
}
