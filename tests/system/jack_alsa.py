# SPDX-License-Identifier: ISC
"""jack_alsa.py CONSOLE: checks what the machine of jack_alsa.sh printed. Ends with "N passed, N failed"."""
import sys

import checks
from checks import check

ALL_NOTES_OFF = [(0xB0 + channel, 123, 0) for channel in range(16)]


def sections(path):
    """The files that were shown, by name, as lists of lines; what came before the first is under ""."""
    files, name = {"": []}, ""
    for line in open(path, errors="replace"):
        line = line.strip("\r\n")
        if line.startswith("=== "):
            name = line[4:]
            files[name] = []
        else:
            files[name].append(line)
    return files


def sent(lines):
    """(status byte, key, velocity or 64) of every note that fenby-jack reported."""
    notes = []
    for line in lines:
        words = line.split()
        if words[:1] in (["on"], ["off"]):
            on, key, velocity, channel = words[0] == "on", int(words[2]), int(words[5]), int(words[7])
            notes.append((0x90 + channel - 1, key, velocity) if on else (0x80 + channel - 1, key, 64))
    return notes


def messages(data):
    """Three-byte messages, with or without running status."""
    status, rest, found = 0, [], []
    for byte in data:
        if byte >= 0xF0:
            continue
        if byte & 0x80:
            status, rest = byte, []
            continue
        rest.append(byte)
        if len(rest) == 2:
            found.append((status, *rest))
            rest = []
    return found


def balance(events):
    """True when every note-on has its note-off."""
    sounding = set()
    for status, key, _ in events:
        if status >> 4 == 9 and key not in sounding:
            sounding.add(key)
        elif status >> 4 == 8 and key in sounding:
            sounding.remove(key)
        else:
            return False
    return not sounding


def by_key(events):
    """Each key's events in their order: between keys, those of the same millisecond may change places."""
    keys = {}
    for event in events:
        keys.setdefault(event[1], []).append(event)
    return keys


def dumped(lines):
    """The notes that aseqdump saw."""
    found = []
    for line in lines:
        words = line.replace(",", "").split()
        if "Note" not in words:
            continue
        on = words[words.index("Note") + 1] == "on"
        channel, key = int(words[-5 if "velocity" in words else -3]), int(words[words.index("note") + 1])
        found.append((0x90 + channel if on else 0x80 + channel, key, 0))
    return found


def main():
    files = sections(sys.argv[1])
    if "end" not in files:
        print("\n".join(line for lines in files.values() for line in lines[-15:]))
        check(False, "the machine did not come to its end")
        return
    notes = sent(files["lines"])
    arrived = messages([int(line) for line in files["bytes"] if line.isdigit()])
    print(f"{len(notes)} events sent, {len(arrived)} arrived; {files['lines'][-1]}")
    check(any("VirMIDI" in line for line in files["devices"]), f"no virtual cable: {files['devices']}")
    check("status 0" in files["devices"], "fenby-jack did not end well")
    check(len(notes) >= 8, "few notes were sent")
    check(arrived[-16:] == ALL_NOTES_OFF, f"not all notes off on each channel at the end: {arrived[-16:]}")
    arrived = arrived[:-16]
    check(by_key(arrived) == by_key(notes), "the bytes that arrived are not those that were sent")
    check(balance(arrived), "note-ons and note-offs do not match")

    said = "\n".join(files["errors2"] + files["lines2"])
    check("is gone" in said, "the device that vanished was not missed")
    check("is back" in said, "the device was not taken up again")
    check("status2 0" in files["devices"], "fenby-jack did not end well after that")
    check(len(dumped(files["dump1"])) >= 1, "no notes before the device went")
    after = dumped(files["dump2"])
    check(len(after) >= 8, f"{len(after)} events after the device came back")
    check(balance(after), "the device that came back was left with notes that sound")


main()
checks.report()
sys.exit(checks.failed != 0)
