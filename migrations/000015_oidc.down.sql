BEGIN;

DROP TABLE oidc_issuers;

COMMIT;
