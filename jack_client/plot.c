// SPDX-License-Identifier: ISC
#include "plot.h"

#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../dsp/features.h"

enum {
    COLUMNS = 2400,
    ROWS = FENBY_N_CONTOUR,  // three bins for each of the 88 keys
    KEY_HEIGHT = 8,          // pixels
    HEIGHT = FENBY_N_KEYS * KEY_HEIGHT,
    LEFT = 52,
    RIGHT = 20,
    TOP = 40,
    BOTTOM = 52,
};

static const double hop_s = (double)FENBY_HOP / FENBY_SAMPLE_RATE;
static const double shown_db = 60;  // from the loudest bin down to black

struct fenby_plot {
    double start_s;  // of the first column
    size_t n_columns, hops_in_last, hops_per_column;
    float image[COLUMNS][ROWS];  // the loudest of the column's hops, as the CQT gives it
};

// --- collecting ----------------------------------------------------------------------------------------------

fenby_plot *fenby_plot_new(void)
{
    fenby_plot *plot = calloc(1, sizeof *plot);
    if (plot) plot->hops_per_column = 1;
    return plot;
}

void fenby_plot_free(fenby_plot *plot)
{
    free(plot);
}

// Out of columns: each pair becomes one.
static void merge_columns(fenby_plot *plot)
{
    for (size_t c = 0; c < COLUMNS / 2; c++)
        for (size_t r = 0; r < ROWS; r++)
            plot->image[c][r] = fmaxf(plot->image[2 * c][r], plot->image[2 * c + 1][r]);
    memset(plot->image[COLUMNS / 2], 0, sizeof plot->image / 2);
    plot->n_columns = COLUMNS / 2;
    plot->hops_per_column *= 2;
    plot->hops_in_last = plot->hops_per_column;
}

void fenby_plot_add(fenby_plot *plot, const float *cqt_frame, double end_s)
{
    if (plot->n_columns == 0) plot->start_s = end_s - hop_s;
    const bool last_is_full = plot->n_columns == 0 || plot->hops_in_last == plot->hops_per_column;
    if (last_is_full && plot->n_columns == COLUMNS) merge_columns(plot);
    if (last_is_full) {
        plot->n_columns++;
        plot->hops_in_last = 0;
    }
    float *column = plot->image[plot->n_columns - 1];
    for (size_t r = 0; r < ROWS; r++) column[r] = fmaxf(column[r], cqt_frame[r * FENBY_N_RESOLUTIONS]);
    plot->hops_in_last++;
}

// --- colours -------------------------------------------------------------------------------------------------

typedef struct {
    double r, g, b;
} colour;

static colour blend(const colour *stops, int n_stops, double at)
{
    const double position = fmin(fmax(at, 0), 1) * (n_stops - 1);
    const int i = position < n_stops - 1 ? (int)position : n_stops - 2;
    const double t = position - i;
    const colour a = stops[i], b = stops[i + 1];
    return (colour){a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

// Night blue to pale: stays behind the notes, which are in colours it does not hold.
static colour spectrum_colour(double level)
{
    static const colour stops[] = {
        {0.05, 0.06, 0.10}, {0.08, 0.16, 0.30}, {0.22, 0.38, 0.58}, {0.78, 0.86, 0.94}};
    return blend(stops, 4, level);
}

static colour velocity_colour(int velocity)
{
    static const colour stops[] = {{0.25, 0.85, 0.45}, {1.00, 0.85, 0.20}, {1.00, 0.30, 0.20}};
    return blend(stops, 3, (velocity - 1) / 126.0);
}

static void set_colour(cairo_t *cairo, colour c)
{
    cairo_set_source_rgb(cairo, c.r, c.g, c.b);
}

// --- drawing -------------------------------------------------------------------------------------------------

static uint32_t pixel(colour c)
{
    return (uint32_t)lrint(255 * c.r) << 16 | (uint32_t)lrint(255 * c.g) << 8 | (uint32_t)lrint(255 * c.b);
}

// The spectrum, one pixel a bin and column, brightest at the loudest.
static cairo_surface_t *image_surface(const fenby_plot *plot)
{
    const int width = plot->n_columns ? (int)plot->n_columns : 1;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, ROWS);
    unsigned char *bytes = cairo_image_surface_get_data(surface);
    if (!bytes) return surface;
    float loudest = 0.5f;  // -50 dB: silence stays black
    for (size_t c = 0; c < plot->n_columns; c++)
        for (size_t r = 0; r < ROWS; r++) loudest = fmaxf(loudest, plot->image[c][r]);
    for (int r = 0; r < ROWS; r++) {
        uint32_t *row = (uint32_t *)(void *)(bytes + (ROWS - 1 - r) * cairo_image_surface_get_stride(surface));
        for (int c = 0; c < width; c++)
            row[c] = pixel(spectrum_colour(1 + (plot->image[c][r] - loudest) * 100 / shown_db));
    }
    cairo_surface_mark_dirty(surface);
    return surface;
}

static void draw_spectrum(cairo_t *cairo, const fenby_plot *plot, double pixels_per_s)
{
    cairo_surface_t *surface = image_surface(plot);
    cairo_save(cairo);
    cairo_translate(cairo, plot->start_s * pixels_per_s, 0);
    cairo_scale(cairo, (double)plot->hops_per_column * hop_s * pixels_per_s, (double)HEIGHT / ROWS);
    cairo_set_source_surface(cairo, surface, 0, 0);
    cairo_paint(cairo);
    cairo_restore(cairo);
    cairo_surface_destroy(surface);
}

// Transposed notes may lie beyond the piano: they are drawn at its edge.
static double key_y(int key)
{
    key = key < FENBY_LOWEST_KEY ? FENBY_LOWEST_KEY : key > FENBY_HIGHEST_KEY ? FENBY_HIGHEST_KEY : key;
    return HEIGHT - (key + 1 - FENBY_LOWEST_KEY) * KEY_HEIGHT;
}

// An outline that lets the spectrum through; a note too narrow for that is filled.
static void draw_note(cairo_t *cairo, double x, double y, double width, colour c)
{
    const double line = 1.5;
    cairo_set_line_width(cairo, line);
    cairo_rectangle(cairo, x, y + line / 2, fmax(width, 1), KEY_HEIGHT - line);
    const double opacity = width < 3 * line ? 1 : 0.3;
    cairo_set_source_rgba(cairo, c.r, c.g, c.b, opacity);
    if (opacity < 1) {
        cairo_fill_preserve(cairo);
        set_colour(cairo, c);
        cairo_stroke(cairo);
    } else {
        cairo_fill(cairo);
    }
}

static void draw_notes(cairo_t *cairo, const fenby_notes *notes, double pixels_per_frame)
{
    for (size_t i = 0; i < notes->count; i++) {
        const fenby_note *note = &notes->note[i];
        const double width = (double)(note->offset_frame - note->onset_frame) * pixels_per_frame;
        draw_note(cairo, (double)note->onset_frame * pixels_per_frame, key_y(note->key), width,
                  velocity_colour(note->velocity));
    }
}

// The length of the UTF-8 character at the start of the bytes; 0: there is none that cairo takes.
static int character_length(const unsigned char *bytes)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const int lengths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4};
    const int length = *bytes < 0xf8 ? lengths[*bytes >> 4] : 0;
    uint32_t code = length > 1 ? *bytes & (0x7fU >> length) : *bytes;
    for (int i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    const bool is_reserved = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe || code > 0x10ffff;
    return code >= least[length] && !is_surrogate && !is_reserved ? length : 0;
}

// anchor: 0 the text begins at x, 0.5 it is centred there, 1 it ends there.
static void draw_text(cairo_t *cairo, const char *text, double x, double y, double anchor)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - anchor * extents.x_advance, y);
    cairo_show_text(cairo, text);
}

// A file's name may be of any bytes; one text that is no UTF-8 would spoil the whole picture.
static void draw_title(cairo_t *cairo, const char *title)
{
    char text[256];
    snprintf(text, sizeof text, "%s", title);
    for (char *at = text; *at; at++) {
        const int length = character_length((const unsigned char *)at);
        if (length == 0) *at = '?';
        if (length > 1) at += length - 1;
    }
    draw_text(cairo, text, 0, -13, 0);
}

static void draw_line(cairo_t *cairo, double x0, double y0, double x1, double y1)
{
    cairo_move_to(cairo, x0, y0);
    cairo_line_to(cairo, x1, y1);
    cairo_stroke(cairo);
}

// Every C, in the middle of its key.
static void draw_key_axis(cairo_t *cairo, double width)
{
    for (int key = 24; key <= FENBY_HIGHEST_KEY; key += 12) {
        char name[16];
        const double y = key_y(key) + KEY_HEIGHT / 2;
        snprintf(name, sizeof name, "C%d", key / 12 - 1);
        cairo_set_source_rgba(cairo, 1, 1, 1, 0.18);
        draw_line(cairo, 0, y, width, y);
        cairo_set_source_rgb(cairo, 0.2, 0.2, 0.2);
        draw_line(cairo, -5, y, 0, y);
        draw_text(cairo, name, -9, y + 4, 1);
    }
}

// The least of 1, 2 and 5 times a power of ten that keeps the labels apart.
static double time_step(double pixels_per_s)
{
    double step = 0.1;
    for (int i = 0; step * pixels_per_s < 70; i++) step *= i % 3 == 1 ? 2.5 : 2;
    return step;
}

static void draw_time_axis(cairo_t *cairo, double duration_s, double pixels_per_s)
{
    const double step = time_step(pixels_per_s);
    for (int i = 0; i * step <= duration_s; i++) {
        char label[32];
        const double x = i * step * pixels_per_s;
        snprintf(label, sizeof label, "%.10g", i * step);
        cairo_set_source_rgb(cairo, 0.2, 0.2, 0.2);
        draw_line(cairo, x, HEIGHT, x, HEIGHT + 5);
        draw_text(cairo, label, x, HEIGHT + 19, 0.5);
    }
    draw_text(cairo, "seconds", duration_s * pixels_per_s / 2, HEIGHT + 40, 0.5);
}

static void draw_velocity_scale(cairo_t *cairo, double right)
{
    const double left = right - 160;
    for (int velocity = 1; velocity <= 127; velocity++) {
        set_colour(cairo, velocity_colour(velocity));
        cairo_rectangle(cairo, left + velocity, -22, 1.5, 10);
        cairo_fill(cairo);
    }
    cairo_set_source_rgb(cairo, 0.2, 0.2, 0.2);
    draw_text(cairo, "velocity 1", left - 4, -13, 1);
    draw_text(cairo, "127", left + 134, -13, 0);
}

static void draw(cairo_t *cairo, const fenby_plot *plot, const fenby_notes *notes, double rate_hz,
                 double duration_s, double width, const char *title)
{
    const double pixels_per_s = width / duration_s;
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_translate(cairo, LEFT, TOP);
    cairo_save(cairo);
    cairo_rectangle(cairo, 0, 0, width, HEIGHT);
    cairo_clip(cairo);
    set_colour(cairo, spectrum_colour(0));
    cairo_paint(cairo);
    draw_spectrum(cairo, plot, pixels_per_s);
    draw_notes(cairo, notes, pixels_per_s / rate_hz);
    cairo_restore(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, 12);
    cairo_set_line_width(cairo, 1);
    draw_key_axis(cairo, width);
    draw_time_axis(cairo, duration_s, pixels_per_s);
    draw_velocity_scale(cairo, width);
    cairo_rectangle(cairo, 0, -TOP, width - 260, TOP);
    cairo_clip(cairo);
    cairo_set_font_size(cairo, 14);
    draw_title(cairo, title);
}

static cairo_status_t write_bytes(void *file, const unsigned char *bytes, unsigned size)
{
    return fwrite(bytes, 1, size, file) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

bool fenby_plot_write(const fenby_plot *plot, const fenby_notes *notes, double rate_hz, double duration_s,
                      const char *title, FILE *file, const char **reason)
{
    const double shown_s = fmax(duration_s, hop_s);
    const double width = rint(fmin(fmax(shown_s * 120, 900), COLUMNS));
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, LEFT + (int)width + RIGHT,
                                                          TOP + HEIGHT + BOTTOM);
    cairo_t *cairo = cairo_create(surface);
    draw(cairo, plot, notes, rate_hz, shown_s, width, title);
    cairo_status_t status = cairo_status(cairo);
    if (!status) status = cairo_surface_write_to_png_stream(surface, write_bytes, file);
    *reason = status == CAIRO_STATUS_WRITE_ERROR ? strerror(errno) : cairo_status_to_string(status);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return !status;
}
