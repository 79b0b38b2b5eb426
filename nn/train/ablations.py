#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What each part of the network and its training is worth: small trainings without one of them, side by side.

    ablations.py OUT --samples DIR --midi DIR [--steps N] [--clips N] [--fenby build/fenby --eval DIR]
        [--teacher OTHER.fnw] [--variants NAME ...]

Every variant starts from nothing with the same seed, sees the same clips (made once; those that change the clips make
their own) for the same number of steps, and is far from what a long training gives: only the differences count. OUT
gets NAME.fnw and ablations.md, a table of Fno / Flive of the live mode on the recordings in --eval."""
import argparse
import multiprocessing
import multiprocessing.connection
import os
import tempfile

import numpy as np
import torch

import clips
import config
import export
import fnw
import program
import recordings
import report
import train
from model import Net
from teacher import Teacher


class LongWindows(train.Batches):
    def batch(self):
        """Without what the short windows hear."""
        x, y = super().batch()
        x[:, 1] = 0
        return x, y


class DryClip(clips.Clip):
    def mix(self):
        """The voices as they are: no room, microphone, noise or level of their own."""
        y = sum(self.voices)
        return (0.5 * y / (np.abs(y).max() + 1e-6)).astype(np.float32)


class SampledClip(clips.Clip):
    def any_line(self, instrument, plan, level, singing=False):
        """No synthesised slurs."""
        self.line(instrument, plan, level, singing)


def convolutional(layers):
    """A convolution that reaches 16 frames back instead of the recurrent unit."""
    return [{'kind': 'conv', 'out': layer['out'], 'kt': 3, 'kf': 3, 'dt': 8} if layer['kind'] == 'gru' else layer
            for layer in layers]


def without_stacking(layers):
    return [{**layer, 'shifts': [0]} if layer['kind'] == 'stack' else layer for layer in layers]


def loss(**changed):
    return {'LOSS': {**config.LOSS, **changed}}


# name: what differs, {attribute of config: value}, function of the layers, clips
VARIANTS = {
    'whole': ('nothing', {}, None, clips.Clip),
    'convolutional': ('a dilated convolution instead of the recurrent unit', {}, convolutional, clips.Clip),
    'unstacked': ('no harmonic stacking', {}, without_stacking, clips.Clip),
    'long': ('the long windows only', {}, None, clips.Clip),
    'no_contour': ('no contour output', loss(contour=0.0), None, clips.Clip),
    'no_velocity': ('no velocity output', loss(velocity=0.0), None, clips.Clip),
    'little_sounding': ('sounding at a fifth of its weight', loss(sounding=0.1), None, clips.Clip),
    'little_age': ("the onset's age at a fifth of its weight", loss(onset_age=0.02), None, clips.Clip),
    'same_heads': ('all lookaheads weigh the same', {'HEAD_WEIGHT': [1.0] * 5}, None, clips.Clip),
    'adam': ('AdamW for all weights', {'MUON': False}, None, clips.Clip),
    'undropped': ('no dropout', {'DROPOUT': 0.0}, None, clips.Clip),
    'even': ('positives weigh as much as negatives', {'POSITIVE_WEIGHT': 1.0}, None, clips.Clip),
    'dry': ('no rooms, microphones, noise or levels', {}, None, DryClip),
    'sampled': ('no synthesised slurs', {}, None, SampledClip),
    'taught': ('what a teacher says in place of the labels', {}, None, clips.Clip),
}


source = None  # of clips: read once, before there are other processes, which share it


def make_clips(job):
    seed, count, kind, o = job
    torch.set_num_threads(1)
    maker, taught_by = clips.Maker(seed, *source, make=kind), Teacher(o.teacher) if o.teacher else None
    return [train.example(*maker.clip(), taught_by) for _ in range(count)]


def make_pool(kind, o):
    workers = os.cpu_count()
    with multiprocessing.get_context('fork').Pool(workers, maxtasksperchild=1) as pool:
        jobs = [(seed, o.clips // workers, kind, o) for seed in range(workers)]
        return [clip for made in pool.map(make_clips, jobs, 1) for clip in made]


def train_variant(name, pool, o):
    _, changes, change_layers, _ = VARIANTS[name]
    for key, value in changes.items():
        setattr(config, key, value)
    if name != 'taught':
        pool = [(frames, planes[..., :clips.PLANES]) for frames, planes in pool]
    torch.manual_seed(config.SEED)
    net = Net(change_layers(config.LAYERS) if change_layers else config.LAYERS, dropout=config.DROPOUT)
    options = argparse.Namespace(out=os.path.join(o.out, name + '.pt'), start=None, resume=False, keep=False, only=None,
                                 add=None, steps=o.steps, hours=None, processes=1, threads=1,
                                 learning_rate=config.LEARNING_RATE)
    team = train.Team(1, sum(t.numel() for t in net.state_dict().values()))
    train.train(options, net, team, 0, lambda seed: (LongWindows if name == 'long' else train.Batches)(pool, 1))
    checkpoint = export.load(options.out)
    if name == 'long':  # what was never heard has no say
        checkpoint['average']['modules_.1.conv.weight'][:, 1::2] = 0
    fnw.write(os.path.join(o.out, name + '.fnw'), export.to_model(checkpoint))


def score(name, o):
    with tempfile.TemporaryDirectory() as folder:
        results = report.measure_all(o.fenby, os.path.join(o.out, name + '.fnw'), recordings.find(o.eval), folder)
    return {k: report.mean_over_groups(results, k) for k in ('fno', 'flive')}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('out')
    a.add_argument('--samples', metavar='DIR', nargs='+', required=True)
    a.add_argument('--midi', required=True)
    a.add_argument('--steps', type=program.positive(int), default=4000)
    a.add_argument('--clips', type=program.positive(int), default=400)
    a.add_argument('--fenby')
    a.add_argument('--eval')
    a.add_argument('--teacher', metavar='OTHER.fnw', help='a weights file, for the variant taught')
    a.add_argument('--variants', nargs='*', metavar='NAME', help='of ' + ', '.join(VARIANTS))
    o = a.parse_args()
    names = o.variants or [name for name in VARIANTS if o.teacher or name != 'taught']
    for name in names:
        if name not in VARIANTS:
            a.error(f'no variant {name!r}: expected one of {", ".join(VARIANTS)}')
    if 'taught' in names and not o.teacher:
        a.error('variant taught: expected a --teacher')
    if bool(o.eval) != bool(o.fenby):
        a.error('expected --eval and --fenby, or neither')
    os.makedirs(o.out, exist_ok=True)
    if o.eval:
        recordings.find(o.eval)  # before a night of training
    if o.teacher:
        Teacher(o.teacher)
    global source
    source = clips.load(o.samples, o.midi)

    context, running = multiprocessing.get_context('fork'), []
    pools = {}
    for kind in dict.fromkeys(VARIANTS[name][3] for name in names):
        pools[kind] = make_pool(kind, o)
    for name in names:
        while sum(process.is_alive() for process in running) >= os.cpu_count():
            multiprocessing.connection.wait([process.sentinel for process in running if process.is_alive()])
        running.append(context.Process(target=train_variant, args=(name, pools[VARIANTS[name][3]], o)))
        running[-1].start()
    for process in running:
        process.join()
    if any(process.exitcode for process in running):
        raise ValueError('a training has ended before its time, expected all of them to end well')
    if not o.eval:
        return
    with open(os.path.join(o.out, 'ablations.md'), 'w') as f:
        for name in names:
            figures = score(name, o)
            if not f.tell():
                groups = list(figures['fno'])
                f.write(f'| {o.steps} steps | ' + ' | '.join(groups) + ' |\n|' + '---|' * (len(groups) + 1) + '\n')
            cells = [f'{figures["fno"][g]:.3f} / {figures["flive"][g]:.3f}' for g in groups]
            f.write(f'| {VARIANTS[name][0]} | ' + ' | '.join(cells) + ' |\n')
            f.flush()


if __name__ == '__main__':
    program.run(main)
