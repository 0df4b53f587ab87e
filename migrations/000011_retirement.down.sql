BEGIN;

DROP TABLE erasures;
DROP TABLE disks;

DROP INDEX accounts_unpurged;
DROP INDEX accounts_purge;
COMMENT ON COLUMN accounts.deleted_at IS NULL;
ALTER TABLE accounts
    DROP CONSTRAINT accounts_purged_at_check,
    DROP CONSTRAINT accounts_purge_at_check,
    DROP COLUMN purged_at,
    DROP COLUMN purge_at,
    DROP COLUMN deleting_at;

COMMIT;
