BEGIN;

ALTER TABLE roles
    ADD COLUMN console text CONSTRAINT roles_console_check CHECK (console IN ('full', 'listen'));
COMMENT ON COLUMN roles.console IS 'for people who are signed in, in no list: what they may do there; null: a role that people made';
CREATE UNIQUE INDEX roles_console_key ON roles (account_id, console) WHERE deleted_at IS NULL AND console IS NOT NULL;
DROP INDEX roles_name_key;
CREATE UNIQUE INDEX roles_name_key ON roles (account_id, name) WHERE deleted_at IS NULL AND private_user_id IS NULL AND console IS NULL;

ALTER TABLE users
    ADD COLUMN console boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN users.console IS 'a person who is signed in, named by their e-mail: in no list';

CREATE TABLE console_sessions (
    credential_id prefixed_id PRIMARY KEY REFERENCES credentials (id),
    tenant_id     prefixed_id NOT NULL,
    account_id    prefixed_id NOT NULL,
    person_id     prefixed_id NOT NULL,
    console       text        NOT NULL CHECK (console IN ('full', 'listen')),
    session_hash  bytea       REFERENCES sessions (token_hash) ON DELETE SET NULL,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
CREATE UNIQUE INDEX console_sessions_session ON console_sessions (session_hash, account_id);
COMMENT ON TABLE console_sessions IS 'credentials in use by browsers whose cookie holds them; a row goes when its credential is revoked or has expired';
COMMENT ON COLUMN console_sessions.session_hash IS 'null: the session has ended, and the credential is to be revoked';

COMMIT;
