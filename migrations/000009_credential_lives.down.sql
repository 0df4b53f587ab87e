BEGIN;

DROP TABLE events;
DROP TABLE used_nonces;
DROP TABLE credential_sightings;
DROP INDEX audit_events_target;
ALTER TABLE credentials
    DROP COLUMN issued_by,
    DROP COLUMN expiring_at,
    DROP COLUMN event_at,
    DROP COLUMN renewals,
    DROP COLUMN renewed_at,
    DROP COLUMN batch_id,
    DROP COLUMN batch_index;
DROP TABLE credential_batches;
DROP INDEX credentials_account_page;
DROP INDEX credentials_account_expiry;
DROP INDEX credentials_revoked_page;
COMMENT ON COLUMN credentials.issued_at IS NULL;
COMMENT ON COLUMN credentials.expires_at IS 'null: never';

COMMIT;
