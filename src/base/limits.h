/* limits.h - how much mfm takes of files that others made. Beyond a limit a
 * file is refused, before its size costs memory or time. mfm(1) tells users
 * about them under LIMITS. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdint.h>

/* Whole files that are read into memory: bytes, and what a list may name. */
enum {
    LIMIT_LABELS = 1 << 29,     /* labels, packed or not; tables of songs */
    LIMIT_LIST = 1 << 30,       /* --files-from, lists of --data, lengths and
                                   metrics of a run */
    LIMIT_INPUTS = 1 << 24,     /* files that a list names */
    LIMIT_HOOKTHEORY = 1 << 30, /* Hooktheory.json */
    LIMIT_PRESET = 1 << 20      /* a configuration to train by */
};

/* JSON: an object, of which a file may have many. */
enum {
    LIMIT_JSON_BYTES = 100000000, /* as safetensors allows its header */
    LIMIT_JSON_VALUES = 1 << 22,  /* 80 bytes of memory each, and more */
    LIMIT_JSON_DEPTH = 1000       /* cJSON's own */
};

/* Tables of text. */
enum {
    LIMIT_CSV_FIELDS = 4096, /* of a row */
    LIMIT_CSV_ROW = 1 << 24  /* bytes */
};

/* numpy's arrays, zip archives, PyTorch's checkpoints. */
#define LIMIT_NPY ((int64_t)1 << 34) /* bytes */
enum {
    LIMIT_NPY_HEADER = 10000, /* bytes; numpy's own for files not trusted */
    LIMIT_NPY_STRINGS = 1 << 22,
    LIMIT_ZIP_ENTRIES = 1 << 20,
    LIMIT_ZIP_NAME = 1000,             /* bytes */
    LIMIT_PICKLE = 64 << 20,
    LIMIT_PICKLE_VALUES = 4 << 20,
    LIMIT_PICKLE_STACK = 1 << 20,
    LIMIT_PICKLE_ITEMS = 16 << 20,     /* in all containers together */
    LIMIT_PICKLE_VISITS = 1 << 20,     /* values looked at for tensors */
    LIMIT_PICKLE_DEPTH = 16,           /* of dicts on the way to a tensor */
    LIMIT_NAME = 1000                  /* bytes of a tensor's */
};

/* The configuration of a model. */
enum {
    LIMIT_WIDTH = 65536, /* of a layer */
    LIMIT_LAYERS = 1000,
    LIMIT_CLASSES = 10000,  /* of a head */
    LIMIT_PARTS = 64,       /* token streams, heads */
    LIMIT_CODES = 1 << 20,  /* of a stream */
    LIMIT_OUTPUTS = 1 << 24 /* codes of all streams */
};

/* Packed recordings. */
enum {
    LIMIT_SHARD_LINE = 1 << 24, /* bytes of a line of the index */
    LIMIT_SHARDS = 100000,
    LIMIT_SHARD_PIECE = 1 << 28 /* samples */
};

/* Labels, songs, folders. */
enum {
    LIMIT_TIME = 1000000,        /* seconds; 11 days */
    LIMIT_CHORD_DEGREES = 64,    /* of a chord's name */
    LIMIT_KEY_TEXT = 200,        /* bytes of a key's name */
    LIMIT_KEYS = 24,             /* of a song, in one text */
    LIMIT_BARS = 1000,           /* of a line of McGill Billboard */
    LIMIT_REPEATS = 100,         /* of such a line */
    LIMIT_CHORDS = 1000000,      /* of a song of it */
    LIMIT_UNITS = 100000,        /* bars or beats of a song of POP909 */
    LIMIT_BEATS = 100000,   /* of a song of HookTheory */
    LIMIT_STEPS = 12,       /* notes of a chord of it */
    LIMIT_SONGS = 1000000,       /* of a dataset */
    LIMIT_TAGS = 10000,          /* of a tag head's labels */
    LIMIT_KINDS = 1024,    /* different labels of a song that is scored */
    LIMIT_FOLDERS = 16           /* within one another, of a dataset */
};

#endif
