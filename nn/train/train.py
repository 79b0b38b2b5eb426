#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Trains the network of config.py.

    train.py OUT.pt --samples DIR --midi DIR --hours H|--steps N [--resume] [--keep] [--from OTHER] [--add DIR]
             [--teacher OTHER.fnw] [--processes N]

With --add, half of every batch comes from a folder of recordings with their notes (recordings.py): to tune a trained
network to one instrument, start --from its checkpoint or weights file. With --teacher, what that network says of the clips
is learnt in place of their labels (teacher.py). Clips are made on the fly by worker processes; features come from the C
code. OUT.pt is a checkpoint, written every 500 steps and when training is interrupted: --resume goes on from it. The log
goes to standard output and OUT.log.

What is exported is the running mean of the weights over the last steps: it hears new instruments better than any one
step's weights (Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018).
Several processes of one thread each are faster on a CPU than one of several threads. Each trains on its own clips, and every
SHARE steps all go on from the mean of their weights (Lin et al., "Don't use large mini-batches, use local SGD", ICLR
2020)."""
import argparse
import copy
import io
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
import time

import numpy as np
import torch
import torch.nn.functional as F

import clips
import config
import export
import features
import fnw
import program
import recordings
import teacher
from model import Net, number_type
from muon import Muon

# Clips to draw from, at first and later: one is seen a few times, each time another part, shifted and coloured anew.
POOL, LARGEST_POOL = 200, 1200
AHEAD = 24  # clips that a process makes before they are asked for


class Stopped(Exception):
    """Training ends before its time: why, and the exit status."""


def example(sound, labels, taught_by):
    """What is learnt from a clip: its frames, and the planes of what is to be said of them, first of its labels, then of a
    teacher."""
    frames = features.to_bytes(features.cqt(sound))
    planes = clips.frames_of(labels, len(frames))
    return frames, np.concatenate([planes, taught_by.planes(frames)], -1) if taught_by else planes


def only_ended_by(parent_gone):
    """For a process that works for another: it ignores Ctrl-C, which is for that one, and ends when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def watch():
        multiprocessing.connection.wait([parent_gone])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def make_clips(seed, source, taught_by, pipe):
    only_ended_by(multiprocessing.parent_process().sentinel)
    os.nice(10)  # training itself comes first
    torch.set_num_threads(1)
    maker, made = clips.Maker(seed, *source), queue.Queue(AHEAD)

    def send():
        while True:
            pipe.send(made.get())

    threading.Thread(target=send, daemon=True).start()
    while True:
        made.put(example(*maker.clip(), taught_by))


def added_clips(folder, taught_by):
    """Recordings as clips: at least FRAMES long, silence after the short ones."""
    found = []
    for path, notes in recordings.find(folder):
        sound = recordings.read_sound(path)
        missing = config.FRAMES * config.HOP - len(sound)
        labels = [(a, b, midi, velocity, np.zeros(0)) for a, b, midi, velocity in notes
                  if config.LOWEST_KEY <= midi < config.LOWEST_KEY + config.KEYS]
        found.append(example(np.pad(sound, (0, max(0, missing))), labels, taught_by))
    return found


def recoloured(x, rng):
    """Another microphone, another place, another recording level: levels (frames, bins, resolutions), moved."""
    f = np.linspace(-1, 1, config.BINS)
    colour = rng.uniform(-0.08, 0.08) + rng.uniform(-0.06, 0.06) * f + \
        rng.uniform(-0.03, 0.03) * np.cos(f * np.pi * rng.uniform(0.5, 3) + rng.uniform(0, 6))
    if rng.random() < 0.6:  # a band that is weaker
        colour -= rng.uniform(0.05, 0.3) * np.exp(-0.5 * ((f - rng.uniform(-1, 1)) / rng.uniform(0.04, 0.26)) ** 2)
    x = x + colour.astype(np.float32)[None, :, None]
    if rng.random() < 0.6:  # a level that moves
        n = rng.integers(3, 12)
        level = np.interp(np.linspace(0, n - 1, len(x)), np.arange(n), rng.normal(0, 0.04, n))
        x = x + level.astype(np.float32)[:, None, None]
    if rng.random() < 0.4:
        x = x + rng.normal(0, rng.uniform(0.003, 0.02), x.shape).astype(np.float32)
    return np.maximum(x, 0)


class Batches:
    """Parts of clips from a pool, each shifted and coloured anew."""

    def __init__(self, pool, seed, added=()):
        self.pool, self.rng, self.added, self.made = pool, np.random.default_rng(seed), added, len(pool)

    def batch(self):
        rng, xs, ys = self.rng, [], []
        for b in range(config.BATCH):
            real = self.added and b % 2
            x, y = self.added[rng.integers(len(self.added))] if real else self.pool[rng.integers(len(self.pool))]
            t = int(rng.integers(0, len(x) - config.FRAMES + 1))
            x = x[t:t + config.FRAMES].astype(np.float32) / features.LEVELS
            y = y[t:t + config.FRAMES]
            shift = int(rng.integers(-2, 3))  # semitones
            if shift:
                x, y = np.roll(x, 3 * shift, 1), np.roll(y, shift, 1)
                if shift > 0:
                    x[:, :3 * shift], y[:, :shift] = x[:, 3 * shift:3 * shift + 1], 0
                else:
                    x[:, 3 * shift:], y[:, shift:] = x[:, 3 * shift - 1:3 * shift], 0
            xs.append(recoloured(x, rng))
            ys.append(y)
        x = torch.from_numpy(np.stack(xs).transpose(0, 3, 1, 2).copy())
        return x, torch.from_numpy(np.stack(ys))


class FreshBatches(Batches):
    """From clips made on the way, at a fixed pace: the same ones for the same seed."""

    def __init__(self, workers, seed, source, renew, added, taught_by):
        context = multiprocessing.get_context('fork')
        self.pipes = []
        for i in range(workers):
            here, there = context.Pipe(duplex=False)
            context.Process(target=make_clips, args=(seed * 1000 + i, source, taught_by, there), daemon=True).start()
            there.close()  # when the maker ends, however it ends, reading does
            self.pipes.append(here)
        self.renew, self.due, self.made = renew, 0.0, 0
        super().__init__([self.next_clip() for _ in range(POOL)], seed, added)

    def next_clip(self):
        try:
            clip = self.pipes[self.made % len(self.pipes)].recv()
        except (EOFError, OSError):
            raise Stopped('a process that makes clips has ended', 1) from None
        self.made += 1
        return clip

    def batch(self):
        self.due += self.renew
        while self.due >= 1:
            if len(self.pool) < LARGEST_POOL:
                self.pool.append(self.next_clip())
            else:
                self.pool[self.made % LARGEST_POOL] = self.next_clip()
            self.due -= 1
        return super().batch()


class Team:
    """The processes that train together, each on its own clips."""

    def __init__(self, size, numbers):
        self.rows = torch.zeros(size, numbers).share_memory_()
        self.barrier = multiprocessing.get_context('fork').Barrier(size)
        self.rank = 0

    def share(self, tensors, combine):
        """Puts combine(a row of numbers from each process) into tensors."""
        flat = torch.cat([t.detach().reshape(-1) for t in tensors])
        self.rows[self.rank, :len(flat)] = flat
        self.barrier.wait()
        flat = combine(self.rows[:, :len(flat)])
        self.barrier.wait()
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors])):
            tensor.detach().copy_(part.view_as(tensor))

    def first(self, tensors):
        self.share(tensors, lambda rows: rows[0].clone())

    def mean(self, tensors):
        self.share(tensors, lambda rows: rows.mean(0))


def check(path, network):
    """What a checkpoint or a weights file holds must hear and say what config.py tells."""
    features.check(path, network['features_hash'])
    if network['layers'][-1].get('outputs') != config.LAYERS[-1]['outputs']:
        raise ValueError(f'{path}: a network with other outputs: expected those of config.py')


def read_start(path):
    """The checkpoint, or the model in a weights file (.fnw), that training is to begin with."""
    start = fnw.read(path) if path.endswith('.fnw') else export.load(path)
    check(path, start)
    return start


def net_of(start, path):
    """The network that read_start gave."""
    net = Net(start['layers'], dropout=config.DROPOUT)
    try:
        net.load_state_dict(start['state'] if 'state' in start else export.to_state(start, net.state_dict()))
    except (KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f'{path}: weights that do not fit its layers, expected a network of train.py') from error
    return net


def unfold(net, batch):
    """A weights file has its batch norm folded into the convolutions: it is unfolded by what a batch of clips shows,
    so that training begins with the same function."""
    seen = {}

    def look(norm, inputs):
        seen[norm] = torch.var_mean(inputs[0], (0, 2, 3), unbiased=False)

    hooks = [module.norm.register_forward_pre_hook(look) for module in net.modules_ if hasattr(module, 'norm')]
    net.eval()
    with torch.no_grad():
        net(batch)
        for norm, (variance, mean) in seen.items():
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()
    net.train()


def only_head(net, name):
    """Leaves one output's weights to be trained. Those of an output that would disturb the others, say: a velocity can
    only be guessed, and the guessing is noise to the rest of the network."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    net.eval()
    first = 0
    for output, (channels, _) in net.layers[-1]['outputs'].items():
        rows = slice(first, first + channels)
        first += channels
        if output == name:
            break
    for parameter in net.modules_[-1].parameters():
        kept = torch.zeros_like(parameter)
        kept[rows] = 1
        parameter.requires_grad_(True)
        parameter.register_hook(lambda gradient, kept=kept: gradient * kept)


def later(x, frames):
    """x (batch, frames, ...) moved into the future."""
    return x if frames == 0 else F.pad(x, (0, 0, frames, 0))[:, :x.shape[1]]


def targets(y):
    """What the heads should say, and where that counts. y: (batch, frames, keys, planes) bytes, first those of
    clips.frames_of."""
    sounding, at, velocity, deviation = (y[..., i] for i in range(clips.PLANES))
    on = (at > 0).float()
    onset, counts = [], []
    for lookahead in config.LOOKAHEAD:
        # Late is wrong, early is welcome: from the onset to its deadline either answer will do.
        moved = [later(on, j) for j in range(lookahead + config.PLATEAU + 2)]
        due = torch.stack(moved[lookahead:lookahead + config.PLATEAU]).amax(0)
        free = torch.stack(moved[:lookahead] + moved[lookahead + config.PLATEAU:]).amax(0)
        onset.append(due)
        counts.append(torch.clamp(due + (1 - free), max=1))
    within = (at.float() - 1) / 254
    age, has_age, loudness = torch.zeros_like(on), torch.zeros_like(on), torch.zeros_like(on)
    for j in reversed(range(config.AGE_FRAMES)):
        here = later(on, j)
        age = torch.where(here > 0, j + 1 - later(within, j), age)
        loudness = torch.where(here > 0, later(velocity.float() / 255, j), loudness)
        has_age = torch.maximum(has_age, here)
    note = later((sounding > 0).float(), 2)
    cents = later(deviation.float(), 2) - 128
    bins = torch.stack([torch.exp(-0.5 * ((cents - c) / 20) ** 2) for c in (-33.3, 0, 33.3)], 1)
    known = ((note > 0) & (cents > -60) & (cents < 60) | (note == 0)).float()
    return {'onset': (torch.stack(onset, 1), torch.stack(counts, 1)), 'sounding': (note[:, None], None),
            'velocity': (loudness[:, None], has_age[:, None]),
            # Notes start soon after their onset: that is when its age must be right.
            'onset_age': (age[:, None], (has_age / (1 + age / 2))[:, None]),
            'contour': (bins * note[:, None], known[:, None])}


def loss_of(out, y):
    parts, taught = {}, teacher.targets(y[..., clips.PLANES:])
    for name, (target, counts) in targets(y).items():
        z = out[name].float()
        if name == 'onset_age':
            error = F.smooth_l1_loss(z, target, reduction='none')
        else:
            error = F.binary_cross_entropy_with_logits(z, target, reduction='none')
        if name in ('velocity', 'onset_age'):
            parts[name] = (error * counts).sum() / (counts.sum() + 1)
            continue
        weight = 1 + (config.POSITIVE_WEIGHT - 1) * target
        weight = weight if counts is None else weight * counts
        mean = (error * weight).mean((0, 2, 3))
        if name in taught:
            error = F.binary_cross_entropy_with_logits(z, taught[name], reduction='none')
            mean = torch.lerp(mean, error.mean((0, 2, 3)), config.TAUGHT)
        parts[name] = 10 * (mean * mean.new_tensor(config.HEAD_WEIGHT) if name == 'onset' else mean).sum()
    return sum(config.LOSS[k] * v for k, v in parts.items()), parts


def options():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('out', metavar='OUT.pt')
    a.add_argument('--samples', metavar='DIR', nargs='+', required=True)
    a.add_argument('--midi', required=True)
    length = a.add_mutually_exclusive_group(required=True)
    length.add_argument('--hours', type=program.positive(float))
    length.add_argument('--steps', type=program.positive(int))
    a.add_argument('--resume', action='store_true')
    a.add_argument('--keep', action='store_true', help='keep each checkpoint as OUT.STEP.pt, too: export.py takes means')
    a.add_argument('--from', dest='start', metavar='OTHER', help='start from the network in a checkpoint or a weights file (.fnw)')
    a.add_argument('--add', metavar='DIR', help='recordings with their notes')
    a.add_argument('--teacher', metavar='OTHER.fnw', help='a weights file whose answers are learnt, too')
    a.add_argument('--only', choices=list(config.LOSS), help='train the head of this output alone, the rest as it is')
    a.add_argument('--processes', type=program.positive(int), default=1, help='train in several, each with a batch of its own')
    a.add_argument('--threads', type=program.positive(int), default=os.cpu_count(), help='of each process')
    a.add_argument('--workers', type=program.positive(int), default=1, help='processes that make clips, for each that trains')
    a.add_argument('--renew', type=program.positive(float), default=2, help='new clips for each step')
    a.add_argument('--learning-rate', type=program.positive(float), default=config.LEARNING_RATE)
    return a.parse_args()


def train(o, net, team, rank, batches, saved=None):
    """batches: makes what gives batches, of the run's seed. saved: the checkpoint to go on from, whose weights net has."""
    team.rank = rank
    torch.set_num_threads(o.threads)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    net, numbers = net.to(device, memory_format=torch.channels_last), number_type(device)
    decay = 0 if o.only else config.WEIGHT_DECAY
    optimizer = Muon(net, o.learning_rate, decay) if config.MUON else \
        torch.optim.AdamW(net.parameters(), o.learning_rate, weight_decay=decay)
    step, spent, seed = 0, 0.0, config.SEED + bool(o.start)
    if saved:
        optimizer.load_state_dict(saved['optimizer'])
        step, spent, seed = saved['step'], saved['seconds'], saved['seed'] + 1

    data = batches(seed)
    if o.start and o.start.endswith('.fnw') and not saved:
        unfold(net, data.batch()[0].to(device))
    team.first([t for t in net.state_dict().values() if t.is_floating_point()])
    average = {name: value.to(device) for name, value in saved.get('average', saved['state']).items()} if saved else \
        copy.deepcopy(net.state_dict())
    log = open(os.path.splitext(o.out)[0] + '.log', 'a', buffering=1) if rank == 0 else None

    def say(text):
        if rank == 0:
            print(text, flush=True)
            log.write(text + '\n')

    def save(keep):
        if rank:
            return
        if not all(torch.isfinite(t).all() for t in (*net.state_dict().values(), *average.values())):
            raise ValueError(f'{o.out}: weights that are not finite are not saved: expected a lower --learning-rate')
        state = {'layers': net.layers, 'state': net.state_dict(), 'average': average, 'optimizer': optimizer.state_dict(),
                 'step': step, 'seconds': spent, 'seed': seed, 'name': config.NAME,
                 'features_hash': features.features_hash(), 'arrays': config.ARRAYS}
        data = io.BytesIO()
        torch.save(state, data)
        program.write(o.out, data.getbuffer())
        if keep:
            program.write(f'{os.path.splitext(o.out)[0]}.{step}.pt', data.getbuffer())

    if o.only:
        only_head(net, o.only)
    say(f'{sum(p.numel() for p in net.parameters())} parameters on {device} in {str(numbers)[6:]}, seed {seed}')
    began, already, recent = time.time(), spent, []
    done = (lambda: step / o.steps) if o.steps else (lambda: spent / (o.hours * 3600))
    try:
        while done() < 1:
            rate = o.learning_rate * min(1, (step + 1) / config.WARM_UP) * 0.5 * (1 + np.cos(np.pi * done()))
            for group in optimizer.param_groups:
                group['lr'] = rate + 1e-5
            x, y = data.batch()
            x, y = x.to(device), y.to(device)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=numbers == torch.bfloat16):
                out = net(x.to(numbers))
            loss, parts = loss_of(out, y)
            loss = parts[o.only] if o.only else loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), config.CLIP_GRADIENT)
            optimizer.step()
            step += 1
            if step % config.SHARE == 0 or step == o.steps:
                team.mean([t for t in net.state_dict().values() if t.is_floating_point()])
                clock = torch.tensor([already + time.time() - began])
                team.first([clock])  # so that all stop at the same step
                spent = clock.item()
            keep = min(config.AVERAGE, step / (step + 10))
            for name, value in net.state_dict().items():
                average[name] = torch.lerp(value, average[name], keep) if value.is_floating_point() else value.clone()
            recent.append([loss.item()] + [parts[k].item() for k in config.LOSS])
            if step % 50 == 0:
                mean = np.mean(recent, 0)
                say(f'step {step} loss {mean[0]:.4f} ' + ' '.join(f'{k} {v:.4f}' for k, v in zip(config.LOSS, mean[1:])) +
                    f' rate {rate:.5f} clips {data.made} seconds {spent:.0f}')
                recent = []
            if step % 500 == 0:
                save(o.keep)
    except Stopped:
        spent = already + time.time() - began
        save(False)
        raise
    save(o.keep)
    say(f'done: {step} steps in {spent:.0f} s')


def read_saved(path):
    """The checkpoint to go on from."""
    saved = read_start(path)
    if not {'optimizer', 'step', 'seconds', 'seed'} <= saved.keys():
        raise ValueError(f'{path}: expected a checkpoint of train.py')
    return saved


def train_beside(o, net, team, rank, batches, saved):
    """One of the processes that train beside the first."""
    only_ended_by(multiprocessing.parent_process().sentinel)
    try:
        train(o, net, team, rank, batches(rank), saved)
    except Stopped as stopped:
        sys.exit(f'train.py: {stopped.args[0]}')


def interrupted(*_):
    raise Stopped('interrupted', 130)


def main():
    o = options()
    if not os.path.isdir(os.path.dirname(o.out) or '.'):
        raise ValueError(f'{o.out}: no such folder, expected one that is there')
    if os.path.exists(o.out) and not o.resume:
        raise ValueError(f'{o.out}: there is a network already: expected --resume, or another name')
    # Whatever can be wrong is read here, before there are other processes, which then share it. One thread: those of OpenMP
    # are not there in a process that was forked.
    torch.set_num_threads(1)
    torch.manual_seed(config.SEED)
    saved = read_saved(o.out) if o.resume else None
    if saved or o.start:
        net = net_of(saved or read_start(o.start), o.out if saved else o.start)
    else:
        net = Net(config.LAYERS, dropout=config.DROPOUT)
    taught_by = teacher.Teacher(o.teacher) if o.teacher else None
    added = added_clips(o.add, taught_by) if o.add else ()
    source = clips.load(o.samples, o.midi)

    def batches(rank):
        return lambda seed: FreshBatches(o.workers, seed * o.processes + rank, source, o.renew, added, taught_by)

    team = Team(o.processes, sum(t.numel() for t in net.state_dict().values()))
    others = [multiprocessing.get_context('fork').Process(target=train_beside, args=(o, net, team, rank, batches, saved))
              for rank in range(1, o.processes)]

    def miss(*_):
        if any(process.exitcode for process in others):
            raise Stopped('a process that trains has ended', 1)

    for number, handler in ((signal.SIGINT, interrupted), (signal.SIGTERM, interrupted), (signal.SIGCHLD, miss)):
        signal.signal(number, handler)
    try:
        for process in others:
            process.start()
        train(o, net, team, 0, batches(0), saved)
        for process in others:
            process.join()
    except Stopped as stopped:
        reason, status = stopped.args
        then = f'--resume goes on from {o.out}' if os.path.exists(o.out) else 'there is no checkpoint yet'
        print(f'train.py: {reason}: {then}', file=sys.stderr)
        sys.exit(status)
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM):  # the end is near
            signal.signal(number, signal.SIG_IGN)
        for process in others:
            if process.is_alive():
                process.terminate()


if __name__ == '__main__':
    program.run(main)
