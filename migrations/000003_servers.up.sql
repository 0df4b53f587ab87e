BEGIN;

CREATE TABLE servers (
    id          prefixed_id PRIMARY KEY,
    operator_id prefixed_id NOT NULL REFERENCES operators,
    name        text        NOT NULL,
    urls        text[]      NOT NULL,
    ledger      jsonb       NOT NULL DEFAULT '[]',
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT servers_name_key UNIQUE (operator_id, name)
);
COMMENT ON TABLE servers IS 'unmodified nats-servers that control keeps up to date: each row one, or a cluster of them; their receipts are under their id';
COMMENT ON COLUMN servers.urls IS 'where control reaches their system account';
COMMENT ON COLUMN servers.ledger IS 'which servers were found there, and how far each has come';

COMMIT;
