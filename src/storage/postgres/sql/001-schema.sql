-- One row that says what this schema is, and which keys read it.
CREATE TABLE store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    schema integer NOT NULL,
    keys bytea NOT NULL,
    verifier text NOT NULL
);

-- One row a customer. The version (write, mark) is never used twice; recent holds the newest eight, newest first.
CREATE TABLE person (
    id bytea PRIMARY KEY,
    write bigint NOT NULL,
    mark bigint NOT NULL,
    recent bytea NOT NULL,
    newest bigint NOT NULL,
    rules bigint NOT NULL,
    key_name bytea,
    key bytea,
    body bytea
) WITH (fillfactor = 80);
-- Encrypted bytes do not compress.
ALTER TABLE person ALTER body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX person_key ON person (key_name) WHERE key_name IS NOT NULL;

-- The consent ledger: positions without a gap, numbered by the head.
CREATE TABLE frame (
    position bigint PRIMARY KEY,
    kind smallint NOT NULL,
    key bytea NOT NULL,
    random bytea NOT NULL,
    leaf bytea NOT NULL,
    payload bytea NOT NULL
);
CREATE INDEX frame_key ON frame (key, position);
CREATE TABLE ledger_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL,
    erasures bigint NOT NULL
);
INSERT INTO ledger_head (size, erasures) VALUES (0, 0);

-- Suppression tokens of erased customers, with the position of the last erasure.
CREATE TABLE erasure (token bytea PRIMARY KEY, position bigint NOT NULL);

-- The published log: tiles by their path, and the newest signed checkpoint.
CREATE TABLE tile (path text PRIMARY KEY, bytes bytea NOT NULL);
CREATE TABLE checkpoint (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL,
    note text NOT NULL
);

-- What the numbers in the bodies stand for: a number keeps its name for good.
CREATE TABLE name (
    kind smallint,
    number integer,
    name text NOT NULL,
    PRIMARY KEY (kind, number),
    UNIQUE (kind, name)
);

-- Rule sets in the order in which they came into force.
CREATE TABLE rules (revision bigint PRIMARY KEY, hash text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp());
