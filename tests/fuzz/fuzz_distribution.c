/* Any Distribution: refused with a sentence, or a decision, or a refusal to decide. */
#include "core/limits.h"
#include "installer/distribution.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct distribution_machine machines[] = {
        {.arch = "arm64", .os_version = "15.1", .ram_gb = 8}, {.skip_checks = true}};
    struct arena *a = arena_open();
    struct err e = {0};
    struct distribution_plan plan;
    const struct distribution *d = distribution_decode(a, data, size, &e);
    if (!d && !e.text[0])
        abort();
    for (size_t i = 0; d && i < 2; i++) {
        e.text[0] = '\0';
        if (!distribution_decide(a, d, &machines[i], NULL, &plan, &e)) {
            if (!e.text[0])
                abort();
            continue;
        }
        for (size_t k = 0; k < plan.count; k++)
            if (!plan.refs[k]->component || strchr(plan.refs[k]->component, '/'))
                abort();
    }
    arena_free(a);
    return 0;
}
