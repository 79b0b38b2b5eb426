# SPDX-License-Identifier: ISC
"""Invented struck and plucked strings: instruments that nobody has sampled.

Recorded packs hold a handful of pianos and guitars, each in one room; a network learns those rooms. Here every
instrument is drawn anew: stiff strings (partials at k f0 sqrt(1 + B k^2): Fletcher and Rossing, "The Physics of
Musical Instruments", section 12.4), a hammer or a pluck at a random place of the string (comb over the partials),
brighter when struck harder, decay in two stages, strings a little out of tune with each other, a body."""
import numpy as np
import scipy.signal

from config import SAMPLE_RATE
from samples import Instrument, Note

KEYS_APART = 3
DYNAMICS = (1, 3.5, 6)
ATTACK = int(0.01 * SAMPLE_RATE)  # silence before the stroke, as in a recording


def body(rng):
    """Gain in dB over frequency: a smooth curve and some resonances."""
    centres, heights = np.exp2(rng.uniform(6.3, 12, 8)), rng.uniform(-8, 8, 8)
    widths, slope = rng.uniform(0.1, 0.8, 8), rng.uniform(-2, 2)
    return lambda f: slope * np.log2(f / 500) + sum(
        h * np.exp(-0.5 * (np.log2(f / c) / w) ** 2) for c, h, w in zip(centres, heights, widths))


def thump(rng, n, seconds):
    """What hammer, key and pick add: noise through a low pass, gone in tens of milliseconds."""
    noise = rng.standard_normal(n) * np.exp(-np.arange(n) / (seconds * SAMPLE_RATE))
    pole = rng.uniform(0.5, 0.97)
    return scipy.signal.lfilter([1 - pole], [1, -pole], noise).astype(np.float32)


def invent(rng, plucked):
    """An Instrument: a note every KEYS_APART keys, each in three dynamics."""
    instrument = Instrument('invented_guitar' if plucked else 'invented_piano', 'guitar' if plucked else 'keyboard',
                            'decay')
    low, high = (36, 88) if plucked else (21, 108)
    stiffness = rng.uniform(-11, -8)                        # log of B at middle C
    place = rng.uniform(0.05, 0.45) if plucked else rng.uniform(0.07, 0.2)
    brightness, by_velocity = rng.uniform(300, 2500), rng.uniform(0.8, 2.8)  # Hz at the softest; octaves to the loudest
    steepness = rng.uniform(1.0, 2.5)
    ring = rng.uniform(0.15, 1.2) * (0.7 if plucked else 1)  # seconds at middle C until the first stage is over
    damping = np.exp2(rng.uniform(9.5, 13))                  # Hz: partials above fade sooner
    second = rng.uniform(0.02, 0.4), rng.uniform(3, 9)       # share and length of the second stage
    roughness, knock, rise = rng.uniform(1, 5), 10 ** (rng.uniform(-40, -16) / 20), rng.uniform(0.0005, 0.005)
    unison, resonance = (0 if plucked else rng.uniform(0.1, 1.5)), body(rng)
    for key in range(low + int(rng.integers(KEYS_APART)), high + 1, KEYS_APART):
        f0 = 440 * 2 ** ((key - 69) / 12)
        n = int(SAMPLE_RATE * np.clip(6 * ring * 2 ** ((60 - key) / 18), 0.5, 3.5))
        t = np.arange(n, dtype=np.float32) / SAMPLE_RATE
        k = np.arange(1, 1 + min(45, max(1, int(9500 / f0))))
        f = f0 * k * np.sqrt(1 + np.exp(stiffness + abs(key - 50) / 12) * k ** 2)
        f = f[f < 10000]
        k = k[:len(f)]
        tau = ring * 2 ** ((60 - key) / 18) / (1 + (f / damping) ** 1.2) * np.exp2(rng.normal(0, 0.3, len(f)))
        partials = np.zeros((len(f), n), np.float32)
        for cents in (-unison, unison) if unison else (0,):
            w = (2 * np.pi * f * 2 ** (cents * rng.uniform(0.3, 1) / 1200)).astype(np.float32)[:, None]
            partials += np.sin(w * t + rng.uniform(0, 2 * np.pi, (len(f), 1)).astype(np.float32))
        rate = (1 / tau).astype(np.float32)[:, None]
        fade = np.exp(-rate * t)
        partials *= fade * (1 - second[0]) + second[0] * np.exp(-rate / second[1] * t)
        partials *= np.minimum(1, t / rise)
        comb = np.abs(np.sin(np.pi * k * place)) + 0.03
        uneven = 10 ** ((rng.normal(0, roughness, len(f)) + resonance(f)) / 20)
        for dynamic in DYNAMICS:
            cutoff = brightness * 2 ** (by_velocity * (dynamic - 1) / 5) * 2 ** ((key - 60) / 24)
            gain = comb * uneven / (1 + (f / cutoff) ** steepness) / k ** (0.3 if plucked else 0.1)
            x = (gain.astype(np.float32) @ partials)
            x += knock * np.abs(x).max() * thump(rng, n, rng.uniform(0.003, 0.03)) * 8
            x = np.concatenate([np.zeros(ATTACK, np.float32), x * (0.7 / np.abs(x).max())])
            instrument.notes.append(Note(key, dynamic, x.astype(np.float16), ATTACK, n // 2, len(x), 0.0))
    instrument.finish()
    return instrument
