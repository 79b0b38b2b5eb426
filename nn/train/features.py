# SPDX-License-Identifier: ISC
"""Features for training, computed by the C code that runs live (dsp/cqt.c): there is no second implementation.

`make train-library` builds build/libfenby-train.so."""
import ctypes
import os

import numpy as np

from config import BINS, HOP, KEYS, SAMPLE_RATE

_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
_LIBRARY = os.environ.get('FENBY_TRAIN_LIBRARY', os.path.join(_ROOT, 'build', 'libfenby-train.so'))
try:
    library = ctypes.CDLL(_LIBRARY)
except OSError as error:
    raise SystemExit(f'{error}: expected it to be made by "make train-library"')
_floats = ctypes.POINTER(ctypes.c_float)
library.fenby_cqt_new.restype = ctypes.c_void_p
library.fenby_cqt_reset.argtypes = [ctypes.c_void_p]
library.fenby_cqt_process.argtypes = [ctypes.c_void_p, _floats, ctypes.c_int, _floats]
library.fenby_cqt_features_hash.restype = ctypes.c_uint64
library.fenby_pitch_of_keys.argtypes = [_floats, _floats]
library.fenby_cqt_new.argtypes = [ctypes.c_double]
_cqt = library.fenby_cqt_new(SAMPLE_RATE)

LEVELS = 200  # features are stored in bytes, this many to 1.0: half a decibel


def features_hash():
    return library.fenby_cqt_features_hash()


def check(path, its_hash):
    """Networks hear the features that they were trained on, no others."""
    if its_hash != features_hash():
        raise ValueError(f'{path}: made for other features: hash {its_hash:016x}, expected {features_hash():016x}')


def cqt(samples):
    """float32 (frames, BINS, 2) of mono samples at 22 050 Hz."""
    samples = np.ascontiguousarray(samples, np.float32)
    n = len(samples) // HOP
    frames = np.empty((n, BINS, 2), np.float32)
    library.fenby_cqt_reset(_cqt)
    source, target = samples.ctypes.data, frames.ctypes.data
    for i in range(n):
        library.fenby_cqt_process(_cqt, ctypes.cast(source + 4 * HOP * i, _floats), HOP,
                               ctypes.cast(target + 4 * 2 * BINS * i, _floats))
    return frames


def cents_of_keys(frame):
    """Cents from each key to what sounds there, NAN where nothing does (dsp/pitch.c); of one frame of cqt()."""
    frame, cents = np.ascontiguousarray(frame, np.float32), np.empty(KEYS, np.float32)
    library.fenby_pitch_of_keys(frame.ctypes.data_as(_floats), cents.ctypes.data_as(_floats))
    return cents


def to_bytes(frames):
    return np.clip(frames * LEVELS + 0.5, 0, 255).astype(np.uint8)
