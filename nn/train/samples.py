# SPDX-License-Identifier: ISC
"""A pack of single notes: one sound file an instrument, index.csv with a row a note.

Columns of index.csv: file (NAME of NAME.ogg, mono at 22 050 Hz), family (one of FAMILIES), midi, dynamic (1 pp .. 6 ff),
kind (decay: rings by itself; sustain: held), start, length, onset (samples at 22 050 Hz; the onset counts from the start),
release_s (seconds from the start to the release), cents_dev (semitones off the key; may be empty).

Pianos are told by their names: those with "piano" in them, but for "epiano"."""
import collections
import os

import numpy as np
import soundfile

import tables
from config import SAMPLE_RATE

FAMILIES = ('bass', 'brass', 'flute', 'guitar', 'keyboard', 'mallet', 'organ', 'reed', 'string', 'synth_lead', 'vocal')
KINDS = ('decay', 'sustain')

Note = collections.namedtuple('Note', 'midi dynamic audio attack steady end deviation')
Row = collections.namedtuple('Row', 'file family midi dynamic kind start length onset release_s deviation')


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


def read_sound(path):
    """Samples (n, channels) and their rate."""
    try:
        return soundfile.read(path, dtype='float32', always_2d=True)
    except RuntimeError as error:
        raise ValueError(f'{path}: {" ".join(str(error).split())} Expected a sound file') from error


def _row(r):
    start, length = (int(tables.number(r, name, 0, 2 ** 31)) for name in ('start', 'length'))
    return Row(r['file'], tables.word(r, 'family', FAMILIES), int(tables.number(r, 'midi', 0, 127)),
               tables.number(r, 'dynamic', 1, 6), tables.word(r, 'kind', KINDS), start, length,
               int(tables.number(r, 'onset', 0, length)), tables.number(r, 'release_s', 0, 3600),
               tables.number(r, 'cents_dev', -100, 100) if r['cents_dev'] else 0.0)


def _read_pack_sound(path, notes):
    """Samples of an instrument in half precision, in which every note lies."""
    audio, rate = read_sound(path)
    if rate != SAMPLE_RATE or audio.shape[1] != 1:
        raise ValueError(f'{path}: {rate} Hz, {audio.shape[1]} channels: expected {SAMPLE_RATE} Hz, 1 channel')
    for r in notes:
        if r.start + r.length > len(audio):
            raise ValueError(f'{path}: a note from {r.start} to {r.start + r.length}: '
                             f'expected it within the {len(audio)} samples')
    return audio[:, 0].astype(np.float16)


def load(folders, without=(), only=None):
    """{name: Instrument} of some packs, some instruments left out or only some."""
    rows = collections.defaultdict(list)
    for folder in folders:
        for row in tables.read(os.path.join(folder, 'index.csv'), _row):
            if row.file not in without and (only is None or row.file in only):
                rows[os.path.join(folder, row.file)].append(row)
    pack = {}
    for path, notes in rows.items():
        name = os.path.basename(path)
        if name in pack:
            raise ValueError(f'{path}: another pack has an instrument of this name, expected names that differ')
        audio = _read_pack_sound(path + '.ogg', notes)
        instrument = Instrument(name, notes[0].family, notes[0].kind)
        for r in notes:
            x = audio[r.start:r.start + r.length]
            if len(x) < 0.15 * SAMPLE_RATE:
                continue
            end = min(len(x), int(r.release_s * SAMPLE_RATE)) if r.kind == 'sustain' else len(x)
            attack = _attack(x, r.onset)
            instrument.notes.append(Note(r.midi, r.dynamic, x, attack,
                                         min(attack + int(0.12 * SAMPLE_RATE), end // 2), end,
                                         r.deviation if abs(r.deviation) < 0.5 else 0.0))
        if instrument.notes:
            instrument.finish()
            pack[name] = instrument
    return pack
