# SPDX-License-Identifier: ISC
"""A pack of single notes: one sound file an instrument, index.csv with a row a note.

Columns of index.csv: file, family, midi, dynamic (1 pp .. 6 ff), kind (decay or sustain), start, length, onset
(samples at 22 050 Hz), release_s, cents_dev (semitones off the key)."""
import collections
import csv
import os

import numpy as np
import soundfile

from config import SAMPLE_RATE

Note = collections.namedtuple('Note', 'midi dynamic audio attack steady end deviation')


def _attack(x, onset):
    """Where a listener would say that the note begins: a quarter of the attack's peak amplitude."""
    block = 64
    n = min(len(x), onset + int(0.4 * SAMPLE_RATE)) // block
    if n < 2:
        return onset
    level = np.sqrt((x[:n * block].astype(np.float32).reshape(n, block) ** 2).mean(1))
    first = int(np.argmax(level >= 0.25 * level.max())) * block
    return int(np.clip(first, onset, onset + int(0.08 * SAMPLE_RATE)))


class Instrument:
    def __init__(self, name, family, kind):
        self.name, self.family, self.kind, self.notes = name, family, kind, []

    def finish(self):
        self.midi = np.array([n.midi for n in self.notes])
        self.dynamic = np.array([n.dynamic for n in self.notes])
        self.low, self.high = int(self.midi.min()), int(self.midi.max())

    def choose(self, rng, midi, velocity):
        """A note near the key and the dynamic, or None when the key is out of reach."""
        cost = 2.0 * abs(self.midi - midi) + abs(self.dynamic - (1 + 5 * velocity)) + 3 * rng.random(len(self.midi))
        note = self.notes[int(cost.argmin())]
        return note if abs(note.midi - midi) <= 4 else None


def load(folders, without=(), only=None):
    """{name: Instrument} of some packs, some instruments left out or only some."""
    rows = collections.defaultdict(list)
    for folder in folders:
        with open(os.path.join(folder, 'index.csv'), newline='') as f:
            for row in csv.DictReader(f):
                if row['file'] not in without and (only is None or row['file'] in only):
                    rows[os.path.join(folder, row['file'])].append(row)
    pack = {}
    for path, notes in rows.items():
        name = os.path.basename(path)
        if name in pack:
            raise ValueError(f'{path}: another pack has an instrument of this name, expected names that differ')
        audio = soundfile.read(path + '.ogg', dtype='float32')[0].astype(np.float16)
        instrument = Instrument(name, notes[0]['family'], notes[0]['kind'])
        for r in notes:
            start, length, onset = int(r['start']), int(r['length']), int(r['onset'])
            x = audio[start:start + length]
            if len(x) < 0.15 * SAMPLE_RATE:
                continue
            end = min(len(x), int(float(r['release_s']) * SAMPLE_RATE)) if r['kind'] == 'sustain' else len(x)
            attack = _attack(x, onset)
            deviation = float(r['cents_dev'] or 0)
            instrument.notes.append(Note(int(r['midi']), float(r['dynamic']), x, attack,
                                         min(attack + int(0.12 * SAMPLE_RATE), end // 2), end,
                                         deviation if abs(deviation) < 0.5 else 0.0))
        if instrument.notes:
            instrument.finish()
            pack[name] = instrument
    return pack
