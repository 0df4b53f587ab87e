package claims_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// byKey sorts roles as decoding does.
var byKey = cmpopts.SortSlices(func(a, b claims.Role) bool { return a.Key < b.Key })

// fullAccount uses every field there is.
func fullAccount(t testing.TB) claims.Account {
	t.Helper()
	return claims.Account{
		Key:         must(fixedSeed(t, nkeys.PrefixByteAccount, 1).AccountKey()),
		Name:        "Orders <EU>",
		Description: "What the shop says.\nAnd hears.",
		Limits: claims.Limits{
			Connections: 10, LeafNodes: 0, Subscriptions: 100, PayloadBytes: 65536, DataBytes: -1, Exports: 3, Imports: 0,
			WildcardExports: true, Bearer: true,
			JetStream: claims.JetStreamLimits{
				MemoryBytes: 0, DiskBytes: 1 << 30, Streams: 5, Consumers: -1,
				AckPending: 200, MemoryMaxStreamBytes: -1, DiskMaxStreamBytes: 1 << 20, MaxBytesRequired: true,
			},
		},
		Roles: []claims.Role{
			{
				Key: must(fixedSeed(t, nkeys.PrefixByteAccount, 2).AccountKey()), Name: "publisher", Description: "Shops",
				Template: claims.Template{
					Publish:         claims.Permission{Allow: []string{"orders.>", "{{name()}}.*"}, Deny: []string{"orders.secret.>"}},
					Subscribe:       claims.Permission{Allow: []string{"_INBOX.>", "work pool"}, Deny: []string{"x.*"}},
					Responses:       &claims.ResponsePermission{MaxMessages: 2, Expires: time.Minute},
					ConnectionTypes: []claims.ConnectionType{claims.Standard, claims.MQTTOverWS},
					Subscriptions:   7, PayloadBytes: 1024,
					SourceNetworks: []string{"192.0.2.0/24", "2001:db8::/32"},
					Times:          []claims.TimeRange{{Start: "08:00:00", End: "12:30:00"}, {Start: "22:00:00", End: "06:00:00"}},
					TimeZone:       "Europe/Berlin",
					Bearer:         true,
				},
			},
			{Key: must(fixedSeed(t, nkeys.PrefixByteAccount, 3).AccountKey()), Name: "default", Template: claims.OpenTemplate()},
		},
		Revoked: map[claims.UserKey]time.Time{
			must(fixedSeed(t, nkeys.PrefixByteUser, 1).UserKey()): time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC),
			claims.AllUsers: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		Tags: []string{"plan:pro", "eu"},
		DefaultPermissions: claims.Permissions{
			Publish:   claims.Permission{Allow: []string{"public.>"}, Deny: []string{"public.not"}},
			Subscribe: claims.Permission{Allow: []string{"_INBOX.>", "public.> readers"}},
			Responses: &claims.ResponsePermission{MaxMessages: 1},
		},
		Mappings: []claims.Mapping{
			{Subject: "orders.*", Destinations: []claims.Destination{
				{Subject: "orders.{{wildcard(1)}}.{{partition(3,1)}}", Weight: 80},
				{Subject: "canary.$1", Weight: 20},
				{Subject: "near.$1", Weight: 100, Cluster: "eu-1"},
			}},
			{Subject: "x", Destinations: []claims.Destination{{Subject: "y", Weight: 1}}},
		},
		Logins:          []claims.PageHash{claims.HashPage([]byte("logins")), claims.HashPage([]byte("more logins"))},
		Trust:           claims.HashPage([]byte("trust")),
		Trace:           &claims.Trace{Destination: "trace.out", Sampling: 25},
		ClusterTraffic:  claims.OwnerTraffic,
		ConnectionTypes: []claims.ConnectionType{claims.Standard, claims.MQTT, claims.MQTTOverWS},
		TypeConnections: map[claims.ConnectionType]int64{claims.MQTT: 3, claims.MQTTOverWS: 0},
		RoleConnections: map[claims.AccountKey]int64{must(fixedSeed(t, nkeys.PrefixByteAccount, 2).AccountKey()): 0, must(fixedSeed(t, nkeys.PrefixByteAccount, 3).AccountKey()): 12},
		Overrides: []claims.UserOverride{
			{Name: "billing", Role: must(fixedSeed(t, nkeys.PrefixByteAccount, 2).AccountKey()), Connections: 0, ConnectionTypes: []claims.ConnectionType{claims.WebSocket, claims.MQTTOverWS}},
			{Name: "Ångström", Role: must(fixedSeed(t, nkeys.PrefixByteAccount, 3).AccountKey()), Tags: []string{"team:blue", "eu"}, Connections: claims.Unlimited},
		},
		ConsoleRoles: []claims.AccountKey{must(fixedSeed(t, nkeys.PrefixByteAccount, 3).AccountKey())},
	}
}

// tieredAccount has JetStream limits for each number of replicas.
func tieredAccount(t testing.TB) claims.Account {
	t.Helper()
	a := claims.Account{Key: fullAccount(t).Key, Name: "tiers", Limits: claims.UnlimitedLimits()}
	a.Limits.JetStream = claims.JetStreamLimits{}
	a.Limits.Tiers.R3 = claims.UnlimitedJetStream()
	a.Limits.Tiers.R3.DiskBytes = 1 << 20
	return a
}

func TestAccountSurvivesMintAndDecode(t *testing.T) {
	t.Parallel()
	signer := must(claims.NewOperatorSeed())
	for _, account := range []claims.Account{
		fullAccount(t),
		{Key: fullAccount(t).Key, Name: "nothing allowed"},
		{Key: fullAccount(t).Key, Name: "everything allowed", Limits: claims.UnlimitedLimits()},
		{Key: fullAccount(t).Key, Name: "no way in", ConnectionTypes: []claims.ConnectionType{claims.NoConnectionType}},
		tieredAccount(t),
	} {
		facts, err := claims.DecodeAccount(must(claims.EncodeAccount(account, signer)))
		if err != nil {
			t.Fatalf("%s: %v", account.Name, err)
		}
		if diff := cmp.Diff(account, facts.Account, byKey, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-minted +decoded):\n%s", account.Name, diff)
		}
		if want := must(signer.OperatorKey()); facts.Issuer != want {
			t.Errorf("issuer = %s, want %s", facts.Issuer, want)
		}
		if !facts.Expires.IsZero() || facts.Tombstone || len(facts.SigningKeys) > 0 {
			t.Errorf("facts = %+v, want no expiry, no tombstone, no unscoped keys", facts)
		}
		if age := time.Since(facts.IssuedAt); age < 0 || age > time.Minute {
			t.Errorf("issued %v ago, want just now", age)
		}
	}
}

func TestEveryAccountWeSignPassesTheServersValidation(t *testing.T) {
	t.Parallel()
	signer := must(claims.NewOperatorSeed())
	account := fullAccount(t)
	tokens := map[string]string{
		"account":        must(claims.EncodeAccount(account, signer)),
		"empty account":  must(claims.EncodeAccount(claims.Account{Key: account.Key, Name: "a"}, signer)),
		"system account": must(claims.EncodeSystemAccount(account.Key, "SYS", signer)),
		"tombstone":      must(claims.EncodeTombstone(account.Key, "gone", signer)),
		"suspended":      must(claims.EncodeSuspended(account, signer)),
		"tiers":          must(claims.EncodeAccount(tieredAccount(t), signer)),
	}
	for name, token := range tokens {
		vr := jwt.CreateValidationResults()
		must(jwt.DecodeAccountClaims(token)).Validate(vr)
		if len(vr.Issues) > 0 {
			t.Errorf("%s: issues = %+v, want none", name, vr.Issues[0])
		}
	}
}

func TestEveryBadFieldOfAnAccountIsNamed(t *testing.T) {
	t.Parallel()
	account := fullAccount(t)
	account.Name = "tab\t"
	bad := claims.UnlimitedJetStream()
	bad.DiskBytes = -2
	account.Limits = claims.Limits{
		Connections: -2, LeafNodes: -2, Subscriptions: -2, PayloadBytes: -2, DataBytes: -2, Exports: -2, Imports: -2,
		JetStream: claims.JetStreamLimits{
			MemoryBytes: -2, DiskBytes: -2, Streams: -2, Consumers: -2, AckPending: -2, MemoryMaxStreamBytes: -2, DiskMaxStreamBytes: -2,
		},
		Tiers: claims.JetStreamTiers{R1: bad, R3: bad},
	}
	account.Roles[1].Key = account.Roles[0].Key
	account.Roles[1].Template.Subscribe.Deny = []string{"ok", "a..b"}
	account.Tags = []string{"UPPER", "b", "b"}
	account.DefaultPermissions.Publish.Deny = []string{"*.>"}
	account.DefaultPermissions.Subscribe.Allow = []string{"{{name()}}"}
	account.Mappings[0].Destinations[1].Weight = 21
	account.Trace = &claims.Trace{Destination: "trace.*", Sampling: 101}
	account.ClusterTraffic = "elsewhere"
	account.ConnectionTypes = []claims.ConnectionType{claims.Standard, "CARRIER_PIGEON"}
	account.RoleConnections = map[claims.AccountKey]int64{account.Key: -1}
	account.Overrides = []claims.UserOverride{
		{Name: "b", Role: "nobody", Connections: -2, ConnectionTypes: []claims.ConnectionType{"CARRIER_PIGEON"}}, {Name: "b", Role: account.Key, Tags: []string{"fine", "fine"}}, {Name: "a.b", Role: account.Key},
	}
	account.Revoked = map[claims.UserKey]time.Time{claims.UserKey(account.Key): time.Now()}
	_, err := claims.EncodeAccount(account, must(claims.NewOperatorSeed()))
	want := []string{
		"/name",
		"/limits/connections", "/limits/leaf_nodes", "/limits/subscriptions", "/limits/payload_bytes", "/limits/data_bytes",
		"/limits/exports", "/limits/imports", "/limits/jetstream/memory_bytes", "/limits/jetstream/disk_bytes",
		"/limits/jetstream/streams", "/limits/jetstream/consumers", "/limits/jetstream/ack_pending",
		"/limits/jetstream/memory_max_stream_bytes", "/limits/jetstream/disk_max_stream_bytes",
		"/limits/jetstream/tiers", "/limits/jetstream/tiers/r1/disk_bytes", "/limits/jetstream/tiers/r3/disk_bytes",
		"/tags/0", "/tags/2",
		"/default_permissions/publish/allow/0", "/default_permissions",
		"/mappings/0/destinations/1/weight", "/trace/destination", "/trace/sampling", "/cluster_traffic",
		"/connection_types/1", "/connections_per_type/MQTT", "/connections_per_type/MQTT_WS",
		"/role_connections", "/overrides/0/role", "/overrides/0/connection_types/0", "/overrides/0/connections", "/overrides/1/tags/1", "/overrides/1/name",
		"/overrides/2/name", "/overrides/2/name",
		"/revoked",
		"/roles/1/permissions/subscribe/deny/1", "/roles/1/public_key",
	}
	if diff := cmp.Diff(want, pointers(err)); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
}

func TestZeroLimitThatAServerReadsAsUnlimitedIsRefused(t *testing.T) {
	t.Parallel()
	limits := claims.Limits{JetStream: claims.JetStreamLimits{DiskBytes: 1}}
	want := []string{
		"/jetstream/streams", "/jetstream/consumers", "/jetstream/ack_pending",
		"/jetstream/memory_max_stream_bytes", "/jetstream/disk_max_stream_bytes",
	}
	if diff := cmp.Diff(want, pointers(limits.Validate())); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
	limits.JetStream = claims.JetStreamLimits{Streams: 0, Consumers: 0}
	if err := limits.Validate(); err != nil {
		t.Errorf("no JetStream at all: %v", err)
	}
}

func TestOnlyOperatorsSignAccounts(t *testing.T) {
	t.Parallel()
	account := claims.Account{Key: fullAccount(t).Key, Name: "a"}
	for _, signer := range []claims.Seed{fixedSeed(t, nkeys.PrefixByteAccount, 1), must(claims.NewUserSeed()), {}} {
		if _, err := claims.EncodeAccount(account, signer); err == nil {
			t.Error("signed by what is no operator: no error")
		}
	}
	self := jwt.NewAccountClaims(string(account.Key))
	token := must(self.Encode(must(nkeys.FromSeed(fixedSeed(t, nkeys.PrefixByteAccount, 1).Reveal()))))
	if _, err := claims.DecodeAccount(token); !errors.Is(err, fault.Invalid) {
		t.Errorf("decoding a self-signed account: error = %v, want fault.Invalid", err)
	}
}

func TestAccountTooBigForAServerIsRefused(t *testing.T) {
	t.Parallel()
	account := fullAccount(t)
	account.Revoked = map[claims.UserKey]time.Time{}
	for i := range 12_000 {
		raw := make([]byte, 32)
		binary.BigEndian.PutUint64(raw, uint64(i))
		account.Revoked[claims.UserKey(must(nkeys.Encode(nkeys.PrefixByteUser, raw)))] = time.Now()
	}
	if _, err := claims.EncodeAccount(account, must(claims.NewOperatorSeed())); !errors.Is(err, fault.OverLimit) {
		t.Errorf("error = %v, want fault.OverLimit", err)
	}
}

func TestExpiredAccountIsDecodedAndItsExpiryTold(t *testing.T) {
	t.Parallel()
	operator := must(nkeys.CreateOperator())
	c := jwt.NewAccountClaims(string(fullAccount(t).Key))
	c.Expires = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).Unix()
	facts, err := claims.DecodeAccount(must(c.Encode(operator)))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(c.Expires, 0).UTC(); !facts.Expires.Equal(want) {
		t.Errorf("expires = %v, want %v", facts.Expires, want)
	}
}

func TestUnscopedSigningKeysAreToldApartFromRoles(t *testing.T) {
	t.Parallel()
	facts := must(claims.DecodeAccount(must(claims.EncodeSystemAccount(fullAccount(t).Key, "SYS", must(claims.NewOperatorSeed())))))
	if diff := cmp.Diff([]claims.AccountKey{facts.Key}, facts.SigningKeys); diff != "" || len(facts.Roles) > 0 {
		t.Errorf("roles = %v, signing keys (-want +got):\n%s", facts.Roles, diff)
	}
}

func TestTombstoneIsToldFromASuspendedAccount(t *testing.T) {
	t.Parallel()
	signer, key := must(claims.NewOperatorSeed()), fullAccount(t).Key
	if facts := must(claims.DecodeAccount(must(claims.EncodeTombstone(key, "gone", signer)))); !facts.Tombstone {
		t.Error("the tombstone is not told to be one")
	}
	revoked := claims.Account{Key: key, Name: "a", Revoked: map[claims.UserKey]time.Time{claims.AllUsers: time.Now()}}
	if facts := must(claims.DecodeAccount(must(claims.EncodeAccount(revoked, signer)))); facts.Tombstone {
		t.Error("an account with all users revoked is told to be a tombstone")
	}
}

func TestSuspendedAccountKeepsAllButItsConnections(t *testing.T) {
	t.Parallel()
	signer, account := must(claims.NewOperatorSeed()), fullAccount(t)
	facts := must(claims.DecodeAccount(must(claims.EncodeSuspended(account, signer))))
	if !facts.Suspended || facts.Tombstone || facts.Limits.Connections != 0 || facts.Limits.LeafNodes != 0 {
		t.Errorf("suspended = %t, tombstone = %t, limits = %+v", facts.Suspended, facts.Tombstone, facts.Limits)
	}
	if until := facts.Revoked[claims.AllUsers]; until.Year() != 9999 {
		t.Errorf("everybody is revoked until %v, want the end of time", until)
	}
	want := fullAccount(t)
	want.Limits.Connections, want.Limits.LeafNodes = 0, 0
	want.Revoked[claims.AllUsers] = facts.Revoked[claims.AllUsers]
	if diff := cmp.Diff(want, facts.Account, byKey); diff != "" {
		t.Errorf("(-want +suspended):\n%s", diff)
	}
	if diff := cmp.Diff(fullAccount(t), account); diff != "" {
		t.Errorf("what was to be encoded has changed (-was +is):\n%s", diff)
	}
}

func TestTagsSurviveInLowerCase(t *testing.T) {
	t.Parallel()
	account := fullAccount(t)
	token := must(claims.EncodeAccount(account, must(claims.NewOperatorSeed())))
	var lowered jwt.TagList
	lowered.Add(must(jwt.DecodeAccountClaims(token)).Tags...)
	got := must(claims.ReadExtension(lowered))
	if diff := cmp.Diff(account.Extension(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	own, _, _ := claims.SplitTags(lowered)
	if diff := cmp.Diff(account.Tags, own); diff != "" {
		t.Errorf("own tags (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"signalbox-type-connections:mqtt", "signalbox-type-connections:mqtt=-1", "signalbox-type-connections:",
		"signalbox-role-connections:x=y", "signalbox-users:", "signalbox-users:aaaa", "signalbox-users:not base32"} {
		if _, err := claims.ReadExtension([]string{bad}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", bad, err)
		}
	}
}

func TestLimitsStoredBeforeThereWereMoreDoNotTighten(t *testing.T) {
	t.Parallel()
	var got claims.Limits
	stored := `{"connections":1,"leaf_nodes":2,"subscriptions":3,"payload_bytes":4,"data_bytes":5,"exports":6,"imports":7,` +
		`"jetstream":{"memory_bytes":8,"disk_bytes":9,"streams":10,"consumers":11}}`
	if err := json.Unmarshal([]byte(stored), &got); err != nil {
		t.Fatal(err)
	}
	want := claims.Limits{
		Connections: 1, LeafNodes: 2, Subscriptions: 3, PayloadBytes: 4, DataBytes: 5, Exports: 6, Imports: 7, WildcardExports: true, Bearer: true,
		JetStream: claims.JetStreamLimits{
			MemoryBytes: 8, DiskBytes: 9, Streams: 10, Consumers: 11, AckPending: -1, MemoryMaxStreamBytes: -1, DiskMaxStreamBytes: -1,
		},
	}
	if got != want {
		t.Errorf("limits = %+v, want %+v", got, want)
	}
}

func TestCommonTypesOfListsThatExcludeEachOtherIsNoType(t *testing.T) {
	t.Parallel()
	type types = []claims.ConnectionType
	for name, c := range map[string]struct {
		lists []types
		want  types
	}{
		"nothing said":       {[]types{nil, {}}, nil},
		"one speaks":         {[]types{nil, {claims.MQTT, claims.Standard}, nil}, types{claims.MQTT, claims.Standard}},
		"two overlap":        {[]types{{claims.MQTT, claims.Standard}, {claims.Standard, claims.WebSocket}}, types{claims.Standard}},
		"nothing in common":  {[]types{{claims.MQTT}, {claims.Standard}}, types{claims.NoConnectionType}},
		"nothing stays none": {[]types{{claims.MQTT}, {claims.Standard}, {claims.MQTT, claims.Standard}}, types{claims.NoConnectionType}},
		"none is none":       {[]types{{claims.NoConnectionType}, nil}, types{claims.NoConnectionType}},
	} {
		if got := claims.CommonTypes(c.lists...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTamperedOrForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	signer := must(claims.NewOperatorSeed())
	account := must(claims.EncodeAccount(fullAccount(t), signer))
	user := must(claims.EncodeUser(fullUser(t), fixedSeed(t, nkeys.PrefixByteAccount, 2)))
	other := must(claims.EncodeTombstone(fullAccount(t).Key, "gone", signer))
	parts, others := strings.Split(account, "."), strings.Split(other, ".")
	bad := map[string]string{
		"another's signature": parts[0] + "." + parts[1] + "." + others[2],
		"another's payload":   parts[0] + "." + others[1] + "." + parts[2],
		"cut short":           account[:len(account)-1],
		"two parts":           parts[0] + "." + parts[1],
		"nothing":             "",
		"too long":            strings.Repeat("a", claims.MaxTokenBytes+1),
		"a user's":            user,
	}
	for name, token := range bad {
		_, err := claims.DecodeAccount(token)
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
			continue
		}
		if len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
			t.Errorf("%s: the error repeats the JWT", name)
		}
	}
	if _, err := claims.DecodeUser(account); err == nil || !strings.Contains(err.Error(), `not a user's JWT, but one of type "account"`) {
		t.Errorf("an account's JWT for a user's: error = %v", err)
	}
	if _, err := claims.DecodeOperator(account); !errors.Is(err, fault.Invalid) {
		t.Errorf("an account's JWT for an operator's: error = %v, want fault.Invalid", err)
	}
}

func FuzzAccountMintAndDecodeIsIdentity(f *testing.F) {
	f.Add("name", "description", "orders.>", "orders.x", "work pool", "10.0.0.0/8", "eu", int64(1), int64(9), int64(-1), int64(5), uint32(9), true)
	f.Add("n", "", "a", "", "", "", "", int64(0), int64(0), int64(0), int64(0), uint32(0), false)
	signer := must(claims.NewOperatorSeed())
	key := must(must(claims.NewAccountSeed()).AccountKey())
	role := must(must(claims.NewAccountSeed()).AccountKey())
	user := must(must(claims.NewUserSeed()).UserKey())
	f.Fuzz(func(t *testing.T, name, description, allow, deny, subscribe, network, tag string, a, b, c, d int64, at uint32, flag bool) {
		account := claims.Account{
			Key: key, Name: name, Description: description,
			Limits: claims.Limits{
				Connections: a, LeafNodes: b, Subscriptions: c, PayloadBytes: d, DataBytes: a, Exports: b, Imports: c,
				WildcardExports: flag, Bearer: !flag,
				JetStream: claims.JetStreamLimits{
					MemoryBytes: d, DiskBytes: a, Streams: b, Consumers: c, AckPending: d,
					MemoryMaxStreamBytes: a, DiskMaxStreamBytes: b, MaxBytesRequired: flag,
				},
			},
			DefaultPermissions: claims.Permissions{
				Publish: claims.Permission{Deny: []string{deny}}, Subscribe: claims.Permission{Allow: []string{subscribe}},
			},
			Mappings:        []claims.Mapping{{Subject: deny, Destinations: []claims.Destination{{Subject: allow, Weight: int(b), Cluster: tag}}}},
			Trace:           &claims.Trace{Destination: deny, Sampling: int(a)},
			TypeConnections: map[claims.ConnectionType]int64{claims.LeafNodeWS: c},
			Roles: []claims.Role{{Key: role, Name: description, Description: name, Template: claims.Template{
				Publish:       claims.Permission{Allow: []string{allow}, Deny: []string{deny}},
				Subscribe:     claims.Permission{Allow: []string{subscribe}},
				Responses:     &claims.ResponsePermission{MaxMessages: int(a), Expires: time.Duration(b)},
				Subscriptions: c, PayloadBytes: d, SourceNetworks: []string{network}, Bearer: flag,
				ConnectionTypes: []claims.ConnectionType{claims.MQTT},
			}}},
			RoleConnections: map[claims.AccountKey]int64{role: b},
			Overrides:       []claims.UserOverride{{Name: name, Role: role, Tags: []string{tag}, Connections: c}},
			ConsoleRoles:    []claims.AccountKey{role},
			Revoked:         map[claims.UserKey]time.Time{user: time.Unix(int64(at), 0).UTC()},
			Tags:            []string{tag},
		}
		token, err := claims.EncodeAccount(account, signer)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("error = %v, want fault.Invalid", err)
			}
			return
		}
		facts, err := claims.DecodeAccount(token)
		if err != nil {
			t.Fatalf("what was minted is not decoded: %v", err)
		}
		if diff := cmp.Diff(account, facts.Account); diff != "" {
			t.Errorf("(-minted +decoded):\n%s", diff)
		}
	})
}

// FuzzDecodersNeverPanic signs arbitrary payloads, so that they get past the
// signature and into the readers of claims.
func FuzzDecodersNeverPanic(f *testing.F) {
	header := `{"typ":"JWT","alg":"ed25519-nkey"}`
	account := must(must(claims.NewAccountSeed()).AccountKey())
	for _, payload := range []string{
		`null`, `{}`, `{"nats":null}`, `{"sub":1}`,
		`{"sub":"%s","nats":{"type":"account","version":2,"signing_keys":[{"kind":"user_scope"},null,1,"x"]}}`,
		`{"sub":"%s","nats":{"type":"account","version":2,"signing_keys":null,"revocations":{"*":9223372036854775807,"x":-1}}}`,
		`{"sub":"%s","nats":{"type":"account","version":2,"exports":[null],"imports":[null],"limits":{"tiered_limits":{"R1":{}}}}}`,
		`{"sub":"%s","nats":{"type":"user","version":2,"src":"10.0.0.0/8,x"}}`,
		`{"sub":"%s","exp":-9223372036854775808,"nats":{"type":"operator","version":2}}`,
		`{"sub":"%s","type":"account","nats":{}}`, `{"nats":{"type":"authorization_request","version":2}}`,
	} {
		if strings.Contains(payload, "%s") {
			payload = fmt.Sprintf(payload, account)
		}
		f.Add(header, payload)
	}
	signers := []nkeys.KeyPair{must(nkeys.CreateOperator()), must(nkeys.CreateAccount())}
	f.Fuzz(func(t *testing.T, header, payload string) {
		_, _ = claims.DecodeAccount(payload)
		for _, signer := range signers {
			body := strings.Replace(payload, "{", `{"iss":"`+must(signer.PublicKey())+`",`, 1)
			body = strings.Replace(body, ",}", "}", 1)
			signed := encode64(header) + "." + encode64(body)
			token := signed + "." + encode64(string(must(signer.Sign([]byte(signed)))))
			_, _ = claims.DecodeAccount(token)
			_, _ = claims.DecodeUser(token)
			_, _ = claims.DecodeOperator(token)
		}
	})
}
