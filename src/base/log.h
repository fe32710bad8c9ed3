/* log.h - messages for people, on stderr, one line each with "mfm: " in front.
 * The level is the only writable global of mfm. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

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

#endif
