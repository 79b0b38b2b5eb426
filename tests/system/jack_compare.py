# SPDX-License-Identifier: ISC
"""jack_compare.py WAV PLAYED LINES FENBY FOLDER: what fenby-jack did is what fenby does.

WAV was played by jack_player, which wrote PLAYED; fenby-jack --plain wrote LINES meanwhile. Where JACK left out
periods, for both, there is silence. Checked is that
- every event left JACK at exactly the frame for which it was scheduled, counted from when the engine began;
- fenby, given the same sound with the same silence before it, hears the same notes with the same velocities,
  and places starts and ends at the same sample;
- a note-on that was decided in time, and had not to wait for another event, was scheduled exactly the latency
  of JACK's port after its sound;
- the latency for what is played is the same as the one for what is captured;
- every note-on has one note-off after it.

Ends with the line "N passed, N failed", or with status 2 when there are failures but JACK left out a period of
fenby-jack's or of the player's, or Fenby's worker came too late: the machine was too busy.
"""
import os
import subprocess
import sys
import wave

import checks
from checks import check

TOLERANCE = 0.999  # of the events must have left at their frame


def read_played(path):
    """What jack_player wrote: ([latency captured, latency played], [(frame, status, key, velocity)], [(hole's frame, its
    length)], whether anything was too slow)."""
    latency, events, holes, busy = [None, None], [], [], False
    for line in open(path):
        words = line.split()
        if words[0] == "latency":
            latency = [int(word) for word in words[1:]]
        elif words[0] == "midi":
            events.append(tuple(int(word) for word in words[1:]))
        elif words[0] == "hole":
            holes.append((int(words[1]), int(words[2])))
        busy |= words[0] in ("hole", "xrun") or words[:2] == ["recorder", "lost"] and words[2] != "0"
    return latency, events, holes, busy


def read_lines(path):
    """What fenby-jack wrote: ([{type, key, velocity, channel, frame, sound, late}], {xruns, ...})."""
    events, figures = [], {}
    for line in open(path):
        words = line.split()
        if words[:1] in (["on"], ["off"]):
            fields = dict(zip(words[4::2], words[5::2]))
            events.append({"on": words[0] == "on", "key": int(words[2]), "velocity": int(fields["velocity"]),
                           "channel": int(fields["channel"]), "frame": int(fields["frame"]),
                           "sound": float(fields["sound"]), "late": words[-1] == "late"})
        elif line.startswith("xruns "):
            pairs = (part.rsplit(" ", 1) for part in line.strip().split(", "))
            figures = {name: int(number) for name, number in pairs}
    return events, figures


def transcribe(fenby, wav, silence, holes, folder, rate):
    """What fenby hears in the same sound after so many frames of silence: [(on, key, velocity, frame)]."""
    padded, csv = os.path.join(folder, "padded.wav"), os.path.join(folder, "padded.csv")
    with wave.open(wav) as source, wave.open(padded, "w") as target:
        target.setparams(source.getparams())
        zero = bytes(source.getsampwidth())
        sound = bytearray(source.readframes(source.getnframes()))
        for begin, n in holes:
            n = max(0, min(n, source.getnframes() - begin))
            sound[len(zero) * begin:len(zero) * (begin + n)] = zero * n
        target.writeframes(zero * silence + sound + zero * 2 * rate)
    subprocess.run([fenby, padded, "-o", os.path.join(folder, "padded.mid"), "--csv", csv, "-q"], check=True)
    events = []
    for line in open(csv).readlines()[1:]:
        onset, offset, key, velocity, _ = line.split(",")
        events.append((True, int(key), int(velocity), round(float(onset) * rate)))
        events.append((False, int(key), 0, round(float(offset) * rate)))
    return events


def check_balance(played):
    sounding, good = set(), True
    for _, status, key, _ in played:
        note, on = (status & 15, key), status >> 4 == 9
        good &= on != (note in sounding)
        (sounding.add if on else sounding.discard)(note)
    check(good and not sounding, f"note-ons and note-offs do not match, {len(sounding)} sound on")


def note_ons_in_time(events):
    """Those that were decided in time and did not have to wait for another event to leave first."""
    last = {}
    for before, e in zip([None] + events, events):
        waited = before and before["frame"] >= e["frame"] or last.get(e["key"], -2) >= e["frame"] - 1
        last[e["key"]] = e["frame"]
        if e["on"] and not e["late"] and not waited:
            yield e


def main():
    wav, played_path, lines_path, fenby, folder = sys.argv[1:6]
    with wave.open(wav) as file:
        rate, length = file.getframerate(), file.getnframes()
    (latency, latency_played), played, holes, busy = read_played(played_path)
    events, figures = read_lines(lines_path)
    busy |= figures.get("xruns", 0) > 0 or figures.get("late notes", 0) > 0

    if not played or not events:
        if busy:
            sys.exit(2)
        print(f"{len(played)} events left, {len(events)} were reported\n0 passed, 1 failed")
        return
    check(len(events) >= 20, f"only {len(events)} events")
    check(len(played) == len(events), f"{len(played)} events left, {len(events)} were reported")
    same = all((p[1], p[2]) == ((0x90 if e["on"] else 0x80) + e["channel"] - 1, e["key"]) and
               (not e["on"] or p[3] == e["velocity"]) for p, e in zip(played, events))
    check(same, "the MIDI bytes are not those of the events")
    check_balance(played)

    # Where the engine's clock began, on the player's: the same for every event.
    begins = [p[0] - e["frame"] for p, e in zip(played, events)]
    begin = max(set(begins), key=begins.count)
    exact = sum(b == begin for b in begins)
    print(f"{wav}: {len(events)} events, {exact} at their frame; {figures}, {len(holes)} holes")
    off = len(begins) - exact
    check(exact >= TOLERANCE * len(begins), f"{off} of {len(begins)} events left at another frame")

    want = transcribe(fenby, wav, -begin, holes, folder, rate)
    got = [(e["on"], e["key"], e["velocity"], round(e["sound"] * rate)) for e in events]
    end = length - begin - rate // 5  # what ends with the file ends elsewhere in silence that goes on
    want, got = (sorted(e for e in all if e[3] < end) for all in (want, got))
    missing, extra = set(want) - set(got), set(got) - set(want)
    first = sorted(missing | extra)[:6]
    check(want == got, f"{len(missing)} events are missing, {len(extra)} are too many: {first}")
    wrong = [e for e in note_ons_in_time(events) if e["frame"] != round(e["sound"] * rate) + latency]
    check(not wrong, f"{len(wrong)} note-ons lie not {latency} frames after their sound: {wrong[:2]}")
    check(latency_played == latency, f"the latency is {latency} frames captured and {latency_played} played")
    if checks.failed and busy:  # a client that is too slow is heard with an old buffer
        sys.exit(2)
    checks.report()


main()
