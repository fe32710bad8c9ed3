/* unit.h - what the Check programs share.
 *
 * A program holds one suite; its main is UNIT_MAIN(tcase...). Golden data that
 * is not in the checkout is found by unit_shared; tests without it end the
 * program with 77 (skipped, counted by make check). */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* TOP_SRCDIR/path in a static buffer that the next but three calls reuse. */
static inline const char *unit_path(const char *dir, const char *path)
{
    static char buf[4][4096];
    static int next;
    char *b = buf[next++ & 3];
    const char *top = getenv("TOP_SRCDIR");

    snprintf(b, sizeof(buf[0]), "%s/%s%s", top ? top : ".", dir, path);
    return b;
}

/* A file that the checkout has. */
static inline const char *unit_data(const char *path)
{
    return unit_path("tests/data/", path);
}

/* A file of ../shared (MFM_SHARED overrides); NULL if it is absent. */
static inline const char *unit_shared(const char *path)
{
    const char *shared = getenv("MFM_SHARED");
    static char buf[4][4096];
    static int next;
    char *b = buf[next++ & 3];

    if (!shared)
        return access(unit_path("../shared/", path), R_OK)
                   ? NULL : unit_path("../shared/", path);
    snprintf(b, sizeof(buf[0]), "%s/%s", shared, path);
    return access(b, R_OK) ? NULL : b;
}

/* At the top of a main: skips it all where a shared path is absent. */
#define UNIT_NEED_SHARED(path)                                     \
    do {                                                           \
        if (!unit_shared(path)) {                                  \
            printf("skipped: no ../shared/%s\n", path);            \
            return 77;                                             \
        }                                                          \
    } while (0)

static inline int unit_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

/* The same where some of the tests pass over a shared path that is absent: then
 * what ran must pass, and the program counts as skipped. */
static inline int unit_run_shared(Suite *s, const char *path)
{
    int rc = unit_run(s);

    if (rc || unit_shared(path))
        return rc;
    printf("skipped in part: no ../shared/%s\n", path);
    return 77;
}

#endif
