// SPDX-License-Identifier: ISC
#include "fenby_jack_window.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dsp/event.h"
#include "../dsp/features.h"
#include "../dsp/ring.h"
#include "../plugin/notes_saver.h"
#include "../plugin/ui/view.h"
#include "../plugin/ui/window.h"

enum { HOPS = 128 };  // that may wait to be drawn: more than a second

static const float silence_db = -120;

// Servers and their rates come and go, so the view's frames are those of the features.
struct fenby_jack_window {
    fenby_jack_control *control;
    fenby_view *view;
    fenby_window *window;
    fenby_recent_notes *recent;
    fenby_notes_saver *saver;
    fenby_ring *hops;  // worker to control
    atomic_bool is_watched;
    char model[PATH_MAX];  // as shown
};

static int64_t view_frame(double time_s)
{
    return llround(time_s * FENBY_SAMPLE_RATE);
}

// --- what the view asks for ----------------------------------------------------------------------------------

static void set_parameter(void *user, fenby_parameter parameter, float value)
{
    fenby_jack_control_set(((fenby_jack_window *)user)->control, parameter, value);
}

static void touch_parameter(void *user, fenby_parameter parameter, bool held)
{
    (void)user, (void)parameter, (void)held;
}

static void save_notes(void *user, int64_t from, int64_t to, int lowest, int highest)
{
    fenby_jack_window *window = user;
    char path[PATH_MAX], text[PATH_MAX + 128], error[PATH_MAX + 128];
    fenby_jack_control_status status;
    fenby_jack_control_status_get(window->control, &status);
    snprintf(text, sizeof text, "fenby-jack " FENBY_VERSION ", model %s", status.model);
    fenby_new_midi_path(path, sizeof path);
    const int64_t now = view_frame(fenby_jack_control_now_s(window->control));
    const fenby_notes_range range = {from, to, lowest, highest};
    if (!fenby_notes_saver_begin(window->saver, window->recent, path, &range, now, text, error, sizeof error))
        fenby_view_show_message(window->view, error);
}

// --- what it is told -----------------------------------------------------------------------------------------

void fenby_jack_window_hop(fenby_jack_window *window, const float *cqt_frame, const float *onset,
                           const float *sounding, double end_s)
{
    fenby_view_hop hop;
    if (!atomic_load_explicit(&window->is_watched, memory_order_relaxed)) return;
    fenby_view_hop_fill(&hop, cqt_frame, onset, sounding, view_frame(end_s), FENBY_SAMPLE_RATE);
    fenby_ring_write(window->hops, &hop, 1);
}

void fenby_jack_window_note(fenby_jack_window *window, const fenby_jack_note *note)
{
    const int64_t frame = view_frame(note->sound_s);
    const uint8_t velocity = note->type == FENBY_NOTE_ON ? note->velocity : 0;
    const fenby_view_note shown = {.frame = frame, .key = note->key, .velocity = velocity};
    const fenby_sent_note sent = {.frame = frame, .key = note->key, .velocity = velocity,
                                  .channel = note->channel};
    fenby_view_add_note(window->view, &shown);
    fenby_recent_notes_add(window->recent, &sent);
}

void fenby_jack_window_say(fenby_jack_window *window, const char *line)
{
    fenby_view_show_message(window->view, line);
}

// --- showing -------------------------------------------------------------------------------------------------

static void show_figures(fenby_jack_window *window)
{
    fenby_jack_control_status status;
    fenby_jack_control_status_get(window->control, &status);
    const fenby_engine_status *engine = &status.client.engine;
    const fenby_view_status shown = {
        .latency_frames = (float)(status.latency_ms * FENBY_SAMPLE_RATE / 1000),
        .level_db = status.is_running ? engine->level_db : silence_db,
        .load_percent = 100 * engine->worker_load,
        .late_events = (float)engine->late_events,
        .overruns = (float)engine->overruns,
    };
    fenby_view_set_status(window->view, &shown);
}

// Settings may be made elsewhere too.
static void show_settings(fenby_jack_window *window)
{
    const fenby_jack_state *state = fenby_jack_control_state(window->control);
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        fenby_view_set_parameter(window->view, i, state->parameters.value[i]);
    if (!strcmp(window->model, state->model)) return;
    snprintf(window->model, sizeof window->model, "%s", state->model);
    fenby_view_set_model(window->view, window->model);
}

bool fenby_jack_window_update(fenby_jack_window *window)
{
    fenby_view_hop hop;
    char line[PATH_MAX + 128];
    bool good;
    if (fenby_notes_saver_tell(window->saver, false, &good, line, sizeof line))
        fenby_view_show_message(window->view, line);
    while (fenby_ring_read(window->hops, &hop, 1)) fenby_view_add_hop(window->view, &hop);
    show_figures(window);
    show_settings(window);
    const bool is_open = fenby_window_idle(window->window);
    atomic_store_explicit(&window->is_watched, fenby_window_visible(window->window), memory_order_relaxed);
    return is_open;
}

bool fenby_jack_window_saved(fenby_jack_window *window, char *error, size_t error_size)
{
    bool good = true;
    return !fenby_notes_saver_tell(window->saver, true, &good, error, error_size) || good;
}

// --- life ----------------------------------------------------------------------------------------------------

static bool begin(fenby_jack_window *window, char *error, size_t error_size)
{
    const fenby_view_actions actions = {window, set_parameter, touch_parameter, save_notes};
    window->view = fenby_view_new(&actions);
    window->recent = fenby_recent_notes_new(FENBY_SAMPLE_RATE);
    window->saver = fenby_notes_saver_new(NULL, NULL);
    window->hops = fenby_ring_new(sizeof(fenby_view_hop), HOPS);
    if (!window->view || !window->recent || !window->saver || !window->hops) {
        snprintf(error, error_size, "not enough memory for a window");
        return false;
    }
    const char *const title = fenby_jack_control_name(window->control);
    window->window = fenby_window_new(window->view, 0, 0, title, error, error_size);
    return window->window;
}

fenby_jack_window *fenby_jack_window_new(fenby_jack_control *control, char *error, size_t error_size)
{
    fenby_jack_window *window = calloc(1, sizeof *window);
    if (!window) {
        snprintf(error, error_size, "not enough memory for a window");
        return NULL;
    }
    window->control = control;
    if (begin(window, error, error_size)) return window;
    fenby_jack_window_free(window);
    return NULL;
}

void fenby_jack_window_free(fenby_jack_window *window)
{
    if (!window) return;
    fenby_window_free(window->window);
    fenby_view_free(window->view);
    fenby_notes_saver_free(window->saver);
    fenby_recent_notes_free(window->recent);
    fenby_ring_free(window->hops);
    free(window);
}
