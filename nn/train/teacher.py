# SPDX-License-Identifier: ISC
"""A trained network that teaches another, whose size it need not have: what it says of a clip is learnt in place of the
clip's labels, or beside them (config.TAUGHT; Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network",
2015). It hears the clip as it was made, the learner parts of it coloured anew (after Xie et al., "Self-training with noisy
student improves ImageNet classification", CVPR 2020)."""
import sys

import numpy as np
import torch

import config
import features
import fnw
from model import number_type, of_weights

# What it teaches, and how many channels that has. Velocity and the onset's age are known better from the clip.
CHANNELS = {'onset': len(config.LOOKAHEAD), 'sounding': 1, 'contour': 3}


class Teacher:
    def __init__(self, path):
        try:
            model = fnw.read(path)
            outputs = {name: channels for name, (channels, _) in model['layers'][-1]['outputs'].items() if name in CHANNELS}
            if outputs != CHANNELS or list(model['arrays'].get('onset.lookahead', ())) != config.LOOKAHEAD:
                raise ValueError(f'{path}: expected the outputs and lookaheads of config.py')
            features.check(path, model['features_hash'])
        except (OSError, ValueError) as error:
            sys.exit(f'a teacher: {error}')
        self.net, self.numbers = of_weights(model), number_type('cpu')

    def planes(self, frames):
        """What it says of the frames of a clip: bytes (frames, keys, channels), 255 where it is certain."""
        x = torch.from_numpy(frames.astype(np.float32) / features.LEVELS).permute(2, 0, 1)[None]
        with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16, enabled=self.numbers == torch.bfloat16):
            out = self.net(x.to(self.numbers))
        said = torch.sigmoid(torch.cat([out[name].float() for name in CHANNELS], 1))
        return (255 * said + 0.5).byte()[0].permute(1, 2, 0).numpy()


def targets(planes):
    """What a learner should say: {name: (batch, channels, frames, keys)} of (batch, frames, keys, channels) bytes; nothing
    without a teacher."""
    if not planes.shape[-1]:
        return {}
    said = planes.permute(0, 3, 1, 2).float() / 255
    return dict(zip(CHANNELS, said.split(list(CHANNELS.values()), 1)))
