#!/usr/bin/env python3
"""Writes golden.tsv: calls of aggregates and what PostgreSQL 15 answers.

usage: generate.py PSQL-ARGUMENTS... > golden.tsv
(for example: generate.py -h /tmp/pg -p 5544 -U postgres)

A line is tab-separated: name, argument types (","), rows ("|", values of a row "~"), type of the result, its
text; or E, SQLSTATE and message. <null> is NULL. The type unknown is a literal without a type, alone in its row.
"""
import random
import subprocess
import sys

random.seed(7)
INTS = ("smallint", "integer", "bigint")
FLOATS = ("real", "double precision")
NUMBERS = INTS + FLOATS + ("numeric",)
STATISTICS = ("sum", "avg", "var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "stddev")
PAIRS = ("corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2",
         "regr_slope", "regr_sxx", "regr_sxy", "regr_syy")
cases = []


def case(name, types, *rows):
    cases.append((name, types, ["~".join(r) if isinstance(r, tuple) else r for r in rows]))


def every(names, types, *rows):
    for name in names:
        case(name, types, *rows)


NONE = "<null>"
EXTREMES = ("min", "max")
for ty in NUMBERS:
    for rows in ([NONE], [NONE, NONE], ["7"], ["1", NONE, "2", "4", NONE], ["0", "0", "0"], ["-32768", "32767", "32767"]):
        every(STATISTICS + EXTREMES + ("count",), ty, *rows)
for ty in INTS:
    for rows in ([NONE], ["12", "10"], ["-1", NONE, "6", "3"], ["0"]):
        every(("bit_and", "bit_or", "bit_xor"), ty, *rows)
every(STATISTICS, "integer", *["2147483647"] * 5)
every(STATISTICS, "integer", *["-2147483648", "2147483647"] * 3)
every(STATISTICS, "bigint", *["9223372036854775807"] * 5)
every(STATISTICS, "bigint", *["-9223372036854775808"] * 5, "9223372036854775807")
for values in (["1.5", "2.25", "-3.125"], ["NaN", "1"], ["1", "NaN"], ["Infinity", "-Infinity"], ["Infinity", "1"], ["1", "-Infinity"],
               ["Infinity"], ["NaN"], ["0.1", "0.2", "0.3"], ["-0", "0"], ["0", "-0"], ["-0"], ["-0", "-0"],
               ["Infinity", "NaN", "-Infinity", "0"]):
    for ty in FLOATS + ("numeric",):
        every(STATISTICS + EXTREMES, ty, *values)
every(STATISTICS, "real", "3e38", "3e38")
every(STATISTICS, "real", "-3e38", "-3e38", "Infinity")
every(STATISTICS, "real", "16777216", "1", "1")
every(STATISTICS, "double precision", "1.7e308", "1.7e308")
every(STATISTICS, "double precision", "1e200", "-1e200")
every(STATISTICS, "double precision", "Infinity", "1e308", "1e308")
every(STATISTICS, "double precision", "1e16", "1", "1", "-1e16")
every(STATISTICS, "double precision", "7e307", "7e307", "7e307")
BIG = "9" * 38
every(STATISTICS, "numeric", "170141183460469231731687303715884105727", "1", "-0.5")
every(STATISTICS, "numeric", BIG, BIG, "0.000000000000000000001", "-" + BIG)
every(STATISTICS, "numeric", "9" * 60, NONE, "0." + "3" * 50, "-" + "9" * 60)
every(STATISTICS, "numeric", "1e-20", "3e-20", "1e20")
every(STATISTICS, "numeric", "1.0", "1.00", "1.000")
every(STATISTICS, "numeric", "10000", "20000", "40000.00")
every(STATISTICS, "numeric", "0.00001", "0.00003")
every(STATISTICS, "numeric", "NaN", "9" * 60, "Infinity")
every(STATISTICS, "numeric", "9" * 50, "-Infinity", "9" * 50)
every(("sum", "avg"), "numeric", "9e131071", "9e131071")
every(("sum", "avg"), "numeric", "-9e131071", "1e131071")
for rows in (["1.0", "1.00"], ["1.00", "1.0"], ["-1.50", "-1.5", "-2", "-2.0"], ["NaN", "Infinity"], ["-Infinity", "5"], ["9" * 60, "1"]):
    every(EXTREMES, "numeric", *rows)
for _ in range(40):
    digits = random.randint(0, 12)
    scale = 10 ** random.randint(-4, 12)
    values = [f"{random.uniform(-scale, scale):.{random.randint(0, digits)}f}" for _ in range(random.randint(2, 7))]
    every(STATISTICS, "numeric", *values)
    floats = [repr(random.uniform(-scale, scale)) for _ in range(random.randint(2, 7))]
    every(STATISTICS, random.choice(FLOATS), *floats)
    whole = [str(random.randint(-2**63, 2**63 - 1) >> random.randint(0, 60)) for _ in range(random.randint(2, 7))]
    every(STATISTICS, "bigint", *whole)
for rows in ([NONE], ["b", "a", "c"], ["", NONE, "x"], ["a", "A", "ä", "z"], ["same", "same"], ["long " * 30, "l"], ["a", "a "]):
    for ty in ("text", "varchar", "char(8)" if max(map(len, rows)) < 9 else "text", "name" if max(map(len, rows)) < 60 else "text"):
        every(EXTREMES, ty, *rows)
every(EXTREMES, "date", "2024-02-29", "infinity", NONE, "0044-03-15 BC", "-infinity")
every(EXTREMES, "time", "12:00", "24:00:00", "00:00:00.000001")
every(EXTREMES, "timestamp", "2024-02-29 12:00", "1999-01-01", "infinity")
every(EXTREMES, "timestamptz", "2024-02-29 12:00+00", "1999-01-01+00", "-infinity")
every(EXTREMES, "oid", "4294967295", "1")
for rows in ([NONE], ["1 mon", "30 days", "29 days 24:00:00"], ["1 day", "24:00:00"], ["24:00:00", "1 day"], ["-1 mon", "2 days"],
             ["1 mon 1 day 01:00:00", "2 mons", "00:00:01"], ["1 mon", "1 mon", "1 day"], ["-1 year", "1 day", "00:00:00.000001"],
             ["2147483647 mons", "1 mon"], ["2147483647 days", "1 day"], ["7 days", NONE, "10:00:00.7"]):
    every(EXTREMES + ("sum", "avg"), "interval", *rows)
every(("sum", "avg"), "time", "10:00", "11:30")
every(("sum", "avg"), "interval", *["2500000000:00:00"] * 2)
for rows in ([NONE], ["t"], ["f"], ["t", "f", NONE], ["t", NONE], ["f", "f"]):
    every(("bool_and", "bool_or", "every", "count"), "boolean", *rows)
case("count", "text", "", NONE, "x")
case("count", "unknown", "x")
case("count", "uuid", NONE)
STRINGS = ([(NONE, ",")], [("a", ","), ("b", ","), ("c", ";")], [("a", NONE), ("b", NONE), ("c", "-")], [(NONE, "x"), ("a", "y"), (NONE, "z"), ("b", "w")],
           [("", ","), ("", ",")], [("ä", "·"), ("ö", "·")])
for rows in STRINGS:
    case("string_agg", "text,text", *rows)
case("string_agg", "varchar,char(3)", ("a", "b"), ("c", "d"))
case("string_agg", "char(3),text", ("a", "-"), ("c", "-"))
case("string_agg", "bytea,bytea", ("\\x00", "\\xff"), ("\\x0102", "\\xfe"))
for rows in ([(NONE, "1")], [("1", NONE)], [("1", "2")], [("1", "2"), ("3", NONE), ("2", "5")], [("1", "1"), ("2", "2"), ("3", "3.5"), ("5", "4")],
             [("1", "2"), ("5", "2")], [("3", "1"), ("3", "2")], [("NaN", "1"), ("1", "2")], [("1", "Infinity"), ("1", "2")], [("1", "2"), ("Infinity", "3")],
             [("1e200", "1"), ("-1e200", "2")], [("1", "1e308"), ("2", "1e308")], [("1e160", "1e160"), ("-1e160", "-1e160")]):
    every(PAIRS, "double precision,double precision", *rows)
for _ in range(10):
    rows = [(repr(random.uniform(-99, 99)), repr(random.uniform(-99, 99))) for _ in range(6)]
    every(PAIRS, "double precision,double precision", *rows)
case("corr", "integer,numeric", ("1", "2.5"), ("2", "3.5"), ("4", "9"))
# Resolution.
UNKNOWN_TYPES = ("boolean", "smallint", "integer", "bigint", "real", "numeric", "text", "varchar", "char(4)", "name", "bytea", "date", "time",
                 "timestamptz", "interval", "uuid")
ALL = STATISTICS + EXTREMES + ("count", "bit_and", "bool_or")
for name in ALL:
    for ty in UNKNOWN_TYPES:
        case(name, ty, NONE)
    case(name, "unknown", "1")
every(PAIRS, "unknown,unknown", ("1", "2"))
for types in ("text,unknown", "unknown,text", "unknown,unknown", "bytea,unknown", "integer,text", "text,integer", "name,varchar"):
    case("string_agg", types, (NONE, NONE))
case("sum", "integer,integer", ("1", "2"))
case("no_such", "integer", "1")


def literal(ty, text):
    if text == NONE:
        return "null" if ty == "unknown" else f"null::{ty}"
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if ty == "unknown" else f"{quoted}::{ty}"


def query(name, types, rows):
    types = types.split(",")
    if "unknown" in types:
        # Columns of unknown type do not exist: the call stands over one row.
        values = rows[0].split("~")
        arguments = ", ".join(literal(t, v) for t, v in zip(types, values))
        return f"select {name}({arguments}) as r"
    columns = "abc"[:len(types)]
    lists = ", ".join("(" + ", ".join(literal(t, v) for t, v in zip(types, row.split("~"))) + ")" for row in rows)
    return f"select {name}({', '.join(columns)}) as r from (values {lists}) t({', '.join(columns)})"


def ask(sql):
    return subprocess.run(["psql", *sys.argv[1:], "-d", "postgres", "-X", "-q", "-At", "-v", "VERBOSITY=verbose", "-F", "\t", "-P", "null=<null>", "-c", sql],
                          capture_output=True, text=True, env={"PGOPTIONS": "-c TimeZone=UTC", "PATH": "/usr/bin:/bin"})


seen = set()
for name, types, rows in cases:
    key = (name, types, tuple(rows))
    if key in seen:
        continue
    seen.add(key)
    got = ask(f"select pg_typeof(r), r from ({query(name, types, rows)}) q")
    if got.returncode == 0:
        answer = got.stdout.rstrip("\n")
        if len(answer) > 3000:
            continue
    else:
        state, message = got.stderr.split("\n")[0].removeprefix("ERROR:  ").split(": ", 1)
        answer = "E\t" + state + " " + message
    print("\t".join([name, types, "|".join(rows), answer]))
