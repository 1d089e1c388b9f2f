# SPDX-License-Identifier: BSD-3-Clause
"""The reports: JSON by schema 1, text for people, progress on terminals, all or nothing in files."""
import copy
import json
import re

import pytest
from conftest import FAILS, PASSES, ROOT, SKIPS, STOPS, VERDICTS, WARNS, backend

ESCAPE = "\x1b"


@pytest.fixture
def folder(kc):
    """One test of each common verdict."""
    for name, text in (("a", PASSES), ("b", FAILS), ("c", WARNS), ("d", SKIPS)):
        kc.script(text, name)
    return kc.folder


def check_types(value, shape):
    assert set(value) == set(shape)
    for key, kind in shape.items():
        assert type(value[key]) is kind, (key, value[key])


def check_metrics(metrics):
    check_types({**metrics, "peer": None}, {"queues": list, "waits": list, "peer": type(None)})
    for queue in metrics["queues"]:
        ratios = {}
        for side in ("kicks", "calls"):
            ratios[side] = [queue[side].pop("per_request"), queue[side].pop("requests_per_wakeup")]
            assert all(r is None or type(r) is float and r >= 0 for r in ratios[side])
        latency = queue.pop("latency_ns")
        check_types(queue, {"queue": int, "published": int, "used": int, "kicks": dict, "calls": dict})
        check_types(queue["kicks"], {k: int for k in ("sent", "suppressed", "added_up")})
        check_types(queue["calls"],
                    {k: int for k in ("sent", "suppressed", "coalesced", "added_up", "spurious")})
        assert (latency is None) == (queue["used"] == 0)
        if latency:
            check_types(latency, {k: int for k in ("p50", "p90", "p99", "max")})
            assert 0 <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    for wait in metrics["waits"]:
        check_types(wait, {"queue": int, "requests": int, "ns": int})
    if metrics["peer"]:
        assert set(metrics["peer"]) == {"cpu_ns", "context_switches", "cpu_ns_per_request",
                                        "context_switches_per_request"}


def check_schema_1(report):
    check_types(report, {"schema": int, "kickcall": str, "complete": bool, "mode": str, "seed": int,
                         "backend": dict, "summary": dict, "metrics": dict, "tests": list})
    report = copy.deepcopy(report)
    check_metrics(report["metrics"])
    assert report["schema"] == 1
    assert report["mode"] in ("sim", "live")
    check_types(report["backend"], {"spec": str, "command": str, "device": str, "features": str,
                                    "protocol_features": str, "queues": int})
    for key in ("features", "protocol_features"):
        assert re.fullmatch(r"0x[0-9a-f]+", report["backend"][key])
    check_types(report["summary"], {v: int for v in [*VERDICTS, "duration_ms"]})
    for test in report["tests"]:
        check_types(test, {"id": str, "title": str, "variant": str, "verdict": str, "level": str,
                           "clauses": list, "reason": str, "message": str, "violations": list,
                           "replay": str, "duration_us": int, "metrics": dict})
        check_metrics(test["metrics"])
        assert test["verdict"] in VERDICTS and test["level"] in ("", "MUST", "SHOULD")
        assert test["clauses"] and all(type(c) is str for c in test["clauses"])
        for v in test["violations"]:
            check_types(v, {"clause": str, "level": str, "line": int, "message": str})
    for verdict in VERDICTS:
        count = len([t for t in report["tests"] if t["verdict"] == verdict])
        assert report["summary"][verdict] == count


def test_json_has_exactly_the_keys_and_types_of_schema_1(kc, folder):
    run = kc.report("run", folder)
    check_schema_1(run.report)
    assert [t["verdict"] for t in run.report["tests"]] == ["pass", "fail", "warn", "skip"]
    assert run.report["complete"] is True
    assert run.report["summary"]["duration_ms"] <= run.seconds * 1000
    good, bad, warned, skipped = run.report["tests"]
    assert good["replay"] == good["message"] == good["reason"] == "" and good["violations"] == []
    assert bad["level"] == "MUST" and bad["message"] and bad["replay"]
    assert bad["violations"][0]["clause"] == "VQ-SPLIT-USED-02"
    assert bad["violations"][0]["line"] == 6
    assert warned["level"] == "SHOULD" and warned["violations"][0]["level"] == "SHOULD"
    assert "REPLY_ACK" in skipped["reason"]


def test_json_of_the_whole_suite(whole_suite):
    report = whole_suite.report
    check_schema_1(report)
    assert report["backend"]["spec"] == "ref" and report["backend"]["command"] == ""
    assert report["backend"]["queues"] > 0
    # An id is the path below the scenarios folder: never absolute, and no ending.
    assert not [t for t in report["tests"] if t["id"].startswith("/") or ".kick" in t["id"]]


def test_json_of_a_command(kc):
    run = kc.report("run", kc.script(PASSES), "--timeout-ms", 20, *backend("dead", "kick", 3))
    check_schema_1(run.report)
    assert run.report["backend"]["spec"] == "command"
    assert "dead.py kick 3 {socket}" in run.report["backend"]["command"]
    assert run.report["backend"]["features"] == "0x140000000"


def test_what_a_peer_says_cannot_break_the_report(kc):
    talk = r"printf '\033[31m\377\0\"}' >&2; exec "
    words = backend("dead", "kick", 3)[1:]
    line = talk + " ".join(f"'{w}'" if w != "{socket}" else w for w in words)
    run = kc.report("run", kc.script(PASSES), "--timeout-ms", 20, "--", "sh", "-c", line)
    check_schema_1(run.report)
    run = kc("run", kc.script(PASSES), "--timeout-ms", 20, "--", "sh", "-c", line)
    assert ESCAPE not in run.out + run.err and run.status == 1


def test_stdout_holds_the_report_and_nothing_else(kc, folder):
    run = kc.report("run", folder, "-v")
    assert json.loads(run.out)["schema"] == 1
    assert "pass" in run.err


# --- Files ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", ["json", "text"])
def test_output_is_what_stdout_would_have_been(kc, folder, form):
    path = kc.folder / "report"
    run = kc("run", folder, "--format", form, "--output", path)
    assert run.status == 1 and run.out == ""
    said = kc("run", folder, "--format", form).out

    def timeless(text):
        return re.sub(r'in \d+\.\d s|"duration_(ms|us)": \d+|"--output[^"]*"', "", text)

    assert timeless(path.read_text()) == timeless(said)
    assert not list(kc.folder.glob("report?*"))


def test_output_where_nothing_can_be_written(kc):
    run = kc("run", kc.script(PASSES), "--output", "/proc/no/such/report.json")
    assert run.status == 3 and "/proc/no/such/report.json" in run.err


def test_output_to_a_place_that_is_a_folder_leaves_no_part(kc):
    place = kc.folder / "place"
    place.mkdir()
    (place / "file").write_text("here first")
    run = kc("run", kc.script(PASSES), "--output", place)
    assert run.status == 3
    assert (place / "file").read_text() == "here first"
    assert not list(kc.folder.glob("place?*"))


def test_an_older_report_survives_a_run_that_cannot_begin(kc):
    path = kc.folder / "report.json"
    path.write_text("older")
    assert kc("run", kc.script("nonsense\n"), "--output", path).status == 2
    run = kc("run", kc.script(PASSES), "--output", path, *backend("early", 1))
    assert run.status == 3
    assert path.read_text() == "older"


def test_a_full_device_is_an_error(kc):
    with open("/dev/full", "w", encoding="ascii") as full:
        p = kc.start("run", kc.script(PASSES), stdout=full)
        err = p.communicate(timeout=20)[1]
    assert p.returncode == 3 and "report" in err


# --- Text -------------------------------------------------------------------------------------------

def test_text_of_a_failure_tells_all(kc):
    path = kc.script(FAILS)
    run = kc("run", path)
    for said in ("FAIL", "one request is used", "VQ-SPLIT-USED-02 (protocol): ", "line 6: ",
                 "expect   2 used", "queue 0: split, size 4", "messages", "events", "replay with",
                 f"run {path} ", "0 pass, 1 fail"):
        assert said in run.out, said


def test_text_ends_in_the_counts(kc, folder):
    last = kc("run", folder).out.splitlines()[-1]
    assert re.fullmatch(r"1 pass, 1 fail, 1 warn, 1 skip in \d+\.\d s", last)


# --- Metrics ----------------------------------------------------------------------------------------

# The driver's and the reference's parts are fixed by the script, but for what the scheduler may add.
COSTS = """title    kicks and calls that are not wanted are not given
clause   VQ-SPLIT-USED-02
needs    event_idx

queue 0  split size 64
driver   request, kick, wait used
driver   used_event = used_idx + 9
driver   10 requests, kick, kick
expect   10 used, call due
driver   suppress calls
driver   5 requests, kick
expect   5 used, no call due
"""


def queue_0(metrics):
    return next(q for q in metrics["queues"] if q["queue"] == 0)


def test_metrics_of_a_script(kc):
    run = kc.report("run", kc.script(COSTS))
    queue = queue_0(run.only["metrics"])
    assert run.status == 0
    assert queue["published"] == queue["used"] == 16
    assert queue["kicks"]["sent"] == 4 and queue["kicks"]["suppressed"] == 0
    assert queue["kicks"]["per_request"] == 0.25
    assert queue["calls"]["sent"] == 2                  # the first after the start, and the one due
    assert queue["calls"]["suppressed"] in (14, 15)     # whether the first was wanted is a race
    assert queue["calls"]["spurious"] == queue["calls"]["added_up"] == 0
    assert queue["calls"]["requests_per_wakeup"] == 8
    assert queue["latency_ns"]["p50"] >= 1000           # a switch of virtual time at the least


def test_metrics_are_deterministic_and_add_up(kc):
    path = kc.script(COSTS.replace("\n\nqueue", "\nvary     n = 1 2 3\n\nqueue"))
    report = kc.report("run", path, "--seed", 5).report
    again = kc.report("run", path, "--seed", 5, "--jobs", 1).report
    assert report["metrics"] == again["metrics"]
    tests = [queue_0(t["metrics"]) for t in report["tests"]]
    total = queue_0(report["metrics"])
    for keys in (["used"], ["kicks", "sent"], ["calls", "sent"], ["calls", "suppressed"]):
        def get(queue):
            for key in keys:
                queue = queue[key]
            return queue
        assert get(total) == sum(map(get, tests))
    assert total["latency_ns"]["max"] == max(t["latency_ns"]["max"] for t in tests)


HESITATES = """title    a driver asks before it kicks
clause   VQ-SPLIT-USED-02

queue 0  split size 64
repeat   50
driver   3 requests, kick if needed, request, kick if needed, wait used
end
"""


def test_kicks_that_the_device_does_not_want(kc):
    kicks = queue_0(kc.report("run", kc.script(HESITATES)).only["metrics"])["kicks"]
    assert kicks["sent"] + kicks["suppressed"] == 100
    assert kicks["sent"] > 0 and kicks["suppressed"] > 0


def test_metrics_of_a_peer(kc):
    run = kc.report("run", kc.script(PASSES), "--mode", "live")
    peer = run.only["metrics"]["peer"]
    assert run.status == 0
    assert peer["cpu_ns"] > 0 and peer["context_switches"] > 0
    assert peer["cpu_ns_per_request"] == pytest.approx(peer["cpu_ns"], rel=1e-5)   # six digits
    assert run.report["metrics"]["peer"] == peer
    assert kc.report("run", kc.script(PASSES)).report["metrics"]["peer"] is None    # sim: no process


# What an urgent request waits for.

URGENT = ROOT / "scenarios" / "exhaustion" / "an-urgent-request-waits-behind-the-ring.kick"


def test_an_urgent_request_waits_for_what_the_ring_holds(kc):
    report = kc.report("run", URGENT, "--variant", "layout=split").report
    check_schema_1(report)
    assert report["summary"]["pass"] == len(report["tests"]) == 4
    for test in report["tests"]:
        size = int(re.search(r"size=(\d+)", test["variant"])[1])
        wait, = test["metrics"]["waits"]
        # The ring held size / 2 requests of two descriptors; one had come back.
        assert wait["queue"] == 0 and wait["requests"] == size // 2 - 1
        # At 1000 a second: a millisecond for each of them and for itself, less what had passed.
        assert (wait["requests"] * 1e6) < wait["ns"] < (wait["requests"] + 2) * 1e6
    assert sorted(w["ns"] for w in report["metrics"]["waits"]) == sorted(
        t["metrics"]["waits"][0]["ns"] for t in report["tests"])


def test_an_urgent_request_live(kc):
    run = kc.report("run", URGENT, "--mode", "live", "--variant", "size=64,layout=split")
    assert run.report["summary"]["pass"] == 2
    for test in run.report["tests"]:
        wait, = test["metrics"]["waits"]
        # Never faster than the limit; fewer, if kickcall was slow to see that the first came back.
        assert 0 <= wait["requests"] <= 31 and wait["ns"] >= (wait["requests"] - 2) * 1e6


def test_the_report_tells_what_an_urgent_request_waited_for(kc):
    out = kc("run", URGENT, "-v", "--variant", "size=64,layout=split").out
    assert re.search(r"^ +queue 0: an urgent request waited for 31 others, 3\d ms$", out, re.M)
    assert re.search(r"^urgent +2 requests waited; the longest for 31 others, 3\d ms$", out, re.M)


def test_a_back_end_that_is_slow_on_purpose_is_not_accused(kc):
    run = kc.report("run", URGENT, "--variant", "layout=split", "--timeout-ms", 1, "--timeout-scale", 0.01)
    assert run.report["summary"]["inconclusive"] == 4 and run.status == 0


def test_kickcall_slows_down_nobody_else(kc, ref_server):
    path, _ = ref_server("--device", "blk")
    run = kc.report("run", URGENT, "--backend", f"vhost-user:{path}", "--destructive")
    assert run.report["summary"]["skip"] == len(run.report["tests"])
    assert "slow down" in run.report["tests"][0]["reason"]


def test_waiting_for_an_urgent_request_that_there_is_not(kc):
    run = kc.report("run", kc.script(PASSES.replace("request, kick", "request, kick, wait urgent")))
    assert run.status == 2 and "no urgent request on queue 0" in run.only["message"]


def test_text_has_metrics_per_queue_and_with_v_per_test(kc):
    path = kc.script(COSTS)
    plain = kc("run", path).out
    assert re.search(r"^notifications +sent +a request +suppressed +coalesced +added up +spurious", plain)
    assert re.search(r"^queue 0   kicks +4 +0\.25 ", plain, re.M)
    assert re.search(r"^ +calls +2 +0\.12 ", plain, re.M)
    assert re.search(r"^ +latency of 16 requests: p50 .* max .*, virtual time$", plain, re.M)
    assert "queue 0: 16 used" not in plain
    verbose = kc("run", path, "-v").out
    assert re.search(r"^pass .*\n +queue 0: 16 used; 4 kicks.*; 2 calls, 1[45] suppressed.*; p50 ",
                     verbose)
    assert "back-end  " in kc("run", path, "--mode", "live").out


def test_no_table_without_requests(kc):
    assert "notifications" not in kc("run", kc.script(STOPS)).out


# --- Terminals --------------------------------------------------------------------------------------

def test_no_escape_codes_where_there_is_no_terminal(kc, folder):
    run = kc("run", folder, "-v", TERM="xterm")
    assert ESCAPE not in run.out + run.err and "\r" not in run.out + run.err


def test_colours_and_a_line_that_updates_on_a_terminal(kc, folder):
    run = kc.in_terminal("run", folder)
    assert f"{ESCAPE}[1;31mFAIL{ESCAPE}[0m" in run.out
    assert re.findall(r"\[(\d)/4\]", run.out) == ["1", "2", "3", "4"]
    assert run.out.count(f"\r{ESCAPE}[K") >= 4


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_when_it_is_not_wanted(kc, folder, env):
    run = kc.in_terminal("run", folder, **env)
    assert "FAIL" in run.out
    assert not re.search(r"\x1b\[[0-9;]*m", run.out)


def test_plain_progress_lines_for_a_long_run(kc):
    many = PASSES.replace("\n\nqueue", "\nvary     n = " + " ".join(map(str, range(51))) +
                          "\n\nqueue")
    run = kc("run", kc.script(many))
    assert re.search(r"^\[50/51\]  50 pass$", run.err, re.M)
