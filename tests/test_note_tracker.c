// SPDX-License-Identifier: ISC
// The note tracker and its schedule: each rule alone, on posteriors made by hand, then all promises at once
// on a million events from random posteriors under random parameter changes.
#include "dsp/note_tracker.h"

#include <string.h>

#include "dsp/features.h"
#include "dsp/cqt.h"
#include "dsp/latency.h"
#include "dsp/schedule.h"
#include "tests/looks.h"
#include "tests/test.h"
#include "tests/witness.h"

enum { N_HEADS = 3, MOST_EVENTS = 4096, MILLION = 1000000 };

static double rate_hz, hop_frames;  // set_rate: rates at which hops are whole frames
static fenby_heads heads = {
    .count = N_HEADS,
    .lookahead = {1, 2, 10},
    .sounding_threshold = 0.4f,
    .of_mode = {0, 1, 2},
};

static void set_rate(double hz)
{
    rate_hz = hz;
    hop_frames = FENBY_HOP * hz / FENBY_SAMPLE_RATE;
}

static void set_thresholds(void)
{
    for (int head = 0; head < N_HEADS; head++) {
        for (int key = 0; key < FENBY_N_KEYS; key++) heads.threshold[head][key] = head == 1 ? 0.6f : 0.5f;
    }
    heads.threshold[1][FENBY_HIGHEST_KEY - FENBY_LOWEST_KEY] = 0.3f;
}

// A tracker with what goes in and what has come out.
typedef struct {
    fenby_note_tracker *tracker;
    fenby_parameters parameters;
    float onset[FENBY_N_KEYS][N_HEADS], sounding[FENBY_N_KEYS], velocity[FENBY_N_KEYS];
    float onset_age[FENBY_N_KEYS][N_HEADS], cents[FENBY_N_KEYS];
    float level_db;
    bool with_age, with_cents;
    float tuning_cents;
    fenby_attack *attack;
    int hop;
    fenby_event events[MOST_EVENTS];
    int n_events;
} bench;

static void drain(bench *b)
{
    while (b->n_events < MOST_EVENTS && fenby_note_tracker_peek(b->tracker, &b->events[b->n_events])) {
        fenby_note_tracker_skip(b->tracker);
        b->n_events++;
    }
}

static void bench_open(bench *b, uint32_t block_frames)
{
    *b = (bench){.parameters = fenby_parameters_default(), .level_db = -20};
    b->tracker = fenby_note_tracker_new(rate_hz, block_frames, &heads);
    REQUIRE(b->tracker, "no memory");
    for (int key = 0; key < FENBY_N_KEYS; key++) b->velocity[key] = 0.5f;
}

static void bench_close(bench *b)
{
    fenby_note_tracker_free(b->tracker);
}

static fenby_hop_time time_of(int hop)
{
    const double end_frame = (hop + 1) * hop_frames;
    return (fenby_hop_time){
        .end_frame = end_frame,
        .decided_frame = (int64_t)end_frame,
        .next_decided_frame = (int64_t)(end_frame + hop_frames),
    };
}

static float cents_at(const float *cents, int key)
{
    return cents[key];
}

static fenby_posteriors posteriors_of(const bench *b)
{
    return (fenby_posteriors){
        .onset = &b->onset[0][0],
        .sounding = b->sounding,
        .velocity = b->velocity,
        .attack = b->attack,
        .onset_age = b->with_age ? &b->onset_age[0][0] : NULL,
        .age_channels = N_HEADS,
        .cents = b->with_cents ? cents_at : NULL,
        .cents_of = b->cents,
        .tuning_cents = b->tuning_cents,
        .level_db = b->level_db,
    };
}

static void step(bench *b)
{
    const fenby_posteriors posteriors = posteriors_of(b);
    const fenby_hop_time time = time_of(b->hop++);
    fenby_note_tracker_process(b->tracker, &posteriors, &time, &b->parameters);
    drain(b);
}

// Half a hop after the last step.
static void look(bench *b)
{
    const fenby_posteriors posteriors = posteriors_of(b);
    const double end_frame = (b->hop + 0.5) * hop_frames;
    const fenby_hop_time time = {end_frame, (int64_t)end_frame, (int64_t)(end_frame + 0.5 * hop_frames)};
    fenby_note_tracker_look(b->tracker, &posteriors, &time, &b->parameters);
    drain(b);
}

static void steps(bench *b, int n)
{
    while (n-- > 0) step(b);
}

static void set_onset(bench *b, int midi, float p)
{
    for (int head = 0; head < N_HEADS; head++) b->onset[midi - FENBY_LOWEST_KEY][head] = p;
}

// Strikes a key: a plateau of three hops, sounding from now on.
static void strike(bench *b, int midi)
{
    set_onset(b, midi, 0.9f);
    b->sounding[midi - FENBY_LOWEST_KEY] = 0.9f;
    steps(b, 3);
    set_onset(b, midi, 0);
}

static void release(bench *b, int midi)
{
    b->sounding[midi - FENBY_LOWEST_KEY] = 0;
}

static int count_events(const bench *b, fenby_event_type type, int key)
{
    int n = 0;
    for (int i = 0; i < b->n_events; i++)
        n += b->events[i].type == type && (key < 0 || b->events[i].key == key);
    return n;
}

static const fenby_event *find_event(const bench *b, fenby_event_type type, int key)
{
    static const fenby_event none = {.frame = -1, .key = 255};
    for (int i = 0; i < b->n_events; i++) {
        if (b->events[i].type == type && (key < 0 || b->events[i].key == key)) return &b->events[i];
    }
    return &none;
}

#define CHECK_COUNT(b, type, key, expected)                                       \
    CHECK(count_events(b, type, key) == (expected), "%d times, expected %d", \
          count_events(b, type, key), expected)

#define CHECK_FRAME(frame, expected) \
    CHECK((frame) == (int64_t)(expected), "%lld, expected %lld", (long long)(frame), (long long)(expected))

// --- timing ------------------------------------------------------------------------------------------------

// Of onsets that a head of lookahead 2 reports: from 2 hops to one look more.
static double usual_age_hops(void)
{
    return 2 + 0.5 / fenby_looks_in_hop();
}

static void test_tight(uint32_t block_frames)
{
    bench b;
    bench_open(&b, block_frames);
    steps(&b, 10);
    const int64_t d = fenby_note_tracker_latency_frames(b.tracker, &b.parameters);
    const int64_t margin = block_frames ? block_frames + (int64_t)hop_frames / 2 : 0;
    strike(&b, 60);  // decided at the end of hop 10, lookahead 2
    steps(&b, 27);
    release(&b, 60);  // from hop 40 on: it ended two hops before
    steps(&b, 40);
    const fenby_event *on = find_event(&b, FENBY_NOTE_ON, 60), *off = find_event(&b, FENBY_NOTE_OFF, 60);
    CHECK_COUNT(&b, FENBY_NOTE_ON, -1, 1);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 1);
    CHECK_FRAME(on->sound_frame, (11 - usual_age_hops() + FENBY_EARLY_HOPS) * hop_frames);
    CHECK_FRAME(on->frame, on->sound_frame + d);
    CHECK(!on->late, "in time");
    CHECK(on->frame >= 11 * hop_frames + (double)margin, "decided at its frame or before, with the margin");
    CHECK_FRAME(off->sound_frame, 38 * hop_frames);
    CHECK_FRAME(off->frame, 44 * hop_frames + (double)margin);  // 45 ms of release: four hops
    bench_close(&b);
}

static void test_tight_keeps_length(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_MODE] = FENBY_MODE_STUDIO;
    steps(&b, 20);
    strike(&b, 60);
    steps(&b, 27);
    release(&b, 60);
    steps(&b, 40);
    const fenby_event *on = find_event(&b, FENBY_NOTE_ON, 60), *off = find_event(&b, FENBY_NOTE_OFF, 60);
    CHECK_FRAME(off->sound_frame, 48 * hop_frames);
    CHECK_FRAME(off->frame - on->frame, off->sound_frame - on->sound_frame);
    bench_close(&b);
}

static void test_asap(void)
{
    bench b;
    bench_open(&b, 256);
    b.parameters.value[FENBY_TIMING] = FENBY_TIMING_ASAP;
    steps(&b, 10);
    strike(&b, 60);
    steps(&b, 27);
    release(&b, 60);
    steps(&b, 40);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_ON, 60)->frame, 11 * hop_frames);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->frame, 44 * hop_frames);
    CHECK(!find_event(&b, FENBY_NOTE_ON, 60)->late, "nothing is late in asap");
    bench_close(&b);
}

static void test_age(void)
{
    bench b;
    bench_open(&b, 0);
    b.with_age = true;
    for (int key = 0; key < FENBY_N_KEYS; key++) b.onset_age[key][1] = 2.25f;
    b.onset_age[1][1] = 4.5f;
    b.onset_age[2][1] = NAN;
    b.onset_age[3][1] = 1e9f;
    steps(&b, 20);
    const int64_t d = fenby_note_tracker_latency_frames(b.tracker, &b.parameters);
    for (int key = 0; key < 4; key++) set_onset(&b, FENBY_LOWEST_KEY + key, 0.9f);
    steps(&b, 12);
    const fenby_event *on = find_event(&b, FENBY_NOTE_ON, FENBY_LOWEST_KEY);
    CHECK_FRAME(on->sound_frame, (21 - 2.25 + FENBY_EARLY_HOPS) * hop_frames);
    CHECK_FRAME(on->frame, on->sound_frame + d);
    on = find_event(&b, FENBY_NOTE_ON, FENBY_LOWEST_KEY + 1);
    CHECK_FRAME(on->sound_frame, (21 - 4.5 + FENBY_EARLY_HOPS) * hop_frames);
    CHECK(on->late, "it began longer ago than the latency");
    CHECK_FRAME(on->frame, 21 * hop_frames);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_ON, FENBY_LOWEST_KEY + 2)->sound_frame, (21 - usual_age_hops() + FENBY_EARLY_HOPS) * hop_frames);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_ON, FENBY_LOWEST_KEY + 3)->sound_frame, (21 - 6 + FENBY_EARLY_HOPS) * hop_frames);
    bench_close(&b);
}

static void test_latency(void)
{
    const uint32_t offline = fenby_latency_of_lookahead(44100, 0, 2);
    const uint32_t live = fenby_latency_of_lookahead(44100, 128, 2);
    CHECK(live - offline == 128 + 256, "one block and half a hop, not %u", live - offline);
    CHECK(offline > 1.5 * 512 && offline < 2.5 * 512, "%u frames", offline);
    CHECK(fenby_latency_of_lookahead(44100, 0, 3) - offline == 512, "one hop for each frame of lookahead");
    CHECK(fenby_latency_of_lookahead(22050, 0, 1) == 128u + 144u / (unsigned)fenby_looks_in_hop(), "lookahead alone");
    CHECK(fenby_latency_of_lookahead(22050, 64, 0) <= 64 + 128 + 16, "nothing to wait for, not a negative time");
}

// --- when notes start --------------------------------------------------------------------------------------

// A look between hops starts notes; it ends none, bends none and moves no clock.
static void test_look(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_TIMING] = FENBY_TIMING_ASAP;
    b.with_age = true;
    b.onset_age[60 - FENBY_LOWEST_KEY][1] = 2;
    steps(&b, 10);
    set_onset(&b, 60, 0.9f);
    b.sounding[60 - FENBY_LOWEST_KEY] = 0.9f;
    look(&b);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_ON, 60)->frame, 10.5 * hop_frames);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_ON, 60)->sound_frame, (10.5 - 2 + FENBY_EARLY_HOPS) * hop_frames);
    for (int i = 0; i < 3; i++) {
        step(&b);
        look(&b);
    }
    set_onset(&b, 60, 0);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_ON, -1, 1);
    release(&b, 60);
    b.with_cents = true;
    b.cents[60 - FENBY_LOWEST_KEY] = 40;
    for (int i = 0; i < 50; i++) look(&b);
    CHECK(b.n_events == 1, "looks alone make %d events", b.n_events - 1);
    const int released = b.hop;
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->frame, (released + 4) * hop_frames);

    // A look does not start again what the hop before it has started.
    set_onset(&b, 64, 0.9f);
    step(&b);
    look(&b);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 64, 1);
    bench_close(&b);
}

static void test_rearming(void)
{
    bench b;
    bench_open(&b, 0);
    strike(&b, 60);
    set_onset(&b, 60, 0.35f);  // the threshold is 0.6: above half of it
    steps(&b, 5);
    strike(&b, 60);
    steps(&b, 5);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 60, 1);
    set_onset(&b, 60, 0.25f);
    step(&b);
    strike(&b, 60);
    steps(&b, 5);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 60, 2);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    CHECK(find_event(&b, FENBY_NOTE_OFF, 60)->frame == b.events[2].frame, "it ends where it starts again");
    bench_close(&b);
}

// A head that hears far ahead tells of an onset at hop 20, falls to `between` and rises again to tell of one at hop
// `second`. How many note-ons that makes.
static int count_struck(float between, int second)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_MODE] = FENBY_MODE_STUDIO;
    b.with_age = true;
    b.sounding[60 - FENBY_LOWEST_KEY] = 0.9f;
    for (int hop = 0; hop < 60; hop++) {
        set_onset(&b, 60, hop < 23 || hop > 34 ? 0 : hop < 26 || hop > 29 ? 0.9f : between);
        b.onset_age[60 - FENBY_LOWEST_KEY][2] = (float)(hop + 1 - (hop < 26 ? 20 : second));
        step(&b);
    }
    const int n = count_events(&b, FENBY_NOTE_ON, 60);
    CHECK(count_events(&b, FENBY_NOTE_OFF, 60) == n - 1, "of %d notes %d end", n, count_events(&b, FENBY_NOTE_OFF, 60));
    bench_close(&b);
    return n;
}

// Far-hearing heads: the threshold is 0.5.
static void test_struck_again(void)
{
    CHECK(count_struck(0.1f, 20) == 1, "one onset that is told twice makes %d notes", count_struck(0.1f, 20));
    CHECK(count_struck(0.1f, 21) == 1, "one that is told a hop later makes %d notes", count_struck(0.1f, 21));
    CHECK(count_struck(0.1f, 23) == 2, "two strokes make %d notes", count_struck(0.1f, 23));
    CHECK(count_struck(0.4f, 26) == 2, "two strokes with much between them make %d notes", count_struck(0.4f, 26));
    CHECK(count_struck(0.4f, 23) == 1, "two that are near, with much between them, make %d", count_struck(0.4f, 23));
    CHECK(count_struck(0.7f, 26) == 1, "one that hardly wavers makes %d notes", count_struck(0.7f, 26));
}

static void test_refractory(void)
{
    bench b;
    bench_open(&b, 0);
    for (int i = 0; i < 40; i++) {
        set_onset(&b, 60, i % 2 ? 0 : 0.9f);
        b.sounding[60 - FENBY_LOWEST_KEY] = 1;
        step(&b);
    }
    steps(&b, 10);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 60, 10);  // every fourth hop
    bench_close(&b);
}

static int ons_with(fenby_parameter parameter, float value, float p, float level_db)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[parameter] = value;
    b.level_db = level_db;
    steps(&b, 5);  // before its first sound no gate is shut
    set_onset(&b, 60, p);
    steps(&b, 20);
    const int n = count_events(&b, FENBY_NOTE_ON, 60);
    bench_close(&b);
    return n;
}

static void test_thresholds(void)
{
    CHECK(ons_with(FENBY_SENSITIVITY, 0.5f, 0.61f, 0) == 1, "the calibrated threshold is 0.6");
    CHECK(ons_with(FENBY_SENSITIVITY, 0.5f, 0.59f, 0) == 0, "the calibrated threshold is 0.6");
    // logit(0.6) = 0.405: with three more or less the threshold is 0.968 or 0.0695.
    CHECK(ons_with(FENBY_SENSITIVITY, 1, 0.072f, 0) == 1, "most sensitive");
    CHECK(ons_with(FENBY_SENSITIVITY, 1, 0.067f, 0) == 0, "most sensitive");
    CHECK(ons_with(FENBY_SENSITIVITY, 0, 0.97f, 0) == 1, "least sensitive");
    CHECK(ons_with(FENBY_SENSITIVITY, 0, 0.965f, 0) == 0, "least sensitive");
    CHECK(ons_with(FENBY_SENSITIVITY, 0.5f, NAN, 0) == 0, "what is no number starts nothing");
    CHECK(ons_with(FENBY_NOISE_GATE, -40, 0.9f, -39) == 1, "above the gate");
    CHECK(ons_with(FENBY_NOISE_GATE, -100, 0.9f, -120) == 1, "the gate is off");
    CHECK(ons_with(FENBY_NOISE_GATE, -99, 0.9f, -120) == 0, "the gate is not off");
    CHECK(ons_with(FENBY_LOWEST_KEY_PARAMETER, 60, 0.9f, 0) == 1, "the lowest key counts");
    CHECK(ons_with(FENBY_LOWEST_KEY_PARAMETER, 61, 0.9f, 0) == 0, "below the lowest key");
    CHECK(ons_with(FENBY_HIGHEST_KEY_PARAMETER, 60, 0.9f, 0) == 1, "the highest key counts");
    CHECK(ons_with(FENBY_HIGHEST_KEY_PARAMETER, 59, 0.9f, 0) == 0, "above the highest key");
}

static void test_threshold_of_key(void)
{
    bench b;
    bench_open(&b, 0);
    set_onset(&b, FENBY_HIGHEST_KEY - 1, 0.31f);
    set_onset(&b, FENBY_HIGHEST_KEY, 0.31f);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_ON, FENBY_HIGHEST_KEY - 1, 0);
    CHECK_COUNT(&b, FENBY_NOTE_ON, FENBY_HIGHEST_KEY, 1);
    bench_close(&b);
    bench_open(&b, 0);
    set_onset(&b, FENBY_HIGHEST_KEY, 0.29f);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_ON, -1, 0);
    bench_close(&b);
}

static void test_gate(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_NOISE_GATE] = -40;
    strike(&b, 60);
    b.level_db = -41;
    steps(&b, 2);  // as far back as the head looks, it was loud
    strike(&b, 62);
    steps(&b, 50);
    strike(&b, 64);
    steps(&b, 10);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 62, 1);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 64, 0);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 0);  // the gate ends nothing
    bench_close(&b);
}

// A hop after the first. Whether that one sounds is as it was; the second does.
static void strike_soon_after(bench *b, int first, int second)
{
    set_onset(b, first, 0.9f);
    steps(b, 1);
    strike(b, second);
    set_onset(b, first, 0);
    steps(b, 20);
}

static void test_polyphony(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_MAXIMUM_POLYPHONY] = 2;
    strike(&b, 60);
    steps(&b, 5);
    strike(&b, 50);
    steps(&b, 5);
    strike(&b, 70);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);  // the oldest
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 1);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->frame, find_event(&b, FENBY_NOTE_ON, 70)->frame);
    CHECK(fenby_note_tracker_sounding(b.tracker) == 2, "%u sound", fenby_note_tracker_sounding(b.tracker));
    b.parameters.value[FENBY_MAXIMUM_POLYPHONY] = 1;
    steps(&b, 10);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 50, 1);
    // Three at once, the middle one is the surest.
    set_onset(&b, 80, 0.7f);
    set_onset(&b, 82, 0.9f);
    set_onset(&b, 84, 0.8f);
    steps(&b, 10);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 82, 1);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 80, 0);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 84, 0);
    steps(&b, 10);
    b.sounding[52 - FENBY_LOWEST_KEY] = 0.9f;
    strike_soon_after(&b, 52, 55);  // a chord that is not struck at once: the first stays, and is no click
    CHECK_COUNT(&b, FENBY_NOTE_ON, 52, 1);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 52, 0);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 55, 0);
    strike_soon_after(&b, 57, 59);  // one that does not sound makes room
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 57, 1);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 59, 1);
    bench_close(&b);
}

// Lowered while many sound, it ends all that are too many at once.
static void test_lower_polyphony(void)
{
    bench b;
    bench_open(&b, 0);
    for (int key = 50; key < 55; key++) {
        strike(&b, key);
        steps(&b, 5);
    }
    CHECK(fenby_note_tracker_sounding(b.tracker) == 5, "%u sound", fenby_note_tracker_sounding(b.tracker));
    b.parameters.value[FENBY_MAXIMUM_POLYPHONY] = 1;
    steps(&b, 1);
    CHECK(fenby_note_tracker_sounding(b.tracker) == 1, "%u sound", fenby_note_tracker_sounding(b.tracker));
    bench_close(&b);
}

// Ends are decided later than onsets: what is heard, and the sound that is told of, keep to the number nevertheless, and no
// note is cut to a click.
static void test_polyphony_is_kept(int most)
{
    bench b;
    bench_open(&b, 128);
    b.parameters.value[FENBY_MAXIMUM_POLYPHONY] = (float)most;
    b.parameters.value[FENBY_MODE] = FENBY_MODE_STUDIO;
    b.parameters.value[FENBY_TIMING] = FENBY_TIMING_TIGHT;
    b.parameters.value[FENBY_MINIMUM_LENGTH] = 30;
    b.with_age = true;
    unsigned long long random = 11;
    int sounding = 0, at_once = 0, n_notes = 0, n_overlaps = 0, n_clicks = 0;
    int64_t begun[128] = {0}, ended[128] = {0};
    int struck_at[FENBY_N_KEYS] = {0};
    for (int hop = 0; hop < 20000; hop++) {
        for (int key = 0; key < FENBY_N_KEYS; key++) {
            const bool struck = test_random(&random) < 0.003;
            b.onset[key][2] = struck ? 0.9f : 0;
            b.onset_age[key][2] = (float)(6 + 5 * test_random(&random));
            if (struck) struck_at[key] = hop;
            b.sounding[key] = hop - struck_at[key] < 12 || test_random(&random) < 0.95 ? 0.9f : 0;
        }
        b.n_events = 0;
        step(&b);
        for (const fenby_event *e = b.events; e < b.events + b.n_events; e++) {
            const bool on = e->type == FENBY_NOTE_ON;
            sounding += on ? 1 : -1;
            at_once = sounding > at_once ? sounding : at_once;
            *(on ? &begun[e->key] : &ended[e->key]) = e->sound_frame;
            if (!on) n_clicks += (double)(e->sound_frame - begun[e->key]) < 2 * hop_frames;
            int others = 0;
            for (int key = 0; key < 128; key++)
                others += key != e->key && (begun[key] > ended[key] || ended[key] > e->sound_frame);
            n_overlaps += on && others >= most;
            n_notes += on;
        }
    }
    CHECK(n_notes > 2000, "%d notes", n_notes);
    CHECK(at_once == most && n_overlaps == 0, "%d at once, %d notes begin while %d sound", at_once, n_overlaps, most);
    CHECK(n_clicks == 0, "%d clicks of %d notes", n_clicks, n_notes);
    bench_close(&b);
}

static void test_modes(void)
{
    for (int mode = 0; mode < FENBY_N_MODES; mode++) {
        bench b;
        bench_open(&b, 0);
        b.parameters.value[FENBY_MODE] = (float)mode;
        for (int head = 0; head < N_HEADS; head++) b.onset[39 + head][head] = 0.7f;
        steps(&b, 30);
        CHECK_COUNT(&b, FENBY_NOTE_ON, -1, 1);
        CHECK_COUNT(&b, FENBY_NOTE_ON, 60 + mode, 1);
        bench_close(&b);
    }
}

// --- when notes end ----------------------------------------------------------------------------------------

static void test_release(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_RELEASE] = 100;  // nine hops
    strike(&b, 60);
    steps(&b, 20);
    release(&b, 60);
    steps(&b, 8);
    b.sounding[60 - FENBY_LOWEST_KEY] = 0.5f;  // a dip
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 0);
    release(&b, 60);
    const int end = b.hop;
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->frame, (end + 9) * hop_frames);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->sound_frame, (end - 2) * hop_frames);
    bench_close(&b);
}

// At once is not before the sound has ended.
static void test_no_release(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_RELEASE] = 0;
    strike(&b, 60);
    steps(&b, 40);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 0);
    release(&b, 60);
    steps(&b, 4);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    bench_close(&b);
}

// Also where the note-on left late, as all do in timing asap.
static void test_minimum_length_asap(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_MINIMUM_LENGTH] = 300;
    b.parameters.value[FENBY_MODE] = FENBY_MODE_STUDIO;
    b.parameters.value[FENBY_TIMING] = FENBY_TIMING_ASAP;
    b.onset[60 - FENBY_LOWEST_KEY][2] = 0.9f;
    b.sounding[60 - FENBY_LOWEST_KEY] = 0.9f;
    steps(&b, 1);
    b.onset[60 - FENBY_LOWEST_KEY][2] = 0;
    release(&b, 60);
    steps(&b, 80);
    const fenby_event *on = find_event(&b, FENBY_NOTE_ON, 60), *off = find_event(&b, FENBY_NOTE_OFF, 60);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    CHECK((double)(off->frame - on->frame) >= 0.3 * rate_hz, "%ld frames", (long)(off->frame - on->frame));
    bench_close(&b);
}

static void test_note_threshold(void)
{
    bench b;
    bench_open(&b, 0);
    strike(&b, 60);
    b.sounding[60 - FENBY_LOWEST_KEY] = 0.41f;  // the calibrated threshold is 0.4
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 0);
    b.parameters.value[FENBY_NOTE_THRESHOLD] = 0.52f;
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    bench_close(&b);
}

// The sounding posterior is not believed at once: a note that it never tells of lasts until then, one that it told of fades.
static void test_settling(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_TIMING] = FENBY_TIMING_ASAP;
    b.parameters.value[FENBY_MINIMUM_LENGTH] = 10;
    b.parameters.value[FENBY_RELEASE] = 0;
    set_onset(&b, 60, 0.9f);
    steps(&b, 3);
    set_onset(&b, 60, 0);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    // Decided after the first hop, of an onset 2 hops before: 9 hops after that.
    CHECK_FRAME(find_event(&b, FENBY_NOTE_ON, 60)->frame, 1 * hop_frames);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->frame, 7 * hop_frames);
    bench_close(&b);
}

static void test_minimum_length(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_MINIMUM_LENGTH] = 300;
    strike(&b, 60);
    release(&b, 60);
    steps(&b, 60);
    const fenby_event *on = find_event(&b, FENBY_NOTE_ON, 60), *off = find_event(&b, FENBY_NOTE_OFF, 60);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);
    CHECK_FRAME(off->frame - on->frame, 0.3 * rate_hz);
    CHECK_FRAME(off->sound_frame - on->sound_frame, 0.3 * rate_hz);
    bench_close(&b);
}

static void test_sustain(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_SUSTAIN] = 1;
    strike(&b, 60);
    strike(&b, 64);
    release(&b, 60);
    release(&b, 64);
    steps(&b, 100);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 0);
    strike(&b, 60);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 1);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 60, 2);
    b.parameters.value[FENBY_SUSTAIN] = 0;
    const int end = b.hop;
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 64, 1);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);  // struck again, and still sounding
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 64)->frame, (end + 1) * hop_frames);
    CHECK(find_event(&b, FENBY_NOTE_OFF, 64)->sound_frame > (end - 8) * hop_frames, "it sounded until then");
    bench_close(&b);
}

static void test_end_notes(void)
{
    bench b;
    bench_open(&b, 0);
    strike(&b, 60);
    steps(&b, 10);
    b.with_age = true;
    b.onset_age[62 - FENBY_LOWEST_KEY][1] = 1.0f;
    set_onset(&b, 62, 0.9f);
    step(&b);  // decided, not yet out
    CHECK_COUNT(&b, FENBY_NOTE_ON, 62, 0);
    const int64_t now = (int64_t)(b.hop * hop_frames);
    fenby_note_tracker_end_notes(b.tracker, now);
    drain(&b);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->frame, now);
    CHECK_FRAME(find_event(&b, FENBY_NOTE_OFF, 60)->sound_frame, now);
    CHECK(fenby_note_tracker_sounding(b.tracker) == 0, "nothing sounds");
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 62, 0);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 1);
    bench_close(&b);
}

static void test_finish(void)
{
    bench b;
    bench_open(&b, 0);
    strike(&b, 60);
    steps(&b, 10);
    const int64_t now = (int64_t)(b.hop * hop_frames);
    fenby_note_tracker_finish(b.tracker, now);
    drain(&b);
    const fenby_event *on = find_event(&b, FENBY_NOTE_ON, 60), *off = find_event(&b, FENBY_NOTE_OFF, 60);
    CHECK_FRAME(off->sound_frame, now);
    CHECK_FRAME(off->frame - on->frame, off->sound_frame - on->sound_frame);
    bench_close(&b);
}

// --- what notes are ----------------------------------------------------------------------------------------

static int velocity_with(float minimum, float maximum, float curve, float loudness)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_VELOCITY_MINIMUM] = minimum;
    b.parameters.value[FENBY_VELOCITY_MAXIMUM] = maximum;
    b.parameters.value[FENBY_VELOCITY_CURVE] = curve;
    b.velocity[39] = loudness;
    strike(&b, 60);
    steps(&b, 10);
    const int velocity = find_event(&b, FENBY_NOTE_ON, 60)->velocity;
    bench_close(&b);
    return velocity;
}

static void test_velocity(void)
{
    CHECK(velocity_with(1, 127, 1, 0) == 1, "softest");
    CHECK(velocity_with(1, 127, 1, 1) == 127, "loudest");
    CHECK(velocity_with(1, 127, 1, 0.5f) == 64, "half way");
    CHECK(velocity_with(1, 127, 1, NAN) >= 1, "no number");
    CHECK(velocity_with(1, 127, 1, 7) == 127, "too much");
    CHECK(velocity_with(20, 100, 1, 0.5f) == 60, "within its range");
    CHECK(velocity_with(100, 20, 1, 1) == 20, "a range upside down");
    CHECK(velocity_with(1, 127, 2, 0.5f) == 33, "1 + 126 / 4");
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_VELOCITY_MODE] = FENBY_VELOCITY_MODE_FIXED;
    b.parameters.value[FENBY_VELOCITY_FIXED] = 77;
    strike(&b, 60);
    steps(&b, 10);
    CHECK(find_event(&b, FENBY_NOTE_ON, 60)->velocity == 77, "fixed");
    bench_close(&b);
}

// Notes whose attacks are so many decibels above the first one's; the last one's velocity. The input has gained
// gain_db before that.
static int velocity_with_gain(const float *attack_db, int n, float loudness, float gain_db)
{
    bench b;
    bench_open(&b, 0);
    b.attack = fenby_attack_new(1);
    REQUIRE(b.attack, "no memory");
    b.velocity[39] = loudness;
    static float frame[FENBY_N_BINS][FENBY_N_RESOLUTIONS];
    for (int i = 0; i < n; i++) {
        for (int before = 0; before < 10; before++) {
            memset(frame, 0, sizeof frame);
            fenby_attack_push(b.attack, &frame[0][0]);
        }
        frame[3 * 39 + 1][0] = 0.5f + attack_db[i] / 100;
        for (int bin = 220; bin < 230; bin++) frame[bin][1] = 0.5f + attack_db[i] / 100;
        for (int during = 0; during < 4; during++) fenby_attack_push(b.attack, &frame[0][0]);
        if (i == n - 1) b.parameters.value[FENBY_INPUT_GAIN] = gain_db;
        strike(&b, 60);
        steps(&b, 20);
    }
    int velocity = 0;
    for (int i = 0; i < b.n_events; i++)
        if (b.events[i].type == FENBY_NOTE_ON) velocity = b.events[i].velocity;
    CHECK(count_events(&b, FENBY_NOTE_ON, 60) == n, "%d notes", count_events(&b, FENBY_NOTE_ON, 60));
    fenby_attack_free(b.attack);
    bench_close(&b);
    return velocity;
}

static int velocity_after(const float *attack_db, int n, float loudness)
{
    return velocity_with_gain(attack_db, n, loudness, 0);
}

static void test_velocity_of_attack(void)
{
    const float equal[5] = {0}, harder[5] = {0, 0, 0, 0, 10}, softer[5] = {0, 0, 0, 0, -10}, first[1] = {30};
    CHECK(velocity_after(first, 1, 0.5f) == 64, "the first is as the network says, at any level");
    CHECK(velocity_after(equal, 5, 0.5f) == 64, "so are all that are alike");
    // 0.6 x 10 dB, of which a fifth has become usual: 10^(+-4.8 / 40).
    CHECK(velocity_after(harder, 5, 0.5f) == 84, "harder: %d", velocity_after(harder, 5, 0.5f));
    CHECK(velocity_after(softer, 5, 0.5f) == 49, "softer: %d", velocity_after(softer, 5, 0.5f));
    CHECK(velocity_with_gain(harder, 5, 0.5f, 10) == 64, "10 dB that are the gain's: %d",
          velocity_with_gain(harder, 5, 0.5f, 10));
    CHECK(velocity_with_gain(equal, 5, 0.5f, -10) == 84, "softer by the gain alone: %d",
          velocity_with_gain(equal, 5, 0.5f, -10));
    const float far[5] = {-40, -40, -40, -40, 40};
    CHECK(velocity_after(far, 5, 0.9f) == 127 && velocity_after(far, 5, NAN) >= 1, "within 1 .. 127");

    // Whoever plays harder for long: after as many notes as are remembered, 1 / e of the difference is left.
    static float changed[1500];
    for (int i = 1000; i < 1500; i++) changed[i] = 10;
    CHECK(velocity_after(changed, 1500, 0.5f) == 73, "harder for long: %d", velocity_after(changed, 1500, 0.5f));
}

static int key_with(int midi, float transpose, float scale, float root)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_TRANSPOSE] = transpose;
    b.parameters.value[FENBY_SCALE] = scale;
    b.parameters.value[FENBY_SCALE_ROOT] = root;
    strike(&b, midi);
    // The note-off must carry the same key, whatever the parameters say by then.
    b.parameters.value[FENBY_TRANSPOSE] = 5;
    b.parameters.value[FENBY_SCALE] = FENBY_SCALE_BLUES;
    release(&b, midi);
    steps(&b, 30);
    const int key = find_event(&b, FENBY_NOTE_ON, -1)->key;
    CHECK_COUNT(&b, FENBY_NOTE_OFF, key, 1);
    bench_close(&b);
    return key;
}

static void test_keys(void)
{
    CHECK(key_with(21, 0, 0, 0) == 21 && key_with(108, 0, 0, 0) == 108, "the outermost keys");
    CHECK(key_with(21, -21, 0, 0) == 0 && key_with(108, 19, 0, 0) == 127, "the outermost notes");
    CHECK(key_with(21, -22, 0, 0) == 11 && key_with(108, 20, 0, 0) == 116, "folded back by an octave");
    CHECK(key_with(21, -48, 0, 0) == 9 && key_with(108, 48, 0, 0) == 120, "as far as it goes");
    CHECK(key_with(61, 0, FENBY_SCALE_MAJOR, 0) == 60, "C# in C major: of two equally near the lower");
    CHECK(key_with(61, 0, FENBY_SCALE_MAJOR, 2) == 61, "C# in D major");
    CHECK(key_with(64, 0, FENBY_SCALE_MINOR, 0) == 63, "E in C minor");
    CHECK(key_with(67, 1, FENBY_SCALE_MAJOR_PENTATONIC, 0) == 67, "transposed, then snapped");
    CHECK(key_with(21, -21, FENBY_SCALE_MAJOR, 1) == 0, "C in C# major is B#");
    CHECK(key_with(21, -21, FENBY_SCALE_MAJOR, 11) == 1, "0 is not in B major, -1 is no key");
    CHECK(key_with(108, 19, FENBY_SCALE_MAJOR, 1) == 126, "127 is not in C# major, 128 is no key");
}

static void test_shared_output_key(void)
{
    bench b;
    bench_open(&b, 0);
    b.parameters.value[FENBY_SCALE] = FENBY_SCALE_MAJOR;
    strike(&b, 60);
    steps(&b, 10);
    strike(&b, 61);  // falls on 60, too
    steps(&b, 10);
    release(&b, 60);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_ON, 60, 2);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 1);  // the second goes on
    release(&b, 61);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, 60, 2);
    b.n_events = 0;
    set_onset(&b, 60, 0.9f);
    b.sounding[60 - FENBY_LOWEST_KEY] = 0.9f;
    step(&b);
    strike(&b, 61);  // a hop later, as of a chord
    set_onset(&b, 60, 0);
    steps(&b, 10);
    release(&b, 60);
    release(&b, 61);
    steps(&b, 20);
    CHECK_COUNT(&b, FENBY_NOTE_ON, -1, 1);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 1);
    b.n_events = 0;
    set_onset(&b, 60, 0.9f);
    set_onset(&b, 61, 0.9f);  // both at once
    steps(&b, 30);
    CHECK_COUNT(&b, FENBY_NOTE_ON, -1, 1);
    CHECK_COUNT(&b, FENBY_NOTE_OFF, -1, 1);
    bench_close(&b);
}

static void set_cents(bench *b, int midi, float cents)
{
    b->cents[midi - FENBY_LOWEST_KEY] = cents;
}

static void test_bends(void)
{
    bench b;
    bench_open(&b, 0);
    b.with_cents = true;
    set_cents(&b, 60, 16);
    strike(&b, 60);
    steps(&b, 10);
    const float at_first = find_event(&b, FENBY_NOTE_ON, 60)->bend;
    CHECK(fabs(at_first - 0.16) < 1e-6, "%g", at_first);
    CHECK_COUNT(&b, FENBY_BEND, -1, 0);
    set_cents(&b, 60, 19);  // 3 cents on
    steps(&b, 10);
    CHECK_COUNT(&b, FENBY_BEND, -1, 0);
    set_cents(&b, 60, -17);
    const int bent = b.hop;
    steps(&b, 10);
    CHECK_COUNT(&b, FENBY_BEND, 60, 1);
    const float then = find_event(&b, FENBY_BEND, 60)->bend;
    CHECK(fabs(then + 0.17) < 1e-6, "%g", then);
    CHECK_FRAME(find_event(&b, FENBY_BEND, 60)->sound_frame, (bent - 1) * hop_frames);
    set_cents(&b, 60, NAN);  // nothing tells
    steps(&b, 5);
    set_cents(&b, 60, INFINITY);
    steps(&b, 5);
    release(&b, 60);
    set_cents(&b, 60, 50);  // it no longer sounds
    steps(&b, 30);
    CHECK_COUNT(&b, FENBY_BEND, -1, 1);
    bench_close(&b);

    // Whoever plays 20 cents sharp throughout is heard as in tune, and still doubled where he plays.
    bench_open(&b, 0);
    b.with_cents = true;
    b.tuning_cents = 20;
    set_cents(&b, 60, 0);
    strike(&b, 60);
    steps(&b, 10);
    CHECK(fabs(find_event(&b, FENBY_NOTE_ON, 60)->bend - 0.2) < 1e-6, "%g", find_event(&b, FENBY_NOTE_ON, 60)->bend);
    bench_close(&b);
}

// What other notes shake is smoothed, and still bent where it goes.
static void test_bends_in_chords(void)
{
    bench b;
    bench_open(&b, 0);
    b.with_cents = true;
    strike(&b, 60);
    strike(&b, 64);
    steps(&b, 10);
    for (int i = 0; i < 40; i++) {
        set_cents(&b, 60, i % 2 ? 20 : -20);
        steps(&b, 1);
    }
    CHECK_COUNT(&b, FENBY_BEND, -1, 0);
    set_cents(&b, 60, 50);
    steps(&b, 6);
    double expected = 0;
    for (int i = 0; i < 6; i++) expected += 0.18 * (0.5 - expected);
    const fenby_event *last = &b.events[b.n_events - 1];
    CHECK(last->type == FENBY_BEND && last->key == 60, "type %d, key %d", last->type, last->key);
    CHECK(fabs(last->bend - expected) < 0.06, "%g after 70 ms, expected %g", last->bend, expected);
    steps(&b, 20);
    last = &b.events[b.n_events - 1];
    CHECK(fabs(last->bend - 0.5) < 0.06, "%g in the end", last->bend);
    release(&b, 64);
    steps(&b, 30);
    set_cents(&b, 60, 0);
    steps(&b, 1);
    last = &b.events[b.n_events - 1];
    CHECK(last->type == FENBY_BEND && fabs(last->bend) < 1e-6, "alone: %g at once", last->bend);
    bench_close(&b);
}

// A note that is struck again while it bends starts in its time: no bend of the old one holds it up.
static void test_bends_and_restrikes(int mode)
{
    bench b;
    bench_open(&b, 0);
    b.with_cents = true;
    b.parameters.value[FENBY_MODE] = (float)mode;
    for (int i = 0; i < 60; i++) {
        set_cents(&b, 60, i % 2 ? 30 : -30);
        if (i == 10 || i == 35) set_onset(&b, 60, 0.9f);
        if (i == 13 || i == 38) set_onset(&b, 60, 0);
        b.sounding[60 - FENBY_LOWEST_KEY] = 0.9f;
        step(&b);
    }
    int ons = 0, bends = 0, wrong = 0;
    const int64_t latency = fenby_note_tracker_latency_frames(b.tracker, &b.parameters);
    for (int i = 0; i < b.n_events; i++) {
        const fenby_event *e = &b.events[i];
        ons += e->type == FENBY_NOTE_ON;
        bends += e->type == FENBY_BEND;
        wrong += e->type == FENBY_NOTE_ON && e->frame - e->sound_frame > latency + 2 * hop_frames;
        wrong += i > 0 && e->frame < b.events[i - 1].frame;
        wrong += e->type == FENBY_NOTE_OFF && i + 1 < b.n_events && b.events[i + 1].type == FENBY_BEND;
    }
    CHECK(ons == 2 && bends > 20 && wrong == 0, "mode %d: %d notes, %d bends, %d wrong", mode, ons, bends, wrong);
    bench_close(&b);
}

// The head that looks a hop less far ahead starts a note when it is twice as sure.
static void test_early_head(void)
{
    const struct {
        float live, early;
        int notes;
    } cases[] = {{0, 0.74f, 0}, {0, 0.76f, 1}, {0.59f, 0, 0}, {0.61f, 0, 1}, {NAN, 0.9f, 1}, {0.7f, NAN, 1}, {NAN, NAN, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b;
        bench_open(&b, 0);
        b.onset[39][0] = cases[i].early;
        b.onset[39][1] = cases[i].live;
        steps(&b, 3);
        b.onset[39][0] = b.onset[39][1] = 0;
        steps(&b, 10);
        CHECK(count_events(&b, FENBY_NOTE_ON, 60) == cases[i].notes, "case %zu: %d", i, count_events(&b, FENBY_NOTE_ON, 60));
        bench_close(&b);
    }
}

typedef enum { MOVES, RESTS, MOVES_LATER, KNOWN_ONCE, UNKNOWN } pitch_kind;

// What a note's pitch is, in a hop from its beginning on, if it sounds for so many hops.
static float cents_of_kind(pitch_kind pitch, int hop, int hops)
{
    switch (pitch) {
    case MOVES: return hop % 2 ? 7 : 0;
    case RESTS: return hop % 2 ? 5 : 0;
    case MOVES_LATER: return hop < hops ? 0 : 30;
    case KNOWN_ONCE: return hop == 1 ? 0 : NAN;
    case UNKNOWN: break;
    }
    return NAN;
}

// Strikes middle C with this posterior for two hops; it sounds for so many. How many notes start.
static int speak(bench *b, float p, pitch_kind pitch, int hops)
{
    const int before = count_events(b, FENBY_NOTE_ON, 60);
    for (int hop = 0; hop < 30; hop++) {
        b->onset[60 - FENBY_LOWEST_KEY][1] = hop < 2 ? p : 0;
        b->sounding[60 - FENBY_LOWEST_KEY] = hop < hops ? 0.9f : 0;
        set_cents(b, 60, cents_of_kind(pitch, hop, hops));
        step(b);
    }
    return count_events(b, FENBY_NOTE_ON, 60) - before;
}

// The threshold is 0.6; three times the odds are 0.818.
static void test_chatter(void)
{
    const struct {
        const char *what;
        int n, hops;       // so many notes, sounding so long
        pitch_kind pitch;
        int lasting;       // then one that is surer and sounds so long
        int silence;       // then so many hops without any
        int expected;      // what a posterior of 0.81 then starts
    } cases[] = {
        {"nothing before", 0, 0, MOVES, 0, 0, 1},
        {"one note that dies", 1, 3, MOVES, 0, 0, 1},
        {"two", 2, 3, MOVES, 0, 0, 0},
        {"two of 70 ms", 2, 7, MOVES, 0, 0, 0},
        {"two that last longer", 2, 10, MOVES, 0, 0, 1},
        {"two at one pitch", 2, 3, RESTS, 0, 0, 1},
        {"two whose pitch moves when they are over", 2, 3, MOVES_LATER, 0, 0, 1},
        {"two whose pitch was measured once", 2, 3, KNOWN_ONCE, 0, 0, 0},
        {"two of which nothing tells the pitch", 2, 3, UNKNOWN, 0, 0, 0},
        {"one is surer", 2, 3, MOVES, 3, 0, 0},
        {"one is held", 8, 3, MOVES, 20, 0, 1},
        {"one is nearly held", 8, 3, MOVES, 15, 0, 0},
        {"half a minute of silence", 8, 3, MOVES, 0, 2600, 0},
        {"two minutes of silence", 8, 3, MOVES, 0, 10400, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b;
        bench_open(&b, 0);
        b.with_cents = true;
        for (int n = 0; n < cases[i].n; n++) speak(&b, 0.9f, cases[i].pitch, cases[i].hops);
        if (cases[i].lasting) {
            const int started = speak(&b, 0.83f, cases[i].pitch, cases[i].lasting);
            CHECK(started == 1, "%s: %d", cases[i].what, started);
        }
        steps(&b, cases[i].silence);
        const int started = speak(&b, 0.81f, RESTS, 3);
        CHECK(started == cases[i].expected, "%s: %d notes, expected %d", cases[i].what, started, cases[i].expected);
        bench_close(&b);
    }
    // Panic ends that, too.
    bench b;
    bench_open(&b, 0);
    b.with_cents = true;
    for (int n = 0; n < 8; n++) speak(&b, 0.9f, MOVES, 3);
    fenby_note_tracker_end_notes(b.tracker, (int64_t)(b.hop * hop_frames));
    CHECK(speak(&b, 0.81f, RESTS, 3) == 1, "after all notes were ended");
    bench_close(&b);
    // A note counts once, however long its minimum length keeps it.
    bench_open(&b, 0);
    b.with_cents = true;
    b.parameters.value[FENBY_MINIMUM_LENGTH] = 250;
    speak(&b, 0.9f, MOVES, 3);
    CHECK(speak(&b, 0.81f, RESTS, 3) == 1, "one note that dies, but is kept");
    bench_close(&b);
    // The pedal holds a note, its player does not.
    bench_open(&b, 0);
    b.with_cents = true;
    for (int n = 0; n < 8; n++) speak(&b, 0.9f, MOVES, 3);
    b.parameters.value[FENBY_SUSTAIN] = 1;
    speak(&b, 0.83f, MOVES, 3);
    steps(&b, 30);
    b.parameters.value[FENBY_SUSTAIN] = 0;
    steps(&b, 10);
    CHECK(speak(&b, 0.81f, RESTS, 3) == 0, "one note that dies under the pedal");
    bench_close(&b);
}

// --- the schedule ------------------------------------------------------------------------------------------

static fenby_event event_of(fenby_event_type type, uint8_t key, int64_t frame)
{
    return (fenby_event){.frame = frame, .type = (uint8_t)type, .key = key};
}

static void test_schedule(void)
{
    fenby_schedule *s = fenby_schedule_new(8);
    REQUIRE(s, "no memory");
    fenby_event on60 = event_of(FENBY_NOTE_ON, 60, 100), on62 = event_of(FENBY_NOTE_ON, 62, 50), out;
    fenby_schedule_add(s, &on60);
    fenby_schedule_add(s, &on62);
    CHECK(!fenby_schedule_peek(s, 50, &out), "not before the horizon");
    CHECK(fenby_schedule_peek(s, 51, &out) && out.key == 62, "by frame, not as they came");
    fenby_schedule_skip(s);
    fenby_event off60 = event_of(FENBY_NOTE_OFF, 60, 0), again60 = event_of(FENBY_NOTE_ON, 60, 0);
    fenby_event off62 = event_of(FENBY_NOTE_OFF, 62, 10);
    fenby_schedule_add(s, &off60);
    CHECK_FRAME(off60.frame, 101);  // after its note-on
    fenby_schedule_add(s, &again60);
    CHECK_FRAME(again60.frame, 101);  // after the note-off, in the same frame
    fenby_schedule_add(s, &off62);
    CHECK_FRAME(off62.frame, 51);
    // Six places are taken or reserved: 3 events of 60, its note-off to come, the note-off of 62 ... and two
    // more.
    CHECK(fenby_schedule_has_room(s), "a note still fits");
    fenby_event on70 = event_of(FENBY_NOTE_ON, 70, 200);
    fenby_schedule_add(s, &on70);
    CHECK(!fenby_schedule_has_room(s), "only room for the note-offs");
    static const uint8_t order[] = {62, 60, 60, 60, 70};
    for (int i = 0; i < 5; i++) {
        CHECK(fenby_schedule_peek(s, 1000, &out) && out.key == order[i], "event %d is of key %d", i, out.key);
        if (i < 4) fenby_schedule_skip(s);
    }
    fenby_schedule_end_all(s, 150);  // 70 has not come out
    CHECK(fenby_schedule_peek(s, 151, &out) && out.key == 60 && out.type == FENBY_NOTE_OFF, "60 ends");
    fenby_schedule_skip(s);
    CHECK(!fenby_schedule_peek(s, INT64_MAX, &out), "and nothing else");
    fenby_schedule_free(s);
}

static void test_hasten(void)
{
    fenby_schedule *s = fenby_schedule_new(16);
    REQUIRE(s, "no memory");
    fenby_event on = event_of(FENBY_NOTE_ON, 60, 100), other = event_of(FENBY_NOTE_ON, 62, 300), out;
    fenby_event bend = event_of(FENBY_BEND, 60, 200), off = event_of(FENBY_NOTE_OFF, 60, 400);
    fenby_schedule_add(s, &on);
    CHECK(fenby_schedule_hasten(s, 60, 50, 50) == -1, "a note that has not been ended");
    off.sound_frame = 390;
    fenby_schedule_add(s, &bend);
    fenby_schedule_add(s, &off);
    fenby_schedule_add(s, &other);
    CHECK_FRAME(fenby_schedule_hasten(s, 60, 500, 500), 400);  // not later
    CHECK_FRAME(fenby_schedule_hasten(s, 60, 150, 140), 150);  // overtakes the bend
    static const fenby_event expected[] = {{.frame = 100, .key = 60, .type = FENBY_NOTE_ON},
                                           {.frame = 150, .key = 60, .type = FENBY_NOTE_OFF, .sound_frame = 140},
                                           {.frame = 300, .key = 62, .type = FENBY_NOTE_ON}};
    for (int i = 0; i < 3; i++) {
        REQUIRE(fenby_schedule_peek(s, 1000, &out), "event %d is lost", i);
        CHECK_FRAME(out.frame, expected[i].frame);
        CHECK_FRAME(out.sound_frame, expected[i].sound_frame);
        CHECK(out.key == expected[i].key && out.type == expected[i].type, "event %d: key %d, type %d", i, out.key, out.type);
        fenby_schedule_skip(s);
    }
    CHECK(fenby_schedule_hasten(s, 60, 0, 0) == -1, "it has come out");
    CHECK(!fenby_schedule_peek(s, 1000, &out), "one more");
    off = event_of(FENBY_NOTE_OFF, 62, 900);
    fenby_schedule_add(s, &off);
    CHECK_FRAME(fenby_schedule_hasten(s, 62, 0, 0), 301);  // a frame long at least
    CHECK(fenby_schedule_peek(s, 1000, &out) && out.frame == 301, "leaves at %ld", (long)out.frame);
    fenby_schedule_free(s);
}

// --- all promises at once ----------------------------------------------------------------------------------

static void drain_to(fenby_note_tracker *tracker, witness *w)
{
    fenby_event event;
    while (fenby_note_tracker_peek(tracker, &event)) {
        fenby_note_tracker_skip(tracker);
        watch(w, &event);
    }
}

static float random_posterior(unsigned long long *random)
{
    const double kind = test_random(random);
    return kind < 0.002 ? NAN : kind < 0.003 ? INFINITY : kind < 0.5 ? 0 : (float)test_random(random);
}

static void random_parameters(fenby_parameters *parameters, unsigned long long *random)
{
    for (int n = (int)(test_random(random) * 4); n > 0; n--) {
        const int i = (int)(test_random(random) * FENBY_N_PARAMETERS);
        const fenby_parameter_info *info = &fenby_parameter_table[i];
        const double value = info->minimum + (info->maximum - info->minimum) * test_random(random);
        parameters->value[i] = fenby_parameter_clamp(i, (float)value);
    }
    // Both of these at their ends for long would leave nothing to test.
    if (test_random(random) < 0.2) parameters->value[FENBY_LOWEST_KEY_PARAMETER] = FENBY_LOWEST_KEY;
    if (test_random(random) < 0.2) parameters->value[FENBY_HIGHEST_KEY_PARAMETER] = FENBY_HIGHEST_KEY;
}

static void test_promises(uint32_t block_frames, unsigned long long seed)
{
    bench b;
    bench_open(&b, block_frames);
    witness w = {0};
    unsigned long long random = seed;
    int64_t lost_frames = 0;
    float *const values[] = {&b.onset[0][0], b.sounding, b.velocity, &b.onset_age[0][0], b.cents};
    const int heads_each = FENBY_N_KEYS * N_HEADS;
    const int counts[] = {heads_each, FENBY_N_KEYS, FENBY_N_KEYS, heads_each, FENBY_N_KEYS};
    for (int hop = 0; w.events < MILLION / 2; hop++) {
        for (int v = 0; v < 5; v++)
            for (int i = 0; i < counts[v]; i++) values[v][i] = random_posterior(&random) * (v == 3 ? 20 : v == 4 ? 80 : 1);
        if (test_random(&random) < 0.05) random_parameters(&b.parameters, &random);
        const fenby_posteriors posteriors = {
            .onset = &b.onset[0][0],
            .sounding = b.sounding,
            .velocity = b.velocity,
            .onset_age = test_random(&random) < 0.9 ? &b.onset_age[0][0] : NULL,
            .age_channels = N_HEADS,
            .cents = test_random(&random) < 0.9 ? cents_at : NULL,
            .cents_of = b.cents,
            .level_db = (float)(-100 * test_random(&random) * test_random(&random)),
        };
        fenby_hop_time time = time_of(hop);
        time.end_frame += (double)lost_frames;
        time.decided_frame += lost_frames;
        time.next_decided_frame += lost_frames;
        fenby_note_tracker_process(b.tracker, &posteriors, &time, &b.parameters);
        // Now and then the ring is full for long, notes are ended from outside, or samples are lost.
        if (hop % 1000 < 900) drain_to(b.tracker, &w);
        if (test_random(&random) < 0.002) fenby_note_tracker_end_notes(b.tracker, time.decided_frame);
        if (test_random(&random) < 0.002) lost_frames += (int64_t)(test_random(&random) * 10000);
    }
    fenby_note_tracker_finish(b.tracker, w.frame);
    drain_to(b.tracker, &w);
    CHECK(w.broken == 0, "%ld of %ld events break a promise", w.broken, w.events);
    CHECK(count_hanging(&w) == 0, "%d notes hang", count_hanging(&w));
    CHECK(w.events >= MILLION / 2, "%ld events", w.events);
    bench_close(&b);
}

static void test_all(void)
{
    set_rate(44100);
    test_latency();
    test_tight(0);
    test_tight(128);
    test_tight_keeps_length();
    test_asap();
    test_age();
    test_look();
    test_rearming();
    test_struck_again();
    test_refractory();
    test_thresholds();
    test_threshold_of_key();
    test_gate();
    test_polyphony();
    test_lower_polyphony();
    for (int most = 1; most <= 3; most++) test_polyphony_is_kept(most);
    test_modes();
    test_release();
    test_no_release();
    test_minimum_length_asap();
    test_note_threshold();
    test_settling();
    test_minimum_length();
    test_sustain();
    test_end_notes();
    test_finish();
    test_velocity();
    test_velocity_of_attack();
    test_keys();
    test_shared_output_key();
    test_bends();
    test_bends_in_chords();
    for (int mode = 0; mode < FENBY_N_MODES; mode++) test_bends_and_restrikes(mode);
    test_early_head();
    test_chatter();
    test_schedule();
    test_hasten();
    test_promises(0, 1);
    test_promises(8192, 2);

    set_rate(176400);
    test_tight(128);
    test_asap();
    test_age();
    test_minimum_length();
    test_minimum_length_asap();
    test_sustain();
    test_finish();
}

int main(void)
{
    set_thresholds();
    for (looks_in_hop = 1; looks_in_hop <= FENBY_MOST_LOOKS; looks_in_hop++) test_all();
    return test_report();
}
