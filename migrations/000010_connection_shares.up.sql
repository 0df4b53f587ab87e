BEGIN;

CREATE TABLE lease_brokers (
    broker_key   text        PRIMARY KEY REFERENCES brokers (public_key) ON DELETE CASCADE,
    incarnation  bigint      NOT NULL,
    sequence     bigint      NOT NULL,
    heard_at     timestamptz NOT NULL,
    steady_since timestamptz NOT NULL,
    peers        text[]      NOT NULL
);
COMMENT ON TABLE lease_brokers IS 'when each broker last spoke of its places for connections';
COMMENT ON COLUMN lease_brokers.incarnation IS 'higher after each start of the broker';
COMMENT ON COLUMN lease_brokers.sequence IS 'of the last ask of this incarnation';
COMMENT ON COLUMN lease_brokers.steady_since IS 'since when there was no longer silence';
COMMENT ON COLUMN lease_brokers.peers IS 'public keys of the brokers of its cluster that it knew of';

CREATE TABLE connection_buckets (
    tenant_id   prefixed_id NOT NULL,
    account_id  prefixed_id NOT NULL,
    bucket      text        NOT NULL,
    "limit"     bigint      NOT NULL,
    recall      bigint      NOT NULL,
    recalled_at timestamptz NOT NULL,
    fruitless   bigint      NOT NULL,
    PRIMARY KEY (account_id, bucket),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id)
);
COMMENT ON TABLE connection_buckets IS 'connections that are counted together, while a broker holds places for some';
COMMENT ON COLUMN connection_buckets.bucket IS 'type:MQTT or user:name';
COMMENT ON COLUMN connection_buckets.recall IS 'number of the last request to give back what is not used';
COMMENT ON COLUMN connection_buckets.fruitless IS 'recalls in a row by which nothing came back';

CREATE TABLE connection_shares (
    account_id prefixed_id NOT NULL,
    bucket     text        NOT NULL,
    broker_key text        NOT NULL REFERENCES brokers (public_key) ON DELETE CASCADE,
    granted    bigint      NOT NULL CHECK (granted > 0),
    target     bigint      NOT NULL,
    seen       bigint      NOT NULL,
    PRIMARY KEY (account_id, bucket, broker_key),
    FOREIGN KEY (account_id, bucket) REFERENCES connection_buckets (account_id, bucket) ON DELETE CASCADE
);
COMMENT ON TABLE connection_shares IS 'how many places of a bucket each broker may believe to hold';
COMMENT ON COLUMN connection_shares.target IS 'what it was told to come down to; -1: nothing';
COMMENT ON COLUMN connection_shares.seen IS 'the last recall that it has answered';
CREATE INDEX connection_shares_broker ON connection_shares (broker_key);

COMMIT;
