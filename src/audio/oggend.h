/* oggend.h - whether an Ogg file has its end.
 *
 * Ogg tells no length, so that a file which was cut off between two pages looks
 * whole; but the last page of a stream has a flag that says so (RFC 3533,
 * section 6, header_type). */
#ifndef AUDIO_OGGEND_H
#define AUDIO_OGGEND_H

#include "audio/source.h"

/* Whether the last page of the file is incomplete, or does not end a stream. 0
 * where s cannot seek, cannot be read, or has no page near its end (garbage
 * behind it). Moves s. */
int oggend_missing(struct source *s);

#endif
