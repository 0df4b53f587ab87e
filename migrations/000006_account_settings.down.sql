BEGIN;

ALTER TABLE audit_events
    DROP COLUMN reason;

ALTER TABLE accounts
    DROP COLUMN suspend_reason,
    DROP COLUMN suspended_by,
    DROP COLUMN suspended_at,
    DROP COLUMN effective_connection_types,
    DROP COLUMN effective_limits,
    DROP COLUMN settings,
    DROP COLUMN tags;

COMMIT;
