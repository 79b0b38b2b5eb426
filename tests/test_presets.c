// SPDX-License-Identifier: ISC
// The presets that come with Fenby say what they should, and files that are no presets are refused with the
// file, the line and the reason.
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dsp/parameters.h"
#include "jack_client/preset.h"
#include "folder.h"
#include "test.h"

#define PREFIXES                                                 \
    "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .\n"           \
    "@prefix pset: <http://lv2plug.in/ns/ext/presets#> .\n"      \
    "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
#define HEAD "<> a pset:Preset ; lv2:appliesTo <urn:fenby:fenby> ; rdfs:label \"Mine\" "

static const char *write_file(const char *name, const void *bytes, size_t size)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    const bool good = file && fwrite(bytes, 1, size, file) == size && !fclose(file);
    REQUIRE(good, "cannot write %s", path);
    return path;
}

static void check_refused(const char *turtle, const char *expected)
{
    char error[256] = "";
    fenby_preset preset;
    const char *const path = write_file("bad.ttl", turtle, strlen(turtle));
    CHECK(!fenby_preset_load(path, &preset, error, sizeof error), "accepted: %s", turtle);
    CHECK(!strcmp(error, expected), "the error is '%s'\n  and not     '%s'", error, expected);
}

static fenby_preset load(const char *name)
{
    char error[256] = "";
    fenby_preset preset;
    const bool good = fenby_preset_load(name, &preset, error, sizeof error);
    REQUIRE(good && !*error, "%s", error);
    return preset;
}

static int count(const fenby_preset *preset)
{
    int n = 0;
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) n += preset->has[i];
    return n;
}

static void test_shipped(void)
{
    static const char *const labels[] = {"Bass",  "Default", "Guitar",           "Piano",
                                         "Tight", "Voice",   "Winds and Strings"};
    const fenby_preset all = load("Default"), piano = load("piano");
    CHECK(count(&all) == FENBY_N_PARAMETERS, "Default sets %d parameters", count(&all));
    const fenby_parameters table = fenby_parameters_default();
    for (int i = 0; i < FENBY_N_PARAMETERS; i++)
        CHECK(all.parameters.value[i] == table.value[i], "Default: %s is %g", fenby_parameter_table[i].symbol,
              all.parameters.value[i]);
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        const fenby_preset preset = load(labels[i]);
        CHECK(!strcmp(preset.label, labels[i]), "%s", preset.label);
        CHECK(strlen(preset.comment) > 20, "%s: comment '%s'", labels[i], preset.comment);
        // Going from one instrument's preset to another's must leave nothing of the first behind.
        for (int p = 0; i != 1 && p < FENBY_N_PARAMETERS; p++)
            CHECK(preset.has[p] == piano.has[p], "%s: %s", labels[i], fenby_parameter_table[p].symbol);
    }
    // What belongs to the room, the cable or the player is no business of an instrument's preset.
    static const fenby_parameter kept[] = {FENBY_INPUT_GAIN, FENBY_NOISE_GATE, FENBY_TRANSPOSE, FENBY_TUNING,
                                           FENBY_FOLLOW_TUNING, FENBY_MIDI_CHANNEL};
    for (int i = 0; i < 6; i++) CHECK(!piano.has[kept[i]], "%s", fenby_parameter_table[kept[i]].symbol);

    CHECK(load("Tight").parameters.value[FENBY_MODE] == FENBY_MODE_TIGHT, "mode");
    CHECK(load("Voice").parameters.value[FENBY_MAXIMUM_POLYPHONY] == 1, "polyphony");
    CHECK(load("guitar").parameters.value[FENBY_MAXIMUM_POLYPHONY] == 6, "polyphony");
    CHECK(load("winds_and_strings").parameters.value[FENBY_MODE] == FENBY_MODE_LIVE, "mode");
}

static void test_apply(void)
{
    fenby_parameters parameters = fenby_parameters_default();
    parameters.value[FENBY_MIDI_CHANNEL] = 16;
    parameters.value[FENBY_MAXIMUM_POLYPHONY] = 88;
    const fenby_preset guitar = load("Guitar");
    fenby_preset_apply(&guitar, &parameters);
    CHECK(parameters.value[FENBY_MIDI_CHANNEL] == 16, "a parameter that the preset does not name was changed");
    CHECK(parameters.value[FENBY_MAXIMUM_POLYPHONY] == 6, "a parameter that the preset names was not");
}

// What hosts write: other prefixes, ports as named nodes, values first, more datatypes, what others need.
static void test_foreign_forms(void)
{
    static const char turtle[] =
        "@prefix l: <http://lv2plug.in/ns/lv2core#> . @prefix p: <http://lv2plug.in/ns/ext/presets#> .\n"
        "<http://x.org/mine> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> p:Preset ;\n"
        "  l:appliesTo <urn:other> , <urn:fenby:fenby> ;\n"
        "  <http://www.w3.org/2000/01/rdf-schema#label> \"My\\ns\xc3\xa4gt\"@de ;\n"
        "  <http://lv2plug.in/ns/ext/state#state> [ <http://x.org/model> <model.fnw> ; <http://x.org/n> 7 ] ;\n"
        "  l:port [ p:value 42.0 ; l:symbol \"lowest_key\" ] , _:b , [ l:symbol \"velocity_curve\" ;\n"
        "  p:value \"2.5\"^^<http://www.w3.org/2001/XMLSchema#float> ] .\n"
        "_:b l:symbol \"highest_key\" ; p:value 6.4E1 .\n";
    const fenby_preset preset = load(write_file("Host's own.ttl", turtle, sizeof turtle - 1));
    CHECK(!strcmp(preset.label, "My s\xc3\xa4gt"), "'%s'", preset.label);
    CHECK(count(&preset) == 3, "%d parameters", count(&preset));
    CHECK(preset.parameters.value[FENBY_LOWEST_KEY_PARAMETER] == 42, "lowest key");
    CHECK(preset.parameters.value[FENBY_HIGHEST_KEY_PARAMETER] == 64, "highest key");
    CHECK(preset.parameters.value[FENBY_VELOCITY_CURVE] == 2.5f, "curve");
}

static void test_refused(void)
{
    check_refused(PREFIXES HEAD ";\n lv2:port\n [ lv2:symbol \"volume\" ; pset:value 1 ] .\n",
                  "bad.ttl:6: unknown parameter 'volume'");
    check_refused(PREFIXES HEAD ";\n lv2:port\n [ lv2:symbol \"s\\n\\u001B[2Jy\" ; pset:value 1 ] .\n",
                  "bad.ttl:6: unknown parameter 's  [2Jy'");
    check_refused(PREFIXES HEAD ";\n lv2:port [ lv2:symbol \"mode\" ; pset:value 1\n ] ,\n\n"
                                " [ lv2:symbol \"sensitivity\" ; pset:value 1.5 ] .\n",
                  "bad.ttl:8: sensitivity: '1.5' is out of range, expected 0 .. 1");
    check_refused(PREFIXES HEAD ";\n lv2:port [ lv2:symbol \"midi_channel\" ; pset:value 1.5 ] .\n",
                  "bad.ttl:5: midi_channel: '1.5' is not a whole number, expected 1 .. 16");
    check_refused(PREFIXES HEAD ";\n lv2:port [ lv2:symbol \"mode\" ; pset:value \"tight\" ] .\n",
                  "bad.ttl:5: pset:value is text, expected a number");
    check_refused(PREFIXES HEAD ";\n lv2:port [ lv2:symbol \"mode\" ] .\n",
                  "bad.ttl:5: a port without pset:value");
    check_refused(PREFIXES HEAD ";\n lv2:port [ pset:value 1 ] .\n", "bad.ttl:5: a port without lv2:symbol");
    check_refused(PREFIXES HEAD ".\n<x> a pset:Preset .\n", "bad.ttl:5: a second preset, expected one a file");
    check_refused(PREFIXES "<> a pset:Preset ; lv2:appliesTo <urn:x> ; rdfs:label \"x\" .\n",
                  "bad.ttl:4: a preset of another plugin, expected lv2:appliesTo <urn:fenby:fenby>");
    check_refused(PREFIXES "<> a pset:Preset ; lv2:appliesTo <urn:fenby:fenby> .\n",
                  "bad.ttl:4: the preset has no rdfs:label");
    check_refused(PREFIXES, "bad.ttl:3: no pset:Preset in the file");
    check_refused("", "bad.ttl:1: no pset:Preset in the file");

    char error[256] = "";
    fenby_preset preset;
    CHECK(!fenby_preset_load("/nowhere/x.ttl", &preset, error, sizeof error), "accepted");
    CHECK(!strcmp(error, "/nowhere/x.ttl: cannot be opened: No such file or directory"), "'%s'", error);
    CHECK(!fenby_preset_load("/", &preset, error, sizeof error), "accepted");
    CHECK(!fenby_preset_load("Zither", &preset, error, sizeof error), "accepted");
    CHECK(!strcmp(error, "preset 'Zither' is not known, expected bass, default, guitar, piano, tight, voice, "
                         "winds-and-strings"), "'%s'", error);
}

// Broken Turtle: the error names file and line in one line, whatever the damage.
static void check_survives(const char *name, const char *bytes, size_t size, bool must_fail)
{
    char error[256] = "";
    fenby_preset preset;
    const bool good = fenby_preset_load(write_file(name, bytes, size), &preset, error, sizeof error);
    CHECK(!good || !must_fail, "accepted %zu bytes", size);
    CHECK(good || (!strncmp(error, name, strlen(name)) && error[strlen(name)] == ':' && !strchr(error, '\n')),
          "the error is '%s'", error);
}

static void test_broken(void)
{
    static const char turtle[] = PREFIXES HEAD "; lv2:port [ lv2:symbol \"mode\" ; pset:value 1 ] .";
    check_survives("syntax.ttl", "<> a ; .\n", 9, true);
    check_survives("noprefix.ttl", "<> a pset:Preset .\n", 19, true);
    for (size_t size = 0; size < sizeof turtle - 2; size++) check_survives("cut.ttl", turtle, size, true);
    for (size_t i = 0; i < sizeof turtle - 1; i++) {
        char damaged[sizeof turtle];
        memcpy(damaged, turtle, sizeof turtle);
        for (int bit = 0; bit < 8; bit++) {
            damaged[i] = (char)(turtle[i] ^ 1 << bit);
            check_survives("flipped.ttl", damaged, sizeof turtle - 1, false);
        }
    }
    static char deep[60000], noise[5000];
    memset(deep, '[', sizeof deep);
    check_survives("deep.ttl", deep, sizeof deep, true);
    memset(deep, '(', sizeof deep);
    memcpy(deep, "<> <> ", 6);
    check_survives("deep.ttl", deep, sizeof deep, true);
    memset(deep, 0, sizeof deep);
    check_survives("zero.ttl", deep, sizeof deep, true);
    unsigned long long random = 1;
    for (int run = 0; run < 50; run++) {
        for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)test_random_bits(&random);
        check_survives("noise.ttl", noise, sizeof noise, true);
    }
    static char long_file[70000];
    memset(long_file, ' ', sizeof long_file);
    check_survives("long.ttl", long_file, sizeof long_file, true);
}

static void test_folders(void)
{
    char error[256] = "", name[16], **paths;
    static const char turtle[] = PREFIXES HEAD ".\n";
    write_file("Piano.ttl", turtle, sizeof turtle - 1);
    write_file("manifest.ttl", "x", 1);
    write_file("readme.txt", "x", 1);
    setenv("FENBY_PRESETS", folder, 1);
    paths = fenby_preset_paths();
    REQUIRE(paths, "no paths");
    int n_pianos = 0, n_others = 0;
    for (char **path = paths; *path; path++) {
        fenby_preset_name(*path, name, sizeof name);
        n_pianos += !strcmp(name, "Piano");
        n_others += !strcmp(name, "manifest") || !strcmp(name, "readme.txt");
    }
    CHECK(n_pianos == 1 && n_others == 0, "%d, %d", n_pianos, n_others);
    fenby_preset_paths_free(paths);
    CHECK(!strcmp(load("piano").label, "Mine"), "one's own preset does not come first");

    setenv("FENBY_PRESETS", "/nowhere", 1);
    fenby_preset preset;
    CHECK(!fenby_preset_load("Mine", &preset, error, sizeof error), "accepted");
    fenby_preset_name("/a/b.c/winds.ttl", name, sizeof name);
    CHECK(!strcmp(name, "winds"), "'%s'", name);
}

int main(int argc, char **argv)
{
    make_folder();
    setenv("FENBY_PRESETS", argc > 1 ? argv[1] : "presets", 1);
    test_shipped();
    test_apply();
    test_foreign_forms();
    test_refused();
    test_broken();
    test_folders();
    return test_report();
}
