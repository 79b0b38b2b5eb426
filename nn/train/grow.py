#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""grow.py OLD.pt NEW.pt: the same function in the network of config.py, which has recurrent blocks more than OLD.

Each new block (gru, and a convolution whose residual skips it) adds nothing at first: the scale of its batch norm is
zero. Training goes on from there: train.py NEXT.pt --from NEW.pt ..."""
import sys

import torch

import config
from model import Net


def places(old, new):
    """For each new layer the number of the old one that it continues, None for one that was added."""
    found, at = [], 0
    for i, layer in enumerate(new):
        added = layer['kind'] == 'gru' or (i and new[i - 1]['kind'] == 'gru')
        if not added and (at >= len(old) or old[at] != layer):
            sys.exit(f'layer {i} is {layer}, expected {old[at] if at < len(old) else "no more"} or a recurrent block')
        found.append(None if added else at)
        at += not added
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkpoint = torch.load(sys.argv[1], map_location='cpu')
    before = checkpoint.get('average', checkpoint['state'])
    net = Net(config.LAYERS)
    state = net.state_dict()
    of = places(checkpoint['layers'], config.LAYERS)
    for key in state:
        _, i, rest = key.split('.', 2)
        if of[int(i)] is not None:
            state[key] = before[f'modules_.{of[int(i)]}.{rest}']
        elif rest in ('norm.weight', 'norm.bias'):
            state[key] = torch.zeros_like(state[key])
    torch.save({**checkpoint, 'state': state, 'average': state, 'layers': config.LAYERS, 'name': config.NAME}, sys.argv[2])


if __name__ == '__main__':
    main()
