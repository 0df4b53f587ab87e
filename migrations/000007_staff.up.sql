BEGIN;

ALTER TABLE plans
    ADD COLUMN first_id                    prefixed_id REFERENCES plans (id),
    ADD COLUMN version                     bigint   NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD COLUMN is_newest                   boolean  NOT NULL DEFAULT true,
    ADD COLUMN max_members                 bigint   NOT NULL DEFAULT -1 CHECK (max_members >= -1),
    ADD COLUMN tenant_limits               jsonb    NOT NULL DEFAULT '{"connections": -1, "leaf_nodes": -1, "memory_bytes": -1, "disk_bytes": -1, "streams": -1}',
    ADD COLUMN connection_types            text[]   NOT NULL DEFAULT '{}',
    ADD COLUMN max_credential_lifetime     interval NOT NULL DEFAULT '0' CHECK (max_credential_lifetime >= '0'),
    ADD COLUMN default_credential_lifetime interval NOT NULL DEFAULT '0' CHECK (default_credential_lifetime >= '0'),
    ADD COLUMN created_by                  text     NOT NULL DEFAULT 'system';
UPDATE plans SET first_id = id;
ALTER TABLE plans
    ALTER COLUMN first_id SET NOT NULL,
    DROP CONSTRAINT plans_name_key,
    ADD CONSTRAINT plans_version_key UNIQUE (first_id, version);
CREATE UNIQUE INDEX plans_name_key ON plans (name) WHERE is_newest;
CREATE UNIQUE INDEX plans_one_newest ON plans (first_id) WHERE is_newest;
CREATE INDEX tenants_plan ON tenants (plan_id, id);
COMMENT ON TABLE plans IS 'each row is one version of a plan; its terms never change';
COMMENT ON COLUMN plans.first_id IS 'the id of the plan''s first version, by which people know the plan';
COMMENT ON COLUMN plans.is_newest IS 'no later version of the plan is there';
COMMENT ON COLUMN plans.tenant_limits IS 'the most all of a tenant''s accounts may have together; -1 is unlimited';
COMMENT ON COLUMN plans.connection_types IS 'how clients may connect; empty: all ways';
COMMENT ON COLUMN plans.max_credential_lifetime IS '0: credentials need not expire';
COMMENT ON COLUMN plans.default_credential_lifetime IS 'of credentials that nobody chose one for; 0: they do not expire';
COMMENT ON COLUMN tenants.plan_id IS 'the version of a plan that the tenant is on';

ALTER TABLE operators
    ADD COLUMN description   text    NOT NULL DEFAULT '',
    ADD COLUMN tags          text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN first_account boolean NOT NULL DEFAULT true,
    ADD COLUMN version       bigint  NOT NULL DEFAULT 1;
COMMENT ON COLUMN operators.tags IS 'in its JWT';
COMMENT ON COLUMN operators.first_account IS 'who signs up gets an account under it while it is the default';
COMMENT ON COLUMN operators.version IS 'counts edits; the ETag';

CREATE TABLE operator_signing_keys (
    public_key  text        PRIMARY KEY,
    operator_id prefixed_id NOT NULL REFERENCES operators (id),
    sealed_seed bytea       NOT NULL,
    status      text        NOT NULL CONSTRAINT operator_signing_keys_status_check CHECK (status IN ('next', 'active', 'leaving', 'retired')),
    created_at  timestamptz NOT NULL,
    retired_at  timestamptz
);
CREATE UNIQUE INDEX operator_signing_keys_one_next ON operator_signing_keys (operator_id) WHERE status = 'next';
CREATE UNIQUE INDEX operator_signing_keys_one_active ON operator_signing_keys (operator_id) WHERE status = 'active';
INSERT INTO operator_signing_keys (public_key, operator_id, sealed_seed, status, created_at)
SELECT signing_public_key, id, sealed_signing_seed, 'active', created_at
FROM operators;
COMMENT ON COLUMN operator_signing_keys.sealed_seed IS 'empty once retired';
COMMENT ON COLUMN operator_signing_keys.status IS 'all but the retired are in the operator''s JWT; the active one is the operator''s signing_public_key, too';

ALTER TABLE brokers
    ADD COLUMN operator_jwt_id text NOT NULL DEFAULT '';
COMMENT ON COLUMN brokers.operator_jwt_id IS 'of the operator JWT that it has confirmed to go by; empty: none yet';

CREATE TABLE operations (
    id          prefixed_id PRIMARY KEY,
    tenant_id   prefixed_id REFERENCES tenants (id),
    operator_id prefixed_id REFERENCES operators (id),
    kind        text        NOT NULL,
    state       jsonb       NOT NULL,
    stage       text        NOT NULL,
    detail      text        NOT NULL DEFAULT '',
    done        bigint      NOT NULL DEFAULT 0 CHECK (done >= 0),
    total       bigint      NOT NULL DEFAULT 0 CHECK (total >= 0),
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX operations_unfinished ON operations (id) WHERE finished_at IS NULL;
COMMENT ON TABLE operations IS 'long work in steps, each a transaction; whichever replica is free takes the next';
COMMENT ON COLUMN operations.tenant_id IS 'whose members may see it; null: staff only';
COMMENT ON COLUMN operations.state IS 'what it works on, and how far it has come';
COMMENT ON COLUMN operations.detail IS 'what it waits for; empty: for nothing';

COMMIT;
