BEGIN;

DROP TABLE connection_shares;
DROP TABLE connection_buckets;
DROP TABLE lease_brokers;

COMMIT;
