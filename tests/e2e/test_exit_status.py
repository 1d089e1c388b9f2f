# SPDX-License-Identifier: BSD-3-Clause
"""0, 1, 2, 3, 77: each by a run that earns it."""
import pytest
from conftest import FAILS, PASSES, SKIPS, WARNS, backend

# used_event means nothing without event_idx: the script cannot be carried out.
CANNOT = PASSES.replace("\n\nqueue", "\nwithout  event_idx\n\nqueue").replace(
    "driver   request, kick", "driver   used_event = 1")


@pytest.mark.parametrize("text, options, verdict, status", [
    (PASSES, [], "pass", 0),
    (PASSES, ["--strict"], "pass", 0),
    (FAILS, [], "fail", 1),
    (WARNS, [], "warn", 0),
    (WARNS, ["--strict"], "warn", 1),
    (SKIPS, [], "skip", 77),
    (CANNOT, [], "error", 2),
])
@pytest.mark.parametrize("mode", ["sim", "live"])
def test_one_test_decides(kc, text, options, verdict, status, mode):
    run = kc.report("run", kc.script(text), "--mode", mode, "--timeout-ms", 30, *options)
    # Live, nothing proves that a second used entry will never come, and nobody is accused.
    if mode == "live" and verdict in ("fail", "warn"):
        verdict, status = "inconclusive", 0
    assert (run.only["verdict"], run.status) == (verdict, status)


def test_the_worst_decides(kc):
    def status(*texts):
        folder = kc.folder / str(len(list(kc.folder.iterdir())))
        folder.mkdir()
        for i, text in enumerate(texts):
            (folder / f"t{i}.kick").write_text(text)
        return kc("run", folder).status

    assert status(PASSES, SKIPS) == 0
    assert status(PASSES, SKIPS, WARNS) == 0
    assert status(PASSES, FAILS, SKIPS) == 1
    assert status(FAILS, CANNOT) == 2
    assert status(SKIPS, SKIPS) == 77
    assert status(PASSES, "nonsense\n") == 2


def known(kc, *lines):
    path = kc.folder / "list.known"
    path.write_text("# expected\n" + "".join(line + "\n" for line in lines))
    return path


def test_a_known_failure_does_not_count(kc):
    path = kc.script(FAILS)
    name = str(path)[:-5]
    run = kc.report("run", path, "--known", known(kc, f"{name} | it counts wrongly | F.md#one"))
    assert run.status == 0 and run.only["verdict"] == "known"
    assert "it counts wrongly" in run.only["reason"] and "F.md#one" in run.only["reason"]
    assert run.only["replay"] and run.only["violations"]


def test_an_expected_failure_that_passes_fails(kc):
    path = kc.script(PASSES)
    name = str(path)[:-5]
    run = kc.report("run", path, "--known", known(kc, f"{name} | once it did | F.md#one"))
    assert run.status == 1 and run.only["verdict"] == "xpass"
    assert "once it did" in run.only["reason"]


def test_known_is_by_variant(kc):
    path = kc.script(FAILS.replace("\n\nqueue", "\nvary     size = 4 8\n\nqueue").replace(
        "size 4", "size $size"))
    name = str(path)[:-5]
    run = kc.report("run", path, "--known", known(kc, f"{name} [size=8] | only that | F.md#one"))
    assert run.status == 1
    assert [t["verdict"] for t in run.report["tests"]] == ["fail", "known"]


def test_a_known_skip_stays_a_skip(kc):
    path = kc.script(SKIPS)
    run = kc.report("run", path, "--known", known(kc, f"{str(path)[:-5]} | so | F.md#one"))
    assert run.only["verdict"] == "skip"


@pytest.mark.parametrize("line, said", [
    ("just-a-name", ":2: "), ("a | b", ":2: "), ("a | | F.md#x", ":2: "), ("a | b | nowhere", ":2: "),
])
def test_a_broken_known_file_is_named(kc, line, said):
    run = kc("run", kc.script(PASSES), "--known", known(kc, line))
    assert run.status in (2, 3) and f"list.known{said}" in run.err


def test_missing_known_file(kc):
    run = kc("run", kc.script(PASSES), "--known", "/no/such.known")
    assert run.status in (2, 3) and "/no/such.known" in run.err


def test_a_back_end_that_never_came_up_is_3(kc):
    run = kc("run", kc.script(PASSES), *backend("early", 0))
    assert run.status == 3 and "no such disk: /dev/nothing" in run.err
