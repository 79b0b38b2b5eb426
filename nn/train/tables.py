# SPDX-License-Identifier: ISC
"""Tables (CSV, perhaps gzipped) whose mistakes are told with the file and the line."""
import csv
import gzip
import math
import zlib


def read(path, parse):
    """[parse(row)] of the rows, dicts of text; parse raises ValueError at what is wrong."""
    with (gzip.open if path.endswith('.gz') else open)(path, 'rt', newline='', encoding='utf-8-sig') as file:
        rows = csv.DictReader(file)
        try:
            return [parse(row) for row in rows]
        except KeyError as error:
            raise ValueError(f'{path}: no column {error.args[0]}, expected one') from error
        except (ValueError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f'{path}: line {rows.line_num}: {error}') from error


def number(row, name, low, high):
    """A column's number, from low to high."""
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f'{name} {row[name]}: expected a number from {low:g} to {high:g}')
    return value


def word(row, name, known):
    if row[name] not in known:
        raise ValueError(f'{name} {row[name]}: expected one of {", ".join(known)}')
    return row[name]
