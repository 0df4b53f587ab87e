BEGIN;

ALTER TABLE receipts
    DROP COLUMN effects;

COMMIT;
