-- Erases a person: what is kept and the key to the consent records are gone, the erasure is in the ledger, and the row stays
-- so that a swap on an older copy finds another version. $1 id, $2 token, $3 first and $4 end of the ids of other spellings,
-- $5 mark, $6 moment, $7 kind, $8 random, $9 leaf, $10 payload.
WITH l AS MATERIALIZED (
    SELECT p.id, p.key_name FROM person p WHERE p.id >= $3 AND p.id < $4 ORDER BY p.id FOR NO KEY UPDATE
), before AS MATERIALIZED (
    SELECT position FROM erasure WHERE token = $2
), due AS MATERIALIZED (
    SELECT 1 WHERE EXISTS (SELECT 1 FROM l WHERE key_name IS NOT NULL) OR NOT EXISTS (SELECT 1 FROM before)
), t AS (
    UPDATE person p SET write = p.write + 1, mark = $5, recent = ''::bytea, newest = greatest(p.newest, $6),
        body = NULL, key_name = NULL, key = NULL
    FROM l WHERE p.id = l.id AND (SELECT count(*) FROM l) >= 0
), n AS (
    INSERT INTO person (id, write, mark, recent, newest, rules)
    SELECT $1, 1, $5, ''::bytea, $6, 0 WHERE NOT EXISTS (SELECT 1 FROM l WHERE id = $1)
    ON CONFLICT (id) DO NOTHING
), h AS (
    UPDATE ledger_head SET size = size + 1, erasures = erasures + 1 WHERE (SELECT count(*) FROM due) > 0 RETURNING size
), i AS (
    INSERT INTO frame (position, kind, key, random, leaf, payload)
    SELECT h.size, $7, coalesce((SELECT key_name FROM l WHERE id = $1), '\x00000000000000000000000000000000'::bytea), $8, $9, $10
    FROM h
), e AS (
    INSERT INTO erasure (token, position) SELECT $2, size FROM h
    ON CONFLICT (token) DO UPDATE SET position = excluded.position
)
SELECT coalesce((SELECT size FROM h), (SELECT position FROM before)), NOT EXISTS (SELECT 1 FROM due)
