// SPDX-License-Identifier: ISC
// Saves recent notes as a MIDI file on a thread of its own, as a disk may take seconds; one file at a time.
//
// Units: frames of the notes' clock. Thread: one, which has the notes: the plugin's worker, fenby-jack's control
// thread. Allocation: in _new and _begin. Errors: _new gives NULL when memory is short, the others one line.
#ifndef FENBY_NOTES_SAVER_H
#define FENBY_NOTES_SAVER_H

#include "recent_notes.h"

typedef struct fenby_notes_saver fenby_notes_saver;

// on_done: called on the saver's thread as soon as a file is done; NULL: nobody.
fenby_notes_saver *fenby_notes_saver_new(void (*on_done)(void *user), void *user);
void fenby_notes_saver_free(fenby_notes_saver *saver);  // waits until the file is done, however long that takes

// Begins to save a copy of the notes, as fenby_recent_notes_save does. False: the last file is not done yet, or
// memory is short.
bool fenby_notes_saver_begin(fenby_notes_saver *saver, const fenby_recent_notes *notes, const char *path,
                             const fenby_notes_range *range, int64_t now, const char *text, char *error,
                             size_t error_size);

// Whether a file is done that was not yet told of; with wait, one that is not done is waited for. The line says how
// many notes are in it, or, where good is false, what went wrong.
bool fenby_notes_saver_tell(fenby_notes_saver *saver, bool wait, bool *good, char *line, size_t line_size);

#endif
