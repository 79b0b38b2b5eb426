// SPDX-License-Identifier: ISC
// jack_ports CLIENT PORT[=ALIAS]...: a JACK client with these MIDI inputs, until it is killed. With "physical" before
// the first they are those of devices.
#include <jack/jack.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int process(jack_nframes_t n_frames, void *user)
{
    (void)n_frames, (void)user;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    const int is_physical = !strcmp(argv[2], "physical");
    jack_client_t *jack = jack_client_open(argv[1], JackNoStartServer, NULL);
    if (!jack) return 1;
    jack_set_process_callback(jack, process, NULL);
    for (int i = 2 + is_physical; i < argc; i++) {
        const unsigned long flags = JackPortIsInput | (is_physical ? JackPortIsPhysical | JackPortIsTerminal : 0);
        char *const alias = strchr(argv[i], '=');
        if (alias) *alias = 0;
        jack_port_t *port = jack_port_register(jack, argv[i], JACK_DEFAULT_MIDI_TYPE, flags, 0);
        if (!port || (alias && jack_port_set_alias(port, alias + 1))) return 1;
    }
    if (jack_activate(jack)) return 1;
    for (;;) pause();
}
