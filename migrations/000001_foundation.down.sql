BEGIN;

DROP TABLE audit_events, idempotency_keys, brokers, enrollments, receipts, feed_changes, feeds,
    credentials, users, roles, accounts, operators, api_tokens, sessions, members, people, tenants, plans;
DROP DOMAIN prefixed_id;

COMMIT;
