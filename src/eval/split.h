/* split.h - mfm's own division of a dataset into training and test songs, for
 * those whose published results rest on unpublished lists ("own split").
 *
 * A song's place is drawn by a hash of its artist and title, so that it depends
 * on nothing but the list of songs and the seed, and the versions of one song
 * stay on one side. data/splits/README.md says it for readers. */
#ifndef EVAL_SPLIT_H
#define EVAL_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The seed of every own split that mfm reports. */
enum { SPLIT_SEED = 2024 };

/* FNV-1a (64 bit; offset basis 0xcbf29ce484222325, prime 0x100000001b3) over
 * the eight bytes of the seed, low byte first, then artist, a zero byte and
 * title, and behind it the finalizer of splitmix64 (S. Vigna). Of the names
 * only ASCII letters (lower case), digits and bytes from 0x80 count, so that
 * "1, 2 Step" is "12step". */
uint64_t split_hash(const char *artist, const char *title, uint64_t seed);

/* Chooses want of n songs: in ascending order of hash each group of songs of
 * one hash is taken whole if it still fits. test (N) says which are taken.
 * Returns how many: want, unless the groups that are left are all too large. */
size_t split_choose(bool *test, const uint64_t *hash, size_t n, size_t want);

#endif
