BEGIN;

CREATE INDEX credentials_revoked ON credentials (account_id) WHERE revoked_at IS NOT NULL;
DROP INDEX credentials_revoked_inline;
ALTER TABLE credentials
    DROP COLUMN revocation_page;
DROP TABLE revocation_pages;

COMMIT;
