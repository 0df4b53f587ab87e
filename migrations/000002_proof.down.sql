BEGIN;

DROP VIEW account_jwts;
DROP TABLE tombstones;
DROP INDEX accounts_bucket;
ALTER TABLE receipts
    DROP COLUMN effects;

COMMIT;
