# SPDX-License-Identifier: ISC
"""What the programs here share: errors in one line, options that are checked, files that are whole or not there."""
import argparse
import contextlib
import math
import os
import sys


def run(main):
    """Runs main(): what is wrong with its input or with the disk is said in one line."""
    name = os.path.basename(sys.argv[0])
    try:
        main()
    except OSError as error:
        sys.exit(f'{name}: {error.filename}: {error.strerror}' if error.filename else f'{name}: {error}')
    except ValueError as error:
        sys.exit(f'{name}: {error}')
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        sys.exit(130)


def positive(kind):
    """The type of an option: a positive number, int or float."""
    def number(text):
        with contextlib.suppress(ValueError):
            value = kind(text)
            if 0 < value < math.inf:
                return value
        raise argparse.ArgumentTypeError(f'{text}: expected a positive {"whole " if kind is int else ""}number')
    return number


def write(path, data):
    """Writes a file of these bytes; when that fails, what was there before stays."""
    try:
        with open(path + '.tmp', 'wb') as file:
            file.write(data)
        os.replace(path + '.tmp', path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(path + '.tmp')
        if isinstance(error, OSError):  # a full disk does not say of which file
            raise OSError(error.errno, error.strerror, path) from error
        raise
