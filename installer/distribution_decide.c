/* A string is decided when it is "true" or "false". One expression is known by heart, because every package
 * of Munki's own tools carries it; any other is refused with its text. Choices that are disabled or invisible
 * are installed like others: those attributes are about what a person may click. */
#include "core/limits.h"
#include "core/text.h"
#include "installer/distribution.h"
#include "manifests/version.h"

struct deciding {
    struct arena *arena;
    const struct distribution *d;
    const struct distribution_machine *m;
    const char **overrides; /* "true", "false" or NULL, for each choice */
    struct err *e;
};

static bool refuse(struct deciding *c, const char *what, const char *name, const char *detail)
{
    char shown[200];
    text_printable_into(shown, sizeof shown, detail, strlen(detail));
    return err_set(c->e, ERR_REFUSED, CAUSE_INSTALLER, "Distribution: %s %s: %s", what,
                   text_printable(c->arena, name, strlen(name)), shown);
}

static bool runs(const char *wanted, const char *machine)
{
    if (strcmp(wanted, machine) == 0)
        return true;
    return strcmp(machine, "x86_64") == 0 ? strcmp(wanted, "i386") == 0 : strcmp(wanted, "arm64e") == 0;
}

static bool check_architecture(struct deciding *c, struct distribution_plan *plan)
{
    const struct packageinfo_names *list = &c->d->architectures;
    const char *arch = c->m->arch;
    bool native = list->count == 0 || !arch, translated = false;
    for (size_t i = 0; i < list->count && arch; i++) {
        native = native || runs(list->names[i], arch);
        translated = translated || (strcmp(arch, "arm64") == 0 && strcmp(list->names[i], "x86_64") == 0);
    }
    plan->needs_rosetta = !native && translated;
    plan->may_need_rosetta = list->count == 0 && arch && strcmp(arch, "arm64") == 0;
    return native || translated || c->m->skip_checks ||
           refuse(c, "not for this Mac's processor,", arch, "hostArchitectures names others");
}

static bool check_system(struct deciding *c)
{
    const char *v = c->m->os_version;
    if (!v || c->d->os_count == 0)
        return true;
    for (size_t i = 0; i < c->d->os_count; i++) {
        const struct distribution_os *os = &c->d->os[i];
        if ((!os->min || version_compare(v, os->min) >= 0) &&
            (!os->before || version_compare(v, os->before) < 0))
            return true;
    }
    const struct distribution_os *os = &c->d->os[0];
    return refuse(c, "not for macOS", v,
                  arena_printf(c->arena, "it asks for %s%s%s%s", os->min ? os->min : "",
                               os->min ? " and later" : "", os->before ? " before " : "",
                               os->before ? os->before : ""));
}

static bool check_machine(struct deciding *c, struct distribution_plan *plan)
{
    if (!check_architecture(c, plan))
        return false;
    if (c->m->skip_checks)
        return true;
    if (c->d->scripted_check && !c->m->skip_scripted)
        return err_set(c->e, ERR_REFUSED, CAUSE_INSTALLER,
                       "Distribution: %s, which only Apple's installer can judge", c->d->scripted_check);
    if (c->m->ram_gb > 0 && c->d->ram_gb > c->m->ram_gb)
        return err_set(c->e, ERR_REFUSED, CAUSE_INSTALLER, "Distribution: it asks for %lld GB of memory",
                       (long long)c->d->ram_gb);
    if (c->d->root_volume_only && !c->m->root_volume)
        return err_set(c->e, ERR_REFUSED, CAUSE_INSTALLER,
                       "Distribution: it installs only on the volume the system was started from");
    if (c->d->home_only)
        return err_set(c->e, ERR_REFUSED, CAUSE_INSTALLER,
                       "Distribution: it installs only into a user's home");
    return check_system(c);
}

static bool apply_override(struct deciding *c, const struct value *entry)
{
    const char *id = props_str(entry, "choiceIdentifier"), *attribute = props_str(entry, "choiceAttribute");
    const struct value *setting = value_get(entry, "attributeSetting");
    bool on;
    if (!id || !attribute)
        return refuse(c, "an entry of installer_choices_xml", id ? id : "",
                      "no choiceIdentifier or choiceAttribute");
    size_t i = 0;
    while (i < c->d->choice_count && strcmp(c->d->choices[i].id, id) != 0)
        i++;
    if (i == c->d->choice_count)
        return refuse(c, "installer_choices_xml names the choice", id, "this package has no such choice");
    if (strcmp(attribute, "selected") == 0) {
        if (!value_bool(setting, &on))
            return refuse(c, "installer_choices_xml, choice", id, "attributeSetting is neither 0 nor 1");
        c->overrides[i] = on ? "true" : "false";
        return true;
    }
    if (strcmp(attribute, "customLocation") == 0)
        return refuse(c, "installer_choices_xml, choice", id, "another location is not supported");
    if (strcmp(attribute, "visible") == 0 || strcmp(attribute, "enabled") == 0)
        return true;
    return refuse(c, "installer_choices_xml sets the attribute", attribute, "there is no such attribute");
}

static bool is_upgrade_question(const char *s)
{
    return strcmp(s, "my.choice.packageUpgradeAction != \"installed\"") == 0 ||
           strcmp(s, "my.choice.packageUpgradeAction != 'installed'") == 0;
}

static bool all_installed(struct deciding *c, const struct distribution_choice *choice)
{
    if (!c->m->installed || choice->ref_count == 0)
        return false;
    for (size_t i = 0; i < choice->ref_count; i++) {
        const struct distribution_ref *ref = choice->refs[i];
        if (!ref->version || !c->m->installed(c->m->ctx, ref->id, ref->version))
            return false;
    }
    return true;
}

static bool is_selected(struct deciding *c, const struct distribution_choice *choice, bool *on)
{
    const char *s = c->overrides[choice - c->d->choices];
    if (!s)
        s = choice->selected ? choice->selected : choice->start_selected;
    *on = true;
    if (!s || strcmp(s, "true") == 0)
        return true;
    if (strcmp(s, "false") == 0) {
        *on = false;
        return true;
    }
    if (is_upgrade_question(s)) {
        *on = !all_installed(c, choice);
        return true;
    }
    return refuse(c, "JavaScript decides about the choice", choice->id, s);
}

static bool add_refs(struct deciding *c, const struct distribution_choice *choice,
                     const struct distribution_ref **refs, struct distribution_plan *plan)
{
    if (choice->ref_count > 0 && choice->custom_location)
        return refuse(c, "a custom location for the choice", choice->id, choice->custom_location);
    for (size_t i = 0; i < choice->ref_count; i++) {
        const struct distribution_ref *ref = choice->refs[i];
        bool known = !ref->component;
        for (size_t k = 0; k < plan->count && !known; k++)
            known = refs[k] == ref;
        if (known || (ref->active && strcmp(ref->active, "false") == 0))
            continue;
        if (ref->active && strcmp(ref->active, "true") != 0)
            return refuse(c, "JavaScript decides about the package", ref->id, ref->active);
        refs[plan->count++] = ref;
        if (ref->on_conclusion > plan->on_conclusion)
            plan->on_conclusion = ref->on_conclusion;
    }
    return true;
}

bool distribution_decide(struct arena *a, const struct distribution *d, const struct distribution_machine *m,
                         const struct value *choices_xml, struct distribution_plan *plan, struct err *e)
{
    struct deciding c = {.arena = a,
                         .d = d,
                         .m = m,
                         .overrides = arena_array(a, d->choice_count, sizeof *c.overrides),
                         .e = e};
    const struct distribution_ref **refs = arena_array(a, d->ref_count, sizeof *refs);
    *plan = (struct distribution_plan){.refs = refs};
    if (!check_machine(&c, plan))
        return false;
    for (size_t i = 0; i < value_count(choices_xml); i++)
        if (!apply_override(&c, value_at(choices_xml, i)))
            return false;
    for (size_t i = 0; i < d->line_count; i++) {
        bool on;
        if (!is_selected(&c, d->lines[i].choice, &on) ||
            (on && !add_refs(&c, d->lines[i].choice, refs, plan)))
            return false;
    }
    return true;
}
