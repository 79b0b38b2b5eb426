// SPDX-License-Identifier: ISC
// The picture is read again: its size for short and long recordings, sound and notes where they belong.
#include <cairo.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "dsp/features.h"
#include "jack_client/plot.h"
#include "test.h"

enum { LEFT = 52, TOP = 40, HEIGHT = 88 * 8, KEY_HEIGHT = 8 };
static const double hop_s = (double)FENBY_HOP / FENBY_SAMPLE_RATE;

// fontconfig keeps what it read.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}

// What the drawing is told instead of its own state, if anything.
static cairo_status_t feigned;

cairo_status_t cairo_status(cairo_t *cairo)
{
    cairo_status_t (*const real)(cairo_t *) = (cairo_status_t (*)(cairo_t *))dlsym(RTLD_NEXT, "cairo_status");
    return feigned ? feigned : real(cairo);
}

typedef struct {
    cairo_surface_t *surface;
    int width, height;
    double pixels_per_s;
} picture;

static cairo_status_t read_bytes(void *file, unsigned char *bytes, unsigned size)
{
    return fread(bytes, 1, size, file) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_READ_ERROR;
}

static picture draw_titled(const fenby_plot *plot, const fenby_notes *notes, double duration_s,
                           const char *title)
{
    const char *reason;
    FILE *file = tmpfile();
    REQUIRE(file, "no temporary file");
    CHECK(fenby_plot_write(plot, notes, 1000, duration_s, title, file, &reason), "not drawn: %s", reason);
    rewind(file);
    picture p = {.surface = cairo_image_surface_create_from_png_stream(read_bytes, file)};
    fclose(file);
    REQUIRE(cairo_surface_status(p.surface) == CAIRO_STATUS_SUCCESS, "not read");
    p.width = cairo_image_surface_get_width(p.surface);
    p.height = cairo_image_surface_get_height(p.surface);
    p.pixels_per_s = (p.width - LEFT - 20) / duration_s;
    return p;
}

static picture draw(const fenby_plot *plot, const fenby_notes *notes, double duration_s)
{
    return draw_titled(plot, notes, duration_s, "a title");
}

static int pixel(const picture *p, double seconds, double key)
{
    const int x = LEFT + (int)(seconds * p->pixels_per_s);
    const int y = TOP + HEIGHT - (int)((key + 0.5 - FENBY_LOWEST_KEY) * KEY_HEIGHT);
    const unsigned char *bytes = cairo_image_surface_get_data(p->surface);
    uint32_t value;
    memcpy(&value, bytes + y * cairo_image_surface_get_stride(p->surface) + 4 * x, sizeof value);
    return (int)(value & 0xffffff);
}

static int red(int pixel) { return pixel >> 16; }
static int blue(int pixel) { return pixel & 0xff; }

// A recording in which this key sounds from one second to another, over faint noise.
static fenby_plot *listen(double duration_s, int key, double from_s, double to_s)
{
    static float frame[FENBY_N_FEATURES];
    fenby_plot *plot = fenby_plot_new();
    REQUIRE(plot, "not enough memory");
    for (double end_s = hop_s; end_s < duration_s; end_s += hop_s) {
        for (int i = 0; i < FENBY_N_FEATURES; i++) frame[i] = 0.1f;
        if (end_s > from_s && end_s <= to_s)
            for (int b = 0; b < 3; b++) frame[(3 * (key - FENBY_LOWEST_KEY) + b) * FENBY_N_RESOLUTIONS] = 0.9f;
        fenby_plot_add(plot, frame, end_s);
    }
    return plot;
}

static void test_sizes(void)
{
    static const struct {
        double duration_s;
        int width;
    } cases[] = {{0, 900}, {0.05, 900}, {3, 900}, {10, 1200}, {60, 2400}, {600, 2400}, {5000, 2400}};
    const fenby_notes none = {0};
    for (int i = 0; i < 7; i++) {
        fenby_plot *plot = listen(cases[i].duration_s, 60, 0, 1);
        const picture p = draw(plot, &none, cases[i].duration_s);
        CHECK(p.width == LEFT + cases[i].width + 20, "%g s: %d pixels wide", cases[i].duration_s, p.width);
        CHECK(p.height == TOP + HEIGHT + 52, "%g s: %d pixels high", cases[i].duration_s, p.height);
        cairo_surface_destroy(p.surface);
        fenby_plot_free(plot);
    }
}

// Sound is bright where and when it was, also when many hops share a column.
static void test_sound(double duration_s, int key)
{
    const fenby_notes none = {0};
    const double from_s = duration_s * 0.4, to_s = duration_s * 0.6, near_s = duration_s * 0.01;
    fenby_plot *plot = listen(duration_s, key, from_s, to_s);
    const picture p = draw(plot, &none, duration_s);
    CHECK(blue(pixel(&p, from_s + near_s, key)) > 180, "dark after the start");
    CHECK(blue(pixel(&p, to_s - near_s, key)) > 180, "dark before the end");
    CHECK(blue(pixel(&p, from_s - near_s, key)) < 60, "bright before the start");
    CHECK(blue(pixel(&p, to_s + near_s, key)) < 60, "bright after the end");
    CHECK(blue(pixel(&p, duration_s / 2, key + 2)) < 60, "bright two keys above");
    CHECK(blue(pixel(&p, duration_s / 2, key - 2)) < 60, "bright two keys below");
    cairo_surface_destroy(p.surface);
    fenby_plot_free(plot);
}

// Notes: their colour follows the velocity, narrow ones are still seen, those off the keyboard lie at its edges.
static void test_notes(void)
{
    fenby_note list[] = {
        {1000, 2000, 1040, 0, 40, 127}, {1000, 2000, 1040, 0, 80, 1},    {3000, 3000, 3000, 0, 60, 127},
        {0, 10000, 0, 0, 0, 100},       {0, 10000, 0, 0, 127, 100},      {9990, 500000, 9990, 0, 21, 64},
        {9990, 500000, 0, 0, 108, 64},
    };
    const fenby_notes notes = {.note = list, .count = sizeof list / sizeof *list};
    fenby_plot *plot = listen(10, 60, 20, 20);
    const picture p = draw(plot, &notes, 10);
    const int loud = pixel(&p, 1.003, 40), soft = pixel(&p, 1.003, 80);
    CHECK(red(loud) > 200 && blue(loud) < 100, "the loud note is %06x", (unsigned)loud);
    CHECK(red(soft) < 100 && (soft >> 8 & 0xff) > 180, "the soft note is %06x", (unsigned)soft);
    const int inside = red(pixel(&p, 1.5, 40));
    CHECK(inside > 60 && inside < 150, "the note's inside is %d", inside);
    CHECK(red(pixel(&p, 0.95, 40)) < 40, "the note begins too early");
    CHECK(red(pixel(&p, 2.05, 40)) < 40, "the note ends too late");
    CHECK(red(pixel(&p, 3.001, 60)) > 200, "a note of no length is not seen");
    CHECK(red(pixel(&p, 5, 21)) > 60 && red(pixel(&p, 5, 108)) > 60, "notes off the keyboard are not seen");
    CHECK(pixel(&p, 4.6, 20) == 0xffffff, "a note below A0 is drawn into the axis");
    cairo_surface_destroy(p.surface);
    fenby_plot_free(plot);
}

// How many rows of two pictures with these titles differ.
static int compare_titles(const fenby_plot *plot, const char *title_a, const char *title_b)
{
    const fenby_notes none = {0};
    const picture a = draw_titled(plot, &none, 1, title_a), b = draw_titled(plot, &none, 1, title_b);
    const int stride = cairo_image_surface_get_stride(a.surface);
    int n = 0;
    for (int y = 0; y < a.height; y++)
        n += memcmp(cairo_image_surface_get_data(a.surface) + y * stride,
                    cairo_image_surface_get_data(b.surface) + y * stride, (size_t)stride) != 0;
    cairo_surface_destroy(a.surface);
    cairo_surface_destroy(b.surface);
    return n;
}

// Titles of any bytes: UTF-8 is shown, '?' stands for the rest.
static void test_titles(void)
{
    static const char *const cases[][2] = {
        {"F\xfc" "r Elise", "F?r Elise"},  // Latin-1
        {"\x80 \xbf", "? ?"},             // no first byte
        {"\xe2\x82 \xf0\x9d\x84", "?? ???"},
        {"\xe2\x82", "??"},
        {"\xc0\xaf \xe0\x80\xaf", "?? ???"},  // longer than need be
        {"\xf0\x80\x80\xaf", "????"},
        {"\xed\xa0\x80 \xed\xbf\xbf", "??? ???"},  // surrogates
        {"\xef\xb7\x90 \xef\xbf\xbe", "??? ???"},  // no characters
        {"\xf0\x9f\xbf\xbf", "????"},
        {"\xf4\x90\x80\x80 \xf9\x80\x80\x80 \xfe\xff", "???? ???? ??"},  // beyond all
    };
    static const char *const shown[] = {
        "\xc3\xbc", "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x99\xaf", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbd",
    };
    fenby_plot *plot = listen(1, 60, 0, 1);
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        const int n = compare_titles(plot, cases[i][0], cases[i][1]);
        CHECK(n == 0, "case %d: %d rows differ", i, n);
    }
    for (int i = 0; i < (int)(sizeof shown / sizeof *shown); i++) {
        const int n = compare_titles(plot, shown[i], &"????"[4 - strlen(shown[i])]);
        CHECK(n > 0, "character %d is not shown", i);
    }
    char longest[3000] = "";
    for (size_t i = 0; i + 2 < sizeof longest; i += 2) memcpy(longest + i, "\xc3\xbc", 3);
    CHECK(compare_titles(plot, longest, "") > 0, "a long title is not shown");
    fenby_plot_free(plot);
}

// A picture that cairo gives up says why, whatever errno held.
static void test_reason(void)
{
    const fenby_notes none = {0};
    const char *reason = "";
    fenby_plot *plot = listen(1, 60, 0, 1);
    FILE *file = tmpfile();
    REQUIRE(file, "no temporary file");
    feigned = CAIRO_STATUS_NO_MEMORY;
    errno = ENOENT;
    CHECK(!fenby_plot_write(plot, &none, 1000, 1, "a title", file, &reason), "drawn without memory");
    feigned = CAIRO_STATUS_SUCCESS;
    CHECK(!strcmp(reason, "out of memory"), "%s", reason);
    fclose(file);
    fenby_plot_free(plot);
}

static void test_full_disk(void)
{
    const fenby_notes none = {0};
    const char *reason;
    fenby_plot *plot = listen(30, 60, 0, 1);
    FILE *file = fopen("/dev/full", "w");
    REQUIRE(file, "no /dev/full");
    CHECK(!fenby_plot_write(plot, &none, 1000, 30, "a title", file, &reason), "drawn into nothing");
    CHECK(errno == ENOSPC, "errno %d", errno);
    CHECK(!strcmp(reason, "No space left on device"), "%s", reason);
    fclose(file);
    fenby_plot_free(plot);
}

int main(void)
{
    test_sizes();
    test_sound(3, 23);
    test_sound(20, 69);
    test_sound(600, 106);
    test_sound(5000, 60);
    test_notes();
    test_titles();
    test_reason();
    test_full_disk();
    return test_report();
}
