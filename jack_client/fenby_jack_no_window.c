// SPDX-License-Identifier: ISC
// In place of fenby_jack_window.c where there is no X11 to build with.
#include <stdio.h>

#include "fenby_jack_window.h"

fenby_jack_window *fenby_jack_window_new(fenby_jack_control *control, char *error, size_t error_size)
{
    (void)control;
    snprintf(error, error_size, "--ui: this fenby-jack was built without X11 and has no window");
    return NULL;
}

void fenby_jack_window_free(fenby_jack_window *window)
{
    (void)window;
}

void fenby_jack_window_hop(fenby_jack_window *window, const float *cqt_frame, const float *onset,
                           const float *sounding, double end_s)
{
    (void)window, (void)cqt_frame, (void)onset, (void)sounding, (void)end_s;
}

void fenby_jack_window_note(fenby_jack_window *window, const fenby_jack_note *note)
{
    (void)window, (void)note;
}

void fenby_jack_window_say(fenby_jack_window *window, const char *line)
{
    (void)window, (void)line;
}

bool fenby_jack_window_update(fenby_jack_window *window)
{
    (void)window;
    return true;
}

bool fenby_jack_window_saved(fenby_jack_window *window, char *error, size_t error_size)
{
    (void)window, (void)error, (void)error_size;
    return true;
}
