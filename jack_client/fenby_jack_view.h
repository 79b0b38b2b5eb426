// SPDX-License-Identifier: ISC
// What fenby-jack shows: on a terminal one calm screen (level, keyboard of the notes that sound, last notes,
// latency, load, counters) with keys to act on it, else plain lines. Neither waits for its reader: a terminal that takes
// nothing more shows what it showed, lines that nobody takes are left out, and the next one tells how many.
//
// Thread: control; _leave any. Allocation: in _new. Errors: NULL when memory is short.
#ifndef FENBY_JACK_VIEW_H
#define FENBY_JACK_VIEW_H

#include <stdbool.h>

#include "fenby_jack_control.h"

typedef enum { FENBY_JACK_SILENT, FENBY_JACK_LINES, FENBY_JACK_SCREEN } fenby_jack_view_kind;

typedef struct fenby_jack_view fenby_jack_view;

fenby_jack_view *fenby_jack_view_new(fenby_jack_view_kind kind);

// Gives the terminal back as it was, without waiting long for it. The first call does it.
void fenby_jack_view_leave(fenby_jack_view *view);

// Leaves, and says again what trouble the screen showed last.
void fenby_jack_view_end(fenby_jack_view *view);

void fenby_jack_view_free(fenby_jack_view *view);

void fenby_jack_view_note(fenby_jack_view *view, const fenby_jack_note *note);

// Something a person should know; trouble is told in silence too.
void fenby_jack_view_say(fenby_jack_view *view, const char *line, bool is_trouble);

// Draws, if it is time to; reads the keys that were pressed and does what they mean.
void fenby_jack_view_update(fenby_jack_view *view, fenby_jack_control *control);

// The descriptor to wait on for keys, or -1.
int fenby_jack_view_descriptor(const fenby_jack_view *view);

#endif
