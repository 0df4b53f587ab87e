BEGIN;

-- Without the marks these would be roles and users like any other.
UPDATE credentials
SET revoked_at = greatest(now(), issued_at), revoke_reason = 'the console was taken back'
WHERE revoked_at IS NULL
AND user_id IN (SELECT id FROM users WHERE console);
UPDATE users SET deleted_at = now() WHERE console AND deleted_at IS NULL;
UPDATE roles SET deleted_at = now(), sealed_seed = '' WHERE console IS NOT NULL AND deleted_at IS NULL;

DROP TABLE console_sessions;
ALTER TABLE users
    DROP COLUMN console;
DROP INDEX roles_name_key;
CREATE UNIQUE INDEX roles_name_key ON roles (account_id, name) WHERE deleted_at IS NULL AND private_user_id IS NULL;
ALTER TABLE roles
    DROP COLUMN console;

COMMIT;
