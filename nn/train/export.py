#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""export.py CHECKPOINT... OUT.fnw [--card CARD.md] [--side-by-side] [--thresholds]: makes a weights file of a trained
network, with its model card, and with --thresholds with those of config.py in place of the ones that were saved with it.

Of several checkpoints of a run, or weights files, it takes the mean: one that hears better than each of them (Izmailov et
al., "Averaging weights leads to wider optima and better generalization", UAI 2018). Networks that were trained apart have no
such mean: --side-by-side puts them into one file as groups, whose answers are averaged (Hansen and Salamon, "Neural
network ensembles", IEEE Transactions on Pattern Analysis and Machine Intelligence 12, 1990), for so much more work.

A checkpoint is a dict: layers (as model.py has them), average or state (as Net.state_dict(); the first if
there are both), name, features_hash,
arrays {name: list of floats} and perhaps card; bins and inputs tell the input's shape if it is not 304 x 2.
Batch norm is folded into the convolution before it, as it stands at evaluation.
"""
import argparse
import os

import numpy as np
import torch

import config
import fnw
import program

BATCH_NORM_EPSILON = 1e-5  # PyTorch's default, which model.py uses
GRU_ARRAYS = {'weight': 'weight_ih_l0', 'bias': 'bias_ih_l0', 'weight_hh': 'weight_hh_l0', 'bias_hh': 'bias_hh_l0'}


def _fold(state, prefix):
    """Weight and bias of a convolution that does its batch norm as well."""
    def norm(key):
        return state[f'{prefix}norm.{key}'].double()
    scale = norm('weight') / torch.sqrt(norm('running_var') + BATCH_NORM_EPSILON)
    weight = state[f'{prefix}conv.weight'].double() * scale[:, None, None, None]
    return weight, norm('bias') - norm('running_mean') * scale


def layer_arrays(layers, state):
    """The weights of every layer under the names that the runtime looks for."""
    arrays = {}
    for i, layer in enumerate(layers):
        prefix = f'modules_.{i}.'
        if layer['kind'] == 'conv':
            arrays[f'{i}.weight'], arrays[f'{i}.bias'] = _fold(state, prefix)
        elif layer['kind'] == 'gru':
            for ours, theirs in GRU_ARRAYS.items():
                groups = [state[f'{prefix}gru.{g}.{theirs}'] for g in range(layer.get('groups', 1))]
                arrays[f'{i}.{ours}'] = torch.cat([group.reshape(3, len(group) // 3, -1) for group in groups], 1)
        elif layer['kind'] == 'head':
            arrays[f'{i}.weight'], arrays[f'{i}.bias'] = state[prefix + 'weight'], state[prefix + 'bias']
    return {name: tensor.float().cpu().numpy() for name, tensor in arrays.items()}


def to_state(model, like):
    """The other way: a state for model.Net of what fnw.read gave, batch norm doing nothing. like: the Net's state."""
    state = {}
    of_gru = {theirs: ours for ours, theirs in GRU_ARRAYS.items()}
    for key, tensor in like.items():
        _, i, rest = key.split('.', 2)
        name = {'norm.bias': 'bias', 'conv.weight': 'weight', 'weight': 'weight', 'bias': 'bias'}.get(rest)
        if name:
            state[key] = torch.from_numpy(model['arrays'][f'{i}.{name}'].copy()).reshape(tensor.shape)
        elif rest.startswith('gru.'):
            _, group, name = rest.split('.')
            gates = model['arrays'][f'{i}.{of_gru[name]}'].reshape(3, -1, len(tensor) // 3, *tensor.shape[1:])
            state[key] = torch.from_numpy(gates[:, int(group)].copy()).reshape(tensor.shape)
        else:
            nothing = {'norm.weight': 1, 'norm.running_mean': 0, 'norm.running_var': 1 - BATCH_NORM_EPSILON,
                       'norm.num_batches_tracked': 0}[rest]
            state[key] = torch.full_like(tensor, nothing)
    return state


def to_model(checkpoint):
    """What fnw.write takes."""
    arrays = layer_arrays(checkpoint['layers'], checkpoint.get('average', checkpoint['state']))
    return {
        'name': checkpoint['name'],
        'card': checkpoint.get('card', ''),
        'features_hash': checkpoint['features_hash'],
        'input': (checkpoint.get('bins', 304), checkpoint.get('inputs', 2)),
        'layers': checkpoint['layers'],
        'arrays': {**arrays, **checkpoint['arrays']},
    }


def load(path):
    """The checkpoint in a file."""
    try:
        saved = torch.load(path, map_location='cpu')
        whole = {'layers', 'state', 'name', 'features_hash', 'arrays'} <= saved.keys()
    except OSError:
        raise
    except Exception:  # what is no checkpoint may fail in any way
        whole = False
    if not whole:
        raise ValueError(f'{path}: expected a checkpoint of train.py or a weights file (.fnw)')
    return saved


def read(path):
    """As fnw.read gives it, also of a checkpoint."""
    if path.endswith('.fnw'):
        return fnw.read(path)
    saved = load(path)
    try:
        return fnw.unpack(fnw.pack(to_model(saved)))
    except (KeyError, RuntimeError, TypeError) as error:
        raise ValueError(f'{path}: expected a checkpoint of train.py whose weights are those of its layers') from error


def check_alike(models, expected):
    for what in ('layers', 'features_hash', 'input'):
        if any(model[what] != models[0][what] for model in models):
            raise ValueError(f'the networks have other {what}: expected {expected}')
    lookaheads = [list(model['arrays'].get('onset.lookahead', ())) for model in models]
    if any(lookahead != lookaheads[0] for lookahead in lookaheads):
        raise ValueError(f'the networks have other lookaheads: expected {expected}')


def mean(models):
    """The first, with the mean of all weights."""
    check_alike(models, 'checkpoints of one')
    first = models[0]
    arrays = {name: np.mean([model['arrays'][name] for model in models], 0) if name[0].isdigit() else values
              for name, values in first['arrays'].items()}
    return {**first, 'arrays': arrays}


def side_by_side(models):
    """One network with a group for each: its logits are the means of theirs."""
    check_alike(models, 'networks of one kind')
    if len(models) < 2:
        raise ValueError('one network: expected two or more to put side by side')
    first, arrays, layers = models[0], {}, []
    if any(layer['kind'] == 'stack' for layer in first['layers'][1:]):
        raise ValueError('a stack within the network: expected it at the beginning')
    for i, layer in enumerate(first['layers']):
        def joined(name, rows):
            return np.concatenate([model['arrays'][f'{i}.{name}'].reshape(rows, -1) for model in models], 1)

        if layer['kind'] == 'head':
            layers.append(layer)
            n = sum(channels for channels, _ in layer['outputs'].values())
            arrays[f'{i}.weight'] = joined('weight', n) / len(models)
            arrays[f'{i}.bias'] = joined('bias', 1).reshape(len(models), n).mean(0)
        elif layer['kind'] == 'stack':
            layers.append(layer)
        else:
            apart = layers and layers[-1]['kind'] != 'stack'  # else all of them read the same
            layers.append({**layer, 'out': layer['out'] * len(models),
                           'groups': layer['groups'] * len(models) if apart else layer['groups']})
            for name in GRU_ARRAYS if layer['kind'] == 'gru' else ('weight', 'bias'):
                arrays[f'{i}.{name}'] = joined(name, 3 if layer['kind'] == 'gru' else 1)
    named = {name: values for name, values in first['arrays'].items() if not name[0].isdigit()}
    return {**first, 'layers': layers, 'arrays': {**arrays, **named}}


def with_thresholds(model):
    if list(model['arrays'].get('onset.lookahead', ())) != config.LOOKAHEAD:
        raise ValueError('the network has other lookaheads: expected those of config.py')
    return {**model, 'arrays': {**model['arrays'], **config.ARRAYS}}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT')
    a.add_argument('out', metavar='OUT.fnw')
    a.add_argument('--card')
    a.add_argument('--side-by-side', action='store_true')
    a.add_argument('--thresholds', action='store_true')
    o = a.parse_args()
    if not o.out.endswith('.fnw'):
        raise ValueError(f'{o.out}: expected the weights file that is to be written (.fnw) behind the networks')
    if os.path.realpath(o.out) in map(os.path.realpath, o.checkpoints):
        raise ValueError(f'{o.out}: one of the networks that are read, expected another name')
    model = (side_by_side if o.side_by_side else mean)([read(path) for path in o.checkpoints])
    if o.card:
        with open(o.card) as card:
            model['card'] = card.read()
    if o.thresholds:
        model = with_thresholds(model)
    fnw.write(o.out, model)
    n_weights = sum(values.size for values in fnw.read(o.out)['arrays'].values())
    print(f'{o.out}: {model["name"]}, {len(model["layers"])} layers, {n_weights} values')


if __name__ == '__main__':
    program.run(main)
