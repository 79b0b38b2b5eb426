// SPDX-License-Identifier: ISC
// Whoever subscribed hears nothing any more when the minute is over, which passes here as the test says. Otherwise all is
// real: the packets, the sockets, the control behind it, which waits for a JACK server. Who subscribes again in time hears
// more, but not everything twice.
#include "jack_client/fenby_jack_clock.h"

static double set_now_s(void);
#define fenby_jack_now_s set_now_s
#include "jack_client/fenby_jack_osc.c"
#undef fenby_jack_now_s

#include "tests/test.h"

static double now_s = 1000;
static fenby_jack_osc *osc;
static fenby_jack_control *control;

static double set_now_s(void)
{
    return now_s;
}

static void on_note(void *user, const fenby_jack_note *note)
{
    (void)user, (void)note;
}

static void on_say(void *user, const char *line, bool is_trouble)
{
    (void)user, (void)line, (void)is_trouble;
}

static int new_socket(void)
{
    const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    fenby_jack_address address;
    REQUIRE(fenby_jack_address_read(&address, "127.0.0.1", 0), "no address");
    REQUIRE(bind(descriptor, (const struct sockaddr *)&address.bytes, address.size) == 0, "no socket");
    return descriptor;
}

// How many messages have come to this address since the last look.
static int count(int descriptor, const char *wanted)
{
    char bytes[FENBY_JACK_PACKET_BYTES];
    int n = 0;
    for (ssize_t size; (size = recv(descriptor, bytes, sizeof bytes - 1, MSG_DONTWAIT)) > 0;) {
        bytes[size] = 0;
        n += !strcmp(bytes, wanted);
    }
    return n;
}

static void subscribe(int descriptor, const char *what)
{
    fenby_jack_address address;
    REQUIRE(fenby_jack_address_read(&address, "127.0.0.1", fenby_jack_osc_port(osc)), "no address");
    lo_message message = lo_message_new();
    if (what) lo_message_add_string(message, what);
    fenby_jack_packet_send(descriptor, &address, "/fenby/subscribe", message);
    fenby_jack_osc_update(osc, control);
    CHECK(count(descriptor, done_path) == 1, "the subscription is not answered");
}

// What each of them hears of a note, a level and a parameter at this time.
static void check_heard(double at_s, int descriptor, int notes, int levels, int parameters)
{
    const fenby_jack_note note = {.type = FENBY_NOTE_ON, .key = 60, .velocity = 100};
    now_s = at_s;
    fenby_jack_control_set(control, FENBY_TUNING, 440);
    fenby_jack_osc_update(osc, control);
    (void)count(descriptor, "");
    fenby_jack_osc_note(osc, &note);
    const int n_notes = count(descriptor, "/fenby/note");
    now_s += level_interval_s + 0.01;
    fenby_jack_osc_update(osc, control);
    const int n_levels = count(descriptor, "/fenby/level");
    fenby_jack_control_set(control, FENBY_TUNING, 443);
    fenby_jack_osc_update(osc, control);
    const int n_parameters = count(descriptor, "/fenby/param/tuning");
    CHECK(n_notes == notes && n_levels == levels && n_parameters == parameters,
          "after %g s: %d notes, %d levels, %d parameters", at_s - 1000, n_notes, n_levels, n_parameters);
}

int main(void)
{
    char error[512] = "";
    const fenby_jack_control_config config = {
        .name = "fenby", .waits_for_server = true, .n_inputs = 1, .wake_descriptor = -1, .on_note = on_note, .say = on_say};
    const fenby_jack_state state = fenby_jack_state_default();
    control = fenby_jack_control_new(&config, &state, error, sizeof error);
    REQUIRE(control, "%s", error);
    osc = fenby_jack_osc_new("127.0.0.1", 0, error, sizeof error);
    REQUIRE(osc, "%s", error);

    const int all = new_socket(), some = new_socket(), again = new_socket();
    subscribe(all, NULL);
    subscribe(some, "notes");
    subscribe(again, "levels");
    check_heard(1001, all, 1, 1, 1);
    check_heard(1002, some, 1, 0, 0);
    check_heard(1059, all, 1, 1, 1);
    subscribe(again, "levels");
    check_heard(1059.5, again, 0, 1, 0);
    check_heard(1061, all, 0, 0, 0);
    check_heard(1062, some, 0, 0, 0);
    check_heard(1118, again, 0, 1, 0);
    check_heard(1121, again, 0, 0, 0);

    close(all);
    close(some);
    close(again);
    fenby_jack_osc_free(osc);
    CHECK(fenby_jack_control_free(control, error, sizeof error), "%s", error);
    return test_report();
}
