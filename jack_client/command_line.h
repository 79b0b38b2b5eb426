// SPDX-License-Identifier: ISC
// What the command lines of fenby and fenby-jack have in common.
//
// Thread: main. Allocation: none but where it says so. Errors: one line that says what was given and what is expected.
#ifndef FENBY_COMMAND_LINE_H
#define FENBY_COMMAND_LINE_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../dsp/parameters.h"

enum { FENBY_SYMBOL_SIZE = 64 };

// To be called first: a standard descriptor that is closed is opened, where there is nothing to read and what is
// written fails. Else the next file that is opened would have its number, and get what is meant for it.
void fenby_open_standard_files(void);

// Whether standard output took all that was printed. Where it was closed from the start nobody asked for it, and where
// the reader of a pipe left (SIGPIPE being ignored) nobody asked for more.
bool fenby_flush_output(void);

// Makes a space of each control character. Names of files and literals of presets may hold anything, line ends and a
// terminal's commands too.
void fenby_make_printable(char *text);

// Prints one line, made printable. Allocation: the line.
__attribute__((format(printf, 2, 3))) void fenby_print_line(FILE *stream, const char *format, ...);

// Reads an option's value, a whole number in minimum .. maximum.
bool fenby_read_integer(const char *option, const char *text, int minimum, int maximum, int *value, char *error,
                        size_t error_size);

// Cuts the NAME=VALUE of --set in two.
bool fenby_split_setting(const char *setting, char symbol[FENBY_SYMBOL_SIZE], const char **value, char *error,
                         size_t error_size);

// Refuses ranges whose ends are the wrong way round: no note could sound. Only to be asked when all settings are made.
bool fenby_check_orders(const fenby_parameters *parameters, char *error, size_t error_size);

// Whether the program was told, by nohup say, to go on when its terminal ends.
bool fenby_ignores_hangup(void);

// Says what is wrong with the option for which getopt_long, with these long ones, returned '?' or ':'. Each letter
// is the value of a long one, too.
void fenby_describe_bad_option(int result, char *const *argv, const struct option *options, char *error,
                               size_t error_size);

#endif
