// SPDX-License-Identifier: ISC
// Feeds the plugin's control ports: messages of the right shape with any content, messages whose sizes lie, and
// bytes that are none, while music plays. Its promises: MIDI in order, in the block, in pairs, and within the
// room that the host gave; no value outside its range.
//
// One instance lives as long as the fuzzer. The network is the tests' own small one, loading a model and saving
// notes touch no file.
#include <lv2/worker/worker.h>
#include <math.h>

#include "jack_client/output_file.h"
#include "plugin/plugin.h"
#include "tests/fuzz/fuzz.h"
#include "tests/read_midi.h"
#include "tests/tiny_model.h"

enum { RATE = 48000, MUSIC = 4 * RATE, MOST_BLOCK = 4096, ROOM = 1 << 15 };
enum { MOST_MESSAGES = 40, MOST_URIDS = 128 };

static LV2_Handle plugin;
static const LV2_Descriptor *descriptor;
static const LV2_Worker_Interface *worker;
static fenby_urids urids;
static bool work_waits;
static float music[MUSIC], out[MOST_BLOCK], controls[FENBY_PORT_AUDIO];
static uint8_t sounding[16][128];
static bool may_bend;  // bends were on once: later ones are taken back
static _Alignas(8) uint8_t midi_out[ROOM], notify_out[ROOM];

// --- models: the tiny one, or none ---------------------------------------------------------------------------

struct fenby_model {
    fenby_weights *weights;
};
static fenby_model tiny[2];  // with the same weights

fenby_model *fenby_model_acquire(const char *path, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: not here", path);
    return strlen(path) % 2 ? NULL : &tiny[strlen(path) / 2 % 2];
}

void fenby_model_release(fenby_model *model)
{
    PROMISE(!model || model == &tiny[0] || model == &tiny[1]);
}

const fenby_weights *fenby_model_weights(const fenby_model *model)
{
    return model->weights;
}

const char *fenby_model_path(const fenby_model *model)
{
    return model == &tiny[0] ? "" : "tiny";
}

// --- saved notes: read at once -------------------------------------------------------------------------------

static char *saved;
static size_t saved_size;

bool fenby_output_file_open(fenby_output_file *output, const char *path, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: cannot be written", path);
    if (strlen(path) % 4 == 3) return false;
    output->file = open_memstream(&saved, &saved_size);
    return output->file;
}

bool fenby_output_file_close(fenby_output_file *output, char *error, size_t error_size)
{
    static midi_contents contents;
    (void)error, (void)error_size;
    fclose(output->file);
    midi_read(&contents, saved, saved_size);
    PROMISE(!*contents.error && midi_count_notes(&contents) > 0);
    free(saved);
    return true;
}

void fenby_output_file_discard(fenby_output_file *output)
{
    fclose(output->file);
    free(saved);
}

// --- the host ------------------------------------------------------------------------------------------------

static LV2_URID map(LV2_URID_Map_Handle handle, const char *uri)
{
    static char *uris[MOST_URIDS];
    (void)handle;
    uint32_t i = 0;
    while (i < MOST_URIDS - 1 && uris[i] && strcmp(uris[i], uri)) i++;
    if (!uris[i]) uris[i] = strdup(uri);
    return i + 1;
}

static LV2_Worker_Status schedule(LV2_Worker_Schedule_Handle handle, uint32_t size, const void *data)
{
    (void)handle, (void)size, (void)data;
    work_waits = true;
    return LV2_WORKER_SUCCESS;
}

static LV2_Worker_Status respond(LV2_Worker_Respond_Handle handle, uint32_t size, const void *data)
{
    (void)handle, (void)size, (void)data;
    return LV2_WORKER_SUCCESS;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static LV2_URID_Map mapper = {NULL, map};
    static LV2_Worker_Schedule scheduler = {NULL, schedule};
    static const LV2_Feature features[] = {{LV2_URID__map, &mapper}, {LV2_WORKER__schedule, &scheduler}};
    static const LV2_Feature *const offered[] = {&features[0], &features[1], NULL};
    (void)argc, (void)argv;
    char error[256];
    double onset_s[100];
    int key[100];
    tiny[0].weights = tiny[1].weights = tiny_model(0, error, sizeof error);
    PROMISE(tiny[0].weights && tiny_music(music, MUSIC, RATE, 1, onset_s, key) > 5);
    fenby_urids_map(&urids, &mapper);
    descriptor = lv2_descriptor(0);
    PROMISE(descriptor && (plugin = descriptor->instantiate(descriptor, RATE, "", offered)));
    worker = descriptor->extension_data(LV2_WORKER__interface);
    for (int i = 0; i < FENBY_PORT_AUDIO; i++) descriptor->connect_port(plugin, (uint32_t)i, &controls[i]);
    descriptor->connect_port(plugin, FENBY_PORT_MIDI_OUT, midi_out);
    descriptor->connect_port(plugin, FENBY_PORT_NOTIFY, notify_out);
    descriptor->connect_port(plugin, FENBY_PORT_AUDIO + 1, out);
    return 0;
}

static void offer_room(uint8_t *port, uint32_t room)
{
    memset(port, 0xaa, ROOM);
    ((LV2_Atom *)port)->size = room;
    ((LV2_Atom *)port)->type = 0;
}

// Walks through a sequence that the plugin wrote; nothing may lie beyond the room.
static void watch(const uint8_t *port, uint32_t room, uint32_t n_frames, bool is_midi)
{
    const LV2_Atom_Sequence *sequence = (const LV2_Atom_Sequence *)port;
    for (uint32_t i = room + sizeof(LV2_Atom); i < ROOM; i++) PROMISE(port[i] == 0xaa);
    if (room < sizeof *sequence) return;
    PROMISE(sequence->atom.size <= room && sequence->atom.size >= sizeof sequence->body);
    const uint8_t *at = (const uint8_t *)(sequence + 1);
    const uint8_t *const end = (const uint8_t *)&sequence->body + sequence->atom.size;
    int64_t last = 0;
    while (at < end) {
        const LV2_Atom_Event *event = (const LV2_Atom_Event *)at;
        const uint8_t *const bytes = (const uint8_t *)(event + 1);
        PROMISE((size_t)(end - at) >= sizeof *event + event->body.size);
        at += (sizeof *event + event->body.size + 7) & ~(size_t)7;
        if (!is_midi) continue;
        PROMISE(event->time.frames >= last && event->time.frames < (n_frames ? n_frames : 1));
        last = event->time.frames;
        PROMISE(event->body.size == 3 && bytes[1] < 128 && bytes[2] < 128);
        const int kind = bytes[0] >> 4;
        uint8_t *const sounds = &sounding[bytes[0] & 15][bytes[1]];
        may_bend |= controls[FENBY_PORT_PARAMETERS + FENBY_BENDS] != 0;
        PROMISE(kind == 8 || kind == 9 || (may_bend && (kind == 11 || kind == 14)));
        if (kind > 9) continue;
        PROMISE(*sounds == (kind == 8));
        *sounds = !*sounds;
    }
}

static void watch_status(void)
{
    for (int i = FENBY_PORT_LATENCY; i < FENBY_PORT_AUDIO; i++) {
        const fenby_parameter_info range = fenby_port_describe(false, i).value;
        PROMISE(controls[i] >= range.minimum && controls[i] <= range.maximum);
    }
}

// --- messages ------------------------------------------------------------------------------------------------

typedef struct {
    uint8_t bytes[1 << 14];
    size_t size;
} message_buffer;

static void put(message_buffer *to, const void *bytes, size_t size)
{
    if (size > sizeof to->bytes - 8 - to->size) return;
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
    while (to->size % 8) to->bytes[to->size++] = 0;
}

// A size that is right, or, now and then, any other.
static uint32_t size_or_lie(fuzz_bytes *input, uint32_t size)
{
    const uint8_t lie = fuzz_byte(input);
    if (lie == 0xff) return fuzz_word(input);
    return lie >= 0xf0 ? size + lie - 0xf7 : size;
}

static LV2_URID any_urid(fuzz_bytes *input)
{
    return fuzz_byte(input) % 48;
}

static void put_property(message_buffer *to, fuzz_bytes *input)
{
    const LV2_URID key = any_urid(input), type = any_urid(input);
    uint8_t value[64];
    const uint32_t size = fuzz_byte(input) % sizeof value;
    for (uint32_t i = 0; i < size; i++) value[i] = fuzz_byte(input);
    uint8_t all[sizeof(LV2_Atom_Property_Body) + sizeof value];
    const LV2_Atom_Property_Body body = {.key = key, .value = {size_or_lie(input, size), type}};
    memcpy(all, &body, sizeof body);
    memcpy(all + sizeof body, value, size);
    put(to, all, sizeof body + size);
}

static void put_event(message_buffer *to, fuzz_bytes *input)
{
    const size_t at = to->size;
    LV2_Atom_Event event = {.time.frames = (int16_t)(fuzz_byte(input) << 4 | (fuzz_byte(input) & 15))};
    const LV2_Atom_Object_Body object = {.otype = any_urid(input)};
    put(to, &event, sizeof event);
    put(to, &object, sizeof object);
    for (int n = fuzz_byte(input) % 7; n > 0; n--) put_property(to, input);
    if (to->size < at + sizeof event) return;
    const uint8_t kind = fuzz_byte(input);
    event.body.type = kind < 200 ? urids.atom_object : kind % 48;
    event.body.size = size_or_lie(input, (uint32_t)(to->size - at - sizeof event));
    memcpy(to->bytes + at, &event, sizeof event);
}

// The sequence in a buffer of just its size, so that a read beyond it is seen.
static LV2_Atom_Sequence *make_sequence(fuzz_bytes *input)
{
    static message_buffer messages;
    messages.size = 0;
    if (fuzz_byte(input) & 3) {
        for (int n = fuzz_byte(input) % MOST_MESSAGES; n > 0; n--) put_event(&messages, input);
    } else {
        while (input->at < input->end && messages.size < 256)
            messages.bytes[messages.size++] = fuzz_byte(input);
    }
    LV2_Atom_Sequence *sequence = malloc(sizeof *sequence + messages.size);
    PROMISE(sequence);
    *sequence = (LV2_Atom_Sequence){{(uint32_t)(sizeof sequence->body + messages.size), 0}, {0, 0}};
    memcpy(sequence + 1, messages.bytes, messages.size);
    return sequence;
}

static void set_controls(fuzz_bytes *input)
{
    for (int n = fuzz_byte(input) % 4; n > 0; n--) {
        const int port = FENBY_PORT_ENABLED + fuzz_byte(input) % (FENBY_PORT_LATENCY - FENBY_PORT_ENABLED);
        const fenby_parameter_info range = fenby_port_describe(false, port).value;
        const uint8_t kind = fuzz_byte(input);
        const uint32_t any = kind == 0xff ? fuzz_word(input) : 0;
        if (kind == 0xff) memcpy(&controls[port], &any, sizeof any);
        else controls[port] = range.minimum + (range.maximum - range.minimum) * (float)kind / 254;
    }
}

static void do_work(void)
{
    if (!work_waits) return;
    work_waits = false;
    worker->work(plugin, respond, NULL, 0, NULL);
}

static void run_block(fuzz_bytes *input, uint32_t *position)
{
    const uint8_t length = fuzz_byte(input), room = fuzz_byte(input);
    const uint32_t n_frames = length < 200 ? length * 16u : (length - 200) % 8;
    const uint32_t midi_room = room < 128 ? ROOM - sizeof(LV2_Atom) : (room - 128) * 4u;
    const uint32_t notify_room = room & 1 ? ROOM - sizeof(LV2_Atom) : room * 16u;
    set_controls(input);
    LV2_Atom_Sequence *messages = make_sequence(input);
    if (*position + n_frames > MUSIC) *position = 0;
    offer_room(midi_out, midi_room);
    offer_room(notify_out, notify_room);
    descriptor->connect_port(plugin, FENBY_PORT_CONTROL, messages);
    descriptor->connect_port(plugin, FENBY_PORT_AUDIO, music + *position);
    descriptor->run(plugin, n_frames);
    *position += n_frames;
    watch(midi_out, midi_room, n_frames, true);
    watch(notify_out, notify_room, n_frames, false);
    watch_status();
    free(messages);
    do_work();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = {data, data + size};
    uint32_t position = fuzz_byte(&input) * 256u;
    for (int i = 0; i < FENBY_PORT_AUDIO; i++)
        controls[i] = fenby_port_describe(false, i).value.default_value;
    memset(sounding, 0, sizeof sounding);
    descriptor->activate(plugin);
    while (input.at < input.end) run_block(&input, &position);

    // Bypassed, it ends every note, given room.
    static const uint8_t nothing;
    fuzz_bytes none = {&nothing, &nothing};
    controls[FENBY_PORT_ENABLED] = 0;
    LV2_Atom_Sequence *messages = make_sequence(&none);
    offer_room(midi_out, ROOM - sizeof(LV2_Atom));
    offer_room(notify_out, ROOM - sizeof(LV2_Atom));
    descriptor->connect_port(plugin, FENBY_PORT_CONTROL, messages);
    descriptor->connect_port(plugin, FENBY_PORT_AUDIO, music);
    descriptor->run(plugin, 64);
    watch(midi_out, ROOM - sizeof(LV2_Atom), 64, true);
    for (int i = 0; i < 16 * 128; i++) PROMISE(!sounding[i / 128][i % 128]);
    free(messages);
    do_work();
    descriptor->deactivate(plugin);
    return 0;
}
