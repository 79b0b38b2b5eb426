// SPDX-License-Identifier: ISC
// Feeds the OSC packets' reader and every method behind it: clang -fsanitize=fuzzer,address,undefined with
// jack_client/fenby_jack_osc.c, fenby_jack_packet.c, preset.c and the library.
//
// Each input goes in twice: as a packet, and as the types and arguments of a message to one of the addresses
// that there are, so that the fuzzer gets past the reader. The control behind it is a witness: what reaches it
// must be within the parameters' ranges, and text must end.
#include <arpa/inet.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jack_client/fenby_jack_osc.h"
#include "tests/guarded.h"

struct fenby_jack_control {
    fenby_jack_state state;
};

static struct fenby_jack_control witness;
static fenby_jack_osc *osc;
static size_t n_texts;  // bytes of text seen, so that they must be read

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

// --- the witness ---------------------------------------------------------------------------------------------

const fenby_jack_state *fenby_jack_control_state(const fenby_jack_control *control)
{
    return &control->state;
}

void fenby_jack_control_set(fenby_jack_control *control, fenby_parameter parameter, float value)
{
    if ((int)parameter < 0 || parameter >= FENBY_N_PARAMETERS) abort();
    if (!(value == fenby_parameter_clamp(parameter, value))) abort();
    control->state.parameters.value[parameter] = value;
}

static bool take_text(const char *text, char *error, size_t error_size)
{
    n_texts += strlen(text);
    snprintf(error, error_size, "%s: not here", text);
    return strlen(text) % 2;
}

bool fenby_jack_control_preset(fenby_jack_control *control, const char *name, char *error, size_t error_size)
{
    (void)control;
    return take_text(name, error, error_size);
}

bool fenby_jack_control_model(fenby_jack_control *control, const char *path, char *error, size_t error_size)
{
    (void)control;
    return take_text(path, error, error_size);
}

bool fenby_jack_control_record(fenby_jack_control *control, const char *path, bool may_replace, char *error,
                               size_t error_size)
{
    (void)control;
    if (may_replace) abort();  // nobody replaces a file from afar
    return !path || take_text(path, error, error_size);
}

void fenby_jack_control_panic(fenby_jack_control *control)
{
    (void)control;
}

void fenby_jack_control_quit(fenby_jack_control *control)
{
    (void)control;
}

void fenby_jack_control_status_get(fenby_jack_control *control, fenby_jack_control_status *status)
{
    (void)control;
    *status = (fenby_jack_control_status){.model = "a model"};
}

// --- packets -------------------------------------------------------------------------------------------------

static void take(const void *bytes, size_t size)
{
    fenby_jack_address from;
    if (size > GUARDED_MOST) return;
    void *copy = guarded_copy(bytes, size);
    if (!copy || !fenby_jack_address_read(&from, "127.0.0.1", 9))
        abort();  // 9: what is sent there is discarded
    fenby_jack_osc_take(osc, &witness, copy, size, &from);
}

static size_t put_text(char *packet, size_t at, const void *text, size_t length)
{
    memcpy(packet + at, text, length);
    return (at + length) / 4 * 4 + 4;  // the rest is zero already
}

// The first byte chooses the address, the second how many of the others are types, the rest are arguments.
static void take_as_arguments(const uint8_t *data, size_t size)
{
    static const char *const addresses[] = {
        "/fenby/param", "/fenby/preset", "/fenby/presets", "/fenby/model", "/fenby/panic", "/fenby/record",
        "/fenby/status", "/fenby/subscribe", "/fenby/unsubscribe", "/fenby/quit", "/fenby/param/tuning/info",
    };
    enum { N_ADDRESSES = sizeof addresses / sizeof addresses[0] };
    static char packet[1024];
    char types[32] = ",", address[96];
    if (size < 2 || size > 512) return;
    const int choice = data[0] % (N_ADDRESSES + FENBY_N_PARAMETERS);
    if (choice < N_ADDRESSES) snprintf(address, sizeof address, "%s", addresses[choice]);
    else
        snprintf(address, sizeof address, "/fenby/param/%s",
                 fenby_parameter_table[choice - N_ADDRESSES].symbol);
    const size_t n_types = data[1] % 8 < size - 2 ? data[1] % 8 : size - 2;
    for (size_t i = 0; i < n_types; i++) types[1 + i] = "ifsSdhTFNIbtmcr"[data[2 + i] % 15];
    memset(packet, 0, sizeof packet);
    size_t at = put_text(packet, 0, address, strlen(address));
    at = put_text(packet, at, types, strlen(types));
    memcpy(packet + at, data + 2 + n_types, size - 2 - n_types);
    at += size - 2 - n_types;
    take(packet, (at + 3) / 4 * 4);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    char error[256];
    witness.state = fenby_jack_state_default();
    osc = fenby_jack_osc_new("127.0.0.1", 0, error, sizeof error);
    if (!osc) abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    take(data, size);
    take_as_arguments(data, size);
    return 0;
}
