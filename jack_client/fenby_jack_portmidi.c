// SPDX-License-Identifier: ISC
#include "fenby_jack_portmidi.h"

#include <errno.h>
#include <portmidi.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../dsp/event.h"
#include "../dsp/midi_out.h"

enum {
    KEYS = 128,
    CONTROLLER = 0xb,    // of a message's status
    LATENCY_MS = 2,      // added to every message, so that a thread that wakes late is still early enough
    LOOK_MS = 1000,      // between two looks at whether the device is still there
    RETRY_MS = 2000,
    PATIENCE_MS = 500,   // for the device to take the ends of the notes
    DRIVER_MS = 100,     // for the driver to send its last ones
    DRIVER_EVENTS = 1024,
    NAME = 128,
};

static const char sequencer[] = "/dev/snd/seq", sequencer_ports[] = "/proc/asound/seq/clients";

struct fenby_jack_portmidi {
    char device[NAME];  // as it was opened, so that the same comes back
    fenby_jack_queue *queue;
    sem_t wake;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_ending, has_ended, end_notes;
    pthread_mutex_t news_lock;
    char news[NAME + 160];

    // The thread's own.
    PortMidiStream *stream;  // NULL: the device is not there
    uint8_t channel_of_key[KEYS];
    PmTimestamp last_ms[KEYS];  // the latest at which the key's last message leaves
    PmTimestamp readied_ms[FENBY_MIDI_CHANNELS + 1];  // and the last one that readies the channel
    int64_t begin_us, looks_us;
};

// --- the device ----------------------------------------------------------------------------------------------

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1000000 * (int64_t)now.tv_sec + now.tv_nsec / 1000;
}

static PmTimestamp now_ms(void *user)
{
    const fenby_jack_portmidi *portmidi = user;
    return (PmTimestamp)((now_us() - portmidi->begin_us) / 1000);
}

// Without a sequencer PortMIDI would complain on the terminal, in ALSA's words.
static int count_devices(void)
{
    if (access(sequencer, F_OK) || Pm_Initialize() != pmNoError) return 0;
    return Pm_CountDevices();
}

static bool is_output(int i)
{
    const PmDeviceInfo *info = Pm_GetDeviceInfo(i);
    return info && info->output;
}

// The whole name wins over a part of one.
static int find_device(const char *device)
{
    const int n = count_devices();
    char *end;
    const long number = strtol(device, &end, 10);
    if (!*device) return n > 0 ? Pm_GetDefaultOutputDeviceID() : -1;
    if (!*end) return number >= 0 && number < n && is_output((int)number) ? (int)number : -1;
    for (int i = 0; i < n; i++)
        if (is_output(i) && !strcmp(Pm_GetDeviceInfo(i)->name, device)) return i;
    for (int i = 0; i < n; i++)
        if (is_output(i) && strstr(Pm_GetDeviceInfo(i)->name, device)) return i;
    return -1;
}

static bool open_device(fenby_jack_portmidi *portmidi, const char *device)
{
    const int id = find_device(device);
    if (id < 0) return false;
    char name[NAME];
    snprintf(name, sizeof name, "%s", Pm_GetDeviceInfo(id)->name);
    if (Pm_OpenOutput(&portmidi->stream, id, NULL, DRIVER_EVENTS, now_ms, portmidi, LATENCY_MS) != pmNoError) {
        portmidi->stream = NULL;
        return false;
    }
    memcpy(portmidi->device, name, sizeof name);
    memset(portmidi->channel_of_key, 0, sizeof portmidi->channel_of_key);
    portmidi->looks_us = now_us();
    return true;
}

static void close_device(fenby_jack_portmidi *portmidi)
{
    if (portmidi->stream) Pm_Close(portmidi->stream);
    portmidi->stream = NULL;
    Pm_Terminate();
}

// PortMIDI's messages wait in the driver, where a missing device is no error: so the sequencer's list of ports
// is asked. Where there is no such list the device counts as there.
static bool is_there(const fenby_jack_portmidi *portmidi)
{
    char line[256], wanted[NAME + 2];
    FILE *file = fopen(sequencer_ports, "r");
    if (!file) return true;
    snprintf(wanted, sizeof wanted, "\"%s\"", portmidi->device);
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) found = strstr(line, wanted) != NULL;
    fclose(file);
    return found;
}

// --- the thread ----------------------------------------------------------------------------------------------

static void tell(fenby_jack_portmidi *portmidi, const char *what)
{
    pthread_mutex_lock(&portmidi->news_lock);
    snprintf(portmidi->news, sizeof portmidi->news, "MIDI device '%s' %s", portmidi->device, what);
    pthread_mutex_unlock(&portmidi->news_lock);
}

static void lose_device(fenby_jack_portmidi *portmidi)
{
    tell(portmidi, "is gone, trying again until it is back");
    close_device(portmidi);
    portmidi->looks_us = now_us();
}

// PortMIDI reads the clock, makes a delay of the time, and hands that to the driver. A thread that is held up in
// between makes the message late, and the key's next one might overtake it: the end of a note its beginning. So the
// next one leaves after the latest at which this one can: a millisecond after, as the clocks count whole ones.
static void send_after(fenby_jack_portmidi *portmidi, PmTimestamp *last_ms, PmTimestamp when_ms,
                       fenby_midi_message message)
{
    if (!portmidi->stream) return;
    const PmTimestamp before_ms = now_ms(portmidi);
    if (when_ms < before_ms - LATENCY_MS) when_ms = before_ms - LATENCY_MS;
    if (when_ms <= *last_ms) when_ms = *last_ms + 1;
    const PmMessage bytes = Pm_Message(message.bytes[0], message.bytes[1], message.bytes[2]);
    const PmError result = Pm_WriteShort(portmidi->stream, when_ms, bytes);
    *last_ms = when_ms + now_ms(portmidi) - before_ms;
    if (result < 0) lose_device(portmidi);
}

static void send(fenby_jack_portmidi *portmidi, PmTimestamp when_ms, int key, fenby_midi_message message)
{
    send_after(portmidi, &portmidi->last_ms[key], when_ms, message);
}

// What readies a channel for its bends goes at once: it takes a millisecond for each message, for which the note that
// follows would wait.
static void ready_channel(fenby_jack_portmidi *portmidi, const fenby_jack_note *note)
{
    send_after(portmidi, &portmidi->readied_ms[note->channel], now_ms(portmidi) - LATENCY_MS, note->message);
}

static void send_note(fenby_jack_portmidi *portmidi, const fenby_jack_note *note)
{
    const PmTimestamp when_ms = (PmTimestamp)((note->time_us - portmidi->begin_us + 500) / 1000) - LATENCY_MS;
    const int key = note->key;
    uint8_t *const channel = &portmidi->channel_of_key[key];
    if (!portmidi->stream || (note->type == FENBY_NOTE_OFF && !*channel)) return;
    if (portmidi->last_ms[key] < portmidi->readied_ms[note->channel])
        portmidi->last_ms[key] = portmidi->readied_ms[note->channel];
    send(portmidi, when_ms, key, note->message);
    if (note->type != FENBY_BEND) *channel = note->type == FENBY_NOTE_ON ? note->channel : 0;
}

static void take(fenby_jack_portmidi *portmidi, const fenby_jack_note *note)
{
    if (note->message.bytes[0] >> 4 == CONTROLLER) ready_channel(portmidi, note);
    else send_note(portmidi, note);
}

static void end_notes(fenby_jack_portmidi *portmidi)
{
    for (int key = 0; key < KEYS; key++) {
        uint8_t *const channel = &portmidi->channel_of_key[key];
        if (*channel) send(portmidi, now_ms(portmidi), key, fenby_midi_note_off(*channel, key));
        *channel = 0;
    }
}

static PmTimestamp latest_ms(const fenby_jack_portmidi *portmidi)
{
    PmTimestamp last_ms = 0;
    for (int key = 0; key < KEYS; key++)
        if (portmidi->last_ms[key] > last_ms) last_ms = portmidi->last_ms[key];
    return last_ms;
}

// Also for a synth that was unplugged while notes sounded, and knows of notes that have ended here. After every
// message before, and before every one that comes.
static void silence_device(fenby_jack_portmidi *portmidi)
{
    const PmTimestamp before_ms = latest_ms(portmidi);
    PmTimestamp last_ms = before_ms;
    for (int channel = 1; channel <= FENBY_MIDI_CHANNELS; channel++) {
        last_ms = before_ms;
        send_after(portmidi, &last_ms, now_ms(portmidi), fenby_midi_all_notes_off(channel));
    }
    for (int key = 0; key < KEYS; key++) portmidi->last_ms[key] = last_ms;
}

static void look_after_device(fenby_jack_portmidi *portmidi)
{
    if (now_us() - portmidi->looks_us < 1000 * (portmidi->stream ? LOOK_MS : RETRY_MS)) return;
    portmidi->looks_us = now_us();
    if (portmidi->stream) {
        if (!is_there(portmidi)) lose_device(portmidi);
    } else if (open_device(portmidi, portmidi->device)) {
        tell(portmidi, "is back");
        silence_device(portmidi);
    } else {
        Pm_Terminate();  // else the next look would see the same list
    }
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void wait_for_notes(fenby_jack_portmidi *portmidi)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    while (sem_timedwait(&portmidi->wake, &until) && errno == EINTR) continue;
    while (sem_trywait(&portmidi->wake) == 0) continue;
}

// What still waits in the driver's queue when the device is closed is dropped, and a busy machine sends late.
static void wait_for_driver(fenby_jack_portmidi *portmidi)
{
    const PmTimestamp last_ms = latest_ms(portmidi);
    while (portmidi->stream && now_ms(portmidi) < last_ms + LATENCY_MS + DRIVER_MS)
        sleep_ms(1);
}

static void obey(fenby_jack_portmidi *portmidi)
{
    if (!atomic_exchange(&portmidi->end_notes, false)) return;
    end_notes(portmidi);
    silence_device(portmidi);
}

static void *run(void *user)
{
    fenby_jack_portmidi *portmidi = user;
    fenby_jack_note note;
    // Just above all that is not urgent; without the right to it, things are late only under load.
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    while (!atomic_load(&portmidi->is_ending)) {
        wait_for_notes(portmidi);
        while (fenby_jack_queue_get(portmidi->queue, &note)) take(portmidi, &note);
        obey(portmidi);
        look_after_device(portmidi);
    }
    obey(portmidi);
    end_notes(portmidi);
    wait_for_driver(portmidi);
    close_device(portmidi);
    atomic_store(&portmidi->has_ended, true);
    return NULL;
}

// --- control -------------------------------------------------------------------------------------------------

static bool begin(fenby_jack_portmidi *portmidi, const char *device, char *error, size_t error_size)
{
    portmidi->begin_us = now_us();
    if (!open_device(portmidi, device)) {
        const bool is_named = *device;
        snprintf(error, error_size, "no MIDI device%s%s%s, see --list-devices", is_named ? " '" : "", device,
                 is_named ? "'" : "");
        return false;
    }
    portmidi->queue = fenby_jack_queue_new();
    portmidi->has_thread = portmidi->queue && pthread_create(&portmidi->thread, NULL, run, portmidi) == 0;
    if (!portmidi->has_thread) snprintf(error, error_size, "not enough memory for PortMIDI");
    return portmidi->has_thread;
}

fenby_jack_portmidi *fenby_jack_portmidi_new(const char *device, char *error, size_t error_size)
{
    fenby_jack_portmidi *portmidi = calloc(1, sizeof *portmidi);
    if (!portmidi) {
        snprintf(error, error_size, "not enough memory for PortMIDI");
        return NULL;
    }
    sem_init(&portmidi->wake, 0, 0);
    pthread_mutex_init(&portmidi->news_lock, NULL);
    if (begin(portmidi, device, error, error_size)) return portmidi;
    fenby_jack_portmidi_free(portmidi);
    return NULL;
}

void fenby_jack_portmidi_stop(fenby_jack_portmidi *portmidi)
{
    if (!portmidi) return;
    atomic_store(&portmidi->is_ending, true);
    sem_post(&portmidi->wake);
    for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&portmidi->has_ended); ms++) sleep_ms(1);
}

void fenby_jack_portmidi_free(fenby_jack_portmidi *portmidi)
{
    if (!portmidi) return;
    if (portmidi->has_thread) {
        fenby_jack_portmidi_stop(portmidi);
        pthread_join(portmidi->thread, NULL);
    } else {
        close_device(portmidi);
    }
    fenby_jack_queue_free(portmidi->queue);
    pthread_mutex_destroy(&portmidi->news_lock);
    sem_destroy(&portmidi->wake);
    free(portmidi);
}

void fenby_jack_portmidi_put(fenby_jack_portmidi *portmidi, const fenby_jack_note *note)
{
    fenby_jack_queue_put(portmidi->queue, note);
    FENBY_TRUSTED(sem_post)(&portmidi->wake);
}

void fenby_jack_portmidi_end_notes(fenby_jack_portmidi *portmidi)
{
    atomic_store(&portmidi->end_notes, true);
    sem_post(&portmidi->wake);
}

bool fenby_jack_portmidi_news(fenby_jack_portmidi *portmidi, char *news, size_t news_size)
{
    pthread_mutex_lock(&portmidi->news_lock);
    const bool has_news = *portmidi->news;
    if (has_news) snprintf(news, news_size, "%s", portmidi->news);
    *portmidi->news = 0;
    pthread_mutex_unlock(&portmidi->news_lock);
    return has_news;
}

void fenby_jack_portmidi_list(FILE *file)
{
    const int n = count_devices();
    int n_outputs = 0;
    for (int i = 0; i < n; i++) {
        if (!is_output(i)) continue;
        const bool is_default = i == Pm_GetDefaultOutputDeviceID();
        fprintf(file, "%d  %s%s\n", i, Pm_GetDeviceInfo(i)->name, is_default ? "  (default)" : "");
        n_outputs++;
    }
    if (n_outputs == 0) fputs("no MIDI output devices: PortMIDI finds none on this machine\n", file);
    Pm_Terminate();
}
