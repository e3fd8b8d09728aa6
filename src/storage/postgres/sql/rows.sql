SELECT p.write, p.mark, p.newest, p.rules, p.key_name, p.key, p.body, e.position
FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS c(id, token, ord)
LEFT JOIN person p ON p.id = c.id LEFT JOIN erasure e ON e.token = c.token
ORDER BY c.ord
