/* walk.h - the audio files in a folder and the folders below it. */
#ifndef AUDIO_WALK_H
#define AUDIO_WALK_H

/* Takes over path, an audio file (error is NULL), or a folder that cannot be
 * read and an error that says so; both are freed by the callee. */
typedef void walk_fn(void *ctx, char *path, char *error);

/* Calls fn for each file below dir whose name is that of audio (stem_is_audio),
 * in the order of the bytes of the names; those that begin with a dot are left
 * out, links are followed, a link back to a folder above is not. */
void walk_audio(const char *dir, walk_fn *fn, void *ctx);

#endif
