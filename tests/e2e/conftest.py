# SPDX-License-Identifier: BSD-3-Clause
"""Running kickcall from outside, with deadlines, and seeing that it leaves nothing behind.

BUILD in the environment names the build folder (default: build).
"""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
PROGRAM = str(BUILD / "kickcall")
REF_SERVER = str(BUILD / "tests" / "ref_server")
BACKENDS = Path(__file__).resolve().parent / "backends"
DEADLINE = 30           # seconds; no run of these tests may take longer

# Names of verdicts, as the JSON report's summary has them.
VERDICTS = ["pass", "fail", "warn", "inconclusive", "skip", "known", "xpass", "error"]

PASSES = """title    one request is used
clause   VQ-SPLIT-USED-02

queue 0  split size 4
driver   request, kick
expect   1 used
"""
# Two used entries for one request: no back-end can do that.
FAILS = PASSES.replace("expect   1 used", "expect   2 used")
# The same, accused by a clause that only recommends.
WARNS = FAILS.replace("2 used", "2 used [VQ-SPLIT-UNS-DEV-06]").replace(
    "clause   VQ-SPLIT-USED-02", "clause   VQ-SPLIT-USED-02, VQ-SPLIT-UNS-DEV-06")
SKIPS = PASSES.replace("\n\nqueue", "\nneeds    no-REPLY_ACK\n\nqueue")
STOPS = """title    a ring that never ran stops where it was
clause   VU-MSG-GETBASE-01

queue 0  split size 4
vmm      stop 0
expect   base 0
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "long: needs a run of the whole suite; looks at no clock")


def pytest_collection_modifyitems(items):
    for item in items:
        if "whole_suite" in item.fixturenames:
            item.add_marker("long")



def wait_until(what, seconds, look):
    """Looks again and again until look() is true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        select.select([], [], [], 0.005)


def heed_a_hang_up():
    """Under nohup(1) the tests have it ignored, and would pass that on."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def backend(name, *args):
    """The words that start one of the bad back-ends."""
    return ["--", sys.executable, str(BACKENDS / f"{name}.py"), *map(str, args), "{socket}"]


class Run:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    @property
    def report(self):
        return json.loads(self.out)

    @property
    def only(self):
        """The one test of a report that has one."""
        tests = self.report["tests"]
        assert len(tests) == 1, tests
        return tests[0]


class Kickcall:
    """Runs the program with a TMPDIR of its own and a mark in the environment, which every process
    that it starts inherits."""

    def __init__(self, folder):
        self.folder = folder
        self.tmp = folder / "t"
        self.tmp.mkdir()
        self.mark = f"KICKCALL_E2E={uuid.uuid4().hex}"
        self.started = []

    def env(self, **more):
        name, value = self.mark.split("=")
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "BUILD")}
        return {**env, "TMPDIR": str(self.tmp), name: value, **more}

    def start(self, *args, stdout=subprocess.PIPE, cwd=ROOT, before=None, program=(PROGRAM,), **env):
        p = subprocess.Popen([*map(str, program), *map(str, args)], stdin=subprocess.DEVNULL, stdout=stdout,
                             stderr=subprocess.PIPE, text=True, cwd=cwd, env=self.env(**env),
                             start_new_session=True, preexec_fn=before or heed_a_hang_up)
        self.started.append(p)
        return p

    def __call__(self, *args, deadline=DEADLINE, **kw):
        begin = time.monotonic()
        p = self.start(*args, **kw)
        out, err = p.communicate(timeout=deadline)
        return Run(p.returncode, out, err, time.monotonic() - begin)

    def report(self, *args, **kw):
        """The same, with a JSON report on stdout."""
        options = list(args)
        at = options.index("--") if "--" in options else len(options)
        options[at:at] = ["--format", "json"]
        return self(*options, **kw)

    def shell(self, line, deadline=DEADLINE, cwd=ROOT):
        begin = time.monotonic()
        p = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, cwd=cwd, env=self.env(), timeout=deadline)
        return Run(p.returncode, p.stdout, p.stderr, time.monotonic() - begin)

    def in_terminal(self, *args, keys=None, deadline=DEADLINE, **env):
        """Runs it in a terminal of its own; keys: (text to wait for, what to type then)."""
        pid, master = pty.fork()
        if not pid:
            os.chdir(ROOT)
            os.execve(PROGRAM, [PROGRAM, *map(str, args)], self.env(**{"TERM": "xterm", **env}))
        end, text = time.monotonic() + deadline, b""
        try:
            while True:
                left = end - time.monotonic()
                assert left > 0 and select.select([master], [], [], left)[0], text
                try:
                    chunk = os.read(master, 65536)
                except OSError:         # EIO: the other end is closed
                    chunk = b""
                if not chunk:
                    break
                text += chunk
                if keys and keys[0].encode() in text:
                    os.write(master, keys[1].encode())
                    keys = None
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(master)
        return Run(status, text.decode(errors="replace"), "", 0)

    def script(self, text, name="one"):
        path = self.folder / f"{name}.kick"
        path.write_text(text)
        return path

    def processes(self):
        """Of all that bear the mark: {pid: command line}."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found[int(entry.name)] = " ".join(w.decode(errors="replace") for w in words)
            except OSError:
                pass
        return found

    def check_nothing_left(self, but=()):
        wait_until("processes left behind are gone", 2,
                   lambda: not [p for p in self.processes() if p not in but])
        assert sorted(p.name for p in self.tmp.iterdir()) == []

    def kill_all(self):
        for p in self.started:
            if p.poll() is None:
                p.kill()
                p.communicate()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def kc(tmp_path):
    """kickcall, and the check after each test that it has cleaned up."""
    tool = Kickcall(tmp_path)
    try:
        yield tool
        tool.check_nothing_left()
    finally:
        tool.kill_all()


@pytest.fixture(scope="session")
def whole_suite(tmp_path_factory):
    """One run on the reference, in the simulator, of everything but what goes on for thousands of
    requests: its report, its trace, and the options that it had."""
    folder = tmp_path_factory.mktemp("whole")
    tool = Kickcall(folder)
    options = ["--except=exhaustion", "--except=rings/wrap", "--seed", 1]
    run = tool.report("conform", *options, "--trace", folder / "trace", deadline=600)
    assert run.status in (0, 1), run.err
    tool.check_nothing_left()
    run.options, run.trace = options, (folder / "trace").read_bytes()
    return run


@pytest.fixture
def serve(tmp_path):
    """Starts a command behind a socket, as somebody else would: serve(words) -> (path, process)."""
    started = []

    def start(words, name="a.sock", wait=True):
        path = tmp_path / name
        p = subprocess.Popen([*map(str, words), str(path)], stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
        started.append(p)
        if wait:
            wait_until("the back-end's socket", 5, path.exists)
        return path, p

    yield start
    for p in started:
        p.kill()
        p.communicate()


@pytest.fixture
def ref_server(serve):
    """The same for the reference: ref_server("--device", "blk") -> (path, process)."""
    return lambda *options, **kw: serve([REF_SERVER, *options], **kw)
