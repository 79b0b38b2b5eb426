// SPDX-License-Identifier: ISC
#include "fenby_jack_rt.h"

#include <jack/midiport.h>
#include <string.h>
#include <time.h>

enum {
    PATIENCE_MS = 500,    // for the audio thread to end the notes
};
static const double MOST_HOLE_S = 0.5;  // a clock that goes farther at once is another one

// --- audio thread --------------------------------------------------------------------------------------------

typedef struct {
    void *midi;  // JACK's buffer for this period, or NULL
    jack_nframes_t n_frames;
    int64_t first_frame;           // of the engine's clock
    int64_t leaves_us, length_us;  // for PortMIDI: when its first frame leaves JACK, on CLOCK_MONOTONIC
} period;

static void *buffer(jack_port_t *port, jack_nframes_t n_frames)
{
    return FENBY_TRUSTED(jack_port_get_buffer)(port, n_frames);
}

static bool write_midi(void *midi, jack_nframes_t offset, const fenby_midi_message *message)
{
    return !midi || FENBY_TRUSTED(jack_midi_event_write)(midi, offset, message->bytes, sizeof message->bytes) == 0;
}

// To those who listen outside JACK.
static void pass_on(fenby_jack_rt *rt, const period *now, jack_nframes_t offset, const fenby_event *event,
                    fenby_event_type type, const fenby_midi_message *message)
{
    const fenby_jack_note note = {
        .frame = rt->first_frame + event->frame,
        .time_us = now->leaves_us + now->length_us * offset / now->n_frames,
        .sound_s = rt->first_s + (double)event->sound_frame / rt->rate_hz,
        .type = type,
        .key = event->key,
        .velocity = event->velocity,
        .channel = (uint8_t)((message->bytes[0] & 0x0f) + 1),
        .late = event->late,
        .message = *message,
    };
    fenby_jack_queue_put(rt->notes, &note);
    if (rt->portmidi) fenby_jack_portmidi_put(rt->portmidi, &note);
    atomic_store_explicit(&rt->has_news, true, memory_order_relaxed);
}

// False when JACK's buffer is full: then all is as it was, and what was written before the note may come again.
static bool send_event(fenby_jack_rt *rt, const period *now, jack_nframes_t offset, const fenby_event *event)
{
    fenby_midi_message messages[FENBY_MIDI_MOST];
    const int channel = (int)fenby_engine_parameter(rt->engine, FENBY_MIDI_CHANNEL);
    const int bends = (int)fenby_engine_parameter(rt->engine, FENBY_BENDS);
    fenby_midi_out sent = rt->sent;
    const int n = fenby_midi_out_event(&sent, event, channel, bends, messages);
    for (int i = 0; i < n; i++)
        if (!write_midi(now->midi, offset, &messages[i])) return false;
    for (int i = 0; i < n; i++)  // the event's own is the last, what comes before it is no note
        pass_on(rt, now, offset, event, i == n - 1 ? event->type : FENBY_BEND, &messages[i]);
    rt->sent = sent;
    return true;
}

// False when some still sound because JACK's buffer is full.
static bool end_every_note(fenby_jack_rt *rt, const period *now)
{
    bool all = true;
    for (int key = 0; key < FENBY_MIDI_KEYS; key++) {
        const fenby_event event = {.frame = now->first_frame, .sound_frame = now->first_frame,
                                   .type = FENBY_NOTE_OFF, .key = (uint8_t)key};
        if (rt->sent.channel_of_key[key]) all = send_event(rt, now, 0, &event) && all;
    }
    return all;
}

// Also for a synth that was unplugged while notes sounded, and knows of notes that have ended here.
static bool silence_receivers(const period *now)
{
    for (int channel = 1; channel <= FENBY_MIDI_CHANNELS; channel++) {
        const fenby_midi_message message = fenby_midi_all_notes_off(channel);
        if (!write_midi(now->midi, 0, &message)) return false;
    }
    return true;
}

static bool next_event(fenby_jack_rt *rt, int64_t end_frame)
{
    if (!rt->is_waiting) rt->is_waiting = fenby_engine_pop(rt->engine, end_frame, &rt->waiting);
    return rt->is_waiting;
}

// An event whose frame has passed leaves at once; JACK wants rising offsets.
static void send_due_events(fenby_jack_rt *rt, const period *now)
{
    jack_nframes_t offset = 0;
    while (next_event(rt, rt->next_frame)) {
        const int64_t wanted = rt->waiting.frame - now->first_frame;
        if (wanted > offset) offset = (jack_nframes_t)wanted;
        if (!send_event(rt, now, offset, &rt->waiting)) {
            atomic_fetch_add_explicit(&rt->blocked_events, 1, memory_order_relaxed);
            return;
        }
        rt->is_waiting = false;
    }
}

static void push(fenby_jack_rt *rt, const float *samples, jack_nframes_t n_frames)
{
    fenby_engine_push(rt->engine, samples, n_frames);
    rt->next_frame += n_frames;
    atomic_store_explicit(&rt->heard, rt->next_frame, memory_order_relaxed);
}

// How many frames JACK's clock is ahead of what was heard. Once could be a period that comes late, whose clock is the
// next one's already; what is still missing in the next period is lost.
static jack_nframes_t lost_frames(fenby_jack_rt *rt)
{
    const jack_nframes_t now = FENBY_TRUSTED(jack_last_frame_time)(rt->jack);
    const int32_t most = (int32_t)(rt->rate_hz * MOST_HOLE_S);
    const int32_t missing = (int32_t)(now - (rt->clock_zero + (jack_nframes_t)rt->next_frame));
    if (!rt->has_clock || atomic_load(&rt->is_freewheeling) || missing > most || missing < -most) {
        rt->clock_zero = now - (jack_nframes_t)rt->next_frame;  // another clock
        rt->has_clock = true;
        rt->missing = 0;
        return 0;
    }
    const int32_t lost = missing < rt->missing ? missing : rt->missing;
    rt->missing = missing > 0 ? missing : 0;
    if (lost <= 0) return 0;
    rt->missing -= lost;
    return (jack_nframes_t)lost;
}

// Silence takes the place of periods that JACK left out, so that what follows is heard, and written, at its time.
// PipeWire does not say that it left out any: its clock does.
static void fill_hole(fenby_jack_rt *rt)
{
    const jack_nframes_t lost = lost_frames(rt);
    if (lost == 0) return;
    atomic_fetch_add_explicit(&rt->holes, 1, memory_order_relaxed);
    memset(rt->mix, 0, sizeof rt->mix);
    for (jack_nframes_t done = 0; done < lost; done += FENBY_JACK_MIX_FRAMES)
        push(rt, rt->mix, lost - done < FENBY_JACK_MIX_FRAMES ? lost - done : FENBY_JACK_MIX_FRAMES);
}

static void push_inputs(fenby_jack_rt *rt, jack_nframes_t n_frames)
{
    const float *in[FENBY_JACK_MAXIMUM_INPUTS];
    for (unsigned i = 0; i < rt->n_inputs; i++) in[i] = buffer(rt->in[i], n_frames);
    if (rt->n_inputs == 1) {
        push(rt, in[0], n_frames);
        return;
    }
    for (jack_nframes_t done = 0; done < n_frames;) {
        const jack_nframes_t n =
            n_frames - done < FENBY_JACK_MIX_FRAMES ? n_frames - done : FENBY_JACK_MIX_FRAMES;
        for (jack_nframes_t k = 0; k < n; k++) {
            float sum = 0;
            for (unsigned i = 0; i < rt->n_inputs; i++) sum += in[i][done + k];
            rt->mix[k] = sum / (float)rt->n_inputs;
        }
        push(rt, rt->mix, n);
        done += n;
    }
}

static void pass_through(fenby_jack_rt *rt, jack_nframes_t n_frames)
{
    for (unsigned i = 0; i < rt->n_inputs; i++)
        memcpy(buffer(rt->thru[i], n_frames), buffer(rt->in[i], n_frames), n_frames * sizeof(float));
}

// Wakes the worker for a hop of samples, and to tell the control thread of notes.
static void wake_worker(fenby_jack_rt *rt)
{
    if (fenby_engine_has_work(rt->engine) || atomic_load_explicit(&rt->has_news, memory_order_relaxed))
        FENBY_TRUSTED(sem_post)(&rt->work);
}

static void work_now(fenby_jack_rt *rt)
{
    pthread_mutex_lock(rt->working);
    fenby_engine_work(rt->engine);
    pthread_mutex_unlock(rt->working);
}

static void run(fenby_jack_rt *rt, period *now)
{
    fill_hole(rt);
    now->first_frame = rt->next_frame;
    push_inputs(rt, now->n_frames);
    if (atomic_load(&rt->is_freewheeling)) FENBY_FREEWHEELING(work_now)(rt);
    if (atomic_load_explicit(&rt->end_notes, memory_order_relaxed) && end_every_note(rt, now) &&
        silence_receivers(now)) {
        fenby_midi_out_forget(&rt->sent);
        atomic_store_explicit(&rt->end_notes, false, memory_order_relaxed);
    }
    send_due_events(rt, now);
    wake_worker(rt);
}

// Once it has said so, what the control thread may set is no longer looked at.
static void fall_silent(fenby_jack_rt *rt, period *now)
{
    now->first_frame = rt->next_frame;
    rt->is_waiting = rt->has_clock = false;
    if (end_every_note(rt, now)) atomic_store(&rt->is_quiet, true);
}

// JACK's clock need not be the system's.
static void find_time(fenby_jack_rt *rt, period *now)
{
    jack_nframes_t frames;
    jack_time_t begin_us, next_us;
    float length_us;
    struct timespec system;
    if (!rt->portmidi) return;
    if (FENBY_TRUSTED(jack_get_cycle_times)(rt->jack, &frames, &begin_us, &next_us, &length_us)) return;
    FENBY_TRUSTED(clock_gettime)(CLOCK_MONOTONIC, &system);
    const int64_t ahead_us = (int64_t)(next_us - FENBY_TRUSTED(jack_get_time)());
    now->leaves_us = 1000000 * (int64_t)system.tv_sec + system.tv_nsec / 1000 + ahead_us;
    now->length_us = (int64_t)length_us;
}

int fenby_jack_rt_process(jack_nframes_t n_frames, void *user)
{
    fenby_jack_rt *rt = user;
    period now = {.n_frames = n_frames};
    find_time(rt, &now);
    if (rt->midi_out) now.midi = buffer(rt->midi_out, n_frames);
    if (now.midi) FENBY_TRUSTED(jack_midi_clear_buffer)(now.midi);
    pass_through(rt, n_frames);

    // Both sides write first and then look at the other: at least one of them sees the other.
    atomic_store(&rt->is_inside, true);
    if (!atomic_load(&rt->is_held)) {
        run(rt, &now);
    } else if (!atomic_load(&rt->is_quiet)) {
        fall_silent(rt, &now);
    }
    atomic_store(&rt->is_inside, false);
    return 0;
}

// --- control -------------------------------------------------------------------------------------------------

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

void fenby_jack_rt_hold(fenby_jack_rt *rt)
{
    atomic_store(&rt->is_quiet, false);
    atomic_store(&rt->is_held, true);
    for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&rt->is_quiet); ms++) sleep_ms(1);
    while (atomic_load(&rt->is_inside)) sleep_ms(1);
}

void fenby_jack_rt_release(fenby_jack_rt *rt)
{
    atomic_store(&rt->is_held, false);
}
