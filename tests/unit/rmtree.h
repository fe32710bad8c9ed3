/* rmtree.h - a folder and all that is in it goes; links are not followed. For
 * tests and fuzz targets. */
#ifndef TESTS_RMTREE_H
#define TESTS_RMTREE_H

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

/* What is in it alone. */
static inline void rmtree_inside(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *item;

    while (dir && (item = readdir(dir))) {
        char *sub;

        if (!strcmp(item->d_name, ".") || !strcmp(item->d_name, ".."))
            continue;
        sub = xasprintf("%s/%s", path, item->d_name);
        if (unlink(sub)) {
            rmtree_inside(sub);
            rmdir(sub);
        }
        free(sub);
    }
    if (dir)
        closedir(dir);
}

static inline void rmtree(const char *path)
{
    rmtree_inside(path);
    rmdir(path);
}

#endif
