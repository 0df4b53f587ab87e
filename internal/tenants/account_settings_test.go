package tenants

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// settled is a spec with every setting there is.
func settled(s *AccountSpec) {
	s.Tags = []string{"team:blue", "eu"}
	s.Settings = AccountSettings{
		DefaultPermissions: claims.Permissions{
			Publish: claims.Permission{Allow: []string{"public.>"}}, Responses: &claims.ResponsePermission{MaxMessages: 1},
		},
		Mappings:           []claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 30}}}},
		Trace:              &claims.Trace{Destination: "traces", Sampling: 10},
		ClusterTraffic:     claims.OwnerTraffic,
		ConnectionTypes:    []claims.ConnectionType{claims.Standard, claims.MQTT},
		ConnectionsPerType: map[claims.ConnectionType]int64{claims.MQTT: 2},
	}
}

func TestEverySettingOfAnAccountIsSigned(t *testing.T) {
	t.Parallel()
	w := setup(t)
	account := must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { settled(s); return nil }))(t)

	facts := w.facts(account.PublicKey)
	want := claims.Account{
		Key: account.PublicKey, Name: account.Name, Tags: account.Tags, Limits: account.Limits,
		DefaultPermissions: account.Settings.DefaultPermissions, Mappings: account.Settings.Mappings,
		Trace: account.Settings.Trace, ClusterTraffic: claims.OwnerTraffic,
		ConnectionTypes: account.Settings.ConnectionTypes, TypeConnections: account.Settings.ConnectionsPerType,
	}
	if diff := cmp.Diff(want, facts.Account, cmpopts.IgnoreFields(claims.Account{}, "Roles"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +signed):\n%s", diff)
	}
	if diff := cmp.Diff(account, must(w.Account(t.Context(), w.owner, account.ID))(t)); diff != "" {
		t.Errorf("read back (-updated +read):\n%s", diff)
	}
	before := w.head()
	must(w.UpdateAccount(t.Context(), w.owner, account.ID, "", func(s *AccountSpec) error { settled(s); return nil }))(t)
	if w.head() != before {
		t.Error("an edit that changes nothing bumped the revision")
	}
}

func TestBadSettingsChangeNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	tier := claims.UnlimitedJetStream()
	tier.DiskBytes, tier.MemoryBytes, tier.Streams, tier.Consumers = 1<<20, 0, 1, 1
	before := must(w.Account(t.Context(), w.owner, w.account.ID))(t)
	head, events := w.head(), w.events()
	for pointer, edit := range map[string]func(*AccountSpec){
		"/tags/0": func(s *AccountSpec) { s.Tags = []string{"signalbox-types:mqtt"} },
		"/default_permissions/publish/allow/0": func(s *AccountSpec) {
			s.Settings.DefaultPermissions.Publish = claims.Permission{Allow: []string{"a.b"}, Deny: []string{"a.>"}}
		},
		"/mappings/0/destinations/1/weight": func(s *AccountSpec) {
			s.Settings.Mappings = []claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 60}, {Subject: "c", Weight: 60}}}}
		},
		"/mappings/0": func(s *AccountSpec) {
			s.Settings.Mappings = []claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 1}}}, {Subject: "b", Destinations: []claims.Destination{{Subject: "a", Weight: 1}}}}
		},
		"/mappings/0/destinations/0/subject": func(s *AccountSpec) {
			s.Settings.Mappings = []claims.Mapping{{Subject: "a.*", Destinations: []claims.Destination{{Subject: "b.*", Weight: 1}}}}
		},
		"/limits/connections":         func(s *AccountSpec) { s.Limits.Connections = 101 },
		"/limits/jetstream/tiers":     func(s *AccountSpec) { s.Limits.Tiers.R1 = tier },
		"/limits/jetstream/streams":   func(s *AccountSpec) { s.Limits.JetStream.Streams = 0 },
		"/connection_types/0":         func(s *AccountSpec) { s.Settings.ConnectionTypes = []claims.ConnectionType{"TELEX"} },
		"/connections_per_type/TELEX": func(s *AccountSpec) { s.Settings.ConnectionsPerType = map[claims.ConnectionType]int64{"TELEX": 1} },
		"/connections_per_type/MQTT": func(s *AccountSpec) {
			s.Settings.ConnectionTypes = []claims.ConnectionType{claims.Standard}
			s.Settings.ConnectionsPerType = map[claims.ConnectionType]int64{claims.MQTT: 1}
		},
		"/trace/sampling":    func(s *AccountSpec) { s.Settings.Trace = &claims.Trace{Destination: "t", Sampling: 101} },
		"/trace/destination": func(s *AccountSpec) { s.Settings.Trace = &claims.Trace{Destination: "t.>", Sampling: 1} },
		"/cluster_traffic":   func(s *AccountSpec) { s.Settings.ClusterTraffic = "mine" },
	} {
		_, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { edit(s); return nil })
		refused(t, err, fault.Invalid, pointer)
	}
	if diff := cmp.Diff(before, must(w.Account(t.Context(), w.owner, w.account.ID))(t)); diff != "" || w.head() != head || w.events() != events {
		t.Errorf("head %d → %d, audit %d → %d (-before +after):\n%s", head, w.head(), events, w.events(), diff)
	}
}

func TestRoleTypesAreCompiledWithTheAccounts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	only := func(types ...claims.ConnectionType) {
		must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Settings.ConnectionTypes = types; return nil }))(t)
	}
	role := w.role("devices")
	must(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error {
		s.Template.ConnectionTypes = []claims.ConnectionType{claims.MQTT, claims.MQTTOverWS}
		return nil
	}))(t)
	compiled := func() map[string][]claims.ConnectionType {
		types := map[string][]claims.ConnectionType{}
		for _, r := range w.facts(w.account.PublicKey).Roles {
			types[r.Name] = r.Template.ConnectionTypes
		}
		return types
	}
	for name, c := range map[string]struct {
		account []claims.ConnectionType
		want    map[string][]claims.ConnectionType
	}{
		"all":   {nil, map[string][]claims.ConnectionType{"default": nil, "devices": {claims.MQTT, claims.MQTTOverWS}}},
		"some":  {[]claims.ConnectionType{claims.Standard, claims.MQTT}, map[string][]claims.ConnectionType{"default": {claims.Standard, claims.MQTT}, "devices": {claims.MQTT}}},
		"other": {[]claims.ConnectionType{claims.Standard}, map[string][]claims.ConnectionType{"default": {claims.Standard}, "devices": {claims.NoConnectionType}}},
	} {
		only(c.account...)
		if diff := cmp.Diff(c.want, compiled()); diff != "" {
			t.Errorf("%s (-want +compiled):\n%s", name, diff)
		}
	}

	only(claims.Standard)
	before := w.head()
	_, err := w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "web", Template: func() claims.Template {
		open := claims.OpenTemplate()
		open.ConnectionTypes = []claims.ConnectionType{claims.Standard, claims.WebSocket}
		return open
	}()})
	refused(t, err, fault.Invalid, "/connection_types/1")
	_, err = w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error {
		s.Template.ConnectionTypes = []claims.ConnectionType{claims.LeafNode}
		return nil
	})
	refused(t, err, fault.Invalid, "/connection_types/0")
	if w.head() != before {
		t.Error("a refused role bumped the revision")
	}
	must(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.Description = "as it was"; return nil }))(t)
}

func TestPlanNarrowsConnectionTypes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	allow := func(types ...claims.ConnectionType) (Account, error) {
		return w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Settings.ConnectionTypes = types; return nil })
	}
	must(allow(claims.MQTT, claims.Standard))(t)
	narrow := terms("Narrow")
	narrow.ConnectionTypes = []claims.ConnectionType{claims.Standard, claims.WebSocket}
	w.on(w.newPlan(narrow))
	effective := func() []claims.ConnectionType {
		account := must(w.Account(t.Context(), w.owner, w.account.ID))(t)
		facts := w.facts(account.PublicKey)
		if !slices.Equal(facts.ConnectionTypes, account.EffectiveConnectionTypes) || !slices.Equal(facts.Roles[0].Template.ConnectionTypes, facts.ConnectionTypes) {
			t.Errorf("effective = %v, in the JWT %v, its role %v", account.EffectiveConnectionTypes, facts.ConnectionTypes, facts.Roles[0].Template.ConnectionTypes)
		}
		return account.EffectiveConnectionTypes
	}
	if got := effective(); !slices.Equal(got, []claims.ConnectionType{claims.Standard}) {
		t.Errorf("effective = %v", got)
	}
	before := w.head()
	_, err := allow(claims.Standard, claims.MQTT, claims.LeafNode)
	refused(t, err, fault.Invalid, "/connection_types/1", "/connection_types/2")
	_, err = w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "new", Settings: AccountSettings{ConnectionTypes: []claims.ConnectionType{claims.MQTT}}})
	refused(t, err, fault.Invalid, "/connection_types/0")
	if w.head() != before {
		t.Error("what was refused bumped the revision")
	}
	if clone := must(w.CloneAccount(t.Context(), w.owner, w.account.ID, Once{}, "clone"))(t); !slices.Equal(clone.EffectiveConnectionTypes, []claims.ConnectionType{claims.Standard}) {
		t.Errorf("the clone's effective types = %v", clone.EffectiveConnectionTypes)
	}
	narrow.Name, narrow.ConnectionTypes = "Other", []claims.ConnectionType{claims.WebSocket}
	w.on(w.newPlan(narrow))
	if got := effective(); !slices.Equal(got, []claims.ConnectionType{claims.NoConnectionType}) {
		t.Errorf("effective = %v, want what nobody can use", got)
	}
	must(allow())(t)
	if got := effective(); !slices.Equal(got, narrow.ConnectionTypes) {
		t.Errorf("effective = %v, want the plan's", got)
	}
}

func TestSmallerPlanIsInForceWithTheNextChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan(`account_limits = jsonb_set(jsonb_set(account_limits, '{connections}', '5'), '{bearer}', 'false')`)
	account := must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = "renamed"; return nil }))(t)
	if account.Limits.Connections != 100 || account.EffectiveLimits.Connections != 5 || account.EffectiveLimits.Bearer {
		t.Errorf("limits = %+v, effective = %+v", account.Limits, account.EffectiveLimits)
	}
	if facts := w.facts(account.PublicKey); facts.Limits != account.EffectiveLimits {
		t.Errorf("the JWT says %+v, want the effective limits", facts.Limits)
	}
}

func TestTiersTakeThePlaceOfCommonLimitsAndBack(t *testing.T) {
	t.Parallel()
	w := setup(t)
	patch := func(p LimitsPatch) (Account, error) {
		return w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Limits = p.Apply(s.Limits); return nil })
	}
	r1 := JetStreamLimitsPatch{DiskBytes: ptr(int64(1 << 20)), Streams: ptr(int64(2)), Consumers: ptr(int64(3))}
	tiered := must(patch(LimitsPatch{Tiers: &TiersPatch{R1: r1}}))(t)
	want := claims.UnlimitedJetStream()
	want.MemoryBytes, want.DiskBytes, want.Streams, want.Consumers = 0, 1<<20, 2, 3
	if tiered.Limits.Tiers != (claims.JetStreamTiers{R1: want}) || tiered.Limits.JetStream != (claims.JetStreamLimits{}) {
		t.Errorf("limits = %+v", tiered.Limits)
	}
	if facts := w.facts(tiered.PublicKey); facts.Limits != tiered.Limits {
		t.Errorf("the JWT says %+v", facts.Limits)
	}
	if edited := must(patch(LimitsPatch{Tiers: &TiersPatch{R1: JetStreamLimitsPatch{Streams: ptr(int64(1))}}}))(t); edited.Limits.Tiers.R1.DiskBytes != 1<<20 || edited.Limits.Tiers.R1.Streams != 1 {
		t.Errorf("tiers = %+v, want one field changed", edited.Limits.Tiers)
	}
	_, err := patch(LimitsPatch{JetStream: r1, Tiers: &TiersPatch{R1: r1}})
	refused(t, err, fault.Invalid, "/limits/jetstream/tiers")
	flat := must(patch(LimitsPatch{JetStream: r1}))(t)
	if flat.Limits.JetStream != want || flat.Limits.Tiers != (claims.JetStreamTiers{}) {
		t.Errorf("limits = %+v, want common ones again", flat.Limits)
	}
	off := must(patch(LimitsPatch{Tiers: &TiersPatch{R3: JetStreamLimitsPatch{DiskBytes: ptr(int64(0))}}}))(t)
	if off.Limits.Tiers != (claims.JetStreamTiers{}) || off.Limits.JetStream != (claims.JetStreamLimits{}) {
		t.Errorf("limits = %+v, want no JetStream", off.Limits)
	}
}

func TestCloneHasAllButUsersAndKeys(t *testing.T) {
	t.Parallel()
	w := setup(t)
	source := must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
		settled(s)
		s.Limits.Connections = 50
		return nil
	}))(t)
	w.role("second")
	w.credential(w.user("stays"))
	must(w.SuspendAccount(t.Context(), w.owner, source.ID, ""))(t)
	w.plan(`account_limits = jsonb_set(account_limits, '{connections}', '20')`)

	once := Once{Key: "k"}
	clone := must(w.CloneAccount(t.Context(), w.owner, source.ID, once, "copy"))(t)

	want := source.AccountSpec
	want.Name, want.Limits.Connections = "copy", 20
	if diff := cmp.Diff(want, clone.AccountSpec); diff != "" || clone.Status() != AccountActive {
		t.Errorf("status %s, (-want +clone):\n%s", clone.Status(), diff)
	}
	theirs, ours := w.facts(source.PublicKey), w.facts(clone.PublicKey)
	names := func(roles []claims.Role) (names []string) {
		for _, r := range roles {
			names = append(names, r.Name)
		}
		slices.Sort(names)
		return names
	}
	if diff := cmp.Diff(names(theirs.Roles), names(ours.Roles)); diff != "" || ours.Suspended {
		t.Errorf("suspended: %t, roles (-source +clone):\n%s", ours.Suspended, diff)
	}
	for _, r := range ours.Roles {
		if slices.ContainsFunc(theirs.Roles, func(other claims.Role) bool { return other.Key == r.Key }) {
			t.Errorf("the role %s has the other account's key", r.Name)
		}
	}
	if users := must(w.Users(t.Context(), w.owner, clone.ID, PageQuery{}))(t); len(users.Items) != 0 {
		t.Errorf("the clone has users: %+v", users.Items)
	}
	if again := must(w.CloneAccount(t.Context(), w.owner, source.ID, once, "copy"))(t); again.ID != clone.ID {
		t.Error("the same request made another account")
	}
	_, err := w.CloneAccount(t.Context(), w.owner, source.ID, Once{}, "copy")
	refused(t, err, fault.Conflict, "/name")
	w.plan("max_accounts = 2")
	_, err = w.CloneAccount(t.Context(), w.owner, source.ID, Once{}, "third")
	refused(t, err, fault.OverLimit)
}
