/* owner: who owns a copied file and who may use it.
 *
 * The names that every Mac has are known here, because a volume is also filled from another machine; there
 * the local users mean nothing. */
#include "installer/owner.h"
#include "core/text.h"
#include <grp.h>
#include <pwd.h>

static bool octal(const char *s, mode_t *mode)
{
    mode_t m = 0;
    for (; *s >= '0' && *s <= '7' && m <= 07777; s++)
        m = (mode_t)(m * 8 + (mode_t)(*s - '0'));
    *mode = m;
    return *s == '\0' && m <= 07777;
}

/* The bits of "rwxXst" or one of "ugo" for all three classes; the caller cuts them down to who. */
static bool permissions(const char **s, mode_t now, bool is_dir, mode_t *bits)
{
    *bits = 0;
    for (;; (*s)++) {
        switch (**s) {
        case 'r':
            *bits |= 0444;
            break;
        case 'w':
            *bits |= 0222;
            break;
        case 'x':
            *bits |= 0111;
            break;
        case 'X':
            *bits |= is_dir || (now & 0111) ? 0111 : 0;
            break;
        case 's':
            *bits |= 06000;
            break;
        case 't':
            *bits |= 01000;
            break;
        case 'u':
            *bits |= (now >> 6 & 7) * 0111;
            break;
        case 'g':
            *bits |= (now >> 3 & 7) * 0111;
            break;
        case 'o':
            *bits |= (now & 7) * 0111;
            break;
        case '\0':
        case ',':
        case '+':
        case '-':
        case '=':
            return true;
        default:
            return false;
        }
    }
}

bool owner_mode(const char *expression, mode_t old, bool is_dir, mode_t *mode, struct err *e)
{
    const char *s = expression;
    mode_t now = old & 07777;

    if (*s >= '0' && *s <= '7') {
        if (octal(s, mode))
            return true;
        goto bad;
    }
    for (;;) {
        mode_t who = 0;
        for (; *s && strchr("ugoa", *s); s++)
            who |= *s == 'u' ? 04700 : *s == 'g' ? 02070 : *s == 'o' ? 01007 : 07777;
        if (!who)
            who = 07777;
        if (*s != '+' && *s != '-' && *s != '=')
            goto bad;
        while (*s == '+' || *s == '-' || *s == '=') {
            mode_t bits;
            char op = *s++;
            if (!permissions(&s, now, is_dir, &bits))
                goto bad;
            bits &= who;
            now = op == '+' ? now | bits : op == '-' ? now & ~bits : (now & ~(who & 0777)) | bits;
        }
        if (*s == '\0')
            break;
        if (*s++ != ',')
            goto bad;
    }
    *mode = now;
    return true;
bad:
    return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: mode \"%s\" is not understood", expression);
}

struct known {
    const char *name;
    uint32_t id;
};

static bool known_id(const struct known *table, size_t n, const char *name, uint32_t *id)
{
    int64_t number;
    if (text_int(name, 0, INT32_MAX, &number)) {
        *id = (uint32_t)number;
        return true;
    }
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0) {
            *id = table[i].id;
            return true;
        }
    return false;
}

bool owner_ids(const char *user, const char *group, bool live, uid_t *uid, gid_t *gid, struct err *e)
{
    static const struct known users[] = {
        {"root", 0}, {"daemon", 1}, {"_www", 70}, {"_mysql", 74}, {"_lp", 26}};
    static const struct known groups[] = {{"wheel", 0},    {"daemon", 1},    {"sys", 3},    {"tty", 4},
                                          {"operator", 5}, {"everyone", 12}, {"staff", 20}, {"_lp", 26},
                                          {"_www", 70},    {"_mysql", 74},   {"admin", 80}};
    const struct passwd *pw;
    const struct group *gr;
    uint32_t id;

    if (!user || !*user)
        user = "root";
    if (!group || !*group)
        group = "admin";
    if (known_id(users, sizeof users / sizeof users[0], user, &id))
        *uid = id;
    else if (live && (pw = getpwnam(user)) != NULL)
        *uid = pw->pw_uid;
    else
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: there is no user %s", user);
    if (known_id(groups, sizeof groups / sizeof groups[0], group, &id))
        *gid = id;
    else if (live && (gr = getgrnam(group)) != NULL)
        *gid = gr->gr_gid;
    else
        return err_set(e, ERR_FORMAT, CAUSE_FORMAT, "items_to_copy: there is no group %s", group);
    return true;
}
