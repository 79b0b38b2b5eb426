// SPDX-License-Identifier: ISC
// life_lv2: the plugin's life in short, for valgrind, under which the tests proper take too long. Each way of
// working: set up, play, other messages and models, bypass, state, off and on again, free.
#include "tests/system/lv2_host.h"

// Valgrind computes each multiply-add by a call, so that half a second must do.
enum { RATE = 48000, COMPOSED = 2 * RATE, PLAYED = RATE / 2, BLOCK = 512 };

static float music[COMPOSED];

static void play(host *h)
{
    for (int i = 0; i < PLAYED / BLOCK; i++) {
        if (i == 8) host_send_model(h, "nn/weights/default.fnw");
        if (i == 12) host_send_model(h, "/nowhere/missing.fnw");
        if (i == 16) host_send_save(h, "/nowhere/notes.mid");
        h->control[FENBY_PORT_FREEWHEEL] = i >= 24;  // its notes come whatever the machine does
        host_play(h, music + i * BLOCK, BLOCK);
        host_rest(h);
    }
    h->control[FENBY_PORT_FREEWHEEL] = 0;
}

static void live(host_config config)
{
    host *h = host_open(config);
    REQUIRE(h->instance, "no plugin");
    host_send(h, h->urids.watch);
    play(h);
    LilvState *state = lilv_state_new_from_instance(h->plugin, h->instance, &h->map, NULL, NULL, NULL, NULL,
                                                    NULL, NULL, 0, NULL);
    CHECK(state, "no state");
    lilv_state_restore(state, h->instance, NULL, NULL, 0, NULL);
    lilv_state_free(state);
    host_restart(h);
    h->control[FENBY_PORT_ENABLED] = 0;
    for (int i = 0; i < 4; i++) host_play(h, NULL, BLOCK);
    CHECK(h->notes > 0 && h->broken == 0 && host_hanging(h) == 0, "%d notes, %d promises broken, %d hang",
          h->notes, h->broken, host_hanging(h));
    host_close(h);
}

int main(void)
{
    host_compose(music, COMPOSED, RATE);
    live((host_config){0});
    live((host_config){.no_worker = true, .stereo = true});
    live((host_config){.synchronous = true, .no_options = true, .no_log = true});
    host *refused = host_open((host_config){.no_map = true});
    CHECK(!refused->instance, "a host without urid:map");
    host_close(refused);
    return test_report();
}
