// SPDX-License-Identifier: ISC
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio_file.h"
#include "command_line.h"
#include "preset.h"

const char fenby_help[] =
    "Usage: fenby IN... [-o OUT.mid] [--csv OUT.csv] [--plot OUT.png] [OPTION]...\n"
    "Listens to sound files (WAV, FLAC, Ogg, MP3, AIFF) and writes their notes as MIDI files.\n"
    "\n"
    "  IN                    a sound file, a folder of them, or - for standard input\n"
    "  -o, --output OUT      MIDI file, a folder for it, or - for standard output; else it lies beside IN\n"
    "  --csv OUT             also a table of the notes\n"
    "  --plot OUT            also a picture of the notes over the spectrum\n"
    "  -n, --new             leave out inputs whose outputs are there already, and not older\n"
    "  -p, --preset NAME     settings for an instrument, see --list-presets; or a preset's file\n"
    "  -s, --set NAME=VALUE  one setting, see --list-params; may be repeated\n"
    "  --model FILE          another network (.fnw)\n"
    "  --channel N           listen to this channel of the input; else to all of them mixed\n"
    "  --block FRAMES        work in blocks of this many samples; the notes are the same with any\n"
    "  --format 0|1          MIDI file with one track, or with tempo and notes apart (default)\n"
    "  -q, --quiet           print errors only\n"
    "  --list-presets        the presets and what they are for\n"
    "  --list-params         the settings, their ranges and defaults\n"
    "  --version [-v]        the version; with -v also model, arithmetic and latency\n"
    "  -h, --help            this text\n"
    "\n"
    "Ends with 0 when all went well, 1 when a file could not be done or was damaged, 2 when the command makes\n"
    "no sense, 130 when interrupted. More in fenby(1).\n";

enum { CSV = 256, PLOT, MODEL, CHANNEL, BLOCK, FORMAT, LIST_PRESETS, LIST_PARAMETERS, VERSION };
enum { DEFAULT_BLOCK = 1024, LARGEST_BLOCK = 1 << 20 };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"csv", required_argument, NULL, CSV},
    {"plot", required_argument, NULL, PLOT},
    {"new", no_argument, NULL, 'n'},
    {"preset", required_argument, NULL, 'p'},
    {"set", required_argument, NULL, 's'},
    {"model", required_argument, NULL, MODEL},
    {"channel", required_argument, NULL, CHANNEL},
    {"block", required_argument, NULL, BLOCK},
    {"format", required_argument, NULL, FORMAT},
    {"quiet", no_argument, NULL, 'q'},
    {"list-presets", no_argument, NULL, LIST_PRESETS},
    {"list-params", no_argument, NULL, LIST_PARAMETERS},
    {"version", no_argument, NULL, VERSION},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool use_preset(fenby_parameters *parameters, const char *name, char *error, size_t error_size)
{
    fenby_preset preset;
    if (!fenby_preset_load(name, &preset, error, error_size)) return false;
    fenby_preset_apply(&preset, parameters);
    return true;
}

static bool set_parameter(fenby_parameters *parameters, const char *setting, char *error, size_t error_size)
{
    char symbol[FENBY_SYMBOL_SIZE];
    const char *value;
    if (!fenby_split_setting(setting, symbol, &value, error, error_size)) return false;
    const int parameter = fenby_parameter_find(symbol);
    if (parameter >= 0)
        return fenby_parameter_parse(parameter, value, &parameters->value[parameter], error, error_size);
    snprintf(error, error_size, "--set %s: there is no parameter '%s', see --list-params", setting, symbol);
    return false;
}

static bool read_integer(const char *option, int minimum, int maximum, int *value, char *error,
                         size_t error_size)
{
    return fenby_read_integer(option, optarg, minimum, maximum, value, error, error_size);
}

// One option of the command line. Settings are kept for later, so that they win over presets in any order.
static bool take_option(fenby_options *options, int option, const char ***settings, char *error,
                        size_t error_size)
{
    switch (option) {
    case 'o': options->outputs[FENBY_MIDI_OUTPUT] = optarg; return true;
    case CSV: options->outputs[FENBY_CSV_OUTPUT] = optarg; return true;
    case PLOT: options->outputs[FENBY_PLOT_OUTPUT] = optarg; return true;
    case 'n': return options->only_new = true;
    case 'p': return use_preset(&options->parameters, optarg, error, error_size);
    case 's': *(*settings)++ = optarg; return true;
    case MODEL: options->model = optarg; return true;
    case CHANNEL:
        return read_integer("--channel", 1, FENBY_MAXIMUM_CHANNELS, &options->channel, error, error_size);
    case BLOCK: return read_integer("--block", 1, LARGEST_BLOCK, &options->block_frames, error, error_size);
    case FORMAT: return read_integer("--format", 0, 1, &options->midi_format, error, error_size);
    case 'q': return options->quiet = true;
    case 'v': return options->verbose = true;
    case LIST_PRESETS: options->action = FENBY_LIST_PRESETS; return true;
    case LIST_PARAMETERS: options->action = FENBY_LIST_PARAMETERS; return true;
    case VERSION: options->action = FENBY_SHOW_VERSION; return true;
    case 'h': options->action = FENBY_SHOW_HELP; return true;
    }
    return false;
}

static bool take_options(fenby_options *options, int argc, char **argv, const char **settings, char *error,
                         size_t error_size)
{
    int option;
    const char **next = settings;
    while ((option = getopt_long(argc, argv, ":o:np:s:qvh", long_options, NULL)) != -1) {
        if (option == '?' || option == ':') {
            fenby_describe_bad_option(option, argv, long_options, error, error_size);
            return false;
        }
        if (!take_option(options, option, &next, error, error_size)) return false;
    }
    for (const char **setting = settings; setting < next; setting++)
        if (!set_parameter(&options->parameters, *setting, error, error_size)) return false;
    return true;
}

bool fenby_options_parse(fenby_options *options, int argc, char **argv, char *error, size_t error_size)
{
    *options = (fenby_options){
        .parameters = fenby_parameters_default(), .block_frames = DEFAULT_BLOCK, .midi_format = 1};
    const char **settings = calloc((size_t)argc + 1, sizeof *settings);
    if (!settings) {
        snprintf(error, error_size, "not enough memory for the command line");
        return false;
    }
    const bool good = take_options(options, argc, argv, settings, error, error_size) &&
                      fenby_check_orders(&options->parameters, error, error_size);
    free(settings);
    options->inputs = argv + optind;
    options->n_inputs = (size_t)(argc - optind);
    if (!good || options->action != FENBY_TRANSCRIBE || options->n_inputs > 0) return good;
    snprintf(error, error_size, "expected a sound file, see --help");
    return false;
}
