SELECT w.id IS NOT NULL OR n.id IS NOT NULL,
    coalesce(position(int8send(u.write) || int8send(u.mark) IN l.recent) > 0, false),
    0::int8,
    (extract(epoch FROM clock_timestamp()) * 1000)::int8
FROM u LEFT JOIN w ON w.id = u.id LEFT JOIN n ON n.id = u.id LEFT JOIN l ON l.id = u.id
ORDER BY u.ord
