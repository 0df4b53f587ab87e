BEGIN;

ALTER TABLE credentials
    DROP COLUMN role_id,
    DROP COLUMN tags,
    DROP COLUMN stale_since;

ALTER TABLE users
    DROP COLUMN tags,
    DROP COLUMN connections;

DROP INDEX roles_name_key;
UPDATE roles SET name = left(name, 37) || ' ' || right(id, 26) WHERE private_user_id IS NOT NULL AND deleted_at IS NULL;
ALTER TABLE roles
    DROP COLUMN private_user_id,
    DROP COLUMN connections_per_user,
    DROP COLUMN default_credential_lifetime,
    DROP COLUMN max_credential_lifetime;
CREATE UNIQUE INDEX roles_name_key ON roles (account_id, name) WHERE deleted_at IS NULL;

COMMIT;
