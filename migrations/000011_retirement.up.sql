BEGIN;

ALTER TABLE accounts
    ADD COLUMN deleting_at timestamptz,
    ADD COLUMN purge_at    timestamptz,
    ADD COLUMN purged_at   timestamptz,
    ADD CONSTRAINT accounts_purge_at_check CHECK ((deleting_at IS NULL) = (purge_at IS NULL)),
    ADD CONSTRAINT accounts_purged_at_check CHECK (purged_at IS NULL OR deleted_at IS NOT NULL);
COMMENT ON COLUMN accounts.deleting_at IS 'when it was frozen to be deleted; null: it was not';
COMMENT ON COLUMN accounts.purge_at IS 'until when that can be undone';
COMMENT ON COLUMN accounts.deleted_at IS 'when its tombstone took the place of its claims; null: it lives, or is frozen';
COMMENT ON COLUMN accounts.purged_at IS 'when the last of the brokers had confirmed that its disk holds nothing of the account';
CREATE INDEX accounts_purge ON accounts (purge_at) WHERE purge_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX accounts_unpurged ON accounts (operator_id, public_key) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

CREATE TABLE disks (
    operator_id prefixed_id NOT NULL REFERENCES operators,
    broker_key  text        NOT NULL,
    verified    bigint      NOT NULL CHECK (verified >= 0),
    heard_at    timestamptz NOT NULL,
    PRIMARY KEY (operator_id, broker_key)
);
COMMENT ON TABLE disks IS 'how far each broker has looked for deleted accounts on its own disk';
COMMENT ON COLUMN disks.verified IS 'of the accounts deleted up to this revision nothing is there but what erasures names';

CREATE TABLE erasures (
    operator_id prefixed_id NOT NULL REFERENCES operators,
    account_key text        NOT NULL,
    broker_key  text        NOT NULL,
    gone        boolean     NOT NULL,
    bytes       bigint      NOT NULL CHECK (bytes >= 0),
    error       text        NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (operator_id, account_key, broker_key)
);
COMMENT ON TABLE erasures IS 'deleted accounts of which a broker found something on its disk';
COMMENT ON COLUMN erasures.bytes IS 'that are there, or were until it erased them';
COMMENT ON COLUMN erasures.error IS 'why it could not erase them; empty: nothing has gone wrong';
CREATE INDEX erasures_left ON erasures (operator_id, broker_key) WHERE NOT gone;

COMMIT;
