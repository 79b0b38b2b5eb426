#!/bin/sh
# SPDX-License-Identifier: ISC
# train.sh BUILD: the way through nn/train on a small scale: notes out of a soundfont, a network from nothing, stopped
# and gone on with, exported, taught and played; then Fenby's own network tuned to an organ it does not know. Ends with
# "N passed, N failed".
set -u
here=$(dirname "$0") build=$1 train=$here/../nn/train python=${PYTHON:-/usr/bin/python3}
font=/usr/share/sounds/sf2/FluidR3_GM.sf2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# A step's memory serves the next.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=40000000000 MALLOC_TOP_PAD_=268435456
. "$here/checks.sh"

less() { echo "$1" | awk '{ exit !($1 < $2) }'; }  # "A B"

sequences() {  # NAME TUNE...: the project's own tunes as the table that clips.py reads
    name=$1; shift
    { echo piece,onset_s,duration_s,midi,velocity
      for tune; do
          "$build/tests/music/compose" "$tune" "$folder/tune.mid" "$folder/tune.csv"
          awk -F, -v tune="$tune" 'NR > 1 { print tune "," $1 "," $2 - $1 "," $3 "," $4 }' "$folder/tune.csv"
      done; } | gzip >"$folder/midi/$name.csv.gz"
}

heard() {  # TUNE PROGRAM FENBY_OPTION...: the F-measure
    tune=$1 program=$2; shift 2
    "$here/music/render.sh" "$build/tests/music/compose" "$tune" "$program" "$folder" || return
    "$build/fenby" "$folder/$tune.wav" --quiet -o "$folder/heard.mid" --csv "$folder/heard.csv" "$@" || return
    awk -F, -f "$here/music/compare.awk" "$folder/$tune.csv" "$folder/heard.csv" | cut -d ' ' -f 1
}

# --- what is wrong, and what is kept --------------------------------------------------------------------------

check "inputs that are wrong: $("$python" "$here/system/test_train_inputs.py" 2>&1 | tee "$folder/inputs.log" | tail -n 5)" \
    [ "$(tail -n 1 "$folder/inputs.log" | cut -d ' ' -f 3-)" = '0 failed' ]

# --- from nothing ---------------------------------------------------------------------------------------------

"$python" "$train/soundfont.py" "$font" "$folder/pack" fluid piano1 steel acbass viola cello flute soprano choir \
    >"$folder/pack.log"
check "soundfont.py: $(cat "$folder/pack.log")" [ "$(wc -l <"$folder/pack.log")" -eq 8 ]
check "a piano's notes: $(grep -c piano1 "$folder/pack/index.csv")" \
    [ "$(grep -c piano1 "$folder/pack/index.csv")" -eq 90 ]
check "soundfont.py takes what is no soundfont" \
    [ "$("$python" "$train/soundfont.py" "$0" "$folder/none" x piano1 2>&1 | grep -c 'expected a soundfont')" -eq 1 ]

mkdir "$folder/midi"
sequences pop909 demo scale
sequences guitarset strum
begin="--samples $folder/pack --midi $folder/midi --threads 1 --processes 2"
# shellcheck disable=SC2086  # options are words
"$python" "$train/train.py" "$folder/net.pt" $begin --steps 100 >"$folder/log" 2>&1 || tail -n 5 "$folder/log"
loss=$(awk '$2 == 100 && $3 == "loss" { print $4 }' "$folder/log")
check "the mean loss of steps 51 to 100 is $loss, not below 6" less "${loss:-99} 6"
"$python" "$train/export.py" "$folder/net.pt" "$folder/first.fnw" >/dev/null
# shellcheck disable=SC2086
"$python" "$train/train.py" "$folder/net.pt" $begin --steps 104 --resume >"$folder/log" 2>&1 || tail -n 5 "$folder/log"
check "it did not go on where it stopped: $(tail -n 1 "$folder/log")" grep -q '^done: 104 steps' "$folder/log"
"$python" "$train/export.py" "$folder/net.pt" "$folder/net.fnw" >/dev/null
"$python" "$train/export.py" "$folder/net.pt" "$folder/net.fnw" "$folder/mean.fnw" >/dev/null
check "the mean of a network and itself is another" cmp "$folder/net.fnw" "$folder/mean.fnw"
"$python" "$train/export.py" --side-by-side "$folder/first.fnw" "$folder/net.pt" "$folder/pair.fnw" >/dev/null
apart=$("$python" - "$train" "$folder/first.fnw" "$folder/net.fnw" "$folder/pair.fnw" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import torch, export, model
x, said = torch.rand(1, 2, 40, 304), []
for path in sys.argv[2:]:
    weights = export.read(path)
    said.append(model.of_weights(weights)(x)['onset'].detach())
print((said[0] - said[1]).abs().max().item(), (said[2] - (said[0] + said[1]) / 2).abs().max().item())
END
)
check "two networks differ by and two side by side from their mean by: $apart" \
    [ "$(echo "$apart" | awk '{ print ($1 > 0.01 && $2 < 1e-4) }')" = 1 ]
# Thresholds of 0.7 everywhere, then those of config.py.
"$python" - "$train" "$folder/net.fnw" "$folder/flat.fnw" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import fnw
model = fnw.read(sys.argv[2])
model['arrays']['onset.threshold'] = [0.7] * 5
fnw.write(sys.argv[3], model)
END
"$python" "$train/export.py" --thresholds "$folder/flat.fnw" "$folder/set.fnw" >/dev/null
check "export.py --thresholds does not set those of config.py" cmp "$folder/set.fnw" "$folder/net.fnw"
"$python" "$train/export.py" "$folder/flat.fnw" "$folder/kept.fnw" >/dev/null
check "without it they are not kept" cmp "$folder/kept.fnw" "$folder/flat.fnw"
check "what is no checkpoint is not refused in one line" \
    [ "$("$python" "$train/export.py" "$folder/midi/pop909.csv.gz" "$folder/x.fnw" 2>&1 | grep -c '^export.py: .*: expected a checkpoint')" -eq 1 ]
"$here/music/render.sh" "$build/tests/music/compose" line 71 "$folder"
for model in net pair; do
    check "fenby does not play what was exported, $model" \
        "$build/fenby" "$folder/line.wav" --quiet --model "$folder/$model.fnw" -o "$folder/line-heard.mid"
done

# --- taught by another ----------------------------------------------------------------------------------------

# shellcheck disable=SC2086
"$python" "$train/train.py" "$folder/taught.pt" $begin --steps 100 --from "$folder/net.fnw" \
    --teacher "$here/../nn/weights/default.fnw" >"$folder/log" 2>&1 || tail -n 5 "$folder/log"
loss=$(awk '$3 == "loss" { print $6 }' "$folder/log" | xargs)
check "the onset loss of steps 1 to 50 and 51 to 100 under a teacher: ${loss:-99 99}" less "${loss#* } ${loss% *}"
slope=$("$python" - "$train" "$here/../nn/weights/default.fnw" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import torch
import clips, features, teacher, train
frames = features.to_bytes(np.random.default_rng(1).random((60, 304, 2), np.float32))
one = teacher.Teacher(sys.argv[2])
y = np.concatenate([np.zeros((60, 88, clips.PLANES), np.uint8), one.planes(frames)], -1)
said = {k: z.detach().requires_grad_() for k, z in one.net(torch.from_numpy(frames / np.float32(features.LEVELS)).permute(2, 0, 1)[None]).items()}
wrong = {k: (z.detach() + 1).requires_grad_() for k, z in said.items()}
def steepest(out):
    _, parts = train.loss_of(out, torch.from_numpy(y[None]))
    sum(parts[k] for k in teacher.CHANNELS).backward()
    return max(out[k].grad.abs().sum().item() for k in teacher.CHANNELS)
print(steepest(said) / steepest(wrong))
END
)
check "what a teacher says is, but for bytes and bfloat16, not what it teaches: ${slope:-99} of the slope a logit away" less "${slope:-99} 0.15"
check "a teacher of another kind is not refused in one line" \
    [ "$("$python" "$train/train.py" "$folder/x.pt" --samples x --midi x --steps 1 --teacher "$here/golden/net_gru.fnw" 2>&1 |
        grep -c '^a teacher: .*: expected')" -eq 1 ]

# --- the optimizer --------------------------------------------------------------------------------------------

optimizer=$("$python" - "$train" <<'END'
import copy, sys, types
sys.path.insert(0, sys.argv[1])
import torch
import muon
torch.manual_seed(1)
values = torch.cat([torch.linalg.svdvals(muon.orthogonal(torch.randn(shape))) for shape in ((32, 288), (96, 32), (32, 32))])
ours = torch.nn.Linear(8, 4)
theirs = copy.deepcopy(ours)
steps = [muon.Muon(types.SimpleNamespace(modules_=[ours], parameters=ours.parameters), 1e-2, 0.1),
         torch.optim.AdamW(theirs.parameters(), 1e-2, weight_decay=0.1)]
for _ in range(20):
    x = torch.randn(16, 8)
    for layer, step in zip((ours, theirs), steps):
        layer.zero_grad()
        layer(x).square().sum().backward()
        step.step()
print(values.log().abs().max().exp().item(), (ours.weight - theirs.weight).abs().max().item())
END
) || optimizer='99 99'
check "Muon leaves singular values a factor of ${optimizer% *} from 1" less "${optimizer% *} 1.5"
check "the optimizer's other half is ${optimizer#* } away from AdamW" less "${optimizer#* } 1e-6"

# --- the golden files -----------------------------------------------------------------------------------------

mkdir "$folder/golden"
"$python" "$train/golden.py" "$folder/golden"
apart=$("$python" - "$train" "$here/golden" "$folder/golden" <<'END'
import glob, os, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import fnw
worst, paths = 0, glob.glob(sys.argv[2] + '/*.fnw')
assert paths, 'no golden files'
for path in paths:
    old, new = fnw.read(path), fnw.read(os.path.join(sys.argv[3], os.path.basename(path)))
    assert old['layers'] == new['layers'], path
    for name, values in old['arrays'].items():
        worst = max(worst, np.abs(values - new['arrays'][name]).max())
print(worst)
END
)
check "golden.py makes other files than tests/golden, by ${apart:-?}" less "${apart:-99} 1e-5"

# --- by hand and by PyTorch -------------------------------------------------------------------------------------

apart=$("$python" - "$train" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import torch
import fused
import model
LAYERS = [{'kind': 'conv', 'out': 64, 'kt': 3, 'kf': 3}, {'kind': 'gru', 'out': 64, 'groups': 2},
          # No ReLU behind it: one that turns over a rounding would be a step.
          {'kind': 'conv', 'out': 64, 'kt': 1, 'kf': 5, 'df': 12, 'skip': 2, 'relu': 0},
          {'kind': 'head', 'outputs': {'onset': [5, 'sigmoid']}}]
x = torch.rand(2, 2, 30, 88)

def gradients():
    torch.manual_seed(1)
    net = model.Net(LAYERS).to(memory_format=torch.channels_last).train()
    net(x)['onset'].square().mean().backward()
    return [p.grad for p in net.parameters()]

ours = gradients()
fused.fits_gru = lambda x, layer: False
print(max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, gradients())))
END
)
check "gradients by fused.py are not PyTorch's, by ${apart:-?}" less "${apart:-99} 1e-4"

# --- to an instrument of one's own ----------------------------------------------------------------------------

mkdir "$folder/organ"
for tune in demo line; do
    "$here/music/render.sh" "$build/tests/music/compose" $tune 16 "$folder/organ"
    rm "$folder/organ/$tune.mid"
done
before=$(heard strum 16)
# shellcheck disable=SC2086
"$python" "$train/train.py" "$folder/organ.pt" $begin --steps 240 --from "$here/../nn/weights/default.fnw" --add "$folder/organ" \
    --learning-rate 5e-4 >"$folder/log" 2>&1 || tail -n 5 "$folder/log"
"$python" "$train/export.py" "$folder/organ.pt" "$folder/organ.fnw" >/dev/null
after=$(heard strum 16 --model "$folder/organ.fnw")
echo "an organ, F-measure of a tune that was not in the training: $before before, $after after"
check "an organ is heard no better" less "$before $after"
check "a folder of recordings without notes" \
    [ "$(rm "$folder/organ"/*.csv; "$python" "$train/train.py" "$folder/x.pt" --samples x --midi x --steps 1 --add "$folder/organ" \
        2>&1 | grep -c 'expected its notes in')" -eq 1 ]

report
