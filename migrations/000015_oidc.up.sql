BEGIN;

CREATE TABLE oidc_issuers (
    id          prefixed_id PRIMARY KEY,
    tenant_id   prefixed_id NOT NULL,
    account_id  prefixed_id NOT NULL,
    url         text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    audiences   text[]      NOT NULL CHECK (cardinality(audiences) > 0),
    rules       jsonb       NOT NULL,
    keys        jsonb       NOT NULL,
    fetched_at  timestamptz NOT NULL,
    fetch_error text        NOT NULL DEFAULT '',
    tried_at    timestamptz NOT NULL,
    fetch_at    timestamptz NOT NULL,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT oidc_issuers_url_key UNIQUE (account_id, url),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
CREATE INDEX oidc_issuers_fetch ON oidc_issuers (fetch_at);
COMMENT ON TABLE oidc_issuers IS 'issuers of OpenID Connect whose tokens an account takes';
COMMENT ON COLUMN oidc_issuers.rules IS 'whom its tokens stand for, the first that fits';
COMMENT ON COLUMN oidc_issuers.keys IS 'its public keys, a JWK set';
COMMENT ON COLUMN oidc_issuers.fetched_at IS 'when the keys were last read from the issuer';
COMMENT ON COLUMN oidc_issuers.fetch_error IS 'why they could not be read since; empty: they could';
COMMENT ON COLUMN oidc_issuers.tried_at IS 'when somebody last went to read them, with or without success';
COMMENT ON COLUMN oidc_issuers.fetch_at IS 'when they are to be read again';

CREATE TABLE oidc_revocations (
    tenant_id  prefixed_id NOT NULL,
    account_id prefixed_id NOT NULL,
    url        text        NOT NULL,
    subjects   jsonb       NOT NULL,
    PRIMARY KEY (account_id, url),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
COMMENT ON TABLE oidc_revocations IS 'whose tokens of an issuer an account does not take any more; kept when the issuer goes, since its tokens may be good for years';
COMMENT ON COLUMN oidc_revocations.subjects IS 'subjects, and until when their tokens were issued';

COMMIT;
