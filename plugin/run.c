// SPDX-License-Identifier: ISC
// The audio thread. It takes the work lock only when freewheeling.
#include <math.h>
#include <string.h>

#include "atoms.h"
#include "plugin.h"

enum { CHUNK = FENBY_THRU_CHUNK };

static const double triggered_s = 0.1;  // how long the note light is on

// --- waking the worker ---------------------------------------------------------------------------------------

static void wake_worker(fenby_plugin *p)
{
    if (!fenby_engine_has_work(p->engine) && !atomic_load(&p->work_waits)) return;
    if (atomic_exchange(&p->woken, true)) return;
    if (!p->schedule)
        FENBY_TRUSTED(sem_post)(&p->wake);
    else if (FENBY_TRUSTED(*p->schedule->schedule_work)(p->schedule->handle, sizeof p->woken, &p->woken))
        atomic_store(&p->woken, false);  // the host's queue is full: next time
}

static void give_command(fenby_plugin *p, const fenby_command *c)
{
    if (fenby_ring_write(p->commands, c, 1)) atomic_store(&p->work_waits, true);
}

// --- atoms out -----------------------------------------------------------------------------------------------

// A forge could be given a function that writes; ours are given buffers.
#define FORGE(name) FENBY_TRUSTED(lv2_atom_forge_##name)

// The host sets the size of an output's atom to the room that there is.
static void begin_sequence(LV2_Atom_Forge *forge, LV2_Atom_Forge_Frame *frame, LV2_Atom_Sequence *port)
{
    FORGE(set_buffer)(forge, (uint8_t *)port, port ? port->atom.size : 0);
    if (!FORGE(sequence_head)(forge, frame, 0)) FORGE(set_buffer)(forge, NULL, 0);
}

static void end_sequence(LV2_Atom_Forge *forge, LV2_Atom_Forge_Frame *frame)
{
    if (forge->buf) FORGE(pop)(forge, frame);
}

static bool has_room(const LV2_Atom_Forge *forge, uint32_t body_size)
{
    return forge->size - forge->offset >= sizeof(LV2_Atom_Event) + ((size_t)body_size + 7) / 8 * 8;
}

static bool write_event(LV2_Atom_Forge *forge, uint32_t offset, LV2_URID type, const void *body, uint32_t size)
{
    if (!has_room(forge, size)) return false;
    FORGE(frame_time)(forge, offset);
    FORGE(atom)(forge, size, type);
    FORGE(write)(forge, body, size);
    return true;
}

static void write_model(fenby_plugin *p)
{
    LV2_Atom_Forge *forge = &p->rt.notify;
    const uint32_t length = (uint32_t)strlen(p->rt.model_path);
    if (!has_room(forge, 128 + length)) return;  // 128: the object around it
    LV2_Atom_Forge_Frame frame;
    FORGE(frame_time)(forge, 0);
    FORGE(object)(forge, &frame, 0, p->urids.patch_set);
    FORGE(key)(forge, p->urids.patch_property);
    FORGE(urid)(forge, p->urids.model);
    FORGE(key)(forge, p->urids.patch_value);
    FORGE(path)(forge, p->rt.model_path, length);
    FORGE(pop)(forge, &frame);
    p->rt.announce_model = false;
}

// The view learns which notes sound already: while nobody watched they were not sent.
static void begin_watch(fenby_plugin *p)
{
    if (!p->rt.watch_begins) return;
    p->rt.watch_begins = false;
    p->rt.announce_model = true;
    atomic_store(&p->watched, true);
    for (int key = 0; key < FENBY_MIDI_KEYS; key++)
        if (p->rt.sent.channel_of_key[key])
            write_event(&p->rt.notify, 0, p->urids.note, &p->rt.begun[key], sizeof p->rt.begun[key]);
}

static void write_reports(fenby_plugin *p)
{
    fenby_report told;
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

// Last in the block, so that notes never lack the room.
static void write_hops(fenby_plugin *p, uint32_t offset)
{
    fenby_view_hop hop;
    while (has_room(&p->rt.notify, sizeof hop) && fenby_ring_read(p->hops, &hop, 1)) {
        hop.end_frame += p->rt.engine_start;
        write_event(&p->rt.notify, offset, p->urids.view, &hop, sizeof hop);
    }
}

// --- notes out -----------------------------------------------------------------------------------------------

// False: there is no room, and all is as it was; what was written before the note may come again.
static bool write_midi(fenby_plugin *p, uint32_t offset, const fenby_event *event)
{
    fenby_midi_message messages[FENBY_MIDI_MOST];
    const int channel = (int)fenby_engine_parameter(p->engine, FENBY_MIDI_CHANNEL);
    const int bends = (int)fenby_engine_parameter(p->engine, FENBY_BENDS);
    fenby_midi_out sent = p->rt.sent;
    const int n = fenby_midi_out_event(&sent, event, channel, bends, messages);
    for (int i = 0; i < n; i++)
        if (!write_event(&p->rt.midi, offset, p->urids.midi_event, messages[i].bytes, sizeof messages[i].bytes))
            return false;
    p->rt.sent = sent;
    return true;
}

// For the recent notes and for the view.
static void record(fenby_plugin *p, uint32_t offset, int64_t frame, int key, int velocity)
{
    const int channel = (int)fenby_engine_parameter(p->engine, FENBY_MIDI_CHANNEL);
    const fenby_sent_note sent = {frame, (uint8_t)key, (uint8_t)velocity, (uint8_t)channel};
    const fenby_view_note shown = {frame, (uint8_t)key, (uint8_t)velocity};
    fenby_ring_write(p->sent, &sent, 1);  // no room: the worker is starved
    if (velocity) p->rt.begun[key] = shown;
    if (atomic_load_explicit(&p->watched, memory_order_relaxed))
        write_event(&p->rt.notify, offset, p->urids.note, &shown, sizeof shown);
}

static bool end_note(fenby_plugin *p, uint32_t offset, int key, int64_t frame)
{
    const fenby_event off = {.type = FENBY_NOTE_OFF, .key = (uint8_t)key};
    if (!p->rt.sent.channel_of_key[key]) return true;
    if (!write_midi(p, offset, &off)) return false;
    record(p, offset, frame, key, 0);
    return true;
}

static bool begin_note(fenby_plugin *p, uint32_t offset, const fenby_event *event, int64_t frame)
{
    if (!p->rt.enabled) return true;
    if (!end_note(p, offset, event->key, frame)) return false;
    if (!write_midi(p, offset, event)) return false;
    p->rt.light_frames = (uint32_t)(triggered_s * p->rate_hz);
    record(p, offset, frame, event->key, event->velocity);
    return true;
}

// False: there is no room.
static bool send(fenby_plugin *p, const fenby_event *event, uint32_t offset)
{
    const int64_t frame = p->rt.engine_start + event->sound_frame;
    switch (event->type) {
        case FENBY_NOTE_ON: return begin_note(p, offset, event, frame);
        case FENBY_NOTE_OFF: return end_note(p, offset, event->key, frame);
        default: return write_midi(p, offset, event);
    }
}

// Sends what is due before the end of a part of the block that begins at `offset`, the engine's frame `start`.
static void send_due(fenby_plugin *p, uint32_t offset, int64_t start)
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

static void close_notes(fenby_plugin *p, uint32_t offset)
{
    for (int key = 0; key < FENBY_MIDI_KEYS; key++)
        if (!end_note(p, offset, key, atomic_load(&p->clock_frames))) return;
    p->rt.closing = false;
}

// --- audio ---------------------------------------------------------------------------------------------------

static const float *audio_in(const fenby_plugin *p, int channel)
{
    return p->rt.in[FENBY_PORT_AUDIO + channel];
}

static float *audio_out(const fenby_plugin *p, int channel)
{
    return p->rt.out[FENBY_PORT_AUDIO + (p->stereo ? 2 : 1) + channel];
}

static const float *mixed(const fenby_plugin *p, float *mix, uint32_t at, uint32_t n)
{
    const float *left = audio_in(p, 0), *right = audio_in(p, 1);
    if (!p->stereo) return left + at;
    for (uint32_t i = 0; i < n; i++) mix[i] = (left[at + i] + right[at + i]) / 2;
    return mix;
}

static uint32_t latency_frames(const fenby_plugin *p)
{
    fenby_engine_status status;
    fenby_engine_status_get(p->engine, &status);
    return status.latency_frames;
}

static uint32_t thru_delay(const fenby_plugin *p)
{
    const float *thru = p->rt.in[FENBY_PORT_THRU];
    return thru && *thru > 0.5f ? 0 : latency_frames(p);
}

static void process_chunk(fenby_plugin *p, uint32_t at, uint32_t n, uint32_t delay)
{
    const int n_channels = p->stereo ? 2 : 1;
    float mix[CHUNK];
    for (int i = 0; i < n_channels; i++) fenby_thru_write(p->rt.thru[i], audio_in(p, i) + at, n);
    fenby_engine_push(p->engine, mixed(p, mix, at, n), n);
    for (int i = 0; i < n_channels; i++) fenby_thru_read(p->rt.thru[i], audio_out(p, i) + at, n, delay);
    atomic_fetch_add(&p->clock_frames, n);
}

// A part of the block, between two messages.
static void process(fenby_plugin *p, uint32_t from, uint32_t to)
{
    if (from == to) return;
    if (p->rt.closing) close_notes(p, from);
    const uint32_t delay = thru_delay(p);
    const int64_t start = fenby_engine_frames(p->engine);
    for (uint32_t at = from; at < to; at += CHUNK) {
        const int64_t chunk_start = fenby_engine_frames(p->engine);
        process_chunk(p, at, to - at < CHUNK ? to - at : CHUNK, delay);
        if (!p->rt.freewheel) continue;
        FENBY_FREEWHEELING(fenby_plugin_work)(p);
        send_due(p, at, chunk_start);
    }
    if (!p->rt.freewheel) send_due(p, from, start);
    p->rt.light_frames -= to - from < p->rt.light_frames ? to - from : p->rt.light_frames;
}

// --- atoms in ------------------------------------------------------------------------------------------------

void fenby_plugin_begin_engine(fenby_plugin *p)
{
    fenby_ring_reset(p->hops);
    p->rt.engine_start = atomic_load(&p->clock_frames);
    p->rt.has_held = false;
    p->rt.closing = true;
    fenby_midi_out_forget(&p->rt.sent);
}

// A bounce begins here: from the same samples come the same notes, whatever was heard before. Only when
// freewheeling, so that it may wait for the worker.
static void begin_bounce(fenby_plugin *p)
{
    pthread_mutex_lock(&p->work_lock);
    fenby_engine_reset(p->engine);
    fenby_plugin_begin_engine(p);
    pthread_mutex_unlock(&p->work_lock);
}

static bool is(const LV2_Atom *atom, LV2_URID type, size_t size)
{
    return atom && atom->type == type && atom->size >= size;
}

// A bounce begins where the host's transport jumps or starts. A host that counts frames in before it rolls, so
// that what it plays is in time in spite of our latency, sends the session's first sample that latency early.
static void follow_transport(fenby_plugin *p, const LV2_Atom_Object *object)
{
    const LV2_Atom *frame = fenby_atom_property(object, p->urids.time_frame);
    const LV2_Atom *speed = fenby_atom_property(object, p->urids.time_speed);
    if (!is(frame, p->urids.atom_long, sizeof(int64_t))) return;
    const int64_t told = ((const LV2_Atom_Long *)frame)->body, before = p->rt.told_frame;
    const int64_t clock = atomic_load(&p->clock_frames), passed = clock - p->rt.told_clock;
    const bool stands = told == before, flows = told == (int64_t)((uint64_t)before + (uint64_t)passed);
    const bool rolled = p->rt.rolls;
    if (is(speed, p->urids.atom_float, sizeof(float))) p->rt.rolls = ((const LV2_Atom_Float *)speed)->body != 0;
    p->rt.told_frame = told;
    p->rt.told_clock = clock;

    const bool jumps = !stands && !flows;
    const bool starts = p->rt.rolls && !rolled && (stands || !flows);
    const bool is_first_sample = told == -(int64_t)latency_frames(p);
    if (p->rt.freewheel && (jumps || starts || is_first_sample)) FENBY_FREEWHEELING(begin_bounce)(p);
}

static bool read_path(const fenby_plugin *p, const LV2_Atom *atom, char *path)
{
    if (!atom || (atom->type != p->urids.atom_path && atom->type != p->urids.atom_string)) return false;
    if (atom->size > PATH_MAX) return false;
    memcpy(path, LV2_ATOM_BODY_CONST(atom), atom->size);
    if (atom->size < PATH_MAX) path[atom->size] = 0;
    return memchr(path, 0, PATH_MAX) != NULL;
}

static void take_patch_set(fenby_plugin *p, const LV2_Atom_Object *object)
{
    const LV2_Atom *key = fenby_atom_property(object, p->urids.patch_property);
    if (!is(key, p->urids.atom_urid, sizeof(LV2_URID))) return;
    if (((const LV2_Atom_URID *)key)->body != p->urids.model) return;
    fenby_command c = {.type = LOAD_MODEL, .restores = atomic_load(&p->restores)};
    if (read_path(p, fenby_atom_property(object, p->urids.patch_value), c.path)) give_command(p, &c);
}

static int64_t number(const fenby_plugin *p, const LV2_Atom *atom, int64_t otherwise)
{
    if (is(atom, p->urids.atom_long, sizeof(int64_t))) return ((const LV2_Atom_Long *)atom)->body;
    if (is(atom, p->urids.atom_int, sizeof(int32_t))) return ((const LV2_Atom_Int *)atom)->body;
    return otherwise;
}

static void take_save(fenby_plugin *p, const LV2_Atom_Object *object)
{
    fenby_command c = {
        .type = SAVE_NOTES,
        .range.from = number(p, fenby_atom_property(object, p->urids.save_from), INT64_MIN),
        .range.to = number(p, fenby_atom_property(object, p->urids.save_to), INT64_MAX),
        .range.lowest = (int)number(p, fenby_atom_property(object, p->urids.save_lowest), 0),
        .range.highest = (int)number(p, fenby_atom_property(object, p->urids.save_highest), 127),
    };
    if (read_path(p, fenby_atom_property(object, p->urids.save_path), c.path) && *c.path) give_command(p, &c);
}

static void take_message(fenby_plugin *p, const LV2_Atom *atom)
{
    if (atom->type != p->urids.atom_object || atom->size < sizeof(LV2_Atom_Object_Body)) return;
    const LV2_Atom_Object *object = (const LV2_Atom_Object *)atom;
    const LV2_URID type = object->body.otype;
    if (type == p->urids.time_position) follow_transport(p, object);
    if (type == p->urids.patch_set) take_patch_set(p, object);
    if (type == p->urids.patch_get) p->rt.announce_model = true;
    if (type == p->urids.save) take_save(p, object);
    if (type == p->urids.watch) p->rt.watch_begins = !atomic_load(&p->watched);
    if (type == p->urids.unwatch) {
        p->rt.watch_begins = false;
        atomic_store(&p->watched, false);
    }
}

// --- control ports -------------------------------------------------------------------------------------------

static float control(const fenby_plugin *p, int port, float otherwise)
{
    const float *value = p->rt.in[port];
    return value ? *value : otherwise;
}

static void show(const fenby_plugin *p, int port, double value)
{
    float *out = p->rt.out[port];
    const fenby_parameter_info info = fenby_port_describe(p->stereo, port).value;
    if (out) *out = fminf(fmaxf((float)value, info.minimum), info.maximum);
}

static void read_controls(fenby_plugin *p)
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
    if (begins) FENBY_FREEWHEELING(begin_bounce)(p);
}

static void show_status(fenby_plugin *p)
{
    fenby_engine_status status;
    fenby_engine_status_get(p->engine, &status);
    int n_sounding = 0;
    for (int key = 0; key < FENBY_MIDI_KEYS; key++) n_sounding += p->rt.sent.channel_of_key[key] != 0;
    show(p, FENBY_PORT_LATENCY, status.latency_frames);
    show(p, FENBY_PORT_INPUT_LEVEL, status.level_db);
    show(p, FENBY_PORT_SOUNDING_NOTES, n_sounding);
    show(p, FENBY_PORT_WORKER_LOAD, 100 * (double)status.worker_load);
    show(p, FENBY_PORT_LATE_EVENTS, (double)status.late_events);
    show(p, FENBY_PORT_OVERRUNS, (double)status.overruns);
    show(p, FENBY_PORT_NOTE_TRIGGERED, p->rt.light_frames > 0);
}

void fenby_plugin_run(LV2_Handle instance, uint32_t n_frames)
{
    fenby_plugin *p = instance;
    const LV2_Atom_Sequence *messages = p->rt.in[FENBY_PORT_CONTROL];
    begin_sequence(&p->rt.midi, &p->rt.midi_frame, p->rt.out[FENBY_PORT_MIDI_OUT]);
    begin_sequence(&p->rt.notify, &p->rt.notify_frame, p->rt.out[FENBY_PORT_NOTIFY]);
    begin_watch(p);
    write_reports(p);
    read_controls(p);

    uint32_t done = 0;
    size_t read = 0;
    for (const LV2_Atom_Event *event; (event = fenby_atom_next_event(messages, &read));) {
        const int64_t at = event->time.frames;
        if (at > done) {
            const uint32_t to = at < n_frames ? (uint32_t)at : n_frames;
            process(p, done, to);
            done = to;
        }
        take_message(p, &event->body);
    }
    process(p, done, n_frames);

    write_hops(p, n_frames ? n_frames - 1 : 0);
    wake_worker(p);
    show_status(p);
    end_sequence(&p->rt.midi, &p->rt.midi_frame);
    end_sequence(&p->rt.notify, &p->rt.notify_frame);
}
