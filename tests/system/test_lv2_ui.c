// SPDX-License-Identifier: ISC
// The plugin's window on a real X server (Xvfb): what is played is seen at its place on the screen, what is
// clicked reaches the plugin, and a window that nobody sees costs nothing. Leaves a picture in
// $BUILD/fenby-ui.png.
#include "plugin/ui/window.h"
#include "tests/folder.h"
#include "tests/read_midi.h"
#include "tests/system/lv2_host.h"  // before Xlib, which calls a macro Bool

#include <X11/Xlib.h>
#include <X11/Xlibint.h>
#include <X11/Xutil.h>
#include <X11/extensions/xtestproto.h>
#include <X11/keysym.h>
#include <cairo.h>
#include <dlfcn.h>
#include <errno.h>
#include <lv2/ui/ui.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RATE = 48000, SECONDS = 8, N = RATE * SECONDS, BLOCK = 512 };

static float music[N];
static pid_t server;
static Display *display;

#if HOST_SANITIZED
// Fonts stay in memory until the end.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}
#endif

// --- the X server --------------------------------------------------------------------------------------------

static void stop_server(void)
{
    if (server > 0) kill(server, SIGTERM);
    if (server > 0) waitpid(server, NULL, 0);
    server = 0;
}

// Starts a server on a free display and connects to it, or not: another one that ends at this moment may take
// the socket away.
static void try_server(void)
{
    int ends[2];
    const int failed = pipe(ends);
    REQUIRE(!failed, "no pipe");
    server = fork();
    if (server == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", ends[1]);
        close(ends[0]);
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        execlp("Xvfb", "Xvfb", "-displayfd", number, "-screen", "0", "2000x1200x24", "-nolisten", "tcp",
               (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    char name[32] = ":";
    // It writes the number and the line's end one after the other, and ends itself if nobody reads both.
    size_t length = 1;
    while (length < sizeof name - 1 && read(ends[0], name + length, 1) == 1 && name[length] != '\n') length++;
    close(ends[0]);
    REQUIRE(name[length] == '\n', "Xvfb does not start: is it installed?");
    name[length] = 0;
    setenv("DISPLAY", name, 1);
    display = XOpenDisplay(NULL);
}

static void start_server(void)
{
    atexit(stop_server);
    for (int tries = 0; tries < 5 && !display; tries++) {
        stop_server();
        try_server();
    }
    REQUIRE(display, "no display");
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000L}, NULL);
}

// --- the host's side of the window ---------------------------------------------------------------------------

typedef struct {
    host *host;
    void *library;
    const LV2UI_Descriptor *descriptor;
    const LV2UI_Idle_Interface *idle;
    LV2UI_Handle handle;
    Window parent, window;
    int watch, unwatch, saves;
    int resized_width, resized_height;
    int touched, held[FENBY_PORT_AUDIO], set_untouched, last_port;
    float last_value;
} shown_ui;

static void write_port(LV2UI_Controller controller, uint32_t port, uint32_t size, uint32_t protocol,
                       const void *buffer)
{
    shown_ui *u = controller;
    host *h = u->host;
    if (protocol == 0 && size == sizeof(float)) {
        memcpy(&u->last_value, buffer, sizeof(float));
        u->last_port = (int)port;
        u->set_untouched += !u->held[port];
        h->control[port] = u->last_value;
    } else if (protocol == h->urids.atom_event_transfer) {
        const LV2_Atom_Object *object = buffer;
        u->watch += object->body.otype == h->urids.watch;
        u->unwatch += object->body.otype == h->urids.unwatch;
        u->saves += object->body.otype == h->urids.save;
        lv2_atom_forge_frame_time(&h->forge, 0);
        lv2_atom_forge_write(&h->forge, buffer, size);
    }
}

static void take_notify(void *user, const LV2_Atom *atom)
{
    shown_ui *u = user;
    u->descriptor->port_event(u->handle, FENBY_PORT_NOTIFY, (uint32_t)sizeof *atom + atom->size,
                              u->host->urids.atom_event_transfer, atom);
}

static int take_resize(LV2UI_Feature_Handle handle, int width, int height)
{
    shown_ui *u = handle;
    u->resized_width = width;
    u->resized_height = height;
    XResizeWindow(display, u->parent, (unsigned)width, (unsigned)height);
    XSync(display, False);
    return 0;
}

static void take_touch(LV2UI_Feature_Handle handle, uint32_t port, bool grabbed)
{
    shown_ui *u = handle;
    u->touched++;
    u->held[port] += grabbed ? 1 : -1;
}

static void open_ui(shown_ui *u, host *h, float scale)
{
    char path[4200];
    *u = (shown_ui){.host = h, .last_port = -1};
    snprintf(path, sizeof path, "%sfenby_ui.so", host_bundle());
    u->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(u->library, "%s", dlerror());
    const LV2UI_DescriptorFunction get = (LV2UI_DescriptorFunction)dlsym(u->library, "lv2ui_descriptor");
    REQUIRE(get && get(0) && !get(1), "no descriptor");
    u->descriptor = get(0);
    CHECK(!strcmp(u->descriptor->URI, FENBY_LV2_UI_URI), "%s", u->descriptor->URI);
    u->idle = u->descriptor->extension_data(LV2_UI__idleInterface);
    REQUIRE(u->idle, "no idle interface");
    u->parent = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 100, 100, 0, 0, 0);
    XMapWindow(display, u->parent);
    XSync(display, False);
    LV2UI_Resize resize = {u, take_resize};
    static LV2UI_Touch touch;
    touch = (LV2UI_Touch){u, take_touch};
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, h->urids.scale_factor, sizeof scale, h->urids.atom_float, &scale},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    const LV2_Feature offered[] = {
        {LV2_URID__map, &h->map}, {LV2_UI__parent, (void *)u->parent},     {LV2_UI__resize, &resize},
        {LV2_UI__touch, &touch},  {LV2_OPTIONS__options, (void *)options}, {LV2_UI__idleInterface, NULL},
    };
    const LV2_Feature *features[] = {&offered[0], &offered[1], &offered[2], &offered[3],
                                     &offered[4], &offered[5], NULL};
    LV2UI_Widget widget = NULL;
    u->handle =
        u->descriptor->instantiate(u->descriptor, h->config.stereo ? FENBY_LV2_STEREO_URI : FENBY_LV2_URI,
                                   host_bundle(), write_port, u, &widget, features);
    REQUIRE(u->handle, "the window does not open");
    u->window = (Window)widget;
    h->on_notify = take_notify;
    h->notify_user = u;
}

static void close_ui(shown_ui *u)
{
    u->descriptor->cleanup(u->handle);
    u->host->on_notify = NULL;
    XDestroyWindow(display, u->parent);
    XSync(display, False);
    dlclose(u->library);
}

// What a host does many times a second.
static void serve(shown_ui *u)
{
    for (uint32_t i = 0; i < FENBY_PORT_AUDIO; i++) {
        const fenby_port_kind kind = fenby_port_describe(false, (int)i).kind;
        if (kind == FENBY_CONTROL_IN || kind == FENBY_CONTROL_OUT)
            u->descriptor->port_event(u->handle, i, sizeof(float), 0, &u->host->control[i]);
    }
    CHECK(!u->idle->idle(u->handle), "the window says that it was closed");
}

static void wait_a_while(shown_ui *u, double seconds)
{
    for (const double end_s = test_now_s() + seconds; test_now_s() < end_s; pause_ms(5)) serve(u);
}

static void play(shown_ui *u, const float *samples, int n)
{
    for (int at = 0; at + BLOCK <= n; at += BLOCK) {
        host_play(u->host, samples ? samples + at : NULL, BLOCK);
        host_rest(u->host);
        if (at / BLOCK % 4 == 0) serve(u);
    }
    wait_a_while(u, 0.1);
}

// --- what is on the screen -----------------------------------------------------------------------------------

typedef struct {
    int width, height;
    uint32_t *pixels;
} screenshot;

static screenshot take_screenshot(Window window)
{
    XWindowAttributes attributes;
    XGetWindowAttributes(display, window, &attributes);
    screenshot s = {attributes.width, attributes.height, NULL};
    XImage *image = XGetImage(display, window, 0, 0, (unsigned)s.width, (unsigned)s.height, AllPlanes, ZPixmap);
    REQUIRE(image, "no picture of the window");
    s.pixels = calloc((size_t)s.width * (size_t)s.height, sizeof *s.pixels);
    for (int y = 0; y < s.height; y++)
        for (int x = 0; x < s.width; x++)
            s.pixels[y * s.width + x] = (uint32_t)XGetPixel(image, x, y) & 0xffffff;
    XDestroyImage(image);
    return s;
}

static void keep_screenshot(const screenshot *s, const char *path)
{
    cairo_surface_t *surface = cairo_image_surface_create_for_data(
        (unsigned char *)s->pixels, CAIRO_FORMAT_RGB24, s->width, s->height, 4 * s->width);
    const cairo_status_t status = cairo_surface_write_to_png(surface, path);
    CHECK(status == CAIRO_STATUS_SUCCESS, "%s: %s", path, cairo_status_to_string(status));
    cairo_surface_destroy(surface);
}

static uint32_t pixel(const screenshot *s, int x, int y)
{
    return s->pixels[y * s->width + x];
}

static int red(uint32_t rgb)
{
    return (int)(rgb >> 16);
}
static int green(uint32_t rgb)
{
    return (int)(rgb >> 8 & 0xff);
}
static int blue(uint32_t rgb)
{
    return (int)(rgb & 0xff);
}

static bool is_orange(uint32_t rgb)
{
    return red(rgb) > 100 && red(rgb) > green(rgb) * 5 / 4 && green(rgb) > blue(rgb);
}

// Where things are, at scale 1 and 880 x 440 points: view.c's layout.
enum { ROLL_LEFT = 51, ROLL_TOP = 50, ROLL_BOTTOM = 412, ROLL_RIGHT = 874 };

static int row_of_key(int key)
{
    const double height = (double)(ROLL_BOTTOM - ROLL_TOP) / 88;
    return (int)(ROLL_TOP + (108 - key + 0.5) * height);
}

static int count_orange(const screenshot *s, int y, int left, int right)
{
    int n = 0;
    for (int x = left; x < right; x++) n += is_orange(pixel(s, x, y));
    return n;
}

// Every key that was played has a bar in its row; rows whose neighbours are silent too have none.
static void check_notes(const screenshot *s, const host *h, int64_t from)
{
    bool played[130] = {false};
    int missing = 0, wrong = 0, n_played = 0;
    for (int i = 0; i < h->n_events; i++)
        if (h->events[i].bytes[0] == 0x90 && h->events[i].frame >= from)
            played[h->events[i].bytes[1] + 1] = true;
    for (int key = 21; key <= 108; key++) {
        const bool orange = count_orange(s, row_of_key(key), ROLL_LEFT, ROLL_RIGHT) >= 2;
        n_played += played[key + 1];
        missing += played[key + 1] && !orange;
        wrong += orange && !played[key] && !played[key + 1] && !played[key + 2];
    }
    CHECK(n_played > 5 && missing == 0 && wrong == 0, "%d keys played, %d of them not shown, %d others shown",
          n_played, missing, wrong);
}

static int count_colours(const screenshot *s)
{
    static uint32_t seen[4096];
    int n = 0;
    for (int i = 0; i < s->width * s->height && n < 4096; i += 7) {
        int k = 0;
        while (k < n && seen[k] != s->pixels[i]) k++;
        if (k == n) seen[n++] = s->pixels[i];
    }
    return n;
}

static void send_button(const shown_ui *u, int type, int x, int y, unsigned button)
{
    XEvent event = {.xbutton = {.type = type,
                                .display = display,
                                .window = u->window,
                                .x = x,
                                .y = y,
                                .button = button,
                                .same_screen = True}};
    XSendEvent(display, u->window, True, type == ButtonPress ? ButtonPressMask : ButtonReleaseMask, &event);
    XSync(display, False);
}

static void send_motion(const shown_ui *u, int x, int y, unsigned buttons)
{
    XEvent event = {.xmotion = {.type = MotionNotify,
                                .display = display,
                                .window = u->window,
                                .x = x,
                                .y = y,
                                .state = buttons,
                                .same_screen = True}};
    XSendEvent(display, u->window, True, PointerMotionMask, &event);
    XSync(display, False);
}

static void click(const shown_ui *u, int x, int y, unsigned button)
{
    send_button(u, ButtonPress, x, y, button);
    send_button(u, ButtonRelease, x, y, button);
}

static void drag(const shown_ui *u, int x0, int y0, int x1, int y1)
{
    send_button(u, ButtonPress, x0, y0, 1);
    send_motion(u, x1, y1, Button1Mask);
    send_button(u, ButtonRelease, x1, y1, 1);
}

// As long as a keyboard takes to send it so many times more.
static void hold_key(const shown_ui *u, KeySym key, int repeats)
{
    XEvent event = {.xkey = {.display = display,
                             .window = u->window,
                             .keycode = XKeysymToKeycode(display, key),
                             .same_screen = True}};
    for (int i = 0; i <= repeats; i++) {
        event.type = KeyPress;
        XSendEvent(display, u->window, True, KeyPressMask, &event);
        event.type = KeyRelease;
        event.xkey.time += 33;
        XSendEvent(display, u->window, True, KeyReleaseMask, &event);
    }
    XSync(display, False);
}

// A key of the real keyboard, which goes to the window that has the focus. There is a library for it, but a
// request is all that it takes.
static void type_key(KeySym key, bool pressed)
{
    int opcode, event, error;
    const KeyCode code = XKeysymToKeycode(display, key);
    const Bool known = XQueryExtension(display, "XTEST", &opcode, &event, &error);
    REQUIRE(known, "the server has no XTEST");
    LockDisplay(display);
    xXTestFakeInputReq *request = _XGetRequest(display, (CARD8)opcode, sizeof *request);
    *request = (xXTestFakeInputReq){.reqType = (CARD8)opcode,
                                    .xtReqType = X_XTestFakeInput,
                                    .length = sizeof *request / 4,
                                    .type = pressed ? KeyPress : KeyRelease,
                                    .detail = code};
    UnlockDisplay(display);
    XSync(display, False);
}

// --- the tests -----------------------------------------------------------------------------------------------

static void check_saved(shown_ui *u, const char *how, int least, int most)
{
    static midi_contents contents;
    serve(u);
    host_await_message(u->host);
    const char *space = strstr(u->host->message, ": ");
    REQUIRE(space && strstr(u->host->message, "saved"), "%s: '%s'", how, u->host->message);
    CHECK(!strncmp(space + 2, folder, strlen(folder)), "%s", u->host->message);
    midi_read_file(&contents, space + 2);
    const int notes = midi_count_notes(&contents);
    CHECK(!*contents.error && notes >= least && notes <= most, "%s: %d notes, expected %d to %d (%s)", how,
          notes, least, most, contents.error);
    unlink(space + 2);
}

static void test_screen(void)
{
    host *h = host_open((host_config){.block = BLOCK});
    shown_ui u;
    open_ui(&u, h, 1);
    CHECK(u.resized_width == 880 && u.resized_height == 440, "%d x %d", u.resized_width, u.resized_height);
    wait_a_while(&u, 0.3);
    CHECK(u.watch == 1, "a visible window does not watch");
    play(&u, music, N);
    screenshot s = take_screenshot(u.window);
    CHECK(s.width == 880 && s.height == 440, "%d x %d", s.width, s.height);
    check_notes(&s, h, 0);
    CHECK(count_colours(&s) > 300, "%d colours", count_colours(&s));
    CHECK(green(pixel(&s, 12, ROLL_BOTTOM - 4)) > 120, "the meter shows %06x", pixel(&s, 12, ROLL_BOTTOM - 4));
    CHECK(red(pixel(&s, 12, ROLL_TOP + 4)) < 80, "the clip light is on: %06x", pixel(&s, 12, ROLL_TOP + 4));
    char path[4200];
    const char *build = getenv("BUILD");
    snprintf(path, sizeof path, "%s/fenby-ui.png", build ? build : "build");
    keep_screenshot(&s, path);
    free(s.pixels);

    // What is clicked.
    click(&u, 50, 20, 1);  // mode: live to studio
    serve(&u);
    CHECK(u.last_port == FENBY_PORT_PARAMETERS + FENBY_MODE && u.last_value == FENBY_MODE_STUDIO,
          "port %d is %g", u.last_port, (double)u.last_value);
    CHECK(u.touched == 2, "touched %d times", u.touched);
    drag(&u, 270, 20, 324, 20);  // sensitivity: half of its width to the right
    serve(&u);
    CHECK(u.last_port == FENBY_PORT_PARAMETERS + FENBY_SENSITIVITY && u.last_value > 0.9f, "port %d is %g",
          u.last_port, (double)u.last_value);
    click(&u, 270, 20, 3);
    serve(&u);
    CHECK(u.last_value == 0.5f, "not reset: %g", (double)u.last_value);
    click(&u, 270, 20, 4);
    serve(&u);
    CHECK(fabsf(u.last_value - 0.51f) < 1e-6f, "not scrolled: %g", (double)u.last_value);
    CHECK(u.set_untouched == 0, "%d values set without a touch", u.set_untouched);
    const int sensitivity = FENBY_PORT_PARAMETERS + FENBY_SENSITIVITY;
    CHECK(u.held[sensitivity] == 0, "still held after the wheel");
    send_button(&u, ButtonPress, 270, 20, 1);
    click(&u, 270, 20, 5);
    serve(&u);
    CHECK(fabsf(u.last_value - 0.5f) < 1e-6f && u.held[sensitivity] == 1, "%g, held %d times", (double)u.last_value,
          u.held[sensitivity]);
    send_button(&u, ButtonRelease, 270, 20, 1);
    serve(&u);
    CHECK(u.touched == 10 && u.held[sensitivity] == 0, "touched %d times, held %d", u.touched, u.held[sensitivity]);

    // What did I just play?
    click(&u, 800, 425, 1);
    check_saved(&u, "the button", h->notes, h->notes);
    const int saves = u.saves;
    hold_key(&u, XK_s, 5);
    check_saved(&u, "the key", h->notes, h->notes);
    CHECK(u.saves == saves + 1, "the key was held and saved %d times", u.saves - saves);
    drag(&u, ROLL_LEFT + 2, ROLL_TOP + 2, ROLL_RIGHT - 2, row_of_key(60));
    int high = 0;
    for (int i = 0; i < h->n_events; i++) high += h->events[i].bytes[0] == 0x90 && h->events[i].bytes[1] >= 60;
    check_saved(&u, "a rectangle", high, high);

    // Too loud: the clip light.
    for (int i = 0; i < BLOCK * 8; i++) music[i] = i / 50 % 2 ? 1.5f : -1.5f;
    play(&u, music, 8 * BLOCK);
    s = take_screenshot(u.window);
    CHECK(red(pixel(&s, 12, ROLL_TOP + 4)) > 180, "the clip light is off: %06x", pixel(&s, 12, ROLL_TOP + 4));
    free(s.pixels);

    // Another size.
    XResizeWindow(display, u.window, 600, 300);
    XSync(display, False);
    wait_a_while(&u, 0.2);
    s = take_screenshot(u.window);
    CHECK(s.width == 600 && s.height == 300 && count_colours(&s) > 200, "%d x %d, %d colours", s.width,
          s.height, count_colours(&s));
    free(s.pixels);

    // Nobody sees it: it says so once, and nothing comes any more.
    XUnmapWindow(display, u.parent);
    XSync(display, False);
    wait_a_while(&u, 0.6);
    CHECK(u.unwatch == 1, "a hidden window watches on");
    host_play(h, NULL, BLOCK);
    host_rest(h);
    host_play(h, NULL, BLOCK);
    const int hops = h->hops;
    play(&u, NULL, 20 * BLOCK);
    CHECK(h->hops == hops, "%d hops sent to a hidden window", h->hops - hops);
    XMapWindow(display, u.parent);
    XSync(display, False);
    wait_a_while(&u, 0.6);
    CHECK(u.watch == 2, "a window that is shown again does not watch");
    close_ui(&u);
    host_close(h);
}

// A host that offers nothing but urid:map gets a window of its own; one without even that, or with another
// plugin, gets a line of log.
static void test_missing(void)
{
    host *h = host_open((host_config){.block = BLOCK});
    shown_ui u;
    open_ui(&u, h, 1);
    LV2_Log_Log log = {h, host_printf, host_vprintf};
    const LV2_Feature map = {LV2_URID__map, &h->map}, log_feature = {LV2_LOG__log, &log};
    const LV2_Feature *const few[] = {&map, NULL}, *const no_map[] = {&log_feature, NULL};
    const LV2_Feature *const both[] = {&map, &log_feature, NULL};
    const LV2UI_Descriptor *d = u.descriptor;
    LV2UI_Widget widget = NULL;
    LV2UI_Handle handle = d->instantiate(d, FENBY_LV2_URI, host_bundle(), write_port, &u, &widget, few);
    REQUIRE(handle && widget, "no window without the optional features");
    for (int i = 0; i < 20; i++, pause_ms(5)) CHECK(!u.idle->idle(handle), "the window closes");
    d->cleanup(handle);
    handle = d->instantiate(d, FENBY_LV2_URI, host_bundle(), write_port, &u, &widget, no_map);
    CHECK(!handle && h->log_lines == 1 && strstr(h->log, "urid#map"), "no urid:map: '%s'", h->log);
    handle = d->instantiate(d, "urn:other", host_bundle(), write_port, &u, &widget, both);
    CHECK(!handle && h->log_lines == 2 && strstr(h->log, "other plugins"), "another plugin: '%s'", h->log);
    close_ui(&u);
    host_close(h);
}

static void test_high_density(void)
{
    host *h = host_open((host_config){.block = BLOCK, .stereo = true});
    shown_ui u;
    open_ui(&u, h, 2);
    CHECK(u.resized_width == 1760 && u.resized_height == 880, "%d x %d", u.resized_width, u.resized_height);
    wait_a_while(&u, 0.1);
    play(&u, music + RATE, RATE);
    const screenshot s = take_screenshot(u.window);
    CHECK(s.width == 1760 && s.height == 880 && count_colours(&s) > 300, "%d x %d, %d colours", s.width,
          s.height, count_colours(&s));
    free(s.pixels);
    // The host may destroy its window, and ours within, before it says goodbye.
    XDestroyWindow(display, u.parent);
    XSync(display, False);
    CHECK(u.idle->idle(u.handle), "a destroyed window is still open");
    u.parent = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 10, 10, 0, 0, 0);
    close_ui(&u);
    host_close(h);
}

// A note that ends while nobody sees the window does not sound on in it; one that sounds on does.
static void test_hidden_notes(bool ends)
{
    host *h = host_open((host_config){.block = BLOCK});
    shown_ui u;
    int key = 0;
    open_ui(&u, h, 1);
    wait_a_while(&u, 0.3);
    for (int at = 0; at < N && !host_hanging(h); at += BLOCK) play(&u, music + at, BLOCK);
    while (key < 127 && !h->sounding[0][key]) key++;
    const int sounding_x = ROLL_LEFT - 22, y = row_of_key(key);
    screenshot s = take_screenshot(u.window);
    CHECK(is_orange(pixel(&s, sounding_x, y)), "key %d shows %06x", key, pixel(&s, sounding_x, y));
    free(s.pixels);

    XUnmapWindow(display, u.parent);
    XSync(display, False);
    wait_a_while(&u, 0.5);
    if (ends) h->control[FENBY_PORT_ENABLED] = 0;
    host_play(h, NULL, BLOCK);
    host_rest(h);
    h->control[FENBY_PORT_ENABLED] = 1;
    CHECK((host_hanging(h) == 0) == ends, "%d notes sound", host_hanging(h));
    XMapWindow(display, u.parent);
    XSync(display, False);
    wait_a_while(&u, 0.5);
    play(&u, NULL, (ends ? 16 : 2) * BLOCK);
    s = take_screenshot(u.window);
    CHECK(is_orange(pixel(&s, sounding_x, y)) == !ends, "key %d shows %06x", key, pixel(&s, sounding_x, y));
    CHECK(is_orange(pixel(&s, ROLL_RIGHT - 2, y)) == !ends, "its bar ends in %06x", pixel(&s, ROLL_RIGHT - 2, y));
    free(s.pixels);
    close_ui(&u);
    host_close(h);
}

// What the host is told to be held is let go, whatever comes between.
static void test_let_go(void)
{
    enum { OTHER_BUTTON, NO_BUTTON, HIDDEN, CLOSED, CASES };
    const int held = FENBY_PORT_PARAMETERS + FENBY_SENSITIVITY;
    const int other = FENBY_PORT_PARAMETERS + FENBY_NOTE_THRESHOLD;
    host *h = host_open((host_config){.block = BLOCK});
    for (int i = 0; i < CASES; i++) {
        shown_ui u;
        open_ui(&u, h, 1);
        wait_a_while(&u, 0.3);
        send_button(&u, ButtonPress, 270, 20, 1);
        serve(&u);
        CHECK(u.held[held] == 1, "%d: held %d times", i, u.held[held]);
        if (i == OTHER_BUTTON) {
            send_motion(&u, 370, 20, Button1Mask);
            send_button(&u, ButtonPress, 370, 20, 3);
            serve(&u);
            CHECK(u.held[held] == 0 && u.held[other] == 1, "held %d and %d times", u.held[held], u.held[other]);
            send_button(&u, ButtonRelease, 370, 20, 1);
            send_button(&u, ButtonRelease, 370, 20, 3);
        } else if (i == NO_BUTTON) {
            send_motion(&u, 280, 20, 0);
        } else if (i == HIDDEN) {
            XUnmapWindow(display, u.parent);
            XSync(display, False);
        }
        if (i != CLOSED) wait_a_while(&u, 0.4);
        if (i != CLOSED) CHECK(u.held[held] == 0 && u.held[other] == 0, "%d: still held", i);
        close_ui(&u);
        CHECK(u.held[held] == 0 && u.held[other] == 0, "%d: held %d and %d times at the end", i, u.held[held],
              u.held[other]);
    }
    host_close(h);
}

// What the host's window hears of keys, in order: the character, '-' before one that is released.
static void hear_keys(shown_ui *u, char *heard, size_t size)
{
    XEvent event;
    size_t n = 0;
    wait_a_while(u, 0.1);
    while (n < size - 2 && XCheckMaskEvent(display, KeyPressMask | KeyReleaseMask, &event)) {
        CHECK(event.xkey.window == u->parent, "a key for window %lx", event.xkey.window);
        if (event.type == KeyRelease) heard[n++] = '-';
        n += (size_t)XLookupString(&event.xkey, heard + n, 1, NULL, NULL);
    }
    heard[n] = 0;
}

// After a click the window has the keyboard: what it does not use itself the host hears. What the host sends down to
// it does not come back.
static void test_keys(void)
{
    host *h = host_open((host_config){.block = BLOCK});
    shown_ui u;
    char heard[64];
    Window focus;
    int revert;
    open_ui(&u, h, 1);
    XSelectInput(display, u.parent, KeyPressMask | KeyReleaseMask);
    wait_a_while(&u, 0.3);
    click(&u, 300, 200, 1);
    wait_a_while(&u, 0.1);
    XGetInputFocus(display, &focus, &revert);
    CHECK(focus == u.window, "the focus is in %lx, not in %lx", focus, u.window);
    static const KeySym keys[] = {XK_space, XK_s, XK_a};
    for (int i = 0; i < 3; i++) {
        type_key(keys[i], true);
        type_key(keys[i], false);
    }
    hear_keys(&u, heard, sizeof heard);
    CHECK(!strcmp(heard, " - a-a"), "the host hears '%s'", heard);
    CHECK(u.saves == 1, "%d saves", u.saves);
    type_key(XK_Control_L, true);
    type_key(XK_s, true);
    type_key(XK_s, false);
    type_key(XK_Control_L, false);
    hear_keys(&u, heard, sizeof heard);
    CHECK(!strcmp(heard, "\x13-\x13-"), "the host hears '%s'", heard);
    CHECK(u.saves == 1, "%d saves", u.saves);

    // Shortcuts are not the view's, and a release belongs to whoever got the press.
    static const KeySym others[] = {XK_Alt_L, XK_Super_L};
    for (int i = 0; i < 2; i++) {
        type_key(others[i], true);
        type_key(XK_s, true);
        type_key(others[i], false);
        type_key(XK_s, false);
    }
    hear_keys(&u, heard, sizeof heard);
    CHECK(!strcmp(heard, "s--ss--s"), "the host hears '%s'", heard);
    CHECK(u.saves == 1, "%d saves", u.saves);
    type_key(XK_s, true);
    type_key(XK_Control_L, true);
    type_key(XK_s, false);
    type_key(XK_Control_L, false);
    hear_keys(&u, heard, sizeof heard);
    CHECK(!strcmp(heard, "-"), "the host hears '%s'", heard);
    CHECK(u.saves == 2, "%d saves", u.saves);

    hold_key(&u, XK_space, 0);
    hear_keys(&u, heard, sizeof heard);
    CHECK(!*heard, "the host hears again '%s'", heard);
    close_ui(&u);
    host_close(h);
}

static int errors;

static int count_error(Display *from, XErrorEvent *error)
{
    (void)from, (void)error;
    return errors++;
}

// Clicks that still wait when the host hides or destroys the window, a goodbye without another look, a window that
// is gone before ours is made: Xlib ends the host for an error that reaches it.
static void test_errors(void)
{
    enum { HIDDEN, DESTROYED, NOT_LOOKED, CASES };
    host *h = host_open((host_config){.block = BLOCK});
    XErrorHandler before = XSetErrorHandler(count_error);
    for (int i = 0; i < CASES; i++) {
        shown_ui u;
        open_ui(&u, h, 1);
        wait_a_while(&u, 0.3);
        play(&u, music, 16 * BLOCK);
        click(&u, 300, 200, 1);
        if (i == HIDDEN) {
            XUnmapWindow(display, u.parent);
        } else {
            XDestroyWindow(display, u.parent);
            u.parent = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 10, 10, 0, 0, 0);
        }
        XSync(display, False);
        if (i == HIDDEN) wait_a_while(&u, 0.3);
        if (i == DESTROYED) CHECK(u.idle->idle(u.handle), "a destroyed window is still open");
        close_ui(&u);
        CHECK(errors == 0, "%d: %d errors of X11 reach the host", i, errors);
    }
    XSetErrorHandler(before);

    char error[256];
    Window parent = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 10, 10, 0, 0, 0);
    XDestroyWindow(display, parent);
    XSync(display, False);
    const fenby_view_actions none = {0};
    fenby_view *view = fenby_view_new(&none);
    CHECK(!fenby_window_new(view, parent, 1, "Fenby", error, sizeof error) && strstr(error, "X11"), "'%s'", error);
    fenby_view_free(view);
    host_close(h);
}

// --- how often it is drawn: the window without the plugin ----------------------------------------------------

static void nothing_set(void *user, fenby_parameter parameter, float value)
{
    (void)user, (void)parameter, (void)value;
}

static void nothing_touched(void *user, fenby_parameter parameter, bool held)
{
    (void)user, (void)parameter, (void)held;
}

static void nothing_saved(void *user, int64_t from, int64_t to, int lowest, int highest)
{
    (void)user, (void)from, (void)to, (void)lowest, (void)highest;
}

static unsigned long drawings_in(fenby_window *window, fenby_view *view, double seconds, bool hops)
{
    static int64_t frame;
    const unsigned long before = fenby_window_drawings(window);
    for (const double end_s = test_now_s() + seconds; test_now_s() < end_s; pause_ms(3)) {
        fenby_view_hop hop = {.end_frame = frame += 512, .hop_frames = 512};
        if (hops) fenby_view_add_hop(view, &hop);
        CHECK(fenby_window_idle(window), "closed");
    }
    return fenby_window_drawings(window) - before;
}

static void test_drawings(void)
{
    char error[256];
    const fenby_view_actions actions = {NULL, nothing_set, nothing_touched, nothing_saved};
    fenby_view *view = fenby_view_new(&actions);
    fenby_window *window = fenby_window_new(view, 0, 1, "Fenby", error, sizeof error);
    REQUIRE(window, "%s", error);
    drawings_in(window, view, 0.3, false);
    const unsigned long busy = drawings_in(window, view, 1, true);
    CHECK(busy >= 5 && busy <= 31, "%lu drawings in a second", busy);
    const unsigned long idle = drawings_in(window, view, 0.5, false);
    CHECK(idle <= 1, "%lu drawings without a change", idle);
    XUnmapWindow(display, fenby_window_id(window));
    XSync(display, False);
    drawings_in(window, view, 0.1, false);
    const unsigned long hidden = drawings_in(window, view, 0.5, true);
    CHECK(hidden == 0 && !fenby_window_visible(window), "%lu drawings of a hidden window", hidden);
    XMapWindow(display, fenby_window_id(window));
    XSync(display, False);
    drawings_in(window, view, 0.4, true);
    Window cover = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 2000, 1200, 0, 0, 0);
    XMapRaised(display, cover);
    XSync(display, False);
    drawings_in(window, view, 0.1, false);
    const unsigned long covered = drawings_in(window, view, 0.5, true);
    CHECK(covered == 0, "%lu drawings of a covered window", covered);
    XDestroyWindow(display, cover);
    fenby_window_free(window);
    fenby_view_free(view);

    setenv("DISPLAY", ":nowhere", 1);
    CHECK(!fenby_window_new(view, 0, 1, "Fenby", error, sizeof error) && strstr(error, ":nowhere"), "'%s'",
          error);
}

// What was saved in the same second is not replaced.
static void test_new_paths(void)
{
    enum { PATHS = 5 };
    char paths[PATHS][512];
    for (int i = 0; i < PATHS; i++) {
        fenby_new_midi_path(paths[i], sizeof paths[i]);
        FILE *file = fopen(paths[i], "wx");
        CHECK(file, "%s: %s", paths[i], strerror(errno));
        if (file) fclose(file);
    }
    for (int i = 0; i < PATHS; i++) unlink(paths[i]);
}

int main(void)
{
    make_folder();
    setenv("XDG_MUSIC_DIR", folder, 1);
    test_new_paths();
    start_server();
    host_compose(music, N, RATE);
    test_screen();
    test_missing();
    test_high_density();
    test_hidden_notes(true);
    test_hidden_notes(false);
    test_let_go();
    test_keys();
    test_errors();
    test_drawings();
    XCloseDisplay(display);
    return test_report();
}
