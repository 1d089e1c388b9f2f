# SPDX-License-Identifier: BSD-3-Clause
"""A back-end whose port is a tap interface, and kickcall at its other end. Each run has a network namespace
of its own, so that anybody may make interfaces, and nothing of the machine's is touched."""
import os
import subprocess

import pytest
from conftest import BUILD, PROGRAM, REF_SERVER, ROOT
from test_mutants import run as mutants

ALONE = ["unshare", "-rn"]
TAP = "kick0"
ON_TAP = ["--device", "net", "--data", f"tap:{TAP}"]
FRAME = "net/tx/a-frame-comes-back-as-it-was"
# Without a hello: a frame that is sent comes back, and no other.
ONE = """title    a frame comes back
clause   NET-HDR-01
needs    data-loop
device   net

queue 0  split size 16
queue 1  split size 16
driver   0 2 requests, kick
driver   1 request data 100, kick
expect   queue 1 1 used
expect   queue 0 1 used
"""


def tun_is_there():
    return os.access("/dev/net/tun", os.R_OK | os.W_OK) and not subprocess.run(
        [*ALONE, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode


pytestmark = pytest.mark.skipif(not tun_is_there(),
                                reason="user namespaces or /dev/net/tun are forbidden here")


def conform(kc, *args):
    return kc.report("conform", *args, program=[*ALONE, PROGRAM])


def select(*ids):
    return [f"--select={i}" for i in ids]


def all_passed(run, at_least):
    summary = run.report["summary"]
    assert run.status == 0, run.err
    assert summary["pass"] == len(run.report["tests"]) >= at_least, summary


def test_what_is_sent_comes_back_through_the_machine(kc):
    run = conform(kc, *ON_TAP, *select(FRAME, "net/tx/frames-in-a-batch", "net/tx/a-tag-is-part",
                                       "net/rx/used-len", "net/rx/a-driver-sleeps"))
    all_passed(run, 25)
    assert run.report["backend"]["spec"] == "ref" and run.report["mode"] == "live"


def test_pairs_filters_and_rings_of_any_device(kc):
    all_passed(conform(kc, *ON_TAP, *select(
        "net/control/each-pair", "net/control/frames-for-others", "net/mergeable/several-packets",
        "rings/basic/one-request-completes")), 8)


def test_frames_that_are_told_not_to_come_do_not(kc):
    all_passed(conform(kc, *ON_TAP, *select("net/mq/a-disabled-pair-sends-to-nobody",
                                            "net/control/after-a-start-one-pair")), 3)


def test_a_tap_has_one_owner_at_a_time(kc):
    """A process that is shared gives the tap to those that tests have of their own, and back; one that is
    killed leaves it to the next."""
    kc.script(ONE, "a")
    kc.script(ONE.replace("data-loop", "data-loop, hostile"), "b")
    kc.script(ONE, "c")
    body = ONE[ONE.index("queue 0"):]
    kc.script(ONE.replace("data-loop", "data-loop, restart") + "vmm kill\nvmm session\n" + body, "d")
    kc.script(ONE, "e")
    all_passed(kc.report("run", kc.folder, *ON_TAP, "--", REF_SERVER, "--device=net", f"--tap={TAP}",
                         "{socket}", program=[*ALONE, PROGRAM]), 5)


# --- A port that is broken ----------------------------------------------------------------------------

BUGS = {
    "garbled": ("		memcpy(f->bytes, buf, (size_t)n);\n",
                "		memcpy(f->bytes, buf, (size_t)n);\n		f->bytes[n - 1] ^= 1;\n"),
    "twice": ("	if (write(l->fd, f->bytes, f->len) < 0)\n",
              "	if (write(l->fd, f->bytes, f->len) < 0 || write(l->fd, f->bytes, f->len) < 0)\n"),
    "lost": ("	if (write(l->fd, f->bytes, f->len) < 0)\n", "	if (f->len)\n"),
}


@pytest.fixture
def broken(tmp_path):
    """kickcall with a bug in the reference's link, as tests/mutants/run.py builds it."""
    def build(name):
        old, new = BUGS[name]
        path = tmp_path / f"{name}.mutant"
        path.write_text(f"title a\nfrom a\nclause NET-HDR-01\ncaught-by {FRAME}\ndevice net\n"
                        f"file backend/reference/ref_link.c\n--- replace\n{old}--- with\n{new}")
        folder = tmp_path / name
        return mutants.build(mutants.parse(path), mutants.Build(os.path.relpath(BUILD, ROOT)), folder)
    return build


@pytest.mark.parametrize("bug,said", [
    ("garbled", "byte 99 of the frame: expected"),
    ("twice", "a frame came back that has come back before"),
])
def test_a_port_that_spoils_frames_is_accused(kc, broken, bug, said):
    script = kc.script(ONE.replace("expect   queue 0 1 used", "driver   0 wait 2 used") if bug == "twice"
                       else ONE)
    run = kc.report("run", script, *ON_TAP, program=[*ALONE, broken(bug)])
    assert run.status == 1 and run.only["verdict"] == "fail"
    assert said in run.only["message"]
    assert [v["clause"] for v in run.only["violations"]] == ["NET-HDR-01"]


def test_a_port_that_loses_frames_passes_nothing(kc, broken):
    """Frames may be lost, so that proves no fault; but it is no pass either."""
    run = kc.report("run", kc.script(ONE), *ON_TAP, "--timeout-ms=200", program=[*ALONE, broken("lost")])
    assert run.only["verdict"] == "inconclusive" and "has not come" in run.only["reason"]


# --- What is missing is told before any test -----------------------------------------------------------

def trouble(run, status, *said):
    assert run.status == status and run.err.count("\n") == 1, run.err
    for text in said:
        assert text in run.err


def test_the_simulator_has_no_tap(kc):
    trouble(kc("conform", *ON_TAP, "--mode", "sim"), 2, "--mode sim has no machine with a tap")


def test_a_name_that_is_taken(kc):
    run = kc("conform", "--device=net", "--data=tap:lo", program=[*ALONE, PROGRAM])
    trouble(run, 3, "lo is an interface already")


def test_without_the_right_to_see_frames(kc):
    run = kc("conform", *ON_TAP, program=[*ALONE, "setpriv", "--bounding-set=-net_raw", PROGRAM])
    trouble(run, 3, "CAP_NET_RAW", "unshare -rn")


def test_without_the_right_to_make_a_tap(kc):
    run = kc("conform", *ON_TAP, program=[*ALONE, "setpriv", "--bounding-set=-net_admin", PROGRAM])
    trouble(run, 3, "CAP_NET_ADMIN", "unshare -rn")


def test_a_back_end_that_makes_no_tap(kc):
    run = kc("conform", *ON_TAP, "--timeout-scale=0.02", "--", REF_SERVER, "--device=net", "{socket}",
             program=[*ALONE, PROGRAM])
    trouble(run, 3, f"there is no interface {TAP} that is up")
