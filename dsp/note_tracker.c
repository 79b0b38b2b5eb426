// SPDX-License-Identifier: ISC
#include "note_tracker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "features.h"
#include "latency.h"
#include "looks.h"
#include "schedule.h"

enum {
    N_OUTPUT_KEYS = 128,
    SCHEDULE_EVENTS = 4096,
    REFERENCE_NOTES = 500,   // whose loudness makes what is usual
    REFRACTORY_HOPS = 4,     // nothing is decided twice for a key within 46 ms
    ONE_ONSET_HOPS = 2,      // two onsets of a key within these are one
    ANOTHER_HOPS = 4,        // and within these where it is not armed
    CHORD_HOPS = 2,          // notes that begin within these are one chord
    SETTLE_HOPS = 9,         // from the onset on until the sounding posterior can be relied on
    SOUNDING_LAG_HOPS = 2,   // how far it and the pitch run behind the sound
    LONGEST_LATENESS = 4,    // hops: no onset is believed to be longer past than lookahead and this
    NOBODY = -1,
};

static const float threshold_range_logits = 3;  // how far the parameters move a threshold, either way
static const float bend_step = 0.05f;           // semitones
static const float most_cents = 100;            // of a bend
static const float pitch_in_chord = 0.18f;      // of the way to a measured pitch, each hop: within some 60 ms
static const float velocity_per_attack = 0.6f;  // decibels of velocity for one of the attack
static const float softest_velocity = 0.05f;    // of 0 .. 1
static const float fallen = 0.5f, risen = 1.5f;  // an onset's evidence: of its peak, of its least since

// Notes as speech is written down: they die at once, and their pitch moves meanwhile.
static const double dies_s = 0.08;            // a note that lasts no longer
static const double held_s = 0.2;             // one that lasts so long is music
static const float pitch_rests = 0.06f;       // semitones
static const float chatter_of_note = 0.25f;   // what each counts among the last ones
static const float much_chatter = 0.4f;
static const float chatter_odds = 3;          // by which notes must then be surer
static const float chatter_kept = (float)(1 - FENBY_HOP / (60.0 * FENBY_SAMPLE_RATE));  // each hop: for a minute

// One detected key.
typedef struct {
    bool armed;
    float peak, least;     // of an onset's evidence: since the last one, and since that peak
    bool active;
    uint8_t output_key;    // of the active note: what its note-off must carry
    double start_hop;      // when it last started
    int64_t on_frame;      // when its note-on leaves
    int64_t sound_frame;   // when its sound began
    int64_t low_hops;      // how long the sounding posterior has been below the threshold
    float pitch;           // semitones from the key
    float bend;            // likewise, as it was sent
    bool judged;           // as chatter or not
    int n_pitches;         // how often its pitch was measured, and between what it moved
    float lowest, highest;
} key_state;

// What the parameters mean for this hop.
typedef struct {
    size_t head, early_head;  // the mode's, and one a hop quicker, or the same
    float lookahead;
    float onset_odds;  // by which sensitivity moves the thresholds of onsets
    float note_threshold;
    int64_t release_hops;
    int64_t minimum_frames;
    bool tight, sustain, gate_open;
    int64_t latency_frames;
    int64_t earliest_frame;  // no event of this hop leaves before it
    int64_t horizon;         // none of the next does before this
    double now_hops;         // whole at a hop's end
} settings;

struct fenby_note_tracker {
    double rate_hz, hop_frames;
    uint32_t block_frames;
    fenby_heads heads;
    fenby_schedule *schedule;

    int64_t hop;           // now
    int64_t horizon;       // no later decision makes an event before this frame
    int64_t quiet_hops;    // how long the input has been below the gate
    uint32_t n_active;
    double usual_db;       // what an attack of full velocity would show
    int usual_of;          // of how many notes that is the mean, at most REFERENCE_NOTES
    float chatter;         // how much of the last notes was that, 0 .. 1
    key_state keys[FENBY_N_KEYS];
    int owner[N_OUTPUT_KEYS];             // the detected key that sounds there, or NOBODY
    int64_t silent_since[N_OUTPUT_KEYS];  // when the last sound there ended
    int64_t begun[N_OUTPUT_KEYS];         // when it had begun
    int64_t off_frame[N_OUTPUT_KEYS];     // when its note-off leaves
};

fenby_note_tracker *fenby_note_tracker_new(double rate_hz, uint32_t block_frames, const fenby_heads *heads)
{
    fenby_note_tracker *tracker = calloc(1, sizeof *tracker);
    if (!tracker) return NULL;
    tracker->rate_hz = rate_hz;
    tracker->hop_frames = FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE;
    tracker->block_frames = block_frames;
    tracker->heads = *heads;
    tracker->schedule = fenby_schedule_new(SCHEDULE_EVENTS);
    if (!tracker->schedule) {
        free(tracker);
        return NULL;
    }
    fenby_note_tracker_reset(tracker);
    return tracker;
}

void fenby_note_tracker_free(fenby_note_tracker *tracker)
{
    if (!tracker) return;
    fenby_schedule_free(tracker->schedule);
    free(tracker);
}

static void forget_usual(fenby_note_tracker *tracker)
{
    tracker->usual_db = 0;
    tracker->usual_of = 0;
}

static void forget_notes(fenby_note_tracker *tracker, int64_t frame)
{
    tracker->n_active = 0;
    tracker->chatter = 0;
    for (int key = 0; key < FENBY_N_KEYS; key++) tracker->keys[key].active = false;
    for (int key = 0; key < N_OUTPUT_KEYS; key++) {
        tracker->owner[key] = NOBODY;
        tracker->silent_since[key] = tracker->off_frame[key] = frame;
    }
}

void fenby_note_tracker_reset(fenby_note_tracker *tracker)
{
    fenby_schedule_reset(tracker->schedule);
    tracker->hop = tracker->horizon = tracker->quiet_hops = 0;
    forget_usual(tracker);
    memset(tracker->keys, 0, sizeof tracker->keys);
    for (int key = 0; key < FENBY_N_KEYS; key++)
        tracker->keys[key] = (key_state){.armed = true, .start_hop = -REFRACTORY_HOPS};
    forget_notes(tracker, 0);
}

void fenby_note_tracker_set_heads(fenby_note_tracker *tracker, const fenby_heads *heads)
{
    tracker->heads = *heads;
    forget_usual(tracker);
}

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// --- parameters --------------------------------------------------------------------------------------------

// By how much a parameter, 0 .. 1, multiplies the odds of a threshold; 0.5 leaves them.
static float odds_of(float amount)
{
    return expf((2 * amount - 1) * threshold_range_logits);
}

static float move_threshold(float threshold, float odds)
{
    return threshold * odds / (1 - threshold + threshold * odds);
}

static size_t head_of(const fenby_note_tracker *tracker, const fenby_parameters *parameters)
{
    return tracker->heads.of_mode[(int)parameters->value[FENBY_MODE]];
}

uint32_t fenby_note_tracker_latency_frames(const fenby_note_tracker *tracker,
                                           const fenby_parameters *parameters)
{
    return fenby_latency_of_lookahead(tracker->rate_hz, tracker->block_frames,
                                      tracker->heads.lookahead[head_of(tracker, parameters)]);
}

// The head that looks a hop less far ahead, or the same one.
static size_t early_head_of(const fenby_heads *heads, size_t head)
{
    for (size_t i = 0; i < heads->count; i++)
        if (heads->lookahead[i] == heads->lookahead[head] - 1) return i;
    return head;
}

static settings read_settings(const fenby_note_tracker *tracker, const fenby_parameters *parameters,
                              const fenby_hop_time *time, double now_hops)
{
    const float *value = parameters->value;
    const double hop_ms = 1e3 * FENBY_HOP / FENBY_SAMPLE_RATE;
    settings s = {
        .head = head_of(tracker, parameters),
        .onset_odds = odds_of(1 - value[FENBY_SENSITIVITY]),
        .note_threshold = move_threshold(tracker->heads.sounding_threshold, odds_of(value[FENBY_NOTE_THRESHOLD])),
        .release_hops = llround(fmax(value[FENBY_RELEASE] / hop_ms, 1)),
        .minimum_frames = llround(value[FENBY_MINIMUM_LENGTH] * 1e-3 * tracker->rate_hz),
        .tight = value[FENBY_TIMING] == FENBY_TIMING_TIGHT,
        .sustain = value[FENBY_SUSTAIN] != 0,
        .latency_frames = fenby_note_tracker_latency_frames(tracker, parameters),
        .now_hops = now_hops,
    };
    s.early_head = early_head_of(&tracker->heads, s.head);
    s.lookahead = tracker->heads.lookahead[s.head];
    s.gate_open = (float)tracker->quiet_hops <= s.lookahead + 1;
    const int64_t margin_frames =
        s.tight ? fenby_latency_margin_frames(tracker->rate_hz, tracker->block_frames) : 0;
    s.earliest_frame = time->decided_frame + margin_frames;
    s.horizon = time->next_decided_frame + margin_frames;
    return s;
}

static bool is_in_scale(int key, unsigned scale, int root)
{
    return key >= 0 && key < N_OUTPUT_KEYS && scale >> (key - root + 12) % 12 & 1;
}

// The MIDI key that a detected key sounds as.
static int output_key_of(int key, const fenby_parameters *parameters)
{
    const unsigned scale = fenby_scale_notes((int)parameters->value[FENBY_SCALE]);
    const int root = (int)parameters->value[FENBY_SCALE_ROOT];
    int wanted = FENBY_LOWEST_KEY + key + (int)parameters->value[FENBY_TRANSPOSE];
    while (wanted < 0) wanted += 12;
    while (wanted >= N_OUTPUT_KEYS) wanted -= 12;
    for (int away = 0; away < 12; away++) {
        if (is_in_scale(wanted - away, scale, root)) return wanted - away;
        if (is_in_scale(wanted + away, scale, root)) return wanted + away;
    }
    return wanted;
}

// --- one note ----------------------------------------------------------------------------------------------

// Ends the active note of a key: its sound ended at sound_frame, its note-off leaves at `frame`.
static void end_note(fenby_note_tracker *tracker, int key, int64_t sound_frame, int64_t frame)
{
    key_state *k = &tracker->keys[key];
    fenby_event off = {
        .frame = later_of(frame, k->on_frame + 1),
        .sound_frame = later_of(sound_frame, k->sound_frame + 1),
        .type = FENBY_NOTE_OFF,
        .key = k->output_key,
    };
    fenby_schedule_add(tracker->schedule, &off);
    k->active = false;
    tracker->owner[k->output_key] = NOBODY;
    tracker->silent_since[k->output_key] = off.sound_frame;
    tracker->off_frame[k->output_key] = off.frame;
    tracker->n_active--;
}

// The note that has sounded longest, but for those that start now.
static int oldest_note(const fenby_note_tracker *tracker, const settings *s)
{
    int oldest = NOBODY;
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        const key_state *k = &tracker->keys[key];
        if (k->active && k->start_hop < s->now_hops &&
            (oldest == NOBODY || k->start_hop < tracker->keys[oldest].start_hop))
            oldest = key;
    }
    return oldest;
}

// What would be left of a sound that is cut there would be a click.
static bool is_click(const fenby_note_tracker *tracker, int64_t begun, int64_t cut)
{
    return (double)(cut - begun) < CHORD_HOPS * tracker->hop_frames;
}

// A note that has just begun, and does not fade as a wrong one would, is not displaced by one that begins at `onset`.
static bool is_of_chord(const fenby_note_tracker *tracker, const key_state *k, int64_t onset, const settings *s)
{
    const bool has_begun_now = s->now_hops - k->start_hop < CHORD_HOPS;
    return k->low_hops == 0 && (has_begun_now || is_click(tracker, k->sound_frame, onset));
}

// The note of an output key has been ended, but later than this one begins.
static bool is_ending(const fenby_note_tracker *tracker, int key, const fenby_event *on)
{
    return tracker->owner[key] == NOBODY &&
           (tracker->silent_since[key] > on->sound_frame || tracker->off_frame[key] > on->frame);
}

static uint32_t n_ending_notes(const fenby_note_tracker *tracker, const fenby_event *on)
{
    uint32_t n = 0;
    for (int key = 0; key < N_OUTPUT_KEYS; key++) n += is_ending(tracker, key, on);
    return n;
}

static void place_onset(fenby_event *on, int64_t sound_frame, const settings *s)
{
    on->sound_frame = sound_frame;
    on->frame = s->tight ? later_of(sound_frame + s->latency_frames, s->earliest_frame) : s->earliest_frame;
}

// False if it has left.
static bool hasten_end(fenby_note_tracker *tracker, int key, int64_t sound_frame, int64_t frame)
{
    const int64_t off_frame = fenby_schedule_hasten(tracker->schedule, key, frame, sound_frame);
    if (off_frame < 0) return false;
    if (tracker->silent_since[key] > sound_frame) tracker->silent_since[key] = sound_frame;
    tracker->off_frame[key] = off_frame;
    return true;
}

// Ends are decided later than the onsets after them. Where voices are scarce they are drawn to the next note, or it to them.
static void cut_ending_notes(fenby_note_tracker *tracker, fenby_event *on, const settings *s)
{
    for (int key = 0; key < N_OUTPUT_KEYS; key++) {
        if (!is_ending(tracker, key, on)) continue;
        const bool is_cut = !is_click(tracker, tracker->begun[key], on->sound_frame) &&
                            hasten_end(tracker, key, on->sound_frame, on->frame);
        const int64_t earliest = later_of(on->frame, tracker->off_frame[key]);
        if (!is_cut) place_onset(on, later_of(on->sound_frame, tracker->silent_since[key]), s);
        on->frame = later_of(on->frame, earliest);
    }
}

// In semitones; the old one where nothing tells.
static float pitch_of(const fenby_posteriors *posteriors, int key, float old)
{
    if (!posteriors->cents) return old;
    const float cents = posteriors->cents(posteriors->cents_of, key) + posteriors->tuning_cents;
    return isfinite(cents) ? fminf(fmaxf(cents, -most_cents), most_cents) / 100 : old;
}

static double onset_age_hops(const fenby_posteriors *posteriors, int key, const settings *s)
{
    if (posteriors->onset_age) {
        const size_t channel = posteriors->age_channels == 1 ? 0 : s->head;
        const float age = posteriors->onset_age[(size_t)key * posteriors->age_channels + channel];
        if (isfinite(age)) return fmin(fmax(age, 0), s->lookahead + LONGEST_LATENESS);
    }
    return s->lookahead + 0.5 / fenby_looks_in_hop();
}

// 0 .. 1. The network knows how hard a note sounds, whatever the input's level, but tells one note from the next
// badly; the attack tells notes apart, but knows no scale. So the attack moves the note away from what is usual,
// which is where the network puts notes on average. As the attack was before the gain: else turning that would move all
// notes until the new level is the usual one.
static double loudness_of(fenby_note_tracker *tracker, const fenby_posteriors *posteriors, int key, double age_hops,
                          float gain_db)
{
    // fmin and fmax also take what is no number.
    const double believed = fmin(fmax(posteriors->velocity[key], 0), 1);
    if (!posteriors->attack) return believed;
    const double attack_db = velocity_per_attack * (fenby_attack_db(posteriors->attack, key, age_hops) - gain_db);
    // Velocity squared is amplitude, as synthesisers have it: DLS Level 1, 40 log10(127 / velocity) decibels.
    const double full_db = attack_db - 40 * log10(fmax(believed, softest_velocity));
    if (tracker->usual_of < REFERENCE_NOTES) tracker->usual_of++;
    tracker->usual_db += (full_db - tracker->usual_db) / tracker->usual_of;
    return fmin(pow(10, (attack_db - tracker->usual_db) / 40), 1);
}

static uint8_t velocity_of(fenby_note_tracker *tracker, const fenby_posteriors *posteriors, int key,
                           double age_hops, const fenby_parameters *parameters)
{
    const float *value = parameters->value;
    if (!posteriors->velocity || value[FENBY_VELOCITY_MODE] == FENBY_VELOCITY_MODE_FIXED)
        return (uint8_t)value[FENBY_VELOCITY_FIXED];
    const double loudness = loudness_of(tracker, posteriors, key, age_hops, value[FENBY_INPUT_GAIN]);
    const double curved = pow(loudness, value[FENBY_VELOCITY_CURVE]);
    const double softest = value[FENBY_VELOCITY_MINIMUM], loudest = value[FENBY_VELOCITY_MAXIMUM];
    return (uint8_t)lround(softest + (loudest - softest) * curved);
}

static void start_note(fenby_note_tracker *tracker, int key, const fenby_posteriors *posteriors,
                       const fenby_hop_time *time, const settings *s, const fenby_parameters *parameters)
{
    key_state *k = &tracker->keys[key];
    const int apart_hops = k->armed ? ONE_ONSET_HOPS : ANOTHER_HOPS;
    k->armed = false;
    k->peak = k->least = 0;
    const int output_key = output_key_of(key, parameters), rival = tracker->owner[output_key];
    if (!fenby_schedule_has_room(tracker->schedule)) return;

    // No sound begins before the last one of its output key has ended.
    const int64_t earliest_sound =
        rival == NOBODY ? tracker->silent_since[output_key] : tracker->keys[rival].sound_frame + 1;
    const double age_hops = onset_age_hops(posteriors, key, s);
    const double heard = time->end_frame - fmax(age_hops - FENBY_EARLY_HOPS, 0) * tracker->hop_frames;
    // The same onset: a head tells of it early, while it still rises, and again in time.
    if (k->active && heard - (double)k->sound_frame < apart_hops * tracker->hop_frames) return;
    int64_t onset = heard > (double)earliest_sound ? llround(heard) : earliest_sound;
    const bool is_shared = rival != NOBODY && rival != key;
    if (is_shared && is_of_chord(tracker, &tracker->keys[rival], onset, s)) return;

    const uint32_t most = (uint32_t)parameters->value[FENBY_MAXIMUM_POLYPHONY];
    const uint32_t others = tracker->n_active - k->active - is_shared;
    const bool is_full = others >= most;
    const int displaced = is_full ? oldest_note(tracker, s) : NOBODY;
    if (is_full) {
        if (displaced == NOBODY || is_of_chord(tracker, &tracker->keys[displaced], onset, s)) return;
        onset = later_of(onset, tracker->keys[displaced].sound_frame + 1);
    }

    fenby_event on = {
        .bend = pitch_of(posteriors, key, 0),
        .type = FENBY_NOTE_ON,
        .key = (uint8_t)output_key,
        .velocity = velocity_of(tracker, posteriors, key, age_hops, parameters),
    };
    place_onset(&on, onset, s);
    if (displaced != NOBODY) on.frame = later_of(on.frame, tracker->keys[displaced].on_frame + 1);
    if (others + n_ending_notes(tracker, &on) >= most) cut_ending_notes(tracker, &on, s);
    on.late = s->tight && on.frame > on.sound_frame + s->latency_frames;
    if (k->active) end_note(tracker, key, on.sound_frame, on.frame);
    if (tracker->owner[output_key] != NOBODY) end_note(tracker, rival, on.sound_frame, on.frame);
    // It may have been one of these two: between hops more notes may sound than were allowed since.
    if (displaced != NOBODY && tracker->keys[displaced].active) end_note(tracker, displaced, on.sound_frame, on.frame);
    fenby_schedule_add(tracker->schedule, &on);
    *k = (key_state){
        .active = true,
        .output_key = on.key,
        .start_hop = s->now_hops,
        .on_frame = on.frame,
        .sound_frame = on.sound_frame,
        .pitch = on.bend,
        .bend = on.bend,
    };
    tracker->owner[output_key] = key;
    tracker->begun[output_key] = on.sound_frame;
    tracker->n_active++;
}

// Where an event of a sounding note leaves so that its distance from the note-on is kept.
static int64_t frame_in_note(const key_state *k, int64_t sound_frame, const settings *s)
{
    const int64_t kept = s->tight ? sound_frame - k->sound_frame + k->on_frame : s->earliest_frame;
    return later_of(kept, s->earliest_frame);
}

static bool is_chatter(const key_state *k, double sounded_s)
{
    const bool rests = k->n_pitches > 1 && k->highest - k->lowest < pitch_rests;
    return sounded_s < dies_s && !rests;
}

// Each note once.
static void judge(fenby_note_tracker *tracker, key_state *k, bool chatter, float weight)
{
    if (k->judged) return;
    k->judged = true;
    tracker->chatter += weight * ((float)chatter - tracker->chatter);
}

static void end_if_faded(fenby_note_tracker *tracker, int key, const fenby_posteriors *posteriors,
                         const fenby_hop_time *time, const settings *s)
{
    key_state *k = &tracker->keys[key];
    k->low_hops = posteriors->sounding[key] >= s->note_threshold ? 0 : k->low_hops + 1;
    const double faded = time->end_frame - (double)(k->low_hops + SOUNDING_LAG_HOPS) * tracker->hop_frames;
    const double sounded_s = (faded - (double)k->sound_frame) / tracker->rate_hz;
    if (k->low_hops == 0 && sounded_s >= held_s) judge(tracker, k, false, 1);
    // While sustained, the end is yet to come.
    if (s->sustain && k->low_hops > s->release_hops) k->low_hops = s->release_hops;
    const double since_onset = s->now_hops - k->start_hop + s->lookahead + 1;
    if (s->sustain || k->low_hops < s->release_hops || since_onset < SETTLE_HOPS) return;

    judge(tracker, k, is_chatter(k, sounded_s), chatter_of_note);
    const int64_t shortest = k->sound_frame + s->minimum_frames;
    if (time->end_frame < (double)shortest) return;
    const int64_t sound_frame = faded > (double)shortest ? llround(faded) : shortest;
    const int64_t frame = frame_in_note(k, sound_frame, s);
    end_note(tracker, key, sound_frame, later_of(frame, k->on_frame + s->minimum_frames));
}

static void watch_pitch(key_state *k, float measured)
{
    k->lowest = k->n_pitches ? fminf(k->lowest, measured) : measured;
    k->highest = k->n_pitches ? fmaxf(k->highest, measured) : measured;
    k->n_pitches++;
}

static void bend_note(fenby_note_tracker *tracker, int key, const fenby_posteriors *posteriors,
                      const fenby_hop_time *time, const settings *s)
{
    key_state *k = &tracker->keys[key];
    const float measured = pitch_of(posteriors, key, NAN);
    if (!isnan(measured)) {
        k->pitch += (tracker->n_active > 1 ? pitch_in_chord : 1) * (measured - k->pitch);
        if (k->low_hops == 0) watch_pitch(k, measured);
    }
    if (fabsf(k->pitch - k->bend) <= bend_step || k->low_hops > 0 || k->start_hop == s->now_hops ||
        !fenby_schedule_has_room(tracker->schedule))
        return;
    const double heard = time->end_frame - SOUNDING_LAG_HOPS * tracker->hop_frames;
    const int64_t sound_frame = heard > (double)k->sound_frame ? llround(heard) : k->sound_frame;
    fenby_event event = {
        .frame = frame_in_note(k, sound_frame, s),
        .sound_frame = sound_frame,
        .bend = k->pitch,
        .type = FENBY_BEND,
        .key = k->output_key,
    };
    fenby_schedule_add(tracker->schedule, &event);
    k->bend = k->pitch;
}

// --- one hop -----------------------------------------------------------------------------------------------

// 1 and more: a note starts. The quicker head is believed when it is twice as sure.
static float onset_evidence(const fenby_note_tracker *tracker, int key, const fenby_posteriors *posteriors,
                            const settings *s)
{
    const float *onset = posteriors->onset + (size_t)key * tracker->heads.count;
    const float odds = s->onset_odds * (tracker->chatter > much_chatter ? chatter_odds : 1);
    const float threshold = move_threshold(tracker->heads.threshold[s->head][key], odds);
    const float early = (1 + move_threshold(tracker->heads.threshold[s->early_head][key], odds)) / 2;
    return fmaxf(onset[s->head] / threshold, onset[s->early_head] / early);
}

// Of heads that hear far ahead, and with low thresholds, much evidence is left between one onset and the next. Then a
// fall and a rise will do where the network says that they are two (start_note).
static bool rises_again(key_state *k, float evidence)
{
    const bool rises = k->least < fallen * k->peak && evidence >= risen * k->least;
    if (evidence > k->peak) k->peak = k->least = evidence;
    k->least = fminf(k->least, evidence);
    return rises;
}

// The keys at which a note starts now, the surest first. Returns how many.
static int find_onsets(fenby_note_tracker *tracker, const fenby_posteriors *posteriors, const settings *s,
                       const fenby_parameters *parameters, int onsets[FENBY_N_KEYS])
{
    float evidence[FENBY_N_KEYS];
    const int lowest = (int)parameters->value[FENBY_LOWEST_KEY_PARAMETER] - FENBY_LOWEST_KEY;
    const int highest = (int)parameters->value[FENBY_HIGHEST_KEY_PARAMETER] - FENBY_LOWEST_KEY;
    int n = 0;
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        key_state *k = &tracker->keys[key];
        evidence[key] = onset_evidence(tracker, key, posteriors, s);
        if (evidence[key] < 0.5f) k->armed = true;
        const bool rises = rises_again(k, evidence[key]) && k->active && posteriors->onset_age;
        if (!(evidence[key] >= 1) || !(k->armed || rises) || s->now_hops - k->start_hop < REFRACTORY_HOPS ||
            !s->gate_open || key < lowest || key > highest)
            continue;
        int place = n++;
        for (; place > 0 && evidence[onsets[place - 1]] < evidence[key]; place--)
            onsets[place] = onsets[place - 1];
        onsets[place] = key;
    }
    return n;
}

static void start_notes(fenby_note_tracker *tracker, const fenby_posteriors *posteriors, const fenby_hop_time *time,
                        const settings *s, const fenby_parameters *parameters)
{
    int onsets[FENBY_N_KEYS];
    const int n = find_onsets(tracker, posteriors, s, parameters, onsets);
    for (int i = 0; i < n; i++) start_note(tracker, onsets[i], posteriors, time, s, parameters);
}

static void watch_gate(fenby_note_tracker *tracker, float level_db, const fenby_parameters *parameters)
{
    const float gate_db = parameters->value[FENBY_NOISE_GATE];
    const bool off = gate_db <= fenby_parameter_table[FENBY_NOISE_GATE].minimum;
    tracker->quiet_hops = off || level_db >= gate_db ? 0 : tracker->quiet_hops + 1;
}

void fenby_note_tracker_process(fenby_note_tracker *tracker, const fenby_posteriors *posteriors,
                                const fenby_hop_time *time, const fenby_parameters *parameters)
{
    tracker->hop++;
    tracker->chatter *= chatter_kept;
    watch_gate(tracker, posteriors->level_db, parameters);
    const settings s = read_settings(tracker, parameters, time, (double)tracker->hop);

    for (int key = 0; key < FENBY_N_KEYS; key++) {
        if (tracker->keys[key].active) end_if_faded(tracker, key, posteriors, time, &s);
    }
    while (tracker->n_active > (uint32_t)parameters->value[FENBY_MAXIMUM_POLYPHONY])
        end_note(tracker, oldest_note(tracker, &s), llround(time->end_frame), s.earliest_frame);

    start_notes(tracker, posteriors, time, &s, parameters);
    for (int key = 0; key < FENBY_N_KEYS && posteriors->cents; key++) {
        if (tracker->keys[key].active) bend_note(tracker, key, posteriors, time, &s);
    }
    tracker->horizon = s.horizon;
}

void fenby_note_tracker_look(fenby_note_tracker *tracker, const fenby_posteriors *posteriors,
                             const fenby_hop_time *time, const fenby_parameters *parameters)
{
    const settings s = read_settings(tracker, parameters, time, (double)tracker->hop + 0.5);
    start_notes(tracker, posteriors, time, &s, parameters);
    tracker->horizon = s.horizon;
}

// --- out ---------------------------------------------------------------------------------------------------

bool fenby_note_tracker_peek(const fenby_note_tracker *tracker, fenby_event *event)
{
    return fenby_schedule_peek(tracker->schedule, tracker->horizon, event);
}

void fenby_note_tracker_skip(fenby_note_tracker *tracker)
{
    fenby_schedule_skip(tracker->schedule);
}

void fenby_note_tracker_end_notes(fenby_note_tracker *tracker, int64_t frame)
{
    fenby_schedule_end_all(tracker->schedule, frame);
    forget_notes(tracker, frame);
    tracker->horizon = INT64_MAX;
}

void fenby_note_tracker_finish(fenby_note_tracker *tracker, int64_t frame)
{
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        const key_state *k = &tracker->keys[key];
        if (k->active) end_note(tracker, key, frame, frame - k->sound_frame + k->on_frame);
    }
    tracker->horizon = INT64_MAX;
}

uint32_t fenby_note_tracker_sounding(const fenby_note_tracker *tracker)
{
    return tracker->n_active;
}
