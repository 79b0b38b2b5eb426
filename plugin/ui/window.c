// SPDX-License-Identifier: ISC
#include "window.h"

#include <X11/Xlib.h>
#include <X11/Xlibint.h>
#include <X11/Xutil.h>
#include <cairo-xlib.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 880, HEIGHT = 440, LEAST_WIDTH = 420, LEAST_HEIGHT = 240 };  // points

enum { MOST_NAMES = 1000 };  // of files in one second

static const double redraw_s = 1.0 / 30, look_s = 0.25;  // the least between two drawings, two looks

struct fenby_window {
    fenby_view *view;
    Display *display;
    Window window, parent;
    Atom delete_window;
    double scale;
    int width, height;
    cairo_surface_t *screen, *picture;  // drawn into the picture, then shown at once
    bool mapped, covered, viewable, exposed, closed, gone;
    unsigned taken_key;  // its code: pressed, and the view's; 0: none
    double drawn_s, looked_s;
    unsigned long drawings;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// What the desktop says of its pixels; 96 an inch make a point of one.
static double desktop_scale(Display *display)
{
    const char *dpi = XGetDefault(display, "Xft", "dpi");
    const double scale = dpi ? atof(dpi) / 96 : 1;
    return scale >= 1 && scale <= 8 ? scale : 1;
}

static void make_picture(fenby_window *w)
{
    cairo_surface_destroy(w->picture);
    w->picture = cairo_surface_create_similar_image(w->screen, CAIRO_FORMAT_RGB24, w->width, w->height);
    w->exposed = true;
}

static Bool pass_over(Display *display, XErrorEvent *host_error, xError *error)
{
    (void)display, (void)host_error, (void)error;
    return False;
}

// A host may hide or destroy the window while a request of ours is on its way. Xlib would end the host for it;
// this is asked before, on our connection alone.
static void survive_errors(Display *display)
{
    for (int code = 1; code < 256; code++) XESetWireToError(display, code, pass_over);
}

static bool open_window(fenby_window *w, Window parent, const char *title)
{
    Display *d = w->display;
    const int screen = DefaultScreen(d);
    XSetWindowAttributes attributes = {
        .event_mask = ExposureMask | StructureNotifyMask | VisibilityChangeMask | ButtonPressMask |
                      ButtonReleaseMask | PointerMotionMask | KeyPressMask |
                      KeyReleaseMask,
    };
    w->window =
        XCreateWindow(d, parent ? parent : RootWindow(d, screen), 0, 0, (unsigned)w->width, (unsigned)w->height,
                      0, CopyFromParent, InputOutput, CopyFromParent, CWEventMask, &attributes);
    XSizeHints hints = {
        .flags = PMinSize,
        .min_width = (int)(LEAST_WIDTH * w->scale),
        .min_height = (int)(LEAST_HEIGHT * w->scale),
    };
    XSetWMNormalHints(d, w->window, &hints);
    XStoreName(d, w->window, title);
    w->delete_window = XInternAtom(d, "WM_DELETE_WINDOW", False);
    XSetWMProtocols(d, w->window, &w->delete_window, 1);
    XWindowAttributes made;
    if (!XGetWindowAttributes(d, w->window, &made)) return false;
    w->screen = cairo_xlib_surface_create(d, w->window, made.visual, w->width, w->height);
    make_picture(w);
    XMapRaised(d, w->window);
    XFlush(d);
    return true;
}

fenby_window *fenby_window_new(fenby_view *view, unsigned long parent, double scale, const char *title,
                               char *error, size_t error_size)
{
    fenby_window *w = calloc(1, sizeof *w);
    if (!w) {
        snprintf(error, error_size, "not enough memory for a window");
        return NULL;
    }
    w->display = XOpenDisplay(NULL);
    if (!w->display) {
        snprintf(error, error_size, "no X11 display '%s'", XDisplayName(NULL));
        free(w);
        return NULL;
    }
    survive_errors(w->display);
    w->view = view;
    w->parent = parent;
    w->scale = scale >= 0.5 && scale <= 8 ? scale : desktop_scale(w->display);
    w->width = (int)(WIDTH * w->scale);
    w->height = (int)(HEIGHT * w->scale);
    if (open_window(w, parent, title)) return w;
    snprintf(error, error_size, "X11 makes no window in window %lu", parent);
    XCloseDisplay(w->display);
    free(w);
    return NULL;
}

// Closing the connection takes the window with it, also when the host has destroyed it already.
void fenby_window_free(fenby_window *w)
{
    if (!w) return;
    XSync(w->display, False);  // cairo never frees what the server is still reading
    cairo_surface_destroy(w->picture);
    cairo_surface_finish(w->screen);
    cairo_surface_destroy(w->screen);
    XCloseDisplay(w->display);
    free(w);
}

unsigned long fenby_window_id(const fenby_window *w)
{
    return w->window;
}

void fenby_window_size(const fenby_window *w, int *width, int *height)
{
    *width = w->width;
    *height = w->height;
}

void fenby_window_resize(fenby_window *w, int width, int height)
{
    if (width > 0 && height > 0 && !w->gone)
        XResizeWindow(w->display, w->window, (unsigned)width, (unsigned)height);
    XFlush(w->display);
}

bool fenby_window_visible(const fenby_window *w)
{
    return w->mapped && w->viewable && !w->covered && !w->gone;
}

unsigned long fenby_window_drawings(const fenby_window *w)
{
    return w->drawings;
}

// --- events --------------------------------------------------------------------------------------------------

static void take_size(fenby_window *w, int width, int height)
{
    if (width == w->width && height == w->height) return;
    w->width = width;
    w->height = height;
    cairo_xlib_surface_set_size(w->screen, width, height);
    make_picture(w);
}

static void take_button(fenby_window *w, const XButtonEvent *event)
{
    switch (event->button) {
        case Button1:
        case Button3:
            XSetInputFocus(w->display, w->window, RevertToParent, event->time);
            fenby_view_press(w->view, event->x, event->y, event->button == Button3);
            break;
        case Button4: fenby_view_scroll(w->view, event->x, event->y, 1); break;
        case Button5: fenby_view_scroll(w->view, event->x, event->y, -1); break;
    }
}

static void take_motion(fenby_window *w, const XMotionEvent *event)
{
    if (event->state & (Button1Mask | Button3Mask))
        fenby_view_move(w->view, event->x, event->y);
    else
        fenby_view_let_go(w->view);
}

// A key that is held comes again and again, as released and pressed at one time.
static bool pass_over_repeat(fenby_window *w, const XKeyEvent *released)
{
    XEvent next;
    if (XEventsQueued(w->display, QueuedAfterReading) == 0) return false;
    XPeekEvent(w->display, &next);
    if (next.type != KeyPress || next.xkey.time != released->time || next.xkey.keycode != released->keycode)
        return false;
    XNextEvent(w->display, &next);
    return true;
}

// The host wants the keys that the view has no use for: space, say, starts its transport. What it has sent itself
// it does not get back, as some hosts would send it again, for ever.
static void pass_on(fenby_window *w, XEvent *event)
{
    if (!w->parent || event->xkey.send_event) return;
    event->xkey.window = w->parent;
    XSendEvent(w->display, w->parent, True, event->type == KeyPress ? KeyPressMask : KeyReleaseMask, event);
}

// A key with one of these is a shortcut of the host or the desktop.
static bool is_for_view(fenby_window *w, XKeyEvent *pressed)
{
    char text[8] = "";
    if (pressed->state & (ControlMask | Mod1Mask | Mod4Mask)) return false;
    return XLookupString(pressed, text, sizeof text, NULL, NULL) == 1 && fenby_view_key(w->view, text[0]);
}

// Who got a key's press gets its release, whatever other keys are held by then.
static void take_key(fenby_window *w, XEvent *event)
{
    const unsigned key = event->xkey.keycode;
    const bool was_ours = w->taken_key == key;
    if (was_ours && event->type == KeyRelease && pass_over_repeat(w, &event->xkey)) return;
    if (was_ours) w->taken_key = 0;
    if (event->type == KeyPress && is_for_view(w, &event->xkey)) w->taken_key = key;
    else if (event->type == KeyPress || !was_ours) pass_on(w, event);
}

static void take_event(fenby_window *w, XEvent *event)
{
    switch (event->type) {
        case Expose: w->exposed = true; break;
        case ConfigureNotify: take_size(w, event->xconfigure.width, event->xconfigure.height); break;
        case MapNotify: w->mapped = w->exposed = true; break;
        case UnmapNotify: w->mapped = false; break;
        case DestroyNotify: w->gone = true; break;
        case VisibilityNotify: w->covered = event->xvisibility.state == VisibilityFullyObscured; break;
        case ButtonPress: take_button(w, &event->xbutton); break;
        case ButtonRelease:
            if (event->xbutton.button == Button1 || event->xbutton.button == Button3)
                fenby_view_release(w->view, event->xbutton.x, event->xbutton.y);
            break;
        case MotionNotify: take_motion(w, &event->xmotion); break;
        case KeyPress:
        case KeyRelease: take_key(w, event); break;
        case ClientMessage:
            if ((Atom)event->xclient.data.l[0] == w->delete_window) w->closed = true;
            break;
    }
}

// --- redrawing -----------------------------------------------------------------------------------------------

// A window is not told when the one around it is hidden: it has to look, now and then.
static void look(fenby_window *w)
{
    if (now_s() - w->looked_s < look_s) return;
    w->looked_s = now_s();
    XWindowAttributes attributes;
    w->viewable =
        XGetWindowAttributes(w->display, w->window, &attributes) && attributes.map_state == IsViewable;
    if (!w->viewable) fenby_view_let_go(w->view);
}

static void redraw(fenby_window *w)
{
    cairo_t *c = cairo_create(w->picture);
    fenby_view_draw(w->view, c, w->width, w->height, w->scale);
    cairo_destroy(c);
    c = cairo_create(w->screen);
    cairo_set_source_surface(c, w->picture, 0, 0);
    cairo_paint(c);
    cairo_destroy(c);
    cairo_surface_flush(w->screen);
    XFlush(w->display);
    w->drawn_s = now_s();
    w->exposed = false;
    w->drawings++;
}

bool fenby_window_idle(fenby_window *w)
{
    while (XPending(w->display)) {
        XEvent event;
        XNextEvent(w->display, &event);
        take_event(w, &event);
    }
    if (w->gone) return false;
    look(w);
    const bool due = now_s() - w->drawn_s >= redraw_s;
    if (fenby_window_visible(w) && due && (w->exposed || fenby_view_changed(w->view))) redraw(w);
    return !w->closed;
}

// --- files ---------------------------------------------------------------------------------------------------

void fenby_new_midi_path(char *path, size_t size)
{
    const char *folder = getenv("XDG_MUSIC_DIR");
    if (!folder || access(folder, W_OK)) folder = getenv("HOME");
    if (!folder || access(folder, W_OK)) folder = "/tmp";
    char when[32] = "";
    const time_t now = time(NULL);
    struct tm broken;
    if (localtime_r(&now, &broken)) strftime(when, sizeof when, "%Y%m%d-%H%M%S", &broken);
    snprintf(path, size, "%s/fenby-%s.mid", folder, when);
    for (int i = 2; i < MOST_NAMES && !access(path, F_OK); i++)
        snprintf(path, size, "%s/fenby-%s-%d.mid", folder, when, i);
}
