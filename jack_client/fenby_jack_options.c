// SPDX-License-Identifier: ISC
#include "fenby_jack_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "fenby_jack_client.h"

const char fenby_jack_help[] =
    "Usage: fenby-jack [OPTION]...\n"
    "Listens to JACK and plays along: audio in, MIDI out, live.\n"
    "\n"
    "  --connect-in PORT|auto   connect this source to the input; auto: what is plugged in. May be repeated\n"
    "  --connect-out PORT|auto  connect the notes to this synth. May be repeated\n"
    "  --name NAME              name in JACK (fenby)\n"
    "  --inputs N               listen to this many inputs, mixed (1)\n"
    "  -p, --preset NAME        settings for an instrument, see --list-presets; or a preset's file\n"
    "  -s, --set NAME=VALUE     one setting, see --list-params. May be repeated\n"
    "  --model FILE             another network (.fnw)\n"
    "  --record FILE.mid        also write the notes to a MIDI file, whole at every moment\n"
    "  --state FILE             take up settings and connections from this file, and keep them there\n"
    "  --midi jack              notes go to JACK (default), or\n"
    "         portmidi[:DEVICE] to a hardware or ALSA synth, see --list-devices, or\n"
    "         both[:DEVICE]     to both\n"
    "  --osc-port PORT|off      remote control (9088)\n"
    "  --osc-address ADDRESS    listen for it there (127.0.0.1: to this machine only)\n"
    "  --no-start-server        never start a JACK server\n"
    "  --wait                   wait for a JACK server, also when it goes\n"
    "  --ui                     open a window; closing it ends the program\n"
    "  --plain                  print lines instead of the live view\n"
    "  -q, --quiet              print errors only\n"
    "  --list-devices           the PortMIDI devices\n"
    "  --list-presets           the presets and what they are for\n"
    "  --list-params            the settings, their ranges and defaults\n"
    "  --version [-v]           the version; with -v also model, arithmetic and latency\n"
    "  -h, --help               this text\n"
    "\n"
    "Ends with 0 when asked to or when the server went, 1 when it could not run, 2 when the command makes no\n"
    "sense. More in fenby-jack(1).\n";

enum {
    CONNECT_IN = 256, CONNECT_OUT, NAME, INPUTS, MODEL, RECORD, STATE, MIDI, OSC_PORT, OSC_ADDRESS,
    NO_START_SERVER, WAIT, WINDOW, PLAIN, LIST_DEVICES, LIST_PRESETS, LIST_PARAMETERS, VERSION,
};

static const struct option long_options[] = {
    {"connect-in", required_argument, NULL, CONNECT_IN},
    {"connect-out", required_argument, NULL, CONNECT_OUT},
    {"name", required_argument, NULL, NAME},
    {"inputs", required_argument, NULL, INPUTS},
    {"preset", required_argument, NULL, 'p'},
    {"set", required_argument, NULL, 's'},
    {"model", required_argument, NULL, MODEL},
    {"record", required_argument, NULL, RECORD},
    {"state", required_argument, NULL, STATE},
    {"midi", required_argument, NULL, MIDI},
    {"osc-port", required_argument, NULL, OSC_PORT},
    {"osc-address", required_argument, NULL, OSC_ADDRESS},
    {"no-start-server", no_argument, NULL, NO_START_SERVER},
    {"wait", no_argument, NULL, WAIT},
    {"ui", no_argument, NULL, WINDOW},
    {"plain", no_argument, NULL, PLAIN},
    {"quiet", no_argument, NULL, 'q'},
    {"list-devices", no_argument, NULL, LIST_DEVICES},
    {"list-presets", no_argument, NULL, LIST_PRESETS},
    {"list-params", no_argument, NULL, LIST_PARAMETERS},
    {"version", no_argument, NULL, VERSION},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

// --- for the state -------------------------------------------------------------------------------------------

// Kinds of what is asked for, in the order in which it is applied.
static const char preset[] = "preset", setting[] = "set", model[] = "model", link_in[] = "in",
                  link_out[] = "out";
static const char *const kinds[] = {preset, setting, model, link_in, link_out};

static bool set(fenby_jack_state *state, const char *text, char *error, size_t error_size)
{
    char symbol[FENBY_SYMBOL_SIZE];
    const char *value;
    return fenby_split_setting(text, symbol, &value, error, error_size) &&
           fenby_jack_state_set(state, symbol, value, error, error_size);
}

// The n-th source goes to the n-th input, round and round.
static bool add_link(const fenby_jack_options *options, fenby_jack_state *state, const char *kind,
                     const char *other, unsigned *n_sources, char *error, size_t error_size)
{
    char ours[32] = "midi_out";
    if (kind == link_in && options->n_inputs == 1) snprintf(ours, sizeof ours, "in");
    else if (kind == link_in) snprintf(ours, sizeof ours, "in_%u", 1 + (*n_sources)++ % options->n_inputs);
    if (fenby_jack_links_add(&state->links, ours, other, FENBY_JACK_ASKED)) return true;
    snprintf(error, error_size, "--connect-%s %s: the name is too long, or the connections too many", kind,
             other);
    return false;
}

static bool use_model(fenby_jack_state *state, const char *path, char *error, size_t error_size)
{
    if ((size_t)snprintf(state->model, sizeof state->model, "%s", path) < sizeof state->model) return true;
    snprintf(error, error_size, "--model: the path is too long");
    return false;
}

bool fenby_jack_options_apply(const fenby_jack_options *options, fenby_jack_state *state, char *error,
                              size_t error_size)
{
    char unused[128];
    const bool was_crossed = !fenby_check_orders(&state->parameters, unused, sizeof unused);
    unsigned n_sources = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (const char **asked = options->asked; *asked; asked += 2) {
            const char *const kind = asked[0], *const value = asked[1];
            bool good = true;
            if (kind != kinds[k]) continue;
            if (kind == preset) good = fenby_jack_state_use_preset(state, value, error, error_size);
            if (kind == setting) good = set(state, value, error, error_size);
            if (kind == model) good = use_model(state, value, error, error_size);
            if (kind == link_in || kind == link_out)
                good = add_link(options, state, kind, value, &n_sources, error, error_size);
            if (!good) return false;
        }
    // Remote control may have left ranges so, between one setting and the next: then it begins nevertheless.
    return was_crossed || fenby_check_orders(&state->parameters, error, error_size);
}

// --- parsing -------------------------------------------------------------------------------------------------

static bool read_number(const char *option, int minimum, int maximum, int *value, char *error,
                        size_t error_size)
{
    return fenby_read_integer(option, optarg, minimum, maximum, value, error, error_size);
}

static bool read_inputs(fenby_jack_options *options, char *error, size_t error_size)
{
    int n;
    if (!read_number("--inputs", 1, FENBY_JACK_MAXIMUM_INPUTS, &n, error, error_size)) return false;
    options->n_inputs = (unsigned)n;
    return true;
}

static bool read_osc_port(fenby_jack_options *options, char *error, size_t error_size)
{
    options->has_osc_port = true;
    options->osc_port = FENBY_JACK_NO_OSC;
    return !strcmp(optarg, "off") || read_number("--osc-port", 1, 65535, &options->osc_port, error, error_size);
}

static bool read_midi(fenby_jack_options *options, char *error, size_t error_size)
{
    const size_t length = strcspn(optarg, ":");
    const bool both = length == 4 && !strncmp(optarg, "both", 4);
    const bool portmidi = both || (length == 8 && !strncmp(optarg, "portmidi", 8));
    options->jack_midi = both || !strcmp(optarg, "jack");
    if (portmidi) options->midi_device = optarg + length + (optarg[length] == ':');
    if (portmidi || options->jack_midi) return true;
    snprintf(error, error_size, "--midi %s: expected jack, portmidi[:DEVICE] or both[:DEVICE]", optarg);
    return false;
}

static void ask(const char ***next, const char *kind)
{
    *(*next)++ = kind;
    *(*next)++ = optarg;
}

static bool take_option(fenby_jack_options *options, int option, const char ***next, char *error,
                        size_t error_size)
{
    switch (option) {
    case CONNECT_IN: ask(next, link_in); return true;
    case CONNECT_OUT: ask(next, link_out); return true;
    case 'p': ask(next, preset); return true;
    case 's': ask(next, setting); return true;
    case MODEL: ask(next, model); return true;
    case NAME: options->name = optarg; return true;
    case INPUTS: return read_inputs(options, error, error_size);
    case RECORD: options->record = optarg; return true;
    case STATE: options->state_file = optarg; return true;
    case MIDI: return read_midi(options, error, error_size);
    case OSC_PORT: return read_osc_port(options, error, error_size);
    case OSC_ADDRESS: options->osc_address = optarg; return true;
    case NO_START_SERVER: options->starts_server = false; return true;
    case WAIT: return options->waits_for_server = true;
    case WINDOW: return options->window = true;
    case PLAIN: return options->plain = true;
    case 'q': return options->quiet = true;
    case 'v': return options->verbose = true;
    case LIST_DEVICES: options->action = FENBY_JACK_LIST_DEVICES; return true;
    case LIST_PRESETS: options->action = FENBY_JACK_LIST_PRESETS; return true;
    case LIST_PARAMETERS: options->action = FENBY_JACK_LIST_PARAMETERS; return true;
    case VERSION: options->action = FENBY_JACK_SHOW_VERSION; return true;
    case 'h': options->action = FENBY_JACK_SHOW_HELP; return true;
    }
    return false;
}

static bool check(const fenby_jack_options *options, int argc, char **argv, char *error, size_t error_size)
{
    if (optind < argc) snprintf(error, error_size, "%s: expected options only, see --help", argv[optind]);
    else if (!*options->name || strlen(options->name) > 63 || strchr(options->name, ':'))
        snprintf(error, error_size, "--name %s: expected 1 .. 63 bytes without ':'", options->name);
    else return true;
    return false;
}

bool fenby_jack_options_parse(fenby_jack_options *options, int argc, char **argv, char *error,
                              size_t error_size)
{
    *options = (fenby_jack_options){.name = "fenby", .n_inputs = 1, .starts_server = true, .jack_midi = true,
                                    .osc_port = FENBY_JACK_OSC_PORT, .osc_address = "127.0.0.1"};
    options->asked = calloc(2 * (size_t)argc + 1, sizeof *options->asked);
    if (!options->asked) {
        snprintf(error, error_size, "not enough memory for the command line");
        return false;
    }
    int option;
    const char **next = options->asked;
    while ((option = getopt_long(argc, argv, ":p:s:qvh", long_options, NULL)) != -1) {
        if (option == '?' || option == ':') {
            fenby_describe_bad_option(option, argv, long_options, error, error_size);
            return false;
        }
        if (!take_option(options, option, &next, error, error_size)) return false;
    }
    return check(options, argc, argv, error, error_size);
}

void fenby_jack_options_free(fenby_jack_options *options)
{
    free(options->asked);
}
