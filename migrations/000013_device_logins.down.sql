BEGIN;

DROP INDEX users_capped;
ALTER TABLE users
    DROP COLUMN connection_types;
CREATE INDEX users_capped ON users (account_id) WHERE connections IS NOT NULL AND deleted_at IS NULL;

-- To the version before, a device login is a credential; and nobody has its creds.
ALTER TABLE credentials
    DROP COLUMN kind,
    DROP COLUMN login_digest,
    DROP COLUMN login_username,
    DROP COLUMN match_kind,
    DROP COLUMN match_value,
    DROP COLUMN login_page;
DROP TABLE trust_pages;
DROP TABLE login_pages;

COMMIT;
