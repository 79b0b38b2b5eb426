// SPDX-License-Identifier: ISC
// jack_player FILE AUDIO_PORT MIDI_PORT TAIL_SECONDS [freewheel|SECONDS]
//
// Plays a sound file, its channels mixed, into a JACK port and prints what comes out of a MIDI port:
//     rate HZ                    JACK's; the file is resampled if it has another
//     began SECONDS              when playing did, since 1970
//     latency FRAMES FRAMES      Fenby's own: what the MIDI port has beyond the audio port, for what is captured; and what
//                                the audio port has beyond ours behind the MIDI port, for what is played
//     midi FRAME B0 B1 B2        in the order of arrival
//     xrun FRAME                 JACK says that somebody was too slow
//     hole FRAME FRAMES          periods that JACK left out for the player: so much of the file was not heard
//     recorder lost FRAMES       the same for the MIDI port
// SECONDS: the file is played again and again for so long. A port "-" stays unconnected. With freewheel the file
// is played as fast as it goes.
//
// Frames are those of JACK's clock since the file's first sample. The file goes on while JACK leaves out periods, as
// a sound card does.
//
// It is two clients, for one would make a loop with Fenby, and JACK delays loops by a period.
#include <errno.h>
#include <jack/jack.h>
#include <jack/midiport.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_EVENTS = 1 << 20, MOST_HOLES = 1 << 20, MOST_XRUNS = 1 << 20 };

typedef struct {
    jack_nframes_t frame;  // on JACK's clock
    uint8_t bytes[3];
} event;

typedef struct {
    int64_t frame, n_frames;
} hole;

static struct {
    jack_client_t *jack;
    jack_port_t *port;
    float *samples;
    int64_t n_samples, n_wanted, n_tail;
    int64_t next;     // what JACK's clock should say
    int64_t missing;  // frames that it was ahead in the last period
    jack_nframes_t start;
    bool is_running;
    hole *holes;
    int n_holes;
} player;

static struct {
    jack_client_t *jack;
    jack_port_t *port;
    event *events;
    int n_events;
    jack_nframes_t next;
    bool is_running;
    int64_t lost;
} recorder;

static jack_nframes_t xruns[MOST_XRUNS];
static int n_xruns;
static atomic_bool may_play, is_done, is_gone;

// --- playing -------------------------------------------------------------------------------------------------

// JACK's clock wraps at 32 bits.
static int64_t since_start(jack_nframes_t frame)
{
    return (int32_t)(frame - player.start);
}

static void play(float *out, jack_nframes_t now, jack_nframes_t n_frames)
{
    memset(out, 0, n_frames * sizeof *out);
    if (!atomic_load(&may_play)) return;
    if (!player.is_running) player.start = now;
    // A period that comes late may have the next one's time: what is missing twice is lost.
    const int64_t missing = player.is_running ? since_start(now) - player.next : 0;
    const int64_t lost = missing < player.missing ? missing : player.missing;
    player.is_running = true;
    player.missing = missing > 0 ? missing : 0;
    if (lost > 0 && player.n_holes < MOST_HOLES) {
        player.holes[player.n_holes++] = (hole){player.next, lost};
        player.missing -= lost;
        player.next += lost;
    }
    for (int64_t i = player.next; i < player.next + n_frames && i < player.n_wanted; i++)
        out[i - player.next] = player.samples[i % player.n_samples];
    player.next += n_frames;
    if (player.next > player.n_wanted + player.n_tail) atomic_store(&is_done, true);
}

static int process_player(jack_nframes_t n_frames, void *user)
{
    (void)user;
    play(jack_port_get_buffer(player.port, n_frames), jack_last_frame_time(player.jack), n_frames);
    return 0;
}

// --- recording -----------------------------------------------------------------------------------------------

static int process_recorder(jack_nframes_t n_frames, void *user)
{
    (void)user;
    jack_midi_event_t in;
    void *midi = jack_port_get_buffer(recorder.port, n_frames);
    const jack_nframes_t now = jack_last_frame_time(recorder.jack);
    if (recorder.is_running) recorder.lost += (int32_t)(now - recorder.next);
    recorder.is_running = true;
    recorder.next = now + n_frames;
    for (uint32_t i = 0; jack_midi_event_get(&in, midi, i) == 0 && recorder.n_events < MOST_EVENTS; i++)
        recorder.events[recorder.n_events++] =
            (event){now + in.time, {in.buffer[0], in.buffer[1], in.buffer[2]}};
    return 0;
}

// --- the program ---------------------------------------------------------------------------------------------

static void on_shutdown(void *user)
{
    (void)user;
    atomic_store(&is_gone, true);
}

static int on_xrun(void *user)
{
    (void)user;
    if (n_xruns < MOST_XRUNS) xruns[n_xruns++] = jack_frame_time(player.jack);
    return 0;
}

static void fail(const char *what)
{
    fprintf(stderr, "jack_player: %s\n", what);
    exit(1);
}

static jack_client_t *join(const char *name, JackProcessCallback process)
{
    jack_client_t *jack = jack_client_open(name, JackNoStartServer, NULL);
    if (!jack) fail("no JACK server");
    jack_set_process_callback(jack, process, NULL);
    jack_on_shutdown(jack, on_shutdown, NULL);
    return jack;
}

static float *room_for(int64_t n_samples)
{
    float *samples = n_samples > 0 ? calloc((size_t)n_samples, sizeof *samples) : NULL;
    if (!samples) fail("no samples, or not enough memory");
    return samples;
}

static void load(const char *path, double tail_s, double seconds)
{
    const double rate_hz = jack_get_sample_rate(player.jack);
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file) fail("expected a sound file");
    float *sound = room_for(info.frames * info.channels);
    const int64_t n_read = sf_readf_float(file, sound, info.frames);
    sf_close(file);
    for (int64_t i = 0; i < n_read; i++) {
        float sum = 0;
        for (int k = 0; k < info.channels; k++) sum += sound[i * info.channels + k];
        sound[i] = sum / (float)info.channels;
    }
    const double ratio = rate_hz / info.samplerate;
    SRC_DATA resampling = {.data_in = sound, .input_frames = n_read, .src_ratio = ratio};
    resampling.output_frames = ratio == 1 ? n_read : (long)((double)n_read * ratio);
    player.samples = resampling.data_out = room_for(resampling.output_frames);
    if (ratio == 1) memcpy(player.samples, sound, (size_t)n_read * sizeof *sound);
    else if (src_simple(&resampling, SRC_SINC_MEDIUM_QUALITY, 1)) fail("cannot resample the file");
    free(sound);

    player.n_samples = resampling.output_frames;
    player.n_wanted = seconds > 0 ? (int64_t)(seconds * rate_hz) : player.n_samples;
    player.n_tail = (int64_t)(tail_s * rate_hz);
    player.holes = calloc(MOST_HOLES, sizeof *player.holes);
    recorder.events = calloc(MOST_EVENTS, sizeof *recorder.events);
    if (!player.holes || !recorder.events) fail("not enough memory");
    printf("rate %.0f\n", rate_hz);
}

static bool is_nothing(const char *port)
{
    return !strcmp(port, "-");
}

static void report_latency(const char *audio_port, const char *midi_port)
{
    jack_latency_range_t in, out, ahead, behind;
    if (is_nothing(audio_port) || is_nothing(midi_port)) return;
    jack_port_t *const audio = jack_port_by_name(player.jack, audio_port);
    jack_port_get_latency_range(audio, JackCaptureLatency, &in);
    jack_port_get_latency_range(jack_port_by_name(player.jack, midi_port), JackCaptureLatency, &out);
    jack_port_get_latency_range(audio, JackPlaybackLatency, &ahead);
    jack_port_get_latency_range(recorder.port, JackPlaybackLatency, &behind);
    printf("latency %d %d\n", (int)(out.max - in.max), (int)(ahead.max - behind.max));
}

static void report_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("began %.6f\n", (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
}

static void report(void)
{
    for (const event *e = recorder.events; e < recorder.events + recorder.n_events; e++)
        printf("midi %lld %d %d %d\n", (long long)since_start(e->frame), e->bytes[0], e->bytes[1], e->bytes[2]);
    for (const jack_nframes_t *x = xruns; x < xruns + n_xruns; x++)
        printf("xrun %lld\n", (long long)since_start(*x));
    for (const hole *h = player.holes; h < player.holes + player.n_holes; h++)
        printf("hole %lld %lld\n", (long long)h->frame, (long long)h->n_frames);
    printf("recorder lost %lld\n", (long long)recorder.lost);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

// Fenby may have been quicker.
static void connect_ports(const char *from, const char *to)
{
    if (is_nothing(from) || is_nothing(to)) return;
    const int result = jack_connect(player.jack, from, to);
    if (result != 0 && result != EEXIST) fail("cannot connect the ports");
}

int main(int argc, char **argv)
{
    if (argc < 5) fail("expected FILE AUDIO_PORT MIDI_PORT TAIL_SECONDS [freewheel|SECONDS]");
    const bool freewheels = argc > 5 && !strcmp(argv[5], "freewheel");
    player.jack = join("player", process_player);
    recorder.jack = join("recorder", process_recorder);
    jack_set_xrun_callback(player.jack, on_xrun, NULL);
    load(argv[1], strtod(argv[4], NULL), argc > 5 && !freewheels ? strtod(argv[5], NULL) : 0);
    player.port = jack_port_register(player.jack, "out", JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput, 0);
    recorder.port = jack_port_register(recorder.jack, "in", JACK_DEFAULT_MIDI_TYPE, JackPortIsInput, 0);
    if (jack_activate(player.jack) || jack_activate(recorder.jack)) fail("JACK refuses the client");
    connect_ports(jack_port_name(player.port), argv[2]);
    connect_ports(argv[3], jack_port_name(recorder.port));
    sleep_ms(200);  // the latencies settle
    report_latency(argv[2], argv[3]);
    if (freewheels && jack_set_freewheel(player.jack, 1)) fail("JACK does not freewheel");
    report_time();
    atomic_store(&may_play, true);
    while (!atomic_load(&is_done) && !atomic_load(&is_gone)) sleep_ms(5);
    if (freewheels) jack_set_freewheel(player.jack, 0);
    jack_client_close(recorder.jack);
    jack_client_close(player.jack);
    report();
    return 0;
}
