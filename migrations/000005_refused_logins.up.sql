BEGIN;

CREATE TABLE refused_logins (
    id              prefixed_id PRIMARY KEY,
    tenant_id       prefixed_id NOT NULL,
    account_id      prefixed_id NOT NULL,
    broker          text        NOT NULL,
    user_public_key text        NOT NULL,
    reason          text        NOT NULL,
    connection_type text        NOT NULL,
    address         text        NOT NULL,
    detail          text        NOT NULL,
    count           bigint      NOT NULL CHECK (count > 0),
    first_at        timestamptz NOT NULL,
    last_at         timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    CONSTRAINT refused_logins_key UNIQUE (account_id, broker, user_public_key, reason, connection_type, address)
);
COMMENT ON TABLE refused_logins IS 'who was not let in and why: one row for each way, of the newest few hundred an account';
COMMENT ON COLUMN refused_logins.id IS 'made anew with each report, so that ids sort by the last one';
COMMENT ON COLUMN refused_logins.broker IS 'the name it had then';
COMMENT ON COLUMN refused_logins.user_public_key IS 'empty when the client presented none that could be read';
CREATE INDEX refused_logins_newest ON refused_logins (account_id, id DESC);
CREATE INDEX refused_logins_age ON refused_logins (last_at);

COMMIT;
