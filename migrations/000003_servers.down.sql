BEGIN;

DELETE FROM receipts
WHERE broker_key IN (
    SELECT id
    FROM servers
);
DROP TABLE servers;

COMMIT;
