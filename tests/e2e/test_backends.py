# SPDX-License-Identifier: BSD-3-Clause
"""Back-ends that die, hang, lie, never start or refuse to end: each is a verdict in bounded time.
Back-ends that behave, reached in each way that there is. The kc fixture sees that nothing is left."""
import json
import os
import sys

import pytest
from conftest import BACKENDS, DEADLINE, PASSES, REF_SERVER, STOPS, backend, wait_until

ANSWERS = "title    it answers\nclause   VU-MSG-GETFEATURES-01\n\nexpect   alive\n"
QUICK = ["--timeout-ms", "30"]          # the tenfold patience with it: 0.3 s


def run_one(kc, script, words, *options):
    return kc.report("run", kc.script(script), *QUICK, *options, *words)


# --- Dead -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("when", ["kick", 5, 11, 18])
@pytest.mark.parametrize("how, said", [("SIGSEGV", "SEGV"), (3, "exited with status 3")])
def test_dead(kc, when, how, said):
    script = PASSES if when == "kick" else STOPS
    run = run_one(kc, script, backend("dead", when, how))
    assert run.status == 1 and run.only["verdict"] == "fail" and run.seconds < 5
    told = run.only["message"]
    # A signal is told by its name, or by its number with the C library's words for it.
    assert said in told or (said == "SEGV" and "signal 11" in told), told
    text = kc("run", kc.script(script), *QUICK, *backend("dead", when, how)).out
    assert "about to end, having seen enough" in text


def test_dead_at_once_never_came_up(kc):
    run = run_one(kc, STOPS, backend("dead", 1, 3))
    assert run.status == 3 and run.out == ""
    assert "status 3" in run.err and "about to end, having seen enough" in run.err


# The connection ends with the test, or in it.
ENDS = {"after": STOPS, "within": STOPS + "vmm      disconnect\n"}


@pytest.mark.parametrize("where", ENDS)
def test_dead_of_a_disconnection(kc, where):
    run = run_one(kc, ENDS[where], backend("dead", "gone", "SIGSEGV"))
    assert run.status == 1 and run.only["verdict"] == "fail" and run.seconds < 5
    told = run.only["message"]
    assert "survive the end of its connection" in told
    assert "died of SIGSEGV" in told or "signal 11" in told, told


@pytest.mark.parametrize("where", ENDS)
def test_an_exit_upon_disconnection_is_no_death(kc, where):
    run = run_one(kc, ENDS[where], backend("dead", "gone", 0))
    assert run.status == 0 and run.only["verdict"] == "pass"


def test_one_death_does_not_stop_the_others(kc):
    kc.script(PASSES, "a")
    kc.script(STOPS, "b")
    kc.script(ANSWERS, "c")
    run = kc.report("run", kc.folder, *QUICK, *backend("dead", 11, "SIGKILL"))
    assert run.status == 1
    verdicts = {t["id"].rsplit("/", 1)[1]: t["verdict"] for t in run.report["tests"]}
    assert verdicts["b"] == "fail" and verdicts["c"] == "pass"


# --- Hung -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ident, name", [(5, "SET_MEM_TABLE"), (11, "GET_VRING_BASE"),
                                         (18, "setting up the queue"), (24, "GET_CONFIG")])
def test_hung(kc, ident, name):
    words = backend("hung", ident)
    run = run_one(kc, STOPS, words)
    if ident == 24:             # asked at the first look already
        assert run.status == 3 and name in run.err
    else:
        assert run.only["verdict"] == "inconclusive"
        assert name in run.only["reason"] and "no answer" in run.only["reason"]
    assert run.seconds < 8


def test_rings_that_are_never_served_are_not_waited_for_forever(kc):
    run = run_one(kc, PASSES, backend("one_shot"))
    assert run.only["verdict"] in ("fail", "inconclusive") and run.seconds < 5


# --- Lying ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lie, clauses, said", [
    ("garbage", None, "garbled"),
    ("wrong-id", {"VU-HDR-03"}, "GET_QUEUE_NUM"),
    ("wrong-size", None, "12 bytes instead of 8"),
    ("no-reply-flag", {"VU-HDR-03"}, "reply bit"),
    ("twice", {"VU-MSG-REPLYACK-02"}, "answered already"),
    ("unsolicited", {"VU-HDR-03"}, "GET_CONFIG"),
    ("hang-up", None, "closed the connection"),
])
def test_lying(kc, lie, clauses, said):
    run = run_one(kc, STOPS, backend("lying", lie))
    test = run.only
    assert run.status == 1 and test["verdict"] == "fail" and run.seconds < 5
    assert any(said in v["message"] for v in test["violations"]), test["violations"]
    if clauses:
        assert clauses <= {v["clause"] for v in test["violations"]}


def test_acks_that_nobody_asked_for(kc):
    # It lies from the first message on that could be acked, before any test: a verdict all the same.
    run = run_one(kc, STOPS, backend("lying", "ack-unasked"))
    assert run.status == 1 and run.only["verdict"] == "fail" and run.seconds < 5


# --- Good at first, worse later ---------------------------------------------------------------------

# It has one queue: a SHOULD here, so that there is something milder than a fail.
COUNTS = STOPS.replace("\n\nqueue", ", VU-MQ-02\nneeds    MQ\n\nqueue").replace(
    "expect   base 0", "expect   base 0\nmessage  GET_QUEUE_NUM\nexpect   reply, reply lacks bit 0 [VU-MQ-02]")


def sequence(kc, good, queues, script=STOPS):
    """Tests a, b and c on one process, the first look before them; c is what is asked about."""
    for name in "ab":
        kc.script(ANSWERS, name)
    kc.script(script, "c")
    run = kc.report("run", kc.folder, *QUICK, "--jobs", 1, *backend("tired", good, queues))
    return run, {t["id"].rsplit("/", 1)[1]: t for t in run.report["tests"]}


def test_a_failure_that_a_fresh_process_does_not_show_is_inconclusive(kc):
    run, tests = sequence(kc, 3, 2)
    assert run.status == 0 and tests["a"]["verdict"] == tests["b"]["verdict"] == "pass"
    assert tests["c"]["verdict"] == "inconclusive"
    told = tests["c"]["reason"]
    assert "/a, " in told and "/b;" in told and "/c" not in told
    assert "passes on a fresh one" in told and "GET_QUEUE_NUM" in told


def test_a_failure_that_is_a_warning_on_a_fresh_process_is_inconclusive(kc):
    run, tests = sequence(kc, 3, 1, COUNTS)
    assert run.status == 0 and tests["c"]["verdict"] == "inconclusive"
    told = tests["c"]["reason"]
    assert "/a, " in told and "/b;" in told and "only a warning on a fresh one" in told


def test_a_failure_that_a_fresh_process_shows_as_well_is_one(kc):
    run, tests = sequence(kc, 0, 2)
    assert run.status == 1 and tests["c"]["verdict"] == "fail"


def test_a_warning_that_a_fresh_process_shows_as_well_is_one(kc):
    run, tests = sequence(kc, 9, 1, COUNTS)
    assert run.status == 0 and tests["c"]["verdict"] == "warn"


# --- Spinning ---------------------------------------------------------------------------------------

SPINS = ["--", REF_SERVER, "--spin", "{socket}"]


def test_a_thread_that_never_sleeps_is_a_warning_that_tells_the_way_out(kc):
    run = run_one(kc, PASSES, SPINS)
    assert run.status == 0 and run.only["verdict"] == "warn"
    (said,) = run.only["violations"]
    assert said["clause"] == "VU-MSG-KICK-03" and said["level"] == "SHOULD"
    assert "--busy-poll" in said["message"] and "quirk busy-poll" in said["message"]
    assert run_one(kc, PASSES, SPINS, "--strict").status == 1


def test_a_declared_poller_may_spin(kc):
    run = run_one(kc, PASSES, SPINS, "--strict", "--busy-poll")
    assert run.status == 0 and run.only["verdict"] == "pass"
    path = profile(kc, "device blk", "quirk busy-poll by design",
                   f"command {REF_SERVER} --spin {{socket}}")
    run = run_one(kc, PASSES, ["--profile", str(path)], "--strict")
    assert run.status == 0 and run.only["verdict"] == "pass"


def test_a_thread_that_is_busy_and_sleeps_is_none(kc):
    run = run_one(kc, PASSES, ["--", REF_SERVER, "--tick", "{socket}"], "--strict")
    assert run.status == 0 and run.only["verdict"] == "pass" and run.only["violations"] == []


def test_spinning_with_work_left_or_without_a_kick_is_not_judged(kc):
    left = PASSES.replace("driver   request, kick\nexpect   1 used", "vmm      stop 0")
    run = run_one(kc, left, SPINS, "--strict")
    assert run.status == 0 and run.only["verdict"] == "pass"
    polled = PASSES.replace("size 4", "size 4 no-kick-fd")
    run = run_one(kc, polled, SPINS, "--strict")
    assert run.status == 0 and run.only["verdict"] == "pass"


def test_it_is_said_of_a_few_tests_and_not_looked_for_in_all(kc):
    many = PASSES.replace("\n\nqueue", "\nvary     n = 1 2 3 4\n\nqueue")
    run = run_one(kc, many, SPINS, "--jobs", 1)
    assert run.status == 0
    assert (run.report["summary"]["warn"], run.report["summary"]["pass"]) == (3, 1)


# --- Never starting ---------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [0, 7])
def test_ends_before_it_listens(kc, status):
    run = run_one(kc, PASSES, backend("early", status))
    assert run.status == 3 and run.out == "" and run.seconds < 3
    assert f"exited with status {status}" in run.err
    assert "no such disk: /dev/nothing" in run.err


def test_command_not_found(kc):
    run = run_one(kc, PASSES, ["--", "no-such-back-end", "{socket}"])
    assert run.status == 3 and run.seconds < 3
    assert "no-such-back-end: No such file or directory" in run.err


def profile(kc, *lines):
    path = kc.folder / "x.profile"
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_never_listens(kc):
    path = profile(kc, "device blk", "start-timeout-ms 300",
                   f"command {sys.executable} {BACKENDS}/mute.py {{socket}}")
    run = run_one(kc, PASSES, ["--profile", str(path)])
    assert run.status == 3 and run.seconds < 5
    assert "did not answer within 300 ms" in run.err and "thinking about it" in run.err


@pytest.mark.parametrize("command", ["probe", "run"])
def test_nobody_behind_the_socket(kc, command):
    scripts = [kc.script(PASSES)] if command == "run" else []
    run = kc(command, *scripts, "--backend", f"vhost-user:{kc.folder}/none")
    assert run.status == 3 and f"{kc.folder}/none" in run.err and run.seconds < 5


# --- One-shot and stubborn --------------------------------------------------------------------------

def test_one_shot_is_normal(kc):
    kc.script(STOPS, "a")
    kc.script(STOPS, "b")
    run = kc.report("run", kc.folder, *backend("one_shot"))
    assert run.status == 0 and run.report["summary"]["pass"] == 2


def test_stubborn_is_ended_all_the_same(kc):
    run = run_one(kc, STOPS, backend("stubborn"))
    assert run.status == 0 and run.seconds < 8


def test_kickcall_killed_takes_its_back_ends_along(kc):
    p = kc.start("run", kc.script(STOPS), "--timeout-ms", "20000", *backend("hung", 11))
    wait_until("the back-end runs", 5, lambda: any("hung.py" in c for c in kc.processes().values()))
    p.kill()
    p.communicate(timeout=5)
    wait_until("all processes have gone", 5, lambda: not kc.processes())
    for left in kc.tmp.rglob("*"):      # files are all that SIGKILL may leave
        assert left.is_dir() or left.is_file() or left.is_socket()
    kc.shell(f"rm -rf {kc.tmp}/*")


# --- A socket that somebody else serves -------------------------------------------------------------

READS = PASSES.replace("driver   request", "driver   request in")
WRITES = PASSES.replace("\n\nqueue", "\ndevice   blk\nneeds    writes\n\nqueue").replace(
    "driver   request", "driver   request out")


def test_a_served_socket_is_used_and_left_alone(kc, ref_server):
    path, server = ref_server()
    kc.script(READS, "reads")
    kc.script(STOPS, "stops")
    spec = f"vhost-user:{path}"
    run = kc.report("run", kc.folder, "--backend", spec, "--jobs", 4)
    assert run.status == 0 and run.report["summary"]["pass"] == 2
    assert run.report["backend"]["spec"] == spec and run.report["mode"] == "live"
    assert server.poll() is None and path.exists()
    assert kc("probe", "--backend", spec).status == 0


def serve_abcd(kc, serve, name, *args):
    """Tests a to d on a bad back-end that kickcall did not start; b stops a ring."""
    path, _ = serve([sys.executable, BACKENDS / f"{name}.py", *args])
    for test in "abcd":
        kc.script(STOPS if test == "b" else ANSWERS, test)
    words = ["run", kc.folder, *QUICK, "--backend", f"vhost-user:{path}"]
    run = kc.report(*words)
    return path, run, {t["id"].rsplit("/", 1)[1]: t["verdict"] for t in run.report["tests"]}


def test_a_served_back_end_that_dies_in_a_test_ends_the_run(kc, serve):
    path, run, verdicts = serve_abcd(kc, serve, "dead", 11, "SIGKILL")
    assert run.status == 1 and verdicts == {"a": "pass", "b": "fail"} and run.seconds < 10
    assert run.report["complete"] is False
    told = run.report["stopped"]
    assert str(path) in told and "cannot be connected to any more" in told
    assert told.endswith(f"served was {kc.folder}/b") and told in run.err


def test_a_served_back_end_that_goes_between_two_tests_accuses_nobody(kc, serve):
    _, run, verdicts = serve_abcd(kc, serve, "one_shot", 3)     # the first look, a and b
    assert run.status == 3 and verdicts == {"a": "pass", "b": "pass"}
    assert run.report["complete"] is False and run.report["stopped"].endswith("/b")


def test_a_served_back_end_that_goes_after_the_first_look(kc, serve):
    _, run, verdicts = serve_abcd(kc, serve, "one_shot")
    assert run.status == 3 and verdicts == {} and run.report["complete"] is False
    assert "has not served a single test" in run.report["stopped"]


def test_text_tells_which_test_a_served_back_end_served_last(kc, serve):
    path, _ = serve([sys.executable, BACKENDS / "one_shot.py", 2])
    many = STOPS.replace("\n\nqueue", "\nvary     n = 1 2 3\n\nqueue")
    run = kc("run", kc.script(many), *QUICK, "--backend", f"vhost-user:{path}")
    assert run.status == 3 and "1 pass, 0 fail" in run.out
    assert f"stopped before all tests had run: vhost-user:{path} cannot be" in run.out
    assert f"served was {kc.folder}/one [n=1]" in run.out


def test_a_bare_connection_to_nobody_ends_the_run_as_well(kc, serve):
    path, _ = serve([sys.executable, BACKENDS / "one_shot.py", 2])
    kc.script(STOPS, "a")
    kc.script("title    bytes\nclause   VU-MSG-GETFEATURES-01\nsession  manual\n\nvmm      open\n"
              "message  GET_FEATURES\nexpect   reply\n", "b")
    run = kc.report("run", kc.folder, *QUICK, "--backend", f"vhost-user:{path}")
    assert run.status == 3 and run.report["summary"]["error"] == 0
    assert run.report["stopped"].endswith("/a")


def test_a_served_back_end_that_hangs_up_is_there_and_fails(kc, serve):
    _, run, verdicts = serve_abcd(kc, serve, "shy")
    assert run.status == 1 and verdicts == dict.fromkeys("abcd", "fail")
    assert run.report["complete"] is True and "stopped" not in run.report


def test_storage_of_others_is_written_with_consent_only(kc, ref_server):
    path, server = ref_server()
    words = ["run", kc.script(WRITES), "--backend", f"vhost-user:{path}"]
    run = kc.report(*words)
    assert run.status == 77 and run.only["verdict"] == "skip"
    assert "--destructive" in run.only["reason"]
    run = kc.report(*words, "--destructive")
    assert run.status == 0 and run.only["verdict"] == "pass"
    assert server.poll() is None


def test_a_request_that_may_be_either_is_a_read_without_consent(kc, ref_server):
    path, _ = ref_server()
    trace = kc.folder / "trace"
    many = PASSES.replace("split size 4", "split size 64").replace(
        "driver   request,", "driver   6 requests,").replace("1 used", "6 used")
    words = ["run", kc.script(many), "--backend", f"vhost-user:{path}", "--trace", trace]
    assert kc(*words).status == 0
    assert "blk read" in trace.read_text() and "blk write" not in trace.read_text()
    assert kc(*words, "--destructive").status == 0
    assert "blk write" in trace.read_text()


def test_a_read_only_disk(kc, ref_server):
    path, _ = ref_server("--read-only")
    assert kc("run", kc.script(READS), "--backend", f"vhost-user:{path}").status == 0


def test_spawned_back_ends_may_be_written(kc):
    run = kc.report("run", kc.script(WRITES), "--", REF_SERVER, "{socket}")
    assert run.status == 0 and run.only["verdict"] == "pass"


def test_a_client_mode_back_end(kc, ref_server):
    path, server = ref_server("--connect", wait=False)
    run = kc.report("run", kc.script(READS), "--backend", f"vhost-user-server:{path}")
    assert run.status == 0 and run.only["verdict"] == "pass"
    assert server.poll() is None and not path.exists()


def test_a_command_that_connects(kc):
    run = kc.report("run", kc.script(PASSES), "--listen", "--", REF_SERVER, "--connect", "{socket}")
    assert run.status == 0 and run.only["verdict"] == "pass"


@pytest.mark.parametrize("words", [["{socket}"], ["--one-shot", "{socket}"]])
@pytest.mark.parametrize("device", ["blk", "loopback"])
def test_a_command_that_listens(kc, words, device):
    kc.script(PASSES, "a")
    kc.script(STOPS, "b")
    run = kc.report("run", kc.folder, "--device", device, "--", REF_SERVER, "--device", device,
                    *words)
    assert run.status == 0 and run.report["summary"]["pass"] == 2


def test_dir_is_a_private_directory_that_exists(kc):
    run = kc.report("run", kc.script(PASSES), "--", "sh", "-c",
                    f"test -w {{dir}} && echo hello >{{dir}}/file && exec {REF_SERVER} {{socket}}")
    assert run.status == 0


def test_it_keeps_going_in_a_place_with_a_long_name(kc):
    long = kc.tmp / ("x" * 100)
    long.mkdir()
    run = kc.report("run", kc.script(PASSES), "--", REF_SERVER, "{socket}", TMPDIR=str(long))
    assert run.status == 0
    assert list(long.iterdir()) == []
    long.rmdir()


def test_a_queue_count_of_its_own(kc):
    words = ["--", REF_SERVER, "--queues", "2", "{socket}"]
    assert json.loads(kc("probe", "--format", "json", *words).out)["queues"] == 2


def test_the_time_limit_of_these_tests_is_one():
    assert DEADLINE <= 30 and os.access(REF_SERVER, os.X_OK)
