// SPDX-License-Identifier: ISC
#include "ports.h"

static const char *const switch_labels[] = {"off", "on"};
static const char *const thru_labels[] = {"aligned", "direct"};

static const char *const parameter_groups[FENBY_N_PARAMETERS] = {
    [FENBY_MODE] = "delay",
    [FENBY_TIMING] = "delay",
    [FENBY_SENSITIVITY] = "listening",
    [FENBY_NOTE_THRESHOLD] = "listening",
    [FENBY_MINIMUM_LENGTH] = "listening",
    [FENBY_RELEASE] = "listening",
    [FENBY_LOWEST_KEY_PARAMETER] = "listening",
    [FENBY_HIGHEST_KEY_PARAMETER] = "listening",
    [FENBY_MAXIMUM_POLYPHONY] = "listening",
    [FENBY_VELOCITY_MODE] = "velocity",
    [FENBY_VELOCITY_FIXED] = "velocity",
    [FENBY_VELOCITY_MINIMUM] = "velocity",
    [FENBY_VELOCITY_MAXIMUM] = "velocity",
    [FENBY_VELOCITY_CURVE] = "velocity",
    [FENBY_INPUT_GAIN] = "input",
    [FENBY_NOISE_GATE] = "input",
    [FENBY_TUNING] = "input",
    [FENBY_FOLLOW_TUNING] = "input",
    [FENBY_TRANSPOSE] = "output",
    [FENBY_SCALE] = "output",
    [FENBY_SCALE_ROOT] = "output",
    [FENBY_MIDI_CHANNEL] = "output",
    [FENBY_SUSTAIN] = "output",
    [FENBY_BENDS] = "output",
};

#define STATUS_PORT(symbol, name, unit, kind, minimum, maximum, value, help)                                \
    {                                                                                                       \
        FENBY_CONTROL_OUT, {symbol, name, unit, kind, minimum, maximum, value, NULL, help}, "status", NULL, \
            NULL                                                                                            \
    }

static const fenby_port own_ports[FENBY_PORT_AUDIO] = {
    [FENBY_PORT_CONTROL] = {FENBY_ATOM_IN,
                            {.symbol = "control",
                             .name = "Control",
                             .help = "messages of the host and the window"},
                            NULL,
                            "lv2:control",
                            NULL},
    [FENBY_PORT_MIDI_OUT] =
        {FENBY_ATOM_OUT, {.symbol = "midi_out", .name = "MIDI out", .help = "the notes"}, NULL, NULL, NULL},
    [FENBY_PORT_NOTIFY] = {FENBY_ATOM_OUT,
                           {.symbol = "notify",
                            .name = "Notify",
                            .help = "messages to the host and the window"},
                           NULL,
                           "lv2:control",
                           NULL},
    [FENBY_PORT_ENABLED] = {FENBY_CONTROL_IN,
                            {"enabled", "Enabled", "", FENBY_CHOICE, 0, 1, 1, switch_labels,
                             "off: every note ends and none begins"},
                            NULL,
                            "lv2:enabled",
                            NULL},
    [FENBY_PORT_FREEWHEEL] = {FENBY_CONTROL_IN,
                              {"freewheel", "Freewheel", "", FENBY_CHOICE, 0, 1, 0, switch_labels,
                               "on: the host does not run in real time, so each block waits for its notes"},
                              NULL,
                              "lv2:freeWheeling",
                              "pprops:notOnGUI"},
    [FENBY_PORT_THRU] = {FENBY_CONTROL_IN,
                         {"thru", "Thru", "", FENBY_CHOICE, 0, 1, FENBY_THRU_ALIGNED, thru_labels,
                          "aligned: the audio leaves together with its notes; direct: at once"},
                         "output",
                         NULL,
                         NULL},
    [FENBY_PORT_LATENCY] = {FENBY_CONTROL_OUT,
                            {"latency", "Latency", "frames", FENBY_INTEGER, 0, 1e6f, 0, NULL,
                             "from a sound to its note"},
                            NULL,
                            "lv2:latency",
                            "lv2:reportsLatency"},
    [FENBY_PORT_INPUT_LEVEL] = STATUS_PORT("input_level", "Input level", "dB", FENBY_CONTINUOUS, -120, 18, -120,
                                           "peak after the input gain; above 0 dB it clips"),
    [FENBY_PORT_SOUNDING_NOTES] = STATUS_PORT("sounding_notes", "Sounding notes", "", FENBY_INTEGER, 0, 128, 0,
                                              "how many notes sound now"),
    [FENBY_PORT_WORKER_LOAD] =
        STATUS_PORT("worker_load", "Load", "%", FENBY_CONTINUOUS, 0, 100, 0, "of one processor core"),
    [FENBY_PORT_LATE_EVENTS] = STATUS_PORT("late_events", "Late notes", "", FENBY_INTEGER, 0, 1e6f, 0,
                                           "notes that the computer was too slow for"),
    [FENBY_PORT_OVERRUNS] = STATUS_PORT("overruns", "Overruns", "", FENBY_INTEGER, 0, 1e6f, 0,
                                        "times that audio was lost because the computer was too busy"),
    [FENBY_PORT_NOTE_TRIGGERED] = {FENBY_CONTROL_OUT,
                                   {"note_triggered", "Note", "", FENBY_CHOICE, 0, 1, 0, switch_labels,
                                    "lights up at each note"},
                                   "status",
                                   NULL,
                                   NULL},
};

static const fenby_port mono_ports[] = {
    {FENBY_AUDIO_IN, {.symbol = "in", .name = "In", .help = "what is listened to"}, NULL, NULL, NULL},
    {FENBY_AUDIO_OUT, {.symbol = "out", .name = "Out", .help = "the same audio"}, NULL, NULL, NULL},
};

static const fenby_port stereo_ports[] = {
    {FENBY_AUDIO_IN,
     {.symbol = "in_left", .name = "In left", .help = "what is listened to"},
     "stereo_in",
     "pg:left",
     NULL},
    {FENBY_AUDIO_IN,
     {.symbol = "in_right", .name = "In right", .help = "what is listened to"},
     "stereo_in",
     "pg:right",
     NULL},
    {FENBY_AUDIO_OUT,
     {.symbol = "out_left", .name = "Out left", .help = "the same audio"},
     "stereo_out",
     "pg:left",
     NULL},
    {FENBY_AUDIO_OUT,
     {.symbol = "out_right", .name = "Out right", .help = "the same audio"},
     "stereo_out",
     "pg:right",
     NULL},
};

#define COMMON_GROUPS                                                                                  \
    {"delay", "Delay", "how soon a note is written", false},                                           \
        {"listening", "Listening", "what counts as a note", false},                                    \
        {"velocity", "Velocity", "how loud notes become", false},                                      \
        {"input", "Input", "what is listened to", false}, {"output", "Output", "what is sent", false}, \
    {                                                                                                  \
        "status", "Status", "what goes on", false                                                      \
    }

static const fenby_port_group mono_groups[] = {COMMON_GROUPS, {NULL, NULL, NULL, false}};
static const fenby_port_group stereo_groups[] = {
    COMMON_GROUPS,
    {"stereo_in", "Stereo in", "what is listened to", true},
    {"stereo_out", "Stereo out", "the same audio", true},
    {NULL, NULL, NULL, false},
};

int fenby_n_ports(bool stereo)
{
    return FENBY_PORT_AUDIO + (stereo ? 4 : 2);
}

fenby_port fenby_port_describe(bool stereo, int index)
{
    const int parameter = index - FENBY_PORT_PARAMETERS;
    if (parameter >= 0 && parameter < FENBY_N_PARAMETERS)
        return (fenby_port){FENBY_CONTROL_IN, fenby_parameter_table[parameter], parameter_groups[parameter],
                            NULL, NULL};
    if (index < FENBY_PORT_AUDIO) return own_ports[index];
    return stereo ? stereo_ports[index - FENBY_PORT_AUDIO] : mono_ports[index - FENBY_PORT_AUDIO];
}

const fenby_port_group *fenby_port_groups(bool stereo)
{
    return stereo ? stereo_groups : mono_groups;
}
