SELECT f.key, f.position, f.kind, f.random, f.leaf, f.payload
FROM person p JOIN frame f ON f.key = p.key_name WHERE p.id = ANY ($1)
ORDER BY f.position
