/* strbuf.h - text that grows. s is always a string (never NULL) and may be read
 * directly; len does not count the final 0. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

struct strbuf {
    char *s;
    size_t len, cap;
};

extern char strbuf_empty[];
#define STRBUF_INIT { strbuf_empty, 0, 0 }

void strbuf_init(struct strbuf *sb);
void strbuf_release(struct strbuf *sb); /* frees; sb is empty and usable */
void strbuf_reset(struct strbuf *sb);   /* empties, keeps the memory */
void strbuf_add(struct strbuf *sb, const void *data, size_t n);
void strbuf_addstr(struct strbuf *sb, const char *s);
void strbuf_addch(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends text with what HTML and XML give a meaning to (& < > " ') escaped,
 * and control characters as U+FFFD. */
void strbuf_addmarkup(struct strbuf *sb, const char *text);

/* Hands the text over: the caller frees it; sb is empty again. */
char *strbuf_detach(struct strbuf *sb);

#endif
