// SPDX-License-Identifier: ISC
// Events become MIDI: what a receiver hears of them, in each of the three ways, and that every note ends.
#include <string.h>

#include "dsp/midi_out.h"
#include "dsp/parameters.h"
#include "test.h"

enum { NOTE_OFF = 0x80, NOTE_ON = 0x90, CONTROLLER = 0xb0, PITCH_BEND = 0xe0 };

static fenby_midi_message messages[FENBY_MIDI_MOST];
static int n_messages;

static void send(fenby_midi_out *out, int type, int key, float bend, int channel, int bends)
{
    const fenby_event event = {.type = (uint8_t)type, .key = (uint8_t)key, .bend = bend,
                               .velocity = type == FENBY_NOTE_ON ? 90 : 0};
    n_messages = fenby_midi_out_event(out, &event, channel, bends, messages);
}

static void check_message(int i, int status, int channel, int first, int second)
{
    REQUIRE(i < n_messages, "message %d of %d", i, n_messages);
    const uint8_t *b = messages[i].bytes;
    CHECK(b[0] == (status | (channel - 1)) && b[1] == first && b[2] == second,
          "message %d is %02x %d %d, expected %02x %d %d", i, b[0], b[1], b[2], status | (channel - 1), first, second);
}

static void check_bend(int i, int channel, int value)  // of 14 bits, 8192 in the middle
{
    check_message(i, PITCH_BEND, channel, value & 0x7f, value >> 7);
}

static void test_off(void)
{
    fenby_midi_out out = {0};
    send(&out, FENBY_NOTE_ON, 60, 0.5f, 3, FENBY_BENDS_OFF);
    CHECK(n_messages == 1, "%d messages", n_messages);
    check_message(0, NOTE_ON, 3, 60, 90);
    send(&out, FENBY_NOTE_ON, 60, 0, 3, FENBY_BENDS_OFF);
    CHECK(n_messages == 0, "%d messages for a note that sounds", n_messages);
    send(&out, FENBY_BEND, 60, 1, 3, FENBY_BENDS_OFF);
    CHECK(n_messages == 0, "%d messages for a bend", n_messages);
    send(&out, FENBY_NOTE_OFF, 61, 0, 3, FENBY_BENDS_OFF);
    CHECK(n_messages == 0, "%d messages for a note that does not sound", n_messages);
    send(&out, FENBY_NOTE_OFF, 60, 0, 4, FENBY_BENDS_OFF);
    CHECK(n_messages == 1, "%d messages", n_messages);
    check_message(0, NOTE_OFF, 3, 60, 64);  // on the channel that it began on
    fenby_midi_out_forget(&out);
    send(&out, FENBY_NOTE_ON, 0, 0, 16, FENBY_BENDS_OFF);
    CHECK(n_messages == 1, "%d messages after forgetting what never was", n_messages);
    check_message(0, NOTE_ON, 16, 0, 90);
}

static void test_one_channel(void)
{
    fenby_midi_out out = {0};
    send(&out, FENBY_NOTE_ON, 60, 0.5f, 1, FENBY_BENDS_CHANNEL);
    CHECK(n_messages == 2, "%d messages", n_messages);
    check_bend(0, 1, 8192 + 2048);
    check_message(1, NOTE_ON, 1, 60, 90);
    send(&out, FENBY_NOTE_ON, 64, 0.1f, 1, FENBY_BENDS_CHANNEL);
    check_bend(0, 1, 8192 + 1229);  // 0.3 semitones, the mean
    send(&out, FENBY_BEND, 64, -0.5f, 1, FENBY_BENDS_CHANNEL);
    CHECK(n_messages == 1, "%d messages", n_messages);
    check_bend(0, 1, 8192);
    send(&out, FENBY_BEND, 67, 1, 1, FENBY_BENDS_CHANNEL);
    CHECK(n_messages == 0, "%d messages for a silent key", n_messages);
    send(&out, FENBY_NOTE_OFF, 64, 0, 1, FENBY_BENDS_CHANNEL);
    CHECK(n_messages == 1, "%d messages: what fades keeps its pitch", n_messages);
    send(&out, FENBY_BEND, 60, 9, 1, FENBY_BENDS_CHANNEL);
    check_bend(0, 1, 16383);
    send(&out, FENBY_BEND, 60, -9, 1, FENBY_BENDS_CHANNEL);
    check_bend(0, 1, 0);
    send(&out, FENBY_NOTE_OFF, 60, 0, 1, FENBY_BENDS_CHANNEL);
    send(&out, FENBY_NOTE_ON, 62, 0.5f, 1, FENBY_BENDS_OFF);
    CHECK(n_messages == 2, "%d messages", n_messages);
    check_bend(0, 1, 8192);  // switched off: straight again
    send(&out, FENBY_NOTE_OFF, 62, 0, 1, FENBY_BENDS_OFF);
    send(&out, FENBY_NOTE_ON, 62, 0.5f, 1, FENBY_BENDS_CHANNEL);
    send(&out, FENBY_NOTE_OFF, 62, 0, 1, FENBY_BENDS_CHANNEL);
    send(&out, FENBY_NOTE_ON, 62, 0.5f, 1, FENBY_BENDS_CHANNEL);
    CHECK(n_messages == 1, "%d messages: the bend is known", n_messages);
    fenby_midi_out_forget(&out);
    send(&out, FENBY_NOTE_ON, 63, 0.5f, 1, FENBY_BENDS_CHANNEL);
    CHECK(n_messages == 2, "%d messages: the bend is not known any more", n_messages);
}

static void check_range(int i, int channel, int semitones)
{
    check_message(i, CONTROLLER, channel, 101, 0);
    check_message(i + 1, CONTROLLER, channel, 100, 0);
    check_message(i + 2, CONTROLLER, channel, 6, semitones);
}

static void check_zone(int n_members)
{
    check_message(0, CONTROLLER, 1, 101, 0);
    check_message(1, CONTROLLER, 1, 100, 6);
    check_message(2, CONTROLLER, 1, 6, n_members);
}

static void test_mpe(void)
{
    fenby_midi_out out = {0};
    send(&out, FENBY_NOTE_ON, 40, 1, 7, FENBY_BENDS_MPE);
    CHECK(n_messages == 8, "%d messages", n_messages);
    check_zone(15);
    check_range(3, 2, 48);
    check_bend(6, 2, 8192 + 171);  // a semitone of 48
    check_message(7, NOTE_ON, 2, 40, 90);
    for (int i = 1; i < 15; i++) {
        send(&out, FENBY_NOTE_ON, 40 + i, 0, 7, FENBY_BENDS_MPE);
        CHECK(n_messages == 4, "%d messages", n_messages);
        check_range(0, 2 + i, 48);
        check_message(3, NOTE_ON, 2 + i, 40 + i, 90);
    }
    send(&out, FENBY_NOTE_ON, 60, 0, 7, FENBY_BENDS_MPE);  // one too many: it joins the oldest
    check_bend(0, 2, 8192 + 85);
    check_message(1, NOTE_ON, 2, 60, 90);
    send(&out, FENBY_BEND, 50, -0.5f, 7, FENBY_BENDS_MPE);
    check_bend(0, 12, 8192 - 85);
    send(&out, FENBY_NOTE_OFF, 50, 0, 7, FENBY_BENDS_MPE);
    check_message(0, NOTE_OFF, 12, 50, 64);
    send(&out, FENBY_NOTE_OFF, 45, 0, 7, FENBY_BENDS_MPE);
    send(&out, FENBY_NOTE_ON, 61, 0, 7, FENBY_BENDS_MPE);
    check_message(0, NOTE_ON, 7, 61, 90);  // the older one of the two that are free
    send(&out, FENBY_NOTE_ON, 62, 0, 7, FENBY_BENDS_OFF);
    CHECK(n_messages == 7, "%d messages", n_messages);
    check_zone(0);
    check_range(3, 7, 2);  // as it was
    check_message(6, NOTE_ON, 7, 62, 90);
    send(&out, FENBY_NOTE_OFF, 60, 0, 7, FENBY_BENDS_OFF);
    check_message(0, NOTE_OFF, 2, 60, 64);
    send(&out, FENBY_BEND, 40, 0.5f, 7, FENBY_BENDS_CHANNEL);  // one that began as a member
    CHECK(n_messages == 4, "%d messages", n_messages);
    check_range(0, 2, 2);
    check_bend(3, 2, 8192 + 2048);
    send(&out, FENBY_NOTE_ON, 63, 0, 7, FENBY_BENDS_MPE);
    fenby_midi_out_forget(&out);
    send(&out, FENBY_NOTE_ON, 64, 0, 7, FENBY_BENDS_MPE);
    check_zone(15);
    send(&out, FENBY_BEND, 64, 1, 7, FENBY_BENDS_MPE);
    CHECK(n_messages == 1, "%d messages", n_messages);
    fenby_midi_out_forget(&out);
    send(&out, FENBY_BEND, 64, 1, 7, FENBY_BENDS_MPE);  // another receiver, and the same bend as before
    CHECK(n_messages == 4, "%d messages", n_messages);
}

// For a receiver that comes when all was told: as if each channel had its first note.
static void test_zone(void)
{
    static fenby_midi_message zone[FENBY_MIDI_ZONE];
    fenby_midi_out_zone(zone);
    for (int channel = 1; channel <= FENBY_MIDI_CHANNELS; channel++) {
        n_messages = 3;
        memcpy(messages, zone + 3 * (channel - 1), 3 * sizeof *zone);
        if (channel == 1) check_zone(15);
        else check_range(0, channel, 48);
    }
}

// A synth that knows nothing of MPE: its notes, the pitch of each channel, which parameter it was told last.
typedef struct {
    int notes[16][128];
    int bend[16], range[16], parameter[16];
    bool is_good;
} synth;

static double semitones(const synth *s, int channel)
{
    return (double)s->range[channel] * s->bend[channel] / 8192;
}

static void hear(synth *s)
{
    for (int i = 0; i < n_messages; i++) {
        const uint8_t *b = messages[i].bytes;
        const int channel = b[0] & 0x0f, status = b[0] & 0xf0;
        s->is_good &= b[0] >= 0x80 && b[1] < 0x80 && b[2] < 0x80;
        if (status == NOTE_ON) s->is_good &= ++s->notes[channel][b[1]] == 1 && b[2] > 0 && i == n_messages - 1;
        if (status == NOTE_OFF) s->is_good &= --s->notes[channel][b[1]] == 0;
        if (status == PITCH_BEND) s->bend[channel] = (b[2] << 7 | b[1]) - 8192;
        if (status != CONTROLLER) continue;
        if (b[1] == 101) s->parameter[channel] = b[2] << 7;
        if (b[1] == 100) s->parameter[channel] |= b[2];
        if (b[1] == 6 && s->parameter[channel] == 0) s->range[channel] = b[2];
    }
}

// Whatever comes, in whatever way: a note-on and a note-off for each note, and the pitch that was asked for.
static void test_storm(int bends, int most_notes)
{
    fenby_midi_out out = {0};
    synth s = {.is_good = true};
    for (int channel = 0; channel < 16; channel++) s.range[channel] = 2;
    float wanted[128] = {0};
    bool sounds[128] = {false};
    int n_on = 0, n_heard = 0;
    double worst = 0;
    unsigned long long seed = 5;
    for (int i = 0; i < 20000; i++) {
        const int key = (int)((most_notes + 7) * test_random(&seed)) % 128, type = (int)(3 * test_random(&seed));
        const float bend = (float)(2 * test_random(&seed) - 1);
        if (type == FENBY_NOTE_ON && !sounds[key] && n_on == most_notes) continue;
        if (i % 1000 == 999) fenby_midi_out_forget(&out);
        send(&out, type, key, bend, 1, bends);
        hear(&s);
        if (type == FENBY_NOTE_ON && !sounds[key]) sounds[key] = true, wanted[key] = bend, n_on++, n_heard++;
        else if (type == FENBY_BEND) wanted[key] = bend;
        else if (type == FENBY_NOTE_OFF && sounds[key]) sounds[key] = false, n_on--;
        for (int k = 0; k < 128; k++) {
            const double off = fabs(semitones(&s, out.channel_of_key[k] - 1 + !sounds[k]) - (double)wanted[k]);
            if (sounds[k] && bends != FENBY_BENDS_OFF && off > worst) worst = off;
        }
    }
    for (int key = 0; key < 128; key++) {
        send(&out, FENBY_NOTE_OFF, key, 0, 1, bends);
        hear(&s);
    }
    int n_left = 0;
    for (int channel = 0; channel < 16; channel++)
        for (int key = 0; key < 128; key++) n_left += s.notes[channel][key];
    CHECK(s.is_good, "bends %d: bytes, or notes that begin or end twice", bends);
    CHECK(n_left == 0, "bends %d: %d notes sound on", bends, n_left);
    CHECK(n_heard > 300, "bends %d: only %d notes", bends, n_heard);
    CHECK(worst < 0.003 + (bends == FENBY_BENDS_MPE) * 0.001, "bends %d: %.4f semitones off", bends, worst);
}

int main(void)
{
    test_off();
    test_one_channel();
    test_mpe();
    test_zone();
    test_storm(FENBY_BENDS_OFF, 128);
    test_storm(FENBY_BENDS_CHANNEL, 1);
    test_storm(FENBY_BENDS_MPE, 15);
    return test_report();
}
