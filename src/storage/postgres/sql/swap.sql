-- Swaps rows whose version is still the base of the swap, and creates new ones. Rows are locked in the order of their ids;
-- no lock is taken out of that order: existing rows, then new ones.
WITH u AS MATERIALIZED (
    SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::bool[], $8::bytea[],
        $9::bytea[], $10::bytea[]) WITH ORDINALITY
        AS u(id, base_write, base_mark, write, mark, newest, keep, body, key_name, key, ord)
), l AS MATERIALIZED (
    SELECT p.id, p.write, p.mark, p.recent FROM person p WHERE p.id = ANY ($1) ORDER BY p.id FOR NO KEY UPDATE
), n AS (
    INSERT INTO person (id, write, mark, recent, newest, rules, body, key_name, key)
    SELECT id, write, mark, int8send(write) || int8send(mark), newest, $11, body, key_name, key FROM u
    WHERE base_write = 0 AND (SELECT count(*) FROM l) >= 0
    ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id
), w AS (
    UPDATE person p SET write = u.write, mark = u.mark, newest = u.newest, rules = $11,
        body = CASE WHEN u.keep THEN p.body ELSE u.body END,
        key_name = coalesce(p.key_name, u.key_name), key = coalesce(p.key, u.key),
        recent = substring(int8send(u.write) || int8send(u.mark) || p.recent FROM 1 FOR 128)
    FROM u JOIN l ON l.id = u.id
    WHERE p.id = u.id AND l.write = u.base_write AND l.mark = u.base_mark
    RETURNING p.id
)
-- The decisions of those rows that were swapped. A denial makes the values of earlier ones unreadable, and one that no caller
-- got is removed.
, s AS (
    SELECT id FROM w UNION ALL SELECT id FROM n
), d AS (
    INSERT INTO decision (id, person, entry, customer, sealed)
    SELECT d.id, d.person, d.entry, d.customer, d.sealed
    FROM unnest($12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[], $16::bytea[])
        AS d(person, id, entry, customer, sealed)
    WHERE d.person IN (SELECT id FROM s)
), v AS (
    UPDATE decision x SET sealed = NULL
    WHERE x.person = ANY ($17::bytea[]) AND x.person IN (SELECT id FROM w) AND x.sealed IS NOT NULL
), b AS (
    DELETE FROM decision x USING unnest($18::bytea[], $19::bytea[]) AS b(person, key)
    WHERE x.person = b.person AND substring(x.id FROM 9) = b.key AND x.person IN (SELECT id FROM w)
)
