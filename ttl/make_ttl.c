// SPDX-License-Identifier: ISC
// Writes the plugin's descriptions: manifest.ttl (what is in the bundle) and fenby.ttl (the ports), made from
// plugin/ports.c and the table of parameters.
//
//   make_ttl FOLDER [PRESET.ttl]...      presets by their names within the folder
//
// Errors: one line and exit status 1.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/messages.h"
#include "plugin/ports.h"

static const char prefixes[] =
    "# SPDX-License-Identifier: ISC\n"
    "@prefix atom:   <http://lv2plug.in/ns/ext/atom#> .\n"
    "@prefix bufsz:  <http://lv2plug.in/ns/ext/buf-size#> .\n"
    "@prefix doap:   <http://usefulinc.com/ns/doap#> .\n"
    "@prefix foaf:   <http://xmlns.com/foaf/0.1/> .\n"
    "@prefix log:    <http://lv2plug.in/ns/ext/log#> .\n"
    "@prefix lv2:    <http://lv2plug.in/ns/lv2core#> .\n"
    "@prefix midi:   <http://lv2plug.in/ns/ext/midi#> .\n"
    "@prefix opts:   <http://lv2plug.in/ns/ext/options#> .\n"
    "@prefix patch:  <http://lv2plug.in/ns/ext/patch#> .\n"
    "@prefix pg:     <http://lv2plug.in/ns/ext/port-groups#> .\n"
    "@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .\n"
    "@prefix pset:   <http://lv2plug.in/ns/ext/presets#> .\n"
    "@prefix rdfs:   <http://www.w3.org/2000/01/rdf-schema#> .\n"
    "@prefix rsz:    <http://lv2plug.in/ns/ext/resize-port#> .\n"
    "@prefix state:  <http://lv2plug.in/ns/ext/state#> .\n"
    "@prefix time:   <http://lv2plug.in/ns/ext/time#> .\n"
    "@prefix ui:     <http://lv2plug.in/ns/extensions/ui#> .\n"
    "@prefix units:  <http://lv2plug.in/ns/extensions/units#> .\n"
    "@prefix urid:   <http://lv2plug.in/ns/ext/urid#> .\n"
    "@prefix work:   <http://lv2plug.in/ns/ext/worker#> .\n\n";

static FILE *create(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file) return file;
    fprintf(stderr, "make_ttl: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void close_file(FILE *file, const char *name)
{
    const int bad = ferror(file);
    if (!fclose(file) && !bad) return;
    fprintf(stderr, "make_ttl: %s: %s\n", name, strerror(errno));
    exit(1);
}

static const char *uri(bool stereo)
{
    return stereo ? FENBY_LV2_STEREO_URI : FENBY_LV2_URI;
}

// The text as a Turtle string.
static void write_string(FILE *file, const char *text)
{
    putc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putc('\\', file);
        putc(*text, file);
    }
    putc('"', file);
}

static void write_text(FILE *file, const char *indent, const char *property, const char *text)
{
    fprintf(file, " ;\n%s%s ", indent, property);
    write_string(file, text);
}

// LV2 has no major version and calls odd minor ones unstable: release 1.2.3 is minor 102, micro 3.
static void write_version(FILE *file)
{
    int major = 0, minor = 0, micro = 0;
    sscanf(FENBY_VERSION, "%d.%d.%d", &major, &minor, &micro);
    fprintf(file, " ;\n    lv2:minorVersion %d ;\n    lv2:microVersion %d", 100 * major + minor, micro);
}

// --- manifest.ttl --------------------------------------------------------------------------------------------

static void write_manifest(FILE *file, char **presets)
{
    fputs(prefixes, file);
    for (int stereo = 0; stereo < 2; stereo++) {
        fprintf(file, "<%s>\n    a lv2:Plugin ;\n    lv2:binary <fenby.so> ;\n    rdfs:seeAlso <fenby.ttl>",
                uri(stereo));
        write_version(file);
        fputs(" .\n\n", file);
    }
    fputs("<" FENBY_LV2_UI_URI
          ">\n    a ui:X11UI ;\n    lv2:binary <fenby_ui.so> ;\n    rdfs:seeAlso <fenby.ttl> .\n",
          file);
    for (; *presets; presets++)
        fprintf(file, "\n<%s>\n    a pset:Preset ;\n    lv2:appliesTo <%s> , <%s> ;\n    rdfs:seeAlso <%s> .\n",
                *presets, uri(false), uri(true), *presets);
}

// --- ports ---------------------------------------------------------------------------------------------------

static const char *unit_of(const char *unit)
{
    static const char *const units[][2] = {
        {"dB", "units:db"},
        {"Hz", "units:hz"},
        {"ms", "units:ms"},
        {"%", "units:pc"},
        {"key", "units:midiNote"},
        {"frames", "units:frame"},
        {"semitones", "units:semitone12TET"},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(unit, units[i][0])) return units[i][1];
    fprintf(stderr, "make_ttl: '%s' is no unit that it knows\n", unit);
    exit(1);
}

static bool is_switch(const fenby_parameter_info *value)
{
    return value->kind == FENBY_CHOICE && value->maximum == 1 && !strcmp(value->labels[0], "off");
}

static void write_number(FILE *file, const fenby_parameter_info *value, float number)
{
    fprintf(file, value->kind == FENBY_CONTINUOUS ? "%.6f" : "%.0f", number);
}

static void write_range(FILE *file, const fenby_parameter_info *value)
{
    fputs(" ;\n        lv2:default ", file);
    write_number(file, value, value->default_value);
    fputs(" ;\n        lv2:minimum ", file);
    write_number(file, value, value->minimum);
    fputs(" ;\n        lv2:maximum ", file);
    write_number(file, value, value->maximum);
    if (*value->unit) fprintf(file, " ;\n        units:unit %s", unit_of(value->unit));
    if (is_switch(value))
        fputs(" ;\n        lv2:portProperty lv2:toggled", file);
    else if (value->kind == FENBY_CHOICE)
        fputs(" ;\n        lv2:portProperty lv2:enumeration , lv2:integer", file);
    else if (value->kind == FENBY_INTEGER)
        fputs(" ;\n        lv2:portProperty lv2:integer", file);
    if (value->kind != FENBY_CHOICE) return;
    for (int i = 0; i <= (int)value->maximum; i++) {
        fputs(i ? " , [ rdfs:label " : " ;\n        lv2:scalePoint [ rdfs:label ", file);
        write_string(file, value->labels[i]);
        fprintf(file, " ; rdf:value %d ]", i);
    }
}

static void write_port(FILE *file, bool stereo, int index)
{
    static const char *const classes[] = {
        [FENBY_AUDIO_IN] = "lv2:InputPort , lv2:AudioPort",
        [FENBY_AUDIO_OUT] = "lv2:OutputPort , lv2:AudioPort",
        [FENBY_ATOM_IN] = "lv2:InputPort , atom:AtomPort",
        [FENBY_ATOM_OUT] = "lv2:OutputPort , atom:AtomPort",
        [FENBY_CONTROL_IN] = "lv2:InputPort , lv2:ControlPort",
        [FENBY_CONTROL_OUT] = "lv2:OutputPort , lv2:ControlPort",
    };
    static const char *const supports[] = {
        [FENBY_PORT_CONTROL] = "patch:Message , time:Position",
        [FENBY_PORT_MIDI_OUT] = "midi:MidiEvent",
        [FENBY_PORT_NOTIFY] = "patch:Message",
    };
    const fenby_port port = fenby_port_describe(stereo, index);
    fprintf(file, "[\n        a %s ;\n        lv2:index %d ;\n        lv2:symbol \"%s\"", classes[port.kind],
            index, port.value.symbol);
    write_text(file, "        ", "lv2:name", port.value.name);
    write_text(file, "        ", "rdfs:comment", port.value.help);
    if (index < (int)(sizeof supports / sizeof *supports))
        fprintf(file,
                " ;\n        atom:bufferType atom:Sequence ;\n        atom:supports %s ;\n"
                "        rsz:minimumSize %d",
                supports[index], FENBY_ATOM_PORT_BYTES);
    if (port.kind == FENBY_CONTROL_IN || port.kind == FENBY_CONTROL_OUT) write_range(file, &port.value);
    if (port.designation) fprintf(file, " ;\n        lv2:designation %s", port.designation);
    if (port.properties) fprintf(file, " ;\n        lv2:portProperty %s", port.properties);
    if (port.group) fprintf(file, " ;\n        pg:group <%s#%s>", uri(stereo), port.group);
    fputs("\n    ]", file);
}

static void write_groups(FILE *file, bool stereo)
{
    for (const fenby_port_group *group = fenby_port_groups(stereo); group->symbol; group++) {
        const char *const class = !group->stereo                       ? "pg:Group"
                                  : strcmp(group->symbol, "stereo_in") ? "pg:OutputGroup , pg:StereoGroup"
                                                                       : "pg:InputGroup , pg:StereoGroup";
        fprintf(file, "<%s#%s>\n    a %s ;\n    lv2:symbol \"%s\"", uri(stereo), group->symbol, class,
                group->symbol);
        write_text(file, "    ", "lv2:name", group->name);
        write_text(file, "    ", "rdfs:comment", group->help);
        fputs(" .\n\n", file);
    }
}

// --- fenby.ttl -----------------------------------------------------------------------------------------------

static void write_plugin(FILE *file, bool stereo)
{
    write_groups(file, stereo);
    fprintf(file, "<%s>\n    a lv2:Plugin , lv2:ConverterPlugin", uri(stereo));
    write_text(file, "    ", "doap:name", stereo ? "Fenby Stereo" : "Fenby");
    write_text(file, "    ", "doap:shortdesc", "Audio in, the notes as MIDI out, while they are being played");
    write_text(
        file, "    ", "rdfs:comment",
        "Fenby listens to music, also to many notes at once, and writes the notes to its MIDI output with a "
        "fixed latency, which it reports to the host. The audio passes through.");
    fputs(" ;\n    doap:license <http://opensource.org/licenses/isc>", file);
    write_version(file);
    fputs(
        " ;\n    lv2:project <urn:fenby:project> ;\n"
        "    lv2:requiredFeature urid:map ;\n"
        "    lv2:optionalFeature lv2:hardRTCapable , work:schedule , opts:options , bufsz:boundedBlockLength "
        ",\n"
        "        log:log , state:threadSafeRestore ;\n"
        "    lv2:extensionData work:interface , state:interface , opts:interface ;\n"
        "    opts:supportedOption bufsz:nominalBlockLength , bufsz:maxBlockLength ;\n"
        "    patch:writable <" FENBY_URI_MODEL
        "> ;\n"
        "    patch:readable <" FENBY_URI_MODEL "> ;\n",
        file);
    if (stereo)
        fprintf(file, "    pg:mainInput <%s#stereo_in> ;\n    pg:mainOutput <%s#stereo_out> ;\n", uri(true),
                uri(true));
    fputs("    ui:ui <" FENBY_LV2_UI_URI "> ;\n    lv2:port ", file);
    for (int i = 0; i < fenby_n_ports(stereo); i++) {
        if (i) fputs(" , ", file);
        write_port(file, stereo, i);
    }
    fputs(" .\n\n", file);
}

static void write_notification(FILE *file, bool stereo, int index)
{
    const fenby_port port = fenby_port_describe(stereo, index);
    const char *const protocol = port.kind == FENBY_ATOM_OUT ? "atom:eventTransfer" : "ui:floatProtocol";
    fprintf(file, "[\n        ui:plugin <%s> ;\n        lv2:symbol \"%s\" ;\n        ui:protocol %s\n    ]",
            uri(stereo), port.value.symbol, protocol);
}

static void write_ui(FILE *file)
{
    fputs("<" FENBY_LV2_UI_URI ">\n    a ui:X11UI", file);
    write_version(file);
    fputs(
        " ;\n    lv2:requiredFeature urid:map , ui:idleInterface ;\n"
        "    lv2:optionalFeature ui:parent , ui:resize , ui:touch , opts:options ;\n"
        "    lv2:extensionData ui:idleInterface , ui:resize ;\n"
        "    opts:supportedOption ui:scaleFactor ;\n"
        "    ui:portNotification ",
        file);
    for (int stereo = 0; stereo < 2; stereo++) {
        for (int i = 0; i < FENBY_PORT_AUDIO; i++) {
            const fenby_port_kind kind = fenby_port_describe(stereo, i).kind;
            if (i == FENBY_PORT_MIDI_OUT || (kind != FENBY_ATOM_OUT && kind != FENBY_CONTROL_OUT)) continue;
            if (stereo || i != FENBY_PORT_NOTIFY) fputs(" , ", file);
            write_notification(file, stereo, i);
        }
    }
    fputs(" .\n\n", file);
}

static void write_fenby(FILE *file)
{
    fputs(prefixes, file);
    fputs("@prefix rdf:    <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .\n\n", file);
    fputs(
        "<urn:fenby:project>\n    a doap:Project ;\n    doap:name \"Fenby\" ;\n"
        "    doap:release [ a doap:Version ; doap:revision \"" FENBY_VERSION
        "\" ] ;\n"
        "    doap:shortdesc \"Live transcription of music\" ;\n"
        "    doap:maintainer [ a foaf:Person ; foaf:name \"The Fenby authors\" ] .\n\n"
        "<" FENBY_URI_MODEL
        ">\n    a lv2:Parameter ;\n    rdfs:label \"Model\" ;\n"
        "    rdfs:comment \"The file with the network's weights; empty: the one that is built in\" ;\n"
        "    rdfs:range atom:Path .\n\n",
        file);
    write_plugin(file, false);
    write_plugin(file, true);
    write_ui(file);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "make_ttl: no folder; expected make_ttl FOLDER [PRESET.ttl]...\n");
        return 1;
    }
    FILE *manifest = create(argv[1], "manifest.ttl");
    write_manifest(manifest, argv + 2);
    close_file(manifest, "manifest.ttl");
    FILE *description = create(argv[1], "fenby.ttl");
    write_fenby(description);
    close_file(description, "fenby.ttl");
    return 0;
}
