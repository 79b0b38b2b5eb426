// SPDX-License-Identifier: ISC
// The chain in one thread: its clock, what it hears, what it makes of bad input, gaps, tunings and other
// models.
#include "dsp/transcriber.h"

#include <string.h>
#include <time.h>

#include "dsp/features.h"
#include "tests/looks.h"
#include "tests/test.h"
#include "tests/tiny_model.h"
#include "tests/witness.h"

enum { RATE = 44100, SECONDS = 6, N = RATE * SECONDS, MOST_EVENTS = 2000, MOST_NOTES = 64 };

static const uint64_t golden_hash = 0x676f6c64656e;

static fenby_weights *weights;
static fenby_parameters parameters;

typedef struct {
    fenby_event events[MOST_EVENTS];
    int n;
    witness witness;
} record;

static fenby_transcriber *open_transcriber(double rate_hz)
{
    char error[256] = "";
    fenby_transcriber *t = fenby_transcriber_new(rate_hz, 0, weights, error, sizeof error);
    REQUIRE(t, "%s", error);
    return t;
}

static void drain(fenby_transcriber *t, record *r)
{
    fenby_event event;
    for (; fenby_transcriber_peek(t, &event); fenby_transcriber_skip(t)) {
        watch(&r->witness, &event);
        if (r->n < MOST_EVENTS) r->events[r->n++] = event;
    }
}

// Transcribes it all in blocks of 1000.
static void transcribe(fenby_transcriber *t, const float *samples, int n, record *r)
{
    for (int i = 0; i < n; i += 1000) {
        fenby_transcriber_process(t, samples + i, n - i < 1000 ? (size_t)(n - i) : 1000, &parameters);
        drain(t, r);
    }
}

static void finish(fenby_transcriber *t, record *r)
{
    fenby_transcriber_finish(t, &parameters);
    drain(t, r);
    CHECK(r->witness.broken == 0, "%ld of %ld events break a promise", r->witness.broken, r->witness.events);
    CHECK(count_hanging(&r->witness) == 0, "%d notes hang", count_hanging(&r->witness));
}

static bool heard(const record *r, int key, double onset, double within_frames)
{
    for (int i = 0; i < r->n; i++) {
        const fenby_event *e = &r->events[i];
        if (e->type == FENBY_NOTE_ON && e->key == key && fabs((double)e->sound_frame - onset) < within_frames)
            return true;
    }
    return false;
}

static void test_hears(double rate_hz)
{
    static float samples[96000 * SECONDS];
    static record r;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES], found = 0;
    const int n = (int)(rate_hz * SECONDS);
    const int notes = tiny_music(samples, n, rate_hz, 1, onset_s, key);
    fenby_transcriber *t = open_transcriber(rate_hz);
    r = (record){0};
    transcribe(t, samples, n, &r);
    finish(t, &r);
    for (int i = 0; i < notes; i++) found += heard(&r, key[i], onset_s[i] * rate_hz, 0.09 * rate_hz);
    CHECK(notes >= 15 && found >= notes * 3 / 5, "%g Hz: heard %d of %d notes", rate_hz, found, notes);
    fenby_transcriber_free(t);
}

// --- the clock ---------------------------------------------------------------------------------------------

typedef struct {
    int64_t frames, worst_wait, end_frame;
    int calls, wrong;
} tap_record;

static int out_of_range(const float *values, int n, float maximum)
{
    int wrong = 0;
    for (int i = 0; i < n; i++) wrong += !(values[i] >= 0 && values[i] <= maximum);
    return wrong;
}

static void tap(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                int64_t end_frame)
{
    tap_record *r = user;
    r->calls++;
    r->end_frame = end_frame;
    r->wrong += out_of_range(cqt_frame, FENBY_N_FEATURES, 1.2f);
    r->wrong += out_of_range(onset, FENBY_N_KEYS, 1) + out_of_range(sounding, FENBY_N_KEYS, 1);
}

static void test_clock(double rate_hz)
{
    fenby_transcriber *t = open_transcriber(rate_hz);
    tap_record r = {0};
    fenby_transcriber_set_tap(t, tap, &r);
    const double hop_frames = FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE;
    int early = 0, late = 0;
    const float zero = 0;
    for (int64_t frames = 1; r.calls < 50; frames++) {
        const int64_t announced = fenby_transcriber_next_decision(t);
        const size_t hops = fenby_transcriber_process(t, &zero, 1, &parameters);
        early += hops > 0 && frames < announced - 3;
        late += hops == 0 && frames >= announced;
        if (hops)
            CHECK(r.end_frame == llround(r.calls * hop_frames), "hop %d ends at %lld", r.calls,
                  (long long)r.end_frame);
    }
    CHECK(late == 0, "%g Hz: %d hops came after their announced frame", rate_hz, late);
    CHECK(early == 0, "%g Hz: %d hops came long before it", rate_hz, early);
    CHECK(r.wrong == 0, "the tap saw %d values out of range", r.wrong);
    fenby_transcriber_set_tap(t, NULL, NULL);
    fenby_transcriber_free(t);
}

enum { SEEN_HOPS = 200 };

static void see_onsets(void *user, const float *cqt_frame, const float *onset, const float *sounding, int64_t end_frame)
{
    (void)cqt_frame, (void)sounding, (void)end_frame;
    float *seen = user;
    const int hop = (int)seen[SEEN_HOPS];
    if (hop == SEEN_HOPS) return;
    for (int key = 0; key < FENBY_N_KEYS; key++) seen[hop] = fmaxf(seen[hop], onset[key]);
    seen[SEEN_HOPS]++;
}

// What is shown is what the mode's head says: the model's second one says three hops later what the first says.
static void test_tap_of_mode(void)
{
    static float samples[N];
    float tight[SEEN_HOPS + 1] = {0}, studio[SEEN_HOPS + 1] = {0};
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES], other = 0, peaks = 0;
    tiny_music(samples, N, RATE, 1, onset_s, key);
    fenby_transcriber *t = open_transcriber(RATE);
    for (int mode = FENBY_MODE_TIGHT; mode <= FENBY_MODE_STUDIO; mode += FENBY_MODE_STUDIO - FENBY_MODE_TIGHT) {
        static record r;
        r = (record){0};
        parameters.value[FENBY_MODE] = (float)mode;
        fenby_transcriber_reset(t);
        fenby_transcriber_set_tap(t, see_onsets, mode == FENBY_MODE_TIGHT ? tight : studio);
        transcribe(t, samples, N, &r);
    }
    parameters.value[FENBY_MODE] = FENBY_MODE_LIVE;
    for (int hop = 3; hop < SEEN_HOPS; hop++) {
        other += !(fabsf(studio[hop] - tight[hop - 3]) < 0.02f);
        peaks += tight[hop] > 0.9f;
    }
    CHECK(peaks > 10 && other == 0, "%d hops of an onset, %d are not shown three hops later", peaks, other);
    fenby_transcriber_free(t);
}

// The chain listens with every look, not only with every hop: music that comes a look later makes the same notes a look
// later.
static void test_looks(void)
{
    enum { LOW_RATE = FENBY_SAMPLE_RATE, LENGTH = LOW_RATE * SECONDS };
    const int shift = FENBY_HOP / fenby_looks_in_hop();
    static float music[LENGTH + FENBY_HOP];
    static record first, second;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES], ons = 0, same = 0, others = 0;
    tiny_music(music + FENBY_HOP, LENGTH, LOW_RATE, 4, onset_s, key);
    fenby_transcriber *t = open_transcriber(LOW_RATE);
    const fenby_parameters usual = parameters;
    parameters.value[FENBY_FOLLOW_TUNING] = 0;  // it is followed once a hop
    parameters.value[FENBY_TUNING] = 466;  // a semitone off: a look that is not moved would hear other keys
    first = second = (record){0};
    transcribe(t, music + FENBY_HOP, LENGTH, &first);
    finish(t, &first);
    fenby_transcriber_reset(t);
    transcribe(t, music + FENBY_HOP - shift, LENGTH + shift, &second);
    finish(t, &second);
    for (int i = 0; i < second.n; i++) others += second.events[i].type == FENBY_NOTE_ON;
    for (int i = 0; i < first.n; i++) {
        const fenby_event *e = &first.events[i];
        if (e->type != FENBY_NOTE_ON) continue;
        ons++;
        for (int j = 0; j < second.n; j++) {
            const fenby_event *o = &second.events[j];
            same += o->type == FENBY_NOTE_ON && o->key == e->key && o->frame == e->frame + shift;
        }
    }
    parameters = usual;
    CHECK(ons >= 10 && same == ons && others == ons, "%d of %d notes, and %d others, a look of %d samples later", same, ons,
          others - same, shift);
    fenby_transcriber_free(t);
}

// Of two networks side by side the first listens between hops, too: what it hears may start there, what the other hears only
// at the end of a hop.
static void test_parts(int hearing)
{
    enum { LOW_RATE = FENBY_SAMPLE_RATE, LENGTH = LOW_RATE * SECONDS };
    static float music[LENGTH];
    static record r;
    char error[256] = "";
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES], ons = 0, between = 0;
    fenby_weights *usual = weights;
    weights = tiny_parts(2, hearing, 0, error, sizeof error);
    REQUIRE(weights, "%s", error);
    tiny_music(music, LENGTH, LOW_RATE, 4, onset_s, key);
    fenby_transcriber *t = open_transcriber(LOW_RATE);
    parameters.value[FENBY_TIMING] = FENBY_TIMING_ASAP;
    r = (record){0};
    transcribe(t, music, LENGTH, &r);
    finish(t, &r);
    parameters.value[FENBY_TIMING] = FENBY_TIMING_TIGHT;
    for (int i = 0; i < r.n; i++) {
        ons += r.events[i].type == FENBY_NOTE_ON;
        between += r.events[i].type == FENBY_NOTE_ON && r.events[i].frame % FENBY_HOP != 0;
    }
    CHECK(ons >= 10, "%d notes heard by part %d", ons, hearing);
    if (looks_in_hop == 1 || hearing == 1) CHECK(between == 0, "%d of %d notes begin between hops", between, ons);
    else CHECK(between > ons / 4 && between < ons, "%d of %d notes begin between hops", between, ons);
    fenby_transcriber_free(t);
    fenby_weights_free(weights);
    weights = usual;
}

// --- bad input ---------------------------------------------------------------------------------------------

static void test_bad_samples(void)
{
    static float clean[N], bad[N];
    static record of_clean, of_bad;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    tiny_music(clean, N, RATE, 2, onset_s, key);
    for (int i = 0; i < N; i += 97) clean[i] = 0;
    memcpy(bad, clean, sizeof bad);
    static const float no_samples[] = {NAN, INFINITY, -INFINITY, 1e-42f, -NAN};
    for (int i = 0; i < N; i += 97) bad[i] = no_samples[i % 5];
    fenby_transcriber *t = open_transcriber(RATE);
    of_clean = of_bad = (record){0};
    transcribe(t, clean, N, &of_clean);
    finish(t, &of_clean);
    fenby_transcriber_reset(t);
    transcribe(t, bad, N, &of_bad);
    finish(t, &of_bad);
    CHECK(of_clean.n > 10 && of_clean.n == of_bad.n &&
              !memcmp(of_clean.events, of_bad.events, sizeof *of_bad.events * (size_t)of_bad.n),
          "what is no number reads as silence: %d and %d events", of_clean.n, of_bad.n);

    fenby_transcriber_reset(t);
    for (int i = 0; i < N; i++) bad[i] = (i % 3 ? 1000 : -1e30f) * clean[i];
    of_bad = (record){0};
    transcribe(t, bad, N, &of_bad);
    CHECK(fenby_transcriber_level_db(t) <= 24, "clipped to %g dB", fenby_transcriber_level_db(t));
    finish(t, &of_bad);
    fenby_transcriber_free(t);
}

// The quickest of some runs over N samples, so that what else the machine does counts little.
static double quickest_s(fenby_transcriber *t, const float *samples)
{
    double quickest = INFINITY;
    for (int run = 0; run < 5; run++) {
        struct timespec began, ended;
        fenby_transcriber_reset(t);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
        fenby_transcriber_process(t, samples, N, &parameters);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
        const double seconds = (double)(ended.tv_sec - began.tv_sec);
        quickest = fmin(quickest, seconds + 1e-9 * (double)(ended.tv_nsec - began.tv_nsec));
    }
    return quickest;
}

// Numbers too small for the processor's quick path, as the end of a reverb holds them, cost no more than music.
static void test_unslowed(void)
{
    static float music[N], fading[N];
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    tiny_music(music, N, RATE, 5, onset_s, key);
    for (int i = 0; i < N; i++)
        fading[i] = (float)(exp(-105.0 * (i % RATE) / RATE) * sin(0.1 * i));  // down to 1e-46
    fenby_transcriber *t = open_transcriber(RATE);
    const double music_s = quickest_s(t, music), fading_s = quickest_s(t, fading);
    CHECK(fading_s < 2 * music_s, "%g s of denormal numbers, %g s of music", fading_s, music_s);
    fenby_transcriber_free(t);
}

static void test_silence(void)
{
    static float silence[N];
    static record r;
    fenby_transcriber *t = open_transcriber(RATE);
    r = (record){0};
    transcribe(t, silence, N, &r);
    CHECK(fenby_transcriber_process(t, silence, 0, &parameters) == 0, "no samples, no hops");
    finish(t, &r);
    CHECK(r.n == 0, "silence makes %d events", r.n);
    CHECK(fenby_transcriber_level_db(t) < -100, "silence at %g dB", fenby_transcriber_level_db(t));
    fenby_transcriber_free(t);
}

// --- gaps, tunings, models ---------------------------------------------------------------------------------

static void test_gap(void)
{
    static float samples[N];
    static record fresh, after;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    tiny_music(samples, N, RATE, 3, onset_s, key);
    parameters.value[FENBY_FOLLOW_TUNING] = 0;
    fenby_transcriber *t = open_transcriber(RATE);
    fresh = after = (record){0};
    transcribe(t, samples, N, &fresh);
    finish(t, &fresh);

    // The same music after some of it, cut while notes sound, and a gap: the same events, later. (What is known of the
    // tuning and of how loud notes usually are is kept.)
    const int cut = (int)((onset_s[4] + 0.1) * RATE), lost = 12345;
    fenby_transcriber_reset(t);
    transcribe(t, samples, cut, &after);
    CHECK(count_hanging(&after.witness) > 0, "something sounds at the gap");
    fenby_transcriber_gap(t, lost);
    drain(t, &after);
    CHECK(count_hanging(&after.witness) == 0, "and ends there");
    const int64_t end = after.events[after.n - 1].sound_frame;
    CHECK(end == cut, "at frame %lld", (long long)end);
    const int first = after.n;
    transcribe(t, samples, N, &after);
    finish(t, &after);
    int same = after.n - first == fresh.n;
    for (int i = 0; i < fresh.n && same; i++) {
        fenby_event e = after.events[first + i];
        e.frame -= cut + lost;
        e.sound_frame -= cut + lost;
        e.velocity = fresh.events[i].velocity;
        same = !memcmp(&e, &fresh.events[i], sizeof e);
    }
    parameters.value[FENBY_FOLLOW_TUNING] = 1;
    CHECK(same, "after a gap as from the start");
    fenby_transcriber_free(t);
}

static void sine(float *samples, int n, double hz)
{
    for (int i = 0; i < n; i++) samples[i] = (float)(0.2 * fmin(i / 100.0, 1) * sin(2 * M_PI * hz * i / RATE));
}

static void test_tuning(void)
{
    static float samples[N];
    static const float silence[RATE];
    static record r;
    sine(samples, RATE, 466.16);
    fenby_transcriber *t = open_transcriber(RATE);
    r = (record){0};
    transcribe(t, samples, RATE, &r);
    CHECK(heard(&r, 70, 0, 5000) && !heard(&r, 69, 0, 5000), "at 440 Hz it is A#");
    parameters.value[FENBY_TUNING] = 466;
    transcribe(t, silence, RATE, &r);
    transcribe(t, samples, RATE, &r);
    parameters.value[FENBY_TUNING] = 440;
    CHECK(heard(&r, 69, 2 * RATE, 5000) && !heard(&r, 70, 2 * RATE, 5000), "at 466 Hz it is A");
    finish(t, &r);
    fenby_transcriber_free(t);
}

// A recording that ends before the notes that begin in it can be decided is heard to its end.
static void test_last_note(void)
{
    static float samples[N];
    static record r;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES], found = 0;
    tiny_music(samples, N, RATE, 1, onset_s, key);
    parameters.value[FENBY_MODE] = FENBY_MODE_STUDIO;  // of this model: four hops
    fenby_transcriber *t = open_transcriber(RATE);
    for (int i = 0; i < 8; i++) {
        const int end = (int)(onset_s[i] * RATE) + 6 * RATE * FENBY_HOP / FENBY_SAMPLE_RATE;
        fenby_transcriber_reset(t);
        r = (record){0};
        transcribe(t, samples, end, &r);
        finish(t, &r);
        found += heard(&r, key[i], onset_s[i] * RATE, 0.09 * RATE);
    }
    CHECK(found >= 7, "%d of 8 notes that begin six hops before the end", found);
    parameters.value[FENBY_MODE] = FENBY_MODE_LIVE;
    fenby_transcriber_free(t);
}

// Whoever plays 15 cents sharp is followed, so that his keys are found; what is played along is still bent to where he is.
static void test_bend_of_tuning(void)
{
    static float samples[N];
    static record r;
    const double hz = 440 * exp2(15.0 / 1200);
    for (int i = 0; i < N; i++) {  // a note each second, with a rest behind it
        const double at_s = (double)(i % RATE) / RATE;
        const double envelope = fmin(at_s / 0.002, 1) * exp(-5 * at_s) * fmax(fmin((0.7 - at_s) / 0.02, 1), 0);
        samples[i] = (float)(0.2 * envelope * sin(2 * M_PI * hz * i / RATE));
    }
    fenby_transcriber *t = open_transcriber(RATE);
    r = (record){0};
    transcribe(t, samples, N, &r);
    finish(t, &r);
    float last = NAN;  // when the tuning is known
    for (int i = 0; i < r.n; i++)
        if (r.events[i].type == FENBY_NOTE_ON && r.events[i].key == 69) last = r.events[i].bend;
    CHECK(fabsf(last - 0.15f) < 0.02f, "bent by %g semitones", last);
    fenby_transcriber_free(t);
}

static int first_velocity(const record *r, int from)
{
    for (int i = from; i < r->n; i++)
        if (r->events[i].type == FENBY_NOTE_ON) return r->events[i].velocity;
    return -1;
}

static void test_models(void)
{
    char error[256] = "";
    fenby_weights *other = fenby_weights_load("tests/golden/net_small.fnw", golden_hash, error, sizeof error);
    REQUIRE(other, "%s", error);
    CHECK(!fenby_transcriber_new(RATE, 0, other, error, sizeof error), "no model for notes");
    CHECK(strstr(error, "expected") && !strchr(error, '\n'), "one line that says why: %s", error);

    fenby_weights *loud = tiny_model(20, error, sizeof error);
    REQUIRE(loud, "%s", error);
    static float samples[N];
    static record r;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    tiny_music(samples, N, RATE, 1, onset_s, key);
    fenby_transcriber *t = open_transcriber(RATE);
    r = (record){0};
    transcribe(t, samples, N / 2, &r);
    CHECK(!fenby_transcriber_set_model(t, other, error, sizeof error), "the old model stays");
    const int softer = r.n;
    CHECK(fenby_transcriber_set_model(t, loud, error, sizeof error), "%s", error);
    drain(t, &r);
    CHECK(count_hanging(&r.witness) == 0, "a new model ends all notes");
    transcribe(t, samples + N / 2, N / 2, &r);
    finish(t, &r);
    // The first note of a model has the velocity that it says; the others are around it.
    CHECK(first_velocity(&r, 0) == 64, "%d", first_velocity(&r, 0));
    CHECK(first_velocity(&r, softer) == 127, "%d", first_velocity(&r, softer));
    fenby_transcriber_free(t);
    fenby_weights_free(loud);
    fenby_weights_free(other);
}

static void test_gain(void)
{
    static float samples[N];
    static record plain, gained;
    double onset_s[MOST_NOTES];
    int key[MOST_NOTES];
    tiny_music(samples, N, RATE, 1, onset_s, key);
    fenby_transcriber *t = open_transcriber(RATE);
    plain = gained = (record){0};
    transcribe(t, samples, N, &plain);
    fenby_transcriber_reset(t);
    for (int i = 0; i < N; i++) samples[i] *= 0.1f;
    parameters.value[FENBY_INPUT_GAIN] = 20;
    transcribe(t, samples, N, &gained);
    parameters.value[FENBY_INPUT_GAIN] = 0;
    CHECK(labs(plain.witness.notes - gained.witness.notes) <= 1, "%ld and %ld notes", plain.witness.notes,
          gained.witness.notes);

    sine(samples, RATE, 1000);
    fenby_transcriber_reset(t);
    fenby_transcriber_process(t, samples, RATE, &parameters);
    CHECK(fabsf(fenby_transcriber_level_db(t) + 13.98f) < 0.1f, "0.2 is %g dB", fenby_transcriber_level_db(t));
    memset(samples, 0, sizeof samples);
    fenby_transcriber_process(t, samples, RATE, &parameters);
    CHECK(fabsf(fenby_transcriber_level_db(t) + 13.98f + 21.5f) < 1, "a second later %g dB", fenby_transcriber_level_db(t));
    sine(samples, 300, 1000);  // less than a hop: it is forgotten, too
    fenby_transcriber_process(t, samples, 300, &parameters);
    fenby_transcriber_reset(t);
    CHECK(fenby_transcriber_level_db(t) < -100, "a new start at %g dB", fenby_transcriber_level_db(t));
    fenby_transcriber_process(t, samples + 300, RATE / 10, &parameters);
    CHECK(fenby_transcriber_level_db(t) < -100, "and on at %g dB", fenby_transcriber_level_db(t));
    fenby_transcriber_free(t);
}

static void test_all(void)
{
    static const double rates_hz[] = {16000, 22050, 44100, 48000, 96000};
    for (int i = 0; i < 5; i++) test_hears(rates_hz[i]);
    for (int i = 0; i < 5; i++) test_clock(rates_hz[i]);
    test_clock(8000);
    test_clock(384000);
    test_tap_of_mode();
    test_looks();
    test_parts(0);
    test_parts(1);
    test_bad_samples();
    test_unslowed();
    test_silence();
    test_gap();
    test_tuning();
    test_last_note();
    test_bend_of_tuning();
    test_models();
    test_gain();
}

int main(void)
{
    char error[256] = "";
    weights = tiny_model(0, error, sizeof error);
    REQUIRE(weights, "%s", error);
    parameters = fenby_parameters_default();
    for (looks_in_hop = 1; looks_in_hop <= FENBY_MOST_LOOKS; looks_in_hop++) test_all();
    fenby_weights_free(weights);
    return test_report();
}
