/* seats: how many licences are left, asked of the server that LicenseInfoURL names (munki-semantics 7.9). */
#ifndef AGENT_SEATS_H
#define AGENT_SEATS_H
#include "core/fetch.h"
#include "manifests/props.h"

/* Ask for names (an array of strings) with GETs of less than 256 characters each, "name=A&name=B" behind url.
 * The answers, dictionaries of integers or booleans by name, together; what fails is logged and missing. In
 * a. */
const struct value *seats_ask(struct arena *a, struct fetch *f, const char *url, const struct value *names);

/* The same as the last InstallInfo.plist (a dictionary, or NULL) had it, for decisions without a network. */
const struct value *seats_known(struct arena *a, const struct value *info);
#endif
