// SPDX-License-Identifier: ISC
// jack_window TITLE shot FILE.png | key K | click X Y | close: what a person would see and do in a window.
//
// shot writes a picture of the window and prints "WIDTH HEIGHT", then the keys that are to be seen as notes in
// the piano roll (orange; plugin/ui/view.c draws them), then after "sound" how many pixels of it show sound
// (blue).
#include <X11/keysym.h>
#include <cairo-xlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seen_roll.h"

static Display *display;

static void fail(const char *what)
{
    fprintf(stderr, "jack_window: %s\n", what);
    exit(1);
}

static Window find(const char *title)
{
    Window root, parent, *windows = NULL, found = 0;
    unsigned n = 0;
    XQueryTree(display, DefaultRootWindow(display), &root, &parent, &windows, &n);
    for (unsigned i = 0; i < n && !found; i++) {
        char *name = NULL;
        if (XFetchName(display, windows[i], &name) && !strcmp(name, title)) found = windows[i];
        XFree(name);
    }
    XFree(windows);
    if (!found) fail("no such window");
    return found;
}

// --- looking -------------------------------------------------------------------------------------------------

static bool is_sound(unsigned long pixel)
{
    const int red = pixel >> 16 & 255, green = pixel >> 8 & 255, blue = pixel & 255;
    return blue > 60 && blue > green && blue > red;
}

static void print_keys(XImage *image)
{
    for (int key = LOWEST_KEY; key <= HIGHEST_KEY; key++)
        if (has_bar(image, key)) printf(" %d", key);
}

static int count_sound(XImage *image)
{
    int n = 0;
    for (int y = ROLL_TOP; y < image->height - BELOW_ROLL; y++)
        for (int x = ROLL_LEFT; x < image->width - RIGHT_OF_ROLL; x++) n += is_sound(XGetPixel(image, x, y));
    return n;
}

static void shoot(Window window, const char *path)
{
    XWindowAttributes is;
    XGetWindowAttributes(display, window, &is);
    XImage *image =
        XGetImage(display, window, 0, 0, (unsigned)is.width, (unsigned)is.height, AllPlanes, ZPixmap);
    if (!image) fail("the window cannot be read");
    cairo_surface_t *screen = cairo_xlib_surface_create(display, window, is.visual, is.width, is.height);
    cairo_surface_write_to_png(screen, path);
    cairo_surface_destroy(screen);
    printf("%d %d", is.width, is.height);
    if (is.width >= ROLL_WIDE) {
        print_keys(image);
        printf(" sound %d", count_sound(image));
    }
    puts("");
    XDestroyImage(image);
}

// --- doing ---------------------------------------------------------------------------------------------------

static void send(Window window, long mask, XEvent *event)
{
    XSendEvent(display, window, False, mask, event);
    XSync(display, False);
}

static void press_key(Window window, const char *key)
{
    XEvent event = {.xkey = {.type = KeyPress, .display = display, .window = window,
                             .keycode = XKeysymToKeycode(display, XStringToKeysym(key))}};
    send(window, KeyPressMask, &event);
}

static void click(Window window, int x, int y)
{
    XEvent event = {.xbutton = {.type = ButtonPress, .display = display, .window = window, .x = x, .y = y,
                                .button = Button1}};
    send(window, ButtonPressMask, &event);
    event.type = ButtonRelease;
    send(window, ButtonReleaseMask, &event);
}

static void close_window(Window window)
{
    XEvent event = {.xclient = {.type = ClientMessage, .window = window, .format = 32,
                                .message_type = XInternAtom(display, "WM_PROTOCOLS", False)}};
    event.xclient.data.l[0] = (long)XInternAtom(display, "WM_DELETE_WINDOW", False);
    send(window, NoEventMask, &event);
}

int main(int argc, char **argv)
{
    if (argc < 3) fail("expected TITLE shot FILE.png | key K | click X Y | close");
    display = XOpenDisplay(NULL);
    if (!display) fail("no X11 display");
    const Window window = find(argv[1]);
    const char *const what = argv[2];
    if (!strcmp(what, "shot") && argc > 3) shoot(window, argv[3]);
    if (!strcmp(what, "key") && argc > 3) press_key(window, argv[3]);
    if (!strcmp(what, "click") && argc > 4) click(window, atoi(argv[3]), atoi(argv[4]));
    if (!strcmp(what, "close")) close_window(window);
    XCloseDisplay(display);
    return 0;
}
