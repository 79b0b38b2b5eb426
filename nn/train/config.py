# SPDX-License-Identifier: ISC
"""The configuration of a training run: everything that shapes the data, the network and its training."""
import math

NAME = 'fenby-4'
SEED = 1

SAMPLE_RATE, HOP, BINS, KEYS, LOWEST_KEY = 22050, 256, 304, 88, 21  # dsp/features.h

# Data: clips of CLIP_SECONDS, written in shards; whole instruments are kept for validation and never trained on.
CLIP_SECONDS = 10.0
HELD_OUT = ['discord_upright', 'discord_martin', 'phil_cor_anglais', 'fluid_viola', 'fluid_soprano']
# Kinds of clips and how often each is drawn.
MIX = {'piano': 0.28, 'guitar': 0.19, 'ensemble': 0.22, 'solo': 0.11, 'voice': 0.12, 'nothing': 0.08}

# The heads: a note must be reported at most LOOKAHEAD frames after the frame that holds its onset.
LOOKAHEAD = [1, 2, 3, 5, 10]
MODE_LOOKAHEAD = [1, 2, 10]  # of tight, live and studio
# A note starts where its posterior crosses this, one value for every key and head but for the bass, which is less surely
# told in so short a time: its best threshold lies lower, in clips as in recordings. Positives weigh three times in the loss
# (below), which moves all of them up.
ONSET_THRESHOLD, SOUNDING_THRESHOLD = 0.8, 0.5
BASS, BASS_THRESHOLD = 45, 0.65  # keys below A2
PLATEAU = 3        # frames for which the onset then stays reported
AGE_FRAMES = 13    # how far back the onset's age is learnt

_HARMONICS = [0.5, 1, 2, 3, 4, 5, 6, 7, 8]
_BLOCKS = [1, 2, 4, None, 2, 1]  # dilations in time; None: a recurrent unit, whose memory has no end


def layers(channels=32, inner=32):
    stack = {'kind': 'stack', 'shifts': [round(36 * math.log2(h)) for h in _HARMONICS], 'width': 264}
    stem = {'kind': 'conv', 'out': channels, 'kt': 3, 'kf': 5, 'sf': 3}
    blocks = []
    for dilation in _BLOCKS:
        if dilation:
            blocks.append({'kind': 'conv', 'out': inner, 'kt': 3, 'kf': 3, 'dt': dilation})
        else:
            blocks.append({'kind': 'gru', 'out': inner})
        # Five taps an octave apart: the octaves of a key argue with each other.
        blocks.append({'kind': 'conv', 'out': channels, 'kt': 1, 'kf': 5, 'df': 12, 'skip': 2})
    head = {'kind': 'head', 'outputs': {'onset': [len(LOOKAHEAD), 'sigmoid'], 'sounding': [1, 'sigmoid'],
                                        'velocity': [1, 'sigmoid'], 'onset_age': [1, 'linear'],
                                        'contour': [3, 'sigmoid']}}
    return [stack, stem, *blocks, head]


LAYERS = layers()

# What goes into the weights file beside the layers.
_THRESHOLDS = [BASS_THRESHOLD if key < BASS else ONSET_THRESHOLD for key in range(LOWEST_KEY, LOWEST_KEY + KEYS)]
ARRAYS = {'onset.lookahead': LOOKAHEAD, 'onset.threshold': _THRESHOLDS * len(LOOKAHEAD),
          'sounding.threshold': [SOUNDING_THRESHOLD], 'mode.lookahead': MODE_LOOKAHEAD}

# Training.
BATCH, FRAMES = 2, 215          # clips and frames of each step: many small steps learn more than few large ones
SHARE = 50                      # steps after which processes that train together take the mean of their weights
MUON = True                     # for the convolutions and the recurrent unit; AdamW for the rest (muon.py)
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1.5e-3, 1e-3, 400
CLIP_GRADIENT = 2.0
DROPOUT = 0.1                   # of the channels inside a block
AVERAGE = 0.9998                # kept of the running mean of the weights at each step
POSITIVE_WEIGHT = 3.0           # of the few frames that hold an onset, against the many that do not
HEAD_WEIGHT = [0.8, 2.0, 1.0, 0.7, 0.7]  # of each lookahead: live is what most people play with
TAUGHT = 1.0                    # share of what a teacher says, not the labels, in the loss of what it teaches
LOSS = {'onset': 1.0, 'sounding': 0.5, 'velocity': 0.1, 'onset_age': 0.1, 'contour': 0.1}
