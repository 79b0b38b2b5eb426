// SPDX-License-Identifier: ISC
#include "fenby_jack_osc.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../dsp/event.h"
#include "fenby_jack_clock.h"
#include "preset.h"

enum {
    NOTES = 1,
    LEVELS = 2,
    PARAMETERS = 4,
    EVERYTHING = NOTES | LEVELS | PARAMETERS,
    MOST_SUBSCRIBERS = 16,
    LIFE_S = 60,
    PACKETS_A_SECOND = 1000,
    ERRORS_A_SECOND = 50,
    PACKETS_AT_ONCE = 100,  // then the rest of the program has its turn
    TEXT = 512,
};

static const double level_interval_s = 0.1;
static const char parameter_path[] = "/fenby/param/", done_path[] = "/fenby/done",
                  error_path[] = "/fenby/error";

typedef struct {
    fenby_jack_address address;
    unsigned what;  // 0: nobody
    double ends_s;
} subscriber;

// So many at once, and so many more each second.
typedef struct {
    double left, at_s;
} allowance;

struct fenby_jack_osc {
    int descriptor;
    fenby_jack_address address;
    subscriber subscribers[MOST_SUBSCRIBERS];
    allowance packets, errors;
    unsigned long long n_dropped;
    double levels_at_s;
    fenby_parameters told;  // what subscribers know

    // The packet that is being taken.
    fenby_jack_control *control;
    const fenby_jack_address *from;
};

static bool is_allowed(allowance *a, double a_second)
{
    const double now = fenby_jack_now_s();
    a->left += (now - a->at_s) * a_second;
    a->at_s = now;
    if (a->left > a_second) a->left = a_second;
    if (a->left < 1) return false;
    a->left--;
    return true;
}

// --- answers -------------------------------------------------------------------------------------------------

static void send_to(fenby_jack_osc *osc, const fenby_jack_address *to, const char *path, lo_message message)
{
    if (message) fenby_jack_packet_send(osc->descriptor, to, path, message);
}

static void answer(fenby_jack_osc *osc, const char *path, lo_message message)
{
    send_to(osc, osc->from, path, message);
}

static void answer_text(fenby_jack_osc *osc, const char *path, const char *text)
{
    lo_message message = lo_message_new();
    lo_message_add_string(message, text);
    answer(osc, path, message);
}

static void answer_done(fenby_jack_osc *osc, const char *path)
{
    answer_text(osc, done_path, path);
}

static void __attribute__((format(printf, 3, 4)))
refuse(fenby_jack_osc *osc, const char *path, const char *format, ...)
{
    char text[TEXT];
    va_list arguments;
    if (!is_allowed(&osc->errors, ERRORS_A_SECOND)) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lo_message message = lo_message_new();
    lo_message_add_string(message, path);
    lo_message_add_string(message, text);
    answer(osc, error_path, message);
}

// True when the message has no arguments, as it should.
static bool has_none(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    if (message->n_arguments > 0) refuse(osc, message->path, "expected no arguments");
    return message->n_arguments == 0;
}

// --- parameters ----------------------------------------------------------------------------------------------

static void send_parameter(fenby_jack_osc *osc, const fenby_jack_address *to, int i, float value)
{
    char path[sizeof parameter_path + 64];
    snprintf(path, sizeof path, "%s%s", parameter_path, fenby_parameter_table[i].symbol);
    lo_message message = lo_message_new();
    lo_message_add_float(message, value);
    send_to(osc, to, path, message);
}

static void answer_parameter(fenby_jack_osc *osc, int i)
{
    send_parameter(osc, osc->from, i, fenby_jack_control_state(osc->control)->parameters.value[i]);
}

static void describe_parameter(fenby_jack_osc *osc, const fenby_jack_message *question, fenby_parameter i)
{
    if (!has_none(osc, question)) return;
    static const char *const kinds[] = {"continuous", "integer", "choice"};
    const fenby_parameter_info *info = &fenby_parameter_table[i];
    char range[256];
    fenby_parameter_format_range(i, range, sizeof range);
    lo_message message = lo_message_new();
    lo_message_add(message, "ssssfffs", info->name, info->unit, kinds[info->kind], info->help, info->minimum,
                   info->maximum, info->default_value, range);
    answer(osc, question->path, message);
}

static void set_parameter(fenby_jack_osc *osc, const fenby_jack_message *message, fenby_parameter i)
{
    char digits[32], error[TEXT];
    const char *text = digits;
    double number = 0;
    float value;
    if (message->n_arguments > 1) {
        refuse(osc, message->path, "expected one value");
    } else if (!fenby_jack_message_text(message, 0, &text) && !fenby_jack_message_number(message, 0, &number)) {
        refuse(osc, message->path, "expected a number or a label");
    } else {
        if (message->types[0] != LO_STRING && message->types[0] != LO_SYMBOL) {
            snprintf(digits, sizeof digits, "%.7g", number);
            if (strtof(digits, NULL) != (float)number) snprintf(digits, sizeof digits, "%.9g", number);
            text = digits;
        }
        if (!fenby_parameter_parse(i, text, &value, error, sizeof error)) {
            refuse(osc, message->path, "%s", error);
            return;
        }
        fenby_jack_control_set(osc->control, i, value);
        answer_done(osc, message->path);
    }
}

// After "/fenby/param/": SYMBOL or SYMBOL/info.
static void on_parameter(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    char symbol[64];
    const char *const name = message->path + strlen(parameter_path), *const slash = strchr(name, '/');
    snprintf(symbol, sizeof symbol, "%.*s", (int)(slash ? slash - name : (long)strlen(name)), name);
    const int i = fenby_parameter_find(symbol);
    if (i < 0 || (slash && strcmp(slash, "/info"))) refuse(osc, message->path, "there is no such parameter");
    else if (slash) describe_parameter(osc, message, (fenby_parameter)i);
    else if (message->n_arguments == 0) answer_parameter(osc, i);
    else set_parameter(osc, message, (fenby_parameter)i);
}

static void on_parameters(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    for (int i = 0; i < FENBY_N_PARAMETERS && has_none(osc, message); i++) answer_parameter(osc, i);
}

// --- presets, model, recording -------------------------------------------------------------------------------

// At most one argument, a text. NULL: there is none.
static bool one_text(fenby_jack_osc *osc, const fenby_jack_message *message, const char **text)
{
    *text = NULL;
    if (message->n_arguments == 0) return true;
    if (message->n_arguments == 1 && fenby_jack_message_text(message, 0, text)) return true;
    refuse(osc, message->path, "expected one text, or nothing");
    return false;
}

// For what is asked about without an argument and changed with one.
static void answer_change(fenby_jack_osc *osc, const char *path, bool is_done, const char *error)
{
    if (is_done) answer_done(osc, path);
    else refuse(osc, path, "%s", error);
}

static void on_preset(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    char error[TEXT];
    const char *name;
    if (!one_text(osc, message, &name)) return;
    if (!name) {
        answer_text(osc, message->path, fenby_jack_control_state(osc->control)->preset);
        return;
    }
    const bool is_done = fenby_jack_control_preset(osc->control, name, error, sizeof error);
    answer_change(osc, message->path, is_done, error);
}

static void on_presets(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    char name[NAME_MAX + 1];
    if (!has_none(osc, message)) return;
    char **paths = fenby_preset_paths();
    lo_message names = lo_message_new();
    for (char **path = paths; path && *path; path++) {
        fenby_preset_name(*path, name, sizeof name);
        lo_message_add_string(names, name);
    }
    fenby_preset_paths_free(paths);
    answer(osc, message->path, names);
}

static void on_model(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    char error[TEXT];
    const char *path;
    fenby_jack_control_status status;
    if (!one_text(osc, message, &path)) return;
    if (!path) {
        fenby_jack_control_status_get(osc->control, &status);
        answer_text(osc, message->path, status.model);
        return;
    }
    const bool is_done = fenby_jack_control_model(osc->control, path, error, sizeof error);
    answer_change(osc, message->path, is_done, error);
}

static void on_record(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    char error[TEXT];
    const char *path;
    fenby_jack_control_status status;
    if (!one_text(osc, message, &path)) return;
    if (!path) {
        fenby_jack_control_status_get(osc->control, &status);
        answer_text(osc, message->path, status.recording ? status.recording : "");
        return;
    }
    const char *const file = *path ? path : NULL;
    const bool is_done = fenby_jack_control_record(osc->control, file, false, error, sizeof error);
    answer_change(osc, message->path, is_done, error);
}

static void on_panic(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    if (!has_none(osc, message)) return;
    fenby_jack_control_panic(osc->control);
    answer_done(osc, message->path);
}

static void on_status(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    fenby_jack_control_status status;
    if (!has_none(osc, message)) return;
    fenby_jack_control_status_get(osc->control, &status);
    const fenby_jack_client_status *client = &status.client;
    const fenby_engine_status *engine = &client->engine;
    lo_message pairs = lo_message_new();
    lo_message_add(pairs, "sisisi", "running", (int)status.is_running, "latency_frames",
                   (int)engine->latency_frames, "sounding", (int)engine->sounding);
    lo_message_add(pairs, "sfsfsfsfsf", "latency_ms", (float)status.latency_ms, "rate_hz", (float)client->rate_hz,
                   "level_db", engine->level_db, "a4_hz", engine->a4_hz, "jack_load", client->jack_load);
    lo_message_add(pairs, "sfshshshsh", "load", engine->worker_load, "late_events",
                   (int64_t)engine->late_events, "overruns", (int64_t)engine->overruns, "xruns",
                   (int64_t)client->xruns, "dropped_packets", (int64_t)osc->n_dropped);
    lo_message_add(pairs, "ssss", "model", status.model, "recording", status.recording ? status.recording : "");
    answer(osc, message->path, pairs);
}

static void on_quit(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    if (!has_none(osc, message)) return;
    answer_done(osc, message->path);
    fenby_jack_control_quit(osc->control);
}

// --- subscribers ---------------------------------------------------------------------------------------------

// HOST PORT, or nothing for the sender. Returns how many arguments that took, -1 when they make no sense.
static int read_destination(fenby_jack_osc *osc, const fenby_jack_message *message, fenby_jack_address *address)
{
    const char *host;
    double port;
    *address = *osc->from;
    if (message->n_arguments < 2 || !fenby_jack_message_number(message, 1, &port)) return 0;
    if (!fenby_jack_message_text(message, 0, &host) || !(port >= 1 && port <= 65535) ||
        !fenby_jack_address_read(address, host, (int)port)) {
        refuse(osc, message->path, "expected a numeric address and a port");
        return -1;
    }
    if (fenby_jack_address_is_loopback(&osc->address) && !fenby_jack_address_is_loopback(address)) {
        refuse(osc, message->path, "%s cannot be reached from here, see --osc-address", host);
        return -1;
    }
    return 2;
}

static unsigned what_of(const char *text)
{
    if (!strcmp(text, "notes")) return NOTES;
    if (!strcmp(text, "levels")) return LEVELS;
    return !strcmp(text, "parameters") ? PARAMETERS : 0;
}

// False when one is unknown.
static bool read_wishes(const fenby_jack_message *message, int first, unsigned *what)
{
    *what = first == message->n_arguments ? EVERYTHING : 0;
    for (int i = first; i < message->n_arguments; i++) {
        const char *text;
        if (!fenby_jack_message_text(message, i, &text) || !what_of(text)) return false;
        *what |= what_of(text);
    }
    return true;
}

// The place of this address, else a free one, else NULL.
static subscriber *find_place(fenby_jack_osc *osc, const fenby_jack_address *address)
{
    subscriber *place = NULL;
    for (subscriber *s = osc->subscribers; s < osc->subscribers + MOST_SUBSCRIBERS; s++) {
        if (s->what && fenby_jack_address_equal(&s->address, address)) return s;
        if (!s->what) place = s;
    }
    return place;
}

static void on_subscribe(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    subscriber new;
    const int first = read_destination(osc, message, &new.address);
    if (first < 0) return;
    if (!read_wishes(message, first, &new.what)) {
        refuse(osc, message->path, "expected [HOST PORT] and any of notes, levels, parameters");
        return;
    }
    subscriber *const place = find_place(osc, &new.address);
    if (!place) {
        refuse(osc, message->path, "there are %d subscribers already", MOST_SUBSCRIBERS);
        return;
    }
    new.ends_s = fenby_jack_now_s() + LIFE_S;
    *place = new;
    answer_done(osc, message->path);
}

static void on_unsubscribe(fenby_jack_osc *osc, const fenby_jack_message *message)
{
    fenby_jack_address address;
    if (read_destination(osc, message, &address) < 0) return;
    subscriber *const place = find_place(osc, &address);
    if (place) place->what = 0;
    answer_done(osc, message->path);
}

static bool listens(const subscriber *s, unsigned what)
{
    return (s->what & what) != 0;
}

void fenby_jack_osc_note(fenby_jack_osc *osc, const fenby_jack_note *note)
{
    for (subscriber *s = osc->subscribers; s < osc->subscribers + MOST_SUBSCRIBERS; s++) {
        if (!listens(s, NOTES)) continue;
        lo_message message = lo_message_new();
        lo_message_add(message, "siih", note->type == FENBY_NOTE_ON ? "on" : "off", (int)note->key,
                       (int)note->velocity, note->frame);
        send_to(osc, &s->address, "/fenby/note", message);
    }
}

static void tell_levels(fenby_jack_osc *osc, fenby_jack_control *control)
{
    if (fenby_jack_now_s() < osc->levels_at_s) return;
    osc->levels_at_s = fenby_jack_now_s() + level_interval_s;
    fenby_jack_control_status status;
    fenby_jack_control_status_get(control, &status);
    for (subscriber *s = osc->subscribers; s < osc->subscribers + MOST_SUBSCRIBERS; s++) {
        if (!listens(s, LEVELS)) continue;
        lo_message message = lo_message_new();
        lo_message_add_float(message, status.client.engine.level_db);
        send_to(osc, &s->address, "/fenby/level", message);
    }
}

static void tell_parameters(fenby_jack_osc *osc, fenby_jack_control *control)
{
    const fenby_parameters *now = &fenby_jack_control_state(control)->parameters;
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) {
        if (now->value[i] == osc->told.value[i]) continue;
        osc->told.value[i] = now->value[i];
        for (subscriber *s = osc->subscribers; s < osc->subscribers + MOST_SUBSCRIBERS; s++)
            if (listens(s, PARAMETERS)) send_parameter(osc, &s->address, i, now->value[i]);
    }
}

static void end_subscriptions(fenby_jack_osc *osc)
{
    const double now = fenby_jack_now_s();
    for (subscriber *s = osc->subscribers; s < osc->subscribers + MOST_SUBSCRIBERS; s++)
        if (now > s->ends_s) s->what = 0;
}

// --- packets -------------------------------------------------------------------------------------------------

static const struct {
    const char *path;
    void (*take)(fenby_jack_osc *osc, const fenby_jack_message *message);
} methods[] = {
    {"/fenby/param", on_parameters},
    {"/fenby/preset", on_preset},
    {"/fenby/presets", on_presets},
    {"/fenby/model", on_model},
    {"/fenby/panic", on_panic},
    {"/fenby/record", on_record},
    {"/fenby/status", on_status},
    {"/fenby/subscribe", on_subscribe},
    {"/fenby/unsubscribe", on_unsubscribe},
    {"/fenby/quit", on_quit},
};

static void take_message(void *user, const fenby_jack_message *message)
{
    fenby_jack_osc *osc = user;
    if (!strncmp(message->path, parameter_path, strlen(parameter_path))) {
        on_parameter(osc, message);
        return;
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (!strcmp(message->path, methods[i].path)) {
            methods[i].take(osc, message);
            return;
        }
    if (strcmp(message->path, error_path) && strcmp(message->path, done_path))
        refuse(osc, message->path, "there is no such address");
}

void fenby_jack_osc_take(fenby_jack_osc *osc, fenby_jack_control *control, void *bytes, size_t size,
                         const fenby_jack_address *from)
{
    osc->control = control;
    osc->from = from;
    if (!fenby_jack_packet_read(bytes, size, take_message, osc)) refuse(osc, "", "malformed OSC packet");
}

static void receive(fenby_jack_osc *osc, fenby_jack_control *control)
{
    char bytes[FENBY_JACK_PACKET_BYTES];
    for (int i = 0; i < PACKETS_AT_ONCE; i++) {
        fenby_jack_address from = {.size = sizeof from.bytes};
        const ssize_t size = recvfrom(osc->descriptor, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC,
                                      (struct sockaddr *)&from.bytes, &from.size);
        if (size < 0 && errno != EINTR) return;
        if (size <= 0) continue;
        if ((size_t)size <= sizeof bytes && is_allowed(&osc->packets, PACKETS_A_SECOND))
            fenby_jack_osc_take(osc, control, bytes, (size_t)size, &from);
        else
            osc->n_dropped++;
    }
}

void fenby_jack_osc_update(fenby_jack_osc *osc, fenby_jack_control *control)
{
    receive(osc, control);
    end_subscriptions(osc);
    tell_levels(osc, control);
    tell_parameters(osc, control);
}

// --- life ----------------------------------------------------------------------------------------------------

static bool listen_on(fenby_jack_osc *osc, const char *address, int port, char *error, size_t error_size)
{
    if (!fenby_jack_address_read(&osc->address, address, port)) {
        snprintf(error, error_size, "--osc-address %s: expected a numeric address of this machine", address);
        return false;
    }
    osc->descriptor = socket(osc->address.bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr *const bytes = (struct sockaddr *)&osc->address.bytes;
    if (osc->descriptor < 0 || bind(osc->descriptor, bytes, osc->address.size)) {
        snprintf(error, error_size, "cannot listen for OSC on %s port %d: %s", address, port, strerror(errno));
        return false;
    }
    getsockname(osc->descriptor, bytes, &osc->address.size);
    return true;
}

fenby_jack_osc *fenby_jack_osc_new(const char *address, int port, char *error, size_t error_size)
{
    fenby_jack_osc *osc = calloc(1, sizeof *osc);
    if (!osc) {
        snprintf(error, error_size, "not enough memory for OSC");
        return NULL;
    }
    osc->descriptor = -1;
    osc->packets.at_s = osc->errors.at_s = fenby_jack_now_s();
    osc->packets.left = PACKETS_A_SECOND;
    osc->errors.left = ERRORS_A_SECOND;
    osc->told = fenby_parameters_default();
    if (listen_on(osc, address, port, error, error_size)) return osc;
    fenby_jack_osc_free(osc);
    return NULL;
}

void fenby_jack_osc_free(fenby_jack_osc *osc)
{
    if (!osc) return;
    if (osc->descriptor >= 0) close(osc->descriptor);
    free(osc);
}

int fenby_jack_osc_port(const fenby_jack_osc *osc)
{
    return fenby_jack_address_port(&osc->address);
}

int fenby_jack_osc_descriptor(const fenby_jack_osc *osc)
{
    return osc->descriptor;
}
