/* hookchord.h - names of HookTheory's chords, which are numbers there. */
#ifndef ANNOT_HOOKCHORD_H
#define ANNOT_HOOKCHORD_H

extern const char *const hook_note_names[12]; /* from C: "C", "Db", ... */

/* The label of a chord in Harte's grammar: root 0..11 and n successive steps in
 * semitones (4, 3: "maj"); sums without a shorthand become a list of degrees.
 * Inversion k puts the k-th note above the root into the bass. The caller frees
 * it. */
char *hook_chord(int root, const int *step, int n, int inversion);

#endif
