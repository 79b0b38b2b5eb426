// SPDX-License-Identifier: ISC
// lv2_seen PLAYED PICTURE
//
// Looks at Fenby's window in whatever host shows it on this display, keeps what it sees as a PNG file, and
// compares it with the notes in PLAYED (of jack_player): each key that was played has a bar in its row of the
// roll, and rows without neighbours that were played have none. Prints what it counted. Errors: one line and
// exit status 1.
#include <cairo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seen_roll.h"

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "lv2_seen: %s: %s\n", which, what);
    exit(1);
}

// Fenby's own window, which has none within; the host's may have its name.
static Window find(Display *display, Window parent)
{
    Window root, above, *windows = NULL, found = None;
    unsigned n = 0;
    if (!XQueryTree(display, parent, &root, &above, &windows, &n)) return None;
    for (unsigned i = 0; i < n && !found; i++) found = find(display, windows[i]);
    if (windows) XFree(windows);
    if (found || n) return found;
    char *name = NULL;
    XWindowAttributes attributes;
    const bool is = XFetchName(display, parent, &name) && !strcmp(name, "Fenby") &&
                    XGetWindowAttributes(display, parent, &attributes) &&
                    attributes.map_state == IsViewable && attributes.width >= ROLL_WIDE;
    if (name) XFree(name);
    return is ? parent : None;
}

static XImage *look(Display *display, Window window)
{
    XWindowAttributes attributes;
    XGetWindowAttributes(display, window, &attributes);
    XImage *image = XGetImage(display, window, 0, 0, (unsigned)attributes.width, (unsigned)attributes.height,
                              AllPlanes, ZPixmap);
    if (!image) fail("cannot be read", "the window");
    return image;
}

static void keep(XImage *image, const char *path)
{
    cairo_surface_t *picture = cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->width, image->height);
    uint8_t *pixels = cairo_image_surface_get_data(picture);
    if (!pixels) fail("cannot be kept", "the picture");
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            const uint32_t rgb = (uint32_t)XGetPixel(image, x, y);
            memcpy(pixels + y * cairo_image_surface_get_stride(picture) + 4 * x, &rgb, sizeof rgb);
        }
    cairo_surface_mark_dirty(picture);
    if (cairo_surface_write_to_png(picture, path)) fail("cannot be written", path);
    cairo_surface_destroy(picture);
}

static void read_played(const char *path, bool *played)
{
    FILE *file = fopen(path, "r");
    if (!file) fail("cannot be opened", path);
    char line[200];
    unsigned status, key;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "midi %*u %u %u", &status, &key) == 2 && status >= 0x90 && key < 128)
            played[key + 1] = true;
    fclose(file);
}

int main(int argc, char **argv)
{
    bool played[130] = {false};
    int n = 0, missing = 0, others = 0;
    if (argc != 3) fail("PLAYED and PICTURE are expected", "arguments");
    read_played(argv[1], played);
    Display *display = XOpenDisplay(NULL);
    if (!display) fail("cannot be opened", "the display");
    const Window window = find(display, DefaultRootWindow(display));
    if (!window) fail("not on this display", "Fenby's window");
    XImage *image = look(display, window);
    keep(image, argv[2]);
    for (int key = LOWEST_KEY; key <= HIGHEST_KEY; key++) {
        const bool bar = has_bar(image, key);
        n += played[key + 1];
        missing += played[key + 1] && !bar;
        others += bar && !played[key] && !played[key + 1] && !played[key + 2];
    }
    printf("%d keys played, %d of them not seen, %d others seen\n", n, missing, others);
    XDestroyImage(image);
    XCloseDisplay(display);
    return n < 3 || missing || others;
}
