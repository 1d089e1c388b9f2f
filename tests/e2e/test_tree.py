# SPDX-License-Identifier: BSD-3-Clause
"""The source tree keeps its own rules: who may include whom, what scenarios look like."""
import json
import re
import statistics
import subprocess
from pathlib import Path

import pytest
from conftest import PROGRAM, ROOT

# Folder -> folders it may include from. Driver, back-end and oracle never share an algorithm, so
# that a mistake in one is not made by the judge as well; layouts and accessors (kickcall) they share.
MAY_INCLUDE = {
    "include/kickcall": {"kickcall"},
    "common": {"kickcall", "common"},
    "sim": {"kickcall", "common", "sim"},
    "guest_model": {"kickcall", "common", "sim", "guest_model"},
    "backend": {"kickcall", "common", "backend", "backend/reference"},
    "backend/reference": {"kickcall", "common", "backend/reference"},
    "coverage": {"kickcall", "coverage"},
    "harness/oracle": {"kickcall", "common", "sim", "coverage", "harness/oracle"},
    "harness/report": {"kickcall", "coverage", "harness/report"},
    "harness/language": {"kickcall", "common", "coverage", "harness/language", "harness/report",
                         "harness/world"},
    "harness/world": {"kickcall", "common", "sim", "guest_model", "backend", "coverage",
                      "harness/oracle", "harness/report", "harness/language", "harness/world"},
    "harness/run": {"kickcall", "common", "sim", "guest_model", "backend", "harness/language",
                    "harness/report", "harness/world", "harness/run"},
    "harness": {"kickcall", "guest_model", "backend", "coverage", "harness", "harness/oracle",
                "harness/run"},
}
OURS = {"kickcall", "common", "sim", "guest_model", "backend", "coverage", "harness"}


def sources(*suffixes):
    for top in sorted({folder.split("/")[0] for folder in MAY_INCLUDE}):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in suffixes:
                yield path


def includes(path):
    for name in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.M):
        folder = str(Path(name).parent)
        if folder.split("/")[0] in OURS:
            yield folder


def test_who_includes_whom():
    wrong, seen = [], set()
    for path in sources(".c", ".h"):
        folder = str(path.parent.relative_to(ROOT))
        assert folder in MAY_INCLUDE, f"{path}: no rule for this folder"
        for other in includes(path):
            seen.add((folder, other))
            if other not in MAY_INCLUDE[folder]:
                wrong.append(f"{path.relative_to(ROOT)} includes from {other}/")
    assert not wrong, "\n".join(wrong)
    assert ("harness/world", "sim") in seen and ("backend", "kickcall") in seen   # includes are read


def test_no_header_is_reached_around_the_rules():
    """What is in quotes and has no folder is a neighbour; "../" would slip past the check above."""
    for path in sources(".c", ".h"):
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(), re.M):
            assert "/" not in name and (path.parent / name).exists(), f'{path}: "{name}"'


def test_every_source_names_its_licence_first():
    for path in [*sources(".c", ".h"), *(ROOT / "tests").rglob("*.[ch]"),
                 *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").glob("*.[ch]")]:
        lines = path.read_text().split("\n", 2)
        first = lines[1] if lines[0].startswith("#!") else lines[0]
        assert "SPDX-License-Identifier: BSD-3-Clause" in first, path


# --- The oracle's clauses ---------------------------------------------------------------------------

CLAUSE_ID = r'"([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)"'


def in_lists_and_code(text, kind, item):
    """What the list of that kind names, and what the rest of the source does."""
    lists = re.findall(r"struct kc_point_%s \w+\[\] = \{\n(.*?)\n\};" % kind, text, re.S)
    assert len(lists) <= 1
    listed = re.findall(item, lists[0]) if lists else []
    assert len(set(listed)) == len(listed)
    return set(listed), set(re.findall(item, text.replace(lists[0], "") if lists else text))


def test_each_point_lists_the_clauses_that_it_accuses_by():
    """`list clauses` reads the lists, so what is in them must be what the code says, and no more."""
    points = sorted((ROOT / "harness" / "oracle").glob("p[0-9][0-9]_*.c"))
    layouts = "".join(p.read_text() for p in (ROOT / "harness" / "oracle").glob("layout_*.c"))
    assert len(points) >= 11
    for path in points:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        listed, used = in_lists_and_code(text, "clause", CLAUSE_ID)
        assert used == listed, path.name
        listed, used = in_lists_and_code(text, "rule", r"\bKC_RULE_\w+")
        # What a layout chooses.
        if "call_rule(" in text:
            used |= set(re.findall(r"\bKC_RULE_CALL_\w+", layouts))
        assert used == listed, path.name


# --- Scenarios --------------------------------------------------------------------------------------

class Scenario:
    def __init__(self, path):
        self.id = str(path.relative_to(ROOT / "scenarios"))[:-5]
        self.lines = path.read_text().splitlines()
        words = [line.split("#")[0].split() for line in self.lines]
        self.words = [w for w in words if w]
        self.header = {w[0]: " ".join(w[1:]) for w in self.words
                       if w[0] in ("title", "clause", "needs", "device", "without", "session")}
        self.actions = list(self.read_actions())

    def read_actions(self):
        """(subject, text) for each action of each line, as the parser cuts them."""
        for line in self.lines:
            m = re.match(r"(queue|driver|vmm|message|expect|repeat|end)\b\s*(.*)",
                         line.split("#")[0].rstrip())
            if not m:
                continue
            subject, rest = m.groups()
            if subject == "expect":
                rest = re.sub(r"\s*\[[A-Z][^\]]*\]", "", rest)
                rest = re.sub(r"^queue \S+\s+", "", rest)
            elif subject == "driver":
                rest = re.sub(r"^(?:\d+|control)\s+(?!requests|[+-])", "", rest)
            for action in rest.split(","):
                yield subject, " ".join(action.split())


@pytest.fixture(scope="module")
def scenarios():
    return [Scenario(p) for p in sorted((ROOT / "scenarios").rglob("*.kick"))]


def listed(what):
    out = subprocess.run([PROGRAM, "list", what, "--format", "json"], cwd=ROOT, timeout=30,
                         capture_output=True, check=True, text=True).stdout
    return json.loads(out)[what]


def test_every_scenario_names_known_clauses(scenarios):
    lines = (ROOT / "coverage" / "clauses.tsv").read_text().splitlines()
    known = {line.split("\t")[0] for line in lines}
    for s in scenarios:
        ids = set(re.findall(r"[A-Z0-9]+(?:-[A-Z0-9]+)+", s.header["clause"]))
        ids |= {i for line in s.lines for i in re.findall(r"\[([A-Z]+-[A-Z0-9-]+)\]",
                                                          line.split("#")[0])}
        assert ids and ids <= known, (s.id, ids - known)
    # The program's own parser sees the same files, and accepts each.
    assert {t["id"] for t in listed("tests")} == {s.id for s in scenarios}


def test_a_clause_that_accuses_can_be_broken(scenarios):
    """An expectation accuses by the first clause, or by its own; one that is never judged proves
    nothing there."""
    rows = [line.split("\t") for line in (ROOT / "coverage" / "clauses.tsv").read_text().splitlines()
            if not line.startswith("#")]
    column = rows[0].index("judge")
    never = {row[0] for row in rows if row[column] == "never"}
    assert never
    for s in scenarios:
        text = "\n".join(line.split("#")[0] for line in s.lines)
        accusers = set(re.findall(r"^(?:clause|packed)\s+([A-Z0-9-]+)", text, re.M))
        accusers |= set(re.findall(r"^expect\b.*\[([A-Z]+-[A-Z0-9-]+)\]", text, re.M))
        assert accusers and not accusers & never, (s.id, accusers & never)


def waivers():
    lines = (ROOT / "coverage" / "waivers.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    assert rows[0] == ["id", "status", "reason"] and len(rows) > 1
    return rows[1:]


def test_no_clause_is_waived_and_tested():
    """A waiver that a test has overtaken goes. (A beginning, ID*, may be open in part.)"""
    standing = {c["id"]: c["status"] for c in listed("clauses")}
    wrong = []
    for name, status, _ in waivers():
        hit = [i for i in standing if i == name or name[-1] == "*" and i.startswith(name[:-1])]
        assert hit, name
        if status == "waived" or name[-1] != "*":
            wrong += [f"{i}: {status}" for i in hit if standing[i] == "tested"]
    assert not wrong


def test_there_are_enough_of_them(scenarios):
    neutral = [s for s in scenarios if "device" not in s.header and
               "messages" not in s.header.get("needs", "") and
               any(w[0] == "queue" for w in s.words)]
    assert len(scenarios) >= 80
    assert len(neutral) >= 40


def test_they_are_short(scenarios):
    assert statistics.median(len(s.lines) for s in scenarios) <= 40


def test_each_is_named_by_a_claim_of_its_own(scenarios):
    titles = [s.header["title"] for s in scenarios]
    assert len(set(titles)) == len(titles), \
        sorted(t for t in set(titles) if titles.count(t) > 1)
    for s in scenarios:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)*", s.id), s.id


# --- The language -----------------------------------------------------------------------------------

ONE_NUMBER = r"(?:\d\w*|[a-z]+_[a-z_]+|max|combinations|control|\$\w+)"
NUMBER = rf"\s*-?\s*{ONE_NUMBER}(?:\s*[+-]\s*{ONE_NUMBER})?\s*"


def as_regex(pattern):
    """A pattern of `list verbs` as a regular expression over an action's text."""
    out = []
    for piece in re.findall(r"<\w>|<\*>|[\w.-]+|\s+|.", pattern):
        if piece == "<n>":
            out.append(NUMBER)
        elif piece == "<w>":
            out.append(r"[\w$.]+")
        elif piece == "<*>":
            out.append(r".*")
        elif piece.isspace():
            out.append(r"\s*")
        else:
            out.append(re.escape(piece) + (r"\b" if re.match(r"\w", piece[-1]) else r"\s*"))
    return re.compile("".join(out) + r"\Z")


# For people's own scripts; no scenario for every back-end can use them, and why.
UNUSED = {
    "expect config <n> size <n> = <n>": "what a field holds is the back-end's own affair",
    "expect refused": "a sound back-end may close the connection instead",
}


def test_every_verb_is_used_by_a_scenario(scenarios):
    verbs = [v["id"].strip().split(" ", 1) for v in listed("verbs")]
    verbs = [(v[0], v[1] if len(v) > 1 else "") for v in verbs]
    unused = {f"{s} {p}".strip() for s, p in verbs}
    for scenario in scenarios:
        for subject, text in scenario.actions:
            # Of two patterns that fit, the first wins, as in the parser.
            hit = next((p for s, p in verbs if s == subject and as_regex(p).match(text)), None)
            if hit is None:         # a line whose meaning is in a variable
                assert "$" in text or "[" in text, (scenario.id, subject, text)
                continue
            unused.discard(f"{subject} {hit}".strip())
    assert sorted(unused - set(UNUSED)) == []
    assert sorted(set(UNUSED) - unused) == []        # an exception that is none any more


DOC = ROOT / "docs" / "SCENARIOS.md"


@pytest.mark.skipif(not DOC.exists(), reason="docs/SCENARIOS.md is not written yet")
def test_every_verb_is_explained():
    text = re.sub(r"\s+", " ", DOC.read_text())
    missing = []
    for verb in listed("verbs"):
        subject, _, pattern = verb["id"].strip().partition(" ")
        literal = [w for w in re.split(r"\s*(?:<n>|<w>|<\*>)\s*", pattern) if w]
        if not all(w in text for w in [subject, *literal]):
            missing.append(verb["id"])
    assert not missing


FINDINGS = ROOT / "docs" / "FINDINGS.md"


def test_every_known_failure_of_a_profile_has_its_finding():
    entries = []
    for path in (ROOT / "profiles").glob("*.known"):
        for line in path.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                entries.append((path.name, line.rsplit("|", 1)[1].strip()))
    anchors = set()
    if FINDINGS.exists():
        for heading in re.findall(r"^#+\s+(.*)$", FINDINGS.read_text(), re.M):
            anchors.add(re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-"))
    wrong = [e for e in entries if e[1] not in {f"docs/FINDINGS.md#{a}" for a in anchors}]
    assert not wrong


# --- Tests ------------------------------------------------------------------------------------------

UNITS = ROOT / "tests" / "unit"


def modules_of(unit):
    """What the opening comment of a unit test says that it tests: " * Modules: a/b.c, c/d.c"."""
    opening = unit.read_text().split("#include", 1)[0]
    said = re.search(r"^ \* Modules:((?:[^\n]*,\n \*)*[^\n]*)$", opening, re.M)
    return {name.strip(" *\n") for name in said.group(1).split(",")} if said else set()


def test_every_module_has_units():
    """tests/unit/test_MODULE.c, with its folder before it where two modules have one name, or a test
    that names it. The command line alone is tested from outside only."""
    modules = {str(p.relative_to(ROOT)): p for p in sources(".c")}
    del modules["harness/main.c"]
    stems = [p.stem for p in modules.values()]
    named = {unit: modules_of(unit) for unit in sorted(UNITS.glob("test_*.c"))}
    for unit, names in named.items():
        assert names <= set(modules), f"{unit.name}: no such module: {sorted(names - set(modules))}"
    tested = set().union(*named.values())
    for module, path in modules.items():
        units = [f"test_{path.parent.name}_{path.stem}.c"]
        if stems.count(path.stem) == 1:
            units.append(f"test_{path.stem}.c")
        if any((UNITS / u).exists() for u in units):
            tested.add(module)
    assert sorted(set(modules) - tested) == []


def test_no_test_sleeps():
    call = re.compile(r"\b(?:sleep|usleep|nanosleep|clock_nanosleep)\s*\(")
    for path in [*(ROOT / "tests").rglob("*.[ch]"), *(ROOT / "tests").rglob("*.py"),
                 *(ROOT / "tests").rglob("*.sh")]:
        if path == Path(__file__):
            continue
        for n, line in enumerate(path.read_text().splitlines(), 1):
            hit = call.search(line)
            assert not hit or "test_sleep(" in line, f"{path}:{n}: {line.strip()}"
