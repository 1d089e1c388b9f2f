#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks that the conformance suite catches bugs: each *.mutant here puts one into a back-end, or
into kickcall's own driver.

A mutant file is a header of `key   value` lines, a line of its own with `--- replace`, a piece of
the source (whole lines) that must occur exactly once, `--- with`, and what takes its place. More
pairs may follow when the bug is in two places; `#` begins a comment line in the header. The keys:

    title       the bug, as one would say it in a bug report
    from        where it was seen: a public commit, an issue, a CVE (`cf.`: one much like it), or
                the rule that it breaks
    clause      the clause of which a violation must be reported, or `any` (a crash, say, is
                charged to the scenario's first clause)
    caught-by   the scenario that must catch it, and possibly a variant: PATH [NAME=VALUE,...]
    device      a device type of the reference (DEVICES below)
    file        the source file, under backend/, guest_model/ or sim/
    verdict     optional: `warn` for a SHOULD clause; `error` where the bug is not in a back-end; else
                `fail`
    says        what the error must say; only with `verdict error`, and needed there
    mode        optional: `live`; else the simulator

The change is made in a copy (BUILD/mutants/NAME/), so the reference stays clean. Only that file
is compiled; its object comes first on the link line, so that the library's own member is not
pulled in.

The named scenario must end with that verdict and that clause on the mutant, and must pass without
it. A bug in the driver must be told of as the driver's, and no back-end be accused of it; the clause
is then the one that the driver breaks, and is not looked for in the report. `--survey` tells instead
which scenarios of the whole suite catch each mutant, and with which clauses.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

REQUIRED = ("title", "from", "clause", "caught-by", "device", "file")
OPTIONAL = {"verdict": ("fail", "warn", "error"), "mode": ("sim", "live")}
TEXTS = ("says",)
OWN_FOLDERS = ("guest_model", "sim")        # of what must be told of as kickcall's own
BLAME = "kickcall's own driver broke a rule on queue "
DEVICES = ("blk", "loopback", "net", "rng", "scsi", "fs", "console", "vsock", "balloon")
# Of the runner's own deadlines, so that a back-end that hangs is told of in seconds.
TIMEOUT_SCALE = "0.1"
DEADLINE_S = 60
SURVEY_DEADLINE_S = 300
QUICK = ("-O0", "-g0")      # a mutant runs for less time than it takes to build


class Wrong(Exception):
    """A mutant file, or the machinery around it, is not as it must be. Begins with file:line."""


class Mutant:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        self.keys = {}
        self.lines = {}         # key -> line number in the file
        self.pairs = []         # (line number, old, new)

    def wrong(self, line, text):
        return Wrong(f"{self.where}:{line}: {text}")

    def __getitem__(self, key):
        return self.keys[key]

    @property
    def scenario(self):
        return self["caught-by"].split()[0]

    @property
    def variant(self):
        words = self["caught-by"].split()
        return words[1] if len(words) > 1 else ""


# --- Reading --------------------------------------------------------------------------------------

def parse(path):
    """The mutant in that file, or Wrong."""
    m = Mutant(path)
    lines = path.read_text().splitlines(keepends=True)
    body = next((i for i, s in enumerate(lines) if s.startswith("---")), len(lines))
    for number, line in enumerate(lines[:body], 1):
        parse_key(m, number, line)
    parse_pairs(m, lines, body)
    check_keys(m)
    return m


def parse_key(m, number, line):
    words = line.split(None, 1)
    if not words or words[0].startswith("#"):
        return
    if words[0] not in (*REQUIRED, *OPTIONAL, *TEXTS):
        raise m.wrong(number, f"a mutant has no '{words[0]}'")
    if words[0] in m.keys:
        raise m.wrong(number, f"'{words[0]}' for the second time")
    if len(words) < 2:
        raise m.wrong(number, f"'{words[0]}' is empty")
    m.keys[words[0]] = words[1].strip()
    m.lines[words[0]] = number


def parse_pairs(m, lines, i):
    while i < len(lines):
        parts = []
        start = i + 1
        for marker in ("--- replace\n", "--- with\n"):
            if i >= len(lines) or lines[i] != marker:
                raise m.wrong(i + 1, f"'{marker.strip()}' expected")
            end = next((j for j in range(i + 1, len(lines)) if lines[j].startswith("---")),
                       len(lines))
            parts.append("".join(lines[i + 1:end]))
            i = end
        if not parts[0].strip():
            raise m.wrong(start, "nothing to replace")
        m.pairs.append((start, *parts))
    if not m.pairs:
        raise m.wrong(len(lines), "no '--- replace'")


def check_keys(m):
    for key in REQUIRED:
        if key not in m.keys:
            raise m.wrong(1, f"'{key}' is missing")
    for key, values in OPTIONAL.items():
        m.keys.setdefault(key, values[0])
        if m[key] not in values:
            raise m.wrong(m.lines[key], f"'{key}' is {' or '.join(values)}")
    if m["device"] not in DEVICES:
        raise m.wrong(m.lines["device"], f"'device' is {' or '.join(DEVICES)}")
    check_file(m)
    if m["clause"] != "any" and m["clause"] not in clause_ids():
        raise m.wrong(m.lines["clause"], f"there is no clause {m['clause']}")


def check_file(m):
    folder = m["file"].split("/")[0]
    if folder not in ("backend", *OWN_FOLDERS) or not re.fullmatch(r"[\w/]+\.c", m["file"]) \
            or not (ROOT / m["file"]).is_file():
        raise m.wrong(m.lines["file"], f"there is no source file {m['file']} under backend/, "
                      "guest_model/ or sim/")
    error = m["verdict"] == "error"
    if error != (folder in OWN_FOLDERS):
        raise m.wrong(m.lines["file"], "'verdict error' is for bugs outside backend/, and for no others")
    if error != ("says" in m.keys):
        raise m.wrong(1, "'says' and 'verdict error' come together")


def check_scenario(m):
    if not (ROOT / "scenarios" / (m.scenario + ".kick")).is_file():
        raise m.wrong(m.lines["caught-by"], f"there is no scenario {m.scenario}")


def clause_ids(cache=[]):
    if not cache:
        rows = (ROOT / "coverage" / "clauses.tsv").read_text().splitlines()
        cache.append({row.split("\t")[0] for row in rows if not row.startswith("#")})
    return cache[0]


def mutated(m):
    """The source with the bug in it."""
    text = (ROOT / m["file"]).read_text()
    for line, old, new in m.pairs:
        count = text.count(old)
        if count != 1:
            what = "is not there any more" if count == 0 else f"is there {count} times"
            raise m.wrong(line, f"this piece of {m['file']} {what}, and must be there once")
        text = text.replace(old, new)
    return text


# --- Building -------------------------------------------------------------------------------------

class Build:
    """The commands of the build that is there, as make would give them."""

    def __init__(self, folder):
        self.folder = folder
        self.kickcall = f"{folder}/kickcall"
        if not (ROOT / self.kickcall).is_file():
            raise Wrong(f"{self.kickcall}: not there; build it first")
        main = f"{folder}/harness/main.o"
        lines = subprocess.run(
            ["make", "-n", "--no-print-directory", f"BUILD={folder}", "-W", "harness/main.c",
             self.kickcall], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
        self.cc = self.find(lines, f"-c -o {main} harness/main.c")
        self.ld = self.find(lines, f"-o {self.kickcall} {main}")

    @staticmethod
    def find(lines, what):
        for line in lines.splitlines():
            if what in line:
                return shlex.split(line.split("&&")[-1])
        raise Wrong(f"Makefile: make has no command with '{what}'")

    def compile(self, source, where, obj):
        """Warnings are the mutant's own business; nothing may depend on what it leaves here."""
        flags = [f for f in self.cc[:self.cc.index("-c")] if f not in ("-MMD", "-MP")]
        return [*flags, *QUICK, "-w", "-iquote", where, "-c", "-o", obj, source]

    def link(self, obj, program):
        at = self.ld.index("-o")
        return [*self.ld[:at], "-s", "-o", program, obj, *self.ld[at + 2:]]


def run(argv, deadline_s):
    """(exit status, what it said), the status None if it had to be killed."""
    p = subprocess.Popen(argv, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = p.communicate(timeout=deadline_s)
        return p.returncode, said
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        said, _ = p.communicate()
        return None, said


def build(m, b, folder):
    """The path of a kickcall that has the bug."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / pathlib.Path(m["file"]).name
    obj = source.with_suffix(".o")
    source.write_text(mutated(m))
    where = os.path.dirname(m["file"])
    for argv in (b.compile(str(source), where, str(obj)),
                 b.link(str(obj), str(folder / "kickcall"))):
        status, said = run(argv, DEADLINE_S)
        if status != 0:
            raise m.wrong(m.pairs[0][0], f"does not build:\n{said}")
    return folder / "kickcall"


# --- Judging --------------------------------------------------------------------------------------

def scenario_run(program, m, folder, deadline_s=DEADLINE_S, whole_suite=False):
    """The tests of the report; Wrong if there is none."""
    report = folder / "report.json"
    what = ["conform"] if whole_suite else ["run", f"scenarios/{m.scenario}.kick"]
    if m.variant and not whole_suite:
        what += ["--variant", m.variant]
    report.unlink(missing_ok=True)
    status, said = run([str(program), *what, "--device", m["device"], "--mode", m["mode"],
                        "--jobs", "1", "--timeout-scale", TIMEOUT_SCALE, "--format", "json",
                        "--output", str(report)], deadline_s)
    if status is None:
        raise Wrong(f"{m.where}:1: kickcall itself did not end within {deadline_s} s")
    if not report.is_file():
        raise Wrong(f"{m.where}:1: kickcall made no report (exit status {status}):\n{said}")
    tests = json.loads(report.read_text())["tests"]
    if not tests:
        raise m.wrong(m.lines["caught-by"], "no test of that name and variant was run")
    return tests


def caught(m, test):
    if m["verdict"] == "error":
        return test["verdict"] == "error" and not test["violations"] and \
            test["message"].startswith(BLAME) and m["says"] in test["message"]
    clauses = [v["clause"] for v in test["violations"]]
    return test["verdict"] == m["verdict"] and (m["clause"] == "any" or m["clause"] in clauses)


def tell(test):
    """What a test said, in one line."""
    variant = f" {test['variant']}" if test["variant"] else ""
    said = "; ".join(f"[{v['clause']}] {v['message']}" for v in test["violations"])
    return f"{test['id']}{variant}: {test['verdict']}: {said or test['reason'] or test['message']}"


def check_mutant(m, b, folder):
    """None if it is caught, else why not."""
    check_scenario(m)
    tests = scenario_run(build(m, b, folder), m, folder)
    if any(caught(m, t) for t in tests):
        (folder / "kickcall").unlink()
        return None
    wanted = f"error with \"{m['says']}\"" if "says" in m.keys else \
        m["verdict"] if m["clause"] == "any" else f"{m['verdict']} for {m['clause']}"
    return "\n    ".join([f"{m.where}:{m.lines['caught-by']}: not caught, {wanted} expected"]
                         + [tell(t) for t in tests])


def check_clean(m, b, folder):
    """None if the unchanged reference passes what is to catch the mutant."""
    check_scenario(m)
    folder.mkdir(parents=True, exist_ok=True)
    bad = [tell(t) for t in scenario_run(b.kickcall, m, folder) if t["verdict"] != "pass"]
    if not bad:
        return None
    return "\n    ".join([f"{m.where}:{m.lines['caught-by']}: the clean reference does not pass"]
                         + bad)


def survey(m, b, folder):
    """Prints which scenarios catch it, and how."""
    tests = scenario_run(build(m, b, folder), m, folder, SURVEY_DEADLINE_S, whole_suite=True)
    (folder / "kickcall").unlink()
    found = {}
    for t in tests:
        if t["verdict"] in ("fail", "warn", "error", "inconclusive"):
            how = t["verdict"] + " " + " ".join(sorted({v["clause"] for v in t["violations"]}))
            found.setdefault((t["id"], how), []).append(t["variant"])
    lines = [f"    {name}: {how} ({len(variants)}: {variants[0]})"
             for (name, how), variants in sorted(found.items())]
    return "\n".join([f"{m.name}: {len(lines)} of {len(tests)} tests"] + lines)


# --- The whole ------------------------------------------------------------------------------------

def guarded(fn, *args):
    try:
        return fn(*args)
    except Wrong as why:
        return str(why)


def clean_jobs(mutants):
    """One mutant for each thing that the clean reference has to pass."""
    return {(m.scenario, m.variant, m["device"], m["mode"]): m for m in mutants}.values()


def check_all(mutants, b, out, pool):
    clean = {m: pool.submit(guarded, check_clean, m, b, out / ".clean" / m.name)
             for m in clean_jobs(mutants)}
    dirty = {m: pool.submit(guarded, check_mutant, m, b, out / m.name) for m in mutants}
    failed = 0
    for m, job in dirty.items():
        why = job.result()
        failed += why is not None
        print(f"not caught  {m.name}\n    {why}" if why else
              f"caught      {m.name}  {m['caught-by']}", flush=True)
    for m, job in clean.items():
        why = job.result()
        if why:
            failed += 1
            print(f"not clean   {m['caught-by']}\n    {why}")
    return len(dirty) + len(clean) - failed, failed


def survey_all(mutants, b, out, pool):
    for job in [pool.submit(guarded, survey, m, b, out / m.name) for m in mutants]:
        print(job.result(), flush=True)
    return len(mutants), 0


def read_all(names):
    """Mutants, and what is wrong with the files that are none."""
    good, bad = [], []
    for path in sorted(HERE.glob("*.mutant")):
        if names and path.stem not in names:
            continue
        try:
            good.append(parse(path))
        except Wrong as why:
            bad.append(str(why))
    missing = set(names) - {p.stem for p in HERE.glob("*.mutant")}
    return good, bad + [f"there is no mutant {n}" for n in sorted(missing)]


def main(argv=None):
    p = argparse.ArgumentParser(description="Does the suite catch the mutants?")
    p.add_argument("--build", default="build", help="build folder (default: build)")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    p.add_argument("--survey", action="store_true", help="which scenarios catch each mutant?")
    p.add_argument("names", nargs="*", help="only these mutants")
    args = p.parse_args(argv)
    mutants, bad = read_all(args.names)
    for why in bad:
        print(f"no mutant   {why}")
    try:
        b = Build(args.build)
    except Wrong as why:
        print(why, file=sys.stderr)
        return 1
    out = (ROOT / args.build / "mutants").resolve()
    work = survey_all if args.survey else check_all
    with concurrent.futures.ThreadPoolExecutor(max_workers=args.jobs) as pool:
        passed, failed = work(mutants, b, out, pool)
    print(f"{passed} passed, {failed + len(bad)} failed")
    return 1 if failed or bad or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
