#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compiles the clause catalogue into C: compile.py IN.tsv OUT.c

The table is checked strictly first. Every mistake is printed as file:line: message, and nothing is
written if there is one. OUT.c defines kc_clauses[], sorted by id (byte order, as strcmp sees it),
and kc_nclauses.
"""
import os
import re
import sys

COLUMNS = ["id", "source", "section", "role", "level", "judge", "area", "statement", "observable",
           "needs"]
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
    for column, text in row.items():
        if not text or text != text.strip():
            yield f"{column} is empty or has blanks at its ends"
        elif not all(" " <= c <= "~" for c in text):
            yield f"{column} holds characters that are not printable ASCII"


def read(path):
    """Returns (rows, errors)."""
    rows, errors, lines = [], [], {}
    header = None
    with open(path, encoding="utf-8", newline="\n") as f:
        for number, line in enumerate(f, 1):
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                continue
            if header is None:
                header = fields
                if header != COLUMNS:
                    return [], [f"{path}:{number}: columns are {header}, want {COLUMNS}"]
                continue
            if len(fields) != len(COLUMNS):
                errors.append(f"{path}:{number}: {len(fields)} columns, want {len(COLUMNS)}")
                continue
            row = dict(zip(COLUMNS, fields))
            errors += [f"{path}:{number}: {what}" for what in check_row(row)]
            if row["id"] in lines:
                errors.append(f"{path}:{number}: id '{row['id']}' is already in line "
                              f"{lines[row['id']]}")
            lines.setdefault(row["id"], number)
            rows.append(row)
    if not rows and not errors:
        errors.append(f"{path}:1: no clauses")
    return rows, errors


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '"'


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
            f.write("\t},\n")
        f.write(f"}};\nconst unsigned kc_nclauses = {len(rows)};\n")
    os.replace(temporary, path)


def main(argv):
    if len(argv) != 3:
        print("usage: compile.py IN.tsv OUT.c", file=sys.stderr)
        return 2
    try:
        rows, errors = read(argv[1])
    except (OSError, UnicodeDecodeError) as e:
        print(f"{argv[1]}:1: {e}", file=sys.stderr)
        return 1
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        return 1
    write(rows, argv[2], os.path.basename(argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
