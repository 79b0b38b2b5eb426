// SPDX-License-Identifier: ISC
#include "view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS = 862,  // hops that are shown: 10 s
    ROWS = FENBY_N_CONTOUR,
    NOTES = 512,  // that are remembered
    MESSAGE_HOPS = 430,
    CLIP_HOPS = 170,
};

// The layout, in points.
enum {
    MARGIN = 6,
    CONTROL_HEIGHT = 38,
    LEAST_CONTROL_WIDTH = 100,
    METER_WIDTH = 12,
    KEYBOARD_WIDTH = 26,
    STATUS_HEIGHT = 22,
    BUTTON_WIDTH = 128,
    LEAST_DRAG = 4,
};

static const double onset_mark = 1.5, least_note = 6;  // points: what is left of a short note's colour is to be seen
static const double meter_lowest_db = -60, meter_highest_db = 6;

static const fenby_parameter controls[] = {
    FENBY_MODE,       FENBY_TIMING,     FENBY_SENSITIVITY,       FENBY_NOTE_THRESHOLD,
    FENBY_INPUT_GAIN, FENBY_NOISE_GATE, FENBY_MAXIMUM_POLYPHONY, FENBY_TRANSPOSE};
enum { N_CONTROLS = sizeof controls / sizeof *controls, NO_CONTROL = -1 };

typedef struct {
    double x, y, width, height;
} area;

typedef struct {
    int64_t from, to;  // INT64_MAX: it sounds
    uint8_t key, velocity;
} shown_note;

struct fenby_view {
    fenby_view_actions actions;
    fenby_parameters parameters;
    fenby_view_status status;
    char model[80];
    char message[300];
    int message_left, clip_left;  // hops
    bool changed;

    cairo_surface_t *image;  // COLUMNS x ROWS, a ring of columns
    uint64_t n_hops;
    int64_t end_frame;
    double hop_frames;
    shown_note notes[NOTES];
    uint64_t n_notes;

    // The layout, as drawn last.
    double scale;
    area roll, meter, keyboard, button, control[N_CONTROLS];

    // The pointer.
    enum { NOTHING, DRAGS_CONTROL, SELECTS } doing;
    int held;  // index of the control
    double press_x, press_y, at_x, at_y;
    float press_value;
};

// --- the ring of columns -------------------------------------------------------------------------------------

static double between(double low, double x, double high)
{
    return x < low ? low : x > high ? high : x;
}

// Blue for sound, green for what the network takes for a sounding note, white for an onset.
static uint32_t colour(uint8_t spectrum, uint8_t sounding, uint8_t onset)
{
    const double loud = between(0, (spectrum - 64) / 116.0, 1);  // -70 dB .. -15 dB
    const double note = sounding / 255.0, start = onset / 255.0;
    const double red = 14 + 70 * loud * loud + 220 * start;
    const double green = 17 + 115 * loud + 110 * note * (0.4 + 0.6 * loud) + 200 * start;
    const double blue = 24 + 200 * loud * (1 - 0.6 * note) + 190 * start;
    return (uint32_t)between(0, red, 255) << 16 | (uint32_t)between(0, green, 255) << 8 |
           (uint32_t)between(0, blue, 255);
}

static void write_column(fenby_view *v, const fenby_view_hop *hop)
{
    cairo_surface_flush(v->image);
    unsigned char *pixels = cairo_image_surface_get_data(v->image);
    const int stride = cairo_image_surface_get_stride(v->image), x = (int)(v->n_hops % COLUMNS);
    for (int bin = 0; bin < ROWS; bin++) {
        const int key = bin / FENBY_BINS_PER_KEY;
        uint32_t *pixel = (uint32_t *)(void *)(pixels + (ptrdiff_t)(ROWS - 1 - bin) * stride) + x;
        *pixel = hop ? colour(hop->spectrum[bin], hop->sounding[key], hop->onset[key]) : colour(0, 0, 0);
    }
    cairo_surface_mark_dirty_rectangle(v->image, x, 0, 1, ROWS);
    v->n_hops++;
}

// --- life ----------------------------------------------------------------------------------------------------

fenby_view *fenby_view_new(const fenby_view_actions *actions)
{
    fenby_view *v = calloc(1, sizeof *v);
    if (!v) return NULL;
    v->actions = *actions;
    v->parameters = fenby_parameters_default();
    v->status.level_db = -120;
    v->scale = 1;
    v->hop_frames = FENBY_HOP;
    v->held = NO_CONTROL;
    v->changed = true;
    v->image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, COLUMNS, ROWS);
    if (cairo_surface_status(v->image) != CAIRO_STATUS_SUCCESS) {
        fenby_view_free(v);
        return NULL;
    }
    for (int i = 0; i < COLUMNS; i++) write_column(v, NULL);
    return v;
}

void fenby_view_free(fenby_view *v)
{
    if (!v) return;
    cairo_surface_destroy(v->image);
    free(v);
}

// --- what happens --------------------------------------------------------------------------------------------

void fenby_view_add_hop(fenby_view *v, const fenby_view_hop *hop)
{
    if (!(hop->hop_frames >= 1)) return;
    v->hop_frames = hop->hop_frames;
    const double missed = (double)(hop->end_frame - v->end_frame) / v->hop_frames - 1;
    if (v->end_frame && missed > 0.5)
        for (int i = 0; i < COLUMNS && i < lround(fmin(missed, COLUMNS)); i++) write_column(v, NULL);
    write_column(v, hop);
    v->end_frame = hop->end_frame;
    if (v->message_left > 0) v->message_left--;
    if (v->clip_left > 0) v->clip_left--;
    v->changed = true;
}

static void end_notes(fenby_view *v, int lowest, int highest, int64_t frame)
{
    const uint64_t first = v->n_notes > NOTES ? v->n_notes - NOTES : 0;
    for (uint64_t i = first; i < v->n_notes; i++) {
        shown_note *shown = &v->notes[i % NOTES];
        if (shown->key >= lowest && shown->key <= highest && shown->to == INT64_MAX) shown->to = frame;
    }
}

void fenby_view_end_notes(fenby_view *v)
{
    end_notes(v, 0, 127, v->end_frame);
    v->changed = true;
}

void fenby_view_add_note(fenby_view *v, const fenby_view_note *note)
{
    end_notes(v, note->key, note->key, note->frame);
    if (note->velocity)
        v->notes[v->n_notes++ % NOTES] = (shown_note){note->frame, INT64_MAX, note->key, note->velocity};
    v->changed = true;
}

void fenby_view_set_parameter(fenby_view *v, fenby_parameter parameter, float value)
{
    value = fenby_parameter_clamp(parameter, value);
    if (v->parameters.value[parameter] == value) return;
    v->parameters.value[parameter] = value;
    v->changed = true;
}

void fenby_view_set_status(fenby_view *v, const fenby_view_status *status)
{
    // NOLINTNEXTLINE: padding that differs costs a redraw
    if (!memcmp(&v->status, status, sizeof *status)) return;
    v->status = *status;
    if (status->level_db >= 0) v->clip_left = CLIP_HOPS;
    v->changed = true;
}

void fenby_view_set_model(fenby_view *v, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(v->model, sizeof v->model, "%s", slash ? slash + 1 : path);
    v->changed = true;
}

void fenby_view_show_message(fenby_view *v, const char *text)
{
    snprintf(v->message, sizeof v->message, "%s", text);
    v->message_left = MESSAGE_HOPS;
    v->changed = true;
}

// --- places --------------------------------------------------------------------------------------------------

static bool inside(const area *a, double x, double y)
{
    return x >= a->x && x < a->x + a->width && y >= a->y && y < a->y + a->height;
}

static void lay_out(fenby_view *v, double width, double height)
{
    const int fitting = (int)((width - MARGIN) / LEAST_CONTROL_WIDTH);
    const int columns = fitting < 1 ? 1 : fitting < N_CONTROLS ? fitting : N_CONTROLS;
    const int rows = (N_CONTROLS + columns - 1) / columns;
    const double pitch = (width - MARGIN) / columns;
    for (int i = 0; i < N_CONTROLS; i++)
        v->control[i] = (area){MARGIN + i % columns * pitch, MARGIN + i / columns * (CONTROL_HEIGHT + MARGIN),
                               pitch - MARGIN, CONTROL_HEIGHT};
    const double top = MARGIN + rows * (CONTROL_HEIGHT + MARGIN), bottom = height - STATUS_HEIGHT - MARGIN;
    const double tall = fmax(bottom - top, 1);
    v->meter = (area){MARGIN, top, METER_WIDTH, tall};
    v->keyboard = (area){2 * MARGIN + METER_WIDTH, top, KEYBOARD_WIDTH, tall};
    const double left = v->keyboard.x + KEYBOARD_WIDTH + 1;
    v->roll = (area){left, top, fmax(width - MARGIN - left, 1), tall};
    v->button = (area){width - MARGIN - BUTTON_WIDTH, height - STATUS_HEIGHT - MARGIN / 2.0, BUTTON_WIDTH,
                       STATUS_HEIGHT};
}

static double frames_a_point(const fenby_view *v)
{
    return COLUMNS * v->hop_frames / v->roll.width;
}

static double x_of_frame(const fenby_view *v, int64_t frame)
{
    return v->roll.x + v->roll.width - (double)(v->end_frame - frame) / frames_a_point(v);
}

static int64_t frame_of_x(const fenby_view *v, double x)
{
    return v->end_frame - (int64_t)((v->roll.x + v->roll.width - x) * frames_a_point(v));
}

static double key_height(const fenby_view *v)
{
    return v->roll.height / FENBY_N_KEYS;
}

static double top_of_key(const fenby_view *v, int key)
{
    return v->roll.y + (FENBY_HIGHEST_KEY - key) * key_height(v);
}

static int key_of_y(const fenby_view *v, double y)
{
    return (int)between(FENBY_LOWEST_KEY, FENBY_HIGHEST_KEY - floor((y - v->roll.y) / key_height(v)),
                        FENBY_HIGHEST_KEY);
}

// --- drawing -------------------------------------------------------------------------------------------------

static void set_colour(cairo_t *c, uint32_t rgb, double alpha)
{
    cairo_set_source_rgba(c, (rgb >> 16) / 255.0, (rgb >> 8 & 0xff) / 255.0, (rgb & 0xff) / 255.0, alpha);
}

static void fill(cairo_t *c, double x, double y, double width, double height)
{
    cairo_rectangle(c, x, y, width, height);
    cairo_fill(c);
}

static void write_text(cairo_t *c, double x, double y, double size, const char *text)
{
    cairo_set_font_size(c, size);
    cairo_move_to(c, x, y);
    cairo_show_text(c, text);
}

// Smaller where it would be too wide.
static void fit_text(cairo_t *c, double x, double y, double size, double width, const char *text)
{
    cairo_text_extents_t extents;
    cairo_set_font_size(c, size);
    cairo_text_extents(c, text, &extents);
    write_text(c, x, y, extents.x_advance > width ? size * width / extents.x_advance : size, text);
}

static void draw_control(const fenby_view *v, cairo_t *c, int i)
{
    const fenby_parameter parameter = controls[i];
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    const area a = v->control[i];
    const float value = v->parameters.value[parameter];
    const double share = (value - info->minimum) / (info->maximum - info->minimum);
    char text[64];
    fenby_parameter_format(parameter, value, text, sizeof text);
    set_colour(c, v->held == i ? 0x2d3644 : 0x20262f, 1);
    fill(c, a.x, a.y, a.width, a.height);
    set_colour(c, 0x3f7fbf, 1);
    fill(c, a.x, a.y + a.height - 4, a.width * share, 4);
    set_colour(c, 0x8d99a8, 1);
    fit_text(c, a.x + 5, a.y + 12, 10, a.width - 10, info->name);
    set_colour(c, 0xe8edf3, 1);
    fit_text(c, a.x + 5, a.y + 28, 13, a.width - 10, text);
}

static void draw_meter(const fenby_view *v, cairo_t *c)
{
    const area a = v->meter;
    const double range = meter_highest_db - meter_lowest_db, clip = 12;
    const double share = between(0, (v->status.level_db - meter_lowest_db) / range, 1);
    const double tall = a.height - clip - 2;
    set_colour(c, v->clip_left > 0 ? 0xe03c31 : 0x20262f, 1);
    fill(c, a.x, a.y, a.width, clip);
    set_colour(c, 0x20262f, 1);
    fill(c, a.x, a.y + clip + 2, a.width, tall);
    set_colour(c, v->status.level_db > -6 ? 0xe0a030 : 0x3fa36b, 1);
    fill(c, a.x, a.y + a.height - tall * share, a.width, tall * share);
}

static bool is_black(int key)
{
    return 0x54a >> key % 12 & 1;  // C sharp, D sharp, F sharp, G sharp, A sharp
}

static void draw_keyboard(const fenby_view *v, cairo_t *c)
{
    bool sounds[128] = {false};
    const uint64_t first = v->n_notes > NOTES ? v->n_notes - NOTES : 0;
    for (uint64_t i = first; i < v->n_notes; i++)
        if (v->notes[i % NOTES].to == INT64_MAX) sounds[v->notes[i % NOTES].key & 127] = true;
    set_colour(c, 0xcfd5dc, 1);
    fill(c, v->keyboard.x, v->keyboard.y, v->keyboard.width, v->keyboard.height);
    for (int key = FENBY_LOWEST_KEY; key <= FENBY_HIGHEST_KEY; key++) {
        const area a = {v->keyboard.x, top_of_key(v, key), v->keyboard.width, key_height(v)};
        set_colour(c, sounds[key] ? 0xff8a10 : 0x15181d, 1);
        if (sounds[key] || is_black(key)) fill(c, a.x, a.y, is_black(key) ? 0.62 * a.width : a.width, a.height);
        set_colour(c, 0x15181d, 0.5);
        if (!is_black(key) && !is_black(key + 1)) fill(c, a.x, a.y, a.width, 0.5);
    }
}

// The ring of columns, its oldest at the left: in two parts.
static void draw_image(const fenby_view *v, cairo_t *c)
{
    const area a = v->roll;
    const double x_scale = a.width / COLUMNS, y_scale = a.height / ROWS;
    const int oldest = (int)(v->n_hops % COLUMNS);
    for (int part = 0; part < 2; part++) {
        const double x = part ? COLUMNS - oldest : 0, width = part ? oldest : COLUMNS - oldest;
        cairo_save(c);
        cairo_translate(c, a.x, a.y);
        cairo_scale(c, x_scale, y_scale);
        cairo_rectangle(c, x, 0, width, ROWS);
        cairo_clip(c);
        cairo_set_source_surface(c, v->image, part ? x : -oldest, 0);
        cairo_pattern_set_filter(cairo_get_source(c), CAIRO_FILTER_NEAREST);
        cairo_paint(c);
        cairo_restore(c);
    }
}

static void draw_grid(const fenby_view *v, cairo_t *c)
{
    for (int octave = 1; octave <= 8; octave++) {
        const double y = top_of_key(v, 12 * (octave + 1)) + key_height(v);
        char name[16];
        snprintf(name, sizeof name, "C%d", octave);
        set_colour(c, 0xffffff, 0.45);
        if (y - 9 > v->roll.y) write_text(c, v->roll.x + 3, y - 1.5, 9, name);
        set_colour(c, 0xffffff, 0.10);
        fill(c, v->roll.x, y, v->roll.width, 0.7);
    }
    const double second = v->hop_frames * FENBY_SAMPLE_RATE / FENBY_HOP;
    for (int64_t i = (int64_t)ceil((double)frame_of_x(v, v->roll.x) / second); i * second < v->end_frame; i++)
        fill(c, x_of_frame(v, (int64_t)((double)i * second)), v->roll.y, 0.7, v->roll.height);
}

static void draw_notes(const fenby_view *v, cairo_t *c)
{
    const uint64_t first = v->n_notes > NOTES ? v->n_notes - NOTES : 0;
    for (uint64_t i = first; i < v->n_notes; i++) {
        const shown_note *note = &v->notes[i % NOTES];
        const double from = x_of_frame(v, note->from);
        const double to = note->to == INT64_MAX ? v->roll.x + v->roll.width : x_of_frame(v, note->to);
        if (to < v->roll.x || note->key < FENBY_LOWEST_KEY || note->key > FENBY_HIGHEST_KEY) continue;
        const double y = top_of_key(v, note->key), height = fmax(key_height(v), 2);
        set_colour(c, 0xff9a2e, 0.55 + 0.45 * note->velocity / 127);
        fill(c, from, y, fmax(to - from, least_note), height);
        set_colour(c, 0xfff3df, 1);
        fill(c, from, y, onset_mark, height);
    }
}

static void draw_selection(const fenby_view *v, cairo_t *c)
{
    if (v->doing != SELECTS) return;
    set_colour(c, 0xffffff, 0.18);
    fill(c, v->press_x, v->press_y, v->at_x - v->press_x, v->at_y - v->press_y);
}

static void draw_status(const fenby_view *v, cairo_t *c, double width, double height)
{
    char text[400];
    const double rate_hz = v->hop_frames * FENBY_SAMPLE_RATE / FENBY_HOP;
    const double y = height - MARGIN - 3;
    if (v->message_left > 0)
        snprintf(text, sizeof text, "%s", v->message);
    else
        snprintf(text, sizeof text, "latency %.1f ms   load %.0f %%   late %.0f   overruns %.0f   model %s",
                 1e3 * v->status.latency_frames / rate_hz, v->status.load_percent, v->status.late_events,
                 v->status.overruns, *v->model ? v->model : "built in");
    set_colour(c, v->message_left > 0 ? 0xffd27f : 0xaab4c0, 1);
    cairo_save(c);
    cairo_rectangle(c, 0, 0, width - BUTTON_WIDTH - 2 * MARGIN, height);
    cairo_clip(c);
    write_text(c, MARGIN, y, 11, text);
    cairo_restore(c);
    set_colour(c, 0x2d3644, 1);
    fill(c, v->button.x, v->button.y, v->button.width, v->button.height);
    set_colour(c, 0xe8edf3, 1);
    write_text(c, v->button.x + 8, y, 11, "Save last 10 min (S)");
}

void fenby_view_draw(fenby_view *v, cairo_t *c, int pixel_width, int pixel_height, double scale)
{
    const double width = pixel_width / scale, height = pixel_height / scale;
    v->scale = scale;
    v->changed = false;
    lay_out(v, width, height);
    cairo_save(c);
    cairo_scale(c, scale, scale);
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    set_colour(c, 0x14181e, 1);
    cairo_paint(c);
    for (int i = 0; i < N_CONTROLS; i++) draw_control(v, c, i);
    draw_meter(v, c);
    draw_keyboard(v, c);
    cairo_save(c);
    cairo_rectangle(c, v->roll.x, v->roll.y, v->roll.width, v->roll.height);
    cairo_clip(c);
    draw_image(v, c);
    draw_grid(v, c);
    draw_notes(v, c);
    draw_selection(v, c);
    cairo_restore(c);
    draw_status(v, c, width, height);
    cairo_restore(c);
}

bool fenby_view_changed(const fenby_view *v)
{
    return v->changed;
}

// --- pointer and keyboard ------------------------------------------------------------------------------------

static void set(fenby_view *v, fenby_parameter parameter, float value)
{
    value = fenby_parameter_clamp(parameter, value);
    if (v->parameters.value[parameter] == value) return;
    fenby_view_set_parameter(v, parameter, value);
    v->actions.set(v->actions.user, parameter, value);
}

// One step of the wheel or click: choices go round.
static void step(fenby_view *v, fenby_parameter parameter, int steps)
{
    const fenby_parameter_info *info = &fenby_parameter_table[parameter];
    const float size = info->kind == FENBY_CONTINUOUS ? (info->maximum - info->minimum) / 100 : 1;
    float value = v->parameters.value[parameter] + size * (float)steps;
    if (info->kind == FENBY_CHOICE && value > info->maximum) value = info->minimum;
    if (info->kind == FENBY_CHOICE && value < info->minimum) value = info->maximum;
    set(v, parameter, value);
}

static int control_at(const fenby_view *v, double x, double y)
{
    for (int i = 0; i < N_CONTROLS; i++)
        if (inside(&v->control[i], x, y)) return i;
    return NO_CONTROL;
}

static void save_all(fenby_view *v)
{
    v->actions.save(v->actions.user, INT64_MIN, INT64_MAX, 0, 127);
}

static void save_selection(fenby_view *v)
{
    const double left = fmin(v->press_x, v->at_x), right = fmax(v->press_x, v->at_x);
    const double top = fmin(v->press_y, v->at_y), bottom = fmax(v->press_y, v->at_y);
    if (right - left < LEAST_DRAG) return;
    v->actions.save(v->actions.user, frame_of_x(v, left), frame_of_x(v, right), key_of_y(v, bottom),
                    key_of_y(v, top));
}

static void hold_control(fenby_view *v, int i, bool reset)
{
    const fenby_parameter parameter = controls[i];
    v->actions.touch(v->actions.user, parameter, true);
    v->doing = DRAGS_CONTROL;
    v->held = i;
    if (reset)
        set(v, parameter, fenby_parameter_table[parameter].default_value);
    else if (fenby_parameter_table[parameter].kind == FENBY_CHOICE)
        step(v, parameter, 1);
    v->press_value = v->parameters.value[parameter];
}

void fenby_view_let_go(fenby_view *v)
{
    if (v->doing == NOTHING) return;
    if (v->doing == DRAGS_CONTROL) v->actions.touch(v->actions.user, controls[v->held], false);
    v->doing = NOTHING;
    v->held = NO_CONTROL;
    v->changed = true;
}

void fenby_view_press(fenby_view *v, double x, double y, bool reset)
{
    fenby_view_let_go(v);  // of what another button holds
    v->press_x = v->at_x = x / v->scale;
    v->press_y = v->at_y = y / v->scale;
    v->changed = true;
    const int i = control_at(v, v->press_x, v->press_y);
    if (i != NO_CONTROL)
        hold_control(v, i, reset);
    else if (inside(&v->roll, v->press_x, v->press_y))
        v->doing = SELECTS;
    else if (inside(&v->button, v->press_x, v->press_y))
        save_all(v);
    else if (inside(&v->meter, v->press_x, v->press_y))
        v->clip_left = 0;
}

void fenby_view_move(fenby_view *v, double x, double y)
{
    if (v->doing == NOTHING) return;
    v->at_x = x / v->scale;
    v->at_y = y / v->scale;
    v->changed = true;
    if (v->doing != DRAGS_CONTROL) return;
    const fenby_parameter_info *info = &fenby_parameter_table[controls[v->held]];
    const double share = (v->at_x - v->press_x) / v->control[v->held].width;
    if (info->kind != FENBY_CHOICE)
        set(v, controls[v->held], v->press_value + (float)share * (info->maximum - info->minimum));
}

void fenby_view_release(fenby_view *v, double x, double y)
{
    fenby_view_move(v, x, y);
    if (v->doing == SELECTS) save_selection(v);
    fenby_view_let_go(v);
}

void fenby_view_scroll(fenby_view *v, double x, double y, int steps)
{
    const int i = control_at(v, x / v->scale, y / v->scale);
    if (i == NO_CONTROL) return;
    const bool held = v->held == i;
    if (!held) v->actions.touch(v->actions.user, controls[i], true);
    step(v, controls[i], steps);
    if (!held) v->actions.touch(v->actions.user, controls[i], false);
}

bool fenby_view_key(fenby_view *v, char key)
{
    if (key != 's' && key != 'S') return false;
    save_all(v);
    return true;
}
