// SPDX-License-Identifier: ISC
// The plugin's descriptions say what the plugin does: every port of both variants is read back through lilv and
// compared with the enum, the list of ports and the table of parameters; lv2_validate has nothing to say.
#include <lilv/lilv.h>
#include <stdbool.h>
#include <string.h>

#include "plugin/messages.h"
#include "plugin/ports.h"
#include "tests/test.h"

#define LV2 "http://lv2plug.in/ns/lv2core#"
#define ATOM "http://lv2plug.in/ns/ext/atom#"
#define UNITS "http://lv2plug.in/ns/extensions/units#"
#define GROUPS "http://lv2plug.in/ns/ext/port-groups#"

static LilvWorld *world;

static bool port_has_class(const LilvPlugin *plugin, const LilvPort *port, const char *uri)
{
    LilvNode *node = lilv_new_uri(world, uri);
    const bool is = lilv_port_is_a(plugin, port, node);
    lilv_node_free(node);
    return is;
}

// The value of a port's property is this URI.
static bool port_has(const LilvPlugin *plugin, const LilvPort *port, const char *property, const char *uri)
{
    LilvNode *key = lilv_new_uri(world, property), *value = lilv_new_uri(world, uri);
    LilvNodes *values = lilv_port_get_value(plugin, port, key);
    const bool has = lilv_nodes_contains(values, value);
    lilv_nodes_free(values);
    lilv_node_free(key);
    lilv_node_free(value);
    return has;
}

static bool port_property(const LilvPlugin *plugin, const LilvPort *port, const char *uri)
{
    return port_has(plugin, port, LV2 "portProperty", uri);
}

static bool is_near(const LilvNode *node, float value)
{
    return node && fabsf(lilv_node_as_float(node) - value) <= 1e-5f * fmaxf(1, fabsf(value));
}

static void check_scale_points(const LilvPlugin *plugin, const LilvPort *port,
                               const fenby_parameter_info *value)
{
    LilvScalePoints *points = lilv_port_get_scale_points(plugin, port);
    unsigned right = 0;
    LILV_FOREACH(scale_points, i, points)
    {
        const LilvScalePoint *point = lilv_scale_points_get(points, i);
        const int number = lilv_node_as_int(lilv_scale_point_get_value(point));
        if (number < 0 || number > (int)value->maximum) continue;
        right += !strcmp(lilv_node_as_string(lilv_scale_point_get_label(point)), value->labels[number]);
    }
    const unsigned expected = (unsigned)value->maximum + 1;
    CHECK(lilv_scale_points_size(points) == expected && right == expected,
          "%s: %u scale points, %u of %u right", value->symbol, lilv_scale_points_size(points), right,
          expected);
    lilv_scale_points_free(points);
}

static void check_value(const LilvPlugin *plugin, const LilvPort *port, const fenby_parameter_info *value)
{
    static const char *const units[][2] = {
        {"dB", "db"},        {"Hz", "hz"}, {"ms", "ms"}, {"key", "midiNote"}, {"semitones", "semitone12TET"},
        {"frames", "frame"}, {"%", "pc"}};
    LilvNode *by_default, *minimum, *maximum;
    lilv_port_get_range(plugin, port, &by_default, &minimum, &maximum);
    CHECK(is_near(by_default, value->default_value) && is_near(minimum, value->minimum) &&
              is_near(maximum, value->maximum),
          "%s: %g .. %g, default %g", value->symbol, (double)lilv_node_as_float(minimum),
          (double)lilv_node_as_float(maximum), (double)lilv_node_as_float(by_default));
    lilv_node_free(by_default);
    lilv_node_free(minimum);
    lilv_node_free(maximum);
    const bool toggled = port_property(plugin, port, LV2 "toggled");
    const bool integer = port_property(plugin, port, LV2 "integer") || toggled;
    const bool enumeration = port_property(plugin, port, LV2 "enumeration") || toggled;
    CHECK(integer == (value->kind != FENBY_CONTINUOUS), "%s: integer is %d", value->symbol, integer);
    CHECK(enumeration == (value->kind == FENBY_CHOICE), "%s: enumeration is %d", value->symbol, enumeration);
    if (value->kind == FENBY_CHOICE) check_scale_points(plugin, port, value);
    bool right = !*value->unit;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char uri[128];
        snprintf(uri, sizeof uri, UNITS "%s", units[i][1]);
        if (!strcmp(value->unit, units[i][0])) right = port_has(plugin, port, UNITS "unit", uri);
    }
    CHECK(right, "%s: wrong unit", value->symbol);
}

static void check_port(const LilvPlugin *plugin, bool stereo, int index)
{
    static const char *const classes[][2] = {
        [FENBY_AUDIO_IN] = {LV2 "InputPort", LV2 "AudioPort"},
        [FENBY_AUDIO_OUT] = {LV2 "OutputPort", LV2 "AudioPort"},
        [FENBY_ATOM_IN] = {LV2 "InputPort", ATOM "AtomPort"},
        [FENBY_ATOM_OUT] = {LV2 "OutputPort", ATOM "AtomPort"},
        [FENBY_CONTROL_IN] = {LV2 "InputPort", LV2 "ControlPort"},
        [FENBY_CONTROL_OUT] = {LV2 "OutputPort", LV2 "ControlPort"},
    };
    const fenby_port expected = fenby_port_describe(stereo, index);
    const LilvPort *port = lilv_plugin_get_port_by_index(plugin, (uint32_t)index);
    REQUIRE(port, "no port %d", index);
    const char *symbol = lilv_node_as_string(lilv_port_get_symbol(plugin, port));
    CHECK(!strcmp(symbol, expected.value.symbol), "port %d is %s, not %s", index, symbol,
          expected.value.symbol);
    LilvNode *name = lilv_port_get_name(plugin, port);
    CHECK(name && !strcmp(lilv_node_as_string(name), expected.value.name), "%s: the name is '%s'", symbol,
          lilv_node_as_string(name));
    lilv_node_free(name);
    for (int i = 0; i < 2; i++)
        CHECK(port_has_class(plugin, port, classes[expected.kind][i]), "%s is no %s", symbol,
              classes[expected.kind][i]);
    if (expected.kind == FENBY_CONTROL_IN || expected.kind == FENBY_CONTROL_OUT) {
        check_value(plugin, port, &expected.value);
        return;
    }
    if (expected.kind == FENBY_ATOM_IN || expected.kind == FENBY_ATOM_OUT)
        CHECK(port_has(plugin, port, ATOM "bufferType", ATOM "Sequence"), "%s holds no sequence", symbol);
}

// The parameters stand in the enum's order, at the enum's place.
static void check_parameters(const LilvPlugin *plugin)
{
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) {
        LilvNode *symbol = lilv_new_string(world, fenby_parameter_table[i].symbol);
        const LilvPort *port = lilv_plugin_get_port_by_symbol(plugin, symbol);
        const int index = port ? (int)lilv_port_get_index(plugin, port) : -1;
        CHECK(index == FENBY_PORT_PARAMETERS + i, "%s is port %d, not %d", fenby_parameter_table[i].symbol,
              index, FENBY_PORT_PARAMETERS + i);
        lilv_node_free(symbol);
    }
}

static void check_designation(const LilvPlugin *plugin, const char *uri, bool input, int index)
{
    LilvNode *designation = lilv_new_uri(world, uri),
             *class = lilv_new_uri(world, input ? LV2 "InputPort" : LV2 "OutputPort");
    const LilvPort *port = lilv_plugin_get_port_by_designation(plugin, class, designation);
    CHECK(port && (int)lilv_port_get_index(plugin, port) == index, "%s is not port %d", uri, index);
    lilv_node_free(designation);
    lilv_node_free(class);
}

static void check_plugin(bool stereo)
{
    LilvNode *uri = lilv_new_uri(world, stereo ? FENBY_LV2_STEREO_URI : FENBY_LV2_URI);
    const LilvPlugin *plugin = lilv_plugins_get_by_uri(lilv_world_get_all_plugins(world), uri);
    lilv_node_free(uri);
    REQUIRE(plugin && lilv_plugin_verify(plugin), "the plugin cannot be loaded");
    const int n_ports = (int)lilv_plugin_get_num_ports(plugin);
    REQUIRE(n_ports == fenby_n_ports(stereo), "%d ports, expected %d", n_ports, fenby_n_ports(stereo));
    for (int i = 0; i < n_ports; i++) {
        check_port(plugin, stereo, i);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(fenby_port_describe(stereo, i).value.symbol,
                         fenby_port_describe(stereo, k).value.symbol),
                  "ports %d and %d have one symbol", i, k);
    }
    check_parameters(plugin);
    check_designation(plugin, LV2 "enabled", true, FENBY_PORT_ENABLED);
    check_designation(plugin, LV2 "freeWheeling", true, FENBY_PORT_FREEWHEEL);
    check_designation(plugin, LV2 "latency", false, FENBY_PORT_LATENCY);
    check_designation(plugin, LV2 "control", true, FENBY_PORT_CONTROL);
    check_designation(plugin, LV2 "control", false, FENBY_PORT_NOTIFY);
    CHECK(lilv_plugin_has_latency(plugin) && lilv_plugin_get_latency_port_index(plugin) == FENBY_PORT_LATENCY,
          "the host does not find the latency");
    LilvNode *midi = lilv_new_uri(world, "http://lv2plug.in/ns/ext/midi#MidiEvent");
    int midi_ports = 0;
    for (int i = 0; i < n_ports; i++)
        midi_ports +=
            lilv_port_supports_event(plugin, lilv_plugin_get_port_by_index(plugin, (uint32_t)i), midi);
    CHECK(midi_ports == 1, "%d ports for MIDI", midi_ports);
    lilv_node_free(midi);
    static const char *const features[] = {LV2 "hardRTCapable", "http://lv2plug.in/ns/ext/worker#schedule",
                                           "http://lv2plug.in/ns/ext/urid#map",
                                           "http://lv2plug.in/ns/ext/state#threadSafeRestore"};
    for (int i = 0; i < 4; i++) {
        LilvNode *feature = lilv_new_uri(world, features[i]);
        CHECK(lilv_plugin_has_feature(plugin, feature), "no %s", features[i]);
        lilv_node_free(feature);
    }
    LilvNodes *required = lilv_plugin_get_required_features(plugin);
    CHECK(lilv_nodes_size(required) == 1, "%u features required", lilv_nodes_size(required));
    lilv_nodes_free(required);
    LilvUIs *uis = lilv_plugin_get_uis(plugin);
    CHECK(lilv_uis_size(uis) == 1, "%u windows", lilv_uis_size(uis));
    lilv_uis_free(uis);
}

static void check_validity(const char *bundle)
{
    char command[1024], line[512], last[512] = "";
    snprintf(command, sizeof command, "lv2_validate %s/manifest.ttl %s/fenby.ttl %s/presets/*.ttl 2>&1", bundle,
             bundle, bundle);
    FILE *pipe = popen(command, "r");
    REQUIRE(pipe, "cannot run lv2_validate");
    int complaints = 0;
    while (fgets(line, sizeof line, pipe)) {
        complaints += strstr(line, "error:") != NULL || strstr(line, "warning:") != NULL;
        if (strstr(line, "Found")) snprintf(last, sizeof last, "%s", line);
        if (complaints) fputs(line, stderr);
    }
    const int status = pclose(pipe);
    CHECK(status == 0 && complaints == 0 && strstr(last, "Found 0 errors"),
          "lv2_validate: %d, %d complaints: %s", status, complaints, last);
}

int main(void)
{
    const char *build = getenv("BUILD");
    char relative[2048], uri[4096];
    snprintf(relative, sizeof relative, "%s/lv2/fenby.lv2", build ? build : "build");
    char *bundle = realpath(relative, NULL);
    REQUIRE(bundle, "%s: there is no bundle", relative);
    snprintf(uri, sizeof uri, "%s/", bundle);
    world = lilv_world_new();
    LilvNode *node = lilv_new_file_uri(world, NULL, uri);
    lilv_world_load_bundle(world, node);
    lilv_node_free(node);
    check_plugin(false);
    check_plugin(true);
    check_validity(bundle);
    lilv_world_free(world);
    free(bundle);
    return test_report();
}
