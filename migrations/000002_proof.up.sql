BEGIN;

ALTER TABLE receipts
    ADD COLUMN effects jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN receipts.effects IS 'what the latest applied claims did: per account and revision, connections closed';

COMMIT;
