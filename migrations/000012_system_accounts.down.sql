BEGIN;

ALTER TABLE brokers
    DROP COLUMN system_public_key;
DROP TABLE former_system_accounts;

COMMENT ON TABLE tombstones IS 'accounts that brokers held and the operator never had: their last JWT lets nobody in';

COMMIT;
