#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A pack of single notes (samples.py) out of a General MIDI soundfont, played dry by fluidsynth.

    soundfont.py FONT.sf2 OUTDIR NAME [INSTRUMENT ...]

OUTDIR, a new folder, gets NAME_INSTRUMENT.ogg for each of INSTRUMENTS below, or for those that are named, and at last
index.csv. Needs fluidsynth and, as train.py, python3-soundfile."""
import argparse
import csv
import io
import os
import shutil
import subprocess
import tempfile

import numpy as np
import scipy.signal
import soundfile

import program
from config import SAMPLE_RATE

PLAYED_AT = 2 * SAMPLE_RATE
APART = 3                              # keys
DYNAMICS = {35: 1, 75: 3.5, 115: 6}    # MIDI velocities, and what they are in a pack
HELD, AFTER = {'decay': 3.0, 'sustain': 2.0}, 0.7  # seconds
BEFORE = SAMPLE_RATE // 100            # samples kept before the onset
PEAK = 0.7
# General MIDI's programs, counted from 0; those that are no notes, and most synthesisers, are left out.
INSTRUMENTS = {  # name: program, family, kind, lowest and highest key
    'piano1': (0, 'keyboard', 'decay', 21, 108), 'piano2': (1, 'keyboard', 'decay', 21, 108),
    'egrand': (2, 'keyboard', 'decay', 24, 103), 'honkytonk': (3, 'keyboard', 'decay', 24, 103),
    'epiano1': (4, 'keyboard', 'decay', 28, 96), 'epiano2': (5, 'keyboard', 'decay', 28, 96),
    'harpsichord': (6, 'keyboard', 'decay', 29, 89), 'clavinet': (7, 'keyboard', 'decay', 36, 96),
    'celesta': (8, 'mallet', 'decay', 60, 108), 'vibraphone': (11, 'mallet', 'decay', 53, 89),
    'marimba': (12, 'mallet', 'decay', 45, 96), 'xylophone': (13, 'mallet', 'decay', 65, 108),
    'organ1': (16, 'organ', 'sustain', 36, 96), 'organ2': (17, 'organ', 'sustain', 36, 96),
    'organ3': (18, 'organ', 'sustain', 36, 96), 'church': (19, 'organ', 'sustain', 36, 96),
    'reedorgan': (20, 'organ', 'sustain', 36, 96), 'accordion': (21, 'organ', 'sustain', 53, 89),
    'harmonica': (22, 'reed', 'sustain', 60, 84), 'bandoneon': (23, 'organ', 'sustain', 53, 89),
    'nylon': (24, 'guitar', 'decay', 40, 84), 'steel': (25, 'guitar', 'decay', 40, 84),
    'jazz': (26, 'guitar', 'decay', 40, 86), 'clean': (27, 'guitar', 'decay', 40, 86),
    'muted': (28, 'guitar', 'decay', 40, 86), 'overdrive': (29, 'guitar', 'sustain', 40, 86),
    'distortion': (30, 'guitar', 'sustain', 40, 86), 'acbass': (32, 'bass', 'decay', 28, 60),
    'fingerbass': (33, 'bass', 'decay', 28, 60), 'pickbass': (34, 'bass', 'decay', 28, 60),
    'fretless': (35, 'bass', 'decay', 28, 60), 'slap': (36, 'bass', 'decay', 28, 60),
    'synthbass': (38, 'bass', 'decay', 28, 60), 'violin': (40, 'string', 'sustain', 55, 96),
    'viola': (41, 'string', 'sustain', 48, 84), 'cello': (42, 'string', 'sustain', 36, 76),
    'contrabass': (43, 'string', 'sustain', 28, 60), 'tremstr': (44, 'string', 'sustain', 40, 88),
    'pizz': (45, 'string', 'decay', 40, 88), 'harp': (46, 'guitar', 'decay', 28, 100),
    'strings': (48, 'string', 'sustain', 36, 96), 'slowstr': (49, 'string', 'sustain', 36, 96),
    'choir': (52, 'vocal', 'sustain', 43, 84), 'voice_ooh': (53, 'vocal', 'sustain', 43, 84),
    'synthvoice': (54, 'vocal', 'sustain', 43, 84), 'trumpet': (56, 'brass', 'sustain', 54, 86),
    'trombone': (57, 'brass', 'sustain', 40, 74), 'tuba': (58, 'brass', 'sustain', 28, 60),
    'mutedtpt': (59, 'brass', 'sustain', 54, 82), 'horn': (60, 'brass', 'sustain', 36, 77),
    'brass': (61, 'brass', 'sustain', 36, 88), 'soprano': (64, 'reed', 'sustain', 56, 86),
    'alto': (65, 'reed', 'sustain', 49, 80), 'tenor': (66, 'reed', 'sustain', 44, 76),
    'bari': (67, 'reed', 'sustain', 36, 69), 'oboe': (68, 'reed', 'sustain', 58, 90),
    'englishhorn': (69, 'reed', 'sustain', 52, 81), 'bassoon': (70, 'reed', 'sustain', 34, 72),
    'clarinet': (71, 'reed', 'sustain', 50, 91), 'piccolo': (72, 'flute', 'sustain', 74, 106),
    'flute': (73, 'flute', 'sustain', 60, 96), 'recorder': (74, 'flute', 'sustain', 60, 96),
    'panflute': (75, 'flute', 'sustain', 60, 96), 'ocarina': (79, 'flute', 'sustain', 60, 96),
    'square': (80, 'synth_lead', 'sustain', 36, 96), 'saw': (81, 'synth_lead', 'sustain', 36, 96),
    'sitar': (104, 'guitar', 'decay', 48, 77), 'banjo': (105, 'guitar', 'decay', 48, 84),
    'shamisen': (106, 'guitar', 'decay', 50, 79), 'koto': (107, 'guitar', 'decay', 55, 84),
    'fiddle': (110, 'string', 'sustain', 55, 96),
}


def check_font(path):
    """fluidsynth would play another one, its default, in the place of what it cannot read."""
    with open(path, 'rb') as f:
        head = f.read(12)
    if head[:4] != b'RIFF' or head[8:] != b'sfbk':
        raise ValueError(f'{path}: expected a soundfont (SF2 or SF3)')


def write_midi(path, events):
    """A standard MIDI file of (milliseconds, bytes): a thousand ticks a quarter note, a quarter note a second."""
    track, last = b'\0\xff\x51\x03' + (1000000).to_bytes(3, 'big'), 0
    for at, message in sorted(events, key=lambda event: event[0]):
        delta, last = at - last, at
        number = bytes([delta & 0x7f])
        while delta > 0x7f:
            delta >>= 7
            number = bytes([0x80 | delta & 0x7f]) + number
        track += number + bytes(message)
    track += b'\0\xff\x2f\0'
    with open(path, 'wb') as f:
        f.write(b'MThd\0\0\0\6\0\0\0\1\x03\xe8MTrk' + len(track).to_bytes(4, 'big') + track)


def play(font, number, notes):
    """Mono sound at SAMPLE_RATE of (key, velocity, start, end)."""
    events = [(0, [0xc0, number])]
    for key, velocity, start, end in notes:
        events += [(round(1000 * start), [0x90, key, velocity]), (round(1000 * end), [0x80, key, 0])]
    with tempfile.TemporaryDirectory() as folder:
        song, sound = os.path.join(folder, 'notes.mid'), os.path.join(folder, 'notes.wav')
        write_midi(song, events)
        done = subprocess.run(['fluidsynth', '-niq', '-R', '0', '-C', '0', '-g', '0.5', '-r', str(PLAYED_AT), '-F', sound,
                               font, song], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if 'Failed to load the SoundFont' in done.stdout:  # its default one was played then
            raise ValueError(f'{font}: fluidsynth cannot load it, expected a soundfont that is whole')
        if done.returncode or not os.path.exists(sound):
            raise ValueError(f'fluidsynth: {" ".join(done.stdout.split())}')
        x = soundfile.read(sound, dtype='float32', always_2d=True)[0].mean(1)
    return scipy.signal.resample_poly(x, 1, PLAYED_AT // SAMPLE_RATE).astype(np.float32)


def notes_of(font, number, kind, low, high):
    """[(key, dynamic, sound, onset, release_s)]"""
    plan, at, found = [], 0.1, []
    for velocity in DYNAMICS:
        for key in range(low, high + 1, APART):
            plan.append((key, velocity, at, at + HELD[kind]))
            at += HELD[kind] + AFTER
    x = play(font, number, plan)
    for key, velocity, start, end in plan:
        y = x[round((start - 0.01) * SAMPLE_RATE):round((end + AFTER - 0.02) * SAMPLE_RATE)]
        peak = np.abs(y).max() if len(y) else 0
        if peak < 1e-3:  # out of the instrument's reach
            continue
        onset, last = int(np.argmax(np.abs(y) > 0.01 * peak)), np.flatnonzero(np.abs(y) > 0.003 * peak)[-1]
        first = max(0, onset - BEFORE)
        release = end - start + 0.01 - first / SAMPLE_RATE
        found.append((key, DYNAMICS[velocity], y[first:last + 1] * (PEAK / peak), onset - first, release))
    return found


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('font')
    a.add_argument('out')
    a.add_argument('name')
    a.add_argument('instruments', nargs='*', metavar='INSTRUMENT', help='of ' + ', '.join(INSTRUMENTS))
    o = a.parse_args()
    for instrument in o.instruments:
        if instrument not in INSTRUMENTS:
            a.error(f'no instrument {instrument!r}: expected one of {", ".join(INSTRUMENTS)}')
    if not shutil.which('fluidsynth'):
        raise ValueError('fluidsynth is not there: expected it to be installed')
    check_font(o.font)
    index_path, index = os.path.join(o.out, 'index.csv'), io.StringIO(newline='')
    if os.path.exists(index_path):
        raise ValueError(f'{o.out}: there is a pack already, expected a new folder')
    os.makedirs(o.out, exist_ok=True)
    rows, found = csv.writer(index), 0
    rows.writerow(['file', 'family', 'midi', 'dynamic', 'kind', 'start', 'length', 'onset', 'release_s', 'cents_dev'])
    for instrument in o.instruments or INSTRUMENTS:
        number, family, kind, low, high = INSTRUMENTS[instrument]
        file, position = f'{o.name}_{instrument}', 0
        notes = notes_of(o.font, number, kind, low, high)
        found += len(notes)
        with soundfile.SoundFile(os.path.join(o.out, file + '.ogg'), 'w', SAMPLE_RATE, 1, format='OGG', subtype='VORBIS') as s:
            for key, dynamic, y, onset, release in notes:
                s.write(y)
                rows.writerow([file, family, key, dynamic, kind, position, len(y), onset, f'{release:.3f}', ''])
                position += len(y)
        print(f'{file}: {len(notes)} notes, {position / SAMPLE_RATE:.0f} s', flush=True)
    if not found:
        raise ValueError(f'{o.font}: no notes: expected a General MIDI soundfont')
    program.write(index_path, index.getvalue().encode())


if __name__ == '__main__':
    program.run(main)
