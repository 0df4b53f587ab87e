BEGIN;

-- Ids are text made of a three-letter prefix and a UUIDv7 in Crockford base32, so they sort by age under the C collation.
CREATE DOMAIN prefixed_id AS text COLLATE "C" CHECK (VALUE ~ '^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$');

------------------------------------------------------------------------ people and tenants

CREATE TABLE plans (
    id                prefixed_id PRIMARY KEY,
    name              text        NOT NULL CONSTRAINT plans_name_key UNIQUE,
    is_default        boolean     NOT NULL DEFAULT false,
    max_accounts      bigint      NOT NULL CHECK (max_accounts >= -1),
    max_roles         bigint      NOT NULL CHECK (max_roles >= -1),
    max_users         bigint      NOT NULL CHECK (max_users >= -1),
    account_limits    jsonb       NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
CREATE UNIQUE INDEX plans_one_default ON plans (is_default) WHERE is_default;
COMMENT ON COLUMN plans.max_roles IS 'per account; -1 is unlimited';
COMMENT ON COLUMN plans.max_users IS 'per account; -1 is unlimited';
COMMENT ON COLUMN plans.account_limits IS 'the most one account may have, and what it has unless it asks for less: the shape of accounts.limits, every field present';

CREATE TABLE tenants (
    id         prefixed_id PRIMARY KEY,
    name       text        NOT NULL,
    plan_id    prefixed_id NOT NULL REFERENCES plans,
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE people (
    id            prefixed_id PRIMARY KEY,
    email         text        NOT NULL,
    password_hash text        NOT NULL,
    is_staff      boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX people_email_key ON people (lower(email));
COMMENT ON TABLE people IS 'who can log in; what they may do comes from their memberships';
COMMENT ON COLUMN people.password_hash IS 'argon2id, with its parameters';

CREATE TABLE members (
    tenant_id  prefixed_id NOT NULL REFERENCES tenants ON DELETE CASCADE,
    person_id  prefixed_id NOT NULL REFERENCES people ON DELETE CASCADE,
    role       text        NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person_id)
);
CREATE INDEX members_person ON members (person_id);

CREATE TABLE sessions (
    token_hash bytea       PRIMARY KEY,
    person_id  prefixed_id NOT NULL REFERENCES people ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the 256 random bits in the cookie';

CREATE TABLE api_tokens (
    id           prefixed_id PRIMARY KEY,
    tenant_id    prefixed_id NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name         text        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('admin', 'developer', 'viewer')),
    token_hash   bytea       NOT NULL CONSTRAINT api_tokens_hash_key UNIQUE,
    created_by   text        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    UNIQUE (tenant_id, id)
);
COMMENT ON COLUMN api_tokens.expires_at IS 'null: never';

------------------------------------------------------------------------ NATS identity

CREATE TABLE operators (
    id                    prefixed_id PRIMARY KEY,
    name                  text        NOT NULL CONSTRAINT operators_name_key UNIQUE,
    public_key            text        NOT NULL CONSTRAINT operators_public_key_key UNIQUE,
    sealed_seed           bytea       NOT NULL,
    signing_public_key    text        NOT NULL,
    sealed_signing_seed   bytea       NOT NULL,
    jwt                   text        NOT NULL,
    system_public_key     text        NOT NULL,
    system_sealed_seed    bytea       NOT NULL,
    system_jwt            text        NOT NULL,
    is_default            boolean     NOT NULL DEFAULT false,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL
);
CREATE UNIQUE INDEX operators_one_default ON operators (is_default) WHERE is_default;
COMMENT ON COLUMN operators.is_default IS 'new accounts go here unless they name another';
COMMENT ON COLUMN operators.signing_public_key IS 'signs accounts; the operator key itself signs only the operator JWT';

CREATE TABLE accounts (
    id          prefixed_id PRIMARY KEY,
    tenant_id   prefixed_id NOT NULL REFERENCES tenants,
    operator_id prefixed_id NOT NULL REFERENCES operators,
    name        text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    public_key  text        NOT NULL CONSTRAINT accounts_public_key_key UNIQUE,
    sealed_seed bytea       NOT NULL,
    limits      jsonb       NOT NULL,
    jwt         text        NOT NULL,
    revision    bigint      NOT NULL,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz,
    UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX accounts_name_key ON accounts (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX accounts_page ON accounts (tenant_id, id) WHERE deleted_at IS NULL;
COMMENT ON COLUMN accounts.jwt IS 'what brokers must hold: the current claims, or the tombstone once deleted';
COMMENT ON COLUMN accounts.revision IS 'the operator''s revision at which jwt last changed';
COMMENT ON COLUMN accounts.version IS 'counts edits; the ETag';

CREATE TABLE roles (
    id          prefixed_id PRIMARY KEY,
    tenant_id   prefixed_id NOT NULL,
    account_id  prefixed_id NOT NULL,
    name        text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    public_key  text        NOT NULL CONSTRAINT roles_public_key_key UNIQUE,
    sealed_seed bytea       NOT NULL,
    template    jsonb       NOT NULL,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz,
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    UNIQUE (tenant_id, account_id, id)
);
CREATE UNIQUE INDEX roles_name_key ON roles (account_id, name) WHERE deleted_at IS NULL;
CREATE INDEX roles_page ON roles (account_id, id) WHERE deleted_at IS NULL;
COMMENT ON COLUMN roles.sealed_seed IS 'empty once deleted';
COMMENT ON TABLE roles IS 'a scoped signing key of an account; its template holds for every user signed with it, live';

CREATE TABLE users (
    id         prefixed_id PRIMARY KEY,
    tenant_id  prefixed_id NOT NULL,
    account_id prefixed_id NOT NULL,
    role_id    prefixed_id NOT NULL,
    name       text        NOT NULL,
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT users_role_fkey FOREIGN KEY (tenant_id, account_id, role_id) REFERENCES roles (tenant_id, account_id, id),
    UNIQUE (tenant_id, account_id, id)
);
CREATE UNIQUE INDEX users_name_key ON users (account_id, name) WHERE deleted_at IS NULL;
CREATE INDEX users_page ON users (account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX users_role ON users (role_id) WHERE deleted_at IS NULL;

CREATE TABLE credentials (
    id            prefixed_id PRIMARY KEY,
    tenant_id     prefixed_id NOT NULL,
    account_id    prefixed_id NOT NULL,
    user_id       prefixed_id NOT NULL,
    name          text        NOT NULL DEFAULT '',
    public_key    text        NOT NULL,
    issued_at     timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    revoke_reason text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, account_id, user_id) REFERENCES users (tenant_id, account_id, id),
    CONSTRAINT credentials_public_key_key UNIQUE (account_id, public_key)
);
CREATE INDEX credentials_page ON credentials (user_id, id);
CREATE INDEX credentials_revoked ON credentials (account_id) WHERE revoked_at IS NOT NULL;
COMMENT ON COLUMN credentials.expires_at IS 'null: never';
COMMENT ON COLUMN credentials.public_key IS 'the user nkey; its seed is never kept';

------------------------------------------------------------------------ delivery

CREATE TABLE feeds (
    operator_id text   COLLATE "C" PRIMARY KEY,
    revision    bigint NOT NULL CHECK (revision >= 0)
);
COMMENT ON TABLE feeds IS 'each operator''s revision; the row''s lock puts its changes in commit order';

CREATE TABLE feed_changes (
    operator_id text   COLLATE "C" NOT NULL REFERENCES feeds,
    account_key text   NOT NULL,
    revision    bigint NOT NULL,
    PRIMARY KEY (operator_id, account_key),
    CONSTRAINT feed_changes_revision_key UNIQUE (operator_id, revision)
);
COMMENT ON TABLE feed_changes IS 'compacted: one row per account, at its latest revision';

CREATE TABLE receipts (
    operator_id  text   COLLATE "C" NOT NULL REFERENCES feeds,
    broker_key   text   NOT NULL,
    applied      bigint NOT NULL,
    refusals     jsonb  NOT NULL DEFAULT '[]',
    heard_at     timestamptz NOT NULL,
    PRIMARY KEY (operator_id, broker_key)
);
COMMENT ON TABLE receipts IS 'what each broker last said it has in force';

CREATE TABLE enrollments (
    id          prefixed_id PRIMARY KEY,
    operator_id prefixed_id NOT NULL REFERENCES operators,
    token_hash  bytea       NOT NULL CONSTRAINT enrollments_hash_key UNIQUE,
    uses_left   bigint      NOT NULL CHECK (uses_left >= 0),
    expires_at  timestamptz NOT NULL,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE brokers (
    id          prefixed_id PRIMARY KEY,
    operator_id prefixed_id NOT NULL REFERENCES operators,
    name        text        NOT NULL,
    public_key  text        NOT NULL CONSTRAINT brokers_public_key_key UNIQUE,
    token_hash  bytea       NOT NULL CONSTRAINT brokers_hash_key UNIQUE,
    cluster     text        NOT NULL DEFAULT '',
    control_url text        NOT NULL,
    endpoints   jsonb       NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT brokers_name_key UNIQUE (operator_id, name)
);
COMMENT ON COLUMN brokers.public_key IS 'the user nkey it made for itself; its seat in the system account';
COMMENT ON COLUMN brokers.control_url IS 'where control reaches its system account, nats://host:port';
COMMENT ON COLUMN brokers.endpoints IS 'where tenants'' clients reach it: lists of URLs by protocol';

------------------------------------------------------------------------ keeping order

CREATE TABLE idempotency_keys (
    actor       text        NOT NULL,
    key         text        NOT NULL,
    request     bytea       NOT NULL,
    resource_id text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
COMMENT ON COLUMN idempotency_keys.request IS 'SHA-256 of operation, path and body: the same key with another request is refused';

CREATE TABLE audit_events (
    id         prefixed_id PRIMARY KEY,
    tenant_id  prefixed_id REFERENCES tenants,
    actor      text        NOT NULL,
    action     text        NOT NULL,
    target     text        NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX audit_events_page ON audit_events (tenant_id, id);
COMMENT ON COLUMN audit_events.tenant_id IS 'null: an act of staff or of the installation';

COMMIT;
