BEGIN;

DROP TABLE oidc_revocations;
DROP TABLE oidc_issuers;

COMMIT;
