/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is read of the CUDA module's file without loading it, and what devices
 * are called. The module is the emulation of tests/emu, where it was built. */
#include "unit.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "tensor/backend.h"
#include "tensor/module.h"
#include "tree.h"

static struct tree tree;
static const char *emulation;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    tree_make(&tree);
}

static void teardown(void)
{
    tree_remove(&tree);
}

static void use(const char *path, const char *devices)
{
    setenv("MFM_CUDA_MODULE", path, 1);
    setenv("EMU_DEVICES", devices, 1);
}

START_TEST(module_find_by_environment)
{
    char path[MODULE_PATH];
    struct err err = {0};

    tree_put(&tree, "a.so", "text");
    use(tree_path(&tree, "a.so"), "0");
    ck_assert(!module_find(path, &err));
    ck_assert_str_eq(path, tree_path(&tree, "a.so"));
    use("/nonexistent", "0");
    ck_assert_int_eq(module_find(path, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "MFM_CUDA_MODULE: /nonexistent: "));
    ck_assert_ptr_nonnull(strstr(err.msg, "--device cpu"));
}
END_TEST

static void refuse(const char *data, size_t n, const char *says)
{
    char *path = xstrdup(tree_path(&tree, "m.so"));
    struct module_about a;
    struct err err = {0};
    FILE *f = fopen(path, "wb");

    ck_assert(f && fwrite(data, 1, n, f) == n && !fclose(f));
    ck_assert_int_eq(module_read(&a, path, &err), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.msg, says), "%s", err.msg);
    free(path);
}

START_TEST(module_read_refuses)
{
    struct module_about a;
    struct err err = {0};

    refuse("", 0, "is not mfm's CUDA module");
    refuse("this is text", 12, "is not mfm's CUDA module");
    refuse("\177ELF", 4, "is not mfm's CUDA module");
    ck_assert_int_eq(module_read(&a, "/bin/sh", &err), ERR_UNSUPPORTED);
    ck_assert_int_eq(module_read(&a, "/bin", &err), ERR_UNSUPPORTED);
    ck_assert_int_eq(module_read(&a, "/nonexistent", &err), ERR_UNSUPPORTED);
}
END_TEST

/* Where the note lies in the file. */
static size_t note_of(const struct file_map *m)
{
    static const char start[] = "\4\0\0\0\14\0\0\0\1\0\0\0mfm";

    for (size_t i = 0; i + sizeof(start) <= m->size; i += 4)
        if (!memcmp(m->data + i, start, sizeof(start)))
            return i;
    return 0;
}

/* The file as it is; cut off anywhere before the note's end; each byte of the
 * headers and of the note changed; of another version. */
START_TEST(module_read_note)
{
    struct module_about a = {0};
    struct file_map m = {0};
    struct err err = {0};
    size_t at;
    char *copy;

    ck_assert_msg(!module_read(&a, emulation, &err), "%s", err.msg);
    ck_assert(a.cuda >= 12000 && a.emulated == 1);
    ck_assert(!file_map(&m, emulation, &err));
    at = note_of(&m);
    ck_assert_uint_gt(at, 0);
    copy = malloc(m.size);
    memcpy(copy, m.data, m.size);
    for (size_t n = 0; n < at + 4096; n += 1 + n / 7) /* before the code */
        refuse(copy, n, "is not mfm's CUDA module");
    for (size_t i = 0; i < at + 28; i++) {
        char *path = xstrdup(tree_path(&tree, "c.so"));
        FILE *f = fopen(path, "wb");

        copy[i] = (char)(copy[i] ^ (i % 2 ? 0xff : 0x80));
        ck_assert(f && fwrite(copy, 1, m.size, f) == m.size && !fclose(f));
        module_read(&a, path, NULL); /* no more than its word is asked */
        copy[i] = (char)m.data[i];
        free(path);
    }
    copy[at + 24]++;
    refuse(copy, m.size, "is of another version of mfm");
    copy[at + 24]--;
    copy[at + 13] = 'x';
    refuse(copy, m.size, "is not mfm's CUDA module");
    free(copy);
    file_unmap(&m);
}
END_TEST

START_TEST(backend_check_device_names)
{
    static const char *const good[] = { "auto", "cpu", "cuda", "cuda:0",
                                        "cuda:17", "cuda:1023" };
    static const char *const bad[] = { "", "gpu", "CPU", "cpu:0", "cuda:",
                                       "cuda:x", "cuda:-1", "cuda: 1",
                                       "cuda:1x", "cuda1", "cuda:99999",
                                       "auto:1" };
    struct err err = {0};

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        ck_assert(!backend_check_device(good[i], &err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct backend *be = NULL;

        ck_assert_int_eq(backend_check_device(bad[i], &err), ERR_ARG);
        ck_assert_ptr_nonnull(strstr(err.msg, "auto, cpu, cuda and cuda:N"));
        ck_assert_int_eq(backend_open(&be, bad[i], 1, NULL), ERR_ARG);
        ck_assert_ptr_null(be);
    }
}
END_TEST

START_TEST(backend_choose_precision_of_the_cpu)
{
    struct backend *be = NULL;
    struct err err = {0};

    ck_assert(!backend_open(&be, "cpu", 1, &err));
    ck_assert(!strncmp(be->device, "CPU", 3) && strstr(be->device, "1 thread"));
    for (int training = 0; training < 2; training++) {
        ck_assert(!backend_choose_precision(be, "auto", training, &err));
        ck_assert_int_eq(be->precision, PRECISION_F32);
        ck_assert_int_eq(backend_choose_precision(be, "fp16", training, &err),
                         ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.msg, "--precision fp16"));
    }
    ck_assert_int_eq(backend_choose_precision(be, "tf32", 0, &err),
                     ERR_UNSUPPORTED);
    ck_assert_int_eq(backend_choose_precision(be, "f16", 0, &err), ERR_ARG);
    ck_assert_int_eq(be->precision, PRECISION_F32);
    backend_close(be);
}
END_TEST

/* What device and nth open: the start of its description. */
static void opens(const char *device, int nth, const char *want)
{
    struct backend *be = NULL;
    struct err err = {0};

    ck_assert_msg(!backend_open_nth(&be, device, nth, 1, &err), "%s", err.msg);
    ck_assert_msg(!strncmp(be->device, want, strlen(want)), "%s: %s", device,
                  be->device);
    backend_close(be);
}

START_TEST(backend_open_nth_in_turn)
{
    use(emulation, "3");
    ck_assert_int_eq(backend_cuda_devices(), 3);
    opens("cuda", 0, "cuda:0 ");
    opens("cuda", 4, "cuda:1 ");
    opens("auto", 5, "cuda:2 ");
    opens("cuda:2", 4, "cuda:2 ");
    opens("cpu", 1, "CPU");
    use(emulation, "0");
    opens("auto", 1, "CPU");
    ck_assert_int_eq(backend_cuda_devices(), 0);
    use("/nonexistent", "1");
    opens("auto", 0, "CPU");
    ck_assert_int_eq(backend_cuda_devices(), 0);
}
END_TEST

static const struct {
    const char *arch;
    int training;
    enum precision p;
} automatic[] = {
    { "75", 0, PRECISION_FP16 }, { "75", 1, PRECISION_F32 },
    { "80", 0, PRECISION_BF16 }, { "80", 1, PRECISION_BF16 },
    { "120", 1, PRECISION_BF16 },
};

START_TEST(backend_choose_precision_of_cuda)
{
    struct backend *be = NULL;
    struct err err = {0};
    int old = !strcmp(automatic[_i].arch, "75");

    use(emulation, "1");
    setenv("EMU_ARCH", automatic[_i].arch, 1);
    ck_assert_msg(!backend_open(&be, "cuda", 0, &err), "%s", err.msg);
    ck_assert(!backend_choose_precision(be, "auto", automatic[_i].training,
                                        &err));
    ck_assert_int_eq(be->precision, automatic[_i].p);
    ck_assert_int_eq(backend_choose_precision(be, "tf32", 0, &err),
                     old ? ERR_UNSUPPORTED : 0);
    ck_assert(!backend_choose_precision(be, "fp16", 0, &err));
    ck_assert_int_eq(be->precision, PRECISION_FP16);
    backend_close(be);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor_module");
    TCase *t = tcase_create("module");
    int rc;

    emulation = getenv("MFM_CUDA_MODULE");
    if (emulation && access(emulation, R_OK))
        emulation = NULL;
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, module_find_by_environment);
    tcase_add_test(t, module_read_refuses);
    tcase_add_test(t, backend_check_device_names);
    tcase_add_test(t, backend_choose_precision_of_the_cpu);
    if (emulation) {
        tcase_add_test(t, module_read_note);
        tcase_add_test(t, backend_open_nth_in_turn);
        tcase_add_loop_test(t, backend_choose_precision_of_cuda, 0, 5);
    }
    suite_add_tcase(s, t);
    rc = unit_run(s);
    if (rc || emulation)
        return rc;
    printf("skipped in part: tests/emu/mfm-cuda.so was not built\n");
    return 77;
}
