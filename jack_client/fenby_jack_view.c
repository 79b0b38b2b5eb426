// SPDX-License-Identifier: ISC
#include "fenby_jack_view.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "../dsp/event.h"
#include "../dsp/features.h"
#include "command_line.h"
#include "fenby_jack_clock.h"
#include "preset.h"

enum {
    KEYS = 128,
    LAST_NOTES = 5,
    LINE = 200,
    TEXT_BYTES = 16384,
    METER = 40,
    METER_FLOOR_DB = -60,
    MARGIN = 8,
    PATIENCE_MS = 500,  // for the terminal at the end
    KEY_NAME = 16
};

static const double redraw_s = 0.1, clip_s = 2, message_s = 8;
static const float sensitivity_step = 0.05f;

// Terminal control sequences (ECMA-48).
static const char enter_screen[] = "\033[?1049h\033[?25l\033[?7l",
                  leave_screen[] = "\033[?7h\033[?25h\033[?1049l";
static const char reverse[] = "\033[7m", red[] = "\033[1;31m", dim[] = "\033[2m", plain[] = "\033[0m";

struct fenby_jack_view {
    fenby_jack_view_kind kind;
    int output;             // standard output, to write to without waiting for it
    atomic_bool is_entered; // the screen is ours
    bool has_keys;          // the terminal's input is ours
    atomic_bool is_raw;     // and has other settings than before
    struct termios before;
    char **presets;  // paths, ended by NULL; or NULL

    uint8_t velocity[KEYS];  // of what sounds, 0: silent
    fenby_jack_note last[LAST_NOTES];
    size_t n_notes;
    char message[LINE];
    bool message_is_trouble;
    double message_at_s, clip_at_s, drawn_s;

    char text[TEXT_BYTES];  // of the screen, or one line
    size_t length, kept;    // kept: what fits the terminal's height
    size_t shown;           // what the reader has taken
    int line, rows, columns;
    size_t n_left_out;      // lines since the last one
};

static const char *key_name(int key, char name[KEY_NAME])
{
    static const char *const names[12] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
    snprintf(name, KEY_NAME, "%s%d", names[key % 12], key / 12 - 1);
    return name;
}

static bool is_black(int key)
{
    return 1 << key % 12 & 0x54a;  // C# D# F# G# A#
}

// --- drawing -------------------------------------------------------------------------------------------------

static void __attribute__((format(printf, 2, 3))) put(fenby_jack_view *view, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const size_t room = sizeof view->text - view->length;
    const int n = vsnprintf(view->text + view->length, room, format, arguments);
    va_end(arguments);
    if (n > 0) view->length += (size_t)n < room ? (size_t)n : room - 1;
}

// What others have named (files, clients, presets), which is not to tell the terminal what to do.
static void put_name(fenby_jack_view *view, const char *name)
{
    const size_t begin = view->length;
    put(view, "%s", name);
    fenby_make_printable(view->text + begin);
}

// Ends a line; what does not fit the terminal's height is left out.
static void end_line(fenby_jack_view *view)
{
    put(view, "%s\033[K%s", plain, view->line + 1 < view->rows ? "\r\n" : "");
    if (view->line++ < view->rows) view->kept = view->length;
    view->length = view->kept;
}

static void draw_head(fenby_jack_view *view, fenby_jack_control *control,
                      const fenby_jack_control_status *status)
{
    const fenby_jack_state *state = fenby_jack_control_state(control);
    put(view, " %s", reverse);
    put_name(view, fenby_jack_control_name(control));
    put(view, "%s  ", plain);
    put_name(view, *state->preset ? state->preset : "no preset");
    if (status->is_running) {
        put(view, "   %s%g Hz, %u frames%s, model ", dim, status->client.rate_hz, status->client.block_frames,
            status->client.is_freewheeling ? ", freewheeling" : "");
        put_name(view, status->model);
        put(view, "%s", plain);
    } else {
        put(view, "   %sno JACK server%s", red, plain);
    }
    end_line(view);
    end_line(view);
}

static void draw_meter(fenby_jack_view *view, const fenby_jack_control_status *status)
{
    const float level_db = status->is_running ? status->client.engine.level_db : -INFINITY;
    if (level_db >= 0) view->clip_at_s = fenby_jack_now_s();
    const float part = 1 - fminf(fmaxf(level_db / METER_FLOOR_DB, 0), 1);
    const int n = (int)(part * METER);
    put(view, " in    ");
    for (int i = 0; i < METER; i++) put(view, "%c", i < n ? '=' : '.');
    if (level_db > METER_FLOOR_DB) put(view, " %4.0f dB", level_db);
    else put(view, "         ");
    const bool shows_clip = view->clip_at_s > 0 && fenby_jack_now_s() - view->clip_at_s < clip_s;
    if (shows_clip) put(view, "  %sCLIP%s", red, plain);
    else if (status->is_running) put(view, "  %sA4 %.1f Hz%s", dim, status->client.engine.a4_hz, plain);
    end_line(view);
    end_line(view);
}

// As much of the keyboard as there is room for, from the middle.
static void draw_keyboard(fenby_jack_view *view)
{
    const int room = view->columns - MARGIN, missing = room < FENBY_N_KEYS ? FENBY_N_KEYS - room : 0;
    const int first = FENBY_LOWEST_KEY + missing / 2, last = FENBY_HIGHEST_KEY - (missing + 1) / 2;
    put(view, " keys  ");
    for (int key = first; key <= last; key++) {
        const bool sounds = view->velocity[key];
        put(view, "%s%c%s", sounds ? reverse : "", is_black(key) ? '\'' : '_', sounds ? plain : "");
    }
    end_line(view);
    put(view, "       %s", dim);
    for (int key = first; key <= last;) {
        char name[KEY_NAME] = " ";
        if (key % 12 == 0) key_name(key, name);
        put(view, "%s", name);
        key += (int)strlen(name);
    }
    end_line(view);
    end_line(view);
}

static void draw_last_notes(fenby_jack_view *view)
{
    put(view, " notes ");
    for (size_t i = 0; i < LAST_NOTES && i < view->n_notes; i++) {
        char name[KEY_NAME];
        const fenby_jack_note *note = &view->last[(view->n_notes - 1 - i) % LAST_NOTES];
        put(view, "%s%-4s%s%3d%s  ", i == 0 ? "" : dim, key_name(note->key, name), note->late ? "!" : " ",
            note->velocity, plain);
    }
    end_line(view);
    end_line(view);
}

static void draw_count(fenby_jack_view *view, const char *name, uint64_t count)
{
    put(view, "%s%s %llu%s   ", count ? red : "", name, (unsigned long long)count, plain);
}

static void draw_figures(fenby_jack_view *view, const fenby_jack_control_status *status)
{
    const fenby_jack_client_status *client = &status->client;
    put(view, " latency %.1f ms   load %.0f %%   JACK %.0f %%   sounding %u", status->latency_ms,
        100 * client->engine.worker_load, 100 * client->jack_load, client->engine.sounding);
    end_line(view);
    put(view, " ");
    draw_count(view, "xruns", client->xruns);
    draw_count(view, "late notes", client->engine.late_events);
    draw_count(view, "gaps", client->engine.overruns);
    if (status->recording) {
        put(view, "%srecording%s ", red, plain);
        put_name(view, status->recording);
    }
    end_line(view);
    end_line(view);
}

static void draw_foot(fenby_jack_view *view, fenby_jack_control *control)
{
    const fenby_jack_state *state = fenby_jack_control_state(control);
    const float sensitivity = state->parameters.value[FENBY_SENSITIVITY];
    if (view->has_keys)
        put(view, " %sp panic   [ ] preset   - + sensitivity %.2f   q quit%s", dim, sensitivity, plain);
    end_line(view);
    if (fenby_jack_now_s() - view->message_at_s < message_s || view->message_is_trouble)
        put(view, " %s%s", view->message_is_trouble ? red : "", view->message);
    end_line(view);
}

static void draw(fenby_jack_view *view, fenby_jack_control *control)
{
    struct winsize size = {0};
    fenby_jack_control_status status;
    fenby_jack_control_status_get(control, &status);
    ioctl(view->output, TIOCGWINSZ, &size);
    view->rows = size.ws_row > 0 ? size.ws_row : 24;
    view->columns = size.ws_col > MARGIN ? size.ws_col : 80;
    view->length = view->kept = view->shown = 0;
    view->line = 0;
    put(view, "\033[H");
    draw_head(view, control, &status);
    draw_meter(view, &status);
    draw_keyboard(view);
    draw_last_notes(view);
    draw_figures(view, &status);
    draw_foot(view, control);
    put(view, "\033[J");
}

static bool takes_more(int descriptor, int patience_ms)
{
    struct pollfd reader = {.fd = descriptor, .events = POLLOUT};
    return poll(&reader, 1, patience_ms) > 0 && reader.revents & POLLOUT;
}

// Returns how much the reader has taken: nothing where it takes nothing (a dead connection, a halted one). A pipe takes
// all of a line (PIPE_BUF), so it does not wait either.
static size_t write_output(const fenby_jack_view *view, const char *bytes, size_t size, int patience_ms)
{
    if (!takes_more(view->output, patience_ms)) return 0;
    const ssize_t n = write(view->output, bytes, size);
    return n > 0 ? (size_t)n : 0;
}

static bool enter(fenby_jack_view *view)
{
    if (!atomic_load(&view->is_entered))
        atomic_store(&view->is_entered, write_output(view, enter_screen, sizeof enter_screen - 1, 0) > 0);
    return atomic_load(&view->is_entered);
}

// False while the reader has not taken all of it.
static bool show(fenby_jack_view *view)
{
    if (view->shown < view->length)
        view->shown += write_output(view, view->text + view->shown, view->length - view->shown, 0);
    return view->shown == view->length;
}

// --- lines ---------------------------------------------------------------------------------------------------

// A line is left out while the one before is not taken, and a later one tells how many were.
static void print_line(fenby_jack_view *view, const char *line)
{
    if (view->kind != FENBY_JACK_LINES) return;
    if (!show(view)) {
        view->n_left_out++;
        return;
    }
    view->length = view->shown = 0;
    if (view->n_left_out) put(view, "%zu lines were not read and are left out\n", view->n_left_out);
    view->n_left_out = 0;
    put_name(view, line);
    put(view, "\n");
    show(view);
}

static void print_note(fenby_jack_view *view, const fenby_jack_note *note)
{
    char line[LINE], name[KEY_NAME];
    const bool is_on = note->type == FENBY_NOTE_ON;
    snprintf(line, sizeof line, "%s key %d %s velocity %d channel %d frame %lld sound %.6f%s", is_on ? "on " : "off",
             note->key, key_name(note->key, name), note->velocity, note->channel, (long long)note->frame,
             note->sound_s, is_on && note->late ? " late" : "");
    print_line(view, line);
}

// --- keys ----------------------------------------------------------------------------------------------------

static void step_preset(fenby_jack_view *view, fenby_jack_control *control, int step)
{
    char name[NAME_MAX + 1], error[LINE];
    int n = 0, current = -1;
    for (; view->presets && view->presets[n]; n++) {
        fenby_preset_name(view->presets[n], name, sizeof name);
        if (!strcmp(name, fenby_jack_control_state(control)->preset)) current = n;
    }
    if (n == 0) return;
    const int next = current < 0 ? (step > 0 ? 0 : n - 1) : (current + step + n) % n;
    if (!fenby_jack_control_preset(control, view->presets[next], error, sizeof error))
        fenby_jack_view_say(view, error, true);
}

static void step_sensitivity(fenby_jack_control *control, float step)
{
    const float old = fenby_jack_control_state(control)->parameters.value[FENBY_SENSITIVITY];
    fenby_jack_control_set(control, FENBY_SENSITIVITY,
                           roundf((old + step) / sensitivity_step) * sensitivity_step);
}

static void take_key(fenby_jack_view *view, fenby_jack_control *control, char key)
{
    switch (key) {
    case 'p': case ' ': fenby_jack_control_panic(control); break;
    case '[': step_preset(view, control, -1); break;
    case ']': step_preset(view, control, 1); break;
    case '-': step_sensitivity(control, -sensitivity_step); break;
    case '+': case '=': step_sensitivity(control, sensitivity_step); break;
    case 'q': fenby_jack_control_quit(control); break;
    }
}

// The sequences of cursor and function keys begin with an escape, and mean nothing here.
static void take_keys(fenby_jack_view *view, fenby_jack_control *control)
{
    char keys[64];
    const ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    if (n <= 0) view->has_keys = false;
    for (ssize_t i = 0; i < n && keys[i] != '\033'; i++) take_key(view, control, keys[i]);
}

// So does the end of the terminal: once it is read there are no more keys to wait for; unread it would wake without end.
static bool keys_wait(void)
{
    struct pollfd keyboard = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&keyboard, 1, 0) > 0;
}

// --- the view ------------------------------------------------------------------------------------------------

// The terminal anew, for writes that do not wait; others who have standard output would wonder if theirs did not.
static int open_output(void)
{
    char path[PATH_MAX];
    const int terminal = ttyname_r(STDOUT_FILENO, path, sizeof path)
                             ? -1
                             : open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return terminal < 0 ? STDOUT_FILENO : terminal;
}

// Keys come one by one, unseen; the interrupt key still interrupts, and nothing puts the program to sleep or holds its
// output.
static void take_keyboard(fenby_jack_view *view)
{
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &view->before))
        return;
    struct termios raw = view->before;
    raw.c_iflag &= ~(tcflag_t)IXON;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    view->has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    atomic_store(&view->is_raw, view->has_keys);
}

fenby_jack_view *fenby_jack_view_new(fenby_jack_view_kind kind)
{
    fenby_jack_view *view = calloc(1, sizeof *view);
    if (!view) return NULL;
    view->kind = kind;
    view->output = open_output();
    if (kind != FENBY_JACK_SCREEN) return view;
    view->presets = fenby_preset_paths();
    take_keyboard(view);
    return view;
}

void fenby_jack_view_leave(fenby_jack_view *view)
{
    if (!view) return;
    if (atomic_exchange(&view->is_entered, false))
        write_output(view, leave_screen, sizeof leave_screen - 1, PATIENCE_MS);
    if (atomic_exchange(&view->is_raw, false)) tcsetattr(STDIN_FILENO, TCSANOW, &view->before);
}

void fenby_jack_view_end(fenby_jack_view *view)
{
    if (!view) return;
    fenby_jack_view_leave(view);
    if (view->message_is_trouble) fenby_print_line(stderr, "fenby-jack: %s", view->message);
}

void fenby_jack_view_free(fenby_jack_view *view)
{
    if (!view) return;
    if (view->output != STDOUT_FILENO) close(view->output);
    fenby_preset_paths_free(view->presets);
    free(view);
}

int fenby_jack_view_descriptor(const fenby_jack_view *view)
{
    return view->has_keys ? STDIN_FILENO : -1;
}

void fenby_jack_view_note(fenby_jack_view *view, const fenby_jack_note *note)
{
    view->velocity[note->key] = note->type == FENBY_NOTE_ON ? note->velocity : 0;
    if (note->type == FENBY_NOTE_ON) view->last[view->n_notes++ % LAST_NOTES] = *note;
    print_note(view, note);
}

void fenby_jack_view_say(fenby_jack_view *view, const char *line, bool is_trouble)
{
    if (view->kind == FENBY_JACK_SCREEN) {
        snprintf(view->message, sizeof view->message, "%s", line);
        fenby_make_printable(view->message);
        view->message_is_trouble = is_trouble;
        view->message_at_s = fenby_jack_now_s();
    } else if (!is_trouble) {
        print_line(view, line);
    } else if (takes_more(STDERR_FILENO, 0)) {
        fenby_print_line(stderr, "fenby-jack: %s", line);
    }
}

void fenby_jack_view_update(fenby_jack_view *view, fenby_jack_control *control)
{
    if (view->kind != FENBY_JACK_SCREEN) {
        show(view);  // the rest of a line
        return;
    }
    if (view->has_keys && keys_wait()) take_keys(view, control);
    if (!enter(view) || !show(view) || fenby_jack_now_s() - view->drawn_s < redraw_s) return;
    view->drawn_s = fenby_jack_now_s();
    draw(view, control);
    show(view);
}
