/* bootitem: scripts and files of a bootstrap.json. Its packages are packages like any other.
 *
 * A script's bytes are read from the descriptor that was proved, or, where the JSON names no url, from the
 * file that is there already, and proved here; what runs is a private copy (script.h), so nothing is left at
 * "file" and nobody can change it in between. A file is laid down below the target root, no link followed,
 * under a name of its own beside its place, and renamed. */
#ifndef INSTALLER_BOOTITEM_H
#define INSTALLER_BOOTITEM_H
#include "installer/install.h"
#include "installer/script.h"

/* Run it to its end. Exit 0 is success; of a preflight every exit is an answer, in out->code. Fails with
 * cause script; with step "verify" (out->step) when the file that is there is not what the JSON says; and,
 * where nobody is at the desktop of this Mac, for a userscript. */
CHECKED bool bootitem_script(const struct install_env *env, const struct pkginfo *p, int file,
                             struct install_outcome *out, struct err *e);

/* donotwait: the same in two steps. script_end's answer goes to bootitem_ended. */
struct script *bootitem_start(const struct install_env *env, const struct pkginfo *p, int file,
                              struct install_outcome *out, struct err *e);
CHECKED bool bootitem_ended(const struct pkginfo *p, int code, struct install_outcome *out, struct err *e);

/* Lay it down: rootfile root's, 0644; userfile the console user's, 0755, as are folders made on the way. */
CHECKED bool bootitem_file(const struct install_env *env, const struct pkginfo *p, int file, struct err *e);

/* Is a file with the right SHA-256 there? why (size bytes): one sentence. Turns l between slices. */
bool bootitem_is_there(struct loop *l, int root, const struct pkginfo *p, char *why, size_t size);
#endif
