/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static const char name[] = "mfm-cuda.so";

int module_find(char *path, struct err *err)
{
    const char *own = getenv("MFM_CUDA_MODULE");
    ssize_t n;

    if (own && *own) {
        /* a bare name is not one for the linker's folders */
        snprintf(path, MODULE_PATH, "%s%s", strchr(own, '/') ? "" : "./", own);
        if (access(path, R_OK))
            return err_set(err, ERR_UNSUPPORTED, "MFM_CUDA_MODULE: %s: %s: "
                           "name the CUDA module, or use --device cpu", own,
                           strerror(errno));
        return 0;
    }
    n = readlink("/proc/self/exe", path, MODULE_PATH - sizeof(name) - 1);
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n > 0) {
        memcpy(path + n, name, sizeof(name));
        if (!access(path, R_OK))
            return 0;
    }
    snprintf(path, MODULE_PATH, "%s/%s", MFM_LIBDIR, name);
    if (access(path, R_OK))
        return err_set(err, ERR_UNSUPPORTED, "CUDA is not built in (there is "
                       "no %s): install or build it (configure --with-cuda), "
                       "or use --device cpu", name);
    return 0;
}

/* ---- the ELF note that cuda/backend.cu puts into it ---- */

/* Whether the n bytes at *p, which become those behind it, begin with ours. */
static int is_ours(const unsigned char **p, size_t *n, uint32_t desc[3])
{
    ElfW(Nhdr) h;
    size_t owner, all;
    int ours;

    memcpy(&h, *p, sizeof(h));
    owner = ((size_t)h.n_namesz + 3) & ~(size_t)3;
    all = sizeof(h) + owner + (((size_t)h.n_descsz + 3) & ~(size_t)3);
    if (all > *n) {
        *n = 0;
        return 0;
    }
    ours = h.n_namesz == 4 && !memcmp(*p + sizeof(h), "mfm", 4) &&
           h.n_descsz == 12;
    if (ours)
        memcpy(desc, *p + sizeof(h) + owner, 12);
    *p += all;
    *n -= all;
    return ours;
}

/* Not in a file that is cut off: loading that would end the program. */
static int find_note(const struct file_map *m, uint32_t desc[3])
{
    ElfW(Ehdr) e;
    ElfW(Phdr) h;
    int found = 0;

    if (m->size < sizeof(e))
        return 0;
    memcpy(&e, m->data, sizeof(e));
    if (memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_phentsize != sizeof(h))
        return 0;
    for (size_t i = 0; i < e.e_phnum; i++) {
        const unsigned char *p;
        size_t at = e.e_phoff + i * sizeof(h), n;

        if (at > m->size || m->size - at < sizeof(h))
            return 0;
        memcpy(&h, m->data + at, sizeof(h));
        if (h.p_offset > m->size || h.p_filesz > m->size - h.p_offset)
            return 0;
        if (h.p_type != PT_NOTE)
            continue;
        p = m->data + h.p_offset;
        n = h.p_filesz;
        while (n >= sizeof(ElfW(Nhdr)))
            found |= is_ours(&p, &n, desc);
    }
    return found;
}

int module_read(struct module_about *a, const char *path, struct err *err)
{
    struct file_map m = {0};
    uint32_t desc[3];
    int found = !file_map(&m, path, NULL) && m.data && find_note(&m, desc);

    file_unmap(&m);
    if (!found)
        return err_set(err, ERR_UNSUPPORTED, "%s is not mfm's CUDA module, or "
                       "is cut off: install it, or use --device cpu", path);
    if (desc[2] != MODULE_INTERFACE)
        return err_set(err, ERR_UNSUPPORTED, "%s is of another version of mfm: "
                       "install that of %s, or use --device cpu", path,
                       MFM_VERSION);
    a->cuda = (int)desc[0];
    a->emulated = (int)desc[1];
    return 0;
}

int module_load(struct module *m, struct err *err)
{
    struct module_about about;
    char path[MODULE_PATH];
    void *lib;

    TRY(module_find(path, err));
    TRY(module_read(&about, path, err));
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return err_set(err, ERR_UNSUPPORTED, "cannot load the CUDA module "
                       "(%s): install the libraries of CUDA %d.%d, or use "
                       "--device cpu", dlerror(), about.cuda / 1000,
                       about.cuda % 1000 / 10);
    *(void **)&m->open = dlsym(lib, "backend_cuda_open");
    *(void **)&m->count = dlsym(lib, "backend_cuda_count");
    if (!m->open || !m->count)
        return err_set(err, ERR_UNSUPPORTED, "%s is not mfm's CUDA module: "
                       "install that, or use --device cpu", path);
    return 0;
}

int module_has_driver(void)
{
    struct module_about about = {0};
    char path[MODULE_PATH];

    if (module_find(path, NULL) || module_read(&about, path, NULL) ||
        about.emulated)
        return 1;
    /* stays loaded: the module wants it next */
    return dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) != NULL;
}
