# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C, or a hang-up, ends a run cleanly, wherever it is. The kc fixture sees that nothing is left."""
import json
import os
import signal
import sys
import time

import pytest
from conftest import BACKENDS, PASSES, STOPS, backend, wait_until

ANSWERS = "title    it answers\nclause   VU-MSG-GETFEATURES-01\n\nexpect   alive\n"
SOON = 5


def interrupt(p, signo=signal.SIGINT):
    begin = time.monotonic()
    p.send_signal(signo)
    out, err = p.communicate(timeout=SOON + 10)
    assert time.monotonic() - begin < SOON
    return out, err


def wait_for_line(p, word):
    for line in p.stderr:
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}")


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_during_a_test_that_hangs(kc, signo):
    kc.script(ANSWERS, "a")
    kc.script(STOPS, "b")
    path = kc.folder / "report.json"
    p = kc.start("run", kc.folder, "-v", "--jobs", 1, "--timeout-ms", 20000, "--format", "json",
                 "--output", path, *backend("hung", 11))
    wait_for_line(p, "pass")
    interrupt(p, signo)
    report = json.loads(path.read_text())
    assert report["complete"] is False
    assert [t["verdict"] for t in report["tests"]] == ["pass"]
    assert report["summary"]["pass"] == 1
    assert p.returncode == 3


def test_text_says_that_it_was_stopped(kc):
    kc.script(ANSWERS, "a")
    kc.script(STOPS, "b")
    p = kc.start("run", kc.folder, "-v", "--jobs", 1, "--timeout-ms", 20000, *backend("hung", 11))
    wait_for_line(p, "pass")
    out, _ = interrupt(p)
    assert "stopped before all tests had run" in out and "1 pass" in out


def test_in_the_simulator(kc):
    many = PASSES.replace("\n\nqueue", "\nvary     n = " + " ".join(map(str, range(80))) +
                          ", m = 1 2 3 4 5 6 7 8 9 10\n\nqueue")
    p = kc.start("run", kc.script(many), "-v", "--format", "json")
    wait_for_line(p, "pass")
    out, _ = interrupt(p)
    report = json.loads(out)
    assert report["complete"] is False and 0 < len(report["tests"]) < 800


def test_under_nohup_a_hang_up_is_nothing(kc):
    kc.script(ANSWERS, "a")
    kc.script(STOPS, "b")
    # The second test waits for an answer until its deadline: long enough to be hung up on.
    p = kc.start("run", kc.folder, "-v", "--jobs", 1, "--timeout-ms", 30, "--format", "json",
                 *backend("hung", 11), before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for_line(p, "pass")
    p.send_signal(signal.SIGHUP)
    report = json.loads(p.communicate(timeout=SOON + 10)[0])
    assert report["complete"] is True and p.returncode == 0
    assert [t["verdict"] for t in report["tests"]] == ["pass", "inconclusive"]


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("command", ["run", "probe"])
@pytest.mark.parametrize("name, args", [("mute", ()), ("hung", (1,))])
def test_while_a_back_end_does_not_come_up(kc, command, name, args, signo):
    scripts = [kc.script(PASSES)] if command == "run" else []
    p = kc.start(command, *scripts, *backend(name, *args))
    wait_until("the back-end runs", 5,
               lambda: any(f"{name}.py" in c and "kickcall" not in c.split()[0]
                           for c in kc.processes().values()))
    interrupt(p, signo)
    assert p.returncode == 3


def test_while_nobody_connects(kc):
    path = kc.folder / "s"
    p = kc.start("run", kc.script(PASSES), "--backend", f"vhost-user-server:{path}")
    wait_until("the socket", 5, path.exists)
    interrupt(p)
    assert not path.exists()


def test_a_back_end_of_others_survives(kc, ref_server):
    path, server = ref_server()
    busy = PASSES.replace("driver   request, kick\nexpect   1 used\n",
                          "repeat   100000\ndriver   request, kick, wait used\nend\n")
    p = kc.start("run", kc.script(ANSWERS, "a"), kc.script(busy, "b"), "-v", "--backend",
                 f"vhost-user:{path}")
    wait_for_line(p, "pass")
    interrupt(p)
    assert server.poll() is None
    assert kc("probe", "--backend", f"vhost-user:{path}").status == 0


def test_in_a_terminal_as_a_person_does_it(kc):
    """The whole foreground group gets the signal, back-ends and all; they are not blamed."""
    kc.script(ANSWERS, "a")
    kc.script(STOPS, "b")
    run = kc.in_terminal("run", kc.folder, "-v", "--jobs", 1, "--timeout-ms", 20000, "--",
                         sys.executable, BACKENDS / "hung.py", 11, "{socket}",
                         keys=("pass", "\x03"))
    assert run.status == 3 and "fail" not in run.out.replace("0 fail", "")


def test_a_terminal_that_hangs_up(kc):
    """The whole foreground group gets the signal here too; the report goes to a file."""
    kc.script(ANSWERS, "a")
    kc.script(STOPS, "b")
    path = kc.folder / "report.json"
    p = kc.start("run", kc.folder, "-v", "--jobs", 1, "--timeout-ms", 20000, "--format", "json",
                 "--output", path, *backend("hung", 11))
    wait_for_line(p, "pass")
    os.killpg(p.pid, signal.SIGHUP)
    p.communicate(timeout=SOON + 10)
    report = json.loads(path.read_text())
    assert report["complete"] is False and p.returncode == 3
    assert [t["verdict"] for t in report["tests"]] == ["pass"]
