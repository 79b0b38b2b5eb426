#!/bin/bash
# SPDX-License-Identifier: ISC
# peers.sh: CPU seconds for each second of the same minute of music, one after the other in one run: the whole chain of
# fenby, aubionotes, and Basic Pitch's network where it is installed. Ratios are to fenby in its default mode.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3}
folder=$BUILD/peers
tests/music/render.sh "$BUILD/tests/music/compose" demo 0 "$folder"
sox "$folder/demo.wav" -c 1 "$folder/minute.wav" repeat 20 trim 0 60
seconds=60
own=

cpu_of() {  # COMMAND...: its user and system seconds
    TIMEFORMAT='%U %S'
    { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'
}

report() {  # NAME SECONDS
    own=${own:-$2}
    awk -v name="$1" -v cpu="$2" -v own="$own" -v seconds=$seconds \
        'BEGIN { printf "%-44s %.4f   x %.2f\n", name, cpu / seconds, cpu / own }'
}

printf '%-44s %s\n' "CPU seconds for a second of audio" "factor   to fenby"
for mode in live tight studio; do
    report "fenby, mode $mode, start-up and file included" \
        "$(cpu_of "$BUILD/fenby" --quiet --set mode=$mode "$folder/minute.wav" -o "$folder/$mode.mid")"
done
if command -v aubionotes >/dev/null; then
    report "aubionotes, monophonic" "$(cpu_of aubionotes -i "$folder/minute.wav")"
else
    echo "aubionotes: not installed (aubio-tools), not measured"
fi
if cpu=$("$python" tests/bench/basic_pitch.py $seconds); then
    report "Basic Pitch, its network alone, ONNX Runtime" "$cpu"
else
    echo "Basic Pitch: not measured, \"pip install onnxruntime && pip install --no-deps basic-pitch\" brings it" \
         "(for the python that PYTHON names)"
fi
