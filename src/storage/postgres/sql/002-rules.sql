-- The files of revisions that were published; a revision that a node made from a folder of its own has none.
CREATE TABLE rule_file (
    revision bigint REFERENCES rules,
    path text,
    content text NOT NULL,
    PRIMARY KEY (revision, path)
);
