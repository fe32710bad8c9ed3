/* log.h - messages for people, on stderr, one line each with "mfm: " in front.
 * The level is the only writable global of mfm. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above level are dropped; log_note's are of the level LOG_WARN, but
 * no warnings. LOG_WARN at start; -q sets LOG_ERROR, -v
 * LOG_INFO, -vv LOG_DEBUG. */
void log_set_level(int level);
int log_level(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Copies text to out, which has size bytes (cut where it is longer), with
 * control characters, as names of files may have them, written as \n or \x1b: a
 * message stays on its line, and a terminal takes no orders from it. Returns
 * out. */
char *log_plain(char *out, size_t size, const char *text);

#endif
