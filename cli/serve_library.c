/* serve_library.c — libmicrohttpd (https://www.gnu.org/software/libmicrohttpd/) at run time: linked, it
   would bring a TLS library into every command. */
#include "serve_http.h"

#include <dlfcn.h>
#include <string.h>

http_library mhd;

bool http_load_library(void)
{
    static const char *const names[] = {"libmicrohttpd.so.12", "libmicrohttpd.so",
                                        "libmicrohttpd.dylib"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
#define FIND(name)                                                                                 \
    {                                                                                              \
        void *found = dlsym(library, "MHD_" #name);                                                \
        memcpy(&mhd.name, &found, sizeof found);                                                   \
        if (!found)                                                                                \
            return false;                                                                          \
    }
    MHD_FUNCTIONS(FIND)
    return true;
}
