# SPDX-License-Identifier: ISC
"""For training on a CPU in bfloat16: batch norm, skip connection and ReLU in one pass over memory (batch_norm.c), and a
gated recurrent unit (gru.c)."""
import ctypes

import torch
import torch.nn.functional as F

from features import library

_pointer, _long, _int, _float = ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_float
_forward, _backward = library.fenby_norm_forward, library.fenby_norm_backward
_forward.argtypes = [_pointer, _pointer, _long, _pointer, _long, _int, _long, _int, _pointer, _pointer, _float,
                     _pointer, _pointer]
_backward.argtypes = [_pointer, _pointer, _long, _pointer, _pointer, _long, _pointer, _int, _long, _int, _pointer,
                      _float, _pointer, _pointer, _pointer, _pointer]


_gru_forward, _gru_backward = library.fenby_gru_forward, library.fenby_gru_backward
_gru_forward.argtypes = _gru_backward.argtypes = [_pointer] * 5 + [_int] * 4


def _empty(*shape):
    return torch.empty(shape, dtype=torch.bfloat16, memory_format=torch.channels_last)


class _NormAddRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, gamma, beta, norm, skip, past):
        y = y.contiguous(memory_format=torch.channels_last)
        clips, channels, frames, keys = y.shape
        x = _empty(clips, channels, past + frames, keys)
        mean, variance = torch.empty(channels), torch.empty(channels)
        skip_past = skip.shape[2] - frames if skip is not None else 0
        _forward(y.data_ptr(), skip.data_ptr() if skip is not None else None, skip_past * keys, x.data_ptr(),
                 past * keys, clips, frames * keys, channels, gamma.data_ptr(), beta.data_ptr(), norm.eps,
                 mean.data_ptr(), variance.data_ptr())
        n = clips * frames * keys
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
        ctx.save_for_backward(y, x, gamma, mean, variance)
        ctx.past, ctx.skip_past, ctx.skips, ctx.epsilon = past, skip_past, skip is not None, norm.eps
        return x

    @staticmethod
    def backward(ctx, gx):
        y, x, gamma, mean, variance = ctx.saved_tensors
        clips, channels, frames, keys = y.shape
        gx = gx.contiguous(memory_format=torch.channels_last)
        gy, gskip = _empty(*y.shape), _empty(clips, channels, ctx.skip_past + frames, keys)
        dgamma, dbeta = torch.empty(channels), torch.empty(channels)
        _backward(gx.data_ptr(), x.data_ptr(), ctx.past * keys, y.data_ptr(), gskip.data_ptr(), ctx.skip_past * keys,
                  gy.data_ptr(), clips, frames * keys, channels, gamma.data_ptr(), ctx.epsilon, mean.data_ptr(),
                  variance.data_ptr(), dgamma.data_ptr(), dbeta.data_ptr())
        return gy, dgamma, dbeta, None, gskip if ctx.skips else None, None


class _Gru(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gates, weight, bias):
        clips, frames, keys, units = *gates.shape[:3], weight.shape[1]
        states, hidden = torch.empty(clips, frames, keys, units), torch.empty(clips, frames, keys, units)
        _gru_forward(gates.data_ptr(), weight.data_ptr(), bias.data_ptr(), states.data_ptr(), hidden.data_ptr(), clips,
                     frames, keys, units)
        ctx.save_for_backward(weight, states)
        ctx.scratch = gates, hidden
        return states

    @staticmethod
    def backward(ctx, gradients):
        weight, states = ctx.saved_tensors
        gates, hidden = ctx.scratch
        clips, frames, keys, units = states.shape
        gradients = gradients.contiguous()  # held by its name: a copy without one would be freed before it is read
        _gru_backward(gates.data_ptr(), weight.data_ptr(), states.data_ptr(), hidden.data_ptr(), gradients.data_ptr(), clips,
                      frames, keys, units)
        into = torch.cat([gates[..., :2 * units], hidden], -1).view(-1, 3 * units)
        before = F.pad(states, (0, 0, 0, 0, 1, 0))[:, :frames].reshape(-1, units)
        return gates, into.t() @ before, into.sum(0)


def gru(x, layer):
    """layer: nn.GRU. x: (clips, channels, frames, keys)."""
    gates = F.linear(x.permute(0, 2, 3, 1), layer.weight_ih_l0, layer.bias_ih_l0).float().contiguous()
    states = _Gru.apply(gates, layer.weight_hh_l0, layer.bias_hh_l0)
    return states.to(x.dtype).permute(0, 3, 1, 2)


def fits(y):
    return y.device.type == 'cpu' and y.dtype == torch.bfloat16 and y.shape[1] in (32, 64)


def fits_gru(x, layer):
    return x.device.type == 'cpu' and layer.hidden_size in (32, 64)


def norm_add_relu(y, norm, skip, past):
    """relu(norm(y) + skip) after `past` frames of zeros; skip may begin with such frames too."""
    return _NormAddRelu.apply(y, norm.weight, norm.bias, norm, skip, past)
