// SPDX-License-Identifier: ISC
// The window of fenby-jack: the plugin's view (plugin/ui/view.h), fed by the engine's tap and by the notes that
// have left. It keeps the notes of the last ten minutes, to be saved from the window, by a thread of their own.
//
// Thread: control; _hop is the worker's. Allocation: in _new; and cairo's and Xlib's own while drawing. Errors:
// one line. Where the X server goes, Xlib ends the program by exit().
#ifndef FENBY_JACK_WINDOW_H
#define FENBY_JACK_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "fenby_jack_control.h"

typedef struct fenby_jack_window fenby_jack_window;

// The control must outlive the window's last _update.
fenby_jack_window *fenby_jack_window_new(fenby_jack_control *control, char *error, size_t error_size);
void fenby_jack_window_free(fenby_jack_window *window);

// A fenby_jack_tap. Does nothing while nobody can see the window; a hop that finds no room is left out.
void fenby_jack_window_hop(fenby_jack_window *window, const float *cqt_frame, const float *onset,
                           const float *sounding, double end_s);

void fenby_jack_window_note(fenby_jack_window *window, const fenby_jack_note *note);
void fenby_jack_window_say(fenby_jack_window *window, const char *line);

// Draws, if it is time to, and does what pointer and keyboard ask for. False when it has been closed.
bool fenby_jack_window_update(fenby_jack_window *window);

// Waits until the notes that are being saved are on the disk. False with one line: they are not.
bool fenby_jack_window_saved(fenby_jack_window *window, char *error, size_t error_size);

#endif
