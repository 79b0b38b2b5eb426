// SPDX-License-Identifier: ISC
#include "transcriber.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../nn/net.h"
#include "attack.h"
#include "cqt.h"
#include "features.h"
#include "heads.h"
#include "looks.h"
#include "note_tracker.h"
#include "pitch.h"
#include "tuning.h"

enum {
    CHUNK = 256,  // samples prepared at once
    LONGEST_HOP = FENBY_HOP * FENBY_FASTEST_RATE / FENBY_SAMPLE_RATE + 2,
};

static const float clip_level = 8;
static const float silence = 1e-10f;         // below it lie only denormal numbers to come
static const float silent_db = -120;
static const float level_fall_db = 0.25f;    // of the meter, a hop: 21 dB a second

// The network with what its outputs are.
typedef struct {
    fenby_net *net;
    fenby_heads heads;
    size_t onset, sounding;   // numbers of the outputs
    int velocity, onset_age;  // likewise, -1: none
    size_t age_channels;
} model;

struct fenby_transcriber {
    double rate_hz, hop_frames;
    fenby_cqt *cqt;
    fenby_attack *attack;
    model model;
    fenby_note_tracker *tracker;
    fenby_tap tap;
    void *tap_user;

    int64_t frames;        // taken so far, lost ones included
    int64_t origin_frame;  // where the past begins: the last gap
    int looks;             // how often the network listens in a hop
    int64_t looked;        // how often it has since the origin
    float heard[LONGEST_HOP];  // the samples since the last look
    size_t n_heard;
    float cqt_frame[FENBY_N_FEATURES];
    float peak;  // of the hop so far
    float level_db;
    fenby_tuning tuning;
};

static bool model_open(model *m, const fenby_weights *weights, char *error, size_t error_size)
{
    if (!fenby_heads_read(&m->heads, weights, error, error_size)) return false;
    m->onset = (size_t)fenby_weights_find_output(weights, "onset");
    m->sounding = (size_t)fenby_weights_find_output(weights, "sounding");
    m->velocity = fenby_weights_find_output(weights, "velocity");
    m->onset_age = fenby_weights_find_output(weights, "onset_age");
    if (m->onset_age >= 0)
        m->age_channels = (size_t)fenby_weights_output(weights, (size_t)m->onset_age).channels;
    // The looks of each kind are a sequence of their own, a hop from one to the next, as the network was trained.
    m->net = fenby_net_new(weights, fenby_looks_in_hop(), FENBY_SIMD_BEST);
    if (m->net) return true;
    snprintf(error, error_size, "%s: not enough memory for the network", fenby_weights_name(weights));
    return false;
}

fenby_transcriber *fenby_transcriber_new(double rate_hz, uint32_t block_frames, const fenby_weights *weights,
                                         char *error, size_t error_size)
{
    snprintf(error, error_size, "not enough memory to transcribe");
    fenby_transcriber *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->rate_hz = rate_hz;
    t->looks = fenby_looks_in_hop();
    t->hop_frames = FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE;
    if (model_open(&t->model, weights, error, error_size) && (t->cqt = fenby_cqt_new(rate_hz)) &&
        (t->attack = fenby_attack_new(t->looks)) &&
        (t->tracker = fenby_note_tracker_new(rate_hz, block_frames, &t->model.heads))) {
        fenby_transcriber_reset(t);
        return t;
    }
    fenby_transcriber_free(t);
    return NULL;
}

void fenby_transcriber_free(fenby_transcriber *t)
{
    if (!t) return;
    fenby_note_tracker_free(t->tracker);
    fenby_attack_free(t->attack);
    fenby_cqt_free(t->cqt);
    fenby_net_free(t->model.net);
    free(t);
}

// The past is forgotten; the clock and the notes are not touched.
static void begin_afresh(fenby_transcriber *t)
{
    fenby_cqt_reset(t->cqt);
    fenby_attack_reset(t->attack);
    fenby_net_reset(t->model.net);
    t->origin_frame = t->frames;
    t->looked = 0;
    t->n_heard = 0;
    t->peak = 0;
}

void fenby_transcriber_reset(fenby_transcriber *t)
{
    t->frames = 0;
    begin_afresh(t);
    fenby_note_tracker_reset(t->tracker);
    t->level_db = silent_db;
    fenby_tuning_reset(&t->tuning);
}

void fenby_transcriber_end_notes(fenby_transcriber *t)
{
    fenby_note_tracker_end_notes(t->tracker, t->frames);
}

void fenby_transcriber_gap(fenby_transcriber *t, int64_t lost_frames)
{
    fenby_transcriber_end_notes(t);
    t->frames += lost_frames;
    begin_afresh(t);
}

bool fenby_transcriber_set_model(fenby_transcriber *t, const fenby_weights *weights, char *error,
                                 size_t error_size)
{
    model next = {0};
    if (!model_open(&next, weights, error, error_size)) return false;
    fenby_net_free(t->model.net);
    t->model = next;
    fenby_transcriber_end_notes(t);
    fenby_note_tracker_set_heads(t->tracker, &t->model.heads);
    begin_afresh(t);
    return true;
}

// --- one look ----------------------------------------------------------------------------------------------

// Where a look ends, counted from 1.
static double end_frame(const fenby_transcriber *t, int64_t look)
{
    return (double)t->origin_frame + (double)look * t->hop_frames / t->looks;
}

static int64_t decided_frame(const fenby_transcriber *t, int64_t look)
{
    return (int64_t)ceil(end_frame(t, look));
}

int64_t fenby_transcriber_next_decision(const fenby_transcriber *t)
{
    return decided_frame(t, t->looked + 1);
}

static const float *optional_output(const model *m, int i)
{
    return i < 0 ? NULL : fenby_net_output(m->net, (size_t)i);
}

static void call_tap(const fenby_transcriber *t, const fenby_posteriors *posteriors, double end_frame,
                     const fenby_parameters *parameters)
{
    const fenby_heads *heads = &t->model.heads;
    const size_t head = heads->of_mode[(int)parameters->value[FENBY_MODE]];
    float onset[FENBY_N_KEYS];
    for (size_t key = 0; key < FENBY_N_KEYS; key++) onset[key] = posteriors->onset[key * heads->count + head];
    t->tap(t->tap_user, t->cqt_frame, onset, posteriors->sounding, llround(end_frame));
}

// Listens to what came since the last look.
static void look(fenby_transcriber *t, const fenby_parameters *parameters)
{
    const model *m = &t->model;
    const float a4_hz = parameters->value[FENBY_TUNING];
    t->looked++;
    const fenby_hop_time time = {
        .end_frame = end_frame(t, t->looked),
        .decided_frame = decided_frame(t, t->looked),
        .next_decided_frame = decided_frame(t, t->looked + 1),
    };
    const bool ends_hop = t->looked % t->looks == 0;
    fenby_cqt_process(t->cqt, t->heard, (int)t->n_heard, t->cqt_frame);
    for (size_t i = 0; i < t->n_heard; i++)
        if (fabsf(t->heard[i]) > t->peak) t->peak = fabsf(t->heard[i]);
    t->n_heard = 0;
    if (ends_hop)
        fenby_tuning_process(&t->tuning, a4_hz, parameters->value[FENBY_FOLLOW_TUNING] != 0, t->cqt_frame);
    else
        fenby_tuning_move(&t->tuning, a4_hz, t->cqt_frame);
    // Between hops one network is enough (nn/train/REPORT.md, "Half a look").
    fenby_net_process_parts(m->net, t->cqt_frame, ends_hop ? FENBY_ALL_PARTS : 1);
    fenby_attack_push(t->attack, t->cqt_frame);
    fenby_posteriors posteriors = {
        .onset = fenby_net_output(m->net, m->onset),
        .sounding = fenby_net_output(m->net, m->sounding),
        .velocity = optional_output(m, m->velocity),
        .attack = t->attack,
        .onset_age = optional_output(m, m->onset_age),
        .age_channels = m->age_channels,
        .cents = fenby_pitch_of_key,
        .cents_of = t->cqt_frame,
        .tuning_cents = t->tuning.cents,
    };
    if (!ends_hop) {
        fenby_note_tracker_look(t->tracker, &posteriors, &time, parameters);
        return;
    }
    posteriors.level_db = fmaxf(20 * log10f(fmaxf(t->peak, FLT_MIN)), silent_db);
    t->level_db = fmaxf(posteriors.level_db, t->level_db - level_fall_db);
    t->peak = 0;
    if (t->tap) call_tap(t, &posteriors, time.end_frame, parameters);
    fenby_note_tracker_process(t->tracker, &posteriors, &time, parameters);
}

// --- samples in --------------------------------------------------------------------------------------------

static float clean(float sample, float gain)
{
    const float level = fabsf(sample), louder = sample * gain;
    const float clipped = louder > clip_level ? clip_level : louder < -clip_level ? -clip_level : louder;
    return level > silence && level <= FLT_MAX ? clipped : 0;
}

// Looks each time that enough is there.
static size_t take(fenby_transcriber *t, const float *samples, size_t n, const fenby_parameters *parameters)
{
    size_t looks = 0;
    while (n > 0) {
        const size_t missing = (size_t)(fenby_transcriber_next_decision(t) - t->frames);
        const size_t count = n < missing ? n : missing;
        memcpy(t->heard + t->n_heard, samples, count * sizeof *samples);
        t->n_heard += count;
        samples += count;
        n -= count;
        t->frames += (int64_t)count;
        if (count < missing) break;
        look(t, parameters);
        looks++;
    }
    return looks;
}

size_t fenby_transcriber_process(fenby_transcriber *t, const float *samples, size_t n,
                                 const fenby_parameters *parameters)
{
    const float gain = powf(10, parameters->value[FENBY_INPUT_GAIN] / 20);
    float chunk[CHUNK];
    size_t looks = 0;
    for (size_t taken = 0; taken < n;) {
        const size_t count = n - taken < CHUNK ? n - taken : CHUNK;
        for (size_t i = 0; i < count; i++) chunk[i] = clean(samples[taken + i], gain);
        looks += take(t, chunk, count, parameters);
        taken += count;
    }
    return looks;
}

void fenby_transcriber_finish(fenby_transcriber *t, const fenby_parameters *parameters)
{
    static const float zeros[CHUNK];
    const int64_t end_frame = t->frames;
    const uint32_t latency_frames = fenby_transcriber_latency_frames(t, parameters);
    const int64_t until = end_frame + latency_frames + (int64_t)ceil(t->hop_frames);
    while (t->frames < until) {
        const int64_t left = until - t->frames;
        take(t, zeros, left < CHUNK ? (size_t)left : CHUNK, parameters);
    }
    fenby_note_tracker_finish(t->tracker, end_frame);
}

// --- events out, meters ------------------------------------------------------------------------------------

bool fenby_transcriber_peek(const fenby_transcriber *t, fenby_event *event)
{
    return fenby_note_tracker_peek(t->tracker, event);
}

void fenby_transcriber_skip(fenby_transcriber *t)
{
    fenby_note_tracker_skip(t->tracker);
}

void fenby_transcriber_set_tap(fenby_transcriber *t, fenby_tap tap, void *user)
{
    t->tap = tap;
    t->tap_user = user;
}

float fenby_transcriber_level_db(const fenby_transcriber *t)
{
    return t->level_db;
}

float fenby_transcriber_a4_hz(const fenby_transcriber *t, const fenby_parameters *parameters)
{
    return parameters->value[FENBY_TUNING] * exp2f(t->tuning.cents / 1200);
}

uint32_t fenby_transcriber_sounding(const fenby_transcriber *t)
{
    return fenby_note_tracker_sounding(t->tracker);
}

uint32_t fenby_transcriber_latency_frames(const fenby_transcriber *t, const fenby_parameters *parameters)
{
    return fenby_note_tracker_latency_frames(t->tracker, parameters);
}
