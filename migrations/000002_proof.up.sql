BEGIN;

ALTER TABLE receipts
    ADD COLUMN effects jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN receipts.effects IS 'what the latest applied claims did: per account and revision, connections closed';

CREATE INDEX accounts_bucket ON accounts (operator_id, left(public_key, 4));

CREATE TABLE tombstones (
    operator_id prefixed_id NOT NULL REFERENCES operators,
    public_key  text        NOT NULL,
    jwt         text        NOT NULL,
    revision    bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (operator_id, public_key)
);
COMMENT ON TABLE tombstones IS 'accounts that brokers held and the operator never had: their last JWT lets nobody in';

CREATE VIEW account_jwts AS
SELECT operator_id, public_key, revision, jwt
FROM accounts
UNION ALL
SELECT operator_id, public_key, revision, jwt
FROM tombstones;
COMMENT ON VIEW account_jwts IS 'what an operator''s brokers must hold';

COMMIT;
