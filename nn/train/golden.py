# SPDX-License-Identifier: ISC
"""golden.py [FOLDER]: makes the golden files of tests/test_net.c, by default in tests/golden.

Small networks with random weights, each in a .fnw that also holds an input (array "golden.input", float
[frames][width][channels]) and PyTorch's answer to it (one array "golden.<output>" for each output, float
[frames][width][channels], before any sigmoid). Seeds are fixed.
"""
import os
import sys

import torch

import export
import fnw
import model

FEATURES_HASH = 0x676f6c64656e  # "golden"


def _random_norms(net):
    """Batch norms as training leaves them: neither 0 nor 1."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
            torch.nn.init.normal_(module.running_mean, 0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)


def golden(path, layers, bins, inputs, frames, seed):
    torch.manual_seed(seed)
    net = model.Net(layers, inputs).eval()
    _random_norms(net)
    x = torch.rand(1, inputs, frames, bins)
    with torch.no_grad():
        logits = net(x)

    def flat(tensor):
        return tensor[0].permute(1, 2, 0).reshape(-1)
    arrays = {f'golden.{name}': flat(tensor) for name, tensor in logits.items()}
    fnw.write(path, export.to_model({
        'layers': layers, 'state': net.state_dict(), 'bins': bins, 'inputs': inputs,
        'name': os.path.basename(path)[:-4], 'card': 'Random weights, for tests.\n',
        'features_hash': FEATURES_HASH, 'arrays': {'golden.input': flat(x), **arrays},
    }))
    with open(path, 'rb') as file:
        assert fnw.pack(fnw.read(path)) == file.read(), 'what is read is not what was written'


def conv(out, **fields):
    return {'kind': 'conv', 'out': out, **fields}


# The default network in small: same kinds, channels and dilations, fewer positions and blocks.
SMALL = [
    {'kind': 'stack', 'shifts': [-12, 0, 12, 19, 36], 'width': 66},
    conv(32, kt=3, kf=5, sf=3),
    conv(32, kt=3, kf=3, dt=4),
    conv(32, kf=5, df=12, skip=2),
    {'kind': 'head', 'outputs': {'onset': [5, 'linear'], 'note': [1, 'sigmoid'], 'velocity': [2, 'linear']}},
]

# What else a conv may be: odd channels, even kernels, every dilation, no ReLU, skips of 1 and over several
# layers, a stack inside and one wider than its source.
ODD = [
    conv(5, kt=4, kf=4, df=2),
    conv(7, kt=2, kf=3, dt=3, df=5, sf=2, relu=False),
    {'kind': 'stack', 'shifts': [3, -4], 'width': 20},
    conv(33, kf=5, df=2),
    conv(19, kt=2, kf=4, dt=2),
    conv(19, kf=3, df=3, skip=1),
    conv(19, kt=2, dt=5, skip=2, relu=False),
    {'kind': 'head', 'outputs': {'a': [3, 'linear'], 'b': [14, 'sigmoid']}},
]

# Recurrent: one right after a stack, one with odd channels, one that ends in whole vectors.
GRU = [
    {'kind': 'stack', 'shifts': [-2, 0, 5], 'width': 30},
    {'kind': 'gru', 'out': 9},
    conv(16, kt=2, kf=3, sf=3),
    {'kind': 'gru', 'out': 16},
    conv(16, kf=3, skip=1),
    {'kind': 'head', 'outputs': {'linear': [2, 'linear'], 'sigmoid': [3, 'sigmoid']}},
]

# Networks side by side: two of whole vectors, three of odd ones.
GROUPS = [
    {'kind': 'stack', 'shifts': [0, 7], 'width': 33},
    conv(64, kt=2, kf=3, sf=3),
    conv(64, kt=3, kf=3, dt=2, groups=2),
    {'kind': 'gru', 'out': 64, 'groups': 2},
    conv(64, kf=3, df=2, skip=2, groups=2),
    conv(12, kt=2, groups=2),
    {'kind': 'gru', 'out': 8, 'groups': 2},
    conv(8, kf=3, skip=1, groups=2),
    {'kind': 'head', 'outputs': {'linear': [2, 'linear'], 'sigmoid': [3, 'sigmoid']}},
]
ODD_GROUPS = [
    conv(15, kt=2, kf=3),
    conv(12, kt=2, kf=3, df=2, groups=3),
    {'kind': 'gru', 'out': 21, 'groups': 3},
    conv(12, kt=2, kf=3, skip=2, groups=3),
    {'kind': 'head', 'outputs': {'linear': [2, 'linear'], 'sigmoid': [3, 'sigmoid']}},
]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else 'tests/golden'
    golden(f'{folder}/net_small.fnw', SMALL, bins=72, inputs=2, frames=12, seed=1)
    golden(f'{folder}/net_odd.fnw', ODD, bins=31, inputs=3, frames=18, seed=2)
    golden(f'{folder}/net_gru.fnw', GRU, bins=32, inputs=2, frames=40, seed=3)
    golden(f'{folder}/net_groups.fnw', GROUPS, bins=40, inputs=2, frames=20, seed=8)  # most others remember for longer than test_overflow waits
    golden(f'{folder}/net_odd_groups.fnw', ODD_GROUPS, bins=24, inputs=2, frames=20, seed=5)


if __name__ == '__main__':
    main()
