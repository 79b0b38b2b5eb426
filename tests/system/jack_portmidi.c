// SPDX-License-Identifier: ISC
// Preloaded into fenby-jack (LD_PRELOAD) in PortMIDI's place: one output, "Stage Synth". What it is sent goes to the
// file named by JACK_PORTMIDI, as in
//     open
//     midi B0 B1 B2 WHEN_MS NOW_MS
// While there is a file of that name and ".gone" the synth is unplugged.
#include <dlfcn.h>
#include <portmidi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const PmDeviceInfo synth = {.structVersion = 200, .interf = "ALSA", .name = "Stage Synth", .output = 1};
static PmTimeProcPtr clock_ms;
static void *clock_user;

static bool is_gone(void)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s.gone", getenv("JACK_PORTMIDI"));
    return stat(path, &status) == 0;
}

static void say(const char *line)
{
    FILE *file = fopen(getenv("JACK_PORTMIDI"), "a");
    if (!file) return;
    fputs(line, file);
    fclose(file);
}

// There is a sequencer.
int access(const char *path, int mode)
{
    int (*real)(const char *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "access");
    return strcmp(path, "/dev/snd/seq") ? real(path, mode) : 0;
}

PmError Pm_Initialize(void) { return pmNoError; }
PmError Pm_Terminate(void) { return pmNoError; }
int Pm_CountDevices(void) { return !is_gone(); }
PmDeviceID Pm_GetDefaultOutputDeviceID(void) { return 0; }
const PmDeviceInfo *Pm_GetDeviceInfo(PmDeviceID id) { return id == 0 ? &synth : NULL; }
PmError Pm_Close(PortMidiStream *stream) { return (void)stream, pmNoError; }

PmError Pm_OpenOutput(PortMidiStream **stream, PmDeviceID id, void *driver, int32_t n, PmTimeProcPtr now, void *user,
                      int32_t latency_ms)
{
    (void)id, (void)driver, (void)n, (void)latency_ms;
    clock_ms = now;
    clock_user = user;
    *stream = (PortMidiStream *)&synth;
    say("open\n");
    return pmNoError;
}

PmError Pm_WriteShort(PortMidiStream *stream, PmTimestamp when_ms, int32_t message)
{
    char line[64];
    (void)stream;
    if (is_gone()) return pmHostError;
    snprintf(line, sizeof line, "midi %d %d %d %d %d\n", message & 0xff, message >> 8 & 0xff, message >> 16 & 0xff,
             when_ms, clock_ms(clock_user));
    say(line);
    return pmNoError;
}
