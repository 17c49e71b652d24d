\d
\d nothing_here
CREATE TABLE item (
    id integer PRIMARY KEY,
    name varchar(20) NOT NULL,
    price numeric(10, 2) DEFAULT 1.5,
    word text DEFAULT 'it''s',
    at timestamp(3) DEFAULT now(),
    zoned timestamptz,
    day date NOT NULL DEFAULT current_date,
    code char(3),
    UNIQUE (name, code)
);
CREATE TABLE "Odd ""one""" (a bigint);
\d
\dt
\d item
\d public.ITEM
\d "Odd ""one"""
\d information_schema.schemata
BEGIN;
CREATE TABLE fleeting (a integer);
\d fleeting
ROLLBACK;
\d fleeting
