// SPDX-License-Identifier: ISC
// The LV2 plugin: audio in and through, notes out, around one engine (dsp/engine.h).
//
// Audio thread: run() pushes samples, pops events, writes MIDI. Audio travels in the engine's ring; what goes to
// the worker is a bare wake-up, by the host's work:schedule, or by a semaphore to a thread of our own where a host
// has none. When the host freewheels, run() works itself, chunk by chunk, and waits for the worker if that is
// still busy; so the notes are the same however large the blocks are.
//
// Model files and MIDI files are loaded and saved in the worker. The work lock is held while working; the audio
// thread takes it only when freewheeling.
#include <limits.h>
#include <lv2/atom/atom.h>
#include <lv2/atom/forge.h>
#include <lv2/core/lv2.h>
#include <lv2/core/lv2_util.h>
#include <lv2/log/log.h>
#include <lv2/log/logger.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/worker/worker.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dsp/engine.h"
#include "../dsp/heads.h"
#include "../dsp/ring.h"
#include "messages.h"
#include "model_store.h"
#include "ports.h"
#include "recent_notes.h"
#include "thru.h"

enum {
    MOST_PORTS = FENBY_PORT_AUDIO + 4,
    MOST_CHANNELS = 2,
    CHUNK = FENBY_THRU_CHUNK,
    DEFAULT_BLOCK = 1024,  // frames, for hosts that do not say
    VIEW_HOPS = 64,        // that may wait for run()
    SENT_NOTES = 4096,     // that may wait for the worker
    MESSAGES = 8,
    ERROR_SIZE = PATH_MAX + 256,
    MIDI_NOTE_OFF = 0x80,
    MIDI_NOTE_ON = 0x90,
    NO_KNOWN_RELEASE = 64,  // velocity of a note-off
};

static const double triggered_s = 0.1;  // how long the note light is on

// Audio thread to worker.
typedef struct {
    enum { LOAD_MODEL, SAVE_NOTES } type;
    int64_t from, to;
    int lowest, highest;
    char path[PATH_MAX];
} command;

// Worker to audio thread, and on to the UI.
typedef struct {
    enum { MODEL_IS, MESSAGE } type;
    char text[PATH_MAX];
} report;

typedef struct {
    bool stereo;
    double rate_hz;
    uint32_t block_frames;
    fenby_urids urids;
    LV2_Log_Logger logger;
    LV2_Worker_Schedule *schedule;  // NULL: our own thread

    fenby_engine *engine;
    fenby_ring *commands, *sent;    // audio thread to worker
    fenby_ring *reports, *hops;     // worker to audio thread
    atomic_bool woken;              // a wake-up is on its way
    atomic_bool work_waits;         // other work than samples
    atomic_bool watched;            // by a UI
    _Atomic int64_t clock_frames;   // since instantiate; no reset turns it back

    // Our own worker thread.
    pthread_t thread;
    bool has_thread;
    sem_t wake;
    atomic_bool quit;

    // Working: under the work lock.
    pthread_mutex_t work_lock;
    fenby_model *model;
    fenby_recent_notes *recent;

    // State: under the state lock, never taken by the audio thread.
    pthread_mutex_t state_lock;
    char path[PATH_MAX];  // of the model that is in use or, after restoring, wanted; "": built in
    bool restored;        // path is yet to be loaded

    // The audio thread's own.
    struct {
        const void *in[MOST_PORTS];
        void *out[MOST_PORTS];
        float seen[FENBY_N_PARAMETERS];  // last values of the ports
        bool enabled, freewheel;
        bool closing;            // every sounding note is to end
        uint8_t sounding[128];   // channel that each key sounds on, 0: none
        fenby_event held;        // there was no room for it
        bool has_held;
        int64_t engine_start;    // the clock when the engine's began
        int64_t transport_frame; // where the host should be
        bool rolling;
        uint32_t light_frames;   // left of the note light
        char model_path[PATH_MAX];
        bool announce_model;
        fenby_thru *thru[MOST_CHANNELS];
        LV2_Atom_Forge midi, notify;
        LV2_Atom_Forge_Frame midi_frame, notify_frame;
    } rt;
} plugin;

// --- the worker -----------------------------------------------------------------------------------------------

static void tell(plugin *p, int type, const char *text)
{
    report told = {.type = type};
    snprintf(told.text, sizeof told.text, "%.*s", PATH_MAX - 1, text);
    fenby_ring_write(p->reports, &told, 1);  // no room: nobody reads them
}

static void tell_error(plugin *p, const char *error)
{
    lv2_log_error(&p->logger, "Fenby: %s\n", error);
    tell(p, MESSAGE, error);
}

static bool load_model(plugin *p, const char *path)
{
    char error[ERROR_SIZE];
    fenby_model *model = fenby_model_acquire(path, error, sizeof error);
    if (!model || !fenby_engine_set_model(p->engine, fenby_model_weights(model), error, sizeof error)) {
        fenby_model_release(model);
        tell_error(p, error);
        return false;
    }
    fenby_model_release(p->model);
    p->model = model;
    return true;
}

static void set_path(plugin *p, const char *path)
{
    pthread_mutex_lock(&p->state_lock);
    snprintf(p->path, sizeof p->path, "%s", path);
    p->restored = false;
    pthread_mutex_unlock(&p->state_lock);
    tell(p, MODEL_IS, path);
}

// A model that the session asks for and that cannot be loaded stays the session's, so that nothing is lost when
// it is saved again on a machine that lacks the file.
static void load_restored(plugin *p)
{
    char path[PATH_MAX];
    pthread_mutex_lock(&p->state_lock);
    const bool restored = p->restored;
    p->restored = false;
    memcpy(path, p->path, sizeof path);
    pthread_mutex_unlock(&p->state_lock);
    if (restored && load_model(p, path)) tell(p, MODEL_IS, path);
}

static void save_notes(plugin *p, const command *c)
{
    char text[ERROR_SIZE], error[ERROR_SIZE];
    snprintf(text, sizeof text, "Fenby " FENBY_VERSION ", model %s", fenby_weights_name(fenby_model_weights(p->model)));
    const int64_t now = atomic_load(&p->clock_frames);
    const int n = fenby_recent_notes_save(p->recent, c->path, c->from, c->to, c->lowest, c->highest, now, text, error,
                                          sizeof error);
    if (n < 0) {
        tell_error(p, error);
        return;
    }
    snprintf(text, sizeof text, "%d note%s saved: %s", n, n == 1 ? "" : "s", c->path);
    tell(p, MESSAGE, text);
}

static void keep_sent_notes(plugin *p)
{
    fenby_sent_note note;
    while (fenby_ring_read(p->sent, &note, 1)) fenby_recent_notes_add(p->recent, &note);
}

static void obey_commands(plugin *p)
{
    command c;
    while (fenby_ring_read(p->commands, &c, 1)) {
        if (c.type == SAVE_NOTES)
            save_notes(p, &c);
        else if (load_model(p, c.path))
            set_path(p, c.path);
    }
}

// Everything that waits. In whatever thread; one at a time.
static void work(plugin *p)
{
    pthread_mutex_lock(&p->work_lock);
    keep_sent_notes(p);
    if (atomic_exchange(&p->work_waits, false)) {
        load_restored(p);
        obey_commands(p);
    }
    fenby_engine_work(p->engine);
    pthread_mutex_unlock(&p->work_lock);
}

static LV2_Worker_Status host_works(LV2_Handle instance, LV2_Worker_Respond_Function respond,
                                    LV2_Worker_Respond_Handle handle, uint32_t size, const void *data)
{
    (void)respond, (void)handle, (void)size, (void)data;
    plugin *p = instance;
    atomic_store(&p->woken, false);
    work(p);
    return LV2_WORKER_SUCCESS;
}

// What the worker has to say travels in our rings; there is nothing in a response.
static LV2_Worker_Status host_responds(LV2_Handle instance, uint32_t size, const void *body)
{
    (void)instance, (void)size, (void)body;
    return LV2_WORKER_SUCCESS;
}

static void *thread_works(void *instance)
{
    plugin *p = instance;
    for (;;) {
        while (sem_wait(&p->wake)) continue;
        if (atomic_load(&p->quit)) return NULL;
        atomic_store(&p->woken, false);
        work(p);
    }
}

static void tap(void *user, const float *cqt_frame, const float *onset, const float *sounding, int64_t end_frame)
{
    plugin *p = user;
    if (!atomic_load_explicit(&p->watched, memory_order_relaxed)) return;
    fenby_view_hop hop;
    fenby_view_hop_fill(&hop, cqt_frame, onset, sounding, end_frame, p->rate_hz);
    fenby_ring_write(p->hops, &hop, 1);  // no room: the view misses one
}

// --- audio thread: waking the worker --------------------------------------------------------------------------

static void wake_worker(plugin *p)
{
    if (!fenby_engine_has_work(p->engine) && !atomic_load(&p->work_waits)) return;
    if (atomic_exchange(&p->woken, true)) return;
    if (!p->schedule)
        sem_post(&p->wake);
    else if (p->schedule->schedule_work(p->schedule->handle, sizeof p->woken, &p->woken))
        atomic_store(&p->woken, false);  // the host's queue is full: next time
}

static void give_command(plugin *p, const command *c)
{
    if (fenby_ring_write(p->commands, c, 1)) atomic_store(&p->work_waits, true);
}

// --- audio thread: atoms out ----------------------------------------------------------------------------------

// The host sets the size of an output's atom to the room that there is.
static void begin_sequence(LV2_Atom_Forge *forge, LV2_Atom_Forge_Frame *frame, LV2_Atom_Sequence *port)
{
    lv2_atom_forge_set_buffer(forge, (uint8_t *)port, port ? port->atom.size : 0);
    if (!lv2_atom_forge_sequence_head(forge, frame, 0)) lv2_atom_forge_set_buffer(forge, NULL, 0);
}

static void end_sequence(LV2_Atom_Forge *forge, LV2_Atom_Forge_Frame *frame)
{
    if (forge->buf) lv2_atom_forge_pop(forge, frame);
}

static bool has_room(const LV2_Atom_Forge *forge, uint32_t body_size)
{
    return forge->size - forge->offset >= sizeof(LV2_Atom_Event) + ((size_t)body_size + 7) / 8 * 8;
}

static bool write_event(LV2_Atom_Forge *forge, uint32_t offset, LV2_URID type, const void *body, uint32_t size)
{
    if (!has_room(forge, size)) return false;
    lv2_atom_forge_frame_time(forge, offset);
    lv2_atom_forge_atom(forge, size, type);
    lv2_atom_forge_write(forge, body, size);
    return true;
}

static void write_model(plugin *p)
{
    LV2_Atom_Forge *forge = &p->rt.notify;
    const uint32_t length = (uint32_t)strlen(p->rt.model_path);
    if (!has_room(forge, 128 + length)) return;  // 128: the object around it
    LV2_Atom_Forge_Frame frame;
    lv2_atom_forge_frame_time(forge, 0);
    lv2_atom_forge_object(forge, &frame, 0, p->urids.patch_set);
    lv2_atom_forge_key(forge, p->urids.patch_property);
    lv2_atom_forge_urid(forge, p->urids.model);
    lv2_atom_forge_key(forge, p->urids.patch_value);
    lv2_atom_forge_path(forge, p->rt.model_path, length);
    lv2_atom_forge_pop(forge, &frame);
    p->rt.announce_model = false;
}

static void write_reports(plugin *p)
{
    report told;
    while (fenby_ring_peek(p->reports, &told)) {
        const uint32_t size = (uint32_t)strlen(told.text) + 1;
        if (told.type == MODEL_IS) {
            memcpy(p->rt.model_path, told.text, sizeof told.text);
            p->rt.announce_model = true;
        } else if (!write_event(&p->rt.notify, 0, p->urids.message, told.text, size) &&
                   atomic_load(&p->watched)) {
            break;
        }
        fenby_ring_skip(p->reports);
    }
    if (p->rt.announce_model) write_model(p);
}

static void write_hops(plugin *p)
{
    fenby_view_hop hop;
    while (has_room(&p->rt.notify, sizeof hop) && fenby_ring_read(p->hops, &hop, 1)) {
        hop.end_frame += p->rt.engine_start;
        write_event(&p->rt.notify, 0, p->urids.view, &hop, sizeof hop);
    }
}

// --- audio thread: notes out ----------------------------------------------------------------------------------

static bool write_midi(plugin *p, uint32_t offset, int status, int channel, int key, int velocity)
{
    const uint8_t bytes[3] = {(uint8_t)(status | (channel - 1)), (uint8_t)key, (uint8_t)velocity};
    return write_event(&p->rt.midi, offset, p->urids.midi_event, bytes, sizeof bytes);
}

// For the recent notes and for the view.
static void record(plugin *p, uint32_t offset, int64_t frame, int channel, int key, int velocity)
{
    const fenby_sent_note sent = {frame, (uint8_t)key, (uint8_t)velocity, (uint8_t)channel};
    const fenby_view_note shown = {frame, (uint8_t)key, (uint8_t)velocity};
    fenby_ring_write(p->sent, &sent, 1);  // no room: the worker is starved
    if (atomic_load_explicit(&p->watched, memory_order_relaxed))
        write_event(&p->rt.notify, offset, p->urids.note, &shown, sizeof shown);
}

static bool end_note(plugin *p, uint32_t offset, int key, int64_t frame)
{
    const int channel = p->rt.sounding[key];
    if (!channel) return true;
    if (!write_midi(p, offset, MIDI_NOTE_OFF, channel, key, NO_KNOWN_RELEASE)) return false;
    p->rt.sounding[key] = 0;
    record(p, offset, frame, channel, key, 0);
    return true;
}

static bool begin_note(plugin *p, uint32_t offset, int key, int velocity, int64_t frame)
{
    const int channel = (int)fenby_engine_parameter(p->engine, FENBY_MIDI_CHANNEL);
    if (!p->rt.enabled) return true;
    if (!end_note(p, offset, key, frame)) return false;
    if (!write_midi(p, offset, MIDI_NOTE_ON, channel, key, velocity)) return false;
    p->rt.sounding[key] = (uint8_t)channel;
    p->rt.light_frames = (uint32_t)(triggered_s * p->rate_hz);
    record(p, offset, frame, channel, key, velocity);
    return true;
}

// False: there is no room.
static bool send(plugin *p, const fenby_event *event, uint32_t offset)
{
    const int64_t frame = p->rt.engine_start + event->sound_frame;
    switch (event->type) {
        case FENBY_NOTE_ON: return begin_note(p, offset, event->key & 0x7f, event->velocity, frame);
        case FENBY_NOTE_OFF: return end_note(p, offset, event->key & 0x7f, frame);
        default: return true;
    }
}

// Sends what is due before the end of a segment of the block that begins at `offset` and at the engine's frame
// `start`.
static void send_due(plugin *p, uint32_t offset, int64_t start)
{
    const int64_t until = fenby_engine_frames(p->engine);
    for (;;) {
        if (!p->rt.has_held) p->rt.has_held = fenby_engine_pop(p->engine, until, &p->rt.held);
        if (!p->rt.has_held) return;
        const int64_t after_start = p->rt.held.frame - start;
        if (!send(p, &p->rt.held, offset + (after_start > 0 ? (uint32_t)after_start : 0))) return;
        p->rt.has_held = false;
    }
}

static void close_notes(plugin *p, uint32_t offset)
{
    for (int key = 0; key < 128; key++)
        if (!end_note(p, offset, key, atomic_load(&p->clock_frames))) return;
    p->rt.closing = false;
}

// --- audio thread: audio --------------------------------------------------------------------------------------

static const float *audio_in(const plugin *p, int channel)
{
    return p->rt.in[FENBY_PORT_AUDIO + channel];
}

static float *audio_out(const plugin *p, int channel)
{
    return p->rt.out[FENBY_PORT_AUDIO + (p->stereo ? 2 : 1) + channel];
}

static const float *mixed(const plugin *p, float *mix, uint32_t at, uint32_t n)
{
    const float *left = audio_in(p, 0), *right = audio_in(p, 1);
    if (!p->stereo) return left + at;
    for (uint32_t i = 0; i < n; i++) mix[i] = (left[at + i] + right[at + i]) / 2;
    return mix;
}

static uint32_t thru_delay(const plugin *p)
{
    const float *thru = p->rt.in[FENBY_PORT_THRU];
    if (thru && *thru > 0.5f) return 0;
    fenby_engine_status status;
    fenby_engine_status_get(p->engine, &status);
    return status.latency_frames;
}

static void process_chunk(plugin *p, uint32_t at, uint32_t n, uint32_t delay)
{
    const int n_channels = p->stereo ? 2 : 1;
    float mix[CHUNK];
    for (int i = 0; i < n_channels; i++) fenby_thru_write(p->rt.thru[i], audio_in(p, i) + at, n);
    fenby_engine_push(p->engine, mixed(p, mix, at, n), n);
    for (int i = 0; i < n_channels; i++) fenby_thru_read(p->rt.thru[i], audio_out(p, i) + at, n, delay);
    atomic_fetch_add(&p->clock_frames, n);
}

// A part of the block, between two messages.
static void process(plugin *p, uint32_t from, uint32_t to)
{
    if (from == to) return;
    if (p->rt.closing) close_notes(p, from);
    const uint32_t delay = thru_delay(p);
    const int64_t start = fenby_engine_frames(p->engine);
    for (uint32_t at = from; at < to; at += CHUNK) {
        const int64_t chunk_start = fenby_engine_frames(p->engine);
        process_chunk(p, at, to - at < CHUNK ? to - at : CHUNK, delay);
        if (!p->rt.freewheel) continue;
        work(p);
        send_due(p, at, chunk_start);
    }
    if (!p->rt.freewheel) send_due(p, from, start);
    if (p->rt.rolling) p->rt.transport_frame += to - from;
    p->rt.light_frames -= to - from < p->rt.light_frames ? to - from : p->rt.light_frames;
}

// --- audio thread: atoms in -----------------------------------------------------------------------------------

// After the engine's clock has been set back.
static void begin_engine(plugin *p)
{
    fenby_ring_reset(p->hops);
    p->rt.engine_start = atomic_load(&p->clock_frames);
    p->rt.has_held = false;
    p->rt.closing = true;
}

// A bounce begins here: from the same samples come the same notes, whatever was heard before. Only when
// freewheeling, so that it may wait for the worker.
static void begin_bounce(plugin *p)
{
    pthread_mutex_lock(&p->work_lock);
    fenby_engine_reset(p->engine);
    begin_engine(p);
    pthread_mutex_unlock(&p->work_lock);
}

// The value of an object's property, or NULL. Sizes are checked: an atom may come from anywhere.
static const LV2_Atom *property(const LV2_Atom_Object *object, LV2_URID key)
{
    const uint8_t *at = (const uint8_t *)(&object->body + 1);
    const uint8_t *const end = (const uint8_t *)&object->body + object->atom.size;
    while ((size_t)(end - at) >= sizeof(LV2_Atom_Property_Body)) {
        const LV2_Atom_Property_Body *body = (const LV2_Atom_Property_Body *)at;
        const uint64_t size = sizeof *body + (uint64_t)body->value.size;
        if (size > (size_t)(end - at)) return NULL;
        if (body->key == key) return &body->value;
        const uint64_t padded = (size + 7) & ~(uint64_t)7;
        if (padded > (size_t)(end - at)) return NULL;
        at += padded;
    }
    return NULL;
}

static bool is(const LV2_Atom *atom, LV2_URID type, size_t size)
{
    return atom && atom->type == type && atom->size >= size;
}

static void follow_transport(plugin *p, const LV2_Atom_Object *object)
{
    const LV2_Atom *frame = property(object, p->urids.time_frame), *speed = property(object, p->urids.time_speed);
    const bool was_rolling = p->rt.rolling;
    const int64_t expected = p->rt.transport_frame;
    if (is(frame, p->urids.atom_long, sizeof(int64_t))) p->rt.transport_frame = ((const LV2_Atom_Long *)frame)->body;
    if (is(speed, p->urids.atom_float, sizeof(float))) p->rt.rolling = ((const LV2_Atom_Float *)speed)->body != 0;
    const bool jumped = p->rt.transport_frame != expected;
    if (p->rt.freewheel && p->rt.rolling && (jumped || !was_rolling)) begin_bounce(p);
}

static bool read_path(const plugin *p, const LV2_Atom *atom, char *path)
{
    if (!atom || (atom->type != p->urids.atom_path && atom->type != p->urids.atom_string)) return false;
    if (atom->size > PATH_MAX) return false;
    memcpy(path, LV2_ATOM_BODY_CONST(atom), atom->size);
    if (atom->size < PATH_MAX) path[atom->size] = 0;
    return memchr(path, 0, PATH_MAX) != NULL;
}

static void take_patch_set(plugin *p, const LV2_Atom_Object *object)
{
    const LV2_Atom *key = property(object, p->urids.patch_property);
    if (!is(key, p->urids.atom_urid, sizeof(LV2_URID))) return;
    if (((const LV2_Atom_URID *)key)->body != p->urids.model) return;
    command c = {.type = LOAD_MODEL};
    if (read_path(p, property(object, p->urids.patch_value), c.path)) give_command(p, &c);
}

static int64_t number(const plugin *p, const LV2_Atom *atom, int64_t otherwise)
{
    if (is(atom, p->urids.atom_long, sizeof(int64_t))) return ((const LV2_Atom_Long *)atom)->body;
    if (is(atom, p->urids.atom_int, sizeof(int32_t))) return ((const LV2_Atom_Int *)atom)->body;
    return otherwise;
}

static void take_save(plugin *p, const LV2_Atom_Object *object)
{
    command c = {
        .type = SAVE_NOTES,
        .from = number(p, property(object, p->urids.save_from), INT64_MIN),
        .to = number(p, property(object, p->urids.save_to), INT64_MAX),
        .lowest = (int)number(p, property(object, p->urids.save_lowest), 0),
        .highest = (int)number(p, property(object, p->urids.save_highest), 127),
    };
    if (read_path(p, property(object, p->urids.save_path), c.path) && *c.path) give_command(p, &c);
}

static void take_message(plugin *p, const LV2_Atom *atom)
{
    if (atom->type != p->urids.atom_object || atom->size < sizeof(LV2_Atom_Object_Body)) return;
    const LV2_Atom_Object *object = (const LV2_Atom_Object *)atom;
    const LV2_URID type = object->body.otype;
    if (type == p->urids.time_position) follow_transport(p, object);
    if (type == p->urids.patch_set) take_patch_set(p, object);
    if (type == p->urids.patch_get) p->rt.announce_model = true;
    if (type == p->urids.save) take_save(p, object);
    if (type == p->urids.watch) p->rt.announce_model = true;
    if (type == p->urids.watch || type == p->urids.unwatch) atomic_store(&p->watched, type == p->urids.watch);
}

// The event of the sequence at byte *read of its events, which moves on; NULL at the end.
static const LV2_Atom_Event *next_message(const LV2_Atom_Sequence *sequence, size_t *read)
{
    if (!sequence || sequence->atom.size < sizeof sequence->body) return NULL;
    const size_t size = sequence->atom.size - sizeof sequence->body;
    if (*read > size || size - *read < sizeof(LV2_Atom_Event)) return NULL;
    const LV2_Atom_Event *event = (const LV2_Atom_Event *)((const uint8_t *)(sequence + 1) + *read);
    const uint64_t event_size = sizeof *event + (uint64_t)event->body.size;
    if (event_size > size - *read) return NULL;
    *read += (event_size + 7) & ~(uint64_t)7;
    return event;
}

// --- audio thread: control ports ------------------------------------------------------------------------------

static float control(const plugin *p, int port, float otherwise)
{
    const float *value = p->rt.in[port];
    return value ? *value : otherwise;
}

static void show(const plugin *p, int port, double value)
{
    float *out = p->rt.out[port];
    const fenby_parameter_info info = fenby_port_describe(p->stereo, port).value;
    if (out) *out = fminf(fmaxf((float)value, info.minimum), info.maximum);
}

static void read_controls(plugin *p)
{
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++) {
        const float value = control(p, FENBY_PORT_PARAMETERS + (int)i, fenby_parameter_table[i].default_value);
        if (value == p->rt.seen[i]) continue;
        p->rt.seen[i] = value;
        fenby_engine_set_parameter(p->engine, i, value);
    }
    const bool enabled = control(p, FENBY_PORT_ENABLED, 1) > 0.5f;
    if (!enabled && p->rt.enabled) {
        fenby_engine_end_notes(p->engine);
        p->rt.closing = true;
    }
    p->rt.enabled = enabled;
    const bool freewheel = control(p, FENBY_PORT_FREEWHEEL, 0) > 0.5f;
    const bool begins = freewheel && !p->rt.freewheel;
    p->rt.freewheel = freewheel;
    if (begins) begin_bounce(p);
}

static void show_status(plugin *p)
{
    fenby_engine_status status;
    fenby_engine_status_get(p->engine, &status);
    int n_sounding = 0;
    for (int key = 0; key < 128; key++) n_sounding += p->rt.sounding[key] != 0;
    show(p, FENBY_PORT_LATENCY, status.latency_frames);
    show(p, FENBY_PORT_INPUT_LEVEL, status.level_db);
    show(p, FENBY_PORT_SOUNDING_NOTES, n_sounding);
    show(p, FENBY_PORT_WORKER_LOAD, 100 * (double)status.worker_load);
    show(p, FENBY_PORT_LATE_EVENTS, (double)status.late_events);
    show(p, FENBY_PORT_OVERRUNS, (double)status.overruns);
    show(p, FENBY_PORT_NOTE_TRIGGERED, p->rt.light_frames > 0);
}

static void run(LV2_Handle instance, uint32_t n_frames)
{
    plugin *p = instance;
    const LV2_Atom_Sequence *messages = p->rt.in[FENBY_PORT_CONTROL];
    begin_sequence(&p->rt.midi, &p->rt.midi_frame, p->rt.out[FENBY_PORT_MIDI_OUT]);
    begin_sequence(&p->rt.notify, &p->rt.notify_frame, p->rt.out[FENBY_PORT_NOTIFY]);
    write_reports(p);
    read_controls(p);

    uint32_t done = 0;
    size_t read = 0;
    for (const LV2_Atom_Event *event; (event = next_message(messages, &read));) {
        const int64_t at = event->time.frames;
        if (at > done) {
            const uint32_t to = at < n_frames ? (uint32_t)at : n_frames;
            process(p, done, to);
            done = to;
        }
        take_message(p, &event->body);
    }
    process(p, done, n_frames);

    write_hops(p);
    wake_worker(p);
    show_status(p);
    end_sequence(&p->rt.midi, &p->rt.midi_frame);
    end_sequence(&p->rt.notify, &p->rt.notify_frame);
}

// --- life -----------------------------------------------------------------------------------------------------

// Makes the engine for the block length and puts it in the place of the old one. Neither run() nor the worker is
// running. On failure everything stays as it is.
static bool build_engine(plugin *p, uint32_t block_frames, const fenby_parameters *parameters, char *error,
                         size_t error_size)
{
    const fenby_engine_config config = {p->rate_hz, block_frames, *parameters};
    const uint32_t most_delay = fenby_latency_of_lookahead(p->rate_hz, block_frames, FENBY_MAX_LOOKAHEAD);
    fenby_engine *engine = fenby_engine_new(&config, fenby_model_weights(p->model), error, error_size);
    if (!engine) return false;
    fenby_thru *thru[MOST_CHANNELS] = {NULL};
    bool enough = true;
    for (int i = 0; i < (p->stereo ? 2 : 1); i++) enough &= (thru[i] = fenby_thru_new(most_delay)) != NULL;
    if (!enough) {
        snprintf(error, error_size, "not enough memory to delay the audio");
        for (int i = 0; i < MOST_CHANNELS; i++) fenby_thru_free(thru[i]);
        fenby_engine_free(engine);
        return false;
    }
    for (int i = 0; i < MOST_CHANNELS; i++) {
        fenby_thru_free(p->rt.thru[i]);
        p->rt.thru[i] = thru[i];
    }
    fenby_engine_free(p->engine);
    p->engine = engine;
    p->block_frames = block_frames;
    fenby_engine_set_tap(engine, tap, p);
    return true;
}

// The block length that the host names: the nominal one, since the maximum may be far above what it ever uses
// while playing; longer blocks make late notes, not wrong ones. 0: it names none.
static uint32_t read_block_length(const plugin *p, const LV2_Options_Option *option)
{
    uint32_t nominal = 0, most = 0;
    for (; option && option->key; option++) {
        if (option->type != p->urids.atom_int || option->size != sizeof(int32_t)) continue;
        const int32_t value = *(const int32_t *)option->value;
        if (value > 0 && option->key == p->urids.nominal_block) nominal = (uint32_t)value;
        if (value > 0 && option->key == p->urids.max_block) most = (uint32_t)value;
    }
    return nominal ? nominal : most;
}

static void cleanup(LV2_Handle instance)
{
    plugin *p = instance;
    if (p->has_thread) {
        atomic_store(&p->quit, true);
        sem_post(&p->wake);
        pthread_join(p->thread, NULL);
    }
    for (int i = 0; i < MOST_CHANNELS; i++) fenby_thru_free(p->rt.thru[i]);
    fenby_engine_free(p->engine);
    fenby_ring_free(p->commands);
    fenby_ring_free(p->sent);
    fenby_ring_free(p->reports);
    fenby_ring_free(p->hops);
    fenby_recent_notes_free(p->recent);
    fenby_model_release(p->model);
    pthread_mutex_destroy(&p->work_lock);
    pthread_mutex_destroy(&p->state_lock);
    sem_destroy(&p->wake);
    free(p);
}

// What the plugin needs memory, files or threads for.
static bool open_plugin(plugin *p, const LV2_Options_Option *options, char *error, size_t error_size)
{
    const fenby_parameters parameters = fenby_parameters_default();
    const uint32_t block_frames = read_block_length(p, options);
    if (!(p->model = fenby_model_acquire("", error, error_size))) return false;
    if (!build_engine(p, block_frames ? block_frames : DEFAULT_BLOCK, &parameters, error, error_size)) return false;
    p->commands = fenby_ring_new(sizeof(command), MESSAGES);
    p->reports = fenby_ring_new(sizeof(report), MESSAGES);
    p->sent = fenby_ring_new(sizeof(fenby_sent_note), SENT_NOTES);
    p->hops = fenby_ring_new(sizeof(fenby_view_hop), VIEW_HOPS);
    p->recent = fenby_recent_notes_new(p->rate_hz);
    if (!p->commands || !p->reports || !p->sent || !p->hops || !p->recent) {
        snprintf(error, error_size, "not enough memory");
        return false;
    }
    if (p->schedule) return true;
    const int failed = pthread_create(&p->thread, NULL, thread_works, p);
    p->has_thread = !failed;
    if (failed) snprintf(error, error_size, "no worker thread: %s", strerror(failed));
    return !failed;
}

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate_hz, const char *bundle,
                              const LV2_Feature *const *features)
{
    (void)bundle;
    plugin *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    LV2_URID_Map *map = lv2_features_data(features, LV2_URID__map);
    lv2_log_logger_init(&p->logger, map, lv2_features_data(features, LV2_LOG__log));
    if (!map) {
        lv2_log_error(&p->logger, "Fenby: the host lacks " LV2_URID__map ", which is needed\n");
        free(p);
        return NULL;
    }
    p->stereo = !strcmp(descriptor->URI, FENBY_LV2_STEREO_URI);
    p->rate_hz = rate_hz;
    p->schedule = lv2_features_data(features, LV2_WORKER__schedule);
    fenby_urids_map(&p->urids, map);
    lv2_atom_forge_init(&p->rt.midi, map);
    lv2_atom_forge_init(&p->rt.notify, map);
    pthread_mutex_init(&p->work_lock, NULL);
    pthread_mutex_init(&p->state_lock, NULL);
    sem_init(&p->wake, 0, 0);
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) p->rt.seen[i] = NAN;
    p->rt.enabled = true;

    char error[ERROR_SIZE];
    if (open_plugin(p, lv2_features_data(features, LV2_OPTIONS__options), error, sizeof error)) return p;
    lv2_log_error(&p->logger, "Fenby: %s\n", error);
    cleanup(p);
    return NULL;
}

static void connect_port(LV2_Handle instance, uint32_t port, void *data)
{
    plugin *p = instance;
    if (port >= MOST_PORTS) return;
    p->rt.in[port] = p->rt.out[port] = data;
}

static void activate(LV2_Handle instance)
{
    plugin *p = instance;
    pthread_mutex_lock(&p->work_lock);
    load_restored(p);
    fenby_engine_reset(p->engine);
    begin_engine(p);
    pthread_mutex_unlock(&p->work_lock);
    for (int i = 0; i < (p->stereo ? 2 : 1); i++) fenby_thru_reset(p->rt.thru[i]);
    p->rt.light_frames = 0;
}

// --- options --------------------------------------------------------------------------------------------------

static uint32_t get_options(LV2_Handle instance, LV2_Options_Option *option)
{
    plugin *p = instance;
    uint32_t status = LV2_OPTIONS_SUCCESS;
    for (; option->key; option++) {
        if (option->key != p->urids.nominal_block) {
            status |= LV2_OPTIONS_ERR_BAD_KEY;
            continue;
        }
        option->type = p->urids.atom_int;
        option->size = sizeof p->block_frames;
        option->value = &p->block_frames;
    }
    return status;
}

static uint32_t set_options(LV2_Handle instance, const LV2_Options_Option *options)
{
    plugin *p = instance;
    const uint32_t block_frames = read_block_length(p, options);
    if (!block_frames) return LV2_OPTIONS_ERR_BAD_VALUE;
    if (block_frames == p->block_frames) return LV2_OPTIONS_SUCCESS;
    fenby_parameters parameters;
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        parameters.value[i] = fenby_engine_parameter(p->engine, i);
    char error[ERROR_SIZE];
    pthread_mutex_lock(&p->work_lock);
    const bool built = build_engine(p, block_frames, &parameters, error, sizeof error);
    if (built) begin_engine(p);
    pthread_mutex_unlock(&p->work_lock);
    if (built) return LV2_OPTIONS_SUCCESS;
    lv2_log_error(&p->logger, "Fenby: %s\n", error);
    return LV2_OPTIONS_ERR_UNKNOWN;
}

// --- state ----------------------------------------------------------------------------------------------------

// The parameters are ports, which the host saves. What is left is the model: a path, or "" for the one built in.
static LV2_State_Status save_state(LV2_Handle instance, LV2_State_Store_Function store, LV2_State_Handle handle,
                                   uint32_t flags, const LV2_Feature *const *features)
{
    (void)flags;
    plugin *p = instance;
    char path[PATH_MAX];
    pthread_mutex_lock(&p->state_lock);
    memcpy(path, p->path, sizeof path);
    pthread_mutex_unlock(&p->state_lock);
    const uint32_t portable = LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE;
    if (!*path) return store(handle, p->urids.model, "", 1, p->urids.atom_string, portable);

    const LV2_State_Map_Path *map = lv2_features_data(features, LV2_STATE__mapPath);
    if (!map) return store(handle, p->urids.model, path, strlen(path) + 1, p->urids.atom_path, LV2_STATE_IS_POD);
    const LV2_State_Free_Path *free_path = lv2_features_data(features, LV2_STATE__freePath);
    char *mapped = map->abstract_path(map->handle, path);
    if (!mapped) return LV2_STATE_ERR_UNKNOWN;
    const LV2_State_Status status = store(handle, p->urids.model, mapped, strlen(mapped) + 1, p->urids.atom_path,
                                          portable);
    if (free_path)
        free_path->free_path(free_path->handle, mapped);
    else
        free(mapped);
    return status;
}

static void want_model(plugin *p, const char *path)
{
    pthread_mutex_lock(&p->state_lock);
    snprintf(p->path, sizeof p->path, "%s", path);
    p->restored = true;
    pthread_mutex_unlock(&p->state_lock);
    atomic_store(&p->work_waits, true);  // run() wakes the worker
}

static LV2_State_Status restore_state(LV2_Handle instance, LV2_State_Retrieve_Function retrieve,
                                      LV2_State_Handle handle, uint32_t flags, const LV2_Feature *const *features)
{
    (void)flags;
    plugin *p = instance;
    size_t size = 0;
    uint32_t type = 0, value_flags = 0;
    const char *path = retrieve(handle, p->urids.model, &size, &type, &value_flags);
    if (!path) return LV2_STATE_SUCCESS;  // a preset: the model stays
    if (type != p->urids.atom_path && type != p->urids.atom_string) return LV2_STATE_ERR_BAD_TYPE;
    if (!memchr(path, 0, size)) return LV2_STATE_ERR_UNKNOWN;

    const LV2_State_Map_Path *map = lv2_features_data(features, LV2_STATE__mapPath);
    if (!map || !*path || type != p->urids.atom_path) {
        want_model(p, path);
        return LV2_STATE_SUCCESS;
    }
    const LV2_State_Free_Path *free_path = lv2_features_data(features, LV2_STATE__freePath);
    char *mapped = map->absolute_path(map->handle, path);
    if (!mapped) return LV2_STATE_ERR_UNKNOWN;
    want_model(p, mapped);
    if (free_path)
        free_path->free_path(free_path->handle, mapped);
    else
        free(mapped);
    return LV2_STATE_SUCCESS;
}

// --- the two plugins ------------------------------------------------------------------------------------------

static const void *extension_data(const char *uri)
{
    static const LV2_Worker_Interface worker = {host_works, host_responds, NULL};
    static const LV2_State_Interface state = {save_state, restore_state};
    static const LV2_Options_Interface options = {get_options, set_options};
    if (!strcmp(uri, LV2_WORKER__interface)) return &worker;
    if (!strcmp(uri, LV2_STATE__interface)) return &state;
    if (!strcmp(uri, LV2_OPTIONS__interface)) return &options;
    return NULL;
}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    static const LV2_Descriptor descriptors[] = {
        {FENBY_LV2_URI, instantiate, connect_port, activate, run, NULL, cleanup, extension_data},
        {FENBY_LV2_STEREO_URI, instantiate, connect_port, activate, run, NULL, cleanup, extension_data},
    };
    return index < sizeof descriptors / sizeof *descriptors ? &descriptors[index] : NULL;
}
