BEGIN;

ALTER TABLE accounts
    ADD COLUMN tags                       text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN settings                   jsonb       NOT NULL DEFAULT '{}',
    ADD COLUMN effective_limits           jsonb,
    ADD COLUMN effective_connection_types text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN suspended_at               timestamptz,
    ADD COLUMN suspended_by               text,
    ADD COLUMN suspend_reason             text        NOT NULL DEFAULT '',
    ADD CONSTRAINT accounts_suspended_by_check CHECK (suspended_by IN ('tenant', 'staff')),
    ADD CONSTRAINT accounts_suspended_at_check CHECK ((suspended_at IS NULL) = (suspended_by IS NULL));
COMMENT ON COLUMN accounts.settings IS 'what people chose beside name, tags and limits: default permissions, mappings, tracing, connection types';
COMMENT ON COLUMN accounts.effective_limits IS 'those in the JWT: the account''s within the plan''s; null: not signed since there is this column, so they are the account''s';
COMMENT ON COLUMN accounts.effective_connection_types IS 'likewise; empty: all';
COMMENT ON COLUMN accounts.suspended_at IS 'since when nobody gets in; null: it is not suspended';
COMMENT ON COLUMN accounts.suspended_by IS 'on whose side: what staff suspended, only staff resume';

ALTER TABLE audit_events
    ADD COLUMN reason text NOT NULL DEFAULT '';
COMMENT ON COLUMN audit_events.reason IS 'the one that was given, if any';

COMMIT;
