// SPDX-License-Identifier: ISC
// An X11 window that shows a view: alone on the screen, or inside a host's window.
//
// It redraws when something has changed, at most 30 times a second, and not at all while nobody can see it.
// Units: pixels. Thread: one, that of the user interface; each window has its own connection to the server.
// Allocation: _new, and on resizing. Errors: one line; what the server refuses later, because the window is hidden
// or gone, is passed over.
#ifndef FENBY_WINDOW_H
#define FENBY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "view.h"

typedef struct fenby_window fenby_window;

// parent: the X window to be in, which gets the keys that the view has no use for; 0: none. scale: pixels a point;
// 0: what the desktop says. The view must outlive the window. NULL with one line in error.
fenby_window *fenby_window_new(fenby_view *view, unsigned long parent, double scale, const char *title,
                               char *error, size_t error_size);
void fenby_window_free(fenby_window *window);

unsigned long fenby_window_id(const fenby_window *window);
void fenby_window_size(const fenby_window *window, int *width, int *height);
void fenby_window_resize(fenby_window *window, int width, int height);

// To be called often: takes what pointer and keyboard did and redraws. False when the user has closed it.
bool fenby_window_idle(fenby_window *window);

// Whether anyone can see it.
bool fenby_window_visible(const fenby_window *window);

// How often it was drawn.
unsigned long fenby_window_drawings(const fenby_window *window);

// A new file for notes, named after the time and numbered where one of that second is there, in the folder for
// music or at home.
void fenby_new_midi_path(char *path, size_t size);

#endif
