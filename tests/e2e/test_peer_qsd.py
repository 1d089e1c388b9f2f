# SPDX-License-Identifier: BSD-3-Clause
"""A back-end that nobody here has written: QEMU's storage daemon."""
import json
import os
import shutil
import signal

import pytest
from conftest import PASSES, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("qemu-storage-daemon"),
                                reason="qemu-storage-daemon is not installed")
PROFILE = ["--profile", "qemu-storage-daemon"]
BUSY = PASSES.replace("driver   request, kick\nexpect   1 used\n",
                      "repeat   1000000\ndriver   request, kick, wait used\nend\n")


def daemons(kc):
    return [pid for pid, words in kc.processes().items() if words.startswith("qemu-storage-daemon")]


def maps_guest_memory(pid):
    try:
        with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
            return "memfd:" in maps.read()
    except OSError:
        return False


def test_some_of_the_suite(kc):
    run = kc.report("conform", *PROFILE, "--select", "rings/basic", "--select", "split/event-idx")
    summary = run.report["summary"]
    assert run.status == 0 and summary["pass"] >= 5
    assert summary["error"] == summary["inconclusive"] == 0
    assert run.report["backend"]["spec"] == "profile:qemu-storage-daemon"
    assert run.report["backend"]["queues"] == 2


def test_probe_decodes(kc):
    seen = json.loads(kc("probe", *PROFILE, "--format", "json").out)
    assert seen["device"] == "blk" and seen["queues"] == 2
    features, protocol = int(seen["features"], 16), int(seen["protocol_features"], 16)
    for bit in (28, 29, 30, 32):        # indirect, event_idx, protocol features, version 1
        assert features >> bit & 1
    for bit in (0, 3, 9):               # MQ, REPLY_ACK, CONFIG
        assert protocol >> bit & 1
    config = bytes.fromhex(seen["config"])
    assert int.from_bytes(config[:8], "little") == 16 * 2048    # the profile's 16 MiB
    text = kc("probe", *PROFILE).out
    for word in ("event_idx", "REPLY_ACK", "capacity", "32768"):
        assert word in text


def logs(kept):
    return len(list(kept.rglob("backend-*.log")))


def test_harmless_tests_share_a_process_and_harmful_ones_do_not(kc):
    for name in "abc":
        kc.script(PASSES, name)
    kept = kc.folder / "shared"
    assert kc("run", kc.folder, "--jobs", 1, "--keep", kept, *PROFILE).status == 0
    assert logs(kept) == 1
    for name in "abc":
        kc.script(PASSES.replace("\n\nqueue", "\nneeds    hostile\n\nqueue"), name)
    kept = kc.folder / "fresh"
    assert kc("run", kc.folder, "--jobs", 1, "--keep", kept, *PROFILE).status == 0
    assert logs(kept) == 4              # the first look is at one of its own


def kill_in_the_middle(kc, p):
    def busy_daemon():
        return next((pid for pid in daemons(kc) if maps_guest_memory(pid)), None)

    os.kill(wait_until("a daemon that serves rings", 10, busy_daemon), signal.SIGKILL)


def test_killed_in_the_middle_with_a_process_of_its_own(kc):
    path = kc.script(BUSY.replace("\n\nqueue", "\nneeds    hostile\n\nqueue"))
    p = kc.start("run", path, "--format", "json", *PROFILE)
    kill_in_the_middle(kc, p)
    test = json.loads(p.communicate(timeout=20)[0])["tests"][0]
    assert p.returncode == 1 and test["verdict"] == "fail" and "SIGKILL" in test["message"]


def test_killed_in_the_middle_while_shared_is_looked_at_again(kc):
    # Short enough to be played to its end on the fresh process.
    path = kc.script(BUSY.replace("1000000", "30000"))
    p = kc.start("run", path, "--format", "json", *PROFILE)
    kill_in_the_middle(kc, p)
    test = json.loads(p.communicate(timeout=30)[0])["tests"][0]
    assert test["verdict"] == "inconclusive"
    assert "passes on a fresh one" in test["reason"] and "KILL" in test["reason"]


def test_killed_between_tests_is_started_anew(kc):
    kc.script(PASSES, "a")
    kc.script(BUSY.replace("1000000", "20"), "b")
    run = kc.report("run", kc.folder, "--jobs", 1, *PROFILE)
    assert run.status == 0 and run.report["summary"]["pass"] == 2
