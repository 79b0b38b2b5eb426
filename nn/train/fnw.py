# SPDX-License-Identifier: ISC
"""Writes and reads weights files, .fnw. The layout stands at the top of nn/weights.c; the C loader checks it.

A model is a dict: name, card (str), features_hash (int), input (width, channels), layers (the dicts of
model.py) and arrays {name: float32 array or list}.
"""
import struct

import numpy as np

import program

MAGIC, VERSION, VERSION_WITHOUT_GROUPS = b'fenby.nw', 2, 1
KINDS = ['stack', 'conv', 'gru', 'head']
ACTIVATIONS = ['linear', 'sigmoid']
CONV_FIELDS = {'kt': 1, 'kf': 1, 'dt': 1, 'df': 1, 'sf': 1, 'skip': 0, 'relu': 1, 'groups': 1}  # and their defaults


def checksum(data):
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 & 0xffffffffffffffff
    return struct.pack('<Q', value)


def _ints(*values):
    return struct.pack(f'<{len(values)}i', *values)


def _text(text):
    data = text.encode() + b'\0'
    data += b'\0' * (-len(data) % 4)
    return _ints(len(data)) + data


def _layer(layer):
    kind = layer['kind']
    data = _ints(KINDS.index(kind))
    if kind == 'stack':
        return data + _ints(layer['width'], len(layer['shifts']), *layer['shifts'])
    if kind == 'conv':
        return data + _ints(layer['out'], *(int(layer.get(f, default)) for f, default in CONV_FIELDS.items()))
    if kind == 'gru':
        return data + _ints(layer['out'], layer.get('groups', 1))
    data += _ints(len(layer['outputs']))
    for name, (channels, activation) in layer['outputs'].items():
        data += _text(name) + _ints(channels, ACTIVATIONS.index(activation))
    return data


def pack(model):
    """The bytes of a file."""
    data = _text(model['name']) + _text(model['card']) + _ints(*model['input'])
    data += _ints(len(model['layers'])) + b''.join(_layer(layer) for layer in model['layers'])
    data += _ints(len(model['arrays']))
    for name, values in model['arrays'].items():
        values = np.asarray(values, '<f4').ravel()
        data += _text(name) + _ints(len(values)) + values.tobytes()
    size = len(MAGIC) + 16 + len(data) + 8
    data = MAGIC + _ints(VERSION, size) + struct.pack('<Q', model['features_hash']) + data
    return data + checksum(data)


def unpack(data):
    """The model in the bytes of a file; arrays come flat."""
    if data[:8] != MAGIC or data[-8:] != checksum(data[:-8]):
        raise ValueError('not a weights file (.fnw), or a damaged one')
    version, size, features_hash = struct.unpack_from('<iiQ', data, 8)
    if version not in (VERSION, VERSION_WITHOUT_GROUPS) or size != len(data):
        raise ValueError(f'version {version}, {size} bytes: expected version {VERSION}, {len(data)} bytes')
    at = 24

    def ints(n):
        nonlocal at
        at += 4 * n
        return list(struct.unpack_from(f'<{n}i', data, at - 4 * n))

    def text():
        nonlocal at
        size, = ints(1)
        at += size
        return data[at - size:at].rstrip(b'\0').decode()

    def layer():
        kind = KINDS[ints(1)[0]]
        if kind == 'stack':
            width, n = ints(2)
            return {'kind': kind, 'width': width, 'shifts': ints(n)}
        if kind == 'conv':
            names = ['out', *CONV_FIELDS][:None if version == VERSION else -1]
            return {'kind': kind, 'groups': 1, **dict(zip(names, ints(len(names))))}
        if kind == 'gru':
            return {'kind': kind, 'out': ints(1)[0], 'groups': ints(1)[0] if version == VERSION else 1}
        outputs = {}
        for _ in range(ints(1)[0]):
            name, (channels, activation) = text(), ints(2)
            outputs[name] = [channels, ACTIVATIONS[activation]]
        return {'kind': kind, 'outputs': outputs}

    model = {'name': text(), 'card': text(), 'features_hash': features_hash, 'input': tuple(ints(2))}
    model['layers'] = [layer() for _ in range(ints(1)[0])]
    model['arrays'] = {}
    for _ in range(ints(1)[0]):
        name, (count,) = text(), ints(1)
        model['arrays'][name] = np.frombuffer(data, '<f4', count, at)
        at += 4 * count
    return model


def write(path, model):
    program.write(path, pack(model))


def read(path):
    with open(path, 'rb') as file:
        data = file.read()
    try:
        return unpack(data)
    except (IndexError, ValueError, struct.error) as error:
        raise ValueError(f'{path}: {error}') from error
