// SPDX-License-Identifier: ISC
// Feeds the note tracker whatever a network might say, with parameters, heads and interruptions that change in
// mid-flight. Its promises: events in order, none before it was decided, each note-on with one note-off on its
// key, bends only of what sounds, no note left in the end. Likewise for the MIDI that is made of them.
#include <math.h>

#include "dsp/features.h"
#include "dsp/midi_out.h"
#include "dsp/note_tracker.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_HOPS = 400 };

typedef struct {
    fenby_note_tracker *tracker;
    fenby_heads heads;
    fenby_parameters parameters;
    fenby_posteriors posteriors;
    float onset[FENBY_N_KEYS * FENBY_MAX_HEADS], sounding[FENBY_N_KEYS], velocity[FENBY_N_KEYS];
    float onset_age[FENBY_N_KEYS * FENBY_MAX_HEADS], cents[FENBY_N_KEYS];
    double hop_frames, end_frame;
    int64_t decided_frame, last_frame;
    fenby_midi_out midi;
    bool drained;  // before this hop
    bool sounds[128];
    int n_sounding;
    bool looks;  // also between hops
} world;

// A probability, or what must not be one.
static float posterior(fuzz_bytes *input)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, -1, 2, 1e-42f};
    const int byte = fuzz_byte(input);
    return byte < 250 ? (float)byte / 249 : odd[byte - 250];
}

// --- what comes out ------------------------------------------------------------------------------------------

static void watch_midi(world *w, const fenby_event *event)
{
    fenby_midi_message messages[FENBY_MIDI_MOST];
    const int channel = (int)w->parameters.value[FENBY_MIDI_CHANNEL], bends = (int)w->parameters.value[FENBY_BENDS];
    const int n = fenby_midi_out_event(&w->midi, event, channel, bends, messages);
    const bool is_on = event->type == FENBY_NOTE_ON;
    PROMISE(n >= 0 && n <= FENBY_MIDI_MOST && (event->type == FENBY_BEND || n > 0));
    for (int i = 0; i < n; i++) {
        const uint8_t *b = messages[i].bytes;
        PROMISE(b[0] >= 0x80 && b[0] < 0xf0 && b[1] < 128 && b[2] < 128);
        PROMISE((b[0] < 0xa0) == (event->type != FENBY_BEND && i == n - 1));
    }
    if (event->type != FENBY_BEND) PROMISE((w->midi.channel_of_key[event->key] != 0) == is_on);
}

static void watch(world *w, const fenby_event *event, bool may_be_early)
{
    PROMISE(event->frame >= w->last_frame);
    PROMISE(may_be_early || event->frame >= w->decided_frame - 2);  // a hop is not a whole number of frames
    PROMISE(event->key < 128 && event->type <= FENBY_BEND);
    PROMISE(isfinite(event->bend) && fabsf(event->bend) <= 1);
    PROMISE((event->type == FENBY_NOTE_ON) == (event->velocity >= 1 && event->velocity <= 127));
    if (event->type == FENBY_NOTE_ON) PROMISE(!w->sounds[event->key]);
    else PROMISE(w->sounds[event->key]);
    w->last_frame = event->frame;
    watch_midi(w, event);
    if (event->type == FENBY_BEND) return;
    w->sounds[event->key] = event->type == FENBY_NOTE_ON;
    w->n_sounding += event->type == FENBY_NOTE_ON ? 1 : -1;
}

static void drain(world *w, bool may_be_early)
{
    fenby_event event;
    while (fenby_note_tracker_peek(w->tracker, &event)) {
        watch(w, &event, may_be_early);
        fenby_note_tracker_skip(w->tracker);
    }
    w->drained = true;
}

// --- what goes in --------------------------------------------------------------------------------------------

static void read_heads(world *w, fuzz_bytes *input)
{
    w->heads.count = 1 + fuzz_byte(input) % FENBY_MAX_HEADS;
    for (size_t i = 0; i < w->heads.count; i++) {
        w->heads.lookahead[i] = (float)(fuzz_byte(input) % (FENBY_MAX_LOOKAHEAD + 1));
        const float thresholds[] = {(1 + (float)(fuzz_byte(input) % 254)) / 256, (1 + (float)(fuzz_byte(input) % 254)) / 256};
        for (int key = 0; key < FENBY_N_KEYS; key++) w->heads.threshold[i][key] = thresholds[key < 24];
    }
    w->heads.sounding_threshold = (1 + (float)(fuzz_byte(input) % 254)) / 256;
    for (int mode = 0; mode < FENBY_N_MODES; mode++) w->heads.of_mode[mode] = fuzz_byte(input) % w->heads.count;
}

static float cents_at(const float *cents, int key)
{
    return cents[key];
}

static void read_outputs(world *w, fuzz_bytes *input)
{
    const int which = fuzz_byte(input);
    w->posteriors = (fenby_posteriors){
        .onset = w->onset,
        .sounding = w->sounding,
        .velocity = which & 1 ? w->velocity : NULL,
        .onset_age = which & 2 ? w->onset_age : NULL,
        .age_channels = which & 4 ? w->heads.count : 1,
        .cents = which & 8 ? cents_at : NULL,
        .cents_of = w->cents,
        .tuning_cents = which & 16 ? 50 * posterior(input) : 0,
    };
}

static void change_key(world *w, fuzz_bytes *input)
{
    const size_t key = fuzz_byte(input) % FENBY_N_KEYS, head = fuzz_byte(input) % w->heads.count;
    w->onset[key * w->heads.count + head] = posterior(input);
    w->sounding[key] = posterior(input);
    w->velocity[key] = posterior(input);
    w->onset_age[key] = posterior(input) * 20;
    w->cents[key] = 100 * posterior(input);
}

static void change_parameter(world *w, fuzz_bytes *input)
{
    const fenby_parameter i = fuzz_byte(input) % FENBY_N_PARAMETERS;
    const fenby_parameter_info *info = &fenby_parameter_table[i];
    const float value = info->minimum + (info->maximum - info->minimum) * posterior(input);
    w->parameters.value[i] = fenby_parameter_clamp(i, value);
}

static fenby_hop_time next_time(world *w)
{
    const double frames = w->looks ? w->hop_frames / 2 : w->hop_frames;
    w->end_frame += frames;
    w->decided_frame = (int64_t)ceil(w->end_frame) + 20;
    return (fenby_hop_time){w->end_frame, w->decided_frame, (int64_t)ceil(w->end_frame + frames) + 20};
}

// After what may have made events.
static void let_out(world *w, bool drains)
{
    const bool may_be_early = !w->drained;
    w->drained = false;
    if (drains) drain(w, may_be_early);
}

static void process_hop(world *w, fuzz_bytes *input, bool drains)
{
    w->posteriors.level_db = -120 + (float)(fuzz_byte(input) % 130);
    if (w->looks) {
        const fenby_hop_time time = next_time(w);
        fenby_note_tracker_look(w->tracker, &w->posteriors, &time, &w->parameters);
        let_out(w, drains);
    }
    const fenby_hop_time time = next_time(w);
    fenby_note_tracker_process(w->tracker, &w->posteriors, &time, &w->parameters);
    const int polyphony = (int)w->parameters.value[FENBY_MAXIMUM_POLYPHONY];
    PROMISE(fenby_note_tracker_sounding(w->tracker) <= (uint32_t)polyphony);
    let_out(w, drains);
}

static void end_notes(world *w)
{
    fenby_note_tracker_end_notes(w->tracker, (int64_t)w->end_frame);
    drain(w, true);
    PROMISE(w->n_sounding == 0 && fenby_note_tracker_sounding(w->tracker) == 0);
}

static void reset(world *w)
{
    fenby_note_tracker_reset(w->tracker);
    memset(w->sounds, 0, sizeof w->sounds);
    memset(&w->midi, 0, sizeof w->midi);
    w->n_sounding = 0;
    w->end_frame = 0;
    w->decided_frame = w->last_frame = 0;
    w->drained = true;
}

static void finish(world *w)
{
    fenby_note_tracker_finish(w->tracker, (int64_t)w->end_frame);
    drain(w, true);
    PROMISE(w->n_sounding == 0 && fenby_note_tracker_sounding(w->tracker) == 0);
    reset(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double rates_hz[] = {8000, 22050, 44100, 48000, 384000};
    static world w;
    fuzz_bytes input = {data, data + size};
    memset(&w, 0, sizeof w);
    const double rate_hz = rates_hz[fuzz_byte(&input) % 5];
    const uint32_t block_frames = fuzz_byte(&input) * 33u;
    w.looks = fuzz_byte(&input) & 1;
    w.hop_frames = FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE;
    w.parameters = fenby_parameters_default();
    w.drained = true;
    read_heads(&w, &input);
    read_outputs(&w, &input);
    w.tracker = fenby_note_tracker_new(rate_hz, block_frames, &w.heads);
    PROMISE(w.tracker);
    for (int hops = 0; input.at < input.end && hops < MOST_HOPS;) {
        const int command = fuzz_byte(&input);
        switch (command % 16) {
            case 0: end_notes(&w); break;
            case 1: finish(&w); break;
            case 2: reset(&w); break;
            case 3:
                end_notes(&w);
                read_heads(&w, &input);
                fenby_note_tracker_set_heads(w.tracker, &w.heads);
                read_outputs(&w, &input);
                break;
            case 4:  // a gap
                end_notes(&w);
                w.end_frame += (double)fuzz_byte(&input) * rate_hz;
                break;
            case 5:
            case 6: change_parameter(&w, &input); break;
            case 7:
            case 8:
            case 9:
            case 10:
            case 11: change_key(&w, &input); break;
            default:
                process_hop(&w, &input, command & 0x80);
                hops++;
        }
    }
    finish(&w);
    fenby_note_tracker_free(w.tracker);
    return 0;
}
