#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compiles the clause catalogue into C: compile.py CLAUSES.tsv WAIVERS.tsv OUT.c

Both tables are checked strictly first. Every mistake is printed as file:line: message, and
nothing is written if there is one. OUT.c defines kc_clauses[], sorted by id (byte order, as strcmp
sees it), and kc_nclauses.

A waiver says why no test looks at a clause: an id or, ending in *, the beginning of several. An id
goes before a beginning, and a longer beginning before a shorter one.
"""
import os
import re
import sys

COLUMNS = ["id", "source", "section", "role", "level", "judge", "area", "statement", "observable",
           "needs"]
WAIVER_COLUMNS = ["id", "status", "reason"]
STATUSES = {"waived", "open"}
# Whose duty a clause must be to be held against a back-end, and where it must show.
OBLIGED = {"device", "both", "back-end"}
UNSEEN = ("driver-side", "not observable")
WORDS = {
    "source": {"virtio-1.3", "virtio-1.4", "vhost-user", "vhost-kernel"},
    "role": {"device", "driver", "both", "back-end", "front-end"},
    "level": {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "protocol"},
    "judge": {"fail", "warn", "never"},
    "area": {"admin", "balloon", "blk", "config", "console", "feature", "fs", "in-order",
             "indirect", "inflight", "log", "memory", "message", "net", "notification",
             "reconnect", "reset",
             "ring-packed", "ring-split", "rng", "scsi", "status", "vsock"},
}
# How hard a level may be judged: milder is a decision of the catalogue's, harder is a mistake.
JUDGES = {
    "MUST": {"fail", "warn"}, "MUST NOT": {"fail", "warn"}, "protocol": {"fail", "warn"},
    "SHOULD": {"warn"}, "SHOULD NOT": {"warn"}, "MAY": {"never"},
}
ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+")
ID_MAX = 47  # struct kc_violation holds an id in 48 bytes


def check_row(row):
    """Yields what is wrong with one row, a sentence each."""
    if not ID.fullmatch(row["id"]):
        yield f"id '{row['id']}': want words of capitals and digits joined by '-'"
    if len(row["id"]) > ID_MAX:
        yield f"id '{row['id']}' is longer than {ID_MAX} characters"
    for column, words in WORDS.items():
        if row[column] not in words:
            yield f"{column} '{row[column]}': want one of {', '.join(sorted(words))}"
    known = row["level"] in WORDS["level"] and row["judge"] in WORDS["judge"]
    if known and row["judge"] not in JUDGES[row["level"]]:
        yield f"a {row['level']} cannot be judged '{row['judge']}'"
    if row["judge"] == "fail" and row["statement"].rstrip(".").endswith("(inferred)"):
        yield "an inferred statement cannot be judged 'fail'"


def check_text(column, text):
    if not text or text != text.strip():
        yield f"{column} is empty or has blanks at its ends"
    elif not all(" " <= c <= "~" for c in text):
        yield f"{column} holds characters that are not printable ASCII"


def read_table(path, columns, check):
    """Returns (rows, errors). A row's "line" is where it stands."""
    rows, errors, lines = [], [], {}
    header = None
    with open(path, encoding="utf-8", newline="\n") as f:
        for number, line in enumerate(f, 1):
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                continue
            if header is None:
                header = fields
                if header != columns:
                    return [], [f"{path}:{number}: columns are {header}, want {columns}"]
                continue
            if len(fields) != len(columns):
                errors.append(f"{path}:{number}: {len(fields)} columns, want {len(columns)}")
                continue
            row = dict(zip(columns, fields))
            errors += [f"{path}:{number}: {what}" for what in check(row)]
            for column, text in row.items():
                errors += [f"{path}:{number}: {what}" for what in check_text(column, text)]
            if row["id"] in lines:
                errors.append(f"{path}:{number}: id '{row['id']}' is already in line "
                              f"{lines[row['id']]}")
            lines.setdefault(row["id"], number)
            rows.append({**row, "line": number})
    if header is None:
        errors.append(f"{path}:1: no columns")
    return rows, errors


def is_held(row):
    """Can a back-end be held to it? Then it is tested, waived, or open."""
    return row["role"] in OBLIGED and not any(word in row["observable"] for word in UNSEEN)


def check_waiver(row):
    if not ID.fullmatch(row["id"]) and not re.fullmatch(r"[A-Z][A-Z0-9-]*\*", row["id"]):
        yield f"id '{row['id']}': want a clause, or the beginning of some and '*'"
    if row["status"] not in STATUSES:
        yield f"status '{row['status']}': want one of {', '.join(sorted(STATUSES))}"


def fits(waiver, row):
    return row["id"] == waiver or (waiver[-1] == "*" and row["id"].startswith(waiver[:-1]))


def waive(rows, waivers, path):
    """Gives each clause its status and reason. Returns errors."""
    errors = []
    for row in rows:
        row["waived"], row["reason"] = False, ""
    # The nearest comes last, and has the last word: "A-1" is longer than "A-*" without its star.
    for w in sorted(waivers, key=lambda w: (w["id"][-1] != "*", len(w["id"]))):
        hit = [row for row in rows if fits(w["id"], row)]
        if not hit:
            errors.append(f"{path}:{w['line']}: there is no clause '{w['id']}'")
        elif not any(is_held(row) for row in hit):
            errors.append(f"{path}:{w['line']}: nobody holds a back-end to '{w['id']}'")
        for row in hit:
            row["waived"], row["reason"] = w["status"] == "waived", w["reason"]
    return errors


def read(clauses, waivers):
    """Returns (rows, errors)."""
    rows, errors = read_table(clauses, COLUMNS, check_row)
    if not rows and not errors:
        errors.append(f"{clauses}:1: no clauses")
    if errors:
        return rows, errors
    table, errors = read_table(waivers, WAIVER_COLUMNS, check_waiver)
    return rows, errors or waive(rows, table, waivers)


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '"'


def c_bool(value):
    return "true" if value else "false"


def write(rows, path, source):
    temporary = path + ".tmp"
    with open(temporary, "w", encoding="ascii") as f:
        f.write(f"/* Made by coverage/compile.py from {source}: do not edit. */\n")
        f.write("#include <coverage/clauses.h>\n\nconst struct kc_clause kc_clauses[] = {\n")
        for row in sorted(rows, key=lambda r: r["id"]):
            f.write("\t{\n")
            for column in COLUMNS:
                value = row[column]
                value = f"KC_JUDGE_{value.upper()}" if column == "judge" else c_string(value)
                f.write(f"\t\t.{column} = {value},\n")
            f.write(f"\t\t.held = {c_bool(is_held(row))},\n")
            f.write(f"\t\t.waived = {c_bool(row['waived'])},\n")
            f.write(f"\t\t.reason = {c_string(row['reason'])},\n")
            f.write("\t},\n")
        f.write(f"}};\nconst unsigned kc_nclauses = {len(rows)};\n")
    os.replace(temporary, path)


def main(argv):
    if len(argv) != 4:
        print("usage: compile.py CLAUSES.tsv WAIVERS.tsv OUT.c", file=sys.stderr)
        return 2
    try:
        rows, errors = read(argv[1], argv[2])
    except (OSError, UnicodeDecodeError) as e:
        print(f"compile.py: {e}", file=sys.stderr)
        return 1
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        return 1
    write(rows, argv[3], " and ".join(os.path.basename(path) for path in argv[1:3]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
