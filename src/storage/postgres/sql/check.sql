SELECT p.write, p.mark, (extract(epoch FROM clock_timestamp()) * 1000)::int8
FROM unnest($1::bytea[]) WITH ORDINALITY AS c(id, ord) LEFT JOIN person p ON p.id = c.id
ORDER BY c.ord
