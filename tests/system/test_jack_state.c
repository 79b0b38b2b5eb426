// SPDX-License-Identifier: ISC
// The state of fenby-jack: two that differ in one thing are told apart, for what is told apart is saved; what was saved
// is loaded again.
#include "jack_client/fenby_jack_state.h"

#include <string.h>

#include "tests/folder.h"
#include "tests/test.h"

static char path[sizeof folder + 16];

// Unlike `other`, and loaded as it was saved.
static void check_kept(const fenby_jack_state *state, const fenby_jack_state *other, const char *what)
{
    char error[512] = "";
    fenby_jack_state loaded = fenby_jack_state_default();
    CHECK(fenby_jack_state_equal(state, state), "%s: not equal to itself", what);
    CHECK(!fenby_jack_state_equal(state, other) && !fenby_jack_state_equal(other, state), "%s: it makes no difference", what);
    CHECK(fenby_jack_state_save(state, path, error, sizeof error), "%s: %s", what, error);
    CHECK(fenby_jack_state_load(&loaded, path, error, sizeof error), "%s: %s", what, error);
    CHECK(fenby_jack_state_equal(&loaded, state), "%s: what was saved is not what is loaded", what);
    CHECK(!strcmp(loaded.preset, state->preset), "%s: the preset is '%s'", what, loaded.preset);
    CHECK(!strcmp(loaded.model, state->model), "%s: the model is '%s'", what, loaded.model);
}

static void test_parameters(void)
{
    const fenby_jack_state before = fenby_jack_state_default();
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++) {
        const fenby_parameter_info *const info = &fenby_parameter_table[i];
        fenby_jack_state state = before;
        state.parameters.value[i] = info->default_value == info->minimum ? info->maximum : info->minimum;
        check_kept(&state, &before, info->symbol);
    }
}

// Also names that would break a line.
static void test_names(void)
{
    static const char *const names[] = {"piano", "two words", "a\\nb", "a\nb\rc\\"};
    const fenby_jack_state before = fenby_jack_state_default();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fenby_jack_state state = before;
        snprintf(state.preset, sizeof state.preset, "%s", names[i]);
        check_kept(&state, &before, "preset");
        state = before;
        snprintf(state.model, sizeof state.model, "%s", names[i]);
        check_kept(&state, &before, "model");
    }
}

static void test_links(void)
{
    const fenby_jack_state before = fenby_jack_state_default();
    fenby_jack_state one = before, two = before;
    fenby_jack_links_add(&one.links, "in", "system:capture 1", FENBY_JACK_MADE);
    fenby_jack_links_add(&two.links, "in", "system:capture 2", FENBY_JACK_MADE);
    check_kept(&one, &before, "link");
    check_kept(&one, &two, "link");
    fenby_jack_links_add(&two.links, "in", "system:capture 1", FENBY_JACK_ASKED);
    check_kept(&two, &one, "links");
    fenby_jack_links_remove(&two.links, 0);
    CHECK(fenby_jack_state_equal(&one, &two), "how a link came about makes a difference");
}

int main(void)
{
    make_folder();
    snprintf(path, sizeof path, "%s/state", folder);
    test_parameters();
    test_names();
    test_links();
    return test_report();
}
