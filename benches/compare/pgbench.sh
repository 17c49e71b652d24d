#!/usr/bin/env bash
# Vireo and PostgreSQL side by side: pgbench on both in one run, on one file system, in alternating rounds.
# benches/compare/README.md says what it measures and how to read it.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: benches/compare/pgbench.sh [options]
  --vireo FILE       the vireo program                     (target/release/vireo)
  --pg-bin DIR       PostgreSQL's programs                 (/usr/lib/postgresql/15/bin)
  --dir DIR          where both keep their data            (a new directory in ${TMPDIR:-/tmp})
  --scale N          pgbench's scale                       (10)
  --seconds N        seconds of each round                 (10)
  --rounds N         rounds of each load                   (3)
  --clients N        clients of the loads with many        (8)
  --jobs N           pgbench's threads                     (2)
  --protocol NAME    simple, extended or prepared          (prepared)
  --buffers SIZE     PostgreSQL's shared_buffers           (1GB)
  --pool SIZE        Vireo's pool of pages                 (1GiB)
  --isolation NAME   auto, kvm or thread                   (auto)
  --pg-port N        PostgreSQL's port                     (54321)
  --vireo-port N     Vireo's port                          (54322)
  --keep             keep the data and the logs
EOF
}

vireo=target/release/vireo pg_bin=/usr/lib/postgresql/15/bin dir= scale=10 seconds=10 rounds=3
clients=8 jobs=2 protocol=prepared buffers=1GB pool=1GiB isolation=auto pg_port=54321
vireo_port=54322 keep=
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage; exit 0 ;;
    --keep) keep=1; shift; continue ;;
    --vireo | --dir | --scale | --seconds | --rounds | --clients | --jobs | --protocol | \
        --buffers | --pool | --isolation | --pg-bin | --pg-port | --vireo-port) ;;
    *) usage >&2; exit 2 ;;
    esac
    [ $# -ge 2 ] || { usage >&2; exit 2; }
    name=${1#--}
    declare "${name//-/_}=$2"
    shift 2
done

fail() { echo "pgbench.sh: $*" >&2; exit 1; }
[ -x "$vireo" ] || fail "$vireo is not there: cargo build --release"
[ -x "$pg_bin/postgres" ] || fail "no PostgreSQL in $pg_bin: --pg-bin"
command -v pgbench >/dev/null || PATH=$pg_bin:$PATH
command -v pgbench >/dev/null || fail "pgbench is not installed"

made=
if [ -z "$dir" ]; then dir=$(mktemp -d "${TMPDIR:-/tmp}/vireo-compare.XXXXXX"); made=1; fi
mkdir -p "$dir/logs" "$dir/postgres"
vireo_pid= pg_started=

# PostgreSQL does not run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
    else
        "$@"
    fi
}

finish() {
    status=$?
    trap - EXIT
    [ -z "$pg_started" ] || as_postgres "$pg_bin/pg_ctl" -D "$dir/postgres" -m fast -w stop \
        >>"$dir/logs/pg_ctl.log" 2>&1 || true
    if [ -n "$vireo_pid" ] && kill -TERM "$vireo_pid" 2>/dev/null; then wait "$vireo_pid" || true; fi
    if [ $status -ne 0 ]; then
        echo "pgbench.sh: failed; logs are in $dir/logs" >&2
    elif [ -n "$made" ] && [ -z "$keep" ]; then
        rm -rf "$dir"
    fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

start_postgres() {
    if [ "$(id -u)" = 0 ]; then chown postgres "$dir/postgres"; chmod 755 "$dir"; fi
    as_postgres "$pg_bin/initdb" -D "$dir/postgres" -U postgres --auth=trust >"$dir/logs/initdb.log" 2>&1 \
        || fail "initdb failed: $dir/logs/initdb.log"
    as_postgres "$pg_bin/postgres" -D "$dir/postgres" -p "$pg_port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c shared_buffers="$buffers" -c max_wal_size=4GB \
        >"$dir/logs/postgres.log" 2>&1 &
    pg_started=1
    wait_for "$pg_port" PostgreSQL
}

start_vireo() {
    "$vireo" serve --data "$dir/vireo" --listen "127.0.0.1:$vireo_port" --isolation "$isolation" \
        --pool "$pool" >"$dir/logs/vireo.out" 2>"$dir/logs/vireo.log" &
    vireo_pid=$!
    wait_for "$vireo_port" Vireo
}

query() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U postgres -d postgres -c "$2"; }

wait_for() {
    for _ in $(seq 150); do
        if query "$1" 'select 1' >/dev/null 2>&1; then return; fi
        if [ -n "$vireo_pid" ] && ! kill -0 "$vireo_pid" 2>/dev/null; then
            tail -n 3 "$dir/logs/vireo.log" >&2
            fail "$2 ended"
        fi
        sleep 0.1
    done
    fail "$2 does not answer on port $1"
}

port_of() { if [ "$1" = vireo ]; then echo "$vireo_port"; else echo "$pg_port"; fi; }

initialize() {
    pgbench -h 127.0.0.1 -p "$(port_of "$1")" -U postgres -i -s "$scale" postgres \
        >"$dir/logs/init.$1.log" 2>&1 || { tail -n 5 "$dir/logs/init.$1.log" >&2; fail "$1: pgbench -i failed"; }
}

# One round: SIDE LOAD CLIENTS ROUND OPTIONS…; adds "tps p50_ms p99_ms" to the side's and load's results.
round() {
    local side=$1 load=$2 count=$3 number=$4; shift 4
    local base="$dir/logs/$load.$side.$number" threads=$((count < jobs ? count : jobs))
    pgbench -h 127.0.0.1 -p "$(port_of "$side")" -U postgres -n -M "$protocol" -c "$count" -j "$threads" \
        -T "$seconds" -l --log-prefix="$base" "$@" postgres >"$base.out" 2>"$base.err" || {
        tail -n 5 "$base.err" >&2
        fail "$side: $load: pgbench failed"
    }
    grep -q 'number of failed transactions: 0 ' "$base.out" || fail "$side: $load: failed transactions: $base.out"
    if grep -qiE 'error|aborted|fatal' "$base.err"; then
        tail -n 5 "$base.err" >&2
        fail "$side: $load: errors"
    fi
    local tps
    tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$base.out")
    [ -n "$tps" ] || fail "$side: $load: no throughput in $base.out"
    # The third column of the log is the transaction's latency in microseconds.
    local percentiles
    percentiles=$(cat "$base".[0-9]* | awk '{print $3}' | sort -n | awk '
        { v[NR] = $1 }
        END { if (!NR) exit 1; printf "%.3f %.3f", v[int((NR + 1) / 2)] / 1e3, v[int((NR * 99 + 99) / 100)] / 1e3 }') \
        || fail "$side: $load: no transactions in the log"
    rm -f "$base".[0-9]*
    echo "$tps $percentiles" >>"$dir/logs/$load.$side.results"
}

# The median of a column of a side's and load's rounds.
median() { cut -d' ' -f"$3" "$dir/logs/$2.$1.results" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

check_sums() {
    local a t b h
    a=$(query "$(port_of "$1")" "select coalesce(sum(abalance), 0) from pgbench_accounts")
    t=$(query "$(port_of "$1")" "select coalesce(sum(tbalance), 0) from pgbench_tellers")
    b=$(query "$(port_of "$1")" "select coalesce(sum(bbalance), 0) from pgbench_branches")
    h=$(query "$(port_of "$1")" "select coalesce(sum(delta), 0) from pgbench_history")
    [ "$a" = "$t" ] && [ "$a" = "$b" ] && [ "$a" = "$h" ] \
        || fail "$1: the sums differ: accounts $a, tellers $t, branches $b, history $h"
    echo "$1: the sums of accounts, tellers, branches and history agree: $a"
}

compare() {
    local load=$1 count=$2; shift 2
    rm -f "$dir/logs/$load".*.results
    for number in $(seq "$rounds"); do
        # Who goes first alternates, so that what the first leaves behind is not always the other's.
        if [ $((number % 2)) = 1 ]; then order="postgres vireo"; else order="vireo postgres"; fi
        for side in $order; do round "$side" "$load" "$count" "$number" "$@"; done
    done
    for side in postgres vireo; do
        printf '%-22s %-9s %10.0f %10.3f %10.3f\n' "$load" "$side" \
            "$(median $side "$load" 1)" "$(median $side "$load" 2)" "$(median $side "$load" 3)"
    done
    awk -v name="$load" -v v="$(median vireo "$load" 1)" -v p="$(median postgres "$load" 1)" \
        -v lv="$(median vireo "$load" 2)" -v lp="$(median postgres "$load" 2)" \
        'BEGIN { printf "%-22s %-9s %9.2fx %9.2fx\n", name, "ratio", v / p, (lp ? lv / lp : 0) }'
}

start_postgres
start_vireo
echo "$("$pg_bin/postgres" --version), shared_buffers=$buffers; $("$vireo" --version), pool $pool, isolation $isolation"
echo "$(nproc) processors, $(uname -sr), $(df --output=fstype "$dir" | tail -n 1) file system; scale $scale," \
    "$rounds rounds of $seconds s, medians"
initialize postgres
initialize vireo
printf '%-22s %-9s %10s %10s %10s\n' load side tps p50_ms p99_ms
compare "select-$clients" "$clients" -S
compare "tpcb-$clients" "$clients"
compare select-1 1 -S
check_sums postgres
check_sums vireo
