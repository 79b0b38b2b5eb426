// SPDX-License-Identifier: ISC
#include "fenby_jack_client.h"

#include <errno.h>
#include <jack/metadata.h>
#include <jack/thread.h>
#include <jack/uuid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "fenby_jack_clock.h"

enum { SETTLE_US = 1000000 };  // after the last change of ports and connections

struct fenby_jack_client {
    fenby_jack_rt rt;
    jack_client_t *jack;  // NULL after _stop
    const fenby_weights *weights;
    uint32_t block_frames;
    uint64_t old_late_events, old_overruns, old_lost_frames;  // of engines before this one
    int wake_descriptor;
    jack_time_t settles_us;   // when the connections will have settled; 0: they have
    bool has_settled;         // since the client began
    pthread_mutex_t working;  // whoever works or exchanges the engine, off the audio thread
    jack_native_thread_t worker;
    bool has_worker, is_realtime;
    fenby_jack_tap tap;
    void *tap_user;
    char name[128];
    char reason[160];  // why the server went
    atomic_bool is_gone, is_leaving, ports_changed;
    bool is_pipewire;
    atomic_uint untold_latencies;  // 1 << mode: PipeWire asked for them
    _Atomic uint32_t latency_frames;
    _Atomic uint64_t xruns;
};

static void wake_control(fenby_jack_client *client)
{
    eventfd_write(client->wake_descriptor, 1);
}

// --- worker --------------------------------------------------------------------------------------------------

static void *work(void *user)
{
    fenby_jack_client *client = user;
    fenby_jack_rt *rt = &client->rt;
    for (;;) {
        while (sem_wait(&rt->work) && errno == EINTR) continue;
        while (sem_trywait(&rt->work) == 0) continue;
        if (atomic_load(&client->is_leaving)) return NULL;
        pthread_mutex_lock(&client->working);
        if (!atomic_load(&rt->is_freewheeling)) fenby_engine_work(rt->engine);
        pthread_mutex_unlock(&client->working);
        if (atomic_exchange(&rt->has_news, false)) wake_control(client);
    }
}

static void show_hop(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                     int64_t end_frame)
{
    const fenby_jack_client *client = user;
    const double end_s = client->rt.first_s + (double)end_frame / client->rt.rate_hz;
    client->tap(client->tap_user, cqt_frame, onset, sounding, end_s);
}

// --- JACK's notifications ------------------------------------------------------------------------------------

static int on_xrun(void *user)
{
    atomic_fetch_add(&((fenby_jack_client *)user)->xruns, 1);
    return 0;
}

// The control thread asks JACK what has changed.
static int on_size_or_rate(jack_nframes_t n, void *user)
{
    (void)n;
    wake_control(user);
    return 0;
}

static void on_freewheel(int is_starting, void *user)
{
    atomic_store(&((fenby_jack_client *)user)->rt.is_freewheeling, is_starting != 0);
}

static void on_connection(jack_port_id_t a, jack_port_id_t b, int is_made, void *user)
{
    (void)a, (void)b, (void)is_made;
    fenby_jack_client *client = user;
    atomic_store(&client->ports_changed, true);
    wake_control(client);
}

static void on_registration(jack_port_id_t port, int is_there, void *user)
{
    on_connection(port, port, is_there, user);
}

// May be called where only what a signal handler may do is allowed.
static void on_shutdown(jack_status_t code, const char *reason, void *user)
{
    (void)code;
    fenby_jack_client *client = user;
    strncpy(client->reason, reason ? reason : "", sizeof client->reason - 1);
    atomic_store(&client->is_gone, true);
    wake_control(client);
}

static void on_plain_shutdown(void *user)
{
    on_shutdown(0, NULL, user);
}

static void widen(jack_latency_range_t *range, bool *is_set, jack_latency_range_t other)
{
    if (!*is_set || other.min < range->min) range->min = other.min;
    if (!*is_set || other.max > range->max) range->max = other.max;
    *is_set = true;
}

// What is captured leaves as MIDI later by Fenby's own latency, and goes through without any.
static void tell_capture_latency(fenby_jack_client *client)
{
    fenby_jack_rt *rt = &client->rt;
    jack_latency_range_t all = {0, 0};
    bool is_set = false;
    for (unsigned i = 0; i < rt->n_inputs; i++) {
        jack_latency_range_t range;
        jack_port_get_latency_range(rt->in[i], JackCaptureLatency, &range);
        jack_port_set_latency_range(rt->thru[i], JackCaptureLatency, &range);
        if (jack_port_connected(rt->in[i])) widen(&all, &is_set, range);
    }
    const uint32_t own = atomic_load(&client->latency_frames);
    all.min += own;
    all.max += own;
    if (rt->midi_out) jack_port_set_latency_range(rt->midi_out, JackCaptureLatency, &all);
}

static void tell_playback_latency(fenby_jack_client *client)
{
    fenby_jack_rt *rt = &client->rt;
    const uint32_t own = atomic_load(&client->latency_frames);
    for (unsigned i = 0; i < rt->n_inputs; i++) {
        jack_latency_range_t all = {0, 0}, range;
        bool is_set = false;
        if (jack_port_connected(rt->thru[i])) {
            jack_port_get_latency_range(rt->thru[i], JackPlaybackLatency, &range);
            widen(&all, &is_set, range);
        }
        if (rt->midi_out && jack_port_connected(rt->midi_out)) {
            jack_port_get_latency_range(rt->midi_out, JackPlaybackLatency, &range);
            widen(&all, &is_set, (jack_latency_range_t){range.min + own, range.max + own});
        }
        jack_port_set_latency_range(rt->in[i], JackPlaybackLatency, &all);
    }
}

static void tell_latency(fenby_jack_client *client, jack_latency_callback_mode_t mode)
{
    if (mode == JackCaptureLatency)
        tell_capture_latency(client);
    else
        tell_playback_latency(client);
}

// JACK wants to be told at once. PipeWire (0.3.65) holds a lock meanwhile, for which it would wait forever if it had
// something else to call in its queue, which telling empties: there the control thread tells.
static void on_latency(jack_latency_callback_mode_t mode, void *user)
{
    fenby_jack_client *client = user;
    if (!client->is_pipewire) {
        tell_latency(client, mode);
        return;
    }
    atomic_fetch_or(&client->untold_latencies, 1u << mode);
    wake_control(client);
}

static void tell_untold_latencies(fenby_jack_client *client)
{
    const unsigned untold = atomic_exchange(&client->untold_latencies, 0);
    if (untold & 1u << JackCaptureLatency) tell_latency(client, JackCaptureLatency);
    if (untold & 1u << JackPlaybackLatency) tell_latency(client, JackPlaybackLatency);
}

// JACK's own chatter would only repeat, in more lines, what the program says itself.
static void on_message(const char *message)
{
    (void)message;
}

// --- control: beginning and ending ---------------------------------------------------------------------------

static bool fail(char *error, size_t error_size, const char *message)
{
    snprintf(error, error_size, "%s", message);
    return false;
}

static bool join_server(fenby_jack_client *client, const fenby_jack_client_config *config, char *error,
                        size_t error_size)
{
    jack_status_t status = 0;
    jack_set_error_function(on_message);
    jack_set_info_function(on_message);
    const jack_options_t options = config->may_start_server ? JackNullOption : JackNoStartServer;
    client->is_pipewire = strstr(jack_get_version_string(), "PipeWire") != NULL;
    client->jack = client->rt.jack = jack_client_open(config->name, options, &status);
    if (client->jack) {
        snprintf(client->name, sizeof client->name, "%s", jack_get_client_name(client->jack));
        return true;
    }
    if (!(status & JackServerFailed)) snprintf(error, error_size, "JACK refuses the client '%s'", config->name);
    else fail(error, error_size, "no JACK server is running: start one, or wait for one with --wait");
    return false;
}

static jack_port_t *new_port(fenby_jack_client *client, const char *name, unsigned number, const char *pretty,
                             const char *type, unsigned long flags)
{
    char numbered[32], label[64];
    const bool is_one_of_many = client->rt.n_inputs > 1 && number > 0;
    snprintf(numbered, sizeof numbered, is_one_of_many ? "%s_%u" : "%s", name, number);
    snprintf(label, sizeof label, is_one_of_many ? "%s %u" : "%s", pretty, number);
    jack_port_t *port = jack_port_register(client->jack, numbered, type, flags, 0);
    if (port)
        jack_set_property(client->jack, jack_port_uuid(port), JACK_METADATA_PRETTY_NAME, label, "text/plain");
    return port;
}

static bool make_ports(fenby_jack_client *client, bool has_midi_port)
{
    fenby_jack_rt *rt = &client->rt;
    for (unsigned i = 0; i < rt->n_inputs; i++) {
        rt->in[i] = new_port(client, "in", i + 1, "Fenby listens", JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput);
        rt->thru[i] = new_port(client, "thru", i + 1, "Fenby thru", JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput);
        if (!rt->in[i] || !rt->thru[i]) return false;
    }
    if (has_midi_port)
        rt->midi_out = new_port(client, "midi_out", 0, "Fenby notes", JACK_DEFAULT_MIDI_TYPE, JackPortIsOutput);
    return rt->midi_out || !has_midi_port;
}

static void set_callbacks(fenby_jack_client *client)
{
    jack_client_t *jack = client->jack;
    jack_set_process_callback(jack, fenby_jack_rt_process, &client->rt);
    jack_set_xrun_callback(jack, on_xrun, client);
    jack_set_buffer_size_callback(jack, on_size_or_rate, client);
    jack_set_sample_rate_callback(jack, on_size_or_rate, client);
    jack_set_freewheel_callback(jack, on_freewheel, client);
    jack_set_latency_callback(jack, on_latency, client);
    jack_set_port_connect_callback(jack, on_connection, client);
    jack_set_port_registration_callback(jack, on_registration, client);
    jack_on_info_shutdown(jack, on_shutdown, client);
    jack_on_shutdown(jack, on_plain_shutdown, client);  // all that PipeWire 0.3.65 calls
}

static fenby_engine *new_engine(fenby_jack_client *client, const fenby_parameters *parameters, double rate_hz,
                                char *error, size_t error_size)
{
    client->block_frames = jack_get_buffer_size(client->jack);
    const fenby_engine_config config = {.rate_hz = rate_hz, .block_frames = client->block_frames,
                                        .parameters = *parameters};
    fenby_engine *engine = fenby_engine_new(&config, client->weights, error, error_size);
    if (engine && client->tap) fenby_engine_set_tap(engine, show_hop, client);
    return engine;
}

static void update_latency(fenby_jack_client *client)
{
    fenby_engine_status status;
    fenby_engine_status_get(client->rt.engine, &status);
    if (atomic_exchange(&client->latency_frames, status.latency_frames) == status.latency_frames) return;
    jack_recompute_total_latencies(client->jack);
}

static bool create_worker(fenby_jack_client *client, bool is_realtime)
{
    const int priority = jack_client_real_time_priority(client->jack) - 1;
    client->is_realtime = is_realtime;
    client->has_worker =
        jack_client_create_thread(client->jack, &client->worker, priority, is_realtime, work, client) == 0;
    return client->has_worker;
}

// The server may have a right to real-time priority that this program has not.
static bool start_worker(fenby_jack_client *client)
{
    return (jack_is_realtime(client->jack) && create_worker(client, true)) || create_worker(client, false);
}

static bool begin(fenby_jack_client *client, const fenby_jack_client_config *config, char *error,
                  size_t error_size)
{
    fenby_jack_rt *rt = &client->rt;
    if (!rt->notes) return fail(error, error_size, "not enough memory for the JACK client");
    if (!join_server(client, config, error, error_size)) return false;
    rt->rate_hz = jack_get_sample_rate(client->jack);
    rt->engine = new_engine(client, &config->parameters, rt->rate_hz, error, error_size);
    if (!rt->engine) return false;
    if (!make_ports(client, config->has_midi_port))
        return fail(error, error_size, "JACK has no room for more ports");
    set_callbacks(client);
    if (!start_worker(client)) return fail(error, error_size, "cannot start the worker thread");
    rt->first_s = isnan(config->clock_began_s) ? 0 : fenby_jack_now_s() - config->clock_began_s;
    if (jack_activate(client->jack)) return fail(error, error_size, "JACK refuses to run the client");
    update_latency(client);
    return true;
}

fenby_jack_client *fenby_jack_client_new(const fenby_jack_client_config *config, const fenby_weights *weights,
                                         char *error, size_t error_size)
{
    fenby_jack_client *client = calloc(1, sizeof *client);
    if (!client) {
        fail(error, error_size, "not enough memory for the JACK client");
        return NULL;
    }
    client->weights = weights;
    client->wake_descriptor = config->wake_descriptor;
    client->ports_changed = true;
    client->rt.n_inputs = config->n_inputs;
    client->rt.portmidi = config->portmidi;
    client->tap = config->tap;
    client->tap_user = config->tap_user;
    client->rt.working = &client->working;
    client->rt.notes = fenby_jack_queue_new();
    pthread_mutex_init(&client->working, NULL);
    sem_init(&client->rt.work, 0, 0);
    if (begin(client, config, error, error_size)) return client;
    fenby_jack_client_free(client);
    return NULL;
}

void fenby_jack_client_stop(fenby_jack_client *client)
{
    if (client->has_worker && !atomic_load(&client->is_gone)) fenby_jack_rt_hold(&client->rt);
    if (client->jack && !atomic_load(&client->is_gone)) jack_deactivate(client->jack);
    if (client->jack) jack_client_close(client->jack);
    client->jack = NULL;
    if (!client->has_worker) return;
    atomic_store(&client->is_leaving, true);
    sem_post(&client->rt.work);
    pthread_join(client->worker, NULL);
    client->has_worker = false;
}

void fenby_jack_client_free(fenby_jack_client *client)
{
    if (!client) return;
    fenby_jack_client_stop(client);
    fenby_engine_free(client->rt.engine);
    fenby_jack_queue_free(client->rt.notes);
    sem_destroy(&client->rt.work);
    pthread_mutex_destroy(&client->working);
    free(client);
}

const char *fenby_jack_client_name(const fenby_jack_client *client)
{
    return client->name;
}

bool fenby_jack_client_is_gone(fenby_jack_client *client, char *reason, size_t reason_size)
{
    if (!atomic_load(&client->is_gone)) return false;
    snprintf(reason, reason_size, "%s", client->reason);
    return true;
}

// --- control: while it runs ----------------------------------------------------------------------------------

// Another block size or rate: another engine, which goes on where this one stops.
static bool follow_server(fenby_jack_client *client, char *error, size_t error_size)
{
    fenby_jack_rt *rt = &client->rt;
    const double rate_hz = jack_get_sample_rate(client->jack);
    if (rate_hz == rt->rate_hz && jack_get_buffer_size(client->jack) == client->block_frames) return true;

    fenby_jack_rt_hold(rt);
    fenby_engine *old = rt->engine;
    fenby_parameters parameters;
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        parameters.value[i] = fenby_engine_parameter(old, i);
    fenby_engine_status status;
    fenby_engine_status_get(old, &status);
    fenby_engine *engine = new_engine(client, &parameters, rate_hz, error, error_size);
    if (!engine) return false;

    client->old_late_events += status.late_events;
    client->old_overruns += status.overruns;
    client->old_lost_frames += status.lost_frames;
    pthread_mutex_lock(&client->working);
    rt->first_frame += rt->next_frame;
    rt->first_s += (double)rt->next_frame / rt->rate_hz;
    rt->next_frame = 0;
    atomic_store(&rt->heard, 0);
    rt->rate_hz = rate_hz;
    rt->engine = engine;
    pthread_mutex_unlock(&client->working);
    fenby_jack_rt_release(rt);
    fenby_engine_free(old);
    return true;
}

// ALSA's is always there, counts as physical, and makes no sound. JACK's own driver has the name in an alias.
static bool is_midi_through(const jack_port_t *port)
{
    char first[512], second[512], *const aliases[] = {first, second};
    if (strstr(jack_port_name(port), "Midi Through")) return true;
    if (jack_port_name_size() > (int)sizeof first) return false;
    const int n = jack_port_get_aliases(port, aliases);
    for (int i = 0; i < n && i < 2; i++)
        if (strstr(aliases[i], "Midi-Through")) return true;
    return false;
}

// The first port of these flags that is not ours and whose name holds this part. NULL: any that sounds.
static bool find_among(fenby_jack_client *client, const char *type, unsigned long flags, const char *part,
                       char *name, size_t name_size)
{
    const char **ports = jack_get_ports(client->jack, NULL, type, flags);
    bool found = false;
    for (size_t i = 0; ports && ports[i] && !found; i++) {
        const jack_port_t *port = jack_port_by_name(client->jack, ports[i]);
        found = port && !jack_port_is_mine(client->jack, port) &&
                (part ? strstr(ports[i], part) != NULL : !is_midi_through(port));
        if (found) snprintf(name, name_size, "%s", ports[i]);
    }
    jack_free(ports);
    return found;
}

// Makes a full name of a part of one, or of "auto": the first port of the other direction that is physical, for
// MIDI else any. False when there is no such port.
static bool find_port(fenby_jack_client *client, const jack_port_t *ours, char *name, size_t name_size)
{
    if (strchr(name, ':')) return jack_port_by_name(client->jack, name) != NULL;
    const char *const type = jack_port_type(ours);
    const unsigned long direction =
        jack_port_flags(ours) & JackPortIsInput ? JackPortIsOutput : JackPortIsInput;
    if (strcmp(name, "auto")) return find_among(client, type, direction, name, name, name_size);
    return find_among(client, type, direction | JackPortIsPhysical, NULL, name, name_size) ||
           (!strcmp(type, JACK_DEFAULT_MIDI_TYPE) &&
            find_among(client, type, direction, NULL, name, name_size));
}

static jack_port_t *own_port(fenby_jack_client *client, const char *short_name)
{
    char name[FENBY_JACK_PORT_NAME];
    snprintf(name, sizeof name, "%s:%s", client->name, short_name);
    return jack_port_by_name(client->jack, name);
}

// Makes the link if it was not made before. False when somebody has taken it off.
static bool keep_link(fenby_jack_client *client, fenby_jack_link *link)
{
    jack_port_t *const ours = own_port(client, link->ours);
    if (!ours) return true;
    if (!find_port(client, ours, link->other, sizeof link->other)) {
        link->is_made = false;
        return true;
    }
    if (jack_port_connected_to(ours, link->other)) {
        link->is_made = true;
        return true;
    }
    if (link->is_made) return false;
    const bool is_input = jack_port_flags(ours) & JackPortIsInput;
    const char *const from = is_input ? link->other : jack_port_name(ours);
    const char *const to = is_input ? jack_port_name(ours) : link->other;
    link->is_made = jack_connect(client->jack, from, to) == 0;
    return true;
}

static void note_connections(fenby_jack_client *client, jack_port_t *port, fenby_jack_links *links)
{
    const char **others = jack_port_get_all_connections(client->jack, port);
    for (size_t i = 0; others && others[i]; i++)
        fenby_jack_links_add(links, jack_port_short_name(port), others[i], FENBY_JACK_MADE);
    jack_free(others);
}

// A port that goes away is disconnected first: only when things have settled is a link that is off known to be
// unwanted.
static void update_links(fenby_jack_client *client, fenby_jack_links *links, bool is_settled)
{
    for (size_t i = 0; i < links->count;) {
        if (keep_link(client, &links->link[i]) || !is_settled) i++;
        else fenby_jack_links_remove(links, i);
    }
    for (unsigned i = 0; i < client->rt.n_inputs; i++) {
        note_connections(client, client->rt.in[i], links);
        note_connections(client, client->rt.thru[i], links);
    }
    if (client->rt.midi_out) note_connections(client, client->rt.midi_out, links);
}

static void follow_connections(fenby_jack_client *client, fenby_jack_links *links)
{
    const bool have_changed = atomic_exchange(&client->ports_changed, false);
    const jack_time_t now_us = jack_get_time();
    const bool are_settled = client->settles_us && now_us >= client->settles_us;
    if (have_changed || are_settled) update_links(client, links, are_settled && !have_changed);
    if (have_changed) client->settles_us = now_us + SETTLE_US;
    else if (are_settled) client->settles_us = 0;
    client->has_settled |= are_settled;
}

bool fenby_jack_client_update(fenby_jack_client *client, fenby_jack_links *links, char *error,
                              size_t error_size)
{
    if (atomic_load(&client->is_gone)) return true;
    if (!follow_server(client, error, error_size)) return false;
    update_latency(client);
    tell_untold_latencies(client);
    follow_connections(client, links);
    return true;
}

bool fenby_jack_client_has_settled(const fenby_jack_client *client)
{
    return client->has_settled;
}

bool fenby_jack_client_take_note(fenby_jack_client *client, fenby_jack_note *note)
{
    return fenby_jack_queue_get(client->rt.notes, note);
}

uint64_t fenby_jack_client_lost_notes(const fenby_jack_client *client)
{
    return fenby_jack_queue_lost(client->rt.notes);
}

double fenby_jack_client_now_s(fenby_jack_client *client)
{
    return client->rt.first_s + (double)atomic_load(&client->rt.heard) / client->rt.rate_hz;
}

void fenby_jack_client_set_parameter(fenby_jack_client *client, fenby_parameter parameter, float value)
{
    fenby_engine_set_parameter(client->rt.engine, parameter, value);
}

void fenby_jack_client_end_notes(fenby_jack_client *client)
{
    fenby_engine_end_notes(client->rt.engine);
    atomic_store(&client->rt.end_notes, true);
    sem_post(&client->rt.work);
}

bool fenby_jack_client_set_model(fenby_jack_client *client, const fenby_weights *weights, char *error,
                                 size_t error_size)
{
    pthread_mutex_lock(&client->working);
    const bool good = fenby_engine_set_model(client->rt.engine, weights, error, error_size);
    pthread_mutex_unlock(&client->working);
    if (!good) return false;
    client->weights = weights;
    atomic_store(&client->rt.end_notes, true);
    return true;
}

void fenby_jack_client_status_get(fenby_jack_client *client, fenby_jack_client_status *status)
{
    fenby_engine_status_get(client->rt.engine, &status->engine);
    status->engine.late_events += client->old_late_events;
    status->engine.overruns += client->old_overruns;
    status->engine.lost_frames += client->old_lost_frames;
    status->rate_hz = client->rt.rate_hz;
    status->block_frames = client->block_frames;
    const uint64_t told = atomic_load(&client->xruns), seen = atomic_load(&client->rt.holes);
    status->xruns = told > seen ? told : seen;
    status->blocked_events = atomic_load(&client->rt.blocked_events);
    status->jack_load = jack_cpu_load(client->jack) / 100;
    status->is_realtime = client->is_realtime;
    status->is_freewheeling = atomic_load(&client->rt.is_freewheeling);
}
