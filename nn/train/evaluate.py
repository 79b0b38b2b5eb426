#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""How well a checkpoint hears: F-measures for each head and threshold, on clips of the instruments that training
never saw and, with --eval, on a folder of recordings with their notes
(recordings.py).

    evaluate.py CHECKPOINT.pt --samples DIR --midi DIR [--eval DIR] [--clips N]

Thresholds are chosen on the clips (calibrate), never on the recordings. Fno counts back-dated onsets, Flive the
times at which notes leave, both within 50 ms. The decoder here is a plain one. Of dsp/note_tracker.c it leaves
out the looks between hops, the head that looks a hop less far ahead, the notes that are struck again before their
posteriors have fallen by half of the threshold, velocities, bends and all that a player can set: report.py measures those."""
import argparse
import os

import mir_eval.transcription
import numpy as np
import torch

import clips
import config
import export
import features
import program
import recordings
import train
from model import Net

FRAME_S = config.HOP / config.SAMPLE_RATE
THRESHOLDS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def load(path):
    saved = export.load(path)
    train.check(path, saved)
    net = Net(saved['layers'])
    net.load_state_dict(saved.get('average', saved['state']))
    return net.eval()


def posteriors(net, frames):
    x = torch.from_numpy((features.to_bytes(frames) / np.float32(features.LEVELS)).transpose(2, 0, 1)[None].copy())
    with torch.no_grad():
        out = net(x)
    p = {k: torch.sigmoid(v)[0].numpy() for k, v in out.items()}
    p['onset_age'] = out['onset_age'][0].numpy()
    return p


def decode(p, head, threshold, note_threshold=0.5, again=4, quiet=4):
    """[(onset_s, offset_s, midi, emitted_s)]: a note starts when its posterior crosses the threshold and its
    estimated onset is `again` frames after the last one; it ends after `quiet` frames without sounding."""
    on, age, sounding = p['onset'][head], p['onset_age'][0], p['sounding'][0]
    lookahead, notes = config.LOOKAHEAD[head], []
    for key in range(config.KEYS):
        candidates = np.flatnonzero(on[:, key] >= threshold)
        if not len(candidates):
            continue
        start, last, armed, low = None, -99.0, True, 0
        for t in range(candidates[0], len(on)):
            if on[t, key] < threshold / 2:
                armed = True
            began = t + 1 - min(max(age[t, key], 0), lookahead + 3)
            if armed and on[t, key] >= threshold and began - last >= again:
                if start is not None:
                    notes.append((start, t, key, emitted))
                start, last, emitted, armed, low = began, began, t + 1, False, 0
            elif start is not None:
                low = low + 1 if sounding[t, key] < note_threshold else 0
                if low >= quiet and t + 1 - emitted >= 4:
                    notes.append((start, t - 3, key, emitted))
                    start = None
        if start is not None:
            notes.append((start, len(on), key, emitted))
    return [(a * FRAME_S, b * FRAME_S, k + config.LOWEST_KEY, e * FRAME_S) for a, b, k, e in notes]


def f_measure(reference, times, keys):
    if not len(reference) or not len(times):
        return 1.0 if len(reference) == len(times) else 0.0, []
    hz = lambda m: 440.0 * 2 ** ((np.asarray(m, float) - 69) / 12)
    intervals = lambda t: np.stack([np.maximum(t, 0), np.maximum(t, 0) + 0.1], 1)
    matched = mir_eval.transcription.match_notes(intervals(reference[:, 0]), hz(reference[:, 1]),
                                                 intervals(np.asarray(times)), hz(keys), offset_ratio=None)
    return 2 * len(matched) / (len(reference) + len(times)), matched


def scores(items, head, threshold, tail_s=0.0):
    """Means over the files of each group: {group: [Fno, Flive, precision, recall]} and the latencies."""
    groups, latencies = {}, []
    for group, reference, p in items:
        notes = decode(p, head, threshold)
        keys = [n[2] for n in notes]
        fno, matched = f_measure(reference, [n[0] for n in notes], keys)
        flive, _ = f_measure(reference, [n[3] + tail_s for n in notes], keys)
        latencies += [notes[j][3] + tail_s - reference[i, 0] for i, j in matched]
        groups.setdefault(group, []).append((fno, flive, len(matched) / max(1, len(notes)),
                                             len(matched) / max(1, len(reference))))
    table = {g: np.mean(v, 0) for g, v in groups.items()}
    table['all'] = np.mean(list(table.values()), 0)
    return table, latencies


def validation_clips(net, samples, midi, count):
    maker = clips.Maker(config.SEED + 99, *clips.load(samples, midi, validation=True))
    kinds, items = ['piano', 'guitar', 'ensemble', 'solo'], []
    for i in range(count):
        y, labels = maker.clip(kinds[i % len(kinds)])
        reference = np.array([(a, m) for a, _, m, _, _ in labels])
        items.append((kinds[i % len(kinds)], reference, posteriors(net, features.cqt(y))))
    return items


def real_recordings(net, folder):
    items = []
    for path, notes in recordings.find(folder):
        reference = np.array([(onset, midi) for onset, _, midi, _ in notes])
        p = posteriors(net, features.cqt(recordings.read_sound(path)))
        items.append((os.path.basename(path).split('_')[0], reference, p))
    return items


def calibrate(items, head):
    """The threshold with the best mean F-measure over the kinds of clips."""
    return max(THRESHOLDS, key=lambda threshold: scores(items, head, threshold)[0]['all'][0])


def show(name, items, head, threshold):
    table, latencies = scores(items, head, threshold)
    q = 1000 * np.percentile(latencies or [np.nan], [50, 95])
    print(f'{name} L {config.LOOKAHEAD[head]} threshold {threshold} ' +
          ' '.join(f'{g} {v[0]:.3f}/{v[1]:.3f} (P{v[2]:.2f} R{v[3]:.2f})' for g, v in table.items()) +
          f' latency {q[0]:.0f}/{q[1]:.0f} ms', flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('checkpoint')
    a.add_argument('--samples', metavar='DIR', nargs='+', required=True)
    a.add_argument('--midi', required=True)
    a.add_argument('--eval')
    a.add_argument('--clips', type=program.positive(int), default=48)
    a.add_argument('--heads', type=int, nargs='*', default=range(len(config.LOOKAHEAD)),
                   choices=range(len(config.LOOKAHEAD)))
    a.add_argument('--all-thresholds', action='store_true')
    o = a.parse_args()
    torch.set_num_threads(1)
    net = load(o.checkpoint)
    held_out = validation_clips(net, o.samples, o.midi, o.clips)
    real = real_recordings(net, o.eval) if o.eval else []
    for head in o.heads:
        chosen = calibrate(held_out, head)
        for threshold in THRESHOLDS if o.all_thresholds else [chosen]:
            show('clips', held_out, head, threshold)
            if real:
                show('recordings', real, head, threshold)


if __name__ == '__main__':
    program.run(main)
