#!/usr/bin/env bash
# End to end with the stock PostgreSQL tools: psql's script against both servers, pgbench in every mode, a kill -9.
# Usage: tests/stock_tools.sh PATH-TO-VIREO. What is not installed is skipped, and said so.
set -euo pipefail
vireo=$1
here=$(cd "$(dirname "$0")" && pwd)
command -v psql >/dev/null && command -v pgbench >/dev/null || { echo "skipped: psql and pgbench are not installed"; exit 0; }

work=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
server=
cleanup() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    [ ! -f "$work/pg/postmaster.pid" ] || kill -INT "$(head -1 "$work/pg/postmaster.pid")" 2>/dev/null || true
    sleep 0.3
    rm -rf "$work"
}
trap cleanup EXIT

start() {
    "$vireo" serve --data "$work/data" --listen "127.0.0.1:$port" >>"$work/vireo.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        psql -qAtX -h 127.0.0.1 -p "$port" -U postgres -c 'select 1' >/dev/null 2>&1 && return
        kill -0 "$server" 2>/dev/null || { cat "$work/vireo.log"; echo "the server did not start"; exit 1; }
        sleep 0.1
    done
    cat "$work/vireo.log"; echo "the server is not ready"; exit 1
}
sql() { psql -qAtX -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -c "$1"; }
bench() { pgbench -h 127.0.0.1 -p "$port" -U postgres "$@" postgres; }
sums_agree() {
    local sums
    sums=$(for t in "sum(abalance) from pgbench_accounts" "sum(tbalance) from pgbench_tellers" \
        "sum(bbalance) from pgbench_branches" "coalesce(sum(delta), 0) from pgbench_history"; do sql "select $t"; done)
    [ "$(sort -u <<<"$sums" | wc -l)" = 1 ] || { echo "the sums differ:" $sums; exit 1; }
    echo "sums agree:" $(head -1 <<<"$sums")
}

start
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1 || true)
if [ -x "$bin/initdb" ]; then
    echo "--- psql's script on both servers"
    as() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/bash -c "$*"; else bash -c "$*"; fi; }
    chmod 755 "$work"; mkdir "$work/pg"; [ "$(id -u)" != 0 ] || chown postgres "$work/pg"
    as "$bin/initdb -D $work/pg -U postgres -E UTF8 --lc-collate=C --lc-ctype=C.UTF-8 -A trust >/dev/null"
    as "$bin/pg_ctl -D $work/pg -w -o '-p $((port + 1)) -k $work/pg' -l $work/pg/log start >/dev/null"
    for p in "$port" $((port + 1)); do
        psql -X -a -h 127.0.0.1 -p "$p" -U postgres -f "$here/psql/statements.sql" >"$work/$p.out" 2>&1
        # LOCATION names PostgreSQL's source files, and psql's own prefix names the file and line.
        sed -i -e '/^LOCATION:/d' -e 's/^psql:[^ ]* //' "$work/$p.out"
    done
    diff -u "$work/$((port + 1)).out" "$work/$port.out" || { echo "psql's outputs differ (- PostgreSQL, + Vireo)"; exit 1; }
    as "$bin/pg_ctl -D $work/pg -m fast stop >/dev/null"
else
    echo "skipped: PostgreSQL's server is not installed, psql's outputs are not compared"
fi

echo "--- pgbench"
bench -i -s 2 -q 2>&1 | tail -1
for mode in simple extended prepared; do
    for clients in 1 8 32; do
        for script in select-only tpcb-like; do
            out=$(bench -n -b "$script" -M "$mode" -c "$clients" -j 2 -T 1 2>&1) || { echo "$out"; exit 1; }
            grep -q 'failed transactions: 0 ' <<<"$out" || { echo "$out"; exit 1; }
            echo "$script $mode $clients clients: $(grep -o 'tps = [0-9.]*' <<<"$out")"
        done
    done
done
sums_agree
"$vireo" topology --data "$work/data"

echo "--- kill -9 in the middle of TPC-B"
for round in 1 2 3; do
    bench -n -M prepared -c 8 -j 2 -T 3 >/dev/null 2>&1 &
    load=$!
    sleep 1
    kill -9 "$server"; wait "$server" 2>/dev/null || true; wait "$load" || true
    start
    sums_agree
done

echo "--- functions killed under load"
bench -n -M prepared -c 4 -j 1 -T 3 --max-tries=100 >"$work/load" 2>&1 &
load=$!
for name in parse0 execute0 storage0; do
    sleep 0.5
    "$vireo" function kill "$name" --data "$work/data"
done
wait "$load" || true
for _ in $(seq 50); do sql 'select 1' >/dev/null 2>&1 && break; sleep 0.1; done
sums_agree
kill -0 "$server"

echo "--- a clean stop"
kill -TERM "$server"; wait "$server"
server=
