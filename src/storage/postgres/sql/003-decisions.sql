-- Past decisions that changed their customer's row: what stays readable, and encrypted with the customer's key, the
-- customer's id and the values.
-- An id begins with the moment of its decision, so ids are in the order of time.
CREATE TABLE decision (
    id bytea PRIMARY KEY,
    person bytea NOT NULL,
    entry bytea NOT NULL,
    customer bytea NOT NULL,
    sealed bytea
);
ALTER TABLE decision ALTER sealed SET STORAGE EXTERNAL;
CREATE INDEX decision_person ON decision (person, id);
