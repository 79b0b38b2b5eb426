#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Measures a network as its users hear it, through the program, and writes REPORT.md with its pictures.

    report.py --fenby build/fenby --model NET.fnw --eval DIR [--peers PEERS.csv] [--out DIR]

--eval: recordings with their notes (recordings.py); what stands before the first _ of a name is its group. Each head
of the network is run on every recording; Fno counts back-dated onsets, Flive the times at which notes left, both
within 50 ms (mir_eval). --peers: a table of others' figures, system,latency_ms,group,f; empty latency: offline.
Text that a person wrote (what worked and what did not) is kept: all of REPORT.md from the line "## Notes" on."""
import argparse
import csv
import os
import subprocess
import tempfile

import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
import scipy.stats
import soundfile

import clips
import config
import evaluate
import features
import fnw
import program
import recordings
import tables
from model import of_weights

BOOTSTRAP = 2000
GHOST_MINUTES = 10


def read(path):
    with open(path, newline='') as f:
        rows = list(csv.DictReader(f))
    return {k: np.array([float(r[k] or 0) for r in rows]) for k in ('onset_s', 'offset_s', 'midi', 'velocity', 'emitted_s')
            if not rows or k in rows[0]}


def transcribe(fenby, model, sound, folder):
    table = os.path.join(folder, 'notes.csv')
    done = subprocess.run([fenby, sound, '--quiet', '--model', model, '-o', os.path.join(folder, 'notes.mid'), '--csv', table])
    if done.returncode:
        raise ValueError(f'{sound}: {fenby} ended with {done.returncode}, expected notes')
    return read(table)


def with_lookahead(model, lookahead, path):
    """The model with all modes at one lookahead."""
    arrays = {**model['arrays'], 'mode.lookahead': np.full(3, lookahead, np.float32)}
    fnw.write(path, {**model, 'arrays': arrays})


def measure(reference, heard):
    """Everything that the report says about one recording."""
    played = np.stack([reference['onset_s'], reference['midi']], 1)
    fno, back = evaluate.f_measure(played, heard['onset_s'], heard['midi'])
    flive, _ = evaluate.f_measure(played, heard['emitted_s'], heard['midi'])
    late = np.array([heard['emitted_s'][j] - reference['onset_s'][i] for i, j in back]) * 1000
    return {'fno': fno, 'flive': flive, 'matched': back, 'late_ms': late, 'reference': reference, 'heard': heard}


def measure_all(fenby, model, files, folder):
    """The same of every recording, by name."""
    return {os.path.splitext(os.path.basename(sound))[0]:
            measure(as_columns(notes), transcribe(fenby, model, sound, folder)) for sound, notes in files}


def by_group(results, key):
    groups = {}
    for name, r in results.items():
        groups.setdefault(name.split('_')[0], []).append(r[key])
    return groups


def mean_over_groups(results, key):
    means = {g: float(np.mean(v)) for g, v in by_group(results, key).items()}
    return {**means, 'all': float(np.mean(list(means.values())))}


def interval(results, key, rng):
    """95 % of bootstrap means, files drawn within their groups."""
    draws = {g: rng.choice(v, (BOOTSTRAP, len(v))).mean(1) for g, v in by_group(results, key).items()}
    draws['all'] = np.mean(list(draws.values()), 0)
    return {g: np.percentile(v, [2.5, 97.5]) for g, v in draws.items()}


def recall_by(results, group, name, edges):
    """Rows of (from, to, notes, recall) over one quantity of the reference's notes."""
    rows = []
    for low, high in zip(edges, edges[1:]):
        notes = caught = 0
        for file, r in results.items():
            if group and not file.startswith(group):
                continue
            value = r[name] if name in r else r['reference'][name]
            inside = (value >= low) & (value < high)
            notes += int(inside.sum())
            caught += sum(bool(inside[i]) for i, _ in r['matched'])
        if notes:
            rows.append((low, high, notes, caught / notes))
    return rows


def context(r):
    """For each note of the reference: how many begin with it, and seconds since its key was last struck."""
    on, keys = r['reference']['onset_s'], r['reference']['midi']
    r['chord'] = np.array([np.sum(np.abs(on - t) < 0.03) for t in on])
    r['since_s'] = np.array([min([t - s for s in on[keys == k] if s < t - 1e-3], default=np.inf) for t, k in zip(on, keys)])


def ghosts(r):
    """What the wrong notes of a recording are, each counted once."""
    right, ref, heard = {j for _, j in r['matched']}, r['reference'], r['heard']
    found = {i for i, _ in r['matched']}
    kinds = dict.fromkeys(('early or late', 'again', 'semitone', 'octave', 'other harmonic', 'elsewhere'), 0)
    for j, (t, key) in enumerate(zip(heard['onset_s'], heard['midi'])):
        if j in right:
            continue
        near = [i for i in range(len(ref['onset_s'])) if ref['onset_s'][i] - 0.08 <= t <= ref['offset_s'][i] + 0.1]
        away = [abs(key - ref['midi'][i]) for i in near]
        if any(a == 0 and abs(ref['onset_s'][i] - t) < 0.15 and i not in found for a, i in zip(away, near)):
            kinds['early or late'] += 1
        elif 0 in away:
            kinds['again'] += 1
        elif 12 in away or 24 in away:
            kinds['octave'] += 1
        elif any(a in (19, 28, 31, 34, 36) for a in away):
            kinds['other harmonic'] += 1
        elif 1 in away:
            kinds['semitone'] += 1
        else:
            kinds['elsewhere'] += 1
    return kinds


def ghost_minutes(fenby, model, folder):
    """Notes a minute in what holds none: {kind: notes a minute}."""
    rng, found = np.random.default_rng(2026), {}
    for kind in ('silence', 'noise', 'noise in syllables', 'drums', 'speech-like'):
        parts = []
        for _ in range(int(60 * GHOST_MINUTES / config.CLIP_SECONDS)):
            clip = clips.Clip(rng, {}, ([], []), {})
            if kind == 'drums':
                clip.drums(rng.uniform(0.1, 1))
            elif kind == 'speech-like':
                clip.speech_like(rng.uniform(0.1, 1))
            elif kind == 'noise in syllables':
                clip.syllables(1)
            else:
                clip.new_voice()
            y = sum(clip.voices)
            if kind == 'noise':
                pole = rng.uniform(-0.5, 0.97)
                y = scipy.signal.lfilter([1 - abs(pole)], [1, -pole], rng.standard_normal(len(y)))
            level = 0 if kind == 'silence' else 10 ** (rng.uniform(-30, -3) / 20)
            parts.append(y * level / max(1e-9, np.abs(y).max()))
        path = os.path.join(folder, 'nothing.wav')
        soundfile.write(path, np.concatenate(parts), config.SAMPLE_RATE)
        found[kind] = len(transcribe(fenby, model, path, folder)['midi']) / GHOST_MINUTES
    return found


def pitch(x, low_hz=70, high_hz=1400, window=1024):
    """Reference pitch of one voice: YIN (de Cheveigne and Kawahara, JASA 2002), a value each HOP; nan: unvoiced."""
    rate, out = config.SAMPLE_RATE, []
    longest = rate // low_hz
    for at in range(0, len(x) - window - longest, config.HOP):
        part = x[at:at + window + longest]
        energy = np.cumsum(np.concatenate([[0], part ** 2]))
        lags = np.arange(longest)
        cross = scipy.signal.correlate(part, part[:window], 'valid', 'fft')[:longest]
        difference = energy[window] + energy[lags + window] - energy[lags] - 2 * cross
        normed = difference * lags / np.maximum(1e-9, np.cumsum(difference))
        normed[:rate // high_hz] = 1
        good = np.flatnonzero(normed < 0.12)
        if not len(good):
            out.append(np.nan)
            continue
        i = good[0]
        while i + 1 < longest - 1 and normed[i + 1] < normed[i]:
            i += 1
        a, b, c = normed[i - 1], normed[i], normed[min(i + 1, longest - 1)]
        out.append(rate / (i + 0.5 * (a - c) / max(1e-9, a - 2 * b + c)))
    return 69 + 12 * np.log2(np.array(out) / 440)


def contour_errors(model, path, reference):
    """Cents between YIN and, first, what is measured (dsp/pitch.c), second, the contour output, in the frames in which
    one labelled note sounds: rows of two."""
    x = recordings.read_sound(path)
    frames = features.cqt(x)
    p = evaluate.posteriors(of_weights(model), frames)
    true, errors = pitch(x), []
    lag = 2  # frames: training moves the contour's target by as much
    for t, cents in enumerate(true):
        centre = (t * config.HOP + 512) / config.SAMPLE_RATE
        sounding = reference['midi'][(reference['onset_s'] < centre - 0.05) & (reference['offset_s'] > centre + 0.05)]
        frame = int(centre * config.SAMPLE_RATE / config.HOP) + lag
        if len(sounding) != 1 or not abs(cents - sounding[0]) < 0.6 or frame >= p['contour'].shape[1]:
            continue
        bins = p['contour'][:, frame, int(sounding[0]) - config.LOWEST_KEY]
        measured = features.cents_of_keys(frames[frame])[int(sounding[0]) - config.LOWEST_KEY]
        if bins.sum() > 0.2 and np.isfinite(measured):
            guessed = 100 * (bins[2] - bins[0]) / bins.sum() / 3
            errors.append(np.array([measured, guessed]) - 100 * (cents - sounding[0]))
    return errors


def plot_latency(curve, peers, path):
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, key, title in zip(axes, ('fno', 'flive'), ('back-dated onsets (Fno)', 'as they leave (Flive)')):
        for group in curve[0][1][key]:
            axis.plot([c[0] for c in curve], [c[1][key][group] for c in curve], 'o-', label=group,
                      lw=2.5 if group == 'all' else 1, color='black' if group == 'all' else None)
        for system, latency, group, f in peers:
            if group == 'all' and not latency:
                axis.axhline(f, ls='--', color='grey', lw=1)
                axis.text(axis.get_xlim()[1], f, system + ', whole file', ha='right', va='bottom', fontsize=8, color='grey')
        axis.set_xlabel('median latency, ms from onset to MIDI')
        axis.set_title(title)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel('F-measure, 50 ms')
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join(lines + ['| ' + ' | '.join(map(str, row)) + ' |' for row in rows]) + '\n'


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--fenby', required=True)
    a.add_argument('--model', required=True)
    a.add_argument('--eval', required=True)
    a.add_argument('--peers')
    a.add_argument('--out', default=os.path.dirname(os.path.abspath(__file__)))
    o = a.parse_args()
    os.makedirs(o.out, exist_ok=True)  # before an hour of measuring
    model, rng = fnw.read(o.model), np.random.default_rng(1)
    lookaheads = [int(x) for x in model['arrays']['onset.lookahead']]
    modes = dict(zip(('tight', 'live', 'studio'), (int(x) for x in model['arrays']['mode.lookahead'])))
    files = recordings.find(o.eval)
    peers = tables.read(o.peers, lambda r: (r['system'], r['latency_ms'], r['group'], tables.number(r, 'f', 0, 1))) \
        if o.peers else []
    by_head = {}
    with tempfile.TemporaryDirectory() as folder:
        for lookahead in lookaheads:
            path = os.path.join(folder, 'net.fnw')
            with_lookahead(model, lookahead, path)
            by_head[lookahead] = measure_all(o.fenby, path, files, folder)
        silent = ghost_minutes(o.fenby, o.model, folder)
    live = by_head[modes['live']]
    for r in live.values():
        context(r)

    curve = []
    for lookahead, results in by_head.items():
        late = np.concatenate([r['late_ms'] for r in results.values()])
        late = late if len(late) else np.array([np.nan])  # not a note was caught
        curve.append((float(np.median(late)), {k: mean_over_groups(results, k) for k in ('fno', 'flive')}, lookahead, late))
    plot_latency(curve, peers, os.path.join(o.out, 'f1_latency.png'))

    groups = list(curve[0][1]['fno'])
    text = [f'# How well {model["name"]} hears\n',
            'Made by `report.py`; `make accuracy` gives the figures of one mode. Recordings are not part of this tree.\n',
            '## F-measure against latency\n', '![F-measure against latency](f1_latency.png)\n',
            table(['lookahead, hops', 'mode', 'delay of all notes, median / p95 / IQR, ms', *groups],
                  [(c[2], ' '.join(m for m, v in modes.items() if v == c[2]),
                    f'{c[0]:.0f} / {np.percentile(c[3], 95):.0f} / {np.subtract(*np.percentile(c[3], [75, 25])):.0f}',
                    *(f'{c[1]["fno"][g]:.3f} / {c[1]["flive"][g]:.3f}' for g in groups)) for c in curve]),
            'Each cell: Fno / Flive. ' + peers_text(peers, groups)]
    text += ['## live, with 95 % intervals (bootstrap over files)\n']
    fno, flive = (interval(live, k, rng) for k in ('fno', 'flive'))
    text += [table(['', *groups], [(k, *(f'{mean_over_groups(live, k.lower())[g]:.3f} ({i[g][0]:.2f} to {i[g][1]:.2f})'
                                         for g in groups)) for k, i in (('Fno', fno), ('Flive', flive))])]
    show = lambda rows: [(f'{lo:g} to {hi:g}' if np.isfinite(hi) else f'{lo:g} and more', n, f'{r:.3f}') for lo, hi, n, r in rows]
    text += ['## Which notes are caught (live, recall)\n',
             table(['piano, key', 'notes', 'recall'], show(recall_by(live, 'piano', 'midi', [21, 40, 48, 54, 60, 66, 72, 78, 84, np.inf]))),
             table(['piano, velocity', 'notes', 'recall'], show(recall_by(live, 'piano', 'velocity', [1, 25, 35, 45, 55, 65, np.inf]))),
             table(['notes that begin together', 'notes', 'recall'], show(recall_by(live, '', 'chord', [1, 2, 3, 4, 5, np.inf]))),
             table(['seconds since the same key', 'notes', 'recall'], show(recall_by(live, '', 'since_s', [0, 0.15, 0.25, 0.5, 1, 2, np.inf])))]
    kinds = {}
    for name, r in live.items():
        group = kinds.setdefault(name.split('_')[0], {})
        for k, n in ghosts(r).items():
            group[k] = group.get(k, 0) + n
    text += ['## What the wrong notes are (live)\n',
             table(['', *next(iter(kinds.values()))], [(g, *k.values()) for g, k in kinds.items()]),
             f'In {GHOST_MINUTES} minutes without a note, notes a minute: ' +
             ', '.join(f'{k} {n:.1f}' for k, n in silent.items()) + '.\n']
    text += ['## Velocity, bends\n', velocity_text(live), contour_text(model, files)]

    path = os.path.join(o.out, 'REPORT.md')
    notes = ''
    if os.path.exists(path):
        with open(path) as f:
            before, mark, after = f.read().partition('## Notes\n')
            notes = mark + after
    with open(path, 'w') as f:
        f.write('\n'.join(text) + '\n' + notes)


def as_columns(notes):
    columns = np.array(notes, float).reshape(-1, 4)
    return {'onset_s': columns[:, 0], 'offset_s': columns[:, 1], 'midi': columns[:, 2], 'velocity': 127 * columns[:, 3]}


def peers_text(peers, groups):
    lines = []
    for system in dict.fromkeys(p[0] for p in peers):
        of = {g: f for s, _, g, f in peers if s == system}
        lines.append(f'{system}: ' + ', '.join(f'{g} {of[g]:.3f}' for g in groups if g in of))
    return ('On the same recordings, Fno with the whole file: ' + '; '.join(lines) + '.\n') if lines else '\n'


def velocity_text(results):
    figures = []
    for name, r in results.items():
        if name.startswith('piano') and r['matched']:
            i, j = np.array(r['matched']).T
            figures.append(scipy.stats.spearmanr(r['reference']['velocity'][i], r['heard']['velocity'][j])[0])
    return ('Rank correlation (Spearman) of velocity with the labels, piano recordings: ' +
            ', '.join(f'{c:.2f}' for c in figures) + f'; mean {np.mean(figures):.2f}.\n') if figures else ''


def contour_text(model, files):
    errors = {}
    for sound, notes in files:
        name = os.path.basename(sound)
        for kind in ('voice', 'violin'):
            if kind in name:
                errors.setdefault(kind, []).extend(contour_errors(model, sound, as_columns(notes)))
    return ''.join(f'Pitch against YIN, {k}: median error {m[0]:.1f} cents measured, {m[1]:.0f} by the contour output ({n} frames).\n'
                   for k, m, n in ((k, np.median(np.abs(e), 0), len(e)) for k, e in errors.items() if e))


if __name__ == '__main__':
    program.run(main)
