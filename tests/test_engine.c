// SPDX-License-Identifier: ISC
// The engine: the same events for every block size and with a worker thread, events in time under a live host's
// rhythm, gaps, full rings, panic, parameters and status.
#include "dsp/engine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "dsp/features.h"
#include "dsp/latency.h"
#include "nn/net.h"
#include "tests/looks.h"
#include "tests/test.h"
#include "tests/tiny_model.h"
#include "tests/witness.h"

enum { RATE = 48000, SECONDS = 4, MOST = 10 * RATE, MOST_EVENTS = 4000, MOST_NOTES = 64 };

static fenby_weights *weights;
static float music[MOST];

typedef struct {
    fenby_event events[MOST_EVENTS];
    int n;
    witness witness;
} record;

static fenby_engine *open_engine(double rate_hz, uint32_t block_frames, const fenby_parameters *parameters)
{
    char error[256] = "";
    const fenby_engine_config config = {
        .rate_hz = rate_hz,
        .block_frames = block_frames,
        .parameters = parameters ? *parameters : fenby_parameters_default(),
    };
    fenby_engine *engine = fenby_engine_new(&config, weights, error, sizeof error);
    REQUIRE(engine, "%s", error);
    return engine;
}

static void compose(int n, double rate_hz, unsigned long long seed)
{
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    tiny_music(music, n, rate_hz, seed, onset_s, key);
}

static void pop_until(fenby_engine *engine, int64_t until, record *r)
{
    fenby_event event;
    while (fenby_engine_pop(engine, until, &event)) {
        watch(&r->witness, &event);
        if (r->n < MOST_EVENTS) r->events[r->n++] = event;
    }
}

static void check_promises(const record *r)
{
    CHECK(r->witness.broken == 0, "%ld of %ld events break a promise", r->witness.broken, r->witness.events);
    CHECK(count_hanging(&r->witness) == 0, "%d notes hang", count_hanging(&r->witness));
}

static void check_same(const record *a, const record *b, const char *how, int number)
{
    const bool same = a->n == b->n && !memcmp(a->events, b->events, sizeof *a->events * (size_t)a->n);
    CHECK(same && a->n > 20, "%s %d: %d and %d events", how, number, a->n, b->n);
}

static fenby_engine_status status_of(const fenby_engine *engine)
{
    fenby_engine_status status;
    fenby_engine_status_get(engine, &status);
    return status;
}

// --- the same events ---------------------------------------------------------------------------------------

static void run_synchronously(fenby_engine *engine, int n, int block, record *r)
{
    *r = (record){0};
    for (int i = 0; i < n; i += block) {
        fenby_engine_push(engine, music + i, (uint32_t)(n - i < block ? n - i : block));
        if (fenby_engine_has_work(engine)) fenby_engine_work(engine);
        pop_until(engine, fenby_engine_frames(engine), r);
    }
    fenby_engine_work(engine);
    fenby_engine_finish(engine);
    pop_until(engine, INT64_MAX, r);
}

static void test_blocks(double rate_hz, const fenby_parameters *parameters)
{
    static const int blocks[] = {63, 64, 480, 1024, 8192, 1};
    static record first, other;
    const int n = (int)(rate_hz * SECONDS);
    compose(n, rate_hz, 1);
    fenby_engine *engine = open_engine(rate_hz, 0, parameters);
    run_synchronously(engine, n, 256, &first);
    check_promises(&first);
    CHECK(status_of(engine).overruns == 0, "%g Hz: overruns", rate_hz);
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        fenby_engine_reset(engine);
        run_synchronously(engine, n, blocks[b], &other);
        check_same(&first, &other, "blocks of", blocks[b]);
    }
    fenby_engine_free(engine);
}

// An engine that has heard all of a piece, and was reset, and what it wrote down.
static fenby_engine *open_after(unsigned long long seed, uint32_t block_frames, record *r)
{
    compose(RATE * SECONDS, RATE, seed);
    fenby_engine *engine = open_engine(RATE, block_frames, NULL);
    run_synchronously(engine, RATE * SECONDS, 480, r);
    fenby_engine_reset(engine);
    return engine;
}

// Whatever was left undone, an engine that was reset is as a new one.
static void test_reset(void)
{
    static record fresh, again;
    const int n = RATE * SECONDS;
    fenby_engine *engine = open_after(3, 0, &fresh);
    for (int i = 0; i < n / 2; i += 480) {  // nobody takes the events, then they are called off
        fenby_engine_push(engine, music + i, 480);
        fenby_engine_work(engine);
    }
    fenby_engine_end_notes(engine);
    fenby_engine_work(engine);
    fenby_engine_reset(engine);
    run_synchronously(engine, n, 480, &again);
    check_same(&fresh, &again, "reset after a panic,", 0);

    for (int told = 0; told < 2; told++) {
        fenby_engine_reset(engine);
        for (int i = 0; i < 4 * n; i += 480) fenby_engine_push(engine, music + i % n, 480);  // nobody works
        CHECK(status_of(engine).overruns > 0, "no overrun");
        if (told) fenby_engine_work(engine);
        fenby_engine_reset(engine);
        CHECK(status_of(engine).overruns == 0 && status_of(engine).late_events == 0, "what was counted stays");
        run_synchronously(engine, n, 480, &again);
        check_same(&fresh, &again, "reset after an overrun,", told);
    }
    fenby_engine_free(engine);
}

typedef struct {
    fenby_engine *engine;
    atomic_bool stop;
    _Atomic int64_t worked_frame;
} worker;

static void note_worked(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                        int64_t end_frame)
{
    worker *w = user;
    (void)cqt_frame, (void)onset, (void)sounding;
    atomic_store(&w->worked_frame, end_frame);
}

static void *work_on(void *user)
{
    worker *w = user;
    while (!atomic_load(&w->stop)) {
        if (fenby_engine_work(w->engine) == 0) sched_yield();
    }
    return NULL;
}

static void test_threaded(int block)
{
    static record synchronous, threaded;
    const int n = RATE * SECONDS;
    fenby_engine *engine = open_after(2, 0, &synchronous);

    worker w = {.engine = engine};
    fenby_engine_set_tap(engine, note_worked, &w);
    pthread_t thread;
    const int refused = pthread_create(&thread, NULL, work_on, &w);
    REQUIRE(!refused, "no thread");
    threaded = (record){0};
    for (int i = 0; i < n; i += block) {
        fenby_engine_push(engine, music + i, (uint32_t)(n - i < block ? n - i : block));
        // As fast as it goes, but never so far ahead that samples are lost.
        while (fenby_engine_frames(engine) - atomic_load(&w.worked_frame) > 30000) sched_yield();
        pop_until(engine, fenby_engine_frames(engine), &threaded);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    fenby_engine_work(engine);
    fenby_engine_finish(engine);
    pop_until(engine, INT64_MAX, &threaded);
    CHECK(status_of(engine).overruns == 0, "samples were lost");
    check_same(&synchronous, &threaded, "threaded, blocks of", block);
    fenby_engine_free(engine);
}

// --- in time -----------------------------------------------------------------------------------------------

// A live host: in each cycle it pushes a block and takes the events of that block; the worker comes after it,
// or, where the margin for it is longer than a block, only every so often.
static void test_live(uint32_t block)
{
    static record r;
    const int n = RATE * SECONDS;
    const int cycles_late = (int)(0.5 * FENBY_HOP * RATE / FENBY_SAMPLE_RATE / block);
    compose(n, RATE, 3);
    fenby_engine *engine = open_engine(RATE, block, NULL);
    const int64_t latency = status_of(engine).latency_frames;
    r = (record){0};
    int outside = 0, wrong_delay = 0;
    for (int i = 0, cycle = 0; i + (int)block <= n; i += (int)block, cycle++) {
        const int first = r.n;
        fenby_engine_push(engine, music + i, block);
        pop_until(engine, fenby_engine_frames(engine), &r);
        for (int e = first; e < r.n; e++) {
            const fenby_event *event = &r.events[e];
            outside += event->frame < i || event->frame >= i + (int)block;
            if (event->type == FENBY_NOTE_ON && !event->late)
                wrong_delay += event->frame - event->sound_frame != latency;
        }
        if (cycle % (cycles_late + 1) == 0) fenby_engine_work(engine);
    }
    CHECK(r.n > 20 && outside == 0, "blocks of %u: %d of %d events outside their block", block, outside, r.n);
    CHECK(wrong_delay == 0, "blocks of %u: %d notes not %lld frames after their sound", block, wrong_delay,
          (long long)latency);
    fenby_engine_end_notes(engine);
    fenby_engine_work(engine);
    pop_until(engine, INT64_MAX, &r);
    check_promises(&r);
    fenby_engine_free(engine);
}

// Two cycles too late: events leave after their frame, and those of notes are counted.
static void test_late(void)
{
    static record r;
    const uint32_t block = 1024;
    compose(RATE * SECONDS, RATE, 3);
    fenby_engine *engine = open_engine(RATE, block, NULL);
    r = (record){0};
    uint64_t outside = 0;
    for (int i = 0, cycle = 0; i < RATE * SECONDS; i += (int)block, cycle++) {
        const int first = r.n;
        fenby_engine_push(engine, music + i, block);
        pop_until(engine, fenby_engine_frames(engine), &r);
        for (int e = first; e < r.n; e++) outside += r.events[e].type != FENBY_BEND && r.events[e].frame < i;
        if (cycle % 4 == 3) fenby_engine_work(engine);
    }
    CHECK(outside > 10 && status_of(engine).late_events == outside, "%llu late, counted %llu",
          (unsigned long long)outside, (unsigned long long)status_of(engine).late_events);
    CHECK(r.witness.broken == 0, "%ld events break a promise", r.witness.broken);
    fenby_engine_free(engine);
}

static void test_has_work(void)
{
    fenby_engine *engine = open_engine(44100, 0, NULL);
    static const float zeros[64];
    int looks = 0, wrong = 0, late = 0;
    const int look_frames = 512 / fenby_looks_in_hop();
    for (int i = 0; i < 44100; i += 64) {
        fenby_engine_push(engine, zeros, 64);
        if (!fenby_engine_has_work(engine)) continue;
        const size_t done = fenby_engine_work(engine);
        wrong += done != 1;
        looks++;
        late += fenby_engine_frames(engine) >= looks * look_frames + 64;
    }
    CHECK(looks == 44100 / look_frames && wrong == 0, "%d looks, %d times woken for none or too many", looks, wrong);
    CHECK(late == 0, "%d times woken a block too late", late);
    CHECK(!fenby_engine_has_work(engine), "all is done");
    fenby_engine_end_notes(engine);
    CHECK(fenby_engine_has_work(engine), "notes are to be ended");
    fenby_engine_work(engine);
    CHECK(!fenby_engine_has_work(engine), "and were");
    fenby_engine_free(engine);
}

// --- overload ----------------------------------------------------------------------------------------------

static void test_gap(void)
{
    static record r;
    const int block = 1000, length = 10 * RATE;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    const int notes = tiny_music(music, length, RATE, 4, onset_s, key);
    fenby_engine *engine = open_engine(RATE, (uint32_t)block, NULL);
    r = (record){0};
    int pushed = 0;
    for (; pushed < 2 * RATE; pushed += block) {
        fenby_engine_push(engine, music + pushed, (uint32_t)block);
        fenby_engine_work(engine);
        pop_until(engine, fenby_engine_frames(engine), &r);
    }
    // The worker stops for as long as it takes to lose a second, twice.
    const int room = (int)fenby_engine_room(engine) / block;
    uint64_t lost = 0;
    for (int stalls = 1; stalls <= 2; stalls++) {
        for (int i = 0; i < room + 20; i++, pushed += block)
            fenby_engine_push(engine, music + pushed, (uint32_t)block);
        lost += 20 * (uint64_t)block;
        fenby_engine_status status = status_of(engine);
        CHECK(status.overruns == (uint64_t)stalls && status.lost_frames == lost, "%llu gaps, %llu frames lost",
              (unsigned long long)status.overruns, (unsigned long long)status.lost_frames);
        fenby_engine_work(engine);
    }
    CHECK(fenby_engine_frames(engine) == pushed, "the clock counts what is lost");
    const int back = pushed + RATE / 2;
    for (; pushed + block <= length; pushed += block) {
        fenby_engine_push(engine, music + pushed, (uint32_t)block);
        fenby_engine_work(engine);
        pop_until(engine, fenby_engine_frames(engine), &r);
    }
    fenby_engine_finish(engine);
    pop_until(engine, INT64_MAX, &r);
    check_promises(&r);
    int found = 0, wanted = 0;
    for (int i = 0; i < notes; i++) {
        if (onset_s[i] * RATE < back) continue;
        wanted++;
        for (int e = 0; e < r.n; e++) {
            if (r.events[e].type == FENBY_NOTE_ON && r.events[e].key == key[i] &&
                fabs((double)r.events[e].sound_frame - onset_s[i] * RATE) < 0.09 * RATE) {
                found++;
                break;
            }
        }
    }
    CHECK(wanted >= 6 && found * 2 >= wanted, "after the gaps %d of %d notes are found at their time", found,
          wanted);
    fenby_engine_free(engine);
}

// What waits in the event ring when samples are lost is called off: it would start only to end.
static void test_gap_while_notes_wait(void)
{
    static record whole, r;
    const int block = 500, late = 8192;  // of a host that may take as much at once, so that notes wait for long
    fenby_engine *engine = open_after(3, late, &whole);
    int tried = 0, waiting = 0;
    for (int i = 0; i < whole.n; i++) {
        const fenby_event *on = &whole.events[i];
        if (on->type != FENBY_NOTE_ON || on->frame > 3 * RATE) continue;
        tried++;
        fenby_engine_reset(engine);
        r = (record){0};
        while (fenby_engine_frames(engine) < on->frame - late / 2) {
            fenby_engine_push(engine, music + fenby_engine_frames(engine), (uint32_t)block);
            fenby_engine_work(engine);
            pop_until(engine, fenby_engine_frames(engine), &r);
        }
        const long before = r.witness.notes;
        fenby_engine_push(engine, music, 2 * fenby_engine_room(engine));  // lost
        fenby_engine_push(engine, music, (uint32_t)block);
        fenby_engine_work(engine);
        pop_until(engine, INT64_MAX, &r);
        waiting += r.witness.notes == before;
        check_promises(&r);
    }
    CHECK(tried > 10 && waiting == tried, "%d of %d do not start", waiting, tried);
    fenby_engine_free(engine);
}

// A gap in the very first block, and one that no sample follows.
static void test_gaps_at_the_ends(void)
{
    static float big[200000];
    static record r;
    fenby_engine *engine = open_engine(RATE, 0, NULL);
    r = (record){0};
    fenby_engine_push(engine, big, 200000);
    CHECK(status_of(engine).lost_frames == 200000, "it does not fit");
    fenby_engine_work(engine);
    fenby_engine_push(engine, big, 60000);
    const size_t looks = fenby_engine_work(engine);
    CHECK(looks == 60000 * 22050 / 48000 * (size_t)fenby_looks_in_hop() / 256, "%zu looks", looks);
    fenby_engine_push(engine, big, 200000);
    fenby_engine_work(engine);
    CHECK(status_of(engine).overruns == 2 && fenby_engine_frames(engine) == 460000, "two gaps");
    fenby_engine_finish(engine);
    pop_until(engine, INT64_MAX, &r);
    check_promises(&r);
    fenby_engine_free(engine);
}

// Nobody takes events until both the ring and the schedule are full: no note-off may be lost.
static void test_full_event_ring(void)
{
    static record r;
    fenby_parameters parameters = fenby_parameters_default();
    parameters.value[FENBY_SENSITIVITY] = 1;
    parameters.value[FENBY_MAXIMUM_POLYPHONY] = FENBY_N_KEYS;
    fenby_engine *engine = open_engine(22050, 0, &parameters);
    unsigned long long random = 1;
    r = (record){0};
    for (int round = 0; round < 2; round++) {
        for (int second = 0; second < 30; second++) {
            for (int i = 0; i < 22050; i++) music[i] = (float)(0.2 * (test_random(&random) - 0.5));
            fenby_engine_push(engine, music, 22050);
            fenby_engine_work(engine);
        }
        pop_until(engine, INT64_MAX, &r);
        fenby_engine_work(engine);
        pop_until(engine, INT64_MAX, &r);
    }
    fenby_engine_finish(engine);
    pop_until(engine, INT64_MAX, &r);
    CHECK(r.witness.events > 2 * 4096, "%ld events are too few to fill anything", r.witness.events);
    check_promises(&r);
    fenby_engine_free(engine);
}

// --- the rest ----------------------------------------------------------------------------------------------

static void test_end_notes(void)
{
    static record r;
    compose(RATE * SECONDS, RATE, 1);
    fenby_engine *engine = open_engine(RATE, 256, NULL);
    r = (record){0};
    int i = 0;
    for (; i < RATE || count_hanging(&r.witness) == 0; i += 256) {
        fenby_engine_push(engine, music + i, 256);
        fenby_engine_work(engine);
        pop_until(engine, fenby_engine_frames(engine), &r);
    }
    CHECK(status_of(engine).sounding > 0, "%u sound", status_of(engine).sounding);
    fenby_engine_end_notes(engine);
    fenby_engine_work(engine);
    pop_until(engine, INT64_MAX, &r);
    CHECK(status_of(engine).sounding == 0, "%u sound", status_of(engine).sounding);
    check_promises(&r);
    fenby_engine_free(engine);
}

// Notes that were handed on and wait for their frame in the event ring are called off, too.
static void test_end_notes_that_wait(void)
{
    static record r;
    const int block = 1024;
    compose(RATE * SECONDS, RATE, 3);
    fenby_engine *engine = open_engine(RATE, (uint32_t)block, NULL);
    long after = 0;
    r = (record){0};
    for (int i = 0; i < RATE * SECONDS; i += block) {
        fenby_engine_push(engine, music + i, (uint32_t)block);
        fenby_engine_work(engine);
        pop_until(engine, fenby_engine_frames(engine), &r);
        if (i / block % 6) continue;
        const long before = r.witness.notes;
        fenby_engine_end_notes(engine);
        fenby_engine_work(engine);
        pop_until(engine, INT64_MAX, &r);
        after += r.witness.notes - before;
        CHECK(count_hanging(&r.witness) == 0, "%d notes hang", count_hanging(&r.witness));
    }
    CHECK(r.witness.notes > 20 && r.witness.broken == 0, "%ld notes, %ld promises broken", r.witness.notes, r.witness.broken);
    CHECK(after == 0, "%ld notes after they were to end", after);
    fenby_engine_free(engine);
}

// A note that is ended by hand is none that came too late.
static void test_end_notes_in_time(void)
{
    static record r;
    const int block = 256, behind = 8;  // the worker comes each eighth time, in time for all but what is asked of it
    compose(RATE * SECONDS, RATE, 3);
    fenby_engine *engine = open_engine(RATE, (uint32_t)(behind * block), NULL);
    r = (record){0};
    for (int i = 0; i < RATE * SECONDS; i += block) {
        fenby_engine_push(engine, music + i, (uint32_t)block);
        if (i / block % behind == 0) fenby_engine_work(engine);
        pop_until(engine, fenby_engine_frames(engine), &r);
        if (i / block % 76 == 0) fenby_engine_end_notes(engine);
    }
    CHECK(r.witness.notes > 20 && r.witness.broken == 0, "%ld notes, %ld promises broken", r.witness.notes, r.witness.broken);
    CHECK(status_of(engine).late_events == 0, "%llu late", (unsigned long long)status_of(engine).late_events);
    fenby_engine_free(engine);
}

// Of blocks that last longer than a second.
static void test_room(void)
{
    fenby_engine *engine = open_engine(8000, 65536, NULL);
    CHECK(fenby_engine_room(engine) >= 4 * 65536, "room for %u samples", fenby_engine_room(engine));
    fenby_engine_free(engine);
}

static void test_parameters_and_status(void)
{
    fenby_parameters parameters = fenby_parameters_default();
    parameters.value[FENBY_MODE] = FENBY_MODE_STUDIO;
    parameters.value[FENBY_TRANSPOSE] = 1000;
    fenby_engine *engine = open_engine(RATE, 128, &parameters);
    CHECK(fenby_engine_parameter(engine, FENBY_TRANSPOSE) == 48, "clamped at the start");
    fenby_engine_set_parameter(engine, FENBY_VELOCITY_FIXED, NAN);
    CHECK(fenby_engine_parameter(engine, FENBY_VELOCITY_FIXED) == 100, "no number: the default");
    fenby_engine_set_parameter(engine, FENBY_TRANSPOSE, -3.2f);
    CHECK(fenby_engine_parameter(engine, FENBY_TRANSPOSE) == -3, "rounded");
    const uint32_t studio = status_of(engine).latency_frames;
    CHECK(studio == fenby_latency_frames(RATE, 128, &parameters, weights), "one latency");
    fenby_engine_set_parameter(engine, FENBY_MODE, FENBY_MODE_LIVE);
    const uint32_t at_once = status_of(engine).latency_frames;
    for (int i = 0; i < RATE; i++) music[i] = 0.5f * sinf(0.1f * (float)i);
    fenby_engine_push(engine, music, RATE);
    const double start_s = test_now_s();
    const size_t looks = fenby_engine_work(engine);
    const double load = (test_now_s() - start_s) / ((double)looks * 256 / 22050 / looks_in_hop);
    parameters.value[FENBY_MODE] = FENBY_MODE_LIVE;
    const fenby_engine_status status = status_of(engine);
    CHECK(status.latency_frames == fenby_latency_frames(RATE, 128, &parameters, weights), "one latency");
    CHECK(at_once == status.latency_frames, "latency %u at once, %u later", at_once, status.latency_frames);
    CHECK(fabs(studio - status.latency_frames - 3 * 256 * RATE / 22050.0) < 1, "three hops less in mode live");
    CHECK(fabsf(status.level_db + 6.02f) < 0.1f, "level %g dB", status.level_db);
    CHECK(status.worker_load > 0.8 * load && status.worker_load <= 1.001 * load, "load %g of %g", status.worker_load, load);
    // Only a machine that is quick takes two looks, unless told to.
    if (looks_in_hop == 1 || fenby_net_is_quick()) CHECK(status.worker_load < 1, "load %g", status.worker_load);

    // A tone 20 cents above A4 is followed.
    fenby_engine_reset(engine);
    for (int i = 0; i < RATE; i++) music[i] = (float)(0.3 * sin(2 * M_PI * 440 * exp2(0.2 / 12) * i / RATE));
    for (int second = 0; second < 3; second++) {
        fenby_engine_push(engine, music, RATE);
        fenby_engine_work(engine);
    }
    const float a4_hz = status_of(engine).a4_hz;
    CHECK(fabs(a4_hz - 440 * exp2(0.2 / 12)) < 0.5, "A4 at %g Hz", a4_hz);
    fenby_engine_set_parameter(engine, FENBY_FOLLOW_TUNING, 0);
    fenby_engine_set_parameter(engine, FENBY_TUNING, 442);
    for (int second = 0; second < 3; second++) {
        fenby_engine_push(engine, music, RATE);
        fenby_engine_work(engine);
    }
    CHECK(status_of(engine).a4_hz == 442, "as set: %g Hz", status_of(engine).a4_hz);
    fenby_engine_free(engine);
}

static void test_refuses(void)
{
    static const struct {
        double rate_hz;
        uint32_t block_frames;
    } bad[] = {{7999, 0}, {384001, 0}, {NAN, 0}, {-48000, 0}, {INFINITY, 0}, {48000, 1u << 31}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char error[256] = "";
        const fenby_engine_config config = {bad[i].rate_hz, bad[i].block_frames, fenby_parameters_default()};
        CHECK(!fenby_engine_new(&config, weights, error, sizeof error), "case %zu", i);
        CHECK(strstr(error, "expected") && !strchr(error, '\n'), "one line that says why: %s", error);
    }
    fenby_engine_free(NULL);
}

static void test_all(void)
{
    fenby_parameters asap = fenby_parameters_default();
    asap.value[FENBY_TIMING] = FENBY_TIMING_ASAP;
    asap.value[FENBY_MODE] = FENBY_MODE_STUDIO;
    test_blocks(48000, NULL);
    test_blocks(44100, &asap);
    test_blocks(22050, NULL);
    test_blocks(8000, NULL);
    test_reset();
    test_threaded(64);
    test_threaded(1024);
    static const uint32_t live_blocks[] = {16, 64, 256, 500, 1024, 4096};
    for (int i = 0; i < 6; i++) test_live(live_blocks[i]);
    test_late();
    test_has_work();
    test_gap();
    test_gap_while_notes_wait();
    test_gaps_at_the_ends();
    test_full_event_ring();
    test_end_notes();
    test_end_notes_that_wait();
    test_end_notes_in_time();
    test_room();
    test_parameters_and_status();
    test_refuses();
}

int main(void)
{
    char error[256] = "";
    weights = tiny_model(0, error, sizeof error);
    REQUIRE(weights, "%s", error);
    for (looks_in_hop = 1; looks_in_hop <= FENBY_MOST_LOOKS; looks_in_hop++) test_all();
    fenby_weights_free(weights);
    return test_report();
}
