-- What the migrations add up to, for reading. Written by
-- go test ./internal/postgres -run TestSchema -update

-- Domains

CREATE DOMAIN prefixed_id AS text CONSTRAINT prefixed_id_check CHECK ((VALUE ~ '^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$'::text));

-- Tables

CREATE TABLE accounts (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  operator_id prefixed_id NOT NULL,
  name text NOT NULL,
  description text DEFAULT ''::text NOT NULL,
  public_key text NOT NULL,
  sealed_seed bytea NOT NULL,
  limits jsonb NOT NULL,
  jwt text NOT NULL,
  revision bigint NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  deleted_at timestamp with time zone,
  tags text[] DEFAULT '{}'::text[] NOT NULL,
  settings jsonb DEFAULT '{}'::jsonb NOT NULL,
  effective_limits jsonb,
  effective_connection_types text[] DEFAULT '{}'::text[] NOT NULL,
  suspended_at timestamp with time zone,
  suspended_by text,
  suspend_reason text DEFAULT ''::text NOT NULL,
  deleting_at timestamp with time zone,
  purge_at timestamp with time zone,
  purged_at timestamp with time zone,
  CONSTRAINT accounts_pkey PRIMARY KEY (id),
  CONSTRAINT accounts_public_key_key UNIQUE (public_key),
  CONSTRAINT accounts_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT accounts_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id),
  CONSTRAINT accounts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id),
  CONSTRAINT accounts_purge_at_check CHECK (((deleting_at IS NULL) = (purge_at IS NULL))),
  CONSTRAINT accounts_purged_at_check CHECK (((purged_at IS NULL) OR (deleted_at IS NOT NULL))),
  CONSTRAINT accounts_suspended_at_check CHECK (((suspended_at IS NULL) = (suspended_by IS NULL))),
  CONSTRAINT accounts_suspended_by_check CHECK ((suspended_by = ANY (ARRAY['tenant'::text, 'staff'::text])))
);

CREATE TABLE api_tokens (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  name text NOT NULL,
  role text NOT NULL,
  token_hash bytea NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone,
  CONSTRAINT api_tokens_pkey PRIMARY KEY (id),
  CONSTRAINT api_tokens_hash_key UNIQUE (token_hash),
  CONSTRAINT api_tokens_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT api_tokens_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id) ON DELETE CASCADE,
  CONSTRAINT api_tokens_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'developer'::text, 'viewer'::text])))
);

CREATE TABLE audit_events (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id,
  actor text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  reason text DEFAULT ''::text NOT NULL,
  CONSTRAINT audit_events_pkey PRIMARY KEY (id),
  CONSTRAINT audit_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);

CREATE TABLE brokers (
  id prefixed_id NOT NULL,
  operator_id prefixed_id NOT NULL,
  name text NOT NULL,
  public_key text NOT NULL,
  token_hash bytea NOT NULL,
  cluster text DEFAULT ''::text NOT NULL,
  control_url text NOT NULL,
  endpoints jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  operator_jwt_id text DEFAULT ''::text NOT NULL,
  system_public_key text DEFAULT ''::text NOT NULL,
  CONSTRAINT brokers_pkey PRIMARY KEY (id),
  CONSTRAINT brokers_public_key_key UNIQUE (public_key),
  CONSTRAINT brokers_hash_key UNIQUE (token_hash),
  CONSTRAINT brokers_name_key UNIQUE (operator_id, name),
  CONSTRAINT brokers_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id)
);

CREATE TABLE connection_buckets (
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  bucket text NOT NULL,
  "limit" bigint NOT NULL,
  recall bigint NOT NULL,
  recalled_at timestamp with time zone NOT NULL,
  fruitless bigint NOT NULL,
  CONSTRAINT connection_buckets_pkey PRIMARY KEY (account_id, bucket),
  CONSTRAINT connection_buckets_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id)
);

CREATE TABLE connection_shares (
  account_id prefixed_id NOT NULL,
  bucket text NOT NULL,
  broker_key text NOT NULL,
  granted bigint NOT NULL,
  target bigint NOT NULL,
  seen bigint NOT NULL,
  CONSTRAINT connection_shares_pkey PRIMARY KEY (account_id, bucket, broker_key),
  CONSTRAINT connection_shares_account_id_bucket_fkey FOREIGN KEY (account_id, bucket) REFERENCES connection_buckets(account_id, bucket) ON DELETE CASCADE,
  CONSTRAINT connection_shares_broker_key_fkey FOREIGN KEY (broker_key) REFERENCES brokers(public_key) ON DELETE CASCADE,
  CONSTRAINT connection_shares_granted_check CHECK ((granted > 0))
);

CREATE TABLE console_sessions (
  credential_id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  person_id prefixed_id NOT NULL,
  console text NOT NULL,
  session_hash bytea,
  CONSTRAINT console_sessions_pkey PRIMARY KEY (credential_id),
  CONSTRAINT console_sessions_credential_id_fkey FOREIGN KEY (credential_id) REFERENCES credentials(id),
  CONSTRAINT console_sessions_session_hash_fkey FOREIGN KEY (session_hash) REFERENCES sessions(token_hash) ON DELETE SET NULL,
  CONSTRAINT console_sessions_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id),
  CONSTRAINT console_sessions_console_check CHECK ((console = ANY (ARRAY['full'::text, 'listen'::text])))
);

CREATE TABLE credential_batches (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  attempt bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT credential_batches_pkey PRIMARY KEY (id),
  CONSTRAINT credential_batches_tenant_id_account_id_id_key UNIQUE (tenant_id, account_id, id),
  CONSTRAINT credential_batches_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id)
);

CREATE TABLE credential_sightings (
  credential_id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  seen_at timestamp with time zone NOT NULL,
  address text NOT NULL,
  connection_type text NOT NULL,
  client text NOT NULL,
  broker text NOT NULL,
  CONSTRAINT credential_sightings_pkey PRIMARY KEY (credential_id),
  CONSTRAINT credential_sightings_credential_id_fkey FOREIGN KEY (credential_id) REFERENCES credentials(id) ON DELETE CASCADE
);

CREATE TABLE credentials (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  user_id prefixed_id NOT NULL,
  name text DEFAULT ''::text NOT NULL,
  public_key text NOT NULL,
  issued_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  revoke_reason text DEFAULT ''::text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  revocation_page bigint,
  role_id prefixed_id,
  tags text[] DEFAULT '{}'::text[] NOT NULL,
  stale_since timestamp with time zone,
  issued_by text DEFAULT ''::text NOT NULL,
  expiring_at timestamp with time zone,
  event_at timestamp with time zone,
  renewals bigint DEFAULT 0 NOT NULL,
  renewed_at timestamp with time zone,
  batch_id prefixed_id,
  batch_index bigint,
  kind text DEFAULT 'creds'::text NOT NULL,
  login_digest bytea,
  login_username text DEFAULT ''::text NOT NULL,
  match_kind text DEFAULT ''::text NOT NULL,
  match_value text DEFAULT ''::text NOT NULL,
  login_page bigint,
  CONSTRAINT credentials_pkey PRIMARY KEY (id),
  CONSTRAINT credentials_public_key_key UNIQUE (account_id, public_key),
  CONSTRAINT credentials_batch_fkey FOREIGN KEY (tenant_id, account_id, batch_id) REFERENCES credential_batches(tenant_id, account_id, id),
  CONSTRAINT credentials_login_page_fkey FOREIGN KEY (tenant_id, account_id, login_page) REFERENCES login_pages(tenant_id, account_id, number),
  CONSTRAINT credentials_role_fkey FOREIGN KEY (tenant_id, account_id, role_id) REFERENCES roles(tenant_id, account_id, id),
  CONSTRAINT credentials_tenant_id_account_id_user_id_fkey FOREIGN KEY (tenant_id, account_id, user_id) REFERENCES users(tenant_id, account_id, id),
  CONSTRAINT credentials_tenant_id_account_id_revocation_page_fkey FOREIGN KEY (tenant_id, account_id, revocation_page) REFERENCES revocation_pages(tenant_id, account_id, number),
  CONSTRAINT credentials_check CHECK (((revocation_page IS NULL) OR (revoked_at IS NOT NULL))),
  CONSTRAINT credentials_batch_entry CHECK (((batch_id IS NULL) = (batch_index IS NULL))),
  CONSTRAINT credentials_kind_check CHECK ((kind = ANY (ARRAY['creds'::text, 'password'::text, 'token'::text, 'nkey'::text, 'certificate'::text]))),
  CONSTRAINT credentials_login CHECK (((kind = 'creds'::text) = (login_digest IS NULL))),
  CONSTRAINT credentials_login_page_kind CHECK (((login_page IS NULL) OR (kind <> 'creds'::text))),
  CONSTRAINT credentials_login_match CHECK (((kind = 'certificate'::text) = (match_kind <> ''::text))),
  CONSTRAINT credentials_renewals_check CHECK ((renewals >= 0))
);

CREATE TABLE disks (
  operator_id prefixed_id NOT NULL,
  broker_key text NOT NULL,
  verified bigint NOT NULL,
  heard_at timestamp with time zone NOT NULL,
  CONSTRAINT disks_pkey PRIMARY KEY (operator_id, broker_key),
  CONSTRAINT disks_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id),
  CONSTRAINT disks_verified_check CHECK ((verified >= 0))
);

CREATE TABLE enrollments (
  id prefixed_id NOT NULL,
  operator_id prefixed_id NOT NULL,
  token_hash bytea NOT NULL,
  uses_left bigint NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT enrollments_pkey PRIMARY KEY (id),
  CONSTRAINT enrollments_hash_key UNIQUE (token_hash),
  CONSTRAINT enrollments_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id),
  CONSTRAINT enrollments_uses_left_check CHECK ((uses_left >= 0))
);

CREATE TABLE erasures (
  operator_id prefixed_id NOT NULL,
  account_key text NOT NULL,
  broker_key text NOT NULL,
  gone boolean NOT NULL,
  bytes bigint NOT NULL,
  error text NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT erasures_pkey PRIMARY KEY (operator_id, account_key, broker_key),
  CONSTRAINT erasures_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id),
  CONSTRAINT erasures_bytes_check CHECK ((bytes >= 0))
);

CREATE TABLE events (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  type text NOT NULL,
  subject prefixed_id NOT NULL,
  data jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT events_pkey PRIMARY KEY (id),
  CONSTRAINT events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);

CREATE TABLE feed_changes (
  operator_id text COLLATE "C" NOT NULL,
  account_key text NOT NULL,
  revision bigint NOT NULL,
  CONSTRAINT feed_changes_pkey PRIMARY KEY (operator_id, account_key),
  CONSTRAINT feed_changes_revision_key UNIQUE (operator_id, revision),
  CONSTRAINT feed_changes_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES feeds(operator_id)
);

CREATE TABLE feeds (
  operator_id text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  CONSTRAINT feeds_pkey PRIMARY KEY (operator_id),
  CONSTRAINT feeds_revision_check CHECK ((revision >= 0))
);

CREATE TABLE former_system_accounts (
  public_key text NOT NULL,
  operator_id prefixed_id NOT NULL,
  sealed_seed bytea NOT NULL,
  jwt text NOT NULL,
  left_at timestamp with time zone NOT NULL,
  retired_at timestamp with time zone,
  CONSTRAINT former_system_accounts_pkey PRIMARY KEY (public_key),
  CONSTRAINT former_system_accounts_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id)
);

CREATE TABLE idempotency_keys (
  actor text NOT NULL,
  key text NOT NULL,
  request bytea NOT NULL,
  resource_id text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor, key)
);

CREATE TABLE lease_brokers (
  broker_key text NOT NULL,
  incarnation bigint NOT NULL,
  sequence bigint NOT NULL,
  heard_at timestamp with time zone NOT NULL,
  steady_since timestamp with time zone NOT NULL,
  peers text[] NOT NULL,
  CONSTRAINT lease_brokers_pkey PRIMARY KEY (broker_key),
  CONSTRAINT lease_brokers_broker_key_fkey FOREIGN KEY (broker_key) REFERENCES brokers(public_key) ON DELETE CASCADE
);

CREATE TABLE login_pages (
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  number bigint NOT NULL,
  hash text GENERATED ALWAYS AS (encode(sha256(records), 'hex'::text)) STORED NOT NULL,
  records bytea NOT NULL,
  logins bigint GENERATED ALWAYS AS (((get_byte(records, 2) * 256) + get_byte(records, 3))) STORED NOT NULL,
  expires_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT login_pages_pkey PRIMARY KEY (tenant_id, account_id, number),
  CONSTRAINT login_pages_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id)
);

CREATE TABLE members (
  tenant_id prefixed_id NOT NULL,
  person_id prefixed_id NOT NULL,
  role text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT members_pkey PRIMARY KEY (tenant_id, person_id),
  CONSTRAINT members_person_id_fkey FOREIGN KEY (person_id) REFERENCES people(id) ON DELETE CASCADE,
  CONSTRAINT members_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id) ON DELETE CASCADE,
  CONSTRAINT members_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'developer'::text, 'viewer'::text])))
);

CREATE TABLE oidc_issuers (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  url text NOT NULL,
  description text DEFAULT ''::text NOT NULL,
  audiences text[] NOT NULL,
  rules jsonb NOT NULL,
  keys jsonb NOT NULL,
  fetched_at timestamp with time zone NOT NULL,
  fetch_error text DEFAULT ''::text NOT NULL,
  tried_at timestamp with time zone NOT NULL,
  fetch_at timestamp with time zone NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT oidc_issuers_pkey PRIMARY KEY (id),
  CONSTRAINT oidc_issuers_url_key UNIQUE (account_id, url),
  CONSTRAINT oidc_issuers_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id),
  CONSTRAINT oidc_issuers_audiences_check CHECK ((cardinality(audiences) > 0))
);

CREATE TABLE oidc_revocations (
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  url text NOT NULL,
  subjects jsonb NOT NULL,
  CONSTRAINT oidc_revocations_pkey PRIMARY KEY (account_id, url),
  CONSTRAINT oidc_revocations_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id)
);

CREATE TABLE operations (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id,
  operator_id prefixed_id,
  kind text NOT NULL,
  state jsonb NOT NULL,
  stage text NOT NULL,
  detail text DEFAULT ''::text NOT NULL,
  done bigint DEFAULT 0 NOT NULL,
  total bigint DEFAULT 0 NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  finished_at timestamp with time zone,
  CONSTRAINT operations_pkey PRIMARY KEY (id),
  CONSTRAINT operations_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id),
  CONSTRAINT operations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id),
  CONSTRAINT operations_done_check CHECK ((done >= 0)),
  CONSTRAINT operations_total_check CHECK ((total >= 0))
);

CREATE TABLE operator_signing_keys (
  public_key text NOT NULL,
  operator_id prefixed_id NOT NULL,
  sealed_seed bytea NOT NULL,
  status text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  retired_at timestamp with time zone,
  CONSTRAINT operator_signing_keys_pkey PRIMARY KEY (public_key),
  CONSTRAINT operator_signing_keys_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id),
  CONSTRAINT operator_signing_keys_status_check CHECK ((status = ANY (ARRAY['next'::text, 'active'::text, 'leaving'::text, 'retired'::text])))
);

CREATE TABLE operators (
  id prefixed_id NOT NULL,
  name text NOT NULL,
  public_key text NOT NULL,
  sealed_seed bytea NOT NULL,
  signing_public_key text NOT NULL,
  sealed_signing_seed bytea NOT NULL,
  jwt text NOT NULL,
  system_public_key text NOT NULL,
  system_sealed_seed bytea NOT NULL,
  system_jwt text NOT NULL,
  is_default boolean DEFAULT false NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  description text DEFAULT ''::text NOT NULL,
  tags text[] DEFAULT '{}'::text[] NOT NULL,
  first_account boolean DEFAULT true NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  CONSTRAINT operators_pkey PRIMARY KEY (id),
  CONSTRAINT operators_public_key_key UNIQUE (public_key),
  CONSTRAINT operators_name_key UNIQUE (name)
);

CREATE TABLE people (
  id prefixed_id NOT NULL,
  email text NOT NULL,
  password_hash text NOT NULL,
  is_staff boolean DEFAULT false NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT people_pkey PRIMARY KEY (id)
);

CREATE TABLE plans (
  id prefixed_id NOT NULL,
  name text NOT NULL,
  is_default boolean DEFAULT false NOT NULL,
  max_accounts bigint NOT NULL,
  max_roles bigint NOT NULL,
  max_users bigint NOT NULL,
  account_limits jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  first_id prefixed_id NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  is_newest boolean DEFAULT true NOT NULL,
  max_members bigint DEFAULT '-1'::integer NOT NULL,
  tenant_limits jsonb DEFAULT '{"streams": -1, "disk_bytes": -1, "leaf_nodes": -1, "connections": -1, "memory_bytes": -1}'::jsonb NOT NULL,
  connection_types text[] DEFAULT '{}'::text[] NOT NULL,
  max_credential_lifetime interval DEFAULT '00:00:00'::interval NOT NULL,
  default_credential_lifetime interval DEFAULT '00:00:00'::interval NOT NULL,
  created_by text DEFAULT 'system'::text NOT NULL,
  CONSTRAINT plans_pkey PRIMARY KEY (id),
  CONSTRAINT plans_version_key UNIQUE (first_id, version),
  CONSTRAINT plans_first_id_fkey FOREIGN KEY (first_id) REFERENCES plans(id),
  CONSTRAINT plans_default_credential_lifetime_check CHECK ((default_credential_lifetime >= '00:00:00'::interval)),
  CONSTRAINT plans_max_users_check CHECK ((max_users >= '-1'::integer)),
  CONSTRAINT plans_max_credential_lifetime_check CHECK ((max_credential_lifetime >= '00:00:00'::interval)),
  CONSTRAINT plans_max_accounts_check CHECK ((max_accounts >= '-1'::integer)),
  CONSTRAINT plans_max_members_check CHECK ((max_members >= '-1'::integer)),
  CONSTRAINT plans_max_roles_check CHECK ((max_roles >= '-1'::integer)),
  CONSTRAINT plans_version_check CHECK ((version > 0))
);

CREATE TABLE receipts (
  operator_id text COLLATE "C" NOT NULL,
  broker_key text NOT NULL,
  applied bigint NOT NULL,
  refusals jsonb DEFAULT '[]'::jsonb NOT NULL,
  heard_at timestamp with time zone NOT NULL,
  effects jsonb DEFAULT '[]'::jsonb NOT NULL,
  CONSTRAINT receipts_pkey PRIMARY KEY (operator_id, broker_key),
  CONSTRAINT receipts_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES feeds(operator_id)
);

CREATE TABLE refused_logins (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  broker text NOT NULL,
  user_public_key text NOT NULL,
  reason text NOT NULL,
  connection_type text NOT NULL,
  address text NOT NULL,
  detail text NOT NULL,
  count bigint NOT NULL,
  first_at timestamp with time zone NOT NULL,
  last_at timestamp with time zone NOT NULL,
  CONSTRAINT refused_logins_pkey PRIMARY KEY (id),
  CONSTRAINT refused_logins_key UNIQUE (account_id, broker, user_public_key, reason, connection_type, address),
  CONSTRAINT refused_logins_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id),
  CONSTRAINT refused_logins_count_check CHECK ((count > 0))
);

CREATE TABLE revocation_pages (
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  number bigint NOT NULL,
  hash text GENERATED ALWAYS AS (encode(sha256(records), 'hex'::text)) STORED NOT NULL,
  records bytea NOT NULL,
  expires_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT revocation_pages_pkey PRIMARY KEY (tenant_id, account_id, number),
  CONSTRAINT revocation_pages_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id)
);

CREATE TABLE roles (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  name text NOT NULL,
  description text DEFAULT ''::text NOT NULL,
  public_key text NOT NULL,
  sealed_seed bytea NOT NULL,
  template jsonb NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  deleted_at timestamp with time zone,
  private_user_id prefixed_id,
  connections_per_user bigint,
  default_credential_lifetime interval DEFAULT '00:00:00'::interval NOT NULL,
  max_credential_lifetime interval DEFAULT '00:00:00'::interval NOT NULL,
  console text,
  CONSTRAINT roles_pkey PRIMARY KEY (id),
  CONSTRAINT roles_public_key_key UNIQUE (public_key),
  CONSTRAINT roles_tenant_id_account_id_id_key UNIQUE (tenant_id, account_id, id),
  CONSTRAINT roles_private_user_fkey FOREIGN KEY (tenant_id, account_id, private_user_id) REFERENCES users(tenant_id, account_id, id) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT roles_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id),
  CONSTRAINT roles_connections_per_user_check CHECK ((connections_per_user >= 0)),
  CONSTRAINT roles_console_check CHECK ((console = ANY (ARRAY['full'::text, 'listen'::text]))),
  CONSTRAINT roles_default_credential_lifetime_check CHECK ((default_credential_lifetime >= '00:00:00'::interval)),
  CONSTRAINT roles_max_credential_lifetime_check CHECK ((max_credential_lifetime >= '00:00:00'::interval))
);

CREATE TABLE servers (
  id prefixed_id NOT NULL,
  operator_id prefixed_id NOT NULL,
  name text NOT NULL,
  urls text[] NOT NULL,
  ledger jsonb DEFAULT '[]'::jsonb NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT servers_pkey PRIMARY KEY (id),
  CONSTRAINT servers_name_key UNIQUE (operator_id, name),
  CONSTRAINT servers_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id)
);

CREATE TABLE sessions (
  token_hash bytea NOT NULL,
  person_id prefixed_id NOT NULL,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT sessions_pkey PRIMARY KEY (token_hash),
  CONSTRAINT sessions_person_id_fkey FOREIGN KEY (person_id) REFERENCES people(id) ON DELETE CASCADE
);

CREATE TABLE tenants (
  id prefixed_id NOT NULL,
  name text NOT NULL,
  plan_id prefixed_id NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT tenants_pkey PRIMARY KEY (id),
  CONSTRAINT tenants_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES plans(id)
);

CREATE TABLE tombstones (
  operator_id prefixed_id NOT NULL,
  public_key text NOT NULL,
  jwt text NOT NULL,
  revision bigint NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT tombstones_pkey PRIMARY KEY (operator_id, public_key),
  CONSTRAINT tombstones_operator_id_fkey FOREIGN KEY (operator_id) REFERENCES operators(id)
);

CREATE TABLE trust_pages (
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  hash text GENERATED ALWAYS AS (encode(sha256(records), 'hex'::text)) STORED NOT NULL,
  records bytea NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT trust_pages_pkey PRIMARY KEY (tenant_id, account_id),
  CONSTRAINT trust_pages_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES accounts(tenant_id, id)
);

CREATE TABLE used_nonces (
  hash bytea NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT used_nonces_pkey PRIMARY KEY (hash)
);

CREATE TABLE users (
  id prefixed_id NOT NULL,
  tenant_id prefixed_id NOT NULL,
  account_id prefixed_id NOT NULL,
  role_id prefixed_id NOT NULL,
  name text NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  deleted_at timestamp with time zone,
  tags text[] DEFAULT '{}'::text[] NOT NULL,
  connections bigint,
  connection_types text[] DEFAULT '{}'::text[] NOT NULL,
  console boolean DEFAULT false NOT NULL,
  CONSTRAINT users_pkey PRIMARY KEY (id),
  CONSTRAINT users_tenant_id_account_id_id_key UNIQUE (tenant_id, account_id, id),
  CONSTRAINT users_role_fkey FOREIGN KEY (tenant_id, account_id, role_id) REFERENCES roles(tenant_id, account_id, id),
  CONSTRAINT users_connections_check CHECK ((connections >= '-1'::integer))
);

-- Views

CREATE VIEW account_jwts AS
 SELECT accounts.operator_id,
    accounts.public_key,
    accounts.revision,
    accounts.jwt
   FROM accounts
UNION ALL
 SELECT tombstones.operator_id,
    tombstones.public_key,
    tombstones.revision,
    tombstones.jwt
   FROM tombstones;

-- Indexes

CREATE INDEX accounts_bucket ON public.accounts USING btree (operator_id, "left"(public_key, 4));
CREATE UNIQUE INDEX accounts_name_key ON public.accounts USING btree (tenant_id, name) WHERE (deleted_at IS NULL);
CREATE INDEX accounts_page ON public.accounts USING btree (tenant_id, id) WHERE (deleted_at IS NULL);
CREATE INDEX accounts_purge ON public.accounts USING btree (purge_at) WHERE ((purge_at IS NOT NULL) AND (deleted_at IS NULL));
CREATE INDEX accounts_unpurged ON public.accounts USING btree (operator_id, public_key) WHERE ((deleted_at IS NOT NULL) AND (purged_at IS NULL));
CREATE INDEX audit_events_page ON public.audit_events USING btree (tenant_id, id);
CREATE INDEX audit_events_target ON public.audit_events USING btree (tenant_id, target, id);
CREATE INDEX connection_shares_broker ON public.connection_shares USING btree (broker_key);
CREATE UNIQUE INDEX console_sessions_session ON public.console_sessions USING btree (session_hash, account_id);
CREATE INDEX credentials_account_device_logins ON public.credentials USING btree (account_id, id) WHERE (kind <> 'creds'::text);
CREATE INDEX credentials_account_expiry ON public.credentials USING btree (account_id, COALESCE(expires_at, 'infinity'::timestamp with time zone), id);
CREATE INDEX credentials_account_page ON public.credentials USING btree (account_id, id);
CREATE UNIQUE INDEX credentials_batch_live ON public.credentials USING btree (batch_id, batch_index) WHERE ((batch_id IS NOT NULL) AND (revoked_at IS NULL));
CREATE INDEX credentials_device_logins ON public.credentials USING btree (user_id, id) WHERE (kind <> 'creds'::text);
CREATE INDEX credentials_event ON public.credentials USING btree (event_at) WHERE (event_at IS NOT NULL);
CREATE UNIQUE INDEX credentials_login_key ON public.credentials USING btree (account_id, login_digest) WHERE (login_page IS NOT NULL);
CREATE INDEX credentials_login_page ON public.credentials USING btree (account_id, login_page) WHERE (login_page IS NOT NULL);
CREATE INDEX credentials_page ON public.credentials USING btree (user_id, id);
CREATE INDEX credentials_revoked_inline ON public.credentials USING btree (account_id, COALESCE(expires_at, 'infinity'::timestamp with time zone)) WHERE ((revoked_at IS NOT NULL) AND (revocation_page IS NULL));
CREATE INDEX credentials_revoked_page ON public.credentials USING btree (account_id, id) WHERE (revoked_at IS NOT NULL);
CREATE INDEX credentials_revoked_paged ON public.credentials USING btree (account_id, revocation_page, COALESCE(expires_at, 'infinity'::timestamp with time zone)) WHERE (revocation_page IS NOT NULL);
CREATE INDEX credentials_stale ON public.credentials USING btree (account_id, user_id) WHERE ((stale_since IS NOT NULL) AND (revoked_at IS NULL));
CREATE INDEX credentials_stale_role ON public.credentials USING btree (role_id) WHERE ((stale_since IS NOT NULL) AND (revoked_at IS NULL));
CREATE INDEX erasures_left ON public.erasures USING btree (operator_id, broker_key) WHERE (NOT gone);
CREATE INDEX events_age ON public.events USING btree (created_at);
CREATE INDEX events_page ON public.events USING btree (tenant_id, id);
CREATE UNIQUE INDEX former_system_accounts_one_left ON public.former_system_accounts USING btree (operator_id) WHERE (retired_at IS NULL);
CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (created_at);
CREATE INDEX login_pages_hash ON public.login_pages USING btree (hash);
CREATE INDEX members_person ON public.members USING btree (person_id);
CREATE INDEX oidc_issuers_fetch ON public.oidc_issuers USING btree (fetch_at);
CREATE INDEX operations_unfinished ON public.operations USING btree (id) WHERE (finished_at IS NULL);
CREATE UNIQUE INDEX operator_signing_keys_one_active ON public.operator_signing_keys USING btree (operator_id) WHERE (status = 'active'::text);
CREATE UNIQUE INDEX operator_signing_keys_one_next ON public.operator_signing_keys USING btree (operator_id) WHERE (status = 'next'::text);
CREATE UNIQUE INDEX operators_one_default ON public.operators USING btree (is_default) WHERE is_default;
CREATE UNIQUE INDEX people_email_key ON public.people USING btree (lower(email));
CREATE UNIQUE INDEX plans_name_key ON public.plans USING btree (name) WHERE is_newest;
CREATE UNIQUE INDEX plans_one_default ON public.plans USING btree (is_default) WHERE is_default;
CREATE UNIQUE INDEX plans_one_newest ON public.plans USING btree (first_id) WHERE is_newest;
CREATE INDEX refused_logins_age ON public.refused_logins USING btree (last_at);
CREATE INDEX refused_logins_newest ON public.refused_logins USING btree (account_id, id DESC);
CREATE INDEX revocation_pages_hash ON public.revocation_pages USING btree (hash);
CREATE UNIQUE INDEX roles_console_key ON public.roles USING btree (account_id, console) WHERE ((deleted_at IS NULL) AND (console IS NOT NULL));
CREATE UNIQUE INDEX roles_name_key ON public.roles USING btree (account_id, name) WHERE ((deleted_at IS NULL) AND (private_user_id IS NULL) AND (console IS NULL));
CREATE INDEX roles_page ON public.roles USING btree (account_id, id) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX roles_private_user_key ON public.roles USING btree (private_user_id) WHERE (deleted_at IS NULL);
CREATE INDEX sessions_expiry ON public.sessions USING btree (expires_at);
CREATE INDEX tenants_plan ON public.tenants USING btree (plan_id, id);
CREATE INDEX trust_pages_hash ON public.trust_pages USING btree (hash);
CREATE INDEX used_nonces_age ON public.used_nonces USING btree (expires_at);
CREATE INDEX users_capped ON public.users USING btree (account_id) WHERE (((connections IS NOT NULL) OR (connection_types <> '{}'::text[])) AND (deleted_at IS NULL));
CREATE UNIQUE INDEX users_name_key ON public.users USING btree (account_id, name) WHERE (deleted_at IS NULL);
CREATE INDEX users_page ON public.users USING btree (account_id, id) WHERE (deleted_at IS NULL);
CREATE INDEX users_role ON public.users USING btree (role_id) WHERE (deleted_at IS NULL);

-- Comments

COMMENT ON VIEW account_jwts IS 'what an operator''s brokers must hold';
COMMENT ON COLUMN accounts.jwt IS 'what brokers must hold: the current claims, or the tombstone once deleted';
COMMENT ON COLUMN accounts.revision IS 'the operator''s revision at which jwt last changed';
COMMENT ON COLUMN accounts.version IS 'counts edits; the ETag';
COMMENT ON COLUMN accounts.deleted_at IS 'when its tombstone took the place of its claims; null: it lives, or is frozen';
COMMENT ON COLUMN accounts.settings IS 'what people chose beside name, tags and limits: default permissions, mappings, tracing, connection types';
COMMENT ON COLUMN accounts.effective_limits IS 'those in the JWT: the account''s within the plan''s; null: not signed since there is this column, so they are the account''s';
COMMENT ON COLUMN accounts.effective_connection_types IS 'likewise; empty: all';
COMMENT ON COLUMN accounts.suspended_at IS 'since when nobody gets in; null: it is not suspended';
COMMENT ON COLUMN accounts.suspended_by IS 'on whose side: what staff suspended, only staff resume';
COMMENT ON COLUMN accounts.deleting_at IS 'when it was frozen to be deleted; null: it was not';
COMMENT ON COLUMN accounts.purge_at IS 'until when that can be undone';
COMMENT ON COLUMN accounts.purged_at IS 'when the last of the brokers had confirmed that its disk holds nothing of the account';
COMMENT ON COLUMN api_tokens.expires_at IS 'null: never';
COMMENT ON COLUMN audit_events.tenant_id IS 'null: an act of staff or of the installation';
COMMENT ON COLUMN audit_events.reason IS 'the one that was given, if any';
COMMENT ON COLUMN brokers.public_key IS 'the user nkey it made for itself; its seat in the system account';
COMMENT ON COLUMN brokers.control_url IS 'where control reaches its system account, nats://host:port';
COMMENT ON COLUMN brokers.endpoints IS 'where tenants'' clients reach it: lists of URLs by protocol';
COMMENT ON COLUMN brokers.operator_jwt_id IS 'of the operator JWT that it has confirmed to go by; empty: none yet';
COMMENT ON COLUMN brokers.system_public_key IS 'of the system account that its server is in; empty: the operator''s';
COMMENT ON TABLE connection_buckets IS 'connections that are counted together, while a broker holds places for some';
COMMENT ON COLUMN connection_buckets.bucket IS 'type:MQTT or user:name';
COMMENT ON COLUMN connection_buckets.recall IS 'number of the last request to give back what is not used';
COMMENT ON COLUMN connection_buckets.fruitless IS 'recalls in a row by which nothing came back';
COMMENT ON TABLE connection_shares IS 'how many places of a bucket each broker may believe to hold';
COMMENT ON COLUMN connection_shares.target IS 'what it was told to come down to; -1: nothing';
COMMENT ON COLUMN connection_shares.seen IS 'the last recall that it has answered';
COMMENT ON TABLE console_sessions IS 'credentials in use by browsers whose cookie holds them; a row goes when its credential is revoked or has expired';
COMMENT ON COLUMN console_sessions.session_hash IS 'null: the session has ended, and the credential is to be revoked';
COMMENT ON COLUMN credential_batches.attempt IS 'counts resumptions: an earlier one that still runs issues nothing more';
COMMENT ON TABLE credential_sightings IS 'each credential''s last login; apart from credentials, whose indexes every login would else rewrite';
COMMENT ON COLUMN credential_sightings.client IS 'what the client says of itself';
COMMENT ON COLUMN credential_sightings.broker IS 'the name it had then';
COMMENT ON COLUMN credentials.public_key IS 'the user nkey; its seed is never kept';
COMMENT ON COLUMN credentials.issued_at IS 'of its last JWT: a renewal moves it';
COMMENT ON COLUMN credentials.expires_at IS 'when the last of its JWTs does; null: never';
COMMENT ON COLUMN credentials.revocation_page IS 'the number of the page that holds its revocation; null: the account''s JWT does, unless it has expired';
COMMENT ON COLUMN credentials.role_id IS 'the role that signed it; null: the first that its user was in';
COMMENT ON COLUMN credentials.tags IS 'the user''s when it was signed';
COMMENT ON COLUMN credentials.stale_since IS 'since when its user is in another role, or has other tags, than it was signed with';
COMMENT ON COLUMN credentials.issued_by IS 'the actor; empty: before this was kept';
COMMENT ON COLUMN credentials.expiring_at IS 'from when on people are warned of the expiry';
COMMENT ON COLUMN credentials.event_at IS 'when the next event about its expiry is due; null: none is';
COMMENT ON COLUMN credentials.kind IS 'creds: a creds file; otherwise a device login, which brokers know from a page';
COMMENT ON COLUMN credentials.login_digest IS 'what brokers find the login by; of a secret no more than this is kept';
COMMENT ON COLUMN credentials.login_username IS 'of a password';
COMMENT ON COLUMN credentials.match_kind IS 'of a certificate: what of it is compared';
COMMENT ON COLUMN credentials.login_page IS 'the number of the page that holds it; null: none any more';
COMMENT ON INDEX credentials_batch_live IS 'each entry of a batch has one credential that is not revoked, however often it was resumed';
COMMENT ON TABLE disks IS 'how far each broker has looked for deleted accounts on its own disk';
COMMENT ON COLUMN disks.verified IS 'of the accounts deleted up to this revision nothing is there but what erasures names';
COMMENT ON TABLE erasures IS 'deleted accounts of which a broker found something on its disk';
COMMENT ON COLUMN erasures.bytes IS 'that are there, or were until it erased them';
COMMENT ON COLUMN erasures.error IS 'why it could not erase them; empty: nothing has gone wrong';
COMMENT ON TABLE events IS 'what happened to a tenant''s things without anybody doing it';
COMMENT ON COLUMN events.subject IS 'the id of the thing';
COMMENT ON TABLE feed_changes IS 'compacted: one row per account, at its latest revision';
COMMENT ON TABLE feeds IS 'each operator''s revision; the row''s lock puts its changes in commit order';
COMMENT ON TABLE former_system_accounts IS 'where brokers are until they restart, while the operator''s JWT names another';
COMMENT ON COLUMN former_system_accounts.sealed_seed IS 'empty once retired';
COMMENT ON COLUMN former_system_accounts.retired_at IS 'when no broker was in it any more';
COMMENT ON COLUMN idempotency_keys.request IS 'SHA-256 of operation, path and body: the same key with another request is refused';
COMMENT ON TABLE lease_brokers IS 'when each broker last spoke of its places for connections';
COMMENT ON COLUMN lease_brokers.incarnation IS 'higher after each start of the broker';
COMMENT ON COLUMN lease_brokers.sequence IS 'of the last ask of this incarnation';
COMMENT ON COLUMN lease_brokers.steady_since IS 'since when there was no longer silence';
COMMENT ON COLUMN lease_brokers.peers IS 'public keys of the brokers of its cluster that it knew of';
COMMENT ON TABLE login_pages IS 'what brokers know device logins by; an account''s JWT names its pages by their hash';
COMMENT ON COLUMN login_pages.number IS '0: the open one, which new logins join';
COMMENT ON COLUMN login_pages.records IS 'see claims.LoginPage; written anew when logins join or leave';
COMMENT ON COLUMN login_pages.logins IS 'how many, with which records begin';
COMMENT ON COLUMN login_pages.expires_at IS 'when the last of its logins does; null: never';
COMMENT ON TABLE oidc_issuers IS 'issuers of OpenID Connect whose tokens an account takes';
COMMENT ON COLUMN oidc_issuers.rules IS 'whom its tokens stand for, the first that fits';
COMMENT ON COLUMN oidc_issuers.keys IS 'its public keys, a JWK set';
COMMENT ON COLUMN oidc_issuers.fetched_at IS 'when the keys were last read from the issuer';
COMMENT ON COLUMN oidc_issuers.fetch_error IS 'why they could not be read since; empty: they could';
COMMENT ON COLUMN oidc_issuers.tried_at IS 'when somebody last went to read them, with or without success';
COMMENT ON COLUMN oidc_issuers.fetch_at IS 'when they are to be read again';
COMMENT ON TABLE oidc_revocations IS 'whose tokens of an issuer an account does not take any more; kept when the issuer goes, since its tokens may be good for years';
COMMENT ON COLUMN oidc_revocations.subjects IS 'subjects, and until when their tokens were issued';
COMMENT ON TABLE operations IS 'long work in steps, each a transaction; whichever replica is free takes the next';
COMMENT ON COLUMN operations.tenant_id IS 'whose members may see it; null: staff only';
COMMENT ON COLUMN operations.state IS 'what it works on, and how far it has come';
COMMENT ON COLUMN operations.detail IS 'what it waits for; empty: for nothing';
COMMENT ON COLUMN operator_signing_keys.sealed_seed IS 'empty once retired';
COMMENT ON COLUMN operator_signing_keys.status IS 'all but the retired are in the operator''s JWT; the active one is the operator''s signing_public_key, too';
COMMENT ON COLUMN operators.signing_public_key IS 'signs accounts; the operator key itself signs only the operator JWT';
COMMENT ON COLUMN operators.is_default IS 'new accounts go here unless they name another';
COMMENT ON COLUMN operators.tags IS 'in its JWT';
COMMENT ON COLUMN operators.first_account IS 'who signs up gets an account under it while it is the default';
COMMENT ON COLUMN operators.version IS 'counts edits; the ETag';
COMMENT ON TABLE people IS 'who can log in; what they may do comes from their memberships';
COMMENT ON COLUMN people.password_hash IS 'argon2id, with its parameters';
COMMENT ON TABLE plans IS 'each row is one version of a plan; its terms never change';
COMMENT ON COLUMN plans.max_roles IS 'per account; -1 is unlimited';
COMMENT ON COLUMN plans.max_users IS 'per account; -1 is unlimited';
COMMENT ON COLUMN plans.account_limits IS 'the most one account may have, and what it has unless it asks for less: the shape of accounts.limits, every field present';
COMMENT ON COLUMN plans.first_id IS 'the id of the plan''s first version, by which people know the plan';
COMMENT ON COLUMN plans.is_newest IS 'no later version of the plan is there';
COMMENT ON COLUMN plans.tenant_limits IS 'the most all of a tenant''s accounts may have together; -1 is unlimited';
COMMENT ON COLUMN plans.connection_types IS 'how clients may connect; empty: all ways';
COMMENT ON COLUMN plans.max_credential_lifetime IS '0: credentials need not expire';
COMMENT ON COLUMN plans.default_credential_lifetime IS 'of credentials that nobody chose one for; 0: they do not expire';
COMMENT ON TABLE receipts IS 'what each broker last said it has in force';
COMMENT ON COLUMN receipts.effects IS 'what the latest applied claims did: per account and revision, connections closed';
COMMENT ON TABLE refused_logins IS 'who was not let in and why: one row for each way, of the newest few hundred an account';
COMMENT ON COLUMN refused_logins.id IS 'made anew with each report, so that ids sort by the last one';
COMMENT ON COLUMN refused_logins.broker IS 'the name it had then';
COMMENT ON COLUMN refused_logins.user_public_key IS 'empty when the client presented none that could be read';
COMMENT ON TABLE revocation_pages IS 'revocations that an account''s JWT has no room for, and names by their hash';
COMMENT ON COLUMN revocation_pages.records IS 'see claims.RevocationPage; written anew when revocations join or leave';
COMMENT ON COLUMN revocation_pages.expires_at IS 'when the last of its credentials does; null: never';
COMMENT ON TABLE roles IS 'a scoped signing key of an account; its template holds for every user signed with it, live';
COMMENT ON COLUMN roles.sealed_seed IS 'empty once deleted';
COMMENT ON COLUMN roles.private_user_id IS 'the user whose own permissions these are; null: a role for any number of users';
COMMENT ON COLUMN roles.connections_per_user IS 'at one time; null: as many as the account has';
COMMENT ON COLUMN roles.default_credential_lifetime IS '0: as the plan says';
COMMENT ON COLUMN roles.max_credential_lifetime IS '0: as the plan says';
COMMENT ON COLUMN roles.console IS 'for people who are signed in, in no list: what they may do there; null: a role that people made';
COMMENT ON TABLE servers IS 'unmodified nats-servers that control keeps up to date: each row one, or a cluster of them; their receipts are under their id';
COMMENT ON COLUMN servers.urls IS 'where control reaches their system account';
COMMENT ON COLUMN servers.ledger IS 'which servers were found there, and how far each has come';
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the 256 random bits in the cookie';
COMMENT ON COLUMN tenants.plan_id IS 'the version of a plan that the tenant is on';
COMMENT ON TABLE tombstones IS 'accounts that brokers held and the operator never had, and its former system accounts: their last JWT lets nobody in';
COMMENT ON TABLE trust_pages IS 'whom an account trusts to say who its clients are; its JWT names the page by its hash';
COMMENT ON COLUMN trust_pages.records IS 'see claims.TrustPage';
COMMENT ON TABLE used_nonces IS 'of renewals; nonces carry their own proof of origin, so only used ones are kept, until they expire';
COMMENT ON COLUMN users.connections IS 'at one time; -1 is unlimited; null: the role''s';
COMMENT ON COLUMN users.connection_types IS 'that it may use, of those that its role allows; empty: all of them';
COMMENT ON COLUMN users.console IS 'a person who is signed in, named by their e-mail: in no list';
