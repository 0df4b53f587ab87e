BEGIN;

CREATE TABLE login_pages (
    tenant_id  prefixed_id NOT NULL,
    account_id prefixed_id NOT NULL,
    number     bigint      NOT NULL,
    hash       text        NOT NULL GENERATED ALWAYS AS (encode(sha256(records), 'hex')) STORED,
    records    bytea       NOT NULL,
    logins     bigint      NOT NULL GENERATED ALWAYS AS (get_byte(records, 2) * 256 + get_byte(records, 3)) STORED,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, number),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
-- Keys and digests are random: compressing them would take time and gain little.
ALTER TABLE login_pages
    ALTER COLUMN records SET STORAGE EXTERNAL;
CREATE INDEX login_pages_hash ON login_pages (hash);
COMMENT ON TABLE login_pages IS 'what brokers know device logins by; an account''s JWT names its pages by their hash';
COMMENT ON COLUMN login_pages.number IS '0: the open one, which new logins join';
COMMENT ON COLUMN login_pages.records IS 'see claims.LoginPage; written anew when logins join or leave';
COMMENT ON COLUMN login_pages.logins IS 'how many, with which records begin';
COMMENT ON COLUMN login_pages.expires_at IS 'when the last of its logins does; null: never';

CREATE TABLE trust_pages (
    tenant_id  prefixed_id NOT NULL,
    account_id prefixed_id NOT NULL,
    hash       text        NOT NULL GENERATED ALWAYS AS (encode(sha256(records), 'hex')) STORED,
    records    bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
CREATE INDEX trust_pages_hash ON trust_pages (hash);
COMMENT ON TABLE trust_pages IS 'whom an account trusts to say who its clients are; its JWT names the page by its hash';
COMMENT ON COLUMN trust_pages.records IS 'see claims.TrustPage';

ALTER TABLE credentials
    ADD COLUMN kind           text   NOT NULL DEFAULT 'creds' CHECK (kind IN ('creds', 'password', 'token', 'nkey', 'certificate')),
    ADD COLUMN login_digest   bytea,
    ADD COLUMN login_username text   NOT NULL DEFAULT '',
    ADD COLUMN match_kind     text   NOT NULL DEFAULT '',
    ADD COLUMN match_value    text   NOT NULL DEFAULT '',
    ADD COLUMN login_page     bigint,
    ADD CONSTRAINT credentials_login CHECK ((kind = 'creds') = (login_digest IS NULL)),
    ADD CONSTRAINT credentials_login_match CHECK ((kind = 'certificate') = (match_kind <> '')),
    ADD CONSTRAINT credentials_login_page_kind CHECK (login_page IS NULL OR kind <> 'creds'),
    ADD CONSTRAINT credentials_login_page_fkey FOREIGN KEY (tenant_id, account_id, login_page) REFERENCES login_pages (tenant_id, account_id, number);
COMMENT ON COLUMN credentials.kind IS 'creds: a creds file; otherwise a device login, which brokers know from a page';
COMMENT ON COLUMN credentials.login_digest IS 'what brokers find the login by; of a secret no more than this is kept';
COMMENT ON COLUMN credentials.login_username IS 'of a password';
COMMENT ON COLUMN credentials.match_kind IS 'of a certificate: what of it is compared';
COMMENT ON COLUMN credentials.login_page IS 'the number of the page that holds it; null: none any more';

CREATE UNIQUE INDEX credentials_login_key ON credentials (account_id, login_digest) WHERE login_page IS NOT NULL;
CREATE INDEX credentials_login_page ON credentials (account_id, login_page) WHERE login_page IS NOT NULL;
CREATE INDEX credentials_device_logins ON credentials (user_id, id) WHERE kind <> 'creds';
CREATE INDEX credentials_account_device_logins ON credentials (account_id, id) WHERE kind <> 'creds';

ALTER TABLE users
    ADD COLUMN connection_types text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN users.connection_types IS 'that it may use, of those that its role allows; empty: all of them';
DROP INDEX users_capped;
CREATE INDEX users_capped ON users (account_id) WHERE (connections IS NOT NULL OR connection_types <> '{}') AND deleted_at IS NULL;

COMMIT;
