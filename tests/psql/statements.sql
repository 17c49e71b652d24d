-- Every statement and type of the first release, run by stock psql against Vireo and PostgreSQL 15; the outputs are compared.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
\pset null '(null)'
SET DateStyle = 'ISO, MDY';
SET TimeZone = 'UTC';
SHOW DateStyle;
SHOW TimeZone;
-- tables
DROP TABLE IF EXISTS nothing_here;
CREATE TABLE kinds (
    id integer PRIMARY KEY,
    b boolean,
    i2 smallint,
    i8 bigint,
    f4 real,
    f8 double precision,
    n numeric(12, 3),
    t text,
    v varchar(10),
    c char(5),
    y bytea,
    d date,
    tm time,
    ts timestamp,
    tz timestamptz,
    iv interval,
    u uuid
);
CREATE TABLE kinds (a integer);
CREATE TABLE IF NOT EXISTS kinds (a integer);
INSERT INTO kinds VALUES
    (1, true, 1, 10000000000, 1.5, 2.25, 12345.678, 'text', 'varchar', 'ch', '\x00ff10', '2024-02-29', '12:34:56.789',
     '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+02', '1 year 2 mons 3 days 04:05:06', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
    (2, false, -32768, -9223372036854775808, -1e-5, 1e100, -0.001, '', 'é', 'exact', '', '0001-01-01', '00:00',
     '1999-12-31 23:59:59', '1970-01-01 00:00:00+00', '-1 days', '00000000-0000-0000-0000-000000000000'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT * FROM kinds ORDER BY id;
SELECT id, length(t), octet_length(v), upper(v) || '!', c || '|', n * 2, f8 / 3 FROM kinds ORDER BY id;
SELECT d + 1, d - date '2024-01-01', ts + iv, tz - interval '1 hour', extract(year from ts) FROM kinds WHERE id = 1;
-- errors
INSERT INTO kinds (id) VALUES (1);
INSERT INTO kinds (id, i2) VALUES (4, 40000);
INSERT INTO kinds (id, v) VALUES (4, 'much too long for it');
INSERT INTO kinds (id, d) VALUES (4, '2023-02-29');
INSERT INTO kinds (id, n) VALUES (4, 1234567890.5);
INSERT INTO kinds (id, u) VALUES (4, 'nonsense');
INSERT INTO kinds (b) VALUES (true);
SELECT nothing FROM kinds;
SELECT * FROM nothing_here;
SELECT 1 / 0;
SELECT 2147483647 + 1;
SELECT 'abc'::integer;
SELECT id FROM kinds WHERE;
SELECT id FROM kinds WHERE t;
SELECT nosuch(1);
SELECT 1 + true;
SELECT t, count(*) FROM kinds;
-- DML
CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, price numeric(10, 2), qty integer DEFAULT 5);
INSERT INTO item (id, name, price) VALUES (1, 'anvil', 100.00), (2, 'rope', 7.50), (3, 'rocket', 999.99) RETURNING id, qty;
INSERT INTO item SELECT id + 10, name || ' 2', price * 2, NULL FROM item RETURNING *;
UPDATE item SET price = price + 1, qty = qty - 1 WHERE id <= 2 RETURNING id, price, qty;
UPDATE item SET name = NULL WHERE id = 1;
UPDATE item SET id = 2 WHERE id = 1;
DELETE FROM item WHERE id > 11 RETURNING id;
SELECT * FROM item ORDER BY id;
-- queries
CREATE TABLE sale (sid integer, item_id integer, amount integer);
INSERT INTO sale VALUES (1, 1, 3), (2, 1, 4), (3, 2, 1), (4, 99, 7), (5, NULL, 2);
SELECT s.sid, i.name FROM sale s JOIN item i ON i.id = s.item_id ORDER BY s.sid;
SELECT s.sid, i.name FROM sale s LEFT JOIN item i ON i.id = s.item_id ORDER BY s.sid;
SELECT i.name, sum(s.amount), count(*), avg(s.amount), min(s.sid), max(s.sid) FROM sale s JOIN item i ON i.id = s.item_id GROUP BY i.name ORDER BY 1;
SELECT item_id, count(*) FROM sale GROUP BY item_id HAVING count(*) > 1 ORDER BY item_id;
SELECT count(*), count(item_id), sum(amount), avg(amount) FROM sale;
SELECT count(*), sum(amount) FROM sale WHERE sid > 100;
SELECT DISTINCT amount > 2 AS big FROM sale ORDER BY big;
SELECT sid FROM sale ORDER BY amount DESC, sid LIMIT 2 OFFSET 1;
SELECT sid, CASE WHEN amount > 3 THEN 'many' WHEN amount > 1 THEN 'some' ELSE 'one' END FROM sale ORDER BY sid;
SELECT coalesce(item_id, -1), nullif(amount, 7), amount BETWEEN 2 AND 4, item_id IS NULL, item_id IN (1, 2) FROM sale ORDER BY sid;
SELECT sid FROM sale WHERE item_id = 1 OR amount = 7 AND NOT sid = 4 ORDER BY 1;
SELECT 'abc' LIKE 'a%', 'abc' NOT LIKE '_b_', 5 % 3, -7 / 2, 2 ^ 10, |/ 16, 10 & 6, 'x' || 1;
SELECT 1::numeric / 3, round(2.5), round(-2.5), trunc(1.999, 2), 7.0 % 2.5, abs(-4.2), ceil(1.1), floor(-1.1);
SELECT 0.1::float8 + 0.2::float8, 1e20::float8, 1e-5::float8, 'NaN'::float8, 'Infinity'::float4, 100000::float4 * 10;
SELECT true AND NULL, false AND NULL, NULL OR true, NOT NULL::boolean;
SELECT substring('abcdef' from 2 for 3), position('c' in 'abc'), trim('  x '), lpad('7', 3, '0'), replace('aXa', 'X', 'b');
SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS v (n, w) ORDER BY n DESC;
-- transactions
BEGIN;
INSERT INTO sale VALUES (6, 3, 1);
SELECT count(*) FROM sale;
ROLLBACK;
SELECT count(*) FROM sale;
BEGIN;
UPDATE sale SET amount = amount + 1 WHERE sid = 1;
SELECT amount FROM sale WHERE sid = 1;
COMMIT;
SELECT amount FROM sale WHERE sid = 1;
BEGIN;
SELECT 1 / 0;
SELECT 1;
COMMIT;
COMMIT;
BEGIN;
CREATE TABLE fleeting (a integer);
INSERT INTO fleeting VALUES (1);
SELECT * FROM fleeting;
ROLLBACK;
SELECT * FROM fleeting;
-- several statements in one query
CREATE TABLE multi (a integer PRIMARY KEY, b text);
INSERT INTO multi VALUES (1, 'one')\; INSERT INTO multi VALUES (2, 'two')\; SELECT count(*) FROM multi;
SELECT * FROM multi ORDER BY a;
INSERT INTO multi VALUES (3, 'three')\; SELECT 1 / 0\; INSERT INTO multi VALUES (4, 'four');
INSERT INTO multi VALUES (3, 'three')\; INSERT INTO multi VALUES (1, 'again');
INSERT INTO multi VALUES (3, 'three')\; SELECT nothing FROM multi;
INSERT INTO multi VALUES (3, 'three')\; SELECT nothing FROM;
SELECT * FROM multi ORDER BY a;
BEGIN\; INSERT INTO multi VALUES (3, 'three')\; COMMIT;
SELECT * FROM multi ORDER BY a;
INSERT INTO multi VALUES (4, 'four')\; BEGIN\; INSERT INTO multi VALUES (5, 'five');
INSERT INTO multi VALUES (6, 'six');
ROLLBACK;
SELECT * FROM multi ORDER BY a;
INSERT INTO multi VALUES (4, 'four')\; BEGIN\; INSERT INTO multi VALUES (5, 'five')\; COMMIT\; INSERT INTO multi VALUES (6, 'six')\; SELECT 1 / 0;
SELECT * FROM multi ORDER BY a;
BEGIN\; INSERT INTO multi VALUES (6, 'six')\; SELECT 1 / 0\; COMMIT;
SELECT 1;
COMMIT;
SELECT * FROM multi ORDER BY a;
INSERT INTO multi VALUES (6, 'six')\; COMMIT\; INSERT INTO multi VALUES (7, 'seven')\; ROLLBACK;
INSERT INTO multi VALUES (8, 'eight')\; ROLLBACK\; INSERT INTO multi VALUES (9, 'nine');
SELECT * FROM multi ORDER BY a;
CREATE TABLE born (a integer)\; INSERT INTO born VALUES (1)\; SELECT * FROM born;
CREATE TABLE unborn (a integer)\; INSERT INTO unborn VALUES (1)\; SELECT 1 / 0;
SELECT * FROM unborn;
DROP TABLE born\; SELECT * FROM born;
SELECT * FROM born;
SET DateStyle = 'SQL, DMY'\; SELECT date '2024-02-29'\; SELECT 1 / 0;
SELECT date '2024-02-29';
SELECT 1\; SELECT 2\; VACUUM;
SELECT 1\; \; SELECT 2;
-- what a transaction is
START TRANSACTION;
START TRANSACTION READ ONLY;
END;
BEGIN;
ABORT;
END;
ABORT;
COMMIT WORK;
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SHOW transaction_isolation;
SHOW transaction_read_only;
END TRANSACTION;
BEGIN;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW transaction_isolation;
SELECT 1;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW transaction_isolation;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
COMMIT;
SHOW transaction_isolation;
BEGIN;
SELECT 1;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
ROLLBACK;
BEGIN;
SELECT 1;
SET TRANSACTION READ ONLY;
SHOW transaction_read_only;
SET TRANSACTION READ WRITE;
ROLLBACK;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION READ ONLY;
BEGIN;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SHOW transaction_isolation;
SHOW transaction_read_only;
CREATE TABLE nope (a integer);
COMMIT;
BEGIN;
SHOW transaction_isolation;
SET transaction_isolation = 'repeatable read';
SHOW transaction_isolation;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL DateStyle = 'ISO, DMY';
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SHOW transaction_isolation;
COMMIT;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW default_transaction_isolation;
SHOW transaction_isolation;
BEGIN;
SHOW transaction_isolation;
COMMIT;
RESET default_transaction_isolation;
SET transaction_isolation = 'nonsense';
SELECT 1\; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ\; SHOW transaction_isolation;
SHOW transaction_isolation;
BEGIN;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;
SHOW transaction_isolation;
COMMIT;
SET transaction_read_only = maybe;
BEGIN READ ONLY;
SET TRANSACTION READ WRITE;
SHOW transaction_read_only;
COMMIT;
BEGIN;
START TRANSACTION READ ONLY;
SHOW transaction_read_only;
ROLLBACK;
-- the same key again in one transaction
DELETE FROM multi WHERE a = 1\; INSERT INTO multi VALUES (1, 'anew')\; UPDATE multi SET b = b || '!' WHERE a = 1 RETURNING *;
SELECT * FROM multi ORDER BY a;
BEGIN;
DELETE FROM multi WHERE a = 1;
INSERT INTO multi VALUES (1, 'reborn');
SELECT * FROM multi WHERE a = 1;
COMMIT;
SELECT * FROM multi WHERE a = 1;
BEGIN;
UPDATE multi SET a = 100 WHERE a = 1;
UPDATE multi SET a = 1 WHERE a = 100;
SELECT * FROM multi WHERE a = 1;
COMMIT;
SELECT * FROM multi WHERE a IN (1, 100);
BEGIN;
UPDATE multi SET a = 100 WHERE a = 1;
INSERT INTO multi VALUES (1, 'other');
UPDATE multi SET a = 1 WHERE a = 100;
ROLLBACK;
BEGIN;
DELETE FROM multi WHERE a = 1;
INSERT INTO multi VALUES (1, 'x');
DELETE FROM multi WHERE a = 1;
INSERT INTO multi VALUES (1, 'y');
INSERT INTO multi VALUES (1, 'z');
ROLLBACK;
BEGIN;
INSERT INTO multi VALUES (50, 'x');
DELETE FROM multi WHERE a = 50;
INSERT INTO multi VALUES (50, 'y');
UPDATE multi SET a = 51 WHERE a = 50;
INSERT INTO multi VALUES (50, 'z');
COMMIT;
SELECT * FROM multi ORDER BY a;
BEGIN;
DELETE FROM multi;
INSERT INTO multi VALUES (1, 'x'), (2, 'y');
COMMIT;
SELECT * FROM multi ORDER BY a;
-- COPY
COPY sale FROM STDIN;
10	1	5
11	\N	6
\.
COPY sale (sid, amount) FROM STDIN WITH (FORMAT csv, HEADER);
sid,amount
12,"7"
13,
\.
COPY (SELECT * FROM sale ORDER BY sid) TO STDOUT;
COPY (SELECT sid, amount FROM sale ORDER BY sid DESC LIMIT 2) TO STDOUT WITH (FORMAT csv, HEADER);
COPY (SELECT * FROM item ORDER BY id) TO STDOUT (FORMAT csv, FORCE_QUOTE *);
COPY sale FROM STDIN;
14	1
\.
COPY sale FROM STDIN;
x	1	2
\.
-- keys
CREATE TABLE keyless (a integer, b text);
INSERT INTO keyless VALUES (1, 'x'), (2, 'y'), (2, 'z');
ALTER TABLE keyless ADD PRIMARY KEY (a);
DELETE FROM keyless WHERE b = 'z';
ALTER TABLE keyless ADD PRIMARY KEY (a);
INSERT INTO keyless VALUES (2, 'again');
ALTER TABLE keyless ADD PRIMARY KEY (b);
TRUNCATE keyless;
SELECT count(*) FROM keyless;
TRUNCATE TABLE keyless, sale;
-- system views
CREATE TABLE "Shown" (
    id integer PRIMARY KEY,
    b boolean DEFAULT true,
    i2 smallint DEFAULT -1,
    i8 bigint DEFAULT 5+1,
    f4 real,
    f8 double precision DEFAULT 1.5,
    n numeric(12, 3) DEFAULT 0,
    n0 numeric,
    t text NOT NULL DEFAULT 'it''s',
    v varchar(10) DEFAULT 'abc',
    v0 varchar,
    c char(5),
    y bytea,
    d date DEFAULT current_date,
    tm time,
    tm3 time(3),
    ts timestamp DEFAULT '2024-02-29 12:00:00',
    tz timestamptz(2) DEFAULT now(),
    iv interval,
    u uuid,
    nm name,
    o oid DEFAULT NULL,
    "select" integer,
    CONSTRAINT "a key" UNIQUE (i8, "select"),
    UNIQUE (v)
);
\x on
SELECT * FROM information_schema.columns WHERE table_name = 'Shown' ORDER BY ordinal_position;
\x off
SELECT * FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name;
SELECT * FROM information_schema.table_constraints WHERE table_schema = 'public' AND constraint_type <> 'CHECK' ORDER BY constraint_name;
SELECT table_name, constraint_name LIKE '2200\_%\_1\_not\_null', is_deferrable, initially_deferred, enforced, nulls_distinct
    FROM information_schema.table_constraints WHERE constraint_type = 'CHECK' AND table_schema = 'public'
    AND constraint_name LIKE '%\_1\_not\_null' ORDER BY table_name;
SELECT * FROM information_schema.key_column_usage WHERE table_schema = 'public' ORDER BY constraint_name, ordinal_position;
SELECT * FROM information_schema.schemata WHERE schema_name <> 'pg_toast' ORDER BY schema_name;
SELECT * FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename;
SELECT * FROM pg_catalog.pg_indexes WHERE schemaname = 'public' ORDER BY indexname;
SELECT * FROM information_schema.columns WHERE (table_schema = 'information_schema'
    AND table_name IN ('schemata', 'tables', 'columns', 'table_constraints', 'key_column_usage')) OR table_name IN ('pg_tables', 'pg_indexes')
    ORDER BY table_name, ordinal_position;
SELECT * FROM information_schema.tables WHERE table_schema = 'information_schema'
    AND table_name IN ('schemata', 'tables', 'columns', 'table_constraints', 'key_column_usage') ORDER BY table_name;
SELECT t.table_name, count(*) FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name)
    WHERE table_schema = 'public' GROUP BY t.table_name HAVING count(*) > 3 ORDER BY 1;
BEGIN;
SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public';
CREATE TABLE fleeting (a integer);
SELECT column_name FROM information_schema.columns WHERE table_name = 'fleeting';
SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public';
ROLLBACK;
SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public';
DROP TABLE "Shown";
SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public';
SELECT nothing FROM information_schema.tables;
SELECT * FROM information_schema.nothing;
-- EXPLAIN ANALYZE
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO item VALUES (50, 'magnet', 5.00);
SELECT * FROM item WHERE id = 50;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE item SET price = price * 2 WHERE id = 50;
SELECT * FROM item WHERE id = 50;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT price FROM item WHERE id = 50;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM item WHERE id = 50;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM item;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM item ORDER BY name LIMIT 0;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO item VALUES (1, 'again', 5.00);
EXPLAIN (TIMING ON) SELECT 1;
BEGIN READ ONLY;
EXPLAIN ANALYZE DELETE FROM item;
ROLLBACK;
SELECT count(*) FROM item;
-- settings and maintenance
VACUUM item;
ANALYZE item;
VACUUM ANALYZE;
SET extra_float_digits = 0;
SELECT 0.1::float8 + 0.2::float8;
RESET extra_float_digits;
SHOW extra_float_digits;
SET no_such_setting = 1;
SET bytea_output = 'escape';
SELECT '\x6100ff'::bytea;
RESET ALL;
DROP TABLE kinds, item;
DROP TABLE sale, keyless, multi;
DROP TABLE keyless;
