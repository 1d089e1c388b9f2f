# SPDX-License-Identifier: BSD-3-Clause
"""The command line: what is wrong is named, and every option of the contract does what it says."""
import json
import re

import pytest
from conftest import BUILD, FAILS, PASSES, ROOT, STOPS, WARNS, backend


@pytest.mark.parametrize("words, named", [
    ([], "a command is missing"),
    (["conformm"], "'conformm'"),
    (["conform", "--devise", "blk"], "'--devise'"),
    (["conform", "--device"], "'--device'"),
    (["conform", "--device", "toaster"], "'toaster'"),
    (["conform", "--device", "blk", "--device", "blk"], "--device is given twice"),
    (["conform", "blk"], "'blk'"),
    (["conform", "--backend", "pigeon:9"], "'pigeon:9'"),
    (["conform", "--backend", "vhost-user:"], "a path is missing"),
    (["conform", "--backend", "ref", "--profile", "x"], "one of --backend, --profile"),
    (["conform", "--backend", "ref", "--", "true"], "one of --backend, --profile"),
    (["conform", "--profile", "no-such-profile"], "no-such-profile"),
    (["conform", "--listen"], "--listen"),
    (["conform", "--"], "after '--'"),
    (["conform", "--mode", "fast"], "'fast'"),
    (["conform", "--mode", "sim", "--", "true"], "--mode sim"),
    (["conform", "--format", "xml"], "'xml'"),
    (["conform", "--jobs", "0"], "--jobs"),
    (["conform", "--jobs", "two"], "'two'"),
    (["conform", "--timeout-ms", "-1"], "'-1'"),
    (["conform", "--timeout-scale", "0"], "--timeout-scale"),
    (["conform", "--seed", "0x1g"], "'0x1g'"),
    (["conform", "--variant", "size"], "'size'"),
    (["conform", "--strict=yes"], "--strict takes no value"),
    (["conform", "--select", "no/such/test"], "no test fits"),
    (["run"], "what?"),
    (["run", "/no/such/file.kick"], "/no/such/file.kick"),
    (["list", "pets"], "'pets'"),
    (["explain", "VQ-NO-SUCH-99"], "'VQ-NO-SUCH-99'"),
])
def test_usage_error_is_status_2_and_names_the_word(kc, words, named):
    run = kc(*words)
    assert run.status == 2
    assert named in run.err
    assert run.err.startswith("kickcall: ") and run.err.count("\n") == 1
    assert run.out == ""


def test_help_is_not_an_error(kc):
    run = kc("--help")
    assert run.status == 0 and "exit status" in run.out
    source = (ROOT / "harness" / "run" / "options.c").read_text()
    known = re.findall(r'^\t\{ "(-[-\w]+)", \w+, AT', source, re.M)
    assert len(known) >= 20
    assert [o for o in known + ["--variant"] if o not in run.out] == []


def test_version_is_that_of_the_report(kc):
    version = kc("--version").out.split()[1]
    run = kc.report("run", kc.script(PASSES))
    assert run.report["kickcall"] == version


@pytest.mark.parametrize("text, place, said", [
    (PASSES.replace("\n\nqueue", "\nneeeds  event_idx\n\nqueue"), "3:1", "'neeeds'"),
    (PASSES.replace("1 used", "1 ussed"), "6:12", "'ussed'"),
    (PASSES.replace("VQ-SPLIT-USED-02", "VQ-SPLIT-USED-99"), "2:10", "VQ-SPLIT-USED-99"),
    (PASSES.replace("1 used", "1 used [VQ-NO-01]"), "6:18", "VQ-NO-01"),
    (PASSES.replace("size 4", "size $size"), "4:21", "$size"),
    (PASSES + "end\n", "7:1", "repeat"),
    (PASSES.replace("title", "#"), "1:1", "title"),
    ("", "1:1", "title"),
])
def test_script_error_is_status_2_at_file_line_column(kc, text, place, said):
    path = kc.script(text)
    run = kc("run", path)
    assert run.status == 2
    assert run.err.startswith(f"kickcall: {path}:{place}: "), run.err
    assert said in run.err


def test_a_broken_script_in_a_folder_stops_the_run_before_it_begins(kc):
    kc.script(PASSES, "a")
    kc.script("nonsense\n", "b")
    run = kc("run", kc.folder, "-v")
    assert run.status == 2 and "b.kick:1:1" in run.err and "pass" not in run.err


# --- list, explain, probe ---------------------------------------------------------------------------

@pytest.mark.parametrize("what, keys", [
    ("tests", {"id", "variant", "device", "title", "clauses"}),
    ("clauses", {"id", "level", "area", "status", "modes", "scenarios", "reason", "statement"}),
    ("devices", {"id", "virtio_id"}),
    ("profiles", {"id", "device", "title"}),
    ("verbs", {"id", "doc"}),
])
def test_list_text_and_json_tell_the_same(kc, what, keys):
    run = kc("list", what, "--format", "json")
    assert run.status == 0
    rows = json.loads(run.out)[what]
    assert rows and all(set(row) == keys for row in rows)
    lines = kc("list", what).out.split("\n\n")[0].splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [row["id"].strip() for row in rows]


def test_clauses_say_where_they_stand(kc):
    rows = json.loads(kc("list", "clauses", "--format", "json").out)["clauses"]
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        tested = row["status"] == "tested"
        assert row["status"] in ("tested", "waived", "open")
        # A clause of the oracle's may be listed and be provable in no mode; then it is not tested.
        assert tested == bool(row["scenarios"]) == bool(row["modes"]), row["id"]
        assert row["modes"] in ([], ["sim"], ["live"], ["sim", "live"])
        assert not (tested and row["reason"])
        assert row["reason"] or row["status"] != "waived", row["id"]
    by_id = {row["id"]: row for row in rows}
    due = by_id["VQ-SPLIT-UNS-DEV-05"]
    assert "split/event-idx/due-across-the-16-bit-wrap" in due["scenarios"]
    assert "oracle:notify" in due["scenarios"] and due["modes"] == ["sim", "live"]
    assert "port:loopback" in by_id["VQ-FRAMING-DEV-01"]["scenarios"]
    assert by_id["VK-OWNER-03"]["status"] == "waived"
    assert "ioctls" in by_id["VK-OWNER-03"]["reason"]
    assert "VQ-SPLIT-DESC-DRV-01" not in by_id              # the driver's duty, not the device's


def test_the_totals_of_clauses_add_up(kc):
    rows = json.loads(kc("list", "clauses", "--format", "json").out)["clauses"]
    table = [line.split() for line in
             kc("list", "clauses").out.split("\n\n")[1].splitlines()]
    assert table[0] == ["area", "tested", "waived", "open"]
    assert [line[0] for line in table[1:-1]] == sorted({row["area"] for row in rows})
    for area, *counts in table[1:]:
        here = [row["status"] for row in rows if area in (row["area"], "total")]
        assert [int(n) for n in counts] == [here.count(status) for status in table[0][1:]]


def test_explain_says_where_a_clause_stands(kc):
    assert "status      tested: sim, live\n" in kc("explain", "VQ-SPLIT-UNS-DEV-05").out
    run = kc("explain", "VK-OWNER-03")
    assert "status      waived: rules of the kernel's ioctls" in run.out
    assert "tested by   nothing" in run.out
    assert "status      not held against back-ends\n" in kc("explain", "VQ-SPLIT-DESC-DRV-01").out


def test_explain_a_clause_and_a_test(kc):
    run = kc("explain", "VQ-SPLIT-UNS-DEV-05")
    assert run.status == 0
    for word in ("VQ-SPLIT-UNS-DEV-05 (MUST", "source", "if broken", "tested by"):
        assert word in run.out
    test = json.loads(kc("list", "tests", "--format", "json").out)["tests"][0]
    run = kc("explain", test["id"])
    assert run.status == 0
    assert run.out.startswith(f"{test['id']}: {test['title']}\n")
    assert all(clause in run.out for clause in test["clauses"])


@pytest.mark.parametrize("mode", ["sim", "live"])
def test_probe_of_the_reference(kc, mode):
    run = kc("probe", "--mode", mode)
    assert run.status == 0
    for word in ("version_1", "event_idx", "REPLY_ACK", "CONFIG", "queues", "capacity"):
        assert word in run.out
    seen = json.loads(kc("probe", "--mode", mode, "--format", "json").out)
    assert set(seen) == {"schema", "spec", "device", "features", "protocol_features", "queues",
                         "mem_slots", "config"}
    assert int(seen["features"], 16) >> 32 & 1 and seen["spec"] == "ref"


def test_probe_decodes_what_a_stranger_answers(kc):
    seen = json.loads(kc("probe", "--format", "json", *backend("one_shot")).out)
    assert seen["features"] == "0x140000000" and seen["protocol_features"] == "0x209"
    assert seen["queues"] == 2
    assert int.from_bytes(bytes.fromhex(seen["config"])[:8], "little") == 32768


# --- Options of a run -------------------------------------------------------------------------------

VARIED = """title    one request of a kind is used
clause   VQ-SPLIT-USED-02
vary     size = 16 32, batch = 1 2 3

queue 0  split size $size
driver   $batch requests, kick
expect   $batch used
"""


def variants(run):
    return [t["variant"] for t in run.report["tests"]]


def test_variants_are_a_cross_product_in_order_and_selectable(kc):
    path = kc.script(VARIED)
    assert variants(kc.report("run", path)) == [
        f"size={s},batch={b}" for s in (16, 32) for b in (1, 2, 3)]
    assert variants(kc.report("run", path, "--variant", "batch=2")) == [
        "size=16,batch=2", "size=32,batch=2"]
    assert variants(kc.report("run", path, "--variant=batch=2,size=16")) == ["size=16,batch=2"]
    assert kc("run", path, "--variant", "size=5").status == 2


def test_select_and_clause_are_prefixes_and_may_be_repeated(kc):
    tests = json.loads(kc("list", "tests", "--format", "json").out)["tests"]
    ids = [t["id"] for t in tests if t["id"].startswith(("blk/", "split/"))]
    first, last = ids[0], ids[-1]
    run = kc.report("conform", "--device", "loopback", "--select", "rings/basic")
    assert run.status in (0, 1)
    assert {t["id"][:11] for t in run.report["tests"]} == {"rings/basic"}
    run = kc.report("conform", "--clause", "VQ-SPLIT-USED-", "--select", "rings/basic")
    assert all(any(c.startswith("VQ-SPLIT-USED-") for c in t["clauses"])
               for t in run.report["tests"])
    ids = {t["id"] for t in kc.report("conform", "--select", first, "--select",
                                      last).report["tests"]}
    assert {first, last} <= ids and all(i.startswith((first, last)) for i in ids)


def test_except_takes_away_from_what_is_selected(kc):
    both = ["rings/basic/every-", "rings/basic/two-"]
    run = kc.report("conform", "--device", "loopback", "--select", "rings/basic", *(f"--except={p}" for p in both))
    ids = {t["id"] for t in run.report["tests"]}
    assert run.status == 0 and ids
    rest = {t["id"] for t in kc.report("conform", "--device", "loopback",
                                       *(f"--select={p}" for p in both)).report["tests"]}
    whole = {t["id"] for t in kc.report("conform", "--device", "loopback", "--select", "rings/basic").report["tests"]}
    assert rest and not ids & rest and ids | rest == whole
    assert kc("conform", "--select", both[0], "--except", "rings").status == 2


@pytest.mark.parametrize("mode, shown", [("auto", "sim"), ("sim", "sim"), ("live", "live")])
def test_mode(kc, mode, shown):
    run = kc.report("run", kc.script(PASSES), "--mode", mode)
    assert run.status == 0 and run.report["mode"] == shown


def test_device(kc):
    for device in ("blk", "loopback"):
        run = kc.report("run", kc.script(PASSES), "--device", device)
        assert run.status == 0 and run.report["backend"]["device"] == device


def test_a_script_for_another_device_is_left_out(kc):
    path = kc.script(PASSES.replace("\n\nqueue", "\ndevice   blk\n\nqueue"))
    assert kc("run", path, "--device", "loopback").status == 2
    assert kc("run", path).status == 0


def test_jobs_change_neither_verdicts_nor_order(kc):
    kc.script(PASSES, "a"), kc.script(FAILS, "b"), kc.script(VARIED, "c"), kc.script(WARNS, "d")
    seen = []
    for jobs in (1, 4):
        tests = kc.report("run", kc.folder, "--jobs", jobs).report["tests"]
        seen.append([(t["id"], t["variant"], t["verdict"], t["message"]) for t in tests])
    assert seen[0] == seen[1] and len(seen[0]) == 9


def test_seed_is_reported_and_taken_in_any_base(kc):
    assert kc.report("run", kc.script(PASSES), "--seed", "0x10").report["seed"] == 16


def test_keep_keeps_logs(kc):
    kept = kc.folder / "kept"
    run = kc("run", kc.script(STOPS), "--keep", kept, *backend("dead", 11, "SIGKILL"))
    assert run.status == 1
    logs = [p.read_text() for p in kept.rglob("backend-*.log")]
    assert any("having seen enough" in text for text in logs)


def test_keep_where_nothing_can_be_kept(kc):
    run = kc("run", kc.script(PASSES), "--keep", "/proc/no/such")
    assert run.status == 3 and "--keep /proc/no/such" in run.err


def test_verbose_has_a_line_for_each_test(kc):
    path = kc.script(VARIED)
    assert "pass" not in kc("run", path).err
    lines = kc("run", path, "-v").err.splitlines()
    assert len([x for x in lines if re.match(r"pass +\S+ \[size=\d+,batch=\d\]$", x)]) == 6


def test_timeouts_bound_a_run(kc):
    for options in (["--timeout-ms", 20], ["--timeout-ms", 200, "--timeout-scale", 0.1]):
        run = kc.report("run", kc.script(STOPS), *options, *backend("hung", 11))
        assert run.only["verdict"] == "inconclusive" and run.seconds < 3


def test_pause_on_fail_waits_for_enter(kc):
    path = kc.script(FAILS)
    run = kc.in_terminal("run", path, "--pause-on-fail", keys=("Enter goes on", "\n"))
    assert run.status == 1
    # Without a terminal there is nobody to wait for.
    assert kc("run", path, "--pause-on-fail", deadline=10).status == 1


def test_trace_is_json_lines(kc):
    path = kc.folder / "trace.jsonl"
    assert kc("run", kc.script(PASSES), "--trace", path).status == 0
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(events) > 10
    keys = {"test", "step", "time", "actor", "operation", "place", "value"}
    assert all(set(e) == keys for e in events)
    assert {"driver", "vmm", "backend", "kvm"} <= {e["actor"] for e in events}
    assert kc("run", kc.script(PASSES), "--trace", "/no/such/dir/t").status == 3


def test_it_runs_from_any_directory(kc):
    beside = (BUILD.parent / "scenarios").is_dir()
    env = {} if beside else {"KICKCALL_SCENARIOS": str(ROOT / "scenarios")}
    run = kc.report("conform", "--select", "rings/basic/one-request", cwd="/", **env)
    assert run.status == 0 and run.report["summary"]["pass"] > 0
