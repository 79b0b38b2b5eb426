// SPDX-License-Identifier: ISC
// The plugin's window as LV2 hosts want it: a view in an X11 window, that talks to the plugin through its ports
// alone (ports.h, messages.h).
//
// Thread: the host's, for user interfaces. Allocation: anywhere. Errors: a log line, and no window.
#include <limits.h>
#include <lv2/atom/forge.h>
#include <lv2/core/lv2_util.h>
#include <lv2/log/logger.h>
#include <lv2/options/options.h>
#include <lv2/ui/ui.h>
#include <stdlib.h>
#include <string.h>

#include "../messages.h"
#include "../ports.h"
#include "window.h"

typedef struct {
    LV2UI_Write_Function write;
    LV2UI_Controller controller;
    const LV2UI_Touch *touch;
    fenby_urids urids;
    LV2_Atom_Forge forge;
    fenby_view *view;
    fenby_window *window;
    fenby_view_status status;
    bool watching;
} ui;

// --- to the plugin -------------------------------------------------------------------------------------------

static void send(ui *u, const void *atom)
{
    u->write(u->controller, FENBY_PORT_CONTROL, lv2_atom_total_size(atom), u->urids.atom_event_transfer, atom);
}

static void send_object(ui *u, LV2_URID type)
{
    uint64_t buffer[16];
    LV2_Atom_Forge_Frame frame;
    lv2_atom_forge_set_buffer(&u->forge, (uint8_t *)buffer, sizeof buffer);
    lv2_atom_forge_object(&u->forge, &frame, 0, type);
    lv2_atom_forge_pop(&u->forge, &frame);
    send(u, buffer);
}

static void set_parameter(void *user, fenby_parameter parameter, float value)
{
    ui *u = user;
    u->write(u->controller, FENBY_PORT_PARAMETERS + parameter, sizeof value, 0, &value);
}

static void touch_parameter(void *user, fenby_parameter parameter, bool held)
{
    const ui *u = user;
    if (u->touch) u->touch->touch(u->touch->handle, FENBY_PORT_PARAMETERS + parameter, held);
}

static void save_notes(void *user, int64_t from, int64_t to, int lowest, int highest)
{
    ui *u = user;
    uint64_t buffer[(PATH_MAX + 512) / 8];
    char path[PATH_MAX];
    LV2_Atom_Forge_Frame frame;
    fenby_new_midi_path(path, sizeof path);
    lv2_atom_forge_set_buffer(&u->forge, (uint8_t *)buffer, sizeof buffer);
    lv2_atom_forge_object(&u->forge, &frame, 0, u->urids.save);
    lv2_atom_forge_key(&u->forge, u->urids.save_path);
    lv2_atom_forge_path(&u->forge, path, (uint32_t)strlen(path));
    lv2_atom_forge_key(&u->forge, u->urids.save_from);
    lv2_atom_forge_long(&u->forge, from);
    lv2_atom_forge_key(&u->forge, u->urids.save_to);
    lv2_atom_forge_long(&u->forge, to);
    lv2_atom_forge_key(&u->forge, u->urids.save_lowest);
    lv2_atom_forge_int(&u->forge, lowest);
    lv2_atom_forge_key(&u->forge, u->urids.save_highest);
    lv2_atom_forge_int(&u->forge, highest);
    lv2_atom_forge_pop(&u->forge, &frame);
    send(u, buffer);
}

// --- from the plugin -----------------------------------------------------------------------------------------

static void take_control(ui *u, uint32_t port, float value)
{
    fenby_view_status *s = &u->status;
    if (port >= FENBY_PORT_PARAMETERS && port < FENBY_PORT_LATENCY) {
        fenby_view_set_parameter(u->view, port - FENBY_PORT_PARAMETERS, value);
        return;
    }
    switch (port) {
        case FENBY_PORT_LATENCY: s->latency_frames = value; break;
        case FENBY_PORT_INPUT_LEVEL: s->level_db = value; break;
        case FENBY_PORT_WORKER_LOAD: s->load_percent = value; break;
        case FENBY_PORT_LATE_EVENTS: s->late_events = value; break;
        case FENBY_PORT_OVERRUNS: s->overruns = value; break;
    }
    fenby_view_set_status(u->view, s);
}

static void take_model(ui *u, const LV2_Atom_Object *object)
{
    const LV2_Atom *property = NULL, *value = NULL;
    lv2_atom_object_get(object, u->urids.patch_property, &property, u->urids.patch_value, &value, 0);
    if (!property || property->type != u->urids.atom_urid || !value || value->type != u->urids.atom_path)
        return;
    if (((const LV2_Atom_URID *)property)->body != u->urids.model) return;
    fenby_view_set_model(u->view, LV2_ATOM_BODY_CONST(value));
}

static void take_atom(ui *u, const LV2_Atom *atom)
{
    const void *body = LV2_ATOM_BODY_CONST(atom);
    if (atom->type == u->urids.view && atom->size == sizeof(fenby_view_hop)) {
        fenby_view_hop hop;
        memcpy(&hop, body, sizeof hop);
        fenby_view_add_hop(u->view, &hop);
    } else if (atom->type == u->urids.note && atom->size == sizeof(fenby_view_note)) {
        fenby_view_note note;
        memcpy(&note, body, sizeof note);
        fenby_view_add_note(u->view, &note);
    } else if (atom->type == u->urids.message && atom->size && !((const char *)body)[atom->size - 1]) {
        fenby_view_show_message(u->view, body);
    } else if (atom->type == u->urids.atom_object &&
               ((const LV2_Atom_Object *)atom)->body.otype == u->urids.patch_set) {
        take_model(u, (const LV2_Atom_Object *)atom);
    }
}

static void port_event(LV2UI_Handle handle, uint32_t port, uint32_t size, uint32_t format, const void *buffer)
{
    ui *u = handle;
    if (format == 0 && size == sizeof(float)) {
        take_control(u, port, *(const float *)buffer);
    } else if (format == u->urids.atom_event_transfer && size >= sizeof(LV2_Atom)) {
        const LV2_Atom *atom = buffer;
        if (lv2_atom_total_size(atom) <= size) take_atom(u, atom);
    }
}

// --- life ----------------------------------------------------------------------------------------------------

// Nothing is sent for a window that nobody sees.
static int idle(LV2UI_Handle handle)
{
    ui *u = handle;
    const bool open = fenby_window_idle(u->window);
    const bool visible = fenby_window_visible(u->window);
    if (visible && !u->watching) fenby_view_end_notes(u->view);
    if (visible != u->watching) send_object(u, visible ? u->urids.watch : u->urids.unwatch);
    u->watching = visible;
    return !open;
}

static int resize(LV2UI_Feature_Handle handle, int width, int height)
{
    ui *u = handle;
    fenby_window_resize(u->window, width, height);
    return 0;
}

static double read_scale(const ui *u, const LV2_Options_Option *option)
{
    for (; option && option->key; option++)
        if (option->key == u->urids.scale_factor && option->type == u->urids.atom_float)
            return *(const float *)option->value;
    return 0;
}

static void cleanup(LV2UI_Handle handle)
{
    ui *u = handle;
    fenby_view_let_go(u->view);
    if (u->watching) send_object(u, u->urids.unwatch);
    fenby_window_free(u->window);
    fenby_view_free(u->view);
    free(u);
}

static bool open_window(ui *u, const LV2_Feature *const *features, char *error, size_t error_size)
{
    const fenby_view_actions actions = {u, set_parameter, touch_parameter, save_notes};
    const unsigned long parent = (unsigned long)lv2_features_data(features, LV2_UI__parent);
    const double scale = read_scale(u, lv2_features_data(features, LV2_OPTIONS__options));
    u->view = fenby_view_new(&actions);
    if (!u->view) {
        snprintf(error, error_size, "not enough memory for a view");
        return false;
    }
    u->window = fenby_window_new(u->view, parent, scale, "Fenby", error, error_size);
    return u->window != NULL;
}

static LV2UI_Handle instantiate(const LV2UI_Descriptor *descriptor, const char *plugin_uri, const char *bundle,
                                LV2UI_Write_Function write, LV2UI_Controller controller, LV2UI_Widget *widget,
                                const LV2_Feature *const *features)
{
    (void)descriptor, (void)bundle;
    LV2_URID_Map *map = lv2_features_data(features, LV2_URID__map);
    LV2_Log_Logger logger;
    lv2_log_logger_init(&logger, map, lv2_features_data(features, LV2_LOG__log));
    if (!map || (strcmp(plugin_uri, FENBY_LV2_URI) && strcmp(plugin_uri, FENBY_LV2_STEREO_URI))) {
        lv2_log_error(
            &logger, "Fenby: %s\n",
            map ? "this window is not for other plugins" : "the host lacks " LV2_URID__map ", which is needed");
        return NULL;
    }
    ui *u = calloc(1, sizeof *u);
    if (!u) return NULL;
    u->write = write;
    u->controller = controller;
    u->touch = lv2_features_data(features, LV2_UI__touch);
    u->status.level_db = -120;
    fenby_urids_map(&u->urids, map);
    lv2_atom_forge_init(&u->forge, map);
    char error[256];
    if (!open_window(u, features, error, sizeof error)) {
        lv2_log_error(&logger, "Fenby: %s\n", error);
        fenby_view_free(u->view);
        free(u);
        return NULL;
    }
    const LV2UI_Resize *host_resize = lv2_features_data(features, LV2_UI__resize);
    int width, height;
    fenby_window_size(u->window, &width, &height);
    if (host_resize) host_resize->ui_resize(host_resize->handle, width, height);
    *widget = (LV2UI_Widget)fenby_window_id(u->window);
    return u;
}

static const void *extension_data(const char *uri)
{
    static const LV2UI_Idle_Interface idle_interface = {idle};
    static const LV2UI_Resize resize_interface = {NULL, resize};
    if (!strcmp(uri, LV2_UI__idleInterface)) return &idle_interface;
    if (!strcmp(uri, LV2_UI__resize)) return &resize_interface;
    return NULL;
}

LV2_SYMBOL_EXPORT const LV2UI_Descriptor *lv2ui_descriptor(uint32_t index)
{
    static const LV2UI_Descriptor descriptor = {FENBY_LV2_UI_URI, instantiate, cleanup, port_event,
                                                extension_data};
    return index == 0 ? &descriptor : NULL;
}
