/* err.h - an error code with a message that is complete enough to print.
 *
 * Fallible functions return 0 or a negative ERR_* and take a struct err * last.
 * A message names the file or value, the place, and what to do. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum {
    ERR_ARG = -1,         /* a value outside its limits */
    ERR_NOMEM = -2,       /* an allocation of audio, tensors or files failed */
    ERR_IO = -3,          /* the system refused: open, read, write, map */
    ERR_FORMAT = -4,      /* the bytes are not what the format demands */
    ERR_UNSUPPORTED = -5, /* well formed, but not something mfm can do */
    ERR_DEVICE = -6,      /* a compute library or device failed */
    ERR_STOPPED = -7      /* a signal ended it; what was done is saved */
};

struct err {
    int code; /* 0 or ERR_* */
    char msg[1024];
};

/* Stores code and the formatted message (cut at the size of msg) and returns
 * code. err may be NULL where the caller only wants the code. */
int err_set(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like err_set with ERR_IO, and ": " with the text of errno behind it. */
int err_sys(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts formatted text and ": " before the message that err holds; returns its
 * code. */
int err_prefix(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The only macro that hides a return: passes a failure on. */
#define TRY(call)              \
    do {                       \
        int try_rc_ = (call);  \
        if (try_rc_)           \
            return try_rc_;    \
    } while (0)

#endif
