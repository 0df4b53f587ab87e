BEGIN;

CREATE TABLE revocation_pages (
    tenant_id  prefixed_id NOT NULL,
    account_id prefixed_id NOT NULL,
    number     bigint      NOT NULL,
    hash       text        NOT NULL GENERATED ALWAYS AS (encode(sha256(records), 'hex')) STORED,
    records    bytea       NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, number),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
-- Keys are random: compressing them would take time and gain nothing.
ALTER TABLE revocation_pages
    ALTER COLUMN records SET STORAGE EXTERNAL;
CREATE INDEX revocation_pages_hash ON revocation_pages (hash);
COMMENT ON TABLE revocation_pages IS 'revocations that an account''s JWT has no room for, and names by their hash';
COMMENT ON COLUMN revocation_pages.records IS 'see claims.RevocationPage; written anew when revocations join or leave';
COMMENT ON COLUMN revocation_pages.expires_at IS 'when the last of its credentials does; null: never';

ALTER TABLE credentials
    ADD COLUMN revocation_page bigint,
    ADD CHECK (revocation_page IS NULL OR revoked_at IS NOT NULL),
    ADD FOREIGN KEY (tenant_id, account_id, revocation_page) REFERENCES revocation_pages (tenant_id, account_id, number);
COMMENT ON COLUMN credentials.revocation_page IS 'the number of the page that holds its revocation; null: the account''s JWT does, unless it has expired';

-- Of all that were ever revoked only those matter that have not expired.
CREATE INDEX credentials_revoked_inline ON credentials (account_id, coalesce(expires_at, 'infinity'))
    WHERE revoked_at IS NOT NULL AND revocation_page IS NULL;
CREATE INDEX credentials_revoked_paged ON credentials (account_id, revocation_page, coalesce(expires_at, 'infinity'))
    WHERE revocation_page IS NOT NULL;
DROP INDEX credentials_revoked;

COMMIT;
