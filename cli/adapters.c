/* adapters.c — --adapter: one, or several as one. */
#include "engine.h"

#include <stdlib.h>

int cli_adapters_load(engine *e, const text_list *folders, brink_adapter **out)
{
    brink_adapter *list[BRINK_MAX_ADAPTERS] = {0};
    brink_status status = BRINK_OK;
    uint32_t count = 0;
    *out = NULL;
    if (folders->count > BRINK_MAX_ADAPTERS)
        return cli_fail(EXIT_USAGE, "--adapter: at most %d", BRINK_MAX_ADAPTERS);
    while (count < folders->count && status == BRINK_OK) {
        status = brink_adapter_open(e->model, folders->items[count], &list[count]);
        count += status == BRINK_OK;
    }
    if (status == BRINK_OK && count == 1) {
        *out = list[0];
        return EXIT_DONE;
    }
    if (status == BRINK_OK && count > 1)
        status = brink_adapter_join((const brink_adapter *const *)list, NULL, count, out);
    int result = status == BRINK_OK
                     ? EXIT_DONE
                     : cli_fail(cli_exit_status(status), "%s", brink_error(e->context));
    while (count > 0)
        brink_adapter_destroy(list[--count]);
    return result;
}
