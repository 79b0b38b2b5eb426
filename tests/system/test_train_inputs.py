#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What nn/train says of inputs that are wrong: one line, and nothing that was there is lost."""
import contextlib
import gzip
import io
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import weakref

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, '..', '..', 'nn', 'train')]

import numpy as np
import soundfile
import torch

import ablations
import clips
import config
import curves
import evaluate
import export
import features
import fnw
import model
import program
import recordings
import report as report_of
import samples
import soundfont
import train
import checks
from checks import check, report

RATE = config.SAMPLE_RATE
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


def said(call, *arguments):
    """What a call ends with: the line of an error, '' without one."""
    try:
        call(*arguments)
    except (ValueError, OSError, SystemExit) as error:
        return str(error)
    return ''


def program_said(main, *arguments):
    """What a program ends with: its line on standard error and its exit status."""
    sys.argv, errors = ['it', *map(str, arguments)], io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            program.run(main)
        return '', 0
    except SystemExit as error:
        return (error.code, 1) if isinstance(error.code, str) else (errors.getvalue().strip(), error.code)


def refuses(line, *words):
    check(line and '\n' not in line and all(word in line for word in words), f'{line!r}: expected one line with {words}')


def write(path, text):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())


# --- packs and sequences ----------------------------------------------------------------------------------------

COLUMNS = 'file,family,midi,dynamic,kind,start,length,onset,release_s,cents_dev'


def pack(name, row='tone,reed,60,3,sustain,0,22050,100,0.8,', columns=COLUMNS, rate=RATE, channels=1):
    os.makedirs(name, exist_ok=True)
    for file in ('tone', 'tone_piano'):
        soundfile.write(f'{name}/{file}.ogg', 0.3 * np.sin(np.arange(RATE * channels) / 8).reshape(-1, channels), rate)
    write(f'{name}/index.csv', columns + '\n' + row + '\n')
    return name


good = pack('good')
write('other/index.csv', '\ufeff' + open('good/index.csv').read())
os.link('good/tone.ogg', 'other/tone.ogg')
check(said(samples.load, ['other']) == '', 'a byte order mark is in the way')
refuses(said(samples.load, ['good', 'other']), 'another pack')
refuses(said(samples.load, ['nosuch']), 'nosuch')
for row, word in (('tone,horn,60,3,sustain,0,22050,100,0.8,', 'family'), ('tone,reed,128,3,sustain,0,22050,100,0.8,', 'midi'),
                  ('tone,reed,60,3,held,0,22050,100,0.8,', 'kind'), ('tone,reed,60,x,sustain,0,22050,100,0.8,', 'dynamic'),
                  ('tone,reed,60,3,sustain,-1,22050,100,0.8,', 'start'), ('tone,reed,60', 'start'),
                  ('tone,reed,60,3,sustain,0,22050,100,nan,', 'release_s')):
    refuses(said(samples.load, [pack('bad', row)]), 'bad/index.csv: line 2', word, 'expected')
refuses(said(samples.load, [pack('bad', 'tone,reed,60,3,sustain,9,22050,100,0.8,')]), 'tone.ogg', 'within')
refuses(said(samples.load, [pack('bad', columns=COLUMNS.replace('kind', 'sort'))]), 'bad/index.csv: no column kind')
refuses(said(samples.load, [pack('bad', rate=44100)]), 'tone.ogg', '44100 Hz')
refuses(said(samples.load, [pack('bad', channels=2)]), 'tone.ogg', '2 channels')
write('bad/tone.ogg', 'no sound')
refuses(said(samples.load, ['bad']), 'tone.ogg', 'xpected a sound file')


def sequences(name, piano='a,0,1,60,80', guitar='a,0,1,60'):
    os.makedirs(name, exist_ok=True)
    for file, columns, row in (('pop909', 'piece,onset_s,duration_s,midi,velocity', piano),
                               ('guitarset', 'piece,onset_s,duration_s,midi', guitar)):
        with gzip.open(f'{name}/{file}.csv.gz', 'wt') as f:
            f.write(columns + '\n' + row + '\n')
    return name


sequences('midi')
refuses(said(clips.load, ['good'], 'nosuch'), 'nosuch')
refuses(said(clips.load, ['good'], sequences('bad', piano='a,0,x,60,80')), 'pop909.csv.gz: line 2', 'duration_s')
refuses(said(clips.load, ['good'], sequences('bad', guitar='')), 'guitarset.csv.gz', 'no notes')
write('bad/guitarset.csv.gz', gzip.compress(os.urandom(1000))[:500])
refuses(said(clips.load, ['good'], 'bad'), 'guitarset.csv.gz')
piano = pack('pianos', 'tone_piano,keyboard,60,3,sustain,0,22050,100,0.8,')
refuses(said(clips.load, [piano], 'midi'), 'expected instruments that hold a note')
low = clips.load([pack('low', 'tone,guitar,20,3,decay,0,22050,100,0.8,\ntone_piano,reed,60,3,sustain,0,22050,100,0.8,')], 'midi')
for seed in range(20):
    clips.Clip(np.random.default_rng(seed), *low, {'guitar': low[0]['tone']}).guitar()
good_source = clips.load(['good'], 'midi')

# --- recordings -------------------------------------------------------------------------------------------------

def midi(*tracks, kind=1, division=100):
    return b'MThd' + struct.pack('>IHHH', 6, kind, len(tracks), division) + \
        b''.join(b'MTrk' + struct.pack('>I', len(track)) + track for track in tracks)


def notes(text, name='take[1].csv'):
    """Of a recording beside it."""
    with tempfile.TemporaryDirectory(dir='.') as takes:
        soundfile.write(f'{takes}/take[1].WAV', np.zeros(RATE // 10), RATE)
        write(f'{takes}/{name}', text)
        return recordings.find(takes)[0][1]


HEAD = 'onset_s,offset_s,midi,velocity\n'
check(notes('\ufeff' + HEAD + '0.5,1,59.98,0\n1,2,61,127\n') == [(0.5, 1, 60, 80 / 127), (1, 2, 61, 1)], 'a table is misread')
for row in ('-0.1,1,60,80', '0,nan,60,80', '1,0,60,80', '0,1,128,80', '0,1,60,200', '0,1,,80'):
    refuses(said(notes, HEAD + row), 'take[1].csv: line 2', 'expected')
played = b'\0\x90\x3c\x7f\0\x99\x24\x7f\x32\x90\x40\x7f\x32\x80\x3c\0\0\xff\x2f\0'  # drums; the second note is left on
for name in ('take[1].MID', 'take[1].midi'):
    check(notes(midi(played), name) == [(0, 0.5, 60, 1), (0.25, 0.5, 64, 1)], f'{name} is misread')
for data in (midi(played)[:-9], midi(played[:-5]), midi(), midi(played, division=0), midi(played, kind=2), b'MThd', b'',
             midi(played, division=0xe728), midi(b'\0\x90\xbc\x7f'), midi(b'\0\x3c\x7f')):
    refuses(said(notes, data, 'take[1].mid'), 'take[1].mid', 'expected')
refuses(said(recordings.find, 'nosuch'), 'nosuch')
write('sounds/a.wav', 'no sound')
refuses(said(recordings.find, 'sounds'), 'a.wav', 'expected its notes')
refuses(said(recordings.read_sound, 'sounds/a.wav'), 'a.wav', 'xpected a sound file')

# --- soundfonts -------------------------------------------------------------------------------------------------

before = open('good/index.csv').read()
font = b'RIFF' + struct.pack('<I', 100) + b'sfbk' + bytes(100)
write('cut.sf2', font)
line, status = program_said(soundfont.main, 'cut.sf2', 'good', 'x', 'flute')
refuses(line, 'there is a pack already')
check(status and open('good/index.csv').read() == before, 'a pack is written over')
refuses(program_said(soundfont.main, 'cut.sf2', 'new', 'x', 'flute')[0], 'cut.sf2', 'cannot load')
check(not os.path.exists('new/index.csv'), 'an index of nothing')
refuses(program_said(soundfont.main, 'nosuch.sf2', 'new', 'x', 'flute')[0], 'nosuch.sf2')
path, os.environ['PATH'] = os.environ['PATH'], '/nosuch'
refuses(program_said(soundfont.main, 'cut.sf2', 'new', 'x', 'flute')[0], 'fluidsynth', 'installed')
os.environ['PATH'] = path

# --- training ---------------------------------------------------------------------------------------------------

config.FRAMES = 20
rng = np.random.default_rng(1)
POOL = [(rng.integers(0, 200, (40, config.BINS, 2), np.uint8), rng.integers(0, 2, (40, config.KEYS, clips.PLANES), np.uint8))]


class FewBatches(train.Batches):
    """In the place of clips that are made."""
    def __init__(self, workers, seed, *_):
        super().__init__(POOL, seed)


def training(*options, out='net.pt'):
    return program_said(train.main, out, '--samples', 'good', '--midi', 'midi', '--threads', 1, *options)


refuses(training('--steps', 1, '--samples', 'nosuch')[0], 'nosuch')
refuses(training('--steps', 1, out='nosuch/net.pt')[0], 'nosuch/net.pt', 'no such folder')
for options in (('--steps', 0), ('--hours', 'nan'), ('--hours', 'inf'), ('--steps', 1, '--learning-rate', -1)):
    check('expected a positive' in training(*options)[0], f'{options} is taken')
for name, options in (('nosuch.pt', ('--from', 'nosuch.pt')), ('net.pt', ('--resume',)),
                      ('good/tone.ogg', ('--from', 'good/tone.ogg'))):
    refuses(training('--steps', 1, *options)[0], name)

maker, fresh = train.make_clips, train.FreshBatches
for number in (0, signal.SIGKILL):
    train.make_clips = lambda *_, number=number: os.kill(os.getpid(), number) or os._exit(1)
    line, status = training('--steps', 1)
    refuses(line, 'a process that makes clips has ended')
    check(status == 1, f'status {status} without clips')
train.make_clips = maker

train.FreshBatches = FewBatches
line, status = training('--steps', 2, '--processes', 2)
check(status == 0 and os.path.exists('net.pt'), f'two processes do not train: {line}')
state = open('net.pt', 'rb').read()
refuses(training('--steps', 2)[0], 'net.pt', 'there is a network already')
check(open('net.pt', 'rb').read() == state, 'a network is written over')
line, status = training('--steps', 3, '--resume')
check(status == 0 and export.load('net.pt')['step'] == 3, f'training does not go on: {line}')


class Ending(FewBatches):
    """Ends the process that trains beside the first, or this one, at the third batch."""
    def batch(self):
        self.made += 1  # from 1: of the pool
        if self.made == 4:
            if (os.getpid() == first) == beside:
                open('third', 'w').close()
                time.sleep(30)
            while not os.path.exists('third'):
                time.sleep(0.02)
            os.kill(os.getpid(), ending)
        return super().batch()


first = os.getpid()
train.FreshBatches = Ending
for ending, beside, word, code in ((signal.SIGKILL, True, 'a process that trains has ended', 1),
                                      (signal.SIGINT, False, 'interrupted', 130), (signal.SIGTERM, False, 'interrupted', 130)):
    if os.path.exists('third'):
        os.remove('third')
    began = time.time()
    line, status = training('--steps', 100, '--processes', 2, out='ended.pt')
    refuses(line, word, '--resume')
    check(status == code and time.time() - began < 20, f'status {status} after {time.time() - began:.0f} s')
    check(export.load('ended.pt')['step'] == 2, 'the steps before an interrupt are lost')
    os.remove('ended.pt')
train.FreshBatches = FewBatches
refuses(training('--steps', 40, '--learning-rate', 1e30, out='wild.pt')[0], 'wild.pt', 'finite')
check(not os.path.exists('wild.pt'), 'weights that are not finite are saved')

# --- networks ---------------------------------------------------------------------------------------------------

check(program_said(export.main, 'net.pt', 'net.fnw')[1] == 0, 'a network is not exported')
refuses(program_said(export.main, 'net.pt', 'net.pt')[0], 'net.pt', '.fnw')
refuses(program_said(export.main, 'net.fnw', 'net.fnw')[0], 'one of the networks')
refuses(program_said(export.main, '--side-by-side', 'net.fnw', 'pair.fnw')[0], 'two or more')
refuses(program_said(export.main, 'nosuch.fnw', 'x.fnw')[0], 'nosuch.fnw')
net = fnw.read('net.fnw')
fnw.write('other.fnw', {**net, 'features_hash': 1})
fnw.write('slower.fnw', {**net, 'arrays': {**net['arrays'], 'onset.lookahead': [1, 2, 3, 5, 9]}})
fnw.write('heads.fnw', {**net, 'layers': net['layers'][:-1] + [{'kind': 'head', 'outputs': {'onset': [14, 'sigmoid']}}]})
for other, word in (('other.fnw', 'features_hash'), ('slower.fnw', 'lookaheads')):
    for options in ((), ('--side-by-side',)):
        refuses(program_said(export.main, *options, 'net.fnw', other, 'x.fnw')[0], word)
refuses(training('--steps', 1, '--from', 'other.fnw', out='x.pt')[0], 'other.fnw', 'features')
torch.save({**export.load('net.pt'), 'features_hash': 1}, 'strange.pt')
refuses(training('--steps', 9, '--resume', out='strange.pt')[0], 'strange.pt', 'features')
refuses(program_said(evaluate.main, 'strange.pt', '--samples', 'good', '--midi', 'midi')[0], 'strange.pt', 'features')
refuses(training('--steps', 1, '--teacher', 'other.fnw', out='x.pt')[0], 'other.fnw', 'features')
refuses(training('--steps', 1, '--from', 'heads.fnw', out='x.pt')[0], 'heads.fnw', 'outputs')
whole = open('net.fnw', 'rb').read()
for path in ('nosuch.pt', 'good/tone.ogg'):
    refuses(program_said(evaluate.main, path, '--samples', 'good', '--midi', 'midi')[0], path)
program_said(report_of.main, '--fenby', 'nosuch', '--model', 'net.fnw', '--eval', 'nosuch', '--out', 'a/b')
check(os.path.isdir('a/b'), 'report.py makes its folder late, or never')
check('--fenby' in program_said(ablations.main, 'a', '--samples', 'good', '--midi', 'midi', '--eval', 'x')[0], '--eval alone')
write('run.log', ''.join(f'step {step} loss {loss} onset 1 rate 0\n' for step, loss in ((50, 3), (100, 2), (150, 9), (100, 1))))
check(curves.read('run.log')[0] == [50, 100] and not said(curves.read, 'run.log'), 'a log that goes back is misread')
refuses(said(curves.read, 'net.fnw'), 'net.fnw', 'no losses')

# What a network has said is kept only for a skip.
listener, outputs = model.of_weights(net), []
for module in listener.modules_:
    module.register_forward_hook(lambda module, x, y: outputs.append(weakref.ref(y)))
alive = []
listener.modules_[-1].register_forward_pre_hook(lambda *_: alive.append(sum(y() is not None for y in outputs)))
with torch.no_grad():
    listener(torch.rand(1, 2, 20, config.BINS))
check(alive[0] <= 3, f'{alive[0]} layers are kept to the end')

limits = resource.getrlimit(resource.RLIMIT_FSIZE)
for path, call, what in (('net.fnw', fnw.write, net), ('net.pt', program.write, open('net.pt', 'rb').read())):
    before = open(path, 'rb').read()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))  # as a disk that is full
    refuses(said(call, path, what), path)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check(open(path, 'rb').read() == before and not os.path.exists(path + '.tmp'), f'a full disk takes {path}')
missing = subprocess.run([sys.executable, features.__file__], env={**os.environ, 'FENBY_TRAIN_LIBRARY': './nosuch.so'},
                         stderr=subprocess.PIPE, text=True)
refuses(missing.stderr.strip(), 'nosuch.so', 'make train-library')

folder.cleanup()
report()
sys.exit(checks.failed > 0)
