// SPDX-License-Identifier: ISC
// The live view: a piano roll over what the network hears, an input meter, the controls that matter on stage
// and a line of figures. It draws with cairo and knows neither windows nor hosts: the plugin's window and
// `fenby-jack --ui` show this same view.
//
// Units: pixels of the surface; `scale` of them make a point of the layout (HiDPI). Frames as in view_data.h.
// Thread: one, that of the user interface. Allocation: _new, and cairo's own. Errors: _new gives NULL.
#ifndef FENBY_VIEW_H
#define FENBY_VIEW_H

#include <cairo.h>
#include <stdbool.h>

#include "../../dsp/parameters.h"
#include "../view_data.h"

typedef struct fenby_view fenby_view;

// What the view asks of its owner.
typedef struct {
    void *user;
    // A control was moved; and before and after: it is held, it is let go.
    void (*set)(void *user, fenby_parameter parameter, float value);
    void (*touch)(void *user, fenby_parameter parameter, bool held);
    // Save the notes that began in from .. to on the keys lowest .. highest.
    void (*save)(void *user, int64_t from, int64_t to, int lowest, int highest);
} fenby_view_actions;

// The figures to show.
typedef struct {
    float latency_frames, level_db, load_percent, late_events, overruns;
} fenby_view_status;

fenby_view *fenby_view_new(const fenby_view_actions *actions);
void fenby_view_free(fenby_view *view);

// --- what happens --------------------------------------------------------------------------------------------

void fenby_view_add_hop(fenby_view *view, const fenby_view_hop *hop);
void fenby_view_add_note(fenby_view *view, const fenby_view_note *note);
void fenby_view_end_notes(fenby_view *view);  // with the last hop: it was not told what came since
void fenby_view_set_parameter(fenby_view *view, fenby_parameter parameter, float value);
void fenby_view_set_status(fenby_view *view, const fenby_view_status *status);
void fenby_view_set_model(fenby_view *view, const char *path);  // "": the one built in
void fenby_view_show_message(fenby_view *view, const char *text);

// --- drawing -------------------------------------------------------------------------------------------------

// Whether anything has changed since it was drawn.
bool fenby_view_changed(const fenby_view *view);

void fenby_view_draw(fenby_view *view, cairo_t *cairo, int width, int height, double scale);

// --- pointer and keyboard, at pixels of what was drawn last --------------------------------------------------

void fenby_view_press(fenby_view *view, double x, double y, bool reset);  // reset: to the control's default
void fenby_view_move(fenby_view *view, double x, double y);
void fenby_view_release(fenby_view *view, double x, double y);
void fenby_view_let_go(fenby_view *view);  // the pointer is lost: holds nothing any more, saves nothing
void fenby_view_scroll(fenby_view *view, double x, double y, int steps);

// Pressed: 's' saves all notes that are kept. False: the view has no use for this key.
bool fenby_view_key(fenby_view *view, char key);

#endif
