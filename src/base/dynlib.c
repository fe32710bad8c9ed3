/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/dynlib.h"

#include <dlfcn.h>
#include <string.h>

int dynlib_load(const char *soname, const char *package,
                const struct dynlib_symbol *symbols, size_t n,
                struct err *err)
{
    void *lib = dlopen(soname, RTLD_NOW | RTLD_GLOBAL);

    if (!lib)
        return err_set(err, ERR_UNSUPPORTED,
                       "cannot load %s (%s): install package %s", soname,
                       dlerror(), package);
    for (size_t i = 0; i < n; i++) {
        void *p = dlsym(lib, symbols[i].name);

        if (!p)
            return err_set(err, ERR_UNSUPPORTED, "%s has no %s: mfm was built "
                           "for another version", soname, symbols[i].name);
        *symbols[i].address = p;
    }
    return 0;
}
