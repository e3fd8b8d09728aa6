-- Inserts the frames of those rows that were swapped, numbered through the head, which is locked last and until the commit:
-- positions are in the order of commits, without a gap.
, f AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY f.ord) AS place, f.*
    FROM unnest($20::bytea[], $21::int2[], $22::bytea[], $23::bytea[], $24::bytea[], $25::bytea[]) WITH ORDINALITY
        AS f(person, kind, key, random, leaf, payload, ord)
    WHERE f.person IN (SELECT id FROM s)
), h AS (
    UPDATE ledger_head SET size = size + (SELECT count(*) FROM f) WHERE (SELECT count(*) FROM f) > 0 RETURNING size
), i AS (
    INSERT INTO frame (position, kind, key, random, leaf, payload)
    SELECT h.size - (SELECT count(*) FROM f) + f.place, f.kind, f.key, f.random, f.leaf, f.payload FROM f, h
)
SELECT w.id IS NOT NULL OR n.id IS NOT NULL,
    coalesce(position(int8send(u.write) || int8send(u.mark) IN l.recent) > 0, false),
    coalesce((SELECT max(h.size - (SELECT count(*) FROM f) + f.place) FROM f, h WHERE f.person = u.id), 0)::int8,
    (extract(epoch FROM clock_timestamp()) * 1000)::int8
FROM u LEFT JOIN w ON w.id = u.id LEFT JOIN n ON n.id = u.id LEFT JOIN l ON l.id = u.id
ORDER BY u.ord
