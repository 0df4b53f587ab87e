BEGIN;

DROP TABLE operations;

ALTER TABLE brokers
    DROP COLUMN operator_jwt_id;
DROP TABLE operator_signing_keys;
ALTER TABLE operators
    DROP COLUMN description,
    DROP COLUMN tags,
    DROP COLUMN first_account,
    DROP COLUMN version;

-- Of each plan its newest version stays, and its tenants are on that.
DROP INDEX tenants_plan;
UPDATE tenants
SET plan_id = newest.id
FROM plans
JOIN plans AS newest ON newest.first_id = plans.first_id AND newest.is_newest
WHERE plans.id = tenants.plan_id;
DROP INDEX plans_one_newest;
DROP INDEX plans_name_key;
ALTER TABLE plans
    DROP CONSTRAINT plans_version_key,
    DROP COLUMN first_id;
DELETE FROM plans WHERE NOT is_newest;
ALTER TABLE plans
    DROP COLUMN version,
    DROP COLUMN is_newest,
    DROP COLUMN max_members,
    DROP COLUMN tenant_limits,
    DROP COLUMN connection_types,
    DROP COLUMN max_credential_lifetime,
    DROP COLUMN default_credential_lifetime,
    DROP COLUMN created_by,
    ADD CONSTRAINT plans_name_key UNIQUE (name);
COMMENT ON TABLE plans IS NULL;
COMMENT ON COLUMN tenants.plan_id IS NULL;

COMMIT;
