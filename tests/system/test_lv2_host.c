// SPDX-License-Identifier: ISC
// The plugin in a host, through lilv: the notes of a bounce are those of `fenby`, whatever the blocks; live
// with a worker on another thread, storms of parameters, models, states and transport; extensions missing in
// turn; audio through; every note closed.
#include <errno.h>
#include <fcntl.h>
#include <sndfile.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dsp/latency.h"
#include "jack_client/midi_file.h"
#include "jack_client/output_file.h"
#include "jack_client/preset.h"
#include "plugin/recent_notes.h"
#include "tests/folder.h"
#include "tests/read_midi.h"
#include "tests/system/lv2_host.h"

enum {
    SECONDS = HOST_SANITIZED ? 3 : 6,
    STORM_BLOCKS = HOST_SANITIZED ? 500 : 2000,
    CYCLES = HOST_SANITIZED ? 20 : 200
};
enum { RATE = 48000, N = RATE * SECONDS / 1024 * 1024, MOST_NOTES = 256, FEW = 3 };

static float music[N];
static midi_contents saved;

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

// The next n frames of the music, over and over.
static void play_on(host *h, int *at, uint32_t n)
{
    if (*at + (int)n > N) *at = 0;
    host_play(h, music + *at, n);
    *at += (int)n;
}

static uint32_t random_block(unsigned long long *state)
{
    static const uint32_t blocks[] = {0, 1, 63, 64, 128, 480, 1024, 8192};
    const uint32_t pick = (uint32_t)(test_random(state) * 16);
    return pick < 8 ? blocks[pick] : (uint32_t)(test_random(state) * 2000);
}

static void freewheel(host *h)
{
    h->control[FENBY_PORT_FREEWHEEL] = 1;
}

static void check_promises(const host *h, const char *where)
{
    CHECK(h->broken == 0, "%s: %d of %d events break a promise", where, h->broken, h->n_events);
}

// --- a bounce ------------------------------------------------------------------------------------------------

// All of the music, then silence until the last note is out. block 0: any length.
static void bounce(host *h, uint32_t block, unsigned long long seed)
{
    unsigned long long state = seed;
    freewheel(h);
    int at = 0;
    for (uint32_t n; at < N; at += (int)n) {
        n = block ? block : random_block(&state);
        if (n > (uint32_t)(N - at)) n = (uint32_t)(N - at);
        host_play(h, music + at, n);
    }
    for (int i = 0; i < RATE; i += 1024) host_play(h, NULL, 1024);
}

static bool same_events(const host *a, const host *b)
{
    if (a->n_events != b->n_events) return false;
    for (int i = 0; i < a->n_events; i++)
        if (a->events[i].frame != b->events[i].frame || memcmp(a->events[i].bytes, b->events[i].bytes, 3))
            return false;
    return true;
}

static void test_block_lengths(void)
{
    host *reference = host_open((host_config){0});
    bounce(reference, 256, 1);
    check_promises(reference, "blocks of 256");
    CHECK(reference->notes > FEW && host_hanging(reference) == 0, "%d notes, %d hang", reference->notes,
          host_hanging(reference));
    static const uint32_t blocks[] = {1, 63, 64, 480, 8192, 0};
    for (int i = 0; i < 6; i++) {
        host *h = host_open((host_config){.synchronous = i % 2, .no_worker = i == 2});
        bounce(h, blocks[i], 7);
        check_promises(h, "a bounce");
        CHECK(same_events(h, reference), "blocks of %u: %d and %d events", blocks[i], h->n_events,
              reference->n_events);
        host_close(h);
    }
    for (int only = 0; only <= 2; only++) {
        host *stereo = host_open((host_config){.stereo = true, .only_channel = only});
        bounce(stereo, 0, 9);
        CHECK(same_events(stereo, reference), "channel %d of stereo: %d and %d events", only, stereo->n_events,
              reference->n_events);
        host_close(stereo);
    }
    host_close(reference);
}

typedef struct {
    double emitted_s;
    int key, velocity;
} written_note;

static int transcribe(const char *wav, written_note *notes)
{
    const char *build = getenv("BUILD");
    char command[1024];
    const char *csv = in_folder("notes.csv");
    snprintf(command, sizeof command, "%s/fenby %s -q -o %s --csv %s", build ? build : "build", wav,
             in_folder("notes.mid"), csv);
    const int failed = system(command);
    REQUIRE(!failed, "failed: %s", command);
    FILE *file = fopen(csv, "r");
    REQUIRE(file, "%s: %s", csv, strerror(errno));
    int n = 0;
    double onset_s, offset_s;
    if (fscanf(file, "%*[^\n]")) n = 0;
    while (n < MOST_NOTES && fscanf(file, "%lf,%lf,%d,%d,%lf", &onset_s, &offset_s, &notes[n].key,
                                    &notes[n].velocity, &notes[n].emitted_s) == 5)
        n++;
    fclose(file);
    return n;
}

static void write_wav(const char *path)
{
    SF_INFO info = {.samplerate = RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    const bool written = file && sf_writef_float(file, music, N) == N;
    REQUIRE(written, "%s: cannot be written", path);
    sf_close(file);
}

// Takes away the first event that starts this note at this frame.
static bool take_event(host *h, int64_t frame, int key, int velocity)
{
    for (int i = 0; i < h->n_events; i++) {
        host_event *e = &h->events[i];
        if (e->frame != frame || e->bytes[0] != 0x90 || e->bytes[1] != key || e->bytes[2] != velocity) continue;
        e->bytes[0] = 0;
        return true;
    }
    return false;
}

// In a file nothing waits for a worker, so the plugin's latency is that of `fenby` and the margin: every note
// is later by the margin and by nothing else.
static void test_same_as_fenby(void)
{
    const char *wav = in_folder("music.wav");
    static written_note notes[MOST_NOTES];
    write_wav(wav);
    const int n = transcribe(wav, notes);
    host *h = host_open((host_config){.block = 256});
    bounce(h, 0, 3);
    const double margin = fenby_latency_margin_frames(RATE, 256);
    int same = 0;
    for (int i = 0; i < n; i++)
        same += take_event(h, llround(notes[i].emitted_s * RATE + margin), notes[i].key, notes[i].velocity);
    CHECK(n > FEW && same == n && h->notes == n, "fenby writes %d notes, the plugin %d, %d of them alike", n,
          h->notes, same);
    host_close(h);
}

// The events from number `first` on are those of `once`, from frame `start` on.
static void check_again(const host *again, int first, int64_t start, const host *once, const char *how)
{
    const int n = again->n_events - first;
    int same = 0;
    for (int i = 0; i < n && i < once->n_events; i++) {
        const host_event *a = &again->events[first + i], *b = &once->events[i];
        same += a->frame - start == b->frame && !memcmp(a->bytes, b->bytes, 3);
    }
    check_promises(again, how);
    CHECK(n == once->n_events && same == n, "%s: %d events, %d in the first bounce, %d alike", how, n,
          once->n_events, same);
}

static void play_all(host *h)
{
    for (int i = 0; i < N; i += 512) host_play(h, music + i, 512);
    for (int i = 0; i < RATE; i += 1024) host_play(h, NULL, 1024);
}

// Whatever was heard before, a bounce that begins again gives the same notes, at its new place: when the
// transport starts, when it jumps, and when it counts in, as Ardour does, which plays the first sample the
// latency early.
static void test_bounce_again(void)
{
    host *once = host_open((host_config){0}), *again = host_open((host_config){0});
    freewheel(once);
    bounce(once, 1024, 1);

    for (int i = 0; i < 100; i++) host_play(again, music + 99 * i, 333);  // live
    freewheel(again);
    for (int i = 0; i < 50; i++) host_play(again, music + 77 * i, 100);
    memset(again->audio[0], 0, 100 * sizeof(float));
    host_send_position(again, 100, 0, 1);
    host_run(again, 100);
    int first = again->n_events;
    int64_t start = again->frames;
    play_all(again);
    check_again(again, first, start, once, "a start");

    for (int i = 0; i < 50; i++) host_play(again, music + 77 * i, 100);
    memset(again->audio[0], 0, 100 * sizeof(float));
    host_send_position(again, 100, 1000000, 1);
    host_run(again, 100);
    first = again->n_events;
    start = again->frames;
    play_all(again);
    check_again(again, first, start, once, "a jump");

    const int latency = (int)again->control[FENBY_PORT_LATENCY];
    host_send_position(again, 0, -latency - 700, 0);
    host_play(again, music, 300);
    host_send_position(again, 0, -latency - 400, 0);
    host_play(again, music, 400);
    host_send_position(again, 0, -latency, 0);
    first = again->n_events;
    start = again->frames;
    for (int i = 0; i < N; i += 512) {
        const bool counts = i < latency;
        if (counts) host_send_position(again, 0, i - latency, 0);
        if (!counts && i < latency + 512) host_send_position(again, 0, i - latency, 1);
        host_play(again, music + i, 512);
    }
    for (int i = 0; i < RATE; i += 1024) host_play(again, NULL, 1024);
    check_again(again, first, start, once, "counting in");
    host_close(once);
    host_close(again);
}

// --- live ----------------------------------------------------------------------------------------------------

typedef struct {
    host *host;
    atomic_bool stop;
    atomic_int done, failed;
} state_storm;

// Saves and restores as a host does that calls from its own thread, while the plugin runs.
static void *storm_states(void *user)
{
    state_storm *storm = user;
    host *h = storm->host;
    while (!atomic_load(&storm->stop)) {
        LilvState *state = lilv_state_new_from_instance(h->plugin, h->instance, &h->map, folder, folder, folder,
                                                        folder, NULL, NULL, 0, NULL);
        if (state)
            lilv_state_restore(state, h->instance, NULL, NULL, 0, NULL);
        else
            atomic_fetch_add(&storm->failed, 1);
        lilv_state_free(state);
        atomic_fetch_add(&storm->done, 1);
        nanosleep(&(struct timespec){0, 3000000}, NULL);
    }
    return NULL;
}

static void storm_parameters(host *h, unsigned long long *state)
{
    const int port = FENBY_PORT_PARAMETERS + (int)(test_random(state) * FENBY_N_PARAMETERS);
    const fenby_parameter_info info = fenby_port_describe(false, port).value;
    float value = (float)(info.minimum - 1 + test_random(state) * (info.maximum - info.minimum + 2));
    if (test_random(state) < 0.02) value = NAN;
    if (test_random(state) < 0.02) value = INFINITY;
    h->control[port] = value;
    if (test_random(state) < 0.25)
        for (int i = 0; i < FENBY_N_PARAMETERS; i++)
            h->control[FENBY_PORT_PARAMETERS + i] = fenby_parameter_table[i].default_value;
    h->control[FENBY_PORT_ENABLED] = test_random(state) < 0.9;
    h->control[FENBY_PORT_THRU] = test_random(state) < 0.5;
}

// Plays on until a note sounds.
static void until_sounding(host *h, int *at)
{
    for (int i = 0; i < 2 * N / 256 && !host_hanging(h); i++) {
        play_on(h, at, 256);
        host_rest(h);
    }
    CHECK(host_hanging(h) > 0 && h->control[FENBY_PORT_SOUNDING_NOTES] > 0, "nothing sounds");
}

static void test_storm(host_config config, int blocks)
{
    unsigned long long state = 11;
    host *h = host_open(config);
    state_storm storm = {.host = h};
    pthread_t thread;
    const int failed = pthread_create(&thread, NULL, storm_states, &storm);
    REQUIRE(!failed, "no thread");
    host_send(h, h->urids.watch);
    int at = 0;
    for (int i = 0; i < blocks; i++) {
        const uint32_t n = random_block(&state);
        if (test_random(&state) < 0.1) storm_parameters(h, &state);
        if (test_random(&state) < 0.01) host_send_model(h, in_folder("model.fnw"));
        if (test_random(&state) < 0.01) host_send_model(h, "/nowhere/missing.fnw");
        if (test_random(&state) < 0.01) host_send_model(h, "");
        if (test_random(&state) < 0.02) host_send_position(h, n / 2, (int64_t)(test_random(&state) * 1e6), 1);
        h->control[FENBY_PORT_FREEWHEEL] = i / 50 % 4 == 3;
        h->midi_room = test_random(&state) < 0.1 ? 16 + (uint32_t)(test_random(&state) * 60) : 8192;
        play_on(h, &at, n);
        if (i % 3 == 0) host_rest(h);
    }
    atomic_store(&storm.stop, true);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&storm.failed) == 0 && atomic_load(&storm.done) > 3, "%d of %d states failed",
          atomic_load(&storm.failed), atomic_load(&storm.done));
    // After it, the plugin hears as before.
    for (int i = 0; i < FENBY_N_PARAMETERS; i++)
        h->control[FENBY_PORT_PARAMETERS + i] = fenby_parameter_table[i].default_value;
    h->control[FENBY_PORT_FREEWHEEL] = 0;
    h->control[FENBY_PORT_ENABLED] = 1;
    h->midi_room = 8192;
    until_sounding(h, &at);
    h->control[FENBY_PORT_ENABLED] = 0;
    for (int i = 0; i < 4; i++) host_play(h, NULL, 256);
    check_promises(h, "a storm");
    CHECK(host_hanging(h) == 0, "%d notes hang", host_hanging(h));
    CHECK(h->hops > 0 && h->shown_notes > 0, "%d hops, %d notes shown", h->hops, h->shown_notes);
    host_close(h);
}

// In blocks, as fast as the worker allows: no note is late, none is lost.
static void test_live_as_bounced(host_config config)
{
    host *live = host_open(config), *bounced = host_open((host_config){.block = config.block});
    bounce(bounced, 0, 5);
    for (int i = 0; i < N + RATE; i += 256) {
        host_play(live, i < N ? music + i : NULL, 256);
        host_rest(live);
    }
    check_promises(live, "live");
    const int overruns = (int)live->control[FENBY_PORT_OVERRUNS], late = (int)live->control[FENBY_PORT_LATE_EVENTS];
    CHECK(same_events(live, bounced), "%d events live, %d bounced", live->n_events, bounced->n_events);
    CHECK(overruns == 0 && late == 0 && bounced->control[FENBY_PORT_LATE_EVENTS] == 0, "%d overruns, %d late events",
          overruns, late);
    CHECK(host_hanging(live) == 0, "%d notes hang", host_hanging(live));
    host_close(live);
    host_close(bounced);
}

static void test_bypass(void)
{
    host *h = host_open((host_config){0});
    int at = 0;
    until_sounding(h, &at);
    h->control[FENBY_PORT_ENABLED] = 0;
    host_play(h, music, 0);
    host_play(h, music, 64);
    CHECK(host_hanging(h) == 0 && h->control[FENBY_PORT_SOUNDING_NOTES] == 0, "%d notes after bypass",
          host_hanging(h));
    const int notes = h->notes;
    for (int i = 0; i < 300; i++) {
        play_on(h, &at, 256);
        host_rest(h);
    }
    CHECK(h->notes == notes, "%d notes while bypassed", h->notes - notes);
    h->control[FENBY_PORT_ENABLED] = 1;
    until_sounding(h, &at);

    host_restart(h);
    host_play(h, NULL, 64);
    CHECK(host_hanging(h) == 0, "%d notes after deactivation", host_hanging(h));
    until_sounding(h, &at);
    check_promises(h, "bypass");
    host_close(h);
}

// Live, with a worker that is never late.
static void play_live(host *h)
{
    for (int i = 0; i < N; i += 64) host_play(h, music + i, 64);
    for (int i = 0; i < RATE; i += 64) host_play(h, NULL, 64);
}

// Room for so many MIDI messages in a block.
static uint32_t room_for(int n_messages)
{
    return (uint32_t)(sizeof(LV2_Atom_Sequence) + (size_t)n_messages * (sizeof(LV2_Atom_Event) + 8));
}

// A host whose MIDI buffer holds one message: what there is no room for comes with the next blocks, as it was, and
// nothing is left out.
static void test_little_room(bool freewheels)
{
    host *wide = host_open((host_config){.synchronous = true}), *narrow = host_open((host_config){.synchronous = true});
    wide->control[FENBY_PORT_FREEWHEEL] = narrow->control[FENBY_PORT_FREEWHEEL] = freewheels;
    narrow->midi_room = room_for(1);
    play_live(wide);
    play_live(narrow);
    int same = 0, early = 0, later = 0;
    int64_t latest = 0;
    for (int i = 0; i < wide->n_events && i < narrow->n_events; i++) {
        const int64_t delay = narrow->events[i].frame - wide->events[i].frame;
        same += !memcmp(narrow->events[i].bytes, wide->events[i].bytes, 3);
        early += delay < 0;
        later += delay > 0;
        if (delay > latest) latest = delay;
    }
    check_promises(narrow, "little room");
    CHECK(same == wide->n_events && narrow->n_events == wide->n_events, "%d events, with little room %d, %d alike",
          wide->n_events, narrow->n_events, same);
    CHECK(later > 0 && early == 0 && latest < 64 * 64, "%d events are later, %d earlier, the latest by %d frames",
          later, early, (int)latest);
    CHECK(host_hanging(narrow) == 0, "%d notes hang", host_hanging(narrow));
    host_close(wide);
    host_close(narrow);
}

// Chords end one message at a time, and no new note comes between, when the plugin is bypassed or starts again; and
// what waited for room before a new start never comes.
static void test_ending_with_little_room(bool restarts)
{
    host *h = host_open((host_config){.synchronous = true});
    int at = 0;
    for (int i = 0; i < 2 * N / 64 && host_hanging(h) < 3; i++) play_on(h, &at, 64);
    const int sounding = host_hanging(h), notes = h->notes, before = h->n_events;
    CHECK(sounding >= 3, "%d notes sound", sounding);
    h->midi_room = room_for(0);
    for (int i = 0; i < RATE; i += 64) play_on(h, &at, 64);
    CHECK(h->n_events == before, "%d events where there is no room", h->n_events - before);
    h->midi_room = room_for(1);
    h->control[FENBY_PORT_ENABLED] = restarts;
    if (restarts) host_restart(h);
    for (int i = 1; i <= sounding; i++) {
        host_play(h, NULL, 64);
        CHECK(host_hanging(h) == sounding - i, "%d notes sound after %d blocks, %d before", host_hanging(h), i,
              sounding);
    }
    for (int i = 0; i < RATE; i += 64) host_play(h, NULL, 64);
    CHECK(h->notes == notes && host_hanging(h) == 0, "%d notes began, %d hang", h->notes - notes, host_hanging(h));
    check_promises(h, "ending with little room");
    host_close(h);
}

// A wake-up that the host dropped, as some do with their queue when they stop, is not waited for after a new
// start.
static void test_dropped_job(void)
{
    host *h = host_open((host_config){0});
    int at = 0;
    until_sounding(h, &at);
    h->drops = true;
    for (int i = 0; i < 10; i++) play_on(h, &at, 256);
    lilv_instance_deactivate(h->instance);
    h->drops = false;
    lilv_instance_activate(h->instance);
    host_play(h, NULL, 64);
    const int notes = h->notes;
    until_sounding(h, &at);
    CHECK(h->notes > notes && h->control[FENBY_PORT_OVERRUNS] == 0, "%d notes, %g overruns after a new start",
          h->notes - notes, (double)h->control[FENBY_PORT_OVERRUNS]);
    check_promises(h, "a dropped job");
    host_close(h);
}

// What the UI is told is in the order of its time, in blocks that hold hops and notes too.
static void test_notify(void)
{
    host *h = host_open((host_config){.block = 2048});
    int at = 0;
    host_send(h, h->urids.watch);
    for (int i = 0; i < 2 * N / 2048; i++) {
        play_on(h, &at, 2048);
        host_rest(h);
    }
    CHECK(h->hops > 100 && h->shown_notes > FEW, "%d hops, %d notes shown", h->hops, h->shown_notes);
    check_promises(h, "notify");
    host_close(h);
}

typedef struct {
    const host *host;
    int n_notes, n_hops;
    fenby_view_note notes[2 * MOST_NOTES];
    int64_t hop_ends[2 * N / 256];
} told_things;

static told_things all_told;

static void take_told(void *user, const LV2_Atom *atom)
{
    told_things *t = user;
    if (atom->type == t->host->urids.note && t->n_notes < 2 * MOST_NOTES)
        memcpy(&t->notes[t->n_notes++], atom + 1, sizeof *t->notes);
    if (atom->type == t->host->urids.view && t->n_hops < 2 * N / 256) {
        fenby_view_hop hop;
        memcpy(&hop, atom + 1, sizeof hop);
        t->hop_ends[t->n_hops++] = hop.end_frame;
    }
}

// Takes away the saved event that is this change of a note.
static bool take_saved(const fenby_view_note *note, int64_t first_frame)
{
    const int64_t tick = llround((double)(note->frame - first_frame) * FENBY_TICKS_PER_SECOND / RATE);
    for (size_t i = 0; i < saved.count; i++) {
        midi_event *e = &saved.event[i];
        if (e->tick != tick || e->key != note->key || e->status != (note->velocity ? 0x90 : 0x80)) continue;
        if (note->velocity && e->velocity != note->velocity) continue;
        e->status = 0;
        return true;
    }
    return false;
}

// After a new start the same sound gives the same again, counted from there: what is sent, what the UI is told, and
// all of it in the file of what was played. The first start leaves a hop untold, which is of no time that counts any
// more.
static void test_second_start(void)
{
    host *h = host_open((host_config){.synchronous = true});
    told_things *t = &all_told;
    int events[3] = {0}, notes[3] = {0}, hops[3] = {0}, same_events_again = 0, same_notes = 0, same_hops = 0;
    int64_t start = 0;
    *t = (told_things){.host = h};
    h->on_notify = take_told;
    h->notify_user = t;
    host_send(h, h->urids.watch);
    for (int i = 0; i < 2; i++) {
        start = h->frames;
        for (int k = 0; k < N / 2; k += 512) host_play(h, music + k, 512);
        for (int k = 0; k < RATE + 100; k += 500) host_play(h, NULL, 500);
        events[i + 1] = h->n_events;
        notes[i + 1] = t->n_notes;
        hops[i + 1] = t->n_hops;
        host_restart(h);
    }
    for (int i = 0; i < events[1] && events[1] + i < events[2]; i++) {
        const host_event *a = &h->events[i], *b = &h->events[events[1] + i];
        same_events_again += a->frame == b->frame - start && !memcmp(a->bytes, b->bytes, 3);
    }
    for (int i = 0; i < notes[1] && notes[1] + i < notes[2]; i++) {
        const fenby_view_note *a = &t->notes[i], *b = &t->notes[notes[1] + i];
        same_notes += a->frame == b->frame - start && a->key == b->key && a->velocity == b->velocity;
    }
    for (int i = 0; i < hops[1] && hops[1] + i < hops[2]; i++)
        same_hops += t->hop_ends[i] == t->hop_ends[hops[1] + i] - start;
    CHECK(events[1] > 2 * FEW && same_events_again == events[1] && events[2] == 2 * events[1],
          "%d events, after a new start %d, %d alike", events[1], events[2] - events[1], same_events_again);
    CHECK(notes[1] == events[1] && same_notes == notes[1] && notes[2] == 2 * notes[1],
          "the UI is told of %d changes, after a new start of %d, %d alike", notes[1], notes[2] - notes[1], same_notes);
    CHECK(hops[1] > 100 && same_hops == hops[1] && hops[2] == 2 * hops[1], "%d hops, after a new start %d, %d alike",
          hops[1], hops[2] - hops[1], same_hops);
    const double hop_frames = (double)FENBY_HOP * RATE / FENBY_SAMPLE_RATE;
    CHECK(fabs((double)(t->hop_ends[hops[1] - 1] - t->hop_ends[0]) - (hops[1] - 1) * hop_frames) < 2,
          "%d hops are %d frames long", hops[1] - 1, (int)(t->hop_ends[hops[1] - 1] - t->hop_ends[0]));

    const char *path = in_folder("again.mid");
    host_send_save(h, path);
    host_await_message(h);
    midi_read_file(&saved, path);
    int64_t first = INT64_MAX;
    for (int i = 0; i < t->n_notes; i++)
        if (t->notes[i].velocity && t->notes[i].frame < first) first = t->notes[i].frame;
    int in_file = 0;
    for (int i = 0; i < notes[2]; i++) in_file += take_saved(&t->notes[i], first);
    CHECK(in_file == notes[2] && saved.count == (size_t)notes[2], "%d of %d changes are saved, %zu in all", in_file,
          notes[2], saved.count);
    check_promises(h, "a second start");
    host_close(h);
}

static int highest(const uint8_t *values, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

// A tone is shown where it lies. Gives the frame where its key is shown to begin.
static int view_pluck(const float *pluck, int key, int mode)
{
    host *h = host_open((host_config){.synchronous = true});
    int onsets = 0, first = 0;
    h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = (float)mode;
    host_send(h, h->urids.watch);
    for (int i = 0; i < RATE / 256 * 256; i += 256) {
        host_play(h, pluck + i, 256);
        if (h->last_hop.onset[key] <= 128) continue;
        if (onsets++ == 0) first = (int)h->last_hop.end_frame;
    }
    const int loudest = highest(h->last_hop.spectrum, FENBY_N_CONTOUR);
    const double db = h->last_hop.spectrum[loudest] / 255.0 * 120 - 100;
    CHECK(loudest / FENBY_BINS_PER_KEY == key && db > -25 && db < 0, "%g dB in bin %d", db, loudest);
    CHECK(highest(h->last_hop.sounding, FENBY_N_KEYS) == key && h->last_hop.sounding[key] > 128,
          "most of all key %d sounds, %d", highest(h->last_hop.sounding, FENBY_N_KEYS), h->last_hop.sounding[key]);
    CHECK(onsets > 0 && onsets < 30 && h->last_hop.onset[key] < 128, "its onset is shown in %d blocks, at last %d",
          onsets, h->last_hop.onset[key]);
    host_close(h);
    return first;
}

// A hop of the view is what was heard: every byte of one that is known, the tone that the plugin hears, and its onset,
// the later the longer the mode looks.
static void test_view(void)
{
    enum { KEY = 69 - FENBY_LOWEST_KEY };
    static float cqt_frame[FENBY_N_FEATURES], onset[FENBY_N_KEYS], sounding[FENBY_N_KEYS];
    for (int i = 0; i < FENBY_N_BINS; i++) {
        cqt_frame[i * FENBY_N_RESOLUTIONS + FENBY_LONG_WINDOWS] = 1.2f * (float)i / 255;
        cqt_frame[i * FENBY_N_RESOLUTIONS + FENBY_SHORT_WINDOWS] = 0.6f;
    }
    for (int key = 0; key < FENBY_N_KEYS; key++) {
        onset[key] = (float)(key - 2) / 255;
        sounding[key] = 1 - (float)(key - 2) / 255;
    }
    fenby_view_hop hop;
    fenby_view_hop_fill(&hop, cqt_frame, onset, sounding, 1234567890123, 44100);
    CHECK(hop.end_frame == 1234567890123 && hop.hop_frames == 512, "the hop ends at %lld, is %g long",
          (long long)hop.end_frame, (double)hop.hop_frames);
    int wrong = 0;
    for (int i = 0; i < FENBY_N_CONTOUR; i++) wrong += hop.spectrum[i] != (i < 255 ? i : 255);
    for (int key = 0; key < FENBY_N_KEYS; key++)
        wrong += (hop.onset[key] != (key < 2 ? 0 : key - 2)) + (hop.sounding[key] != (key < 2 ? 255 : 257 - key));
    CHECK(wrong == 0, "%d bytes are wrong", wrong);

    static float pluck[RATE];
    for (int i = RATE / 4; i < RATE; i++) {
        const double t = (double)i / RATE - 0.25;
        for (int partial = 1; partial <= 6; partial++)
            pluck[i] += (float)(0.2 / partial * exp(-partial * t) * sin(2 * M_PI * 440 * partial * t));
    }
    int first_onset[FENBY_N_MODES];  // the frame where its key is shown to begin
    for (int mode = 0; mode < FENBY_N_MODES; mode++) first_onset[mode] = view_pluck(pluck, KEY, mode);
    CHECK(first_onset[FENBY_MODE_TIGHT] > RATE / 4 && first_onset[FENBY_MODE_TIGHT] < first_onset[FENBY_MODE_LIVE] &&
              first_onset[FENBY_MODE_LIVE] < first_onset[FENBY_MODE_STUDIO] && first_onset[FENBY_MODE_STUDIO] < RATE / 2,
          "the note begins at frame %d live, %d tight, %d in the studio", first_onset[FENBY_MODE_LIVE],
          first_onset[FENBY_MODE_TIGHT], first_onset[FENBY_MODE_STUDIO]);
}

// Whether the note sounds, is as it was sent, and began in what the plugin had heard then, within a second.
static bool is_last_start(const host *h, const fenby_view_note *note)
{
    for (int i = h->n_events - 1; i >= 0; i--) {
        const host_event *e = &h->events[i];
        if (e->bytes[1] == note->key)
            return e->bytes[0] == 0x90 && e->bytes[2] == note->velocity && note->frame < e->frame &&
                   note->frame > e->frame - RATE;
    }
    return false;
}

// A UI that begins to watch is told which notes sound already, once.
static void test_watch_while_sounding(void)
{
    host *h = host_open((host_config){0});
    int at = 0;
    until_sounding(h, &at);
    CHECK(h->shown_notes == 0, "%d notes shown to nobody", h->shown_notes);
    const int sounding = host_hanging(h);
    all_told = (told_things){.host = h};
    h->on_notify = take_told;
    h->notify_user = &all_told;
    host_send(h, h->urids.watch);
    host_play(h, NULL, 0);
    host_play(h, NULL, 0);
    CHECK(h->shown_notes == sounding, "%d notes sound, %d are shown", sounding, h->shown_notes);
    int same = 0;
    for (int i = 0; i < all_told.n_notes; i++) same += is_last_start(h, &all_told.notes[i]);
    CHECK(same == sounding, "%d of %d notes are shown as they were sent", same, sounding);
    host_play(h, NULL, 0);
    host_send(h, h->urids.watch);
    host_play(h, NULL, 0);
    host_play(h, NULL, 0);
    CHECK(h->shown_notes == sounding, "shown again: %d notes, %d sound", h->shown_notes, sounding);
    check_promises(h, "watching while notes sound");
    host_close(h);
}

// What the status ports show, while a note begins and when all is quiet.
static void test_status(void)
{
    host *h = host_open((host_config){0});
    int at = 0, lit = 0;
    float loudest = -120;
    for (int notes = 0; at < N - 256; notes = h->notes) {
        play_on(h, &at, 256);
        host_rest(h);
        loudest = fmaxf(loudest, h->control[FENBY_PORT_INPUT_LEVEL]);
        lit += h->notes > notes && h->control[FENBY_PORT_NOTE_TRIGGERED] == 1;
    }
    CHECK(loudest > -30 && loudest < 6, "the level is %g dB", (double)loudest);
    CHECK(lit > FEW, "the note light was on %d times", lit);
    for (int i = 0; i < 3 * RATE; i += 256) {
        host_play(h, NULL, 256);
        host_rest(h);
    }
    CHECK(h->control[FENBY_PORT_INPUT_LEVEL] < -60, "silence is at %g dB",
          (double)h->control[FENBY_PORT_INPUT_LEVEL]);
    CHECK(h->control[FENBY_PORT_NOTE_TRIGGERED] == 0 && h->control[FENBY_PORT_SOUNDING_NOTES] == 0,
          "a light in silence");
    const float latency = h->control[FENBY_PORT_LATENCY];
    h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = FENBY_MODE_TIGHT;
    for (int i = 0; i < RATE / 10; i += 256) {
        host_play(h, NULL, 256);
        host_rest(h);
    }
    CHECK(h->control[FENBY_PORT_LATENCY] < latency, "latency %g, in mode tight %g", (double)latency,
          (double)h->control[FENBY_PORT_LATENCY]);
    host_close(h);
}

// A worker that gets no time for a while: what it was late for is counted, sound that was lost is, and nothing else.
static void test_starved_worker(void)
{
    host *h = host_open((host_config){.block = 256}), *bounced = host_open((host_config){.block = 256});
    bounce(bounced, 256, 1);
    for (int i = 0; i < N + RATE; i += 256) {
        if (i == N / 3 / 256 * 256) host_stall(h, true);
        if (i == (N / 3 + RATE / 2) / 256 * 256) host_stall(h, false);
        host_play(h, i < N ? music + i : NULL, 256);
        if (!h->stalls) host_rest(h);
    }
    int moved = 0, same = 0;
    for (int i = 0; i < h->n_events && i < bounced->n_events; i++) {
        moved += h->events[i].frame != bounced->events[i].frame;
        same += !memcmp(h->events[i].bytes, bounced->events[i].bytes, 3);
    }
    const int late = (int)h->control[FENBY_PORT_LATE_EVENTS];  // no bends, which this MIDI does not have
    CHECK(same == bounced->n_events && h->n_events == same, "%d events, bounced %d, %d alike", h->n_events,
          bounced->n_events, same);
    CHECK(moved > FEW && late == moved && h->control[FENBY_PORT_OVERRUNS] == 0,
          "%d events came late, %d counted, %g overruns", moved, late, (double)h->control[FENBY_PORT_OVERRUNS]);

    for (int gap = 1, at = 0; gap <= 2; gap++) {
        until_sounding(h, &at);
        host_stall(h, true);
        for (int i = 0; i < 3 * RATE / 2; i += 256) play_on(h, &at, 256);
        CHECK(h->control[FENBY_PORT_OVERRUNS] == gap, "%g overruns after %d", (double)h->control[FENBY_PORT_OVERRUNS],
              gap);
        host_stall(h, false);
        host_rest(h);
        for (int i = 0; i < RATE; i += 256) {
            host_play(h, NULL, 256);
            host_rest(h);
        }
        CHECK(host_hanging(h) == 0, "%d notes hang after a gap", host_hanging(h));
    }
    CHECK(h->control[FENBY_PORT_OVERRUNS] == 2, "%g overruns, not 2", (double)h->control[FENBY_PORT_OVERRUNS]);
    check_promises(h, "a starved worker");
    host_restart(h);
    host_play(h, NULL, 0);
    CHECK(h->control[FENBY_PORT_OVERRUNS] == 0 && h->control[FENBY_PORT_LATE_EVENTS] == 0 &&
              h->control[FENBY_PORT_WORKER_LOAD] == 0,
          "%g overruns, %g late events, a load of %g after a new start", (double)h->control[FENBY_PORT_OVERRUNS],
          (double)h->control[FENBY_PORT_LATE_EVENTS], (double)h->control[FENBY_PORT_WORKER_LOAD]);
    host_close(h);
    host_close(bounced);
}

// The load is the part of the time that the worker takes, which here is nearly all that run() does.
static void test_load(void)
{
    enum { BLOCKS = N / 256 };
    host *h = host_open((host_config){.synchronous = true});
    double shown = 0, taken_s = 0;
    for (int i = 0; i < BLOCKS; i++) {
        const double start_s = test_now_s();
        host_play(h, music + 256 * i, 256);
        taken_s += test_now_s() - start_s;
        shown += h->control[FENBY_PORT_WORKER_LOAD] / 100 / BLOCKS;
    }
    const double load = taken_s * RATE / N;
    CHECK(shown > fmin(load, 1) / 2 && shown < 2 * load, "a load of %g is shown as %g on the mean", load, shown);
    host_close(h);
}

static void test_channel(void)
{
    host *h = host_open((host_config){0});
    h->control[FENBY_PORT_PARAMETERS + FENBY_MIDI_CHANNEL] = 16;
    int at = 0;
    until_sounding(h, &at);
    CHECK((h->events[0].bytes[0] & 0x0f) == 15, "channel %d", (h->events[0].bytes[0] & 0x0f) + 1);
    h->control[FENBY_PORT_PARAMETERS + FENBY_MIDI_CHANNEL] = 1;
    const int notes = h->notes;
    for (int i = 0; i < N / 256 && h->notes < notes + FEW; i++) {
        play_on(h, &at, 256);
        host_rest(h);
    }
    int on_first = 0;
    for (int i = 0; i < h->n_events; i++) on_first += h->events[i].bytes[0] == 0x90;
    CHECK(on_first == h->notes - notes && on_first >= FEW, "%d notes, %d on the new channel", h->notes - notes, on_first);
    h->control[FENBY_PORT_ENABLED] = 0;
    host_play(h, NULL, 256);
    check_promises(h, "a change of channel");
    CHECK(host_hanging(h) == 0, "%d notes hang", host_hanging(h));
    host_close(h);
}

// The same notes on channels of their own, and a bounce again has the same bends.
static void test_bends(void)
{
    host *plain = host_open((host_config){0}), *h = host_open((host_config){0}), *again;
    bounce(plain, 256, 1);
    h->control[FENBY_PORT_PARAMETERS + FENBY_BENDS] = FENBY_BENDS_MPE;
    bounce(h, 64, 1);
    check_promises(h, "bends");
    CHECK(plain->bends == 0, "%d bends without being asked", plain->bends);
    CHECK(h->bends > 10, "%d bends", h->bends);
    int i = 0, on_channel[16] = {0}, shared = 0, different = 0;
    for (int k = 0; k < h->n_events; k++) {
        const host_event *e = &h->events[k], *wanted = &plain->events[i];
        const int status = e->bytes[0] & 0xf0, channel = e->bytes[0] & 0x0f;
        if (status != 0x80 && status != 0x90) continue;
        on_channel[channel] += status == 0x90 ? 1 : -1;
        shared += on_channel[channel] > 1;
        different += i++ >= plain->n_events || wanted->frame != e->frame || status != wanted->bytes[0] ||
                     memcmp(e->bytes + 1, wanted->bytes + 1, 2);
    }
    CHECK(i == plain->n_events && different == 0, "%d of %d events differ without bends", different, i);
    CHECK(shared == 0 && on_channel[0] == 0, "%d times two notes share a channel", shared);
    again = host_open((host_config){0});
    again->control[FENBY_PORT_PARAMETERS + FENBY_BENDS] = FENBY_BENDS_MPE;
    for (i = 0; i < N / 3; i += 512) {  // live
        host_play(again, music + i, 512);
        host_rest(again);
    }
    const int before = again->n_events;
    bounce(again, 0, 3);
    int same = 0;
    for (i = 0; i < h->n_events && i < again->n_events; i++)
        same += !memcmp(h->events[h->n_events - 1 - i].bytes, again->events[again->n_events - 1 - i].bytes, 3);
    CHECK(before > 0 && same == h->n_events, "%d of %d messages come again, after %d", same, h->n_events, before);
    host_close(again);
    host_close(h);
    host_close(plain);
}

// --- models and states ---------------------------------------------------------------------------------------

static void copy_file(const char *from, const char *to, bool damage)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    REQUIRE(in && out, "%s to %s: %s", from, to, strerror(errno));
    for (int c, i = 0; (c = getc(in)) != EOF; i++) putc(damage && i == 5000 ? c ^ 1 : c, out);
    fclose(in);
    fclose(out);
}

static void settle(host *h)
{
    for (int i = 0; i < 4; i++) {
        host_play(h, NULL, 64);
        host_rest(h);
    }
}

// Whether all notes that sound now have ended when as much music has passed as the latency and a hop are long,
// much less than they are.
static bool end_soon(host *h, int *at)
{
    const int first = h->n_events;
    const int64_t until = h->frames + (int64_t)h->control[FENBY_PORT_LATENCY] + RATE / 50;
    bool sounded[128];
    for (int key = 0; key < 128; key++) sounded[key] = h->sounding[0][key];
    while (h->frames < until) {
        play_on(h, at, 64);
        host_rest(h);
    }
    for (int i = first; i < h->n_events; i++)
        if (h->events[i].bytes[0] == 0x80) sounded[h->events[i].bytes[1]] = false;
    for (int key = 0; key < 128; key++)
        if (sounded[key]) return false;
    return true;
}

static LilvState *state_of(host *h)
{
    LilvState *state = lilv_state_new_from_instance(h->plugin, h->instance, &h->map, folder, folder, folder,
                                                    folder, NULL, NULL, 0, NULL);
    REQUIRE(state, "no state");
    return state;
}

// Another model ends the notes, the same one again does not.
static void test_swap_ends_notes(void)
{
    enum { NOTHING, RESTORED, SET, SWAPPED, CASES };
    static const char *const failures[CASES] = {"short notes", "the state it has ends notes",
                                                "the model it has ends notes",
                                                "notes sound on in another model"};
    for (int i = 0; i < CASES; i++) {
        host *h = host_open((host_config){0});
        int at = 0;
        until_sounding(h, &at);
        LilvState *state = state_of(h);
        if (i == RESTORED) lilv_state_restore(state, h->instance, NULL, NULL, 0, NULL);
        if (i == SET) host_send_model(h, "");
        if (i == SWAPPED) host_send_model(h, in_folder("model.fnw"));
        CHECK(end_soon(h, &at) == (i == SWAPPED), "%s", failures[i]);
        lilv_state_free(state);
        host_close(h);
    }
}

static void test_model(void)
{
    host *h = host_open((host_config){0});
    int at = 0;
    until_sounding(h, &at);
    const char *model = in_folder("model.fnw");
    host_send_model(h, model);
    for (int i = 0; i < 8; i++) {
        play_on(h, &at, 256);
        host_rest(h);
    }
    CHECK(!strcmp(h->model, model), "the model is '%s'", h->model);
    CHECK(h->log_lines == 0, "%s", h->log);
    until_sounding(h, &at);

    const char *const bad[] = {"/nowhere/missing.fnw", in_folder("damaged.fnw"), "/dev/null", "/"};
    for (int i = 0; i < 4; i++) {
        const int lines = h->log_lines;
        host_send(h, h->urids.watch);
        host_send_model(h, bad[i]);
        settle(h);
        CHECK(h->log_lines == lines + 1 && strstr(h->log, bad[i]), "%s: '%s'", bad[i], h->log);
        CHECK(strstr(h->message, bad[i]), "%s: '%s'", bad[i], h->message);
        CHECK(!strcmp(h->model, model), "%s: the model is '%s'", bad[i], h->model);
    }
    h->control[FENBY_PORT_ENABLED] = 0;
    settle(h);
    check_promises(h, "another model");
    CHECK(host_hanging(h) == 0, "%d notes hang", host_hanging(h));
    host_close(h);
}

static void test_state(void)
{
    host *h = host_open((host_config){0}), *other = host_open((host_config){0});
    const char *model = in_folder("model.fnw");
    host_send_model(h, model);
    settle(h);
    LilvState *state = state_of(h);
    char *text = lilv_state_to_string(h->world, &h->map, &h->unmap, state, "urn:fenby:test-state", NULL);
    CHECK(text && strstr(text, "model.fnw"), "%s", text);
    LilvState *read = text ? lilv_state_new_from_string(other->world, &other->map, text) : NULL;
    REQUIRE(read, "the state cannot be read");
    lilv_state_restore(read, other->instance, NULL, NULL, 0, NULL);
    settle(other);
    CHECK(!strcmp(other->model, model), "the model is '%s'", other->model);

    // A preset says nothing of the model.
    const char preset[] =
        "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .\n"
        "@prefix pset: <http://lv2plug.in/ns/ext/presets#> .\n"
        "<urn:fenby:test-preset> a pset:Preset ; lv2:appliesTo <" FENBY_LV2_URI "> .\n";
    LilvState *empty = lilv_state_new_from_string(other->world, &other->map, preset);
    if (empty) lilv_state_restore(empty, other->instance, NULL, NULL, 0, NULL);
    settle(other);
    CHECK(empty && !strcmp(other->model, model), "after a preset the model is '%s'", other->model);

    // The file is gone when the session is opened; saving must not forget it.
    unlink(in_folder("model.fnw"));
    host *third = host_open((host_config){0});
    lilv_state_restore(read, third->instance, NULL, NULL, 0, NULL);
    settle(third);
    CHECK(third->log_lines == 1, "%d lines of log", third->log_lines);
    host_send_model(third, "/nowhere/missing.fnw");
    settle(third);
    CHECK(third->log_lines == 2 && !*third->model, "the model is '%s'", third->model);
    LilvState *kept = state_of(third);
    char *kept_text =
        lilv_state_to_string(third->world, &third->map, &third->unmap, kept, "urn:fenby:test-state", NULL);
    CHECK(kept_text && strstr(kept_text, "model.fnw"), "%s", kept_text);
    copy_file("nn/weights/default.fnw", in_folder("model.fnw"), false);

    free(text);
    free(kept_text);
    lilv_state_free(state);
    lilv_state_free(read);
    lilv_state_free(empty);
    lilv_state_free(kept);
    host_close(h);
    host_close(other);
    host_close(third);
}

// Whether the plugin uses this model and would save it.
static void check_model(host *h, const char *model, const char *when)
{
    LilvState *state = state_of(h);
    char *text = lilv_state_to_string(h->world, &h->map, &h->unmap, state, "urn:fenby:test-state", NULL);
    CHECK(!strcmp(h->model, model), "%s: the model is '%s'", when, h->model);
    CHECK(text && strstr(text, strrchr(model, '/')), "%s: saved is %s", when, text);
    free(text);
    lilv_state_free(state);
}

static atomic_bool slow_disk, reading;

// The plugin asks for a file's time before it reads it.
__attribute__((visibility("default"))) int stat(const char *restrict path, struct stat *restrict status)
{
    while (strstr(path, "slow.fnw") && atomic_load(&slow_disk)) {
        atomic_store(&reading, true);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return fstatat(AT_FDCWD, path, status, 0);
}

// A state that is restored after another model was set, while that one is being loaded or yet to be loaded, counts.
static void test_restore_while_loading(void)
{
    host *h = host_open((host_config){0}), *other = host_open((host_config){0});
    const char *model = in_folder("model.fnw"), *slow = in_folder("slow.fnw");
    copy_file("nn/weights/default.fnw", slow, false);
    host_send_model(other, model);
    settle(other);
    LilvState *state = state_of(other);

    atomic_store(&slow_disk, true);
    host_send_model(h, slow);
    for (int i = 0; i < 5000 && !atomic_load(&reading); i++) {
        host_play(h, NULL, 64);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    CHECK(atomic_load(&reading), "the model is not read");
    lilv_state_restore(state, h->instance, NULL, NULL, 0, NULL);
    atomic_store(&slow_disk, false);
    host_rest(h);
    settle(h);
    check_model(h, model, "being loaded");

    h->drops = true;
    host_send_model(h, slow);
    settle(h);
    lilv_state_restore(state, h->instance, NULL, NULL, 0, NULL);
    lilv_instance_deactivate(h->instance);
    h->drops = false;
    lilv_instance_activate(h->instance);
    settle(h);
    check_model(h, model, "to be loaded");
    host_send_model(h, slow);
    settle(h);
    check_model(h, slow, "set after it was restored");
    CHECK(h->log_lines == 0, "%s", h->log);
    lilv_state_free(state);
    host_close(h);
    host_close(other);
}

typedef struct {
    const host *host;
    char value[4096];
    uint32_t type, flags;
    size_t size;
} plain_state;

static LV2_State_Status store_plain(LV2_State_Handle handle, uint32_t key, const void *value, size_t size,
                                    uint32_t type, uint32_t flags)
{
    plain_state *s = handle;
    if (key != s->host->urids.model || size > sizeof s->value) return LV2_STATE_ERR_UNKNOWN;
    memcpy(s->value, value, size);
    s->size = size;
    s->type = type;
    s->flags = flags;
    return LV2_STATE_SUCCESS;
}

static const void *retrieve_plain(LV2_State_Handle handle, uint32_t key, size_t *size, uint32_t *type,
                                  uint32_t *flags)
{
    plain_state *s = handle;
    if (key != s->host->urids.model) return NULL;
    *size = s->size;
    *type = s->type;
    *flags = s->flags;
    return s->value;
}

// A host that has no mapPath: the path is kept as it is, and is said not to be portable. What is no path at all
// is refused.
static void test_plain_state(void)
{
    static const LV2_Feature *const none[] = {NULL};
    host *h = host_open((host_config){0}), *other = host_open((host_config){0});
    const char *model = in_folder("model.fnw");
    host_send_model(h, model);
    settle(h);
    plain_state state = {.host = h};
    const LV2_State_Interface *interface = lilv_instance_get_extension_data(h->instance, LV2_STATE__interface);
    REQUIRE(interface, "no state interface");
    CHECK(interface->save(h->instance->lv2_handle, store_plain, &state, 0, none) == LV2_STATE_SUCCESS &&
              state.type == h->urids.atom_path && !strcmp(state.value, model) &&
              !(state.flags & LV2_STATE_IS_PORTABLE),
          "saved '%s', type %u, flags %u", state.value, state.type, state.flags);
    state.host = other;
    state.type = other->urids.atom_path;
    const LV2_Handle instance = other->instance->lv2_handle;
    CHECK(interface->restore(instance, retrieve_plain, &state, 0, none) == LV2_STATE_SUCCESS, "not restored");
    settle(other);
    CHECK(!strcmp(other->model, model), "the model is '%s'", other->model);
    state.type = other->urids.atom_float;
    CHECK(interface->restore(instance, retrieve_plain, &state, 0, none) == LV2_STATE_ERR_BAD_TYPE, "taken");
    state.type = other->urids.atom_path;
    state.size = 3;
    CHECK(interface->restore(instance, retrieve_plain, &state, 0, none) != LV2_STATE_SUCCESS, "no end taken");
    settle(other);
    CHECK(!strcmp(other->model, model) && other->log_lines == 0, "the model is '%s'", other->model);
    host_close(h);
    host_close(other);
}

static int values_set, values_refused;

// As some hosts do, takes nothing but floats.
static void set_value(const char *symbol, void *user, const void *value, uint32_t size, uint32_t type)
{
    host *h = user;
    const int parameter = fenby_parameter_find(symbol);
    const bool good = parameter >= 0 && type == h->urids.atom_float && size == sizeof(float);
    if (good) memcpy(&h->control[FENBY_PORT_PARAMETERS + parameter], value, sizeof(float));
    values_set += good;
    values_refused += !good;
}

// Each preset is found by a host for both variants, has a label, and sets ports.
static void test_presets(bool stereo)
{
    host *h = host_open((host_config){.stereo = stereo});
    LilvNode *type = lilv_new_uri(h->world, "http://lv2plug.in/ns/ext/presets#Preset");
    LilvNodes *presets = lilv_plugin_get_related(h->plugin, type);
    CHECK(lilv_nodes_size(presets) >= 7, "%u presets", lilv_nodes_size(presets));
    bool guitar = false;
    LILV_FOREACH(nodes, i, presets)
    {
        const LilvNode *preset = lilv_nodes_get(presets, i);
        lilv_world_load_resource(h->world, preset);
        LilvState *state = lilv_state_new_from_world(h->world, &h->map, preset);
        const char *label = state ? lilv_state_get_label(state) : NULL;
        values_set = values_refused = 0;
        if (state) lilv_state_emit_port_values(state, set_value, h);
        CHECK(label && values_set >= 5 && values_refused == 0, "%s: %d values set, %d refused",
              lilv_node_as_string(preset), values_set, values_refused);
        if (label && !strcmp(label, "Guitar")) {
            guitar = true;
            CHECK(h->control[FENBY_PORT_PARAMETERS + FENBY_MAXIMUM_POLYPHONY] == 6, "%g strings",
                  (double)h->control[FENBY_PORT_PARAMETERS + FENBY_MAXIMUM_POLYPHONY]);
        }
        lilv_state_free(state);
    }
    CHECK(guitar, "no guitar");
    lilv_nodes_free(presets);
    lilv_node_free(type);
    host_close(h);
}

// --- what did I just play? -----------------------------------------------------------------------------------

static void test_save(void)
{
    host *h = host_open((host_config){0});
    const char *path = in_folder("saved.mid");
    host_send(h, h->urids.watch);
    host_send_save(h, path);
    host_await_message(h);
    CHECK(strstr(h->message, "no notes"), "'%s'", h->message);
    h->control[FENBY_PORT_PARAMETERS + FENBY_MIDI_CHANNEL] = 12;
    bounce(h, 1024, 1);
    host_send_save(h, path);
    host_await_message(h);
    midi_read_file(&saved, path);
    CHECK(!*saved.error, "%s: %s", path, saved.error);
    const int on = midi_count_notes(&saved);
    CHECK(on == h->notes, "%d notes saved, %d played", on, h->notes);
    int elsewhere = 0;
    for (size_t i = 0; i < saved.count; i++) elsewhere += (saved.event[i].status & 0x0f) != 11;
    CHECK(elsewhere == 0, "%d of %zu messages are on another channel", elsewhere, saved.count);
    CHECK(saved.count == 2 * (size_t)on && saved.event[0].tick == 0, "%zu events, the first at %ld",
          saved.count, (long)saved.event[0].tick);
    host_send_save(h, "/nowhere/saved.mid");
    host_await_message(h);
    CHECK(strstr(h->message, "/nowhere/saved.mid"), "'%s'", h->message);
    host_close(h);
}

// A note as it is sent, from one frame to another.
static void add_recent(fenby_recent_notes *notes, int64_t from, int64_t to, int key, int channel)
{
    fenby_recent_notes_add(notes, &(fenby_sent_note){from, (uint8_t)key, 100, (uint8_t)channel});
    fenby_recent_notes_add(notes, &(fenby_sent_note){to, (uint8_t)key, 0, (uint8_t)channel});
}

static int save_recent(const fenby_recent_notes *notes, fenby_notes_range range, int64_t now)
{
    char error[256] = "";
    const char *path = in_folder("recent.mid");
    const int n = fenby_recent_notes_save(notes, path, &range, now, "", error, sizeof error);
    CHECK(n >= 0, "%s", error);
    midi_read_file(&saved, path);
    CHECK(!*saved.error && midi_count_notes(&saved) == n, "%d notes, %d in the file (%s)", n, midi_count_notes(&saved),
          saved.error);
    return n;
}

static void check_saved(size_t i, int64_t ms, int status, int key)
{
    const midi_event *e = &saved.event[i];
    const int64_t tick = ms * FENBY_TICKS_PER_SECOND / 1000;
    CHECK(i < saved.count && e->tick == tick && e->status == status && e->key == key,
          "event %zu of %zu: status %x, key %d at %ld, expected %x, %d at %ld", i, saved.count, (unsigned)e->status,
          e->key, (long)e->tick, (unsigned)status, key, (long)tick);
}

// What is kept of a long evening, in milliseconds: the notes that began in the last ten minutes. Of a part of them,
// those that began within, to their ends, on the channel that they were on.
static void test_recent_notes(void)
{
    enum { MINUTE = 60000, NOW = 30 * MINUTE, OLDEST = 20 * MINUTE, MOST_KEPT = 1 << 14 };
    static const fenby_notes_range all = {INT64_MIN, INT64_MAX, 0, 127};
    fenby_recent_notes *notes = fenby_recent_notes_new(1000);
    REQUIRE(notes, "no memory");
    add_recent(notes, 5000, 6000, 60, 3);
    add_recent(notes, OLDEST - 1, OLDEST + 500, 61, 3);
    add_recent(notes, OLDEST, OLDEST + 700, 62, 3);
    add_recent(notes, NOW - 2000, NOW - 1000, 64, 3);
    fenby_recent_notes_add(notes, &(fenby_sent_note){NOW - 300, 65, 90, 3});  // sounds on
    CHECK(save_recent(notes, all, NOW) == 3, "%zu events", saved.count);
    check_saved(0, 0, 0x92, 62);
    check_saved(1, 700, 0x82, 62);
    check_saved(2, 10 * MINUTE - 2000, 0x92, 64);
    check_saved(3, 10 * MINUTE - 1000, 0x82, 64);
    check_saved(4, 10 * MINUTE - 300, 0x92, 65);
    check_saved(5, 10 * MINUTE, 0x82, 65);

    fenby_recent_notes_add(notes, &(fenby_sent_note){NOW + 100, 65, 0, 3});
    add_recent(notes, NOW + 200, NOW + 300, 64, 9);
    const fenby_notes_range part = {NOW - 2000, NOW - 300, 64, 65};
    CHECK(save_recent(notes, part, NOW + 1000) == 2, "%zu events", saved.count);
    check_saved(0, 0, 0x92, 64);
    check_saved(1, 1000, 0x82, 64);
    check_saved(2, 1700, 0x92, 65);
    check_saved(3, 2100, 0x82, 65);

    // More than there is room for: the oldest go, one that has lost its beginning too.
    for (int i = 0; i < 2 * MOST_KEPT; i++) add_recent(notes, NOW + 1000 + 10 * i, NOW + 1005 + 10 * i, 48 + i % 2, 1);
    const int64_t now = NOW + 1000 + 20 * MOST_KEPT;
    CHECK(save_recent(notes, all, now) == MOST_KEPT, "%zu events", saved.count);
    fenby_recent_notes_add(notes, &(fenby_sent_note){now, 50, 90, 1});
    CHECK(save_recent(notes, all, now + 10) == MOST_KEPT, "%zu events", saved.count);
    check_saved(0, 0, 0x90, 49);
    fenby_recent_notes_free(notes);
}

static int masks_set;

mode_t umask(mode_t mask)
{
    masks_set++;
    return (mode_t)syscall(SYS_umask, mask);
}

// A file gets the rights that the host's mask leaves, and the mask, which is the whole host's, is left alone.
static void test_rights(void)
{
    fenby_output_file files[2];
    char error[256];
    struct stat status = {0};
    const char *path = in_folder("rights.mid");
    const mode_t before = umask(027);
    masks_set = 0;
    for (int i = 0; i < 2; i++) {
        const bool opened = fenby_output_file_open(&files[i], path, error, sizeof error);
        REQUIRE(opened, "%s", error);
    }
    CHECK(strcmp(files[0].temporary, files[1].temporary), "both are %s", files[0].temporary);
    CHECK(fenby_output_file_close(&files[0], error, sizeof error), "%s", error);
    fenby_output_file_discard(&files[1]);
    CHECK(!stat(path, &status) && (status.st_mode & 07777) == 0640, "mode %o", status.st_mode & 07777);
    CHECK(access(files[0].temporary, F_OK) && access(files[1].temporary, F_OK), "a temporary file is left");
    CHECK(masks_set == 0, "the host's mask was set %d times", masks_set);
    umask(before);
    unlink(path);
}

// A disk that takes its time, here a pipe that nobody reads yet: the notes go on, another file is refused, and
// what was played before is saved as soon as it can be.
static void test_slow_disk(void)
{
    host *h = host_open((host_config){0});
    const char *path = in_folder("slow.mid");
    const int failed = mkfifo(path, 0600);
    REQUIRE(!failed, "%s: %s", path, strerror(errno));
    host_send(h, h->urids.watch);
    bounce(h, 1024, 1);
    h->control[FENBY_PORT_FREEWHEEL] = 0;
    const int before = h->notes;
    host_send_save(h, path);
    for (int i = 0, at = 0; i < 2000 && h->notes < before + FEW; i++) {
        play_on(h, &at, 256);
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    CHECK(h->notes >= before + FEW, "%d notes while the disk takes its time", h->notes - before);
    CHECK(!*h->message, "'%s'", h->message);
    host_send_save(h, in_folder("other.mid"));
    host_await_message(h);
    CHECK(strstr(h->message, "still saving") && strstr(h->message, path), "'%s'", h->message);
    CHECK(access(in_folder("other.mid"), F_OK), "saved all the same");

    midi_read_file(&saved, path);
    CHECK(!*saved.error && midi_count_notes(&saved) == before, "%d notes saved, %d played (%s)",
          midi_count_notes(&saved), before, saved.error);
    host_await_message(h);
    CHECK(strstr(h->message, "saved:") && strstr(h->message, path), "'%s'", h->message);
    unlink(path);
    host_close(h);
}

static atomic_bool is_read;

static void *read_later(void *path)
{
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    atomic_store(&is_read, true);
    midi_read_file(&saved, path);
    return NULL;
}

// The plugin goes only when the notes are saved.
static void test_closing_while_saving(void)
{
    host *h = host_open((host_config){0});
    char *path = strdup(in_folder("late.mid"));
    const int failed = !path || mkfifo(path, 0600);
    REQUIRE(!failed, "late.mid: %s", strerror(errno));
    bounce(h, 1024, 1);
    const int before = h->notes;
    h->control[FENBY_PORT_FREEWHEEL] = 0;
    host_send_save(h, path);
    settle(h);
    pthread_t reader;
    const int no_reader = pthread_create(&reader, NULL, read_later, path);
    REQUIRE(!no_reader, "no thread");
    host_free_plugin(h);
    CHECK(atomic_load(&is_read), "the plugin has gone before its file was read");
    host_close(h);
    pthread_join(reader, NULL);
    CHECK(!*saved.error && midi_count_notes(&saved) == before, "%d notes saved, %d played (%s)",
          midi_count_notes(&saved), before, saved.error);
    unlink(path);
    free(path);
}

// --- audio through -------------------------------------------------------------------------------------------

static float through[N];

static void run_through(host *h, bool in_place)
{
    if (in_place) lilv_instance_connect_port(h->instance, FENBY_PORT_AUDIO + 1, h->audio[0]);
    unsigned long long state = 3;
    for (uint32_t at = 0, n; at < N; at += n) {
        n = random_block(&state);
        if (n > N - at) n = N - at;
        host_play(h, music + at, n);
        memcpy(through + at, h->audio[in_place ? 0 : 1], n * sizeof *through);
    }
}

static int differences(uint32_t delay)
{
    int n = 0;
    for (uint32_t i = 0; i < N; i++) n += through[i] != (i < delay ? 0 : music[i - delay]);
    return n;
}

static void test_thru(void)
{
    for (int in_place = 0; in_place < 2; in_place++) {
        host *h = host_open((host_config){.synchronous = true});
        run_through(h, in_place);
        const uint32_t latency = (uint32_t)h->control[FENBY_PORT_LATENCY];
        CHECK(latency > 1000 && differences(latency) == 0, "aligned: %d samples differ", differences(latency));
        host_close(h);
        h = host_open((host_config){.synchronous = true});
        h->control[FENBY_PORT_THRU] = FENBY_THRU_DIRECT;
        run_through(h, in_place);
        CHECK(differences(0) == 0, "direct: %d samples differ", differences(0));
        host_close(h);
    }
}

// A new start begins in silence with the delay that is set: no sound of before, and no fade from what was.
static void test_thru_again(void)
{
    host *h = host_open((host_config){.synchronous = true});
    const uint32_t n = N / 4 / 256 * 256;
    for (int i = 0; i < 4; i++) {
        const bool aligned = i > 0;
        if (i == 3) {  // in the middle of a fade
            h->control[FENBY_PORT_THRU] = FENBY_THRU_DIRECT;
            host_play(h, music, 64);
        }
        h->control[FENBY_PORT_THRU] = aligned ? FENBY_THRU_ALIGNED : FENBY_THRU_DIRECT;
        host_restart(h);
        int different = 0;
        for (uint32_t at = 0; at < n; at += 256) {
            host_play(h, music + N / 2 + at, 256);
            const uint32_t delay = aligned ? (uint32_t)h->control[FENBY_PORT_LATENCY] : 0;
            for (uint32_t k = at; k < at + 256; k++)
                different += h->audio[1][k - at] != (k < delay ? 0 : music[N / 2 + k - delay]);
        }
        CHECK(different == 0, "start %d: %d of %u samples differ", i, different, n);
    }
    host_close(h);
}

static void test_stereo_thru(void)
{
    for (int only = 1; only <= 2; only++) {
        host *h = host_open((host_config){.synchronous = true, .stereo = true, .only_channel = only});
        h->control[FENBY_PORT_THRU] = FENBY_THRU_DIRECT;
        int n_differences = 0;
        for (int at = 0; at < RATE; at += 256) {
            host_play(h, music + at, 256);
            for (int channel = 0; channel < 2; channel++)
                n_differences += memcmp(h->audio[channel], h->audio[2 + channel], 256 * sizeof *music) != 0;
        }
        CHECK(n_differences == 0, "channel %d: %d blocks come out of the other, or changed", only, n_differences);
        host_close(h);
    }
}

// A change of the delay is faded: a slow sine stays smooth.
static void test_no_click(void)
{
    host *h = host_open((host_config){.synchronous = true});
    float before = 0, steepest = 0, wave[64];
    for (int block = 0, i = 0; block < 3000; block++) {
        if (block % 500 == 400) h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = (float)(block / 500 % 3);
        if (block == 2800) host_send_model(h, in_folder("model.fnw"));
        for (int k = 0; k < 64; k++, i++) wave[k] = (float)sin(2 * M_PI * 50 * i / RATE);
        host_play(h, wave, 64);
        for (int k = 0; k < 64; k++) {
            steepest = fmaxf(steepest, fabsf(h->audio[1][k] - before));
            before = h->audio[1][k];
        }
    }
    CHECK(steepest > 0.006f && steepest < 0.02f, "a step of %g", (double)steepest);  // the sine's own: 0.0065
    host_close(h);
}

static void test_latency(void)
{
    host *h = host_open((host_config){.block = 64});
    host_play(h, NULL, 0);
    const float first = h->control[FENBY_PORT_LATENCY];
    // Hosts ask with no frames, and none have come yet.
    float of_mode[FENBY_N_MODES];
    for (int mode = 0; mode < FENBY_N_MODES; mode++) {
        h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = (float)mode;
        host_play(h, NULL, 0);
        of_mode[mode] = h->control[FENBY_PORT_LATENCY];
    }
    for (int i = 0; i < 40; i++) {
        host_play(h, NULL, 64);
        host_rest(h);
    }
    CHECK(h->control[FENBY_PORT_LATENCY] == of_mode[FENBY_MODE_STUDIO], "latency in studio %g, at once %g",
          (double)h->control[FENBY_PORT_LATENCY], (double)of_mode[FENBY_MODE_STUDIO]);
    CHECK(of_mode[FENBY_MODE_LIVE] == first && of_mode[FENBY_MODE_TIGHT] < first &&
              of_mode[FENBY_MODE_STUDIO] > first,
          "latencies %g, %g, %g", (double)of_mode[0], (double)of_mode[1], (double)of_mode[2]);
    h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = FENBY_MODE_LIVE;
    int32_t block = 1024;
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, h->urids.nominal_block, sizeof block, h->urids.atom_int, &block},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    int at = 0;
    until_sounding(h, &at);
    CHECK(h->options_interface->set(h->instance->lv2_handle, options) == LV2_OPTIONS_SUCCESS, "refused");
    host_play(h, NULL, 64);
    CHECK(h->control[FENBY_PORT_LATENCY] == first + 1024 - 64, "latency %g, then %g", (double)first,
          (double)h->control[FENBY_PORT_LATENCY]);
    CHECK(host_hanging(h) == 0, "%d notes hang", host_hanging(h));
    h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = FENBY_MODE_STUDIO;
    for (int i = 0; i < 40; i++) {
        host_play(h, music, 256);
        host_rest(h);
    }
    CHECK(h->control[FENBY_PORT_LATENCY] > first + 1024, "latency %g", (double)h->control[FENBY_PORT_LATENCY]);
    LV2_Options_Option asked[] = {
        {LV2_OPTIONS_INSTANCE, 0, h->urids.nominal_block, 0, 0, NULL},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    CHECK(h->options_interface->get(h->instance->lv2_handle, asked) == LV2_OPTIONS_SUCCESS &&
              *(const int32_t *)asked[0].value == 1024,
          "the block length is not told");
    const float studio = h->control[FENBY_PORT_LATENCY];
    block = 64;
    CHECK(h->options_interface->set(h->instance->lv2_handle, options) == LV2_OPTIONS_SUCCESS, "refused");
    host_play(h, music, 64);
    CHECK(h->control[FENBY_PORT_LATENCY] == studio - (1024 - 64), "studio with another block: latency %g, then %g",
          (double)studio, (double)h->control[FENBY_PORT_LATENCY]);
    host_close(h);
}

static uint32_t set_block(host *h, LV2_URID key, int32_t frames)
{
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, key, sizeof frames, h->urids.atom_int, &frames},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    return h->options_interface->set(h->instance->lv2_handle, options);
}

// What the plugin says of both lengths, and by which one it reckons.
static void check_blocks(host *h, int32_t nominal, int32_t most, float latency)
{
    LV2_Options_Option asked[] = {
        {LV2_OPTIONS_INSTANCE, 0, h->urids.nominal_block, 0, 0, NULL},
        {LV2_OPTIONS_INSTANCE, 0, h->urids.max_block, 0, 0, NULL},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    const uint32_t status = h->options_interface->get(h->instance->lv2_handle, asked);
    REQUIRE(status == LV2_OPTIONS_SUCCESS, "status %u", status);
    for (int i = 0; i < 2; i++) {
        const int32_t told = *(const int32_t *)asked[i].value, expected = i ? most : nominal;
        CHECK(asked[i].type == h->urids.atom_int && asked[i].size == sizeof told && told == expected,
              "length %d is %d, expected %d", i, told, expected);
    }
    host_play(h, NULL, 0);
    CHECK(h->control[FENBY_PORT_LATENCY] == latency, "latency %g, expected %g",
          (double)h->control[FENBY_PORT_LATENCY], (double)latency);
}

// The nominal block length counts once the host has named it, as long as it is none that the longest rules out.
static void test_block_options(void)
{
    host *h = host_open((host_config){.block = 64});
    host_play(h, NULL, 0);
    const float first = h->control[FENBY_PORT_LATENCY];
    check_blocks(h, 64, 64, first);
    CHECK(set_block(h, h->urids.max_block, 512) == LV2_OPTIONS_SUCCESS, "refused");
    check_blocks(h, 512, 512, first + 512 - 64);
    CHECK(set_block(h, h->urids.nominal_block, 256) == LV2_OPTIONS_SUCCESS, "refused");
    check_blocks(h, 256, 512, first + 256 - 64);
    CHECK(set_block(h, h->urids.max_block, 8192) == LV2_OPTIONS_SUCCESS, "refused");
    check_blocks(h, 256, 8192, first + 256 - 64);
    CHECK(set_block(h, h->urids.max_block, 128) == LV2_OPTIONS_SUCCESS, "refused");
    check_blocks(h, 128, 128, first + 128 - 64);
    CHECK(set_block(h, h->urids.max_block, 8192) == LV2_OPTIONS_SUCCESS, "refused");
    check_blocks(h, 128, 8192, first + 128 - 64);
    CHECK(set_block(h, h->urids.nominal_block, 256) == LV2_OPTIONS_SUCCESS, "refused");
    CHECK(set_block(h, h->urids.max_block, 0) == LV2_OPTIONS_ERR_BAD_VALUE, "a length of 0 is taken");
    CHECK(set_block(h, h->urids.scale_factor, 1) != LV2_OPTIONS_SUCCESS, "another option is taken");
    check_blocks(h, 256, 8192, first + 256 - 64);
    host_close(h);
    h = host_open((host_config){.no_options = true});
    host_play(h, NULL, 0);
    check_blocks(h, 1024, 1024, first + 1024 - 64);
    host_close(h);
}

// --- what hosts lack, and what they send ---------------------------------------------------------------------

static void test_missing(void)
{
    host *h = host_open((host_config){.no_map = true});
    CHECK(!h->instance && h->log_lines == 1 && strstr(h->log, "urid#map"), "no urid:map: '%s'", h->log);
    host_close(h);
    h = host_open((host_config){.rate_hz = 1000});
    CHECK(!h->instance && h->log_lines == 1 && strstr(h->log, "1000"), "1000 Hz: '%s'", h->log);
    host_close(h);
    const host_config configs[] = {{.no_worker = true},
                                   {.no_options = true},
                                   {.no_log = true},
                                   {.no_worker = true, .no_options = true, .no_log = true}};
    for (int i = 0; i < 4; i++) {
        h = host_open(configs[i]);
        REQUIRE(h->instance, "refused without something that is optional (%d)", i);
        bounce(h, 1024, 1);
        CHECK(h->notes > FEW && host_hanging(h) == 0, "%d: %d notes, %d hang", i, h->notes, host_hanging(h));
        host_close(h);
    }
    // Ports that the host leaves unconnected, where it may.
    h = host_open((host_config){0});
    for (int i = 0; i < FENBY_PORT_AUDIO; i++) lilv_instance_connect_port(h->instance, (uint32_t)i, NULL);
    for (int i = 0; i < 100; i++) lilv_instance_run(h->instance, 256);
    CHECK(true, "no crash");
    host_close(h);
}

static const void *port_value(const char *symbol, void *user, uint32_t *size, uint32_t *type)
{
    host *h = user;
    LilvNode *const name = lilv_new_string(h->world, symbol);
    const LilvPort *const port = lilv_plugin_get_port_by_symbol(h->plugin, name);
    lilv_node_free(name);
    *size = sizeof *h->control;
    *type = h->map.map(h->map.handle, LV2_ATOM__Float);
    return &h->control[lilv_port_get_index(h->plugin, port)];
}

// What a host saves as a preset is one for `fenby`, too.
static void test_saved_preset(bool stereo)
{
    char error[256] = "";
    fenby_preset preset;
    host *h = host_open((host_config){.stereo = stereo});
    h->control[FENBY_PORT_PARAMETERS + FENBY_MODE] = FENBY_MODE_STUDIO;
    LilvState *state = lilv_state_new_from_instance(h->plugin, h->instance, &h->map, folder, folder, folder, folder,
                                                    port_value, h, 0, NULL);
    REQUIRE(state, "no state");
    lilv_state_set_label(state, "Saved");
    const int status = lilv_state_save(h->world, &h->map, &h->unmap, state, "urn:fenby:test-preset",
                                       in_folder("saved"), "saved.ttl");
    CHECK(status == 0, "it is not saved: %d", status);
    CHECK(fenby_preset_load(in_folder("saved/saved.ttl"), &preset, error, sizeof error), "%s", error);
    int n = 0;
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) n += preset.has[i];
    CHECK(n == FENBY_N_PARAMETERS && preset.parameters.value[FENBY_MODE] == FENBY_MODE_STUDIO, "%d parameters", n);
    remove(in_folder("saved/saved.ttl"));
    remove(in_folder("saved/manifest.ttl"));
    remove(in_folder("saved"));
    lilv_state_free(state);
    host_close(h);
}

// The worker is busy when the host takes the plugin away.
static void test_closing(void)
{
    for (int i = 0; i < 10; i++) {
        host *h = host_open((host_config){.no_worker = i % 2});
        for (int k = 0; k < 20 + i; k++) host_play(h, music + 1024 * k, 1024);
        host_close(h);
    }
    CHECK(true, "no crash");
}

// Bytes that are no messages, and messages that are cut.
static void test_bad_messages(void)
{
    unsigned long long state = 5;
    host *h = host_open((host_config){.synchronous = true});
    for (int i = 0; i < 5000; i++) {
        host_send_model(h, "/nowhere/missing.fnw");
        host_send_position(h, (uint32_t)(test_random(&state) * 300), 12345, 1);
        host_send(h, (LV2_URID)(test_random(&state) * 40));
        lv2_atom_forge_pop(&h->forge, &h->sequence_frame);
        const uint32_t size = h->control_in.sequence.atom.size + (uint32_t)sizeof(LV2_Atom);
        const int n_changes = (int)(test_random(&state) * 6);
        for (int k = 0; k < n_changes; k++)
            h->control_in.bytes[8 + (size_t)(test_random(&state) * (size - 8))] =
                (uint8_t)(256 * test_random(&state));
        if (i % 7 == 0) h->control_in.sequence.atom.size = (uint32_t)(test_random(&state) * size);
        h->midi_out.sequence.atom.size = h->notify_out.sequence.atom.size =
            (uint32_t)(test_random(&state) * 200);
        lilv_instance_run(h->instance, 64);
        host_begin_messages(h);
    }
    CHECK(true, "no crash");
    host_close(h);
}

// --- many ----------------------------------------------------------------------------------------------------

// Of the processor, so that a busy machine does not count.
static double busy_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double memory_mib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void test_many(void)
{
    enum { MANY = 100 };
    static host *hosts[MANY];
    host *base = host_open((host_config){0});
    for (int i = 0; i < MANY; i++) {
        hosts[i] = calloc(1, sizeof *hosts[i]);
        *hosts[i] = *base;
    }
    const double memory = memory_mib(), start_s = busy_s();
    for (int i = 0; i < MANY; i++) {
        host_instantiate(hosts[i]);
        REQUIRE(hosts[i]->instance, "instance %d: %s", i, hosts[i]->log);
        lilv_instance_activate(hosts[i]->instance);
    }
    const double seconds = busy_s() - start_s, each = (memory_mib() - memory) / MANY;
    printf("%d instances: %.2f s, %.1f MiB each\n", MANY, seconds, each);
    CHECK(HOST_SANITIZED || each < 12, "%g MiB each", each);
    CHECK(HOST_SANITIZED || seconds < 2, "%d instances take %g s", MANY, seconds);
    for (int i = 0; i < MANY; i++) {
        lilv_instance_free(hosts[i]->instance);
        free(hosts[i]);
    }
    const char *cycles = getenv("FENBY_CYCLES");
    const int n = cycles ? atoi(cycles) : CYCLES;
    const double before = memory_mib();
    lilv_instance_free(base->instance);
    for (int i = 0; i < n; i++) {
        host_instantiate(base);
        lilv_instance_free(base->instance);
    }
    // Sanitizers keep what was freed, and look for leaks themselves.
    CHECK(HOST_SANITIZED || memory_mib() - before < 4, "%d cycles leave %g MiB", n, memory_mib() - before);
    base->instance = NULL;
    host_close(base);
}

int main(void)
{
    make_folder();
    host_compose(music, N, RATE);
    copy_file("nn/weights/default.fnw", in_folder("model.fnw"), false);
    copy_file("nn/weights/default.fnw", in_folder("damaged.fnw"), true);

    test_missing();
    test_block_lengths();
    test_same_as_fenby();
    test_bounce_again();
    test_live_as_bounced((host_config){.block = 256});
    test_live_as_bounced((host_config){.block = 256, .synchronous = true});
    test_live_as_bounced((host_config){.block = 256, .no_worker = true});
    test_storm((host_config){0}, STORM_BLOCKS);
    test_storm((host_config){.no_worker = true, .stereo = true}, STORM_BLOCKS);
    test_bypass();
    for (int freewheels = 0; freewheels < 2; freewheels++) test_little_room(freewheels);
    for (int restarts = 0; restarts < 2; restarts++) test_ending_with_little_room(restarts);
    test_dropped_job();
    test_second_start();
    test_starved_worker();
    test_load();
    test_notify();
    test_view();
    test_watch_while_sounding();
    test_status();
    test_channel();
    test_bends();
    test_model();
    test_swap_ends_notes();
    test_state();
    test_restore_while_loading();
    test_plain_state();
    test_presets(false);
    test_presets(true);
    test_save();
    test_recent_notes();
    test_rights();
    test_slow_disk();
    test_closing_while_saving();
    test_thru();
    test_thru_again();
    test_stereo_thru();
    test_no_click();
    test_latency();
    test_block_options();
    for (int stereo = 0; stereo < 2; stereo++) test_saved_preset(stereo);
    test_closing();
    test_bad_messages();
    test_many();
    return test_report();
}
