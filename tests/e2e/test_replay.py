# SPDX-License-Identifier: BSD-3-Clause
"""A failure comes back when its replay line is pasted into a shell; a seed gives the same trace."""
import re
import shlex

import pytest
from conftest import FAILS, PASSES, STOPS, backend


def comes_back(kc, *words, word_for_word=True):
    first = kc.report(*words)
    test = first.only
    assert test["verdict"] in ("fail", "inconclusive") and test["replay"]
    again = kc.shell(test["replay"])
    assert again.status == first.status
    heading = {"fail": "FAIL", "inconclusive": "inconclusive"}[test["verdict"]]
    assert re.search(rf"^{heading}\b", again.out, re.M)
    said = test["message"] or test["reason"]
    if word_for_word:           # but for line breaks
        assert " ".join(said.split()) in " ".join(again.out.split())
    return test["replay"]


def test_in_the_simulator(kc):
    line = comes_back(kc, "run", kc.script(FAILS), "--seed", 77)
    assert "--seed 77" in line


def test_with_every_option_that_matters(kc):
    path = kc.script(FAILS.replace("\n\nqueue", "\nvary     size = 4 8, n = 1 2\n\nqueue").replace(
        "size 4", "size $size"), "a name with 'quotes' and $signs")
    line = comes_back(kc, "run", path, "--variant", "size=8,n=2", "--device", "loopback", "--mode",
                      "sim", "--timeout-ms", 500, "--timeout-scale", 2, "--strict")
    words = shlex.split(line)
    assert words[2] == str(path)
    for pair in (("--variant", "size=8,n=2"), ("--device", "loopback"), ("--mode", "sim"),
                 ("--timeout-ms", "500"), ("--timeout-scale", "2")):
        assert words[words.index(pair[0]) + 1] == pair[1]


@pytest.mark.parametrize("name, args", [("dead", ("kick", "SIGSEGV")), ("lying", ("wrong-id",)),
                                        ("hung", (11,))])
def test_against_a_command(kc, name, args):
    script = PASSES if name == "dead" else STOPS
    # At which line a death shows is a matter of time.
    comes_back(kc, "run", kc.script(script), "--timeout-ms", 30, *backend(name, *args),
               word_for_word=name != "dead")


def test_one_test_of_the_suite_by_its_id(kc):
    """conform derives a test's seed from its id, so that run FILE gives the same trace."""
    whole, alone = kc.folder / "whole", kc.folder / "alone"
    name = "rings/basic/one-request-completes"
    assert kc("conform", "--select", "rings/basic", "--seed", 5, "--trace", whole).status == 0
    assert kc("run", f"scenarios/{name}.kick", "--seed", 5, "--trace", alone).status == 0
    lines = [x for x in whole.read_text().splitlines() if f'"{name} [' in x]
    assert lines and lines == alone.read_text().splitlines()


def test_same_seed_same_bytes(kc, whole_suite):
    path = kc.folder / "again"
    run = kc("conform", *whole_suite.options, "--jobs", 3, "--trace", path, deadline=600)
    assert run.status == whole_suite.status
    assert len(whole_suite.trace) > 10000
    assert path.read_bytes() == whole_suite.trace


def test_other_seed_other_bytes(kc):
    traces = []
    for seed in (1, 2):
        path = kc.folder / str(seed)
        kc("conform", "--select", "rings/basic", "--seed", seed, "--trace", path)
        traces.append(path.read_bytes())
    assert traces[0] != traces[1]


def test_traces_hold_no_pointer_and_no_process(whole_suite):
    text = whole_suite.trace.decode()
    # Memory mappings of this machine; the front-end's user addresses are made up and small.
    assert not re.search(r"0x(7[ef]|5[56])[0-9a-f]{10}\b", text)
    assert '"pid"' not in text
