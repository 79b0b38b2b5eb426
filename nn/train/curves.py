#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""curves.py OUT.png RUN.log...: the losses that train.py wrote, one picture a loss, one line a run."""
import re
import sys

import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np

import program

LINE = re.compile(r'step (\d+) loss ([\d.]+) (.*) rate ')
SMOOTH = 5  # lines of the log: 250 steps


def read(path):
    """steps, {name of the loss: values}"""
    lines = {}
    with open(path, errors='replace') as log:
        for match in filter(None, map(LINE.match, log)):
            step, words = int(match[1]), match[3].split()
            if step <= max(lines, default=0):  # resumed from an earlier checkpoint: what came after it was given up
                lines = {before: line for before, line in lines.items() if before < step}
            lines[step] = dict(zip(words[::2], map(float, words[1::2])))
    if not lines:
        raise ValueError(f'{path}: no losses, expected a log of train.py')
    return list(lines), {name: [line[name] for line in lines.values()] for name in next(iter(lines.values()))}


def main():
    if len(sys.argv) < 3:
        sys.exit('usage: curves.py OUT.png RUN.log...')
    runs = {path: read(path) for path in sys.argv[2:]}
    names = list(next(iter(runs.values()))[1])
    figure, axes = plt.subplots(1, len(names), figsize=(3 * len(names), 3))
    for name, axis in zip(names, axes):
        for path, (steps, losses) in runs.items():
            if len(steps) >= SMOOTH:
                smooth = np.convolve(losses[name], np.ones(SMOOTH) / SMOOTH, 'valid')
                axis.plot(steps[SMOOTH - 1:], smooth, label=path.rsplit('/')[-1])
        axis.set_title(name)
        axis.set_xlabel('step')
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=100)


if __name__ == '__main__':
    program.run(main)
