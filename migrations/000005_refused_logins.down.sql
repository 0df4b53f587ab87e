BEGIN;

DROP TABLE refused_logins;

COMMIT;
