// SPDX-License-Identifier: ISC
// jack_inputs CLIENT N: plays noise into CLIENT:in_1 .. in_N, another loudness into each, until it is told to end (TERM).
// Then it prints for each what came out of CLIENT:thru_1 .. thru_N at the very frame at which it went in:
//     thru NUMBER ALIKE OTHERS
// in frames. In the last quarter of each period the noise is four times as loud as before: its peak is what the loudest
// of its frames have, 0.2, 0.4, 0.6 ... of full scale, and whoever leaves out a part of the period misses it.
//
// It is two clients, for one would make a loop with Fenby, and JACK delays loops by a period.
#include <jack/jack.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 8 };

static jack_client_t *player, *listener;
static jack_port_t *out[MOST], *in[MOST];
static long alike[MOST], others[MOST];
static int n_inputs;
static atomic_bool listens;

// The same for both clients, which have JACK's clock in common.
static float sample_at(int input, jack_nframes_t now, jack_nframes_t i, jack_nframes_t n_frames)
{
    const uint32_t bits = (now + i) * 2654435761u >> 20;
    const float noise = (bits & 1 ? -0.25f : 0.25f) * (float)(1 + (bits >> 1 & 3)), loudness = 0.2f * (float)(input + 1);
    return noise * loudness * (i < n_frames - n_frames / 4 ? 0.25f : 1);
}

static int play(jack_nframes_t n_frames, void *user)
{
    (void)user;
    const jack_nframes_t now = jack_last_frame_time(player);
    for (int k = 0; k < n_inputs; k++) {
        float *const samples = jack_port_get_buffer(out[k], n_frames);
        for (jack_nframes_t i = 0; i < n_frames; i++) samples[i] = sample_at(k, now, i, n_frames);
    }
    return 0;
}

static int listen(jack_nframes_t n_frames, void *user)
{
    (void)user;
    const jack_nframes_t now = jack_last_frame_time(listener);
    for (int k = 0; k < n_inputs && atomic_load(&listens); k++) {
        const float *const samples = jack_port_get_buffer(in[k], n_frames);
        for (jack_nframes_t i = 0; i < n_frames; i++)
            if (samples[i] == sample_at(k, now, i, n_frames)) alike[k]++;
            else others[k]++;
    }
    return 0;
}

static void fail(const char *what)
{
    fprintf(stderr, "jack_inputs: %s\n", what);
    exit(1);
}

static jack_client_t *join(const char *name, JackProcessCallback process)
{
    jack_client_t *const jack = jack_client_open(name, JackNoStartServer, NULL);
    if (!jack || jack_set_process_callback(jack, process, NULL)) fail("no JACK server");
    return jack;
}

static jack_port_t *new_port(jack_client_t *jack, int k, unsigned long flags)
{
    char name[16];
    snprintf(name, sizeof name, "%d", k + 1);
    jack_port_t *const port = jack_port_register(jack, name, JACK_DEFAULT_AUDIO_TYPE, flags, 0);
    if (!port) fail("JACK has no room for more ports");
    return port;
}

static void connect(const char *client, int k)
{
    char its_in[300], its_thru[300];
    snprintf(its_in, sizeof its_in, "%s:in_%d", client, k + 1);
    snprintf(its_thru, sizeof its_thru, "%s:thru_%d", client, k + 1);
    if (jack_connect(player, jack_port_name(out[k]), its_in) || jack_connect(player, its_thru, jack_port_name(in[k])))
        fail("cannot connect the ports");
}

int main(int argc, char **argv)
{
    if (argc != 3 || (n_inputs = atoi(argv[2])) < 1 || n_inputs > MOST) fail("expected CLIENT N");
    sigset_t end;
    int received;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);  // for JACK's threads, too
    player = join("player", play);
    listener = join("listener", listen);
    for (int k = 0; k < n_inputs; k++) {
        out[k] = new_port(player, k, JackPortIsOutput);
        in[k] = new_port(listener, k, JackPortIsInput);
    }
    if (jack_activate(player) || jack_activate(listener)) fail("JACK refuses the client");
    for (int k = 0; k < n_inputs; k++) connect(argv[1], k);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);  // until all connections are made
    atomic_store(&listens, true);
    sigwait(&end, &received);
    atomic_store(&listens, false);
    jack_client_close(listener);
    jack_client_close(player);
    for (int k = 0; k < n_inputs; k++) printf("thru %d %ld %ld\n", k + 1, alike[k], others[k]);
    return 0;
}
