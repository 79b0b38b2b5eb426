# SPDX-License-Identifier: ISC
"""The network as a list of layers: this module builds it for PyTorch, export.py writes the same list for C.

A layer is a dict. Kinds:
  stack   shifts of the input in frequency, side by side as channels (harmonic stacking, after Bittner et al.,
          "A lightweight instrument-agnostic model for polyphonic note transcription", ICASSP 2022, section 2.1):
          shifts [bins], width: output position p, channel j * inputs + c is input[p + shifts[j]][c], 0 outside.
  conv    2-D convolution: out, kt (frames, causal), kf (positions, centred), dt, df (dilations), sf (stride in
          frequency), batch norm (folded on export), skip (how many layers back the residual comes from, added
          before the ReLU; 0: none), relu, groups (networks side by side: each has its part of the channels and reads
          its part of the inputs alone; 1 where the input itself is read, one number in all other layers).
  gru     one gated recurrent unit for each position, weights shared between positions: out, groups.
  head    1x1 convolution with bias: outputs {name: [channels, activation]}.
Positions run along frequency, time is causal: output frame t sees input frames <= t only.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

import export
import fused


def number_type(device):
    """What to train in: bfloat16 on a GPU and on a CPU that multiplies it; other CPUs imitate it and take twice as long as in
    float32."""
    if device != 'cpu':
        return torch.bfloat16
    with open('/proc/cpuinfo') as info:
        words = set(info.read().split())
    return torch.bfloat16 if words & {'amx_bf16', 'avx512_bf16', 'bf16'} else torch.float32


class Conv(nn.Module):
    """Convolution and batch norm. The past of a causal convolution is put before the input by the layer before it."""

    def __init__(self, inputs, layer):
        super().__init__()
        kt, kf, dt, df, sf = (layer.get(k, 1) for k in ('kt', 'kf', 'dt', 'df', 'sf'))
        self.past = (kt - 1) * dt
        # With a stride the window's centre starts at the stride's middle: bin 1 of a key's three.
        pad = (kf // 2) * df - (sf // 2)
        self.conv = nn.Conv2d(inputs, layer['out'], (kt, kf), stride=(1, sf), padding=(0, pad), dilation=(dt, df),
                              groups=layer.get('groups', 1), bias=False)
        self.norm = nn.BatchNorm2d(layer['out'])

    def forward(self, x, skip, relu, past):
        """x and skip begin with frames that are past; the output with `past` of them."""
        y = self.conv(x)
        if self.training and relu and fused.fits(y):
            return fused.norm_add_relu(y, self.norm, skip, past)
        y = self.norm(y)
        if skip is not None:
            y = y + skip[:, :, skip.shape[2] - y.shape[2]:]
        return before(F.relu(y) if relu else y, past)


def before(x, past):
    return F.pad(x, (0, 0, past, 0)) if past else x


class Gru(nn.Module):
    def __init__(self, inputs, layer):
        super().__init__()
        groups = layer.get('groups', 1)
        self.gru = nn.ModuleList(nn.GRU(inputs // groups, layer['out'] // groups, batch_first=True) for _ in range(groups))

    def forward(self, x):
        return torch.cat([self.group(part, gru) for part, gru in zip(x.chunk(len(self.gru), 1), self.gru)], 1)

    def group(self, x, gru):
        b, c, t, w = x.shape
        if self.training and fused.fits_gru(x, gru):
            return fused.gru(x, gru)
        with torch.autocast(x.device.type, enabled=False):  # PyTorch 1.13 has no recurrent layers in bfloat16 on a CPU
            y, _ = gru(x.float().permute(0, 3, 2, 1).reshape(b * w, t, c))
        return y.reshape(b, w, t, -1).permute(0, 3, 2, 1)


class Net(nn.Module):
    """Input (batch, resolutions, frames, bins); output {name: (batch, channels, frames, keys)} logits.

    dropout: how often, in training, a channel between the two convolutions of a block is silent for a whole clip (Tompson
    et al., "Efficient object localization using convolutional networks", CVPR 2015, section 3.2)."""

    def __init__(self, layers, inputs=2, dropout=0.0):
        super().__init__()
        self.layers, self.dropout = layers, dropout
        self.modules_ = nn.ModuleList()
        channels, history = inputs, []
        for layer in layers:
            kind = layer['kind']
            if kind == 'stack':
                module, channels = nn.Identity(), channels * len(layer['shifts'])
            elif kind == 'conv':
                module, channels = Conv(channels, layer), layer['out']
            elif kind == 'gru':
                module, channels = Gru(channels, layer), layer['out']
            elif kind == 'head':
                n = sum(c for c, _ in layer['outputs'].values())
                module = nn.Conv2d(channels, n, 1)
                nn.init.constant_(module.bias, -3.0)
            else:
                raise ValueError(f'layer kind {kind!r}: expected stack, conv, gru or head')
            self.modules_.append(module)
            history.append(channels)

    def drop(self, x):
        keep = 1 - self.dropout
        return x * ((torch.rand(x.shape[:2], device=x.device) < keep).to(x.dtype) / keep)[:, :, None, None]

    def forward(self, x):
        # What a later layer adds is kept until the last that does: the rest of a long recording would not fit into memory.
        readers = {i - layer['skip']: i for i, layer in enumerate(self.layers) if layer.get('skip')}
        kept, pasts = {}, [getattr(module, 'past', 0) for module in self.modules_] + [0]
        x = before(x, pasts[0])
        for i, (layer, module) in enumerate(zip(self.layers, self.modules_)):
            kind = layer['kind']
            past = pasts[i + 1]
            if kind == 'stack':
                low = max(0, -min(layer['shifts']))
                high = max(0, max(layer['shifts']) + layer['width'] - x.shape[-1])
                padded = F.pad(x, (low, high, past, 0))
                x = torch.cat([padded[..., low + s:low + s + layer['width']] for s in layer['shifts']], 1)
                x = x.contiguous(memory_format=torch.channels_last)
            elif kind == 'conv':
                source = i - layer['skip'] if layer.get('skip') else None
                skip = None if source is None else kept.pop(source) if readers[source] == i else kept[source]
                x = module(x, skip, layer.get('relu', True), past)
                if self.training and i > 1 and skip is None:
                    x = self.drop(x)
            else:
                x = before(module(x), past)
            if i in readers:
                kept[i] = x
        out, first = {}, 0
        for name, (channels, _) in self.layers[-1]['outputs'].items():
            out[name] = x[:, first:first + channels]
            first += channels
        return out


def of_weights(weights):
    """The network that fnw.read gave, to listen with."""
    net = Net(weights['layers']).eval()
    net.load_state_dict(export.to_state(weights, net.state_dict()))
    return net
