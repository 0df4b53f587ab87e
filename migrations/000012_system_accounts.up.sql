BEGIN;

CREATE TABLE former_system_accounts (
    public_key  text        PRIMARY KEY,
    operator_id prefixed_id NOT NULL REFERENCES operators (id),
    sealed_seed bytea       NOT NULL,
    jwt         text        NOT NULL,
    left_at     timestamptz NOT NULL,
    retired_at  timestamptz
);
CREATE UNIQUE INDEX former_system_accounts_one_left ON former_system_accounts (operator_id) WHERE retired_at IS NULL;
COMMENT ON TABLE former_system_accounts IS 'where brokers are until they restart, while the operator''s JWT names another';
COMMENT ON COLUMN former_system_accounts.sealed_seed IS 'empty once retired';
COMMENT ON COLUMN former_system_accounts.retired_at IS 'when no broker was in it any more';

ALTER TABLE brokers
    ADD COLUMN system_public_key text NOT NULL DEFAULT '';
COMMENT ON COLUMN brokers.system_public_key IS 'of the system account that its server is in; empty: the operator''s';

COMMENT ON TABLE tombstones IS 'accounts that brokers held and the operator never had, and its former system accounts: their last JWT lets nobody in';

COMMIT;
