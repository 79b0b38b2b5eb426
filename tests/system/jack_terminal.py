# SPDX-License-Identifier: ISC
"""Runs fenby-jack, which waits for a JACK server, on terminals that take no more output.

    jack_terminal.py FENBY_JACK OSC_PORT OSC_PORT OSC_PORT

Ends with the line "N passed, N failed".
"""
import concurrent.futures
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import checks
from checks import check

PIPE_BYTES = 4096
IFLAG, LFLAG = 0, 3


class Terminal:
    """fenby-jack on a terminal of its own, whose keyboard and screen we are."""

    def __init__(self, program, *options, goes_on=False):
        self.goes_on = goes_on
        self.ours, self.its = pty.openpty()
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.its)
        self.process = subprocess.Popen([program, "--wait", *options], stdin=self.its, stdout=self.its,
                                        stderr=subprocess.PIPE, start_new_session=True, preexec_fn=self.take)

    def take(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if self.goes_on:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def read(self, seconds):
        """What is shown meanwhile."""
        data, end = b"", time.time() + seconds
        while time.time() < end:
            if select.select([self.ours], [], [], max(0, end - time.time()))[0]:
                data += os.read(self.ours, 65536)
        return data

    def fill(self):
        screen, tries = os.open(os.ttyname(self.its), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY), 0
        while tries < 20:
            try:
                os.write(screen, b"x" * 100)
            except BlockingIOError:
                tries += 1
                time.sleep(0.05)

    def end(self, what, sent, seconds):
        began = time.time()
        self.process.send_signal(sent)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = None
        took = time.time() - began
        check(status == 0 and took < seconds, f"{what}: ended with {status} after {took:.1f} s")
        after = termios.tcgetattr(self.its)
        check(after[IFLAG] == self.before[IFLAG] and after[LFLAG] == self.before[LFLAG],
              f"{what}: the terminal's settings are {after[:4]}, were {self.before[:4]}")


def answers(port):
    line = subprocess.run([sys.executable, "tests/system/jack_osc.py", "send", port, "/fenby/panic"],
                          capture_output=True, text=True).stdout
    return line.startswith("/fenby/done")


def calm(program):
    """Names that would tell the terminal what to do do not."""
    with tempfile.TemporaryDirectory() as folder:
        preset, recording = (os.path.join(folder, name) for name in ("odd\033preset.ttl", "odd\nre\033cording.mid"))
        shutil.copy("presets/guitar.ttl", preset)
        calm_as(Terminal(program, "--osc-port", "off", "--name", "odd\033name", "--preset", preset, "--record", recording))


def calm_as(terminal):
    shown = terminal.read(1.5)
    check(b"\033[?1049h" in shown, "calm: no screen")
    check(all(name in shown for name in (b"odd name", b"odd preset", b"odd re cording")), f"odd names: {shown[:1500]}")
    os.write(terminal.ours, b"\x13")  # Ctrl-S
    terminal.read(0.5)
    n = len(terminal.read(1))
    check(n > 1000, f"Ctrl-S: then {n} bytes a second are shown")
    terminal.end("Ctrl-S", signal.SIGTERM, 3)
    check(terminal.read(0.5).endswith(b"\033[?1049l"), "Ctrl-S: the screen is not given back")


def gone(program):
    """The terminal ends, and the program was told to go on."""
    terminal = Terminal(program, "--osc-port", "off", goes_on=True)
    terminal.read(1)
    os.close(terminal.ours)
    os.close(terminal.its)
    time.sleep(0.5)
    before, began = processor_s(terminal.process.pid), time.time()
    time.sleep(2)
    part = (processor_s(terminal.process.pid) - before) / (time.time() - began)
    check(part < 0.3, f"gone: without a terminal it takes {100 * part:.0f} % of a processor")
    terminal.process.send_signal(signal.SIGTERM)
    check(terminal.process.wait(20) == 0, f"gone: ended with {terminal.process.returncode}")


def processor_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def full(program, port):
    """Nobody reads what is shown, as after a connection's end, until there is no more room."""
    terminal = Terminal(program, "--osc-port", port)
    time.sleep(1)
    terminal.fill()
    check(answers(port), "full: remote control does not answer")
    terminal.end("full", signal.SIGTERM, 3)


def later(program, port):
    """A terminal that takes more again shows what is now."""
    terminal = Terminal(program, "--osc-port", port)
    terminal.read(1)
    terminal.fill()
    time.sleep(0.5)
    subprocess.run([sys.executable, "tests/system/jack_osc.py", "send", port, "/fenby/preset", "guitar"],
                   capture_output=True)
    shown = terminal.read(2)
    last = shown[shown.rfind(b"\033[H"):]
    check(b"guitar" in shown and b"guitar" in last, f"later: the last frame is {last[:200]}")
    terminal.end("later", signal.SIGINT, 3)


def lines(program, port):
    """A pipe that is full, of which errors are told, too, and that is read later."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writer, bytes(PIPE_BYTES))
    process = subprocess.Popen([program, "--wait", "--osc-port", port, "--state", "/nowhere/state"], stdout=writer,
                               stderr=writer)
    time.sleep(1)
    check(answers(port), "lines: remote control does not answer")
    os.read(reader, PIPE_BYTES)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        status = None
    said = os.read(reader, PIPE_BYTES).decode()
    check(status == 1 and said.startswith("OSC on ") and said.endswith("/nowhere/state: cannot be written: "
          "No such file or directory\n"), f"lines: ended with {status}: {said}")


def main():
    """They mostly wait, so all at a time."""
    program, *ports = sys.argv[1:]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = [pool.submit(calm, program), pool.submit(gone, program), pool.submit(full, program, ports[0]),
                pool.submit(later, program, ports[1]), pool.submit(lines, program, ports[2])]
    for test in done:
        test.result()
    checks.report()


main()
