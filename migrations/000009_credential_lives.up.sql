BEGIN;

ALTER TABLE credentials
    ADD COLUMN issued_by   text        NOT NULL DEFAULT '',
    ADD COLUMN expiring_at timestamptz,
    ADD COLUMN event_at    timestamptz,
    ADD COLUMN renewals    bigint      NOT NULL DEFAULT 0 CHECK (renewals >= 0),
    ADD COLUMN renewed_at  timestamptz,
    ADD COLUMN batch_id    prefixed_id,
    ADD COLUMN batch_index bigint,
    ADD CONSTRAINT credentials_batch_entry CHECK ((batch_id IS NULL) = (batch_index IS NULL));
COMMENT ON COLUMN credentials.issued_at IS 'of its last JWT: a renewal moves it';
COMMENT ON COLUMN credentials.expires_at IS 'when the last of its JWTs does; null: never';
COMMENT ON COLUMN credentials.issued_by IS 'the actor; empty: before this was kept';
COMMENT ON COLUMN credentials.expiring_at IS 'from when on people are warned of the expiry';
COMMENT ON COLUMN credentials.event_at IS 'when the next event about its expiry is due; null: none is';

UPDATE credentials
SET issued_by = audit_events.actor
FROM audit_events
WHERE audit_events.target = credentials.id
AND audit_events.action = 'issueCredential';

UPDATE credentials
SET expiring_at = expires_at - least(greatest((expires_at - issued_at) / 5, interval '1 hour'), interval '336 hours')
WHERE expires_at IS NOT NULL;

-- What expired before there were events is no news.
UPDATE credentials
SET event_at = expiring_at
WHERE expires_at > now()
AND revoked_at IS NULL;

CREATE INDEX credentials_account_page ON credentials (account_id, id);
CREATE INDEX credentials_account_expiry ON credentials (account_id, coalesce(expires_at, 'infinity'), id);
CREATE INDEX credentials_revoked_page ON credentials (account_id, id) WHERE revoked_at IS NOT NULL;
CREATE INDEX credentials_event ON credentials (event_at) WHERE event_at IS NOT NULL;
CREATE UNIQUE INDEX credentials_batch_live ON credentials (batch_id, batch_index) WHERE batch_id IS NOT NULL AND revoked_at IS NULL;
COMMENT ON INDEX credentials_batch_live IS 'each entry of a batch has one credential that is not revoked, however often it was resumed';

-- The history of one resource is what the audit says of it.
CREATE INDEX audit_events_target ON audit_events (tenant_id, target, id);

CREATE TABLE credential_batches (
    id         prefixed_id PRIMARY KEY,
    tenant_id  prefixed_id NOT NULL,
    account_id prefixed_id NOT NULL,
    attempt    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    UNIQUE (tenant_id, account_id, id)
);
COMMENT ON COLUMN credential_batches.attempt IS 'counts resumptions: an earlier one that still runs issues nothing more';
ALTER TABLE credentials
    ADD CONSTRAINT credentials_batch_fkey FOREIGN KEY (tenant_id, account_id, batch_id) REFERENCES credential_batches (tenant_id, account_id, id);

CREATE TABLE credential_sightings (
    credential_id   prefixed_id PRIMARY KEY REFERENCES credentials ON DELETE CASCADE,
    tenant_id       prefixed_id NOT NULL,
    seen_at         timestamptz NOT NULL,
    address         text        NOT NULL,
    connection_type text        NOT NULL,
    client          text        NOT NULL,
    broker          text        NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE credential_sightings IS 'each credential''s last login; apart from credentials, whose indexes every login would else rewrite';
COMMENT ON COLUMN credential_sightings.client IS 'what the client says of itself';
COMMENT ON COLUMN credential_sightings.broker IS 'the name it had then';

CREATE TABLE used_nonces (
    hash       bytea       PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_nonces_age ON used_nonces (expires_at);
COMMENT ON TABLE used_nonces IS 'of renewals; nonces carry their own proof of origin, so only used ones are kept, until they expire';

CREATE TABLE events (
    id         prefixed_id PRIMARY KEY,
    tenant_id  prefixed_id NOT NULL REFERENCES tenants,
    type       text        NOT NULL,
    subject    prefixed_id NOT NULL,
    data       jsonb       NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX events_page ON events (tenant_id, id);
CREATE INDEX events_age ON events (created_at);
COMMENT ON TABLE events IS 'what happened to a tenant''s things without anybody doing it';
COMMENT ON COLUMN events.subject IS 'the id of the thing';

COMMIT;
