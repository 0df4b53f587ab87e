BEGIN;

ALTER TABLE roles
    ADD COLUMN private_user_id             prefixed_id,
    ADD COLUMN connections_per_user        bigint   CHECK (connections_per_user >= 0),
    ADD COLUMN default_credential_lifetime interval NOT NULL DEFAULT '0' CHECK (default_credential_lifetime >= '0'),
    ADD COLUMN max_credential_lifetime     interval NOT NULL DEFAULT '0' CHECK (max_credential_lifetime >= '0'),
    ADD CONSTRAINT roles_private_user_fkey FOREIGN KEY (tenant_id, account_id, private_user_id) REFERENCES users (tenant_id, account_id, id) DEFERRABLE INITIALLY DEFERRED;
COMMENT ON COLUMN roles.private_user_id IS 'the user whose own permissions these are; null: a role for any number of users';
COMMENT ON COLUMN roles.connections_per_user IS 'at one time; null: as many as the account has';
COMMENT ON COLUMN roles.default_credential_lifetime IS '0: as the plan says';
COMMENT ON COLUMN roles.max_credential_lifetime IS '0: as the plan says';

DROP INDEX roles_name_key;
CREATE UNIQUE INDEX roles_name_key ON roles (account_id, name) WHERE deleted_at IS NULL AND private_user_id IS NULL;
CREATE UNIQUE INDEX roles_private_user_key ON roles (private_user_id) WHERE deleted_at IS NULL;

ALTER TABLE users
    ADD COLUMN tags        text[] NOT NULL DEFAULT '{}',
    ADD COLUMN connections bigint CHECK (connections >= -1);
COMMENT ON COLUMN users.connections IS 'at one time; -1 is unlimited; null: the role''s';
CREATE INDEX users_capped ON users (account_id) WHERE connections IS NOT NULL AND deleted_at IS NULL;

ALTER TABLE credentials
    ADD COLUMN role_id     prefixed_id,
    ADD COLUMN tags        text[] NOT NULL DEFAULT '{}',
    ADD COLUMN stale_since timestamptz,
    ADD CONSTRAINT credentials_role_fkey FOREIGN KEY (tenant_id, account_id, role_id) REFERENCES roles (tenant_id, account_id, id);
COMMENT ON COLUMN credentials.role_id IS 'the role that signed it; null: the first that its user was in';
COMMENT ON COLUMN credentials.tags IS 'the user''s when it was signed';
COMMENT ON COLUMN credentials.stale_since IS 'since when its user is in another role, or has other tags, than it was signed with';
UPDATE credentials SET role_id = users.role_id FROM users WHERE users.id = credentials.user_id;
CREATE INDEX credentials_stale ON credentials (account_id, user_id) WHERE stale_since IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX credentials_stale_role ON credentials (role_id) WHERE stale_since IS NOT NULL AND revoked_at IS NULL;

COMMIT;
