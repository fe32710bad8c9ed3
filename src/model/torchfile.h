/* torchfile.h - PyTorch checkpoints (.pt .pth .ckpt .bin): the tensors of a
 * state_dict, without Python and without running anything that is in the file.
 *
 * Reads what torch.save has written since 0.4: zip archives (1.6 and later;
 * deflated ones too) and the older stream of pickles. Layout: PyTorch's
 * torch/serialization.py and caffe2/serialize/inline_container.cc. */
#ifndef MODEL_TORCHFILE_H
#define MODEL_TORCHFILE_H

#include <stddef.h>
#include "base/err.h"
#include "model/stored.h"

struct torchfile;

#define TORCHFILE_NOTE "extra/mfm.json"

/* Opens path and finds its tensors; their data stay in the file. If the top
 * level is a dict with a dict "state_dict" (Lightning) only that is read. A
 * tensor's name is its key, keys of nested dicts joined by "/"; a file that
 * holds one bare tensor gives it the name "". Everything is checked against
 * the storages' sizes here. ERR_FORMAT for damage; ERR_UNSUPPORTED for
 * TorchScript, tar, big-endian, sparse and quantised tensors, more than 8
 * dimensions, names that are no proper text; ERR_IO. */
int torchfile_open(struct torchfile **out, const char *path, struct err *err);
/* The same of bytes that the caller keeps. */
int torchfile_parse(struct torchfile **out, const void *data, size_t size,
                    const char *name, struct err *err);
void torchfile_free(struct torchfile *tf); /* NULL is allowed */

size_t torchfile_count(const struct torchfile *tf);
/* Tensor i in the order of the file: name, type, shape and strides (those of
 * dimensions of 1 and of empty tensors are 0); its data is NULL. */
const struct stored *torchfile_tensor(const struct torchfile *tf, size_t i);
/* Whether the tensors were found under "state_dict". */
int torchfile_wrapped(const struct torchfile *tf);

/* The text that torchfile_add_note put beside the tensors, which the caller
 * frees; *out is NULL where there is none. ERR_FORMAT, ERR_NOMEM. */
int torchfile_note(const struct torchfile *tf, char **out, struct err *err);

/* Tensor i with its data, valid until the next load or free (a deflated
 * storage is unpacked into memory, one at a time). A stored entry whose
 * checksum differs is logged, not refused: torch.save can be told not to
 * compute them. ERR_FORMAT, ERR_NOMEM. */
int torchfile_load(struct torchfile *tf, size_t i, struct stored *out,
                   struct err *err);
/* Gives the memory of tensor i's pages back; they are read again if needed. */
void torchfile_forget(const struct torchfile *tf, size_t i);

/* Writing: torch.load reads the result with weights_only=True. Tensors come in
 * the order of the array, each with its own storage:
 *
 *     struct torchfile_out *out = NULL;
 *     TRY(torchfile_create(&out, path, tensor, n, wrapped, err));
 *     for (size_t i = 0; i < n; i++) {
 *         torchfile_begin(out, i);
 *         torchfile_put(out, bytes, count);   -- row-major, in pieces
 *         torchfile_end(out);
 *     }
 *     rc = torchfile_commit(out, err);
 *     torchfile_abort(out);
 */
struct torchfile_out;
/* tensor (name, type, dim) is borrowed until abort. wrapped: as
 * {"state_dict": {...}}. ERR_UNSUPPORTED for types that torch has no storage
 * class of; ERR_IO. */
int torchfile_create(struct torchfile_out **out, const char *path,
                     const struct stored *tensor, size_t n, int wrapped,
                     struct err *err);
/* Before the first tensor: a text that torch.load does not look at. */
void torchfile_add_note(struct torchfile_out *out, const char *text);
void torchfile_begin(struct torchfile_out *out, size_t i);
/* Has the signature that stored_emit wants; write errors show in commit. */
void torchfile_put(void *out, const void *data, size_t n);
void torchfile_end(struct torchfile_out *out);
int torchfile_commit(struct torchfile_out *out, struct err *err);
void torchfile_abort(struct torchfile_out *out); /* NULL is allowed; frees */

#endif
