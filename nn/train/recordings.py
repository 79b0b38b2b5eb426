# SPDX-License-Identifier: ISC
"""Real recordings with their notes: NAME.flac (or .wav, .ogg, .mp3) beside NAME.csv or NAME.mid.

The table has the columns onset_s, offset_s, midi and perhaps velocity (0 or none: unknown), as `fenby --csv` writes
them."""
import math
import os
import struct

import numpy as np
import scipy.signal
import samples
import tables
from config import SAMPLE_RATE

SOUND = ('.flac', '.wav', '.ogg', '.mp3')
NOTES = ('.csv', '.CSV', '.mid', '.MID', '.midi', '.MIDI')
UNKNOWN_VELOCITY = 80
DRUMS = 9  # their channel, counted from 0


def read_sound(path):
    """Mono samples at 22 050 Hz."""
    x, rate = samples.read_sound(path)
    if not len(x) or not np.isfinite(x).all():
        raise ValueError(f'{path}: no samples, or some that are no numbers, expected sound')
    common = math.gcd(rate, SAMPLE_RATE)
    return scipy.signal.resample_poly(x.mean(1), SAMPLE_RATE // common, rate // common).astype(np.float32)


def _note(row):
    onset = tables.number(row, 'onset_s', 0, 1e6)
    velocity = tables.number(row, 'velocity', 0, 127) if row.get('velocity') else 0
    return onset, tables.number(row, 'offset_s', onset, 1e6), round(tables.number(row, 'midi', 0, 127)), \
        (velocity or UNKNOWN_VELOCITY) / 127


def read_table(path):
    """[(onset_s, offset_s, midi, velocity 0 .. 1)]"""
    return tables.read(path, _note)


def _number(data, at):
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7f
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def _events(track):
    """(tick, status, data) of a MIDI track, running status undone; meta events as (tick, 0xff, (type, bytes))."""
    at, tick, status = 0, 0, 0
    while at < len(track):
        delta, at = _number(track, at)
        tick += delta
        if track[at] & 0x80:
            status, at = track[at], at + 1
        if status == 0xff:
            kind = track[at]
            length, at = _number(track, at + 1)
            if at + length > len(track):
                raise IndexError
            yield tick, 0xff, (kind, track[at:at + length])
            at += length
        elif status in (0xf0, 0xf7):
            length, at = _number(track, at)
            at += length
        else:
            length = 1 if status & 0xe0 == 0xc0 else 2
            values = tuple(track[at:at + length])
            if not status or len(values) < length or max(values) > 127:
                raise IndexError
            yield tick, status, values
            at += length


def _tracks(data):
    """(ticks a quarter note, events of all tracks) of a MIDI file; ValueError or IndexError where it is damaged."""
    if data[:4] != b'MThd' or len(data) < 14:
        raise ValueError('expected a MIDI file')
    kind, _, division = struct.unpack('>HHH', data[8:14])
    if kind > 1 or not 0 < division < 0x8000:
        raise ValueError('expected a MIDI file of format 0 or 1 that counts in quarter notes')
    at, tracks = 8 + struct.unpack('>I', data[4:8])[0], []
    while at + 8 <= len(data):
        end = at + 8 + struct.unpack('>I', data[at + 4:at + 8])[0]
        if end > len(data):
            raise ValueError('it ends within a track, expected a MIDI file that is whole')
        if data[at:at + 4] == b'MTrk':
            tracks.append(list(_events(data[at + 8:end])))
        at = end
    if not tracks:
        raise ValueError('no track, expected one')
    return division, [event for track in tracks for event in track]


def read_midi(path):
    """As read_table, from a standard MIDI file of format 0 or 1 whose time is in ticks a quarter note; without drums."""
    with open(path, 'rb') as f:
        data = f.read()
    try:
        division, events = _tracks(data)
    except IndexError as error:
        raise ValueError(f'{path}: an event that is cut off, expected a MIDI file that is whole') from error
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    notes, sounding, seconds, last, tempo = [], {}, 0.0, 0, 500000
    for tick, status, values in sorted(events, key=lambda e: e[0]):
        seconds += (tick - last) * tempo / 1e6 / division
        last = tick
        if status == 0xff and values[0] == 0x51:
            tempo = int.from_bytes(values[1], 'big')
        elif status & 0xe0 == 0x80 and status & 15 != DRUMS:
            key = (status & 15, values[0])
            if key in sounding:
                start, velocity = sounding.pop(key)
                notes.append((start, seconds, values[0], velocity / 127))
            if status & 0xf0 == 0x90 and values[1]:
                sounding[key] = (seconds, values[1])
    return sorted(notes + [(start, seconds, key, velocity / 127) for (_, key), (start, velocity) in sounding.items()])


def find(folder):
    """[(sound file, its notes)] of a folder; a sound without notes is an error that says so."""
    found, names = [], sorted(name for name in os.listdir(folder) if name[0] != '.')
    for name in names:
        stem, ending = os.path.splitext(name)
        if ending.lower() not in SOUND:
            continue
        notes = [stem + kind for kind in NOTES if stem + kind in names]
        if not notes:
            path = os.path.join(folder, stem)
            raise ValueError(f'{path}{ending}: expected its notes in {path}.csv or {path}.mid')
        read = read_table if notes[0].lower().endswith('.csv') else read_midi
        found.append((os.path.join(folder, name), read(os.path.join(folder, notes[0]))))
    if not found:
        raise ValueError(f'{folder}: expected sound files ({", ".join(SOUND)}) with their notes')
    return found
