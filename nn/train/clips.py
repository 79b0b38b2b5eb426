# SPDX-License-Identifier: ISC
"""Training clips: music made from single notes, with labels that are exact by construction.

A clip is rendered voice by voice. What real players do and samples do not is added here: legato and glides,
vibrato, swells, soft attacks, the pedal and the strings that it frees, strums, let ring, repeated notes, tuning,
rooms, microphones, noise, drums and speech-like sounds that must not be written down."""
import os

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

import samples
import struck
import tables
from config import CLIP_SECONDS, HELD_OUT, HOP, KEYS, LOWEST_KEY, MIX, SAMPLE_RATE

SR = SAMPLE_RATE
INVENTED = 5  # pianos and guitars at hand (struck.py)
STEP = 64  # samples between control points of synthesised voices
N = int(CLIP_SECONDS * SR)
PLANES = 4  # of frames_of
MELODIC = ('reed', 'flute', 'brass', 'string', 'vocal', 'synth_lead', 'organ')  # families that play lines
MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])
SHAPES = [[0, 7, 12, 16, 19, 24], [0, 7, 12, 15, 19, 24], [0, 7, 10, 16, 19], [0, 4, 7, 12], [0, 7, 12], [0, 10, 15, 19],
          [0, 3, 7, 10, 14]]  # chords as they lie on the strings, semitones above the root


def load_sequences(folder):
    """(piano pieces, guitar takes): arrays of rows onset, end, midi, velocity 0 .. 1."""
    def read(name, velocity):
        path, pieces = os.path.join(folder, name), {}

        def note(r):
            onset, duration = (tables.number(r, column, 0, 1e6) for column in ('onset_s', 'duration_s'))
            pieces.setdefault(r['piece'], []).append((onset, onset + duration, tables.number(r, 'midi', 0, 127), velocity(r)))

        if not tables.read(path, note):
            raise ValueError(f'{path}: no notes, expected a row a note')
        return [np.array(sorted(p), np.float32) for p in pieces.values()]
    return (read('pop909.csv.gz', lambda r: tables.number(r, 'velocity', 0, 127) / 127),
            read('guitarset.csv.gz', lambda r: 0.6))


def smooth(rng, n, step_s, amount):
    """A slow random curve of n samples: control points every step_s, joined by cosines."""
    k = max(2, int(n / (step_s * SR)) + 2)
    points = rng.standard_normal(k) * amount
    return np.interp(np.linspace(0, k - 1, n), np.arange(k), points).astype(np.float32)


def until_again(notes):
    """Seconds from each note (onset first, key third) to the next of its key: a string that is struck again has
    stopped sounding as it did."""
    following, seconds = {}, []
    for note in reversed(notes):
        key = int(note[2])
        seconds.append(following.get(key, np.inf) - note[0])
        following[key] = note[0]
    return seconds[::-1]


def melodic(pack):
    """The instruments that hold a note and play lines: (recorded ones, others)."""
    real = [p for n, p in pack.items() if n.startswith(('phil_', 'weresax', 'berklee')) and p.kind == 'sustain']
    return real, [p for p in pack.values() if p.family in MELODIC and p.kind == 'sustain' and p not in real]


class Clip:
    """The sound and the labels of one clip under construction."""

    def __init__(self, rng, pack, sequences, invented):
        self.rng, self.pack, (self.pieces, self.takes), self.invented = rng, pack, sequences, invented
        self.voices, self.labels = [], []  # onset [s], end [s], key, velocity 0 .. 1, bend [cents]
        self.darkness = rng.uniform(0, 0.97)  # of soft notes: most samples have one dynamic, players have more

    # --- single notes ---------------------------------------------------------------------------------------------

    def new_voice(self):
        self.voices.append(np.zeros(N, np.float32))
        return self.voices[-1]

    def place(self, voice, instrument, midi, onset, seconds, velocity, cents=0.0, attack='sample', came_from=None,
              vibrato=None, release=None, swell=0.0, loud=None):
        """Renders one note into a voice and labels it. attack: 'sample', or seconds of a soft one; came_from: the
        key a glide starts at; vibrato: (depth in cents, rate in Hz)."""
        rng = self.rng
        note = instrument.choose(rng, midi, velocity)
        if note is None or seconds < 0.03 or not LOWEST_KEY <= midi < LOWEST_KEY + KEYS:
            return
        sustained = instrument.kind == 'sustain'
        release = release if release is not None else rng.uniform(0.02, 0.1)
        soft = attack != 'sample'
        lead = int(0.35 * attack * SR) if soft else 0
        n = int((seconds + 4 * release) * SR) + lead
        t = np.arange(n, dtype=np.float32) / SR

        bend = np.full(n, cents, np.float32)
        if vibrato:
            depth, rate = vibrato
            ramp = np.clip((t - rng.uniform(0.05, 0.25)) / 0.25, 0, 1)
            bend += depth * ramp * np.sin(2 * np.pi * rate * (1 + 0.05 * rng.standard_normal()) * t + rng.uniform(0, 6))
        glide_delay = 0.0
        if came_from is not None and came_from != midi:
            distance = float(np.clip(100 * (came_from - midi), -400, 400)) * rng.uniform(0.5, 1)
            tau = rng.uniform(0.008, 0.05)
            bend += distance * np.exp(-t / tau)
            glide_delay = min(0.08, tau * np.log(max(1.0, abs(distance) / 60)))
        ratio = np.exp2((midi - note.midi - note.deviation + bend / 100) / 12)
        start = note.steady + rng.integers(0, max(1, (note.end - note.steady) // 4)) if soft else 0
        position = start + np.cumsum(ratio)
        mean_ratio = float(ratio[0])
        if not soft:
            lead = int(note.attack / mean_ratio)
        if sustained:  # turn back and forth in the steady part for as long as the note lasts
            span = max(64.0, note.end - 1.0 - note.steady)
            over = position > note.end - 1
            position = np.where(over, note.end - 1 - np.abs((position - note.end + 1 + span) % (2 * span) - span),
                                position)
        else:
            keep = int(np.searchsorted(position, len(note.audio) - 2))
            position, t, n = position[:keep], t[:keep], keep
            if n < int(0.05 * SR):
                return
        i = position.astype(np.int32)
        i = np.clip(i, 0, len(note.audio) - 2)
        f = (position - i).astype(np.float32)
        x = note.audio[i].astype(np.float32)
        x += f * (note.audio[i + 1].astype(np.float32) - x)

        pole = self.darkness * (1 - 1.4 * velocity)
        if not sustained and pole > 0.1 and instrument not in self.invented.values():
            x = scipy.signal.lfilter([1 - pole], [1, -pole], x).astype(np.float32)
        if soft:
            k = min(n, int(attack * SR) + 1)
            x[:k] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(k, dtype=np.float32) / k)
        if swell:
            x *= np.exp2(swell * np.sin(np.pi * np.minimum(1, t / seconds)) + 0)
            if n > 0.3 * SR:
                x *= np.exp2(smooth(rng, n, 0.2, 0.15))
        off = lead + int(seconds * SR)
        if off < n:
            x[off:] *= np.exp(-np.arange(n - off, dtype=np.float32) / (release * SR))
        sounding = seconds
        if not sustained:  # a note that has died away is over, held or not
            block = 512
            q = len(x) // block
            if q > 2:
                level = np.sqrt((x[:q * block].reshape(q, block) ** 2).mean(1))
                alive = int(np.flatnonzero(level > 0.01 * level.max())[-1]) * block
                sounding = min(seconds, max(0.05, (alive - lead) / SR))

        gain = (velocity if loud is None else loud) ** 1.6
        first = int(onset * SR) - lead
        a, b = max(0, -first), min(len(x), N - first)
        if b <= a:
            return
        voice[first + a:first + b] += gain * x[a:b]
        start_s = onset + (glide_delay if soft else 0)
        if start_s < CLIP_SECONDS:
            frames = bend[lead::HOP][:int(sounding * SR / HOP) + 2]
            self.labels.append((start_s, max(start_s + 0.04, onset + sounding), int(midi), velocity, frames))

    # --- piano and other keyboards --------------------------------------------------------------------------------

    def piano(self):
        rng = self.rng
        pianos = [p for n, p in self.pack.items() if 'piano' in n and 'epiano' not in n or n in
                  ('discord_grand', 'discord_upright', 'discord_egrand')]
        others = [p for p in self.pack.values() if p.family in ('keyboard', 'organ', 'mallet') and p not in pianos]
        pool = (pianos if rng.random() < 0.85 or not others else others) or [self.invented['piano']]
        instrument = pool[rng.integers(len(pool))]
        # The sampled pianos with several dynamics are worth more than the single-dynamic ones.
        if pool is pianos and rng.random() < 0.35:
            rich = [p for p in pianos if len(set(p.dynamic)) > 2]
            instrument = rich[rng.integers(len(rich))] if rich else instrument
        if rng.random() < 0.3:
            instrument = self.invented['piano']
        voice = self.new_voice()
        cents = rng.uniform(-8, 8)
        stretch = rng.uniform(0, 0.012)
        notes = self.sequence_notes(self.pieces) if rng.random() < 0.6 else self.figures(28, 100)
        # Players keep the accompaniment under the melody, often far under it, and play whole passages softly.
        loudness, range_of_touch = rng.uniform(0.5, 1.1), rng.uniform(0.7, 1.6)
        below, accompaniment = rng.uniform(48, 70), rng.uniform(0.3, 1) if rng.random() < 0.7 else 1.0
        deeper = rng.random() < 0.25
        pedal = rng.random() < 0.5
        change = np.cumsum(rng.uniform(0.3, 2.5, 60)) - rng.uniform(0, 2)
        body = self.draw_body() if rng.random() < 0.5 else None
        for (a, b, midi, velocity), again in zip(notes, until_again(notes)):
            length = b - a
            if pedal:
                up = change[min(len(change) - 1, int(np.searchsorted(change, b)))]
                length = max(length, min(up - a, 6.0))
            length = min(length, again)
            if midi < below:
                velocity *= accompaniment
                midi -= 12 if deeper and midi >= 36 else 0
            velocity = float(np.clip(velocity ** range_of_touch * loudness, 0.06, 1))
            tuned = cents + stretch * np.sign(midi - 69) * (midi - 69) ** 2 / 4
            self.place(voice, instrument, int(midi), a, length, velocity, tuned,
                       release=rng.uniform(0.02, 0.12))
            if body is not None:
                self.knock(voice, body, a, 0.5 * velocity)
        if pedal and rng.random() < 0.7:
            self.sympathise(voice, change)

    def sympathise(self, voice, change):
        """What the other strings add while the pedal keeps their dampers up: each of their partials is a resonance that the
        played ones, and above all their attacks, set ringing. change: when [s] all of them are damped anew."""
        rng = self.rng
        strings, gain = self.strings(), 10 ** (rng.uniform(-32, -12) / 20)
        edges = [0, *(int(c * SR) for c in change if 0 < c < CLIP_SECONDS), N]
        wet = np.zeros(N, np.float32)
        for a, b in zip(edges, edges[1:]):
            part = np.zeros(N, np.float32)
            part[a:b] = voice[a:b]
            ringing = scipy.fft.irfft(scipy.fft.rfft(part, SIZE) * strings, SIZE)[a:N].astype(np.float32)
            ringing[b - a:] *= np.exp(-np.arange(N - b, dtype=np.float32) / (0.05 * SR))
            wet[a:] += ringing
        voice += gain * np.sqrt((voice ** 2).sum() / ((wet ** 2).sum() + 1e-9)) * wet

    def strings(self):
        """The transform of a piano's undamped strings: a decaying sine for each of their lower partials."""
        rng, total = self.rng, np.zeros(SIZE // 2 + 1, np.complex64)
        ring, stiffness = rng.uniform(0.3, 2), np.exp(rng.uniform(-11, -8))
        for key in range(21, 90):
            f0 = 440 * 2 ** ((key - 69 + rng.normal(0, 0.04)) / 12)
            for k in range(1, 13):
                f = f0 * k * np.sqrt(1 + stiffness * np.exp(abs(key - 50) / 12) * k * k)
                if f > 5000:
                    break
                half = (1 + f / 1500) / (2 * np.pi * ring * 2 ** ((60 - key) / 18))  # of the resonance's width, Hz
                near = (f + np.array([-1, 1]) * (40 * half + 2)) * SIZE / SR
                bins = np.arange(max(0, int(near[0])), min(len(total), int(near[1])))
                total[bins] += rng.uniform(0.3, 1) * np.exp(2j * np.pi * rng.random()) * np.sqrt(half) / \
                    (half + 1j * (bins * SR / SIZE - f))
        response = scipy.fft.irfft(total, SIZE)
        response[SIZE // 2:] = 0  # what the cut resonances would give before the stroke
        return scipy.fft.rfft(response.astype(np.float32))

    def sequence_notes(self, pieces, low=21, high=108):
        """A stretch of a recorded performance, at another tempo and pitch."""
        rng = self.rng
        piece = pieces[rng.integers(len(pieces))]
        start = piece[rng.integers(len(piece)), 0]
        tempo, shift = rng.uniform(0.6, 1.7), int(rng.integers(-14, 15))
        part = piece[(piece[:, 0] >= start) & (piece[:, 0] < start + CLIP_SECONDS * tempo)]
        out = []
        for a, b, midi, velocity in part:
            key = int(round(midi)) + shift
            key += 12 * ((key < low) - (key > high))
            if low <= key <= high:
                out.append(((a - start) / tempo + 0.02, (b - start) / tempo + 0.02, key, velocity))
        return out

    def figures(self, low, high):
        """Études: runs, broken chords, trills, repeated notes and chords, octaves, in one key and tempo."""
        rng = self.rng
        out, root = [], int(rng.integers(12))
        step = rng.choice([0.07, 0.09, 0.11, 0.14, 0.18, 0.25, 0.4])
        hands = [rng.uniform(low, low + 0.45 * (high - low)), rng.uniform(low + 0.4 * (high - low), high)]
        for centre in hands[:1 if rng.random() < 0.25 else 2]:
            t, degree = rng.uniform(0, 0.4), int(round((centre - root) * 7 / 12))
            while t < CLIP_SECONDS - 0.1:
                figure = rng.choice(['run', 'broken', 'trill', 'repeat', 'chords', 'octaves', 'melody', 'rest'])
                count = int(rng.integers(3, 14))
                speed = step * rng.choice([1, 1, 2, 3])
                velocity = rng.uniform(0.2, 1)
                direction = rng.choice([-1, 1])
                touch = rng.choice([0.4, 0.9, 1.05, 2.0])
                chord = np.array([0, 2, 4, 7])[:int(rng.integers(2, 5))]
                key_of = lambda d: root + 12 * (d // 7) + int(MAJOR[d % 7])
                for i in range(count):
                    if figure == 'rest':
                        t += speed
                        continue
                    if figure == 'run':
                        keys, degree = [key_of(degree)], degree + direction
                    elif figure == 'broken':
                        keys = [key_of(degree + int(chord[(i * direction) % len(chord)]))]
                    elif figure == 'trill':
                        keys = [key_of(degree + i % 2)]
                    elif figure == 'repeat':
                        keys = [key_of(degree)]
                    elif figure == 'chords':
                        degree += int(rng.integers(-1, 2)) if i % 2 else 0
                        keys = [key_of(degree + int(c)) for c in chord]
                    elif figure == 'octaves':
                        keys, degree = [key_of(degree), key_of(degree) + 12], degree + int(rng.integers(-2, 3))
                    else:
                        keys, degree = [key_of(degree)], degree + int(rng.integers(-3, 4))
                    if abs(key_of(degree) - centre) > 16:
                        degree = int(round((centre - root) * 7 / 12))
                    for key in keys:
                        if low <= key <= high and t < CLIP_SECONDS:
                            out.append((max(0, t + rng.normal(0, 0.008)), t + speed * touch, key,
                                        np.clip(velocity * rng.uniform(0.75, 1.25), 0.08, 1)))
                    t += speed * rng.uniform(0.95, 1.05)
        return sorted(out)

    # --- plucked strings ------------------------------------------------------------------------------------------

    def guitar(self):
        rng = self.rng
        pool = [p for p in self.pack.values() if p.family == 'guitar']
        good = [p for p in pool if p.name in ('guitar_black', 'guitar_green', 'phil_guitar', 'discord_martin') or
                p.name.endswith(('_steel', '_nylon', '_jazz', '_clean'))]
        pool = (good if rng.random() < 0.7 and good else pool) or [self.invented['guitar']]
        instrument = pool[rng.integers(len(pool))] if rng.random() < 0.75 else self.invented['guitar']
        voice, cents = self.new_voice(), rng.uniform(-15, 15)
        low = min(96, max(28, instrument.low - 2))
        high = max(low, min(96, instrument.high + 2))
        style = rng.random()
        if style < 0.45:
            notes = self.sequence_notes(self.takes, low, high)
        elif style < 0.6:
            notes = self.figures(low, high)
        else:
            notes = self.strums(low, high)
        ring = rng.random() < 0.4
        loudness = rng.uniform(0.35, 1.3)
        body = self.draw_body() if rng.random() < 0.7 else None
        for (a, b, midi, velocity), again in zip(notes, until_again(notes)):
            velocity = float(np.clip(velocity * loudness * rng.uniform(0.7, 1.3), 0.08, 1))
            hammered = rng.random() < 0.08
            length = min(again, (b - a) * (rng.uniform(1.5, 4) if ring else rng.uniform(0.8, 1.1)))
            self.place(voice, instrument, int(midi), a, length,
                       velocity * (0.6 if hammered else 1), cents + rng.normal(0, 4),
                       attack=0.006 if hammered else 'sample', release=rng.uniform(0.02, 0.12),
                       vibrato=(rng.uniform(5, 30), rng.uniform(4, 6)) if rng.random() < 0.1 else None)
            if body is not None and not hammered:
                self.knock(voice, body, a, velocity)
            if rng.random() < 0.05:  # pick and fret noise
                self.burst(voice, a - rng.uniform(0, 0.03), rng.uniform(0.005, 0.03), 0.05 * velocity)

    def draw_body(self):
        """What a pick or a hammer does to the body: a few low modes that die at once, whatever the key (Fletcher and
        Rossing, "The Physics of Musical Instruments", section 9.4: a guitar's air and top at about 100 and 200 Hz)."""
        rng, t = self.rng, np.arange(SR // 4, dtype=np.float32) / SR
        gain, modes = 10 ** (rng.uniform(-32, -12) / 20), [rng.uniform(85, 125), rng.uniform(170, 245)]
        modes += [f for f in rng.uniform(250, 600, 3) if rng.random() < 0.5]
        knock = sum(rng.uniform(0.3, 1) * np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) * np.exp(-t / rng.uniform(0.01, 0.07))
                    for f in modes)
        return (gain * knock * np.minimum(1, t / 0.002)).astype(np.float32)

    def knock(self, voice, body, onset, velocity):
        first = max(0, int((onset - self.rng.uniform(0, 0.012)) * SR))
        heard = voice[first:first + len(body)]
        heard += velocity ** 1.2 * self.rng.uniform(0.3, 1) * body[:len(heard)]

    def strums(self, low, high):
        rng = self.rng
        out, t = [], rng.uniform(0, 0.5)
        beat = rng.choice([0.12, 0.2, 0.25, 0.4, 0.5])
        while t < CLIP_SECONDS - 0.1:
            root = int(rng.integers(low, max(low + 1, min(high - 20, low + 22))))
            shape = SHAPES[rng.integers(len(SHAPES))]
            for _ in range(int(rng.integers(1, 9))):
                spread, length, velocity = rng.uniform(0, 0.03), beat * rng.choice([0.5, 1, 1, 2, 4]), rng.uniform(0.2, 1)
                keys = [root + s for s in shape if rng.random() < 0.9 and root + s <= high]
                if rng.random() < 0.35:
                    keys = keys[::-1]
                if rng.random() < 0.4:  # picked, one string after another
                    spread = beat * rng.choice([0.5, 1.0])
                for i, key in enumerate(keys):
                    if t + i * spread < CLIP_SECONDS:
                        out.append((t + i * spread, t + i * spread + length * rng.uniform(0.8, 1.5), key,
                                    velocity * rng.uniform(0.6, 1.2)))
                t += max(beat, spread * len(keys)) * rng.uniform(0.97, 1.03)
                if t >= CLIP_SECONDS - 0.1:
                    break
        return out

    # --- lines: winds, strings, voices ----------------------------------------------------------------------------

    def line(self, instrument, plan, level, singing=False):
        """One melodic voice. plan: [(onset, seconds, key)]. Manners are drawn once for the whole voice."""
        rng = self.rng
        voice = self.new_voice()
        cents = rng.uniform(-15, 15)
        p_legato = rng.choice([0.1, 0.5, 0.8, 0.95])
        p_soft = rng.choice([0.0, 0.2, 0.5, 0.8])
        p_glide = rng.choice([0.0, 0.1, 0.6]) if not singing else rng.choice([0.2, 0.6, 0.9])
        strings = instrument.family in ('string', 'vocal')
        depth = rng.choice([0, 8, 20, 35, 60] if strings or singing else [0, 0, 5, 12, 25])
        rate, swell = rng.uniform(4.5, 7), rng.choice([0.0, 0.4, 0.8, 1.5])
        detached = rng.uniform(0.5, 0.95)
        wet = rng.uniform(0.03, 0.15)
        previous, previous_end = None, -1.0
        for onset, seconds, key in plan:
            tied = previous is not None and onset - previous_end < 0.06 and rng.random() < p_legato
            if tied and key != previous:
                attack = rng.uniform(0.01, 0.06)
            elif rng.random() < p_soft:
                attack = rng.uniform(0.02, 0.14)
            else:
                attack = 'sample'
            velocity = float(np.clip(level * np.exp2(rng.normal(0, 0.35)), 0.1, 1))
            hold = seconds * (rng.uniform(0.97, 1.03) if rng.random() < p_legato else detached)
            came_from = previous if tied and rng.random() < p_glide else None
            if singing and came_from is None and rng.random() < 0.4:  # scooping up to the note
                came_from = key - rng.choice([1, 2, 3])
            self.place(voice, instrument, key, onset, hold, velocity, cents + rng.normal(0, 20 if singing else 7), attack,
                       came_from, (depth * rng.uniform(0.5, 1.3), rate) if depth and seconds > 0.25 else None,
                       wet, swell)
            if singing and rng.random() < 0.4:      # a consonant before the vowel
                self.burst(voice, onset - rng.uniform(0.03, 0.1), rng.uniform(0.02, 0.09), rng.uniform(0.02, 0.15) * velocity)
            elif rng.random() < 0.04:               # breath, bow, keys
                self.burst(voice, onset - rng.uniform(0, 0.2), rng.uniform(0.01, 0.25), rng.uniform(0.005, 0.04) * velocity)
            previous, previous_end = key, onset + seconds
        if instrument.family in ('flute', 'reed', 'vocal') and rng.random() < 0.5:
            breath = scipy.signal.lfilter([1, -0.6], [1, -0.4], rng.standard_normal(N)).astype(np.float32)
            voice += breath * np.abs(smooth(rng, N, 0.3, 1)) * 10 ** (rng.uniform(-60, -35) / 20)

    def continuous_line(self, plan, level, singing):
        """One synthesised voice whose phase never breaks: pitch glides from note to note, loudness dips or not.

        What samples cannot give: real slurs, scoops and drifting intonation. Harmonics under formants that move
        with each note, brighter when louder, and breath. Additive synthesis at a control rate of STEP samples."""
        rng, step = self.rng, STEP
        points = N // step + 2
        at = np.arange(points, dtype=np.float32) * step / SR
        drift = rng.uniform(8, 22) if singing else 6
        tuning = rng.uniform(-15, 15)
        cents = np.full(points, 100.0 * plan[0][2] if plan else 6000.0, np.float32)
        loud = np.zeros(points, np.float32)
        p_tied = rng.choice([0.2, 0.6, 0.9])
        depth = rng.choice([0, 10, 25, 50, 90] if singing else [0, 5, 12, 25, 40])
        rate = rng.uniform(4.5, 6.8)
        formants = [[rng.uniform(250, 950), rng.uniform(800, 2500), rng.uniform(2200, 3400), rng.uniform(3200, 4500)]
                    for _ in range(3)]
        vowel = np.zeros((points, 4), np.float32)
        vowel[:] = formants[0]
        previous_end, previous_key, labels = -1.0, None, []
        for onset, seconds, key in plan:
            first, last = int(onset * SR / step), min(points, int((onset + seconds) * SR / step))
            if last <= first + 2:
                continue
            tied = onset - previous_end < 0.03 and rng.random() < p_tied
            target = 100.0 * key + np.clip(tuning + rng.normal(0, drift), -45, 45)
            velocity = float(np.clip(level * np.exp2(rng.normal(0, 0.3)), 0.1, 1))
            full = velocity ** 1.3
            if tied:
                glide = rng.uniform(0.008, 0.06 if singing else 0.025)
                move = 0.5 + 0.5 * np.tanh((at - onset) / glide)
                cents += (target - cents[max(0, first - 1)]) * move
                dip = rng.uniform(0, 0.9) if rng.random() < 0.6 else 0.0
                dip = max(dip, 0.6) if previous_key == key else dip
                shape = 1 - dip * np.exp(-0.5 * ((at - onset) / rng.uniform(0.01, 0.035)) ** 2)
                begin = onset
                ramp = np.clip((at - onset) / rng.uniform(0.02, 0.08), 0, 1)
                before = loud[first - 1] if first else 0.0
                loud[first:] = (before + (full - before) * ramp)[first:]
                loud *= shape
            else:
                attack = rng.uniform(0.01, 0.12)
                begin = onset + (0.15 if singing else 0.3) * attack
                scoop = -rng.uniform(50, 300) if rng.random() < (0.5 if singing else 0.1) else 0.0
                tau = rng.uniform(0.01, 0.05)
                cents[first:] = target + scoop * np.exp(-(at[first:] - onset) / tau)
                loud[first:] = full * np.clip((at[first:] - onset) / attack, 0, 1) ** 0.7
                if scoop:
                    begin = max(begin, onset + min(0.06, tau * np.log(max(1.0, -scoop / 80))))
            if depth and seconds > 0.25:
                swing = depth * rng.uniform(0.4, 1.2) * np.clip((at - onset - rng.uniform(0.05, 0.3)) / 0.25, 0, 1)
                here = slice(first, last)
                cents[here] += (swing * np.sin(2 * np.pi * rate * (at - onset)))[here]
            swell = rng.uniform(-0.6, 1.2)
            loud[first:last] *= np.exp2(swell * np.sin(np.pi * np.linspace(0, 1, last - first)))
            vowel[first:] = formants[rng.integers(3)]
            # Ends here, unless the next note takes over where this one stops.
            release = rng.uniform(0.02, 0.12)
            keep = loud[last - 1] if last else 0
            cents[last:] = cents[last - 1]
            loud[last:] = keep * np.exp(-(at[last:] - at[last - 1]) / release) if last < points else 0
            labels.append((begin, onset + seconds, key, velocity, first))
            previous_end, previous_key = onset + seconds, key
            if singing and not tied and rng.random() < 0.5:
                self.burst(self.voices[0] if self.voices else self.new_voice(), onset - rng.uniform(0.02, 0.09),
                           rng.uniform(0.02, 0.09), rng.uniform(0.01, 0.12) * velocity)
        cents += np.interp(at, np.linspace(0, CLIP_SECONDS, 200), rng.standard_normal(200)) * rng.uniform(0, 8)
        f0 = 440 * np.exp2((cents - 6900) / 1200)
        width = 25 / step * SR / 1000                   # formants move over 25 ms
        vowel = scipy.ndimage.gaussian_filter1d(vowel, width, axis=0)
        phase = np.cumsum(np.interp(np.arange(N), np.arange(points) * step, f0)) * (2 * np.pi / SR)
        tilt, hollow = rng.uniform(5, 13), rng.uniform(10, 30) if rng.random() < 0.3 else 0.0
        sharp = rng.uniform(3, 14)
        out = np.zeros(N, np.float32)
        one, two = np.sin(phase).astype(np.float32), 2 * np.cos(phase).astype(np.float32)
        last_two = (np.zeros(N, np.float32), one)
        samples_at = np.arange(N, dtype=np.float32) / step
        whole = samples_at.astype(np.int32)
        part = samples_at - whole
        for k in range(1, 1 + min(40, int(9500 / max(30.0, float(f0.min()))))):
            f = k * f0
            db = -tilt * np.log2(k) - (hollow if k % 2 == 0 else 0) * np.exp(-k / 8)
            db = db + sharp * np.exp(-0.5 * ((f[:, None] / vowel - 1) / 0.12) ** 2).sum(1)
            db = db + 10 * (np.sqrt(loud) - 0.7) * np.log2(k) * 0.6
            gain = (10 ** (db / 20) * loud * (f < 10000)).astype(np.float32)
            gain = gain[whole] + part * (gain[whole + 1] - gain[whole])
            out += gain * last_two[1]
            last_two = last_two[1], two * last_two[1] - last_two[0]
        breath = scipy.signal.lfilter([1, -0.5], [1, -0.3], rng.standard_normal(N)).astype(np.float32)
        out += breath * np.interp(samples_at, np.arange(points), loud).astype(np.float32) * 10 ** (rng.uniform(-55, -25) / 20)
        voice = self.new_voice()
        voice += 0.4 * out / max(1e-6, float(np.abs(out).max())) * level ** 1.3
        for begin, end, key, velocity, first in labels:
            bend = (cents - 100.0 * key)[int(begin * SR / step)::HOP // step][:int((end - begin) * SR / HOP) + 2]
            if begin < CLIP_SECONDS and LOWEST_KEY <= key < LOWEST_KEY + KEYS:
                self.labels.append((begin, max(begin + 0.04, end), key, velocity, bend))

    def any_line(self, instrument, plan, level, singing=False):
        """A line of samples, or now and then a synthesised one of the same range."""
        if plan and self.rng.random() < (0.5 if singing else 0.3):
            self.continuous_line(plan, level, singing)
        else:
            self.line(instrument, plan, level, singing)

    def melody(self, low, high, beat, start, repeats=0.0):
        rng = self.rng
        root, degree_of = int(rng.integers(12)), lambda k: int(round((k - root) * 7 / 12))
        centre = rng.uniform(low + 4, max(low + 5, high - 4))
        degree, t, plan = degree_of(centre), start, []
        lengths = [[0.5, 1, 1, 2], [0.25, 0.25, 0.5, 1], [1, 2, 4], [0.5, 0.5, 1.5, 0.5, 1]][int(rng.integers(4))]
        while t < CLIP_SECONDS - 0.1:
            seconds = beat * rng.choice(lengths) * rng.uniform(0.95, 1.05)
            degree += int(rng.choice([-4, -3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 3, 4])) if rng.random() >= repeats else 0
            key = root + 12 * (degree // 7) + int(MAJOR[degree % 7]) + (int(rng.integers(-1, 2)) if rng.random() < 0.08 else 0)
            if not low <= key <= high or abs(key - centre) > 11:
                degree = degree_of(centre)
                key = root + 12 * (degree // 7) + int(MAJOR[degree % 7])
            if rng.random() > 0.07:
                plan.append((t, seconds, int(key)))
            t += seconds
        return plan

    def chorale(self, ranges):
        """Voices that move together through chords, with passing notes: one plan for each range."""
        rng = self.rng
        root, beat = int(rng.integers(12)), rng.uniform(0.35, 1.0)
        start, plans = rng.uniform(0, 0.4), [[] for _ in ranges]
        now = [rng.uniform(lo + 3, max(lo + 4, hi - 3)) for lo, hi in ranges]
        jitter = rng.uniform(0.002, 0.03)
        t = start
        while t < CLIP_SECONDS - 0.1:
            degree = int(rng.choice([0, 3, 4, 5, 1, 0, 4]))
            tones = {(root + int(MAJOR[(degree + d) % 7])) % 12 for d in ((0, 2, 4, 6) if rng.random() < 0.2 else (0, 2, 4))}
            seconds = beat * rng.choice([1, 1, 1, 1, 2, 3])
            for v, (lo, hi) in enumerate(ranges):
                near = [k for k in range(int(lo), int(hi) + 1) if k % 12 in tones and abs(k - now[v]) < 8]
                if not near:
                    near = [int(np.clip(round(now[v]), lo, hi))]
                weight = np.array([np.exp(-abs(k - now[v]) / 3) for k in near])
                key = int(rng.choice(near, p=weight / weight.sum()))
                at = max(0.0, t + rng.normal(0, jitter))
                parts = 2 if rng.random() < 0.3 else 1
                if rng.random() < 0.95:
                    plans[v].append((at, seconds / parts, key))
                if parts == 2:
                    scale = [k for k in range(key - 3, key + 4) if (k - root) % 12 in MAJOR and lo <= k <= hi and k != key]
                    if scale:
                        plans[v].append((at + seconds / 2, seconds / 2, int(rng.choice(scale))))
                now[v] = 0.8 * key + 0.2 * (lo + hi) / 2
            t += seconds * rng.uniform(0.98, 1.02)
        return plans

    def _pick(self, share_real=0.6):
        real, others = melodic(self.pack)
        pool = real if (self.rng.random() < share_real and real) or not others else others
        return pool[self.rng.integers(len(pool))]

    def solo(self):
        rng = self.rng
        instrument = self._pick()
        low, high = instrument.low, instrument.high
        self.any_line(instrument, self.melody(low, high, rng.uniform(0.15, 0.9), rng.uniform(0, 0.6)), rng.uniform(0.3, 1))

    def ensemble(self):
        rng = self.rng
        k = int(rng.integers(2, 6))
        instruments = [self._pick() for _ in range(k)]
        plucked = []
        if rng.random() < 0.15:
            plucked = [p for p in self.pack.values() if p.family in ('bass', 'guitar', 'mallet', 'keyboard')]
        if plucked:
            instruments[0] = plucked[rng.integers(len(plucked))]
        if rng.random() < 0.7:
            centres = np.sort(rng.uniform(40, 80, k))
            ranges = []
            for c, p in zip(centres, instruments):
                c = float(np.clip(c, p.low + 6, max(p.low + 6, p.high - 6)))
                ranges.append((max(p.low, c - 9), min(p.high, c + 9)))
            plans = self.chorale(ranges)
        else:
            beat = rng.uniform(0.25, 0.8)
            plans = [self.melody(p.low, p.high, beat, rng.uniform(0, 0.3)) for p in instruments]
        for p, plan in zip(instruments, plans):
            self.any_line(p, plan, rng.uniform(0.35, 1))

    def voice(self):
        rng = self.rng
        pool = [p for p in self.pack.values() if p.family == 'vocal'] or list(self.pack.values())
        if rng.random() < 0.25:
            pool = [self._pick()]
        p = pool[rng.integers(len(pool))]
        low, high = p.low - 3, p.high + 2
        if rng.random() < 0.5:  # basses to sopranos
            low = int(rng.integers(36, 62))
            high = low + int(rng.integers(12, 24))
        plan = self.melody(low, high, rng.uniform(0.2, 0.8), rng.uniform(0, 0.8), rng.choice([0.0, 0.3, 0.6]))
        self.any_line(p, plan, rng.uniform(0.4, 1), True)

    # --- what is not a note ---------------------------------------------------------------------------------------

    def burst(self, voice, onset, seconds, gain):
        """Filtered noise: picks, keys, breath, consonants."""
        rng = self.rng
        n, first = int(seconds * SR), int(onset * SR)
        if n < 8 or first < 0 or first + n >= N:
            return
        x = rng.standard_normal(n) * np.hanning(n)
        pole = rng.uniform(-0.7, 0.9)
        voice[first:first + n] += (gain * (1 - abs(pole)) * scipy.signal.lfilter([1], [1, -pole], x)).astype(np.float32)

    def drums(self, gain):
        rng = self.rng
        voice, t = self.new_voice(), 0.0
        beat = rng.uniform(0.15, 0.5)
        while t < CLIP_SECONDS - 0.3:
            kind, n = rng.random(), int(rng.uniform(0.03, 0.25) * SR)
            decay = np.exp(-np.arange(n) / (n / 6.0))
            if kind < 0.4:    # kick and toms: a falling tone
                f = rng.uniform(45, 120) * (1 + rng.uniform(0.3, 3) * np.exp(-np.arange(n) / (0.015 * SR)))
                x = np.sin(2 * np.pi * np.cumsum(f) / SR) * decay
            else:             # snare, hats, claps
                x = scipy.signal.lfilter([1, -rng.uniform(-0.5, 0.95)], [1, -rng.uniform(-0.8, 0.6)],
                                         rng.standard_normal(n)) * decay * 0.4
            i = int(t * SR)
            voice[i:i + n] += (gain * rng.uniform(0.3, 1) * x[:N - i]).astype(np.float32)
            t += beat * rng.choice([0.5, 1, 1, 2])

    def speech_like(self, gain):
        """Syllables whose pitch never rests and whose formants move: not to be written down."""
        rng = self.rng
        voice, t = self.new_voice(), rng.uniform(0, 0.5)
        while t < CLIP_SECONDS - 0.5:
            n = int(rng.uniform(0.05, 0.3) * SR)
            f = rng.uniform(80, 260) * np.exp2(smooth(rng, n, 0.05, 0.25))
            pulses = np.diff(np.floor(np.cumsum(f) / SR), prepend=0) > 0
            source = pulses * 1.0 + 0.02 * rng.standard_normal(n)
            if rng.random() < 0.6:
                source = 0.2 * rng.standard_normal(n)
            for centre in (rng.uniform(250, 900), rng.uniform(900, 2400), rng.uniform(2300, 3200)):
                r = np.exp(-np.pi * 90 / SR)
                source = scipy.signal.lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * centre / SR), r * r], source)
            i = int(t * SR)
            peak = np.abs(source).max() + 1e-9
            voice[i:i + n] += (gain * source / peak * np.hanning(n) ** 0.3)[:N - i].astype(np.float32)
            t += n / SR * rng.uniform(1, 2.5)

    def syllables(self, gain):
        """Noise that comes and goes as speech does: whispers, rustle, a crowd."""
        rng = self.rng
        pole = rng.uniform(-0.5, 0.97)
        noise = scipy.signal.lfilter([1 - abs(pole)], [1, -pole], rng.standard_normal(N))
        voice = self.new_voice()
        voice += (gain * noise * np.maximum(0, smooth(rng, N, rng.uniform(0.05, 0.2), 1))).astype(np.float32)

    def nothing(self):
        kind = self.rng.random()
        if kind < 0.35:
            self.drums(1.0)
        elif kind < 0.6:
            self.speech_like(1.0)
        elif kind < 0.75:
            self.syllables(1.0)
        else:
            self.new_voice()

    # --- the room and the microphone ------------------------------------------------------------------------------

    def colour(self):
        """A random smooth equaliser, as a gain for each bin of the clip's transform."""
        rng = self.rng
        f = np.linspace(0, 1, 2048) ** 0.4
        db = rng.uniform(-6, 6) * f + sum(rng.uniform(-4, 4) / k * np.cos(np.pi * k * f + rng.uniform(0, 6)) for k in (1, 2, 3, 5, 8))
        return np.interp(np.linspace(0, 2047, SIZE // 2 + 1), np.arange(2048), 10 ** (db / 20)).astype(np.float32)

    def room(self):
        """The transform of a room: a direct sound, a few early reflections, a decaying tail."""
        rng = self.rng
        n = int(rng.uniform(0.08, 1.4) * SR)
        ir = rng.standard_normal(n).astype(np.float32) * np.exp(-6.9 * np.arange(n, dtype=np.float32) / n)
        ir[:int(rng.uniform(0.001, 0.025) * SR)] = 0
        ir = scipy.signal.lfilter([1 - 0.6], [1, -0.6], ir).astype(np.float32) if rng.random() < 0.6 else ir
        ir *= rng.uniform(0.02, 0.45) / np.sqrt((ir ** 2).sum() + 1e-9)
        for _ in range(int(rng.integers(0, 6))):
            ir[int(rng.uniform(0.001, 0.04) * SR)] += rng.uniform(-0.4, 0.4)
        ir[0] = 1
        return scipy.fft.rfft(ir, SIZE)

    def mix(self):
        rng = self.rng
        if rng.random() < 0.07:
            self.drums(rng.uniform(0.02, 0.3))
        near = rng.random() < 0.5  # a line input or a close microphone
        shared = self.room() if not near and rng.random() < 0.7 else None
        total = 0
        for voice in self.voices:
            spectrum = scipy.fft.rfft(voice, SIZE)
            if rng.random() < 0.7:
                spectrum = spectrum * self.colour()
            total = total + spectrum
        if shared is not None:
            total = total * shared
        total = total * self.colour() if rng.random() < 0.6 else total
        if not near and rng.random() < 0.35:  # band limits: telephones, old microphones, 16 kHz recordings
            f = np.linspace(0, SR / 2, SIZE // 2 + 1)
            high, low = rng.choice([3400, 5000, 7000, 7900, 9000]), rng.choice([20, 60, 120, 250])
            total = total / np.sqrt(1 + (f / high) ** 16) / np.sqrt(1 + (low / np.maximum(f, 1)) ** 4)
        y = scipy.fft.irfft(total, SIZE)[:N].astype(np.float32)
        peak = np.abs(y).max() + 1e-6
        if not near and rng.random() < 0.12:  # a compressor or an overdriven input
            y = np.tanh(y / peak * rng.uniform(1, 4))
            peak = np.abs(y).max() + 1e-6
        if self.labels or peak > 1e-4:
            y *= 10 ** (rng.uniform(-30, 0) / 20) / peak
        # Every sampled note brings its own hiss, which begins and ends with it as no player's does: noise over all of
        # them, often near the music, so that this gives no onset away.
        noise = rng.standard_normal(N).astype(np.float32)
        if rng.random() < 0.6:
            noise = scipy.signal.lfilter([0.25], [1, -rng.uniform(0.5, 0.97)], noise).astype(np.float32)
        level = 10 ** (rng.uniform(-90, -48) / 20)
        if not near and rng.random() < 0.7:
            level = np.sqrt((y ** 2).mean()) * 10 ** (rng.uniform(-50, -20) / 20)
        y += noise * np.float32(level)
        if rng.random() < 0.1:   # mains hum
            t = np.arange(N, dtype=np.float32) * 2 * np.pi * rng.choice([50, 60]) / SR
            y += sum(rng.uniform(0, 1) * np.sin(k * t) for k in (1, 2, 3, 5)).astype(np.float32) * 10 ** (rng.uniform(-80, -50) / 20)
        return np.clip(y, -1, 1)


SIZE = scipy.fft.next_fast_len(N + int(1.5 * SR), True)


class Maker:
    """Makes clips: (samples, labels), one after another, the same for the same seed."""

    def __init__(self, seed, pack, sequences, make=Clip):
        self.rng, self.pack, self.sequences, self.make = np.random.default_rng(seed), pack, sequences, make
        self.invented = {'piano': [], 'guitar': []}

    def invent(self):
        """One invented piano and guitar out of a few, which are replaced one by one."""
        for kind, known in self.invented.items():
            if len(known) < INVENTED or self.rng.random() < 0.02:
                known[:] = known[1 - INVENTED:] + [struck.invent(self.rng, kind == 'guitar')]
        return {kind: known[self.rng.integers(len(known))] for kind, known in self.invented.items()}

    def clip(self, kind=None):
        kind = kind or self.rng.choice(list(MIX), p=list(MIX.values()))
        clip = self.make(self.rng, self.pack, self.sequences, self.invent())
        getattr(clip, kind)()
        return clip.mix(), sorted(clip.labels, key=lambda label: label[0])


def load(packs, midi_folder, validation=False):
    """(pack, sequences) to make clips from: those of training, or those that are held out from it."""
    pack = samples.load(packs, only=HELD_OUT) if validation else samples.load(packs, without=HELD_OUT)
    if not any(melodic(pack)):
        wanted = f'one of {", ".join(HELD_OUT)}, which are held out' if validation else \
            f'instruments that hold a note, of the families {", ".join(MELODIC)}'
        raise ValueError(f'{" ".join(packs)}: expected {wanted}')
    return pack, load_sequences(midi_folder)


def frames_of(labels, n_frames):
    """Labels as planes of bytes (frames, keys, PLANES): sounding, onset (1 .. 255: when within the frame; 0: none),
    velocity at the onset (1 .. 255), deviation from the key in cents + 128 (0: unknown)."""
    plane = np.zeros((n_frames, KEYS, PLANES), np.uint8)
    for start, end, midi, velocity, bend in labels:
        key, at = midi - LOWEST_KEY, start * SR / HOP
        first, last = int(at), max(int(at) + 2, int(end * SR / HOP))
        if first >= n_frames:
            continue
        plane[first:last, key, 0] = 1
        plane[first, key, 1] = 1 + int(254 * (at - first))
        plane[first, key, 2] = max(1, min(255, int(255 * velocity)))
        m = min(len(bend), n_frames - first, last - first)
        plane[first:first + m, key, 3] = np.clip(bend[:m] + 128, 1, 255)
    return plane
