/* repo_bootstrap: the bytes of a bootstrap.json, from its server or from what is kept. For repo.c alone. */
#ifndef AGENT_REPO_BOOTSTRAP_H
#define AGENT_REPO_BOOTSTRAP_H
#include "core/fetch.h"
#include "manifests/bootstrap.h"

struct repo_bootstrap_place {
    struct arena *a;
    const char *url, *shown; /* shown: without credentials */
    struct fetch *session;   /* NULL: what is kept */
    int data;                /* ManagedInstallDir, where BOOTSTRAP_NAME is kept; -1: nowhere */
    bool keep;
};

/* In a. What does not decode never replaces what is kept. Errors: see repo_bootstrap in repo.h. */
const struct bootstrap *repo_bootstrap_load(const struct repo_bootstrap_place *p, struct err *e);
#endif
