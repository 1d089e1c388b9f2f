# SPDX-License-Identifier: BSD-3-Clause
"""The mutants' runner must not be easy to please: what is wrong is loud, and says where."""
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("mutants_run", ROOT / "tests/mutants/run.py")
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)

HEADER = """title       a bug
from        somewhere
clause      VQ-SPLIT-USED-02
caught-by   rings/basic/one-request-completes
device      blk
file        backend/reference/ref_split.c
"""
BODY = """--- replace
	ring->split.avail_idx += !again;
--- with
	ring->split.avail_idx += 2;
"""


def parse(tmp_path, text):
    path = tmp_path / "m.mutant"
    path.write_text(text)
    return run.parse(path)


def complaint(tmp_path, text):
    with pytest.raises(run.Wrong) as why:
        run.mutated(parse(tmp_path, text))
    return str(why.value)


def test_a_mutant_is_the_source_with_one_piece_replaced(tmp_path):
    clean = (ROOT / "backend/reference/ref_split.c").read_text()
    assert run.mutated(parse(tmp_path, HEADER + BODY)) == clean.replace(
        "ring->split.avail_idx += !again;", "ring->split.avail_idx += 2;")


def test_a_piece_that_is_gone_is_named_with_file_and_line(tmp_path):
    said = complaint(tmp_path, HEADER + BODY.replace("avail_idx += !again", "no_such_field++"))
    assert "m.mutant:7: " in said and "is not there any more" in said


def test_a_piece_that_is_there_twice_is_named(tmp_path):
    said = complaint(tmp_path, HEADER + BODY.replace("	ring->split.avail_idx += !again;\n", "}\n"))
    assert "m.mutant:7: " in said and "times" in said


@pytest.mark.parametrize("old,new,line,words", [
    ("VQ-SPLIT-USED-02", "VQ-NO-SUCH-99", 3, "no clause VQ-NO-SUCH-99"),
    ("device      blk", "device      toaster", 5, "'device' is"),
    ("ref_split.c", "ref_nothing.c", 6, "no source file"),
    ("backend/reference/ref_split.c", "harness/main.c", 6, "under backend/"),
    ("title       a bug", "colour      red", 1, "no 'colour'"),
    ("from        somewhere\n", "", 1, "'from' is missing"),
    ("clause  ", "title       again\nclause  ", 3, "second time"),
    ("--- replace", "--- exchange", 7, "'--- replace' expected"),
    ("--- with", "--- by", 9, "'--- with' expected"),
    ("	ring->split.avail_idx += !again;\n", "", 7, "nothing to replace"),
    (BODY, "", 6, "no '--- replace'"),
])
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path, old, new, line, words):
    said = complaint(tmp_path, (HEADER + BODY).replace(old, new, 1))
    assert f"m.mutant:{line}: " in said and words in said


def test_a_scenario_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(run.Wrong, match="m.mutant:4: .*no scenario split/nowhere"):
        run.check_scenario(parse(tmp_path, (HEADER + BODY).replace(
            "rings/basic/one-request-completes", "split/nowhere")))


def report(verdict, *clauses):
    return {"verdict": verdict, "violations": [{"clause": c} for c in clauses]}


@pytest.mark.parametrize("test,is_caught", [
    (report("fail", "VQ-SPLIT-USED-02"), True),
    (report("fail", "VQ-SPLIT-USED-04", "VQ-SPLIT-USED-02"), True),
    (report("fail", "VQ-SPLIT-USED-04"), False),
    (report("fail"), False),
    (report("warn", "VQ-SPLIT-USED-02"), False),
    (report("pass"), False),
    (report("skip"), False),
    (report("error"), False),
    (report("inconclusive"), False),
])
def test_caught_is_the_right_verdict_for_the_right_clause(tmp_path, test, is_caught):
    assert run.caught(parse(tmp_path, HEADER + BODY), test) == is_caught


def test_any_clause_still_needs_the_verdict(tmp_path):
    m = parse(tmp_path, (HEADER + BODY).replace("VQ-SPLIT-USED-02", "any"))
    assert run.caught(m, report("fail", "VQ-SPLIT-USED-04"))
    assert not run.caught(m, report("pass"))
    assert not run.caught(m, report("error"))


DRIVER = HEADER.replace("backend/reference/ref_split.c", "guest_model/split.c") + """verdict     error
says        a head was offered
"""


@pytest.mark.parametrize("header,words", [
    (DRIVER.replace("guest_model/split.c", "backend/reference/ref_split.c"), "for bugs outside backend/"),
    (DRIVER.replace("verdict     error\n", ""), "for bugs outside backend/"),
    (DRIVER.replace("says        a head was offered\n", ""), "come together"),
    (HEADER + "says        something\n", "come together"),
])
def test_a_bug_of_the_driver_needs_all_its_keys(tmp_path, header, words):
    assert words in complaint(tmp_path, header + BODY)


@pytest.mark.parametrize("verdict,message,clauses,is_caught", [
    ("error", run.BLAME + "0: a head was offered again", (), True),
    ("error", run.BLAME + "0: a head was offered again", ("VQ-SPLIT-USED-02",), False),
    ("error", run.BLAME + "0: it is a loop", (), False),
    ("error", "a head was offered again", (), False),
    ("fail", "a head was offered again", ("VQ-SPLIT-USED-02",), False),
    ("pass", None, (), False),
])
def test_a_bug_of_the_driver_is_the_drivers(tmp_path, verdict, message, clauses, is_caught):
    test = {**report(verdict, *clauses), "message": message}
    assert run.caught(parse(tmp_path, DRIVER + BODY), test) == is_caught


def test_a_command_that_hangs_is_killed():
    status, said = run.run(["sh", "-c", "echo here; exec sleep 600"], 0.3)
    assert status is None and said == "here\n"
