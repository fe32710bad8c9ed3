/* stem.h - the name that a recording and its label files have in common. */
#ifndef AUDIO_STEM_H
#define AUDIO_STEM_H

/* 1 if the name ends in an extension of an audio file, or of a video file that
 * may hold music (.flac, .MP3, .webm ...), whatever the case of its letters. */
int stem_is_audio(const char *name);

/* The last part of path without its extension, so that "a/song.mp3",
 * "b/song.chords.lab" and "song.npy" all give "song". What is cut off is an
 * audio extension, .npy, .ndjson, or one of .chords.lab .structure.lab .lab
 * .seg .beats .key .tags .tempo .bpm .json .jams .jamz .txt .csv, or, as in
 * GTZAN-Rhythm, .wav.jams and the like; any other name stays whole ("v1.2").
 * "-" gives "stdin". The caller frees it. */
char *stem_of(const char *path);

#endif
