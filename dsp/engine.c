// SPDX-License-Identifier: ISC
#include "engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "features.h"
#include "looks.h"
#include "ring.h"

enum {
    CHUNK = 256,            // samples the worker takes at once
    EVENTS = 4096,          // the event ring
    GAPS = 64,              // gaps that may wait for the worker
    MOST_BLOCK = 1 << 20,
    N_OUTPUT_KEYS = 128,
};

static const double load_smoothing = 0.05;  // of worker_load, a look

// Samples were lost before sample number `position` of the ring.
typedef struct {
    uint64_t position;
    int64_t lost_frames;
} gap;

struct fenby_engine {
    double look_s;  // from one look to the next
    fenby_ring *samples, *gaps;  // audio thread to worker
    fenby_ring *events;          // worker to audio thread

    // Any thread.
    _Atomic float parameters[FENBY_N_PARAMETERS];
    atomic_bool end_notes;
    _Atomic uint64_t called_off;  // so many of the ring's events: their notes are not to start any more
    _Atomic int64_t wake_frame;  // enough for the worker's next look
    _Atomic uint64_t late_events, overruns, lost_frames;
    _Atomic float level_db, worker_load, a4_hz;
    _Atomic uint32_t sounding, latency_frames[FENBY_N_MODES];

    // Audio thread.
    struct {
        int64_t frames;       // pushed, lost ones included
        uint64_t written;     // samples that went into the ring
        int64_t lost_frames;  // since the last sample that did
        int64_t block_start, block_end;  // of the pops now
        uint64_t popped;      // events taken from the ring
        bool sounding[N_OUTPUT_KEYS];
    } audio;

    // Worker.
    struct {
        fenby_transcriber *transcriber;
        fenby_parameters parameters;
        uint64_t read;     // samples taken from the ring
        double busy_s;     // since the last look
        uint64_t handed;   // events given to the ring
    } worker;
};

// --- parameters: any thread --------------------------------------------------------------------------------

void fenby_engine_set_parameter(fenby_engine *engine, fenby_parameter parameter, float value)
{
    const float clamped = fenby_parameter_clamp(parameter, value);
    atomic_store_explicit(&engine->parameters[parameter], clamped, memory_order_relaxed);
}

float fenby_engine_parameter(const fenby_engine *engine, fenby_parameter parameter)
{
    return atomic_load_explicit(&engine->parameters[parameter], memory_order_relaxed);
}

void fenby_engine_end_notes(fenby_engine *engine)
{
    atomic_store_explicit(&engine->end_notes, true, memory_order_release);
}

// Of the mode that is set, also where the worker has not come to it yet.
static uint32_t latency_frames(const fenby_engine *engine)
{
    const int mode = (int)fenby_engine_parameter(engine, FENBY_MODE);
    return atomic_load_explicit(&engine->latency_frames[mode], memory_order_relaxed);
}

void fenby_engine_status_get(const fenby_engine *engine, fenby_engine_status *status)
{
    *status = (fenby_engine_status){
        .late_events = atomic_load_explicit(&engine->late_events, memory_order_relaxed),
        .overruns = atomic_load_explicit(&engine->overruns, memory_order_relaxed),
        .lost_frames = atomic_load_explicit(&engine->lost_frames, memory_order_relaxed),
        .level_db = atomic_load_explicit(&engine->level_db, memory_order_relaxed),
        .worker_load = atomic_load_explicit(&engine->worker_load, memory_order_relaxed),
        .a4_hz = atomic_load_explicit(&engine->a4_hz, memory_order_relaxed),
        .sounding = atomic_load_explicit(&engine->sounding, memory_order_relaxed),
        .latency_frames = latency_frames(engine),
    };
}

// --- life --------------------------------------------------------------------------------------------------

static void read_parameters(fenby_engine *engine)
{
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        engine->worker.parameters.value[i] = fenby_engine_parameter(engine, i);
}

// Only another model changes them.
static void publish_latencies(fenby_engine *engine)
{
    fenby_parameters parameters = fenby_parameters_default();
    for (int mode = 0; mode < FENBY_N_MODES; mode++) {
        parameters.value[FENBY_MODE] = (float)mode;
        const uint32_t frames = fenby_transcriber_latency_frames(engine->worker.transcriber, &parameters);
        atomic_store_explicit(&engine->latency_frames[mode], frames, memory_order_relaxed);
    }
}

static void publish(fenby_engine *engine)
{
    const fenby_transcriber *t = engine->worker.transcriber;
    atomic_store_explicit(&engine->level_db, fenby_transcriber_level_db(t), memory_order_relaxed);
    const float a4_hz = fenby_transcriber_a4_hz(t, &engine->worker.parameters);
    atomic_store_explicit(&engine->a4_hz, a4_hz, memory_order_relaxed);
    atomic_store_explicit(&engine->sounding, fenby_transcriber_sounding(t), memory_order_relaxed);
    atomic_store_explicit(&engine->wake_frame, fenby_transcriber_next_decision(t), memory_order_relaxed);
}

fenby_engine *fenby_engine_new(const fenby_engine_config *config, const fenby_weights *weights, char *error,
                               size_t error_size)
{
    if (!(config->rate_hz >= FENBY_SLOWEST_RATE && config->rate_hz <= FENBY_FASTEST_RATE)) {
        snprintf(error, error_size, "sample rate %g Hz: expected %d .. %d", config->rate_hz, FENBY_SLOWEST_RATE,
                 FENBY_FASTEST_RATE);
        return NULL;
    }
    if (config->block_frames > MOST_BLOCK) {
        snprintf(error, error_size, "block of %u frames: expected at most %d", config->block_frames,
                 MOST_BLOCK);
        return NULL;
    }
    fenby_engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        snprintf(error, error_size, "not enough memory for the engine");
        return NULL;
    }
    engine->look_s = (double)FENBY_HOP / FENBY_SAMPLE_RATE / fenby_looks_in_hop();
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        fenby_engine_set_parameter(engine, i, config->parameters.value[i]);
    read_parameters(engine);

    const size_t second = (size_t)config->rate_hz, blocks = (size_t)4 * config->block_frames;
    engine->worker.transcriber = fenby_transcriber_new(config->rate_hz, config->block_frames, weights, error,
                                                       error_size);
    if (!engine->worker.transcriber) {
        fenby_engine_free(engine);
        return NULL;
    }
    engine->samples = fenby_ring_new(sizeof(float), second > blocks ? second : blocks);
    engine->gaps = fenby_ring_new(sizeof(gap), GAPS);
    engine->events = fenby_ring_new(sizeof(fenby_event), EVENTS);
    if (!engine->samples || !engine->gaps || !engine->events) {
        snprintf(error, error_size, "not enough memory for the rings");
        fenby_engine_free(engine);
        return NULL;
    }
    publish_latencies(engine);
    publish(engine);
    return engine;
}

void fenby_engine_free(fenby_engine *engine)
{
    if (!engine) return;
    fenby_transcriber_free(engine->worker.transcriber);
    fenby_ring_free(engine->events);
    fenby_ring_free(engine->gaps);
    fenby_ring_free(engine->samples);
    free(engine);
}

void fenby_engine_reset(fenby_engine *engine)
{
    fenby_ring_reset(engine->samples);
    fenby_ring_reset(engine->gaps);
    fenby_ring_reset(engine->events);
    fenby_transcriber_reset(engine->worker.transcriber);
    engine->audio.frames = engine->audio.lost_frames = 0;
    engine->audio.block_start = engine->audio.block_end = 0;
    engine->audio.written = engine->worker.read = 0;
    engine->audio.popped = engine->worker.handed = 0;
    memset(engine->audio.sounding, 0, sizeof engine->audio.sounding);
    engine->worker.busy_s = 0;
    atomic_store(&engine->end_notes, false);
    atomic_store(&engine->called_off, 0);
    atomic_store(&engine->late_events, 0);
    atomic_store(&engine->overruns, 0);
    atomic_store(&engine->lost_frames, 0);
    atomic_store(&engine->worker_load, 0);
    read_parameters(engine);
    publish(engine);
}

// --- audio thread ------------------------------------------------------------------------------------------

// Lost samples are told before the samples that follow them, so that the worker cannot see these first.
static bool tell_gap(fenby_engine *engine)
{
    const gap told = {.position = engine->audio.written, .lost_frames = engine->audio.lost_frames};
    if (told.lost_frames && !fenby_ring_write(engine->gaps, &told, 1)) return false;
    engine->audio.lost_frames = 0;
    return true;
}

void fenby_engine_push(fenby_engine *engine, const float *samples, uint32_t n_frames)
{
    engine->audio.frames += n_frames;
    if (fenby_ring_write_space(engine->samples) >= n_frames && tell_gap(engine)) {
        fenby_ring_write(engine->samples, samples, n_frames);
        engine->audio.written += n_frames;
        return;
    }
    if (engine->audio.lost_frames == 0) atomic_fetch_add_explicit(&engine->overruns, 1, memory_order_relaxed);
    engine->audio.lost_frames += n_frames;
    atomic_fetch_add_explicit(&engine->lost_frames, n_frames, memory_order_relaxed);
}

uint32_t fenby_engine_room(const fenby_engine *engine)
{
    return (uint32_t)fenby_ring_capacity(engine->samples);
}

bool fenby_engine_has_work(const fenby_engine *engine)
{
    return engine->audio.frames >= atomic_load_explicit(&engine->wake_frame, memory_order_relaxed) ||
           atomic_load_explicit(&engine->end_notes, memory_order_relaxed);
}

// The next event of the ring that is due, called off or not.
static bool take_event(fenby_engine *engine, fenby_event *event)
{
    if (!fenby_ring_peek(engine->events, event) || event->frame >= engine->audio.block_end) return false;
    fenby_ring_skip(engine->events);
    engine->audio.popped++;
    return true;
}

// Whether it leaves: what is called off starts no note, and a note that has not started has no bends and no end.
static bool leaves(fenby_engine *engine, const fenby_event *event)
{
    bool *sounding = &engine->audio.sounding[event->key];
    if (event->type == FENBY_NOTE_ON)
        *sounding = engine->audio.popped > atomic_load_explicit(&engine->called_off, memory_order_acquire);
    const bool does = *sounding;
    if (event->type == FENBY_NOTE_OFF) *sounding = false;
    return does;
}

bool fenby_engine_pop(fenby_engine *engine, int64_t until_frame, fenby_event *event)
{
    if (until_frame != engine->audio.block_end) {
        engine->audio.block_start = engine->audio.block_end;
        engine->audio.block_end = until_frame;
    }
    do {
        if (!take_event(engine, event)) return false;
    } while (!leaves(engine, event));
    // A bend that comes late makes no note late, and where bends are off none is sent.
    const bool counts = event->type != FENBY_BEND && fenby_engine_parameter(engine, FENBY_TIMING) == FENBY_TIMING_TIGHT;
    const bool asked_for = event->type == FENBY_NOTE_OFF && event->late;
    if (counts && !asked_for && event->frame < engine->audio.block_start)
        atomic_fetch_add_explicit(&engine->late_events, 1, memory_order_relaxed);
    return true;
}

int64_t fenby_engine_frames(const fenby_engine *engine)
{
    return engine->audio.frames;
}

// --- worker ------------------------------------------------------------------------------------------------

// Passes on the events whose order is settled. What the ring has no room for stays and is tried again.
static void hand_on(fenby_engine *engine)
{
    fenby_transcriber *t = engine->worker.transcriber;
    fenby_event event;
    while (fenby_transcriber_peek(t, &event) && fenby_ring_write(engine->events, &event, 1)) {
        fenby_transcriber_skip(t);
        engine->worker.handed++;
    }
}

// The transcriber has ended its notes: those that wait in the event ring would start only to end.
static void call_off(fenby_engine *engine)
{
    atomic_store_explicit(&engine->called_off, engine->worker.handed, memory_order_release);
}

// Takes the next samples from the ring, up to a gap. At a gap, tells the transcriber.
static size_t next_samples(fenby_engine *engine, float *samples)
{
    size_t n = fenby_ring_read_space(engine->samples);
    gap next;
    while (fenby_ring_peek(engine->gaps, &next)) {
        if (next.position > engine->worker.read) {
            if (next.position - engine->worker.read < n) n = next.position - engine->worker.read;
            break;
        }
        fenby_ring_skip(engine->gaps);
        fenby_transcriber_gap(engine->worker.transcriber, next.lost_frames);
        call_off(engine);
    }
    n = fenby_ring_read(engine->samples, samples, n < CHUNK ? n : CHUNK);
    engine->worker.read += n;
    return n;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void measure_load(fenby_engine *engine, double busy_s, size_t looks)
{
    engine->worker.busy_s += busy_s;
    if (looks == 0) return;
    const double load = engine->worker.busy_s / ((double)looks * engine->look_s);
    const double old = atomic_load_explicit(&engine->worker_load, memory_order_relaxed);
    const double weight = load_smoothing * (double)looks;
    const double smoothed = old + (load - old) * (weight < 1 ? weight : 1);
    atomic_store_explicit(&engine->worker_load, (float)smoothed, memory_order_relaxed);
    engine->worker.busy_s = 0;
}

size_t fenby_engine_work(fenby_engine *engine)
{
    const double start_s = now_s();
    if (atomic_exchange_explicit(&engine->end_notes, false, memory_order_acquire)) {
        fenby_transcriber_end_notes(engine->worker.transcriber);
        call_off(engine);
    }
    size_t looks = 0, n;
    float samples[CHUNK];
    while ((n = next_samples(engine, samples)) > 0) {
        read_parameters(engine);
        looks += fenby_transcriber_process(engine->worker.transcriber, samples, n, &engine->worker.parameters);
        hand_on(engine);
    }
    hand_on(engine);
    publish(engine);
    measure_load(engine, now_s() - start_s, looks);
    return looks;
}

void fenby_engine_finish(fenby_engine *engine)
{
    fenby_transcriber_finish(engine->worker.transcriber, &engine->worker.parameters);
    hand_on(engine);
    publish(engine);
}

bool fenby_engine_set_model(fenby_engine *engine, const fenby_weights *weights, char *error, size_t error_size)
{
    if (!fenby_transcriber_set_model(engine->worker.transcriber, weights, error, error_size)) return false;
    call_off(engine);
    hand_on(engine);
    publish_latencies(engine);
    publish(engine);
    return true;
}

void fenby_engine_set_tap(fenby_engine *engine, fenby_tap tap, void *user)
{
    fenby_transcriber_set_tap(engine->worker.transcriber, tap, user);
}
