/* sysprefs: preferences as the system itself has them, asked through a child that ends at once. On a Mac a
 * file says less than the system knows: cfprefsd holds what was just written, and a profile's values reach
 * the file late or, with declarative management, not at all. Elsewhere there is nobody to ask. */
#ifndef AGENT_SYSPREFS_H
#define AGENT_SYSPREFS_H
#include "agent/prefs.h"

/* The child's whole life: `daybreak --preferences` prints them. Returns its exit code. */
int sysprefs_print(void);

/* Ask. On the live target our own program is the child; under another root it is DIR/preferences of --tools,
 * when that is there. *answer is NULL when there is nobody to ask, or when no sense can be made of what was
 * said (logged as a warning): then the files are all there is. l may be NULL: nobody is asked. */
const struct value *sysprefs_ask(struct arena *a, const struct options *o, struct loop *l);

/* The dictionary of one place in an answer, or NULL: it has nothing there. */
const struct value *sysprefs_place(const struct value *answer, const char *domain, enum prefs_source source);
/* Did the system speak about that place at all? Root's own are not told to others. */
bool sysprefs_knows(const struct value *answer, enum prefs_source source);
#endif
