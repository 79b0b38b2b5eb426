// SPDX-License-Identifier: ISC
#include "fenby_jack_control.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../dsp/cqt.h"
#include "../dsp/event.h"
#include "../dsp/latency.h"
#include "fenby_jack_clock.h"
#include "fenby_jack_recorder.h"
#include "info.h"

enum { KEYS = 128, LINE = 512 };

static const double retry_s = 1;  // between two looks for a server

struct fenby_jack_control {
    fenby_jack_control_config config;
    fenby_jack_state state;
    fenby_weights *weights;
    fenby_jack_client *client;  // NULL: no server
    fenby_jack_recorder *recorder;
    uint8_t channel_of_key[KEYS];  // what sounds, as those who were told know it; 0: silent
    double clock_began_s;  // when the notes' clock was at 0, on the system's; NAN: no client has run yet
    double retry_at_s;
    uint32_t told_block_frames;  // in the last line about how it runs
    bool has_told_links;         // of this client
    bool is_started, is_quitting;
    uint64_t lost_notes;      // of the client's, up to the last look
    bool lacks_notes;         // this recording
    bool has_lacked_notes;    // any of them
};

static void say(const fenby_jack_control *control, const char *line)
{
    control->config.say(control->config.user, line, false);
}

static void warn(const fenby_jack_control *control, const char *line)
{
    control->config.say(control->config.user, line, true);
}

// The clock that notes and recordings are on: the sound's while there is a client, and in between the system's.
static double now_s(const fenby_jack_control *control)
{
    if (control->client) return fenby_jack_client_now_s(control->client);
    return isnan(control->clock_began_s) ? 0 : fenby_jack_now_s() - control->clock_began_s;
}

// --- recording -----------------------------------------------------------------------------------------------

static bool end_recording(fenby_jack_control *control, double end_s, char *error, size_t error_size)
{
    const bool good = fenby_jack_recorder_free(control->recorder, end_s, error, error_size);
    control->recorder = NULL;
    control->has_lacked_notes |= !good;
    return good;
}

// What receivers of MPE were told before their first notes, which a recording that begins later has missed.
static void record_zone(fenby_jack_recorder *recorder, double begin_s)
{
    fenby_midi_message messages[FENBY_MIDI_ZONE];
    fenby_midi_out_zone(messages);
    for (int i = 0; i < FENBY_MIDI_ZONE; i++) {
        const fenby_jack_note note = {.sound_s = begin_s, .type = FENBY_BEND, .message = messages[i]};
        fenby_jack_recorder_put(recorder, &note);
    }
}

bool fenby_jack_control_record(fenby_jack_control *control, const char *path, bool may_replace, char *error,
                               size_t error_size)
{
    char text[256];
    const double begin_s = now_s(control);
    fenby_jack_recorder *new = NULL;
    snprintf(text, sizeof text, "fenby-jack " FENBY_VERSION ", model %s, starts are back-dated",
             fenby_weights_name(control->weights));
    if (path && !(new = fenby_jack_recorder_new(path, may_replace, begin_s, text, error, error_size))) return false;
    if (new && control->state.parameters.value[FENBY_BENDS] == FENBY_BENDS_MPE) record_zone(new, begin_s);
    if (new && *fenby_jack_recorder_kept(new)) {
        char line[2 * PATH_MAX + 64];
        snprintf(line, sizeof line, "%s was there already, it is %s now", path, fenby_jack_recorder_kept(new));
        say(control, line);
    }
    const bool good = end_recording(control, begin_s, error, error_size);
    control->recorder = new;
    control->lacks_notes = false;
    return good;
}

// --- notes ---------------------------------------------------------------------------------------------------

static void hand_out(fenby_jack_control *control, const fenby_jack_note *note)
{
    if (control->recorder) fenby_jack_recorder_put(control->recorder, note);
    if (note->type == FENBY_BEND) return;
    control->channel_of_key[note->key] = note->type == FENBY_NOTE_ON ? note->channel : 0;
    control->config.on_note(control->config.user, note);
}

// Notes find no room when this thread, or the one that writes, was held up for long. Told once for each recording.
static void look_for_lost_notes(fenby_jack_control *control)
{
    char line[LINE];
    const uint64_t before = control->lost_notes;
    control->lost_notes = fenby_jack_client_lost_notes(control->client);
    if (!control->recorder || control->lacks_notes) return;
    if (control->lost_notes == before && fenby_jack_recorder_lost_notes(control->recorder) == 0) return;
    control->lacks_notes = control->has_lacked_notes = true;
    snprintf(line, sizeof line, "%s: notes are missing, as the program or the disk was held up",
             fenby_jack_recorder_path(control->recorder));
    warn(control, line);
}

static void hand_out_notes(fenby_jack_control *control)
{
    fenby_jack_note note;
    if (!control->client) return;
    while (fenby_jack_client_take_note(control->client, &note)) hand_out(control, &note);
    look_for_lost_notes(control);
}

// For those who were told of notes whose ends got lost with the server.
static void end_what_sounds(fenby_jack_control *control)
{
    for (int key = 0; key < KEYS; key++) {
        const fenby_jack_note note = {.sound_s = now_s(control), .type = FENBY_NOTE_OFF, .key = (uint8_t)key,
                                      .channel = control->channel_of_key[key]};
        if (note.channel) hand_out(control, &note);
    }
    if (control->config.portmidi) fenby_jack_portmidi_end_notes(control->config.portmidi);
}

// --- the server ----------------------------------------------------------------------------------------------

void fenby_jack_control_stop(fenby_jack_control *control)
{
    if (!control->client) return;
    fenby_jack_client_stop(control->client);
    hand_out_notes(control);
    control->clock_began_s = fenby_jack_now_s() - now_s(control);
    fenby_jack_client_free(control->client);
    control->client = NULL;
    control->lost_notes = 0;
    end_what_sounds(control);
}

static bool start_client(fenby_jack_control *control, bool may_start_server, char *error, size_t error_size)
{
    const fenby_jack_control_config *config = &control->config;
    const fenby_jack_client_config client = {
        .name = config->name,
        .may_start_server = may_start_server,
        .has_midi_port = config->has_midi_port,
        .n_inputs = config->n_inputs,
        .wake_descriptor = config->wake_descriptor,
        .clock_began_s = control->clock_began_s,
        .portmidi = config->portmidi,
        .parameters = control->state.parameters,
        .tap = config->tap,
        .tap_user = config->user,
    };
    fenby_jack_links_renew(&control->state.links);
    control->has_told_links = false;
    control->client = fenby_jack_client_new(&client, control->weights, error, error_size);
    return control->client;
}

static void say_how_it_runs(fenby_jack_control *control)
{
    char line[LINE];
    fenby_jack_control_status status;
    fenby_jack_control_status_get(control, &status);
    control->told_block_frames = status.client.block_frames;
    snprintf(line, sizeof line, "'%s' runs in JACK at %g Hz, %u frames a period; latency %.1f ms; model %s",
             fenby_jack_client_name(control->client), status.client.rate_hz, status.client.block_frames,
             status.latency_ms, status.model);
    say(control, line);
}

static void say_started(fenby_jack_control *control)
{
    fenby_jack_control_status status;
    fenby_jack_control_status_get(control, &status);
    say_how_it_runs(control);
    if (!status.client.is_realtime) warn(control, "JACK runs without real-time priority: notes may be late");
}

bool fenby_jack_control_start(fenby_jack_control *control, char *error, size_t error_size)
{
    const bool may_start_server = control->config.may_start_server && !control->config.waits_for_server;
    control->is_started = true;
    if (start_client(control, may_start_server, error, error_size)) {
        say_started(control);
        return true;
    }
    if (!control->config.waits_for_server) return false;
    say(control, "waiting for a JACK server");
    return true;
}

bool fenby_jack_control_is_started(const fenby_jack_control *control)
{
    return control->is_started;
}

void fenby_jack_control_set_waits(fenby_jack_control *control, bool waits_for_server)
{
    control->config.waits_for_server = waits_for_server;
}

// Whatever keeps the client from beginning, the next look may find it gone.
static void look_for_server(fenby_jack_control *control)
{
    char error[LINE];
    if (fenby_jack_now_s() < control->retry_at_s) return;
    control->retry_at_s = fenby_jack_now_s() + retry_s;
    if (start_client(control, false, error, sizeof error)) say_started(control);
}

// Once for each client: a name may be misspelled, and what stays silent on a stage gives no reason.
static void tell_missing_links(fenby_jack_control *control)
{
    char line[LINE];
    const fenby_jack_links *links = &control->state.links;
    if (control->has_told_links || !fenby_jack_client_has_settled(control->client)) return;
    control->has_told_links = true;
    for (const fenby_jack_link *link = links->link; link < links->link + links->count; link++) {
        if (!link->is_asked || link->is_made) continue;
        const bool is_any = !strcmp(link->other, "auto");
        const char *const quote = is_any ? "" : "'";
        snprintf(line, sizeof line, "'%s' is not connected, it waits for %s%s%s", link->ours, quote,
                 is_any ? "any port" : link->other, quote);
        say(control, line);
    }
}

static bool follow_server(fenby_jack_control *control, char *error, size_t error_size)
{
    char reason[160], line[LINE];
    fenby_jack_client_status status;
    if (!fenby_jack_client_is_gone(control->client, reason, sizeof reason)) {
        if (!fenby_jack_client_update(control->client, &control->state.links, error, error_size)) return false;
        tell_missing_links(control);
        fenby_jack_client_status_get(control->client, &status);
        if (status.block_frames != control->told_block_frames) say_how_it_runs(control);
        return true;
    }
    fenby_jack_control_stop(control);
    control->retry_at_s = fenby_jack_now_s() + retry_s;
    const bool waits = control->config.waits_for_server;
    snprintf(line, sizeof line, "the JACK server is gone%s%s; %s", *reason ? ": " : "", reason,
             waits ? "waiting for it to come back" : "all notes are ended");
    warn(control, line);
    return waits;
}

bool fenby_jack_control_tick(fenby_jack_control *control, char *error, size_t error_size)
{
    char line[LINE];
    *error = 0;
    hand_out_notes(control);
    if (control->config.portmidi && fenby_jack_portmidi_news(control->config.portmidi, line, sizeof line))
        warn(control, line);
    if (control->recorder && fenby_jack_recorder_failed(control->recorder, line, sizeof line)) {
        end_recording(control, 0, line, sizeof line);
        warn(control, line);
    }
    if (control->is_quitting) return false;
    if (control->client) return follow_server(control, error, error_size);
    if (control->is_started) look_for_server(control);
    return true;
}

// --- settings ------------------------------------------------------------------------------------------------

void fenby_jack_control_set(fenby_jack_control *control, fenby_parameter parameter, float value)
{
    control->state.parameters.value[parameter] = fenby_parameter_clamp(parameter, value);
    if (control->client) fenby_jack_client_set_parameter(control->client, parameter, value);
}

static void set_all(fenby_jack_control *control, const fenby_parameters *parameters)
{
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        fenby_jack_control_set(control, i, parameters->value[i]);
}

void fenby_jack_control_panic(fenby_jack_control *control)
{
    if (control->client) fenby_jack_client_end_notes(control->client);
    if (control->config.portmidi) fenby_jack_portmidi_end_notes(control->config.portmidi);
}

// Opening anything else (a pipe, a device) might take for ever.
static bool is_file(const char *path, char *error, size_t error_size)
{
    struct stat status;
    if (stat(path, &status)) snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode)) snprintf(error, error_size, "%s: is no regular file", path);
    else return true;
    return false;
}

bool fenby_jack_control_preset(fenby_jack_control *control, const char *name, char *error, size_t error_size)
{
    const size_t length = strlen(name);
    const bool is_path = strchr(name, '/') || (length > 4 && !strcmp(name + length - 4, ".ttl"));
    if (is_path && !is_file(name, error, error_size)) return false;
    if (!fenby_jack_state_use_preset(&control->state, name, error, error_size)) return false;
    set_all(control, &control->state.parameters);
    fenby_jack_control_panic(control);
    return true;
}

static fenby_weights *load_weights(const char *path, char *error, size_t error_size)
{
    if (*path && !is_file(path, error, error_size)) return NULL;
    const uint64_t features = fenby_cqt_features_hash();
    return *path ? fenby_weights_load(path, features, error, error_size)
                 : fenby_weights_default(features, error, error_size);
}

bool fenby_jack_control_model(fenby_jack_control *control, const char *path, char *error, size_t error_size)
{
    if (strlen(path) >= sizeof control->state.model) {
        snprintf(error, error_size, "the model's path is too long");
        return false;
    }
    fenby_weights *weights = load_weights(path, error, error_size);
    if (!weights) return false;
    if (control->client && !fenby_jack_client_set_model(control->client, weights, error, error_size)) {
        fenby_weights_free(weights);
        return false;
    }
    fenby_weights_free(control->weights);
    control->weights = weights;
    snprintf(control->state.model, sizeof control->state.model, "%s", path);
    return true;
}

bool fenby_jack_control_switch(fenby_jack_control *control, const char *name, const fenby_jack_state *state,
                               char *error, size_t error_size)
{
    fenby_jack_control_stop(control);
    if (!fenby_jack_control_model(control, state->model, error, error_size)) return false;
    control->state = *state;
    snprintf(control->config.name, sizeof control->config.name, "%s", name);
    return fenby_jack_control_start(control, error, error_size);
}

// --- looking -------------------------------------------------------------------------------------------------

const fenby_jack_state *fenby_jack_control_state(const fenby_jack_control *control)
{
    return &control->state;
}

double fenby_jack_control_now_s(const fenby_jack_control *control)
{
    return now_s(control);
}

const char *fenby_jack_control_name(const fenby_jack_control *control)
{
    return control->client ? fenby_jack_client_name(control->client) : control->config.name;
}

void fenby_jack_control_status_get(fenby_jack_control *control, fenby_jack_control_status *status)
{
    *status = (fenby_jack_control_status){
        .is_running = control->client,
        .model = fenby_weights_name(control->weights),
        .recording = control->recorder ? fenby_jack_recorder_path(control->recorder) : NULL,
    };
    if (!control->client) return;
    fenby_jack_client_status_get(control->client, &status->client);
    status->latency_ms = 1000 * status->client.engine.latency_frames / status->client.rate_hz;
}

// --- life ----------------------------------------------------------------------------------------------------

fenby_jack_control *fenby_jack_control_new(const fenby_jack_control_config *config,
                                           const fenby_jack_state *state, char *error, size_t error_size)
{
    fenby_jack_control *control = calloc(1, sizeof *control);
    if (!control) {
        snprintf(error, error_size, "not enough memory");
        return NULL;
    }
    control->config = *config;
    control->state = *state;
    control->clock_began_s = NAN;
    control->weights = load_weights(state->model, error, error_size);
    if (control->weights) return control;
    free(control);
    return NULL;
}

bool fenby_jack_control_free(fenby_jack_control *control, char *error, size_t error_size)
{
    if (!control) return true;
    fenby_jack_control_stop(control);
    const bool good = end_recording(control, now_s(control), error, error_size), is_whole = !control->has_lacked_notes;
    if (good && !is_whole) snprintf(error, error_size, "a recording lacks notes");
    fenby_weights_free(control->weights);
    free(control);
    return is_whole;
}

void fenby_jack_control_quit(fenby_jack_control *control)
{
    control->is_quitting = true;
}
