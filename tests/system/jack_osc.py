# SPDX-License-Identifier: ISC
"""Talks OSC to fenby-jack.

    jack_osc.py talk PORT FOLDER       every address, right and wrong; ends with /fenby/quit
    jack_osc.py listen PORT FILE       subscribes, writes the notes to FILE until the program is gone
    jack_osc.py flood PORT SECONDS     sends as many packets as it can, and sees that answers still come
    jack_osc.py modes PORT SECONDS     changes the mode over and over, prints the latency at the end
    jack_osc.py port                   prints a UDP port that is free
    jack_osc.py send PORT ADDRESS [TEXT]...   sends one message, and prints the answer
    jack_osc.py nsm FENBY_JACK FOLDER  plays a session manager: open, change, save, switch, quit, open again

Each but listen, modes, port and send ends with the line "N passed, N failed".
"""
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

import checks
from checks import check

PARAMETERS = 24  # in dsp/parameters.h


# --- packets --------------------------------------------------------------------------------------------------

def padded(text):
    data = text.encode() if isinstance(text, str) else text
    return data + bytes(4 - len(data) % 4)


def pack(path, *arguments):
    types, data = ",", b""
    for a in arguments:
        if isinstance(a, bool):
            types += "T" if a else "F"
        elif isinstance(a, int):
            types, data = types + "i", data + struct.pack(">i", a)
        elif isinstance(a, float):
            types, data = types + "f", data + struct.pack(">f", a)
        else:
            types, data = types + "s", data + padded(a)
    return padded(path) + padded(types) + data


def bundle(*packets):
    return padded("#bundle") + struct.pack(">q", 1) + b"".join(struct.pack(">i", len(p)) + p for p in packets)


def unpack(data):
    def text(at):
        end = data.index(b"\0", at)
        return data[at:end].decode(errors="replace"), at + (end - at) // 4 * 4 + 4

    path, at = text(0)
    types, at = text(at)
    arguments = []
    for t in types[1:]:
        if t == "s":
            value, at = text(at)
        else:
            size, code = {"i": (4, ">i"), "f": (4, ">f"), "h": (8, ">q"), "d": (8, ">d")}[t]
            value, at = struct.unpack(code, data[at:at + size])[0], at + size
        arguments.append(value)
    return path, arguments


class Peer:
    """One socket that talks to one address."""

    def __init__(self, port=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = ("127.0.0.1", port)
        self.port = self.socket.getsockname()[1]

    def send(self, *message):
        self.socket.sendto(message[0] if isinstance(message[0], bytes) else pack(*message), self.address)

    def receive(self, timeout=1.0):
        """The next message, or (None, [])."""
        self.socket.settimeout(timeout)
        try:
            data, self.address = self.socket.recvfrom(65536)
            return unpack(data)
        except socket.timeout:
            return None, []

    def expect(self, path, timeout=5.0):
        """The next message with this path."""
        end = time.time() + timeout
        while time.time() < end:
            got, arguments = self.receive(max(0.01, end - time.time()))
            if got == path:
                return arguments
        return None

    def ask(self, *message, timeout=5.0):
        self.send(*message)
        return self.receive(timeout)


# --- talk -----------------------------------------------------------------------------------------------------

def check_done(peer, *message):
    path, arguments = peer.ask(*message)
    check(path == "/fenby/done" and arguments == [message[0]], f"{message}: {path} {arguments}")


def check_error(peer, words, *message):
    path, arguments = peer.ask(*message)
    good = path == "/fenby/error" and arguments[0] == message[0] and words in arguments[1]
    check(good, f"{message}: {path} {arguments}, expected an error with '{words}'")


def check_answer(peer, expected, *message):
    path, arguments = peer.ask(*message)
    good = path == message[0] and len(arguments) == len(expected) and all(
        abs(a - e) < 1e-6 if isinstance(e, float) else a == e for a, e in zip(arguments, expected))
    check(good, f"{message}: {path} {arguments}, expected {expected}")


def ask_status(peer):
    path, pairs = peer.ask("/fenby/status")
    check(path == "/fenby/status", f"/fenby/status: {path} {pairs}")
    return dict(zip(pairs[::2], pairs[1::2]))


def talk_parameters(peer):
    s = "/fenby/param/sensitivity"
    check_answer(peer, [0.5], s)
    check_done(peer, s, 0.75)
    check_answer(peer, [0.75], s)
    check_done(peer, s, 1)
    check_done(peer, s, "0.25")
    check_error(peer, "out of range", s, 1.5)
    check_error(peer, "out of range", s, float("inf"))
    check_error(peer, "not a number", s, float("nan"))
    check_error(peer, "not a number", s, "much")
    check_error(peer, "one value", s, 0.1, 0.2)
    check_answer(peer, [0.25], s)
    check_done(peer, "/fenby/param/highest_key", 40)  # two settings that come one by one
    check_done(peer, "/fenby/param/lowest_key", 80)
    check_done(peer, "/fenby/param/lowest_key", 21)
    t = "/fenby/param/timing"
    check_done(peer, t, "asap")
    check_answer(peer, [1.0], t)
    check_done(peer, t, False)
    check_answer(peer, [0.0], t)
    check_error(peer, "expected tight, asap", t, "slow")
    for hz in (442.5, 415.0625, 442.53125, 440.0):
        check_done(peer, "/fenby/param/tuning", hz)
        check_answer(peer, [hz], "/fenby/param/tuning")
    check_error(peer, "whole number", "/fenby/param/transpose", 0.5)
    check_error(peer, "no such parameter", "/fenby/param/nothing", 1)
    check_error(peer, "one text", "/fenby/preset", "piano\non 60")
    check_error(peer, "one text", "/fenby/record", "\x1b[2J.mid")
    check_error(peer, "no such parameter", "/fenby/param/tuning/nothing")
    path, arguments = peer.ask("/fenby/param/tuning/info")
    check(len(arguments) == 8 and arguments[:3] == ["Tuning", "Hz", "continuous"] and
          arguments[4:7] == [415, 466, 440], f"tuning/info: {path} {arguments}")
    peer.send("/fenby/param")
    values = [peer.receive(5) for _ in range(PARAMETERS)]
    good = len({path for path, _ in values}) == PARAMETERS and all(len(a) == 1 for _, a in values)
    check(good, f"/fenby/param: {values}")


def talk_presets(peer):
    """What they set is done, too: the engine's latency falls by the hop of lookahead that tight has less."""
    before = ask_status(peer)["latency_ms"]
    check_done(peer, "/fenby/preset", "tight")
    saved = before - ask_status(peer)["latency_ms"]
    check(abs(saved - 1000 * 512 / 44100) < 0.1, f"tight: {saved} ms less than {before} ms")
    for symbol, value in (("mode", 0.0), ("release", 45.0), ("minimum_length", 30.0)):
        check_answer(peer, [value], f"/fenby/param/{symbol}")
    check_done(peer, "/fenby/param/mode", "live")
    now = ask_status(peer)["latency_ms"]
    check(now == before, f"live: {now} ms, was {before} ms")


def talk_files(peer, folder):
    check_done(peer, "/fenby/preset", "Piano")
    check_answer(peer, ["piano"], "/fenby/preset")
    check_error(peer, "", "/fenby/preset", "no such preset")
    check_error(peer, "one text", "/fenby/preset", 3)
    path, names = peer.ask("/fenby/presets")
    check("piano" in names and "default" in names, f"/fenby/presets: {names}")
    path, name = peer.ask("/fenby/model")
    check(name and name[0], f"/fenby/model: {name}")
    check_error(peer, "not a weights file", "/fenby/model", __file__)
    check_error(peer, "no regular file", "/fenby/model", "/dev/zero")
    check_error(peer, "cannot be read", "/fenby/model", "/nowhere.fnw")
    check_answer(peer, name, "/fenby/model")
    check_done(peer, "/fenby/model", "")
    first, second = os.path.join(folder, "osc1.mid"), os.path.join(folder, "osc2.mid")
    check_done(peer, "/fenby/record", first)
    check_answer(peer, [first], "/fenby/record")
    check_done(peer, "/fenby/record", second)
    check_error(peer, "is there already", "/fenby/record", first)
    check_error(peer, "is there already", "/fenby/record", second)
    check_error(peer, "No such file", "/fenby/record", os.path.join(folder, "nowhere", "osc.mid"))
    check_answer(peer, [second], "/fenby/record")
    check(open(first, "rb").read(4) == b"MThd" and os.path.getsize(first) < 1000, "the recording was not ended")
    moved = os.path.join(folder, "moved.mid")
    os.rename(second, moved)
    check_done(peer, "/fenby/record", second)
    check_answer(peer, [second], "/fenby/record")
    check(min(os.path.getsize(second), os.path.getsize(moved)) > 1 << 19, "a recording is not as it should be")
    check_done(peer, "/fenby/record", "")
    check_answer(peer, [""], "/fenby/record")
    check(os.path.getsize(second) < 1000, "the last recording was not ended")


def talk_subscriptions(peer):
    other = Peer(peer.address[1])
    check_done(peer, "/fenby/subscribe", "127.0.0.1", other.port, "parameters", "levels")
    check_done(peer, "/fenby/param/release", 100.0)
    check(other.expect("/fenby/param/release") == [100.0], "a subscriber was not told of a change")
    check(other.expect("/fenby/level") is not None, "a subscriber was not told the level")
    check_done(peer, "/fenby/unsubscribe", "127.0.0.1", other.port)
    time.sleep(0.3)
    while other.receive(0.01)[0]:
        pass
    check(other.receive(0.5)[0] is None, "something came after the subscription's end")
    check_error(peer, "expected", "/fenby/subscribe", "127.0.0.1", other.port, "everything")
    check_error(peer, "numeric address", "/fenby/subscribe", "example.org", 9)
    check_error(peer, "numeric address", "/fenby/subscribe", "127.0.0.1", 99999)
    check_error(peer, "cannot be reached", "/fenby/subscribe", "192.0.2.1", 9)
    for port in range(20000, 20016):
        peer.ask("/fenby/subscribe", "127.0.0.1", port, "notes")
    check_error(peer, "16 subscribers", "/fenby/subscribe", "127.0.0.1", 20016, "notes")


def talk(port, folder):
    peer = Peer(port)
    status = ask_status(peer)
    names = {"load", "late_events", "overruns", "level_db", "a4_hz", "xruns", "model"}
    check(status.get("running") == 1 and status["latency_ms"] > 10 and status["rate_hz"] > 8000 and
          names <= set(status), f"/fenby/status: {status}")
    talk_parameters(peer)
    talk_presets(peer)
    talk_files(peer, folder)
    talk_subscriptions(peer)
    check_done(peer, "/fenby/panic")
    check_error(peer, "no arguments", "/fenby/panic", 1)
    check_error(peer, "no such address", "/fenby/nothing")
    check_error(peer, "no such address", "/")
    peer.send(bundle(pack("/fenby/param/release", 50.0), bundle(pack("/fenby/param/release"))))
    check(peer.receive(5)[0] == "/fenby/done" and peer.receive(5)[1] == [50.0], "a bundle in a bundle")
    path, arguments = peer.ask(b"/fenby")
    check(path == "/fenby/error" and "malformed" in arguments[1], f"a cut packet: {path} {arguments}")
    check(peer.ask("/fenby/error", "/x", "y", timeout=1)[0] is None, "an error was answered")
    check(peer.ask("/fenby/done", "/x", timeout=1)[0] is None, "an answer was answered")
    check_error(peer, "no arguments", "/fenby/quit", "please")
    check_done(peer, "/fenby/quit")


def listen(port, path):
    peer = Peer(port)
    if peer.ask("/fenby/subscribe", "notes")[0] != "/fenby/done":
        return
    with open(path, "w") as file:  # that it is there says that we listen
        while True:
            got, arguments = peer.receive(60)
            if got is None:
                return
            if got == "/fenby/note":
                print(*arguments, file=file, flush=True)


def flood(port, seconds):
    generator = random.Random(1)
    peer, end, n = Peer(port), time.time() + seconds, 0
    good = pack("/fenby/param/release", 77.0)
    while time.time() < end:
        data = bytearray(good)
        for _ in range(generator.randrange(4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            peer.send(bytes(data[:generator.randrange(1, len(data) + 1)]))
        except OSError:
            pass
        n += 1
    time.sleep(1)
    while peer.receive(0.05)[0]:
        pass
    status = ask_status(peer)
    check(status.get("dropped_packets", 0) > 0, f"of {n} packets none was dropped")
    print(f"{n} packets, {status.get('dropped_packets')} dropped")


# --- session manager ------------------------------------------------------------------------------------------

def start(program, manager, *options):
    environment = dict(os.environ, NSM_URL=f"osc.udp://127.0.0.1:{manager.port}/")
    process = subprocess.Popen([program, "--plain", "--no-start-server", "--osc-port", str(osc_port()), *options],
                               env=environment, stdout=subprocess.DEVNULL)
    announced = manager.expect("/nsm/server/announce")
    check(announced and announced[0] == "fenby" and ":switch:" in announced[1] and
          announced[2:4] == ["fenby-jack", 1] and announced[5] == process.pid, f"announced as {announced}")
    manager.send("/reply", "/nsm/server/announce", "welcome", "a test", ":server-control:")
    return process


def osc_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def open_session(manager, path, name):
    manager.send("/nsm/client/open", path, "a session", name)
    reply = manager.expect("/reply")
    check(reply and reply[0] == "/nsm/client/open", f"open was answered with {reply}")
    ports = subprocess.run(["timeout", "5", "jack_lsp"], capture_output=True, text=True).stdout
    check(f"{name}:midi_out" in ports, f"there is no client {name}")


def wait_for_file(path):
    until = time.monotonic() + 5
    while time.monotonic() < until and not os.path.exists(path):
        time.sleep(0.05)
    check(os.path.exists(path), f"{path} is not there")


def save_session(manager):
    manager.send("/nsm/client/save")
    reply = manager.expect("/reply")
    check(reply and reply[0] == "/nsm/client/save", f"save was answered with {reply}")


def quit_session(process):
    process.send_signal(signal.SIGTERM)
    check(process.wait(timeout=10) == 0, "the program did not end well")


def connections(port):
    lines = subprocess.run(["timeout", "5", "jack_lsp", "-c", port], capture_output=True, text=True).stdout.split("\n")
    return [line.strip() for line in lines[1:] if line.strip()]


def nsm(program, folder):
    manager = Peer()
    first, second = os.path.join(folder, "one.nABC"), os.path.join(folder, "two.nXYZ")
    recording = os.path.join(folder, "session.mid")
    process = start(program, manager, "--record", recording)
    ports = subprocess.run(["timeout", "5", "jack_lsp"], capture_output=True, text=True).stdout
    check("midi_out" not in ports, "it joined JACK before a session was open")
    manager.send("/nsm/client/save")
    check(manager.expect("/error") is not None, "it saved without a session")
    check(not os.path.exists(recording), "it recorded before a session was open")
    open_session(manager, first, "fenby.nABC")
    wait_for_file(recording)
    subprocess.run(["jack_connect", "system:capture_1", "fenby.nABC:in"], check=True)
    check(manager.expect("/nsm/client/is_dirty") == [], "a new connection does not make it dirty")
    save_session(manager)
    check(manager.expect("/nsm/client/is_clean") == [], "saving does not make it clean")
    open_session(manager, second, "fenby.nXYZ")
    check(connections("fenby.nXYZ:in") == [], "the new session took over connections")
    save_session(manager)
    quit_session(process)
    process = start(program, manager)
    open_session(manager, first, "fenby.nABC")
    time.sleep(0.5)
    check(connections("fenby.nABC:in") == ["system:capture_1"], "the connection did not come back")
    subprocess.run(["jack_disconnect", "system:capture_1", "fenby.nABC:in"], check=True)
    check(manager.expect("/nsm/client/is_dirty") == [], "a connection that was taken off does not make it dirty")
    save_session(manager)
    with open(first + ".fenby-jack") as file:
        check("link " not in file.read(), "a connection that was taken off is remembered")
    with open(second + ".fenby-jack", "w") as file:
        file.write("nonsense\n")
    manager.send("/nsm/client/open", second, "a session", "fenby.nXYZ")
    error = manager.expect("/error")
    check(error and error[1] == -9, f"a broken session was answered with {error}")
    quit_session(process)


def modes(port, seconds):
    """Another mode every few milliseconds, and with it another latency; at last studio. Prints its frames."""
    peer, end, n = Peer(port), time.time() + seconds, 0
    while time.time() < end or n % 3:
        peer.send("/fenby/param/mode", ("tight", "live", "studio")[n % 3])
        time.sleep(0.004)
        n += 1
    time.sleep(0.5)
    status = Peer(port).ask("/fenby/status")[1]
    print(status[status.index("latency_frames") + 1])


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "port":
        return print(osc_port())
    if what == "send":
        return print(*Peer(int(arguments[0])).ask(*arguments[1:]))
    if what == "modes":
        return modes(int(arguments[0]), float(arguments[1]))
    if what == "listen":
        return listen(int(arguments[0]), arguments[1])
    if what == "talk":
        talk(int(arguments[0]), arguments[1])
    if what == "flood":
        flood(int(arguments[0]), float(arguments[1]))
    if what == "nsm":
        nsm(*arguments)
    checks.report()


main()
