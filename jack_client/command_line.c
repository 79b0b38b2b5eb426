// SPDX-License-Identifier: ISC
#include "command_line.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fenby_open_standard_files(void)
{
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0) open("/dev/null", O_RDONLY);
}

// The reader of a pipe, as "head -1", has read what it wanted.
static bool reader_has_left(int descriptor)
{
    struct pollfd output = {.fd = descriptor};
    return poll(&output, 1, 0) == 1 && output.revents & POLLERR;
}

bool fenby_flush_output(void)
{
    const bool good = !fflush(stdout) && !ferror(stdout);
    return good || (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY || reader_has_left(STDOUT_FILENO);
}

// U+0080 to U+009F in UTF-8: terminals obey them as they do an escape.
static bool is_high_control(const char *text)
{
    const unsigned char *const bytes = (const unsigned char *)text;
    return bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0;
}

void fenby_make_printable(char *text)
{
    for (; *text; text++) {
        if (is_high_control(text)) *text++ = ' ';
        else if (!iscntrl((unsigned char)*text)) continue;
        *text = ' ';
    }
}

// In one piece: others may print to the same terminal.
void fenby_print_line(FILE *stream, const char *format, ...)
{
    char *line;
    va_list arguments;
    va_start(arguments, format);
    const int length = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    fenby_make_printable(line);
    fprintf(stream, "%s\n", line);
    fflush(stream);
    free(line);
}

bool fenby_read_integer(const char *option, const char *text, int minimum, int maximum, int *value, char *error,
                        size_t error_size)
{
    char *end;
    const long number = strtol(text, &end, 10);
    *value = (int)number;
    if (end != text && !*end && number >= minimum && number <= maximum) return true;
    snprintf(error, error_size, "%s %s: expected a whole number, %d .. %d", option, text, minimum, maximum);
    return false;
}

bool fenby_split_setting(const char *setting, char symbol[FENBY_SYMBOL_SIZE], const char **value, char *error,
                         size_t error_size)
{
    const char *const equals = strchr(setting, '=');
    if (!equals) {
        snprintf(error, error_size, "--set %s: expected NAME=VALUE", setting);
        return false;
    }
    snprintf(symbol, FENBY_SYMBOL_SIZE, "%.*s", (int)(equals - setting), setting);
    *value = equals + 1;
    return true;
}

static bool check_order(const float *values, fenby_parameter low, fenby_parameter high, char *error,
                        size_t error_size)
{
    if (values[low] <= values[high]) return true;
    snprintf(error, error_size, "%s %g is above %s %g", fenby_parameter_table[low].symbol, values[low],
             fenby_parameter_table[high].symbol, values[high]);
    return false;
}

bool fenby_check_orders(const fenby_parameters *parameters, char *error, size_t error_size)
{
    const float *const values = parameters->value;
    return check_order(values, FENBY_LOWEST_KEY_PARAMETER, FENBY_HIGHEST_KEY_PARAMETER, error, error_size) &&
           check_order(values, FENBY_VELOCITY_MINIMUM, FENBY_VELOCITY_MAXIMUM, error, error_size);
}

bool fenby_ignores_hangup(void)
{
    struct sigaction hangup;
    return sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler == SIG_IGN;
}

static bool has_value(const struct option *options, int value)
{
    while (options->name && options->val != value) options++;
    return options->name;
}

// Whether the name of one begins like this, as in "--list=3".
static bool has_name(const struct option *options, const char *argument)
{
    const char *const name = argument + 2;
    while (options->name && strncmp(options->name, name, strcspn(name, "=")) != 0) options++;
    return options->name;
}

// getopt_long leaves in optopt the letter, the value of the long option, or 0 for a long one that it cannot tell. Where
// letters stand together optind has not left them yet.
void fenby_describe_bad_option(int result, char *const *argv, const struct option *options, char *error,
                               size_t error_size)
{
    const char *const argument = argv[optind - 1];
    if (result == ':') snprintf(error, error_size, "%s: expected a value", argument);
    else if (has_value(options, optopt)) snprintf(error, error_size, "%s: expected no value", argument);
    else if (optopt) snprintf(error, error_size, "-%c: no such option, see --help", optopt);
    else if (has_name(options, argument)) snprintf(error, error_size, "%s: several options begin so, see --help", argument);
    else snprintf(error, error_size, "%s: no such option, see --help", argument);
}
