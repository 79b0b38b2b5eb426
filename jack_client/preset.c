// SPDX-License-Identifier: ISC
#include "preset.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <serd/serd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"

#ifndef FENBY_DATADIR
#define FENBY_DATADIR "/usr/local/share/fenby"
#endif

#define LV2 "http://lv2plug.in/ns/lv2core#"
#define PSET "http://lv2plug.in/ns/ext/presets#"
#define RDF "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#define RDFS "http://www.w3.org/2000/01/rdf-schema#"

enum { MAXIMUM_BYTES = 1 << 16, MAXIMUM_DEPTH = 32 };

// --- reading one file ---------------------------------------------------------------------------------------

// What is known while serd goes through the file, statement by statement.
typedef struct {
    FILE *file;
    int last_byte, line, depth;
    size_t n_bytes;
    SerdEnv *env;
    bool is_preset, is_ours;
    char port[32], symbol[64], value[64];  // the port whose description is being read: its node and what came
    fenby_preset *preset;
    const char *path;
    char *error;
    size_t error_size;
    bool failed;
} reading;

// Keeps the first error: later ones follow from it.
static SerdStatus fail(reading *r, const char *message)
{
    const char *const name = strrchr(r->path, '/') ? strrchr(r->path, '/') + 1 : r->path;
    if (!r->failed) snprintf(r->error, r->error_size, "%s:%d: %s", name, r->line, message);
    fenby_make_printable(r->error);
    r->failed = true;
    return SERD_ERR_BAD_ARG;
}

// Hands serd one byte at a time, so that the line is known at every statement. Serd looks one byte ahead: a
// line ends when the byte after its '\n' is read. Serd recurses at every '[' and '(', which must not eat the
// stack.
static size_t read_byte(void *buffer, size_t size, size_t count, void *stream)
{
    reading *r = stream;
    (void)size, (void)count;
    const int byte = getc(r->file);
    if (byte == EOF) return 0;
    if (r->last_byte == '\n') r->line++;
    r->last_byte = byte;
    if (byte == '[' || byte == '(') r->depth++;
    if (byte == ']' || byte == ')') r->depth--;
    if (r->depth > MAXIMUM_DEPTH || ++r->n_bytes > MAXIMUM_BYTES) {
        fail(r, "is no preset, it is too long or too deeply nested");
        return 0;
    }
    *(char *)buffer = (char)byte;
    return 1;
}

static int stream_error(void *stream)
{
    return ((reading *)stream)->failed || ferror(((reading *)stream)->file);
}

static SerdStatus on_error(void *handle, const SerdError *e)
{
    char message[160];
    vsnprintf(message, sizeof message, e->fmt, *e->args);
    message[strcspn(message, "\n")] = 0;
    fail(handle, message);
    return SERD_SUCCESS;
}

static SerdStatus on_base(void *handle, const SerdNode *uri)
{
    return serd_env_set_base_uri(((reading *)handle)->env, uri);
}

static SerdStatus on_prefix(void *handle, const SerdNode *name, const SerdNode *uri)
{
    return serd_env_set_prefix(((reading *)handle)->env, name, uri);
}

static const char *text_of(const SerdNode *node)
{
    return node->buf ? (const char *)node->buf : "";
}

static bool is_uri(reading *r, const SerdNode *node, const char *uri)
{
    SerdNode full = serd_env_expand_node(r->env, node);
    const bool same = !strcmp(text_of(&full), uri);
    serd_node_free(&full);
    return same;
}

// Hosts save all of the plugin's ports; these are no settings.
static bool is_of_plugin(const char *symbol)
{
    return !strcmp(symbol, "enabled") || !strcmp(symbol, "freewheel") || !strcmp(symbol, "thru");
}

// A port is described by two statements, in either order: once both have come it is set.
static SerdStatus set_port(reading *r)
{
    char message[384];
    const int parameter = fenby_parameter_find(r->symbol);
    if (is_of_plugin(r->symbol)) {
        *r->symbol = *r->value = 0;
        return SERD_SUCCESS;
    }
    if (parameter < 0) {
        snprintf(message, sizeof message, "unknown parameter '%s'", r->symbol);
        return fail(r, message);
    }
    float *value = &r->preset->parameters.value[parameter];
    if (!fenby_parameter_parse(parameter, r->value, value, message, sizeof message)) return fail(r, message);
    r->preset->has[parameter] = true;
    *r->symbol = *r->value = 0;
    return SERD_SUCCESS;
}

static SerdStatus on_port(reading *r, const SerdNode *port, char *field, size_t field_size,
                          const SerdNode *object)
{
    if (strcmp(r->port, text_of(port))) {
        *r->symbol = *r->value = 0;
        snprintf(r->port, sizeof r->port, "%s", text_of(port));
    }
    snprintf(field, field_size, "%s", text_of(object));
    return *r->symbol && *r->value ? set_port(r) : SERD_SUCCESS;
}

static SerdStatus on_statement(void *handle, SerdStatementFlags flags, const SerdNode *graph,
                               const SerdNode *subject, const SerdNode *predicate, const SerdNode *object,
                               const SerdNode *datatype, const SerdNode *language)
{
    reading *r = handle;
    fenby_preset *preset = r->preset;
    (void)flags, (void)graph, (void)language;
    if (is_uri(r, predicate, LV2 "symbol")) return on_port(r, subject, r->symbol, sizeof r->symbol, object);
    if (is_uri(r, predicate, PSET "value")) {
        if (!datatype || !datatype->buf) return fail(r, "pset:value is text, expected a number");
        return on_port(r, subject, r->value, sizeof r->value, object);
    }
    if (is_uri(r, predicate, RDF "type") && is_uri(r, object, PSET "Preset")) {
        if (r->is_preset) return fail(r, "a second preset, expected one a file");
        r->is_preset = true;
    } else if (is_uri(r, predicate, LV2 "appliesTo")) {
        r->is_ours |= is_uri(r, object, FENBY_PLUGIN_URI) || is_uri(r, object, FENBY_STEREO_PLUGIN_URI);
    } else if (is_uri(r, predicate, RDFS "label") && !*preset->label) {
        snprintf(preset->label, sizeof preset->label, "%s", text_of(object));
        fenby_make_printable(preset->label);
    } else if (is_uri(r, predicate, RDFS "comment") && !*preset->comment) {
        snprintf(preset->comment, sizeof preset->comment, "%s", text_of(object));
        fenby_make_printable(preset->comment);
    }
    return SERD_SUCCESS;
}

static SerdStatus on_end(void *handle, const SerdNode *node)
{
    reading *r = handle;
    if (strcmp(r->port, text_of(node)) || (!*r->symbol && !*r->value)) return SERD_SUCCESS;
    return fail(r, *r->symbol ? "a port without pset:value" : "a port without lv2:symbol");
}

static void read_all(reading *r)
{
    SerdNode base = serd_node_new_file_uri((const uint8_t *)r->path, NULL, NULL, true);
    r->env = serd_env_new(&base);
    SerdReader *reader = serd_reader_new(SERD_TURTLE, r, NULL, on_base, on_prefix, on_statement, on_end);
    serd_reader_set_strict(reader, true);
    serd_reader_set_error_sink(reader, on_error, r);
    const SerdStatus status = serd_reader_read_source(reader, read_byte, stream_error, r, base.buf, 1);
    if (ferror(r->file)) fail(r, strerror(errno));
    if (status > SERD_FAILURE) fail(r, (const char *)serd_strerror(status));
    serd_reader_free(reader);
    serd_env_free(r->env);
    serd_node_free(&base);
}

static bool read_file(const char *path, fenby_preset *preset, char *error, size_t error_size)
{
    memset(preset, 0, sizeof *preset);
    reading r = {.line = 1, .path = path, .preset = preset, .error = error, .error_size = error_size};
    r.file = fopen(path, "r");
    if (!r.file) {
        snprintf(error, error_size, "%s: cannot be opened: %s", path, strerror(errno));
        return false;
    }
    read_all(&r);
    fclose(r.file);
    if (!r.failed && !r.is_preset) fail(&r, "no pset:Preset in the file");
    if (!r.failed && !r.is_ours)
        fail(&r, "a preset of another plugin, expected lv2:appliesTo <" FENBY_PLUGIN_URI ">");
    if (!r.failed && !*preset->label) fail(&r, "the preset has no rdfs:label");
    return !r.failed;
}

// --- finding files ------------------------------------------------------------------------------------------

static bool is_turtle(const char *name)
{
    const size_t length = strlen(name);
    return length > 4 && !strcmp(name + length - 4, ".ttl");
}

static int is_preset_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && is_turtle(entry->d_name) && strcmp(entry->d_name, "manifest.ttl");
}

// The folder that holds the presets of a program run from where it was built: "../presets" beside its own.
static void folder_beside_program(char *folder, size_t folder_size)
{
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    char *const slash = strrchr(program, '/');
    if (slash) *slash = 0;
    snprintf(folder, folder_size, "%s/../presets", program);
}

static bool has_name(char **paths, size_t n_paths, const char *file)
{
    for (size_t i = 0; i < n_paths; i++)
        if (!strcmp(strrchr(paths[i], '/') + 1, file)) return true;
    return false;
}

// Adds the presets of one folder, but for those whose name an earlier folder has. A folder that cannot be read
// has none. False when memory is short.
static bool add_folder(const char *folder, char ***paths, size_t *n_paths)
{
    struct dirent **entries;
    const int n_entries = scandir(folder, &entries, is_preset_file, alphasort);
    if (n_entries < 0) return errno != ENOMEM;
    char **grown = realloc(*paths, (*n_paths + (size_t)n_entries + 1) * sizeof *grown);
    if (grown) *paths = grown;
    bool good = grown;
    for (int i = 0; i < n_entries; i++) {
        const char *const file = entries[i]->d_name;
        if (good && !has_name(*paths, *n_paths, file)) {
            good = asprintf(&(*paths)[*n_paths], "%s/%s", folder, file) > 0;
            *n_paths += good;
        }
        free(entries[i]);
    }
    free(entries);
    if (*paths) (*paths)[*n_paths] = NULL;
    return good;
}

char **fenby_preset_paths(void)
{
    char beside[PATH_MAX + 16];
    folder_beside_program(beside, sizeof beside);
    const char *const chosen = getenv("FENBY_PRESETS");
    const char *const folders[] = {chosen ? chosen : "", beside, FENBY_DATADIR "/presets"};
    char **paths = calloc(1, sizeof *paths);
    size_t n_paths = 0;
    for (int i = 0; i < 3 && paths; i++) {
        if (add_folder(folders[i], &paths, &n_paths)) continue;
        fenby_preset_paths_free(paths);
        paths = NULL;
    }
    return paths;
}

void fenby_preset_paths_free(char **paths)
{
    for (char **path = paths; path && *path; path++) free(*path);
    free(paths);
}

void fenby_preset_name(const char *path, char *name, size_t name_size)
{
    const char *const slash = strrchr(path, '/');
    const char *const file = slash ? slash + 1 : path;
    const size_t length = strlen(file) - (is_turtle(file) ? 4 : 0);
    snprintf(name, name_size, "%.*s", (int)length, file);
}

static const char *find_path(char **paths, const char *wanted)
{
    char name[NAME_MAX + 1];
    for (; *paths; paths++) {
        fenby_preset_name(*paths, name, sizeof name);
        if (fenby_same_label(name, wanted)) return *paths;
    }
    return NULL;
}

static void refuse_name(const char *wanted, char **paths, char *error, size_t error_size)
{
    char name[NAME_MAX + 1];
    size_t length = (size_t)snprintf(error, error_size, "preset '%s' is not known, expected ", wanted);
    if (!*paths && length < error_size)
        snprintf(error + length, error_size - length,
                 "a file's path: there are no presets in $FENBY_PRESETS or " FENBY_DATADIR "/presets");
    for (char **path = paths; *path && length < error_size; path++) {
        const char *const comma = path == paths ? "" : ", ";
        fenby_preset_name(*path, name, sizeof name);
        length += (size_t)snprintf(error + length, error_size - length, "%s%s", comma, name);
    }
    fenby_make_printable(error);
}

bool fenby_preset_load(const char *name, fenby_preset *preset, char *error, size_t error_size)
{
    if (strchr(name, '/') || is_turtle(name)) return read_file(name, preset, error, error_size);
    char **paths = fenby_preset_paths();
    if (!paths) {
        snprintf(error, error_size, "preset '%s': not enough memory", name);
        return false;
    }
    const char *const path = find_path(paths, name);
    const bool good = path && read_file(path, preset, error, error_size);
    if (!path) refuse_name(name, paths, error, error_size);
    fenby_preset_paths_free(paths);
    return good;
}

void fenby_preset_apply(const fenby_preset *preset, fenby_parameters *parameters)
{
    for (int i = 0; i < FENBY_N_PARAMETERS; i++)
        if (preset->has[i]) parameters->value[i] = preset->parameters.value[i];
}
