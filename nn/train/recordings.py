# SPDX-License-Identifier: ISC
"""Real recordings with their notes: NAME.flac (or .wav, .ogg, .mp3) beside NAME.csv or NAME.mid.

The table has the columns onset_s, offset_s, midi and perhaps velocity, as `fenby --csv` writes them."""
import csv
import glob
import math
import os
import struct

import numpy as np
import scipy.signal
import soundfile

from config import SAMPLE_RATE

SOUND = ('.flac', '.wav', '.ogg', '.mp3')


def read_sound(path):
    """Mono samples at 22 050 Hz."""
    x, rate = soundfile.read(path, dtype='float32', always_2d=True)
    common = math.gcd(rate, SAMPLE_RATE)
    return scipy.signal.resample_poly(x.mean(1), SAMPLE_RATE // common, rate // common).astype(np.float32)


def read_table(path):
    """[(onset_s, offset_s, midi, velocity 0 .. 1)]"""
    with open(path, newline='') as f:
        return [(float(r['onset_s']), float(r['offset_s']), int(float(r['midi'])), float(r.get('velocity') or 80) / 127)
                for r in csv.DictReader(f)]


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
            yield tick, 0xff, (kind, track[at:at + length])
            at += length
        elif status in (0xf0, 0xf7):
            length, at = _number(track, at)
            at += length
        else:
            length = 1 if status & 0xe0 == 0xc0 else 2
            yield tick, status, tuple(track[at:at + length])
            at += length


def read_midi(path):
    """As read_table, from a standard MIDI file of format 0 or 1 whose time is in ticks a quarter note."""
    with open(path, 'rb') as f:
        data = f.read()
    if data[:4] != b'MThd' or data[12] & 0x80:
        raise ValueError(f'{path}: expected a MIDI file that counts in quarter notes')
    division, at, events = struct.unpack('>H', data[12:14])[0], 14, []
    while at + 8 <= len(data):
        length = struct.unpack('>I', data[at + 4:at + 8])[0]
        if data[at:at + 4] == b'MTrk':
            events += _events(data[at + 8:at + 8 + length])
        at += 8 + length
    notes, sounding, seconds, last, tempo = [], {}, 0.0, 0, 500000
    for tick, status, values in sorted(events, key=lambda e: e[0]):
        seconds += (tick - last) * tempo / 1e6 / division
        last = tick
        if status == 0xff and values[0] == 0x51:
            tempo = int.from_bytes(values[1], 'big')
        elif status & 0xe0 == 0x80:
            key = (status & 15, values[0])
            if key in sounding:
                start, velocity = sounding.pop(key)
                notes.append((start, seconds, values[0], velocity / 127))
            if status & 0xf0 == 0x90 and values[1]:
                sounding[key] = (seconds, values[1])
    return sorted(notes)


def find(folder):
    """[(sound file, its notes)] of a folder; a sound without notes is an error that says so."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, '*'))):
        stem, ending = os.path.splitext(path)
        if ending.lower() not in SOUND:
            continue
        if os.path.exists(stem + '.csv'):
            found.append((path, read_table(stem + '.csv')))
        elif os.path.exists(stem + '.mid'):
            found.append((path, read_midi(stem + '.mid')))
        else:
            raise SystemExit(f'{path}: expected its notes in {stem}.csv or {stem}.mid')
    if not found:
        raise SystemExit(f'{folder}: expected sound files ({", ".join(SOUND)}) with their notes')
    return found
