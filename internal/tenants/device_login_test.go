package tenants

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func (w *world) login(user User, p DeviceLoginSpec) CreatedDeviceLogin {
	w.t.Helper()
	return must(w.CreateDeviceLogin(w.t.Context(), w.owner, user.ID, Once{}, p))(w.t)
}

func (w *world) password(user User) CreatedDeviceLogin {
	w.t.Helper()
	return w.login(user, DeviceLoginSpec{Kind: PasswordLogin})
}

// loginPages are those that the account's JWT names, as a broker gets them.
func (w *world) loginPages() (pages claims.LoginPages) {
	w.t.Helper()
	for _, hash := range w.facts(w.account.PublicKey).Logins {
		page := must(w.Page(w.t.Context(), w.operator.ID, claims.PageName{Kind: claims.LoginKind, Hash: hash}))(w.t)
		if page.Name().Hash != hash {
			w.t.Fatalf("the page called %s is %s", hash, page.Name())
		}
		pages = append(pages, page.(claims.LoginPage))
	}
	return pages
}

func TestBrokersKnowADeviceLoginByWhatTheClientShows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("sensor")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "probe-1", RoleID: role.ID, Tags: []string{"site:north"}}))(t)
	key := must(must(claims.NewUserSeed())(t).UserKey())(t)
	life := time.Hour
	match := claims.CertificateMatch{Field: claims.CertificateDNS, Value: "Probe-1.Example.org"}
	normal := must(match.Normal())(t)
	for _, tt := range []struct {
		spec     DeviceLoginSpec
		digest   func(CreatedDeviceLogin) claims.LoginDigest
		username string
	}{
		{DeviceLoginSpec{Kind: PasswordLogin}, func(c CreatedDeviceLogin) claims.LoginDigest { return c.Secret.Digest() }, "probe-1"},
		{DeviceLoginSpec{Kind: PasswordLogin, Username: "boiler@north", ExpiresIn: &life}, func(c CreatedDeviceLogin) claims.LoginDigest { return c.Secret.Digest() }, "boiler@north"},
		{DeviceLoginSpec{Kind: TokenLogin, Description: "cellar"}, func(c CreatedDeviceLogin) claims.LoginDigest { return c.Secret.Digest() }, ""},
		{DeviceLoginSpec{Kind: NkeyLogin, PublicKey: key}, func(CreatedDeviceLogin) claims.LoginDigest { return claims.NkeyDigest(key) }, ""},
		{DeviceLoginSpec{Kind: CertificateLogin, Match: match}, func(CreatedDeviceLogin) claims.LoginDigest { return normal.Digest() }, ""},
	} {
		before := w.head()
		created := w.login(user, tt.spec)
		if w.head() == before {
			t.Errorf("%s: brokers did not hear of it", tt.spec.Kind)
		}
		if secret := tt.spec.Kind == PasswordLogin || tt.spec.Kind == TokenLogin; secret != claims.IsLoginSecret(created.Secret.Reveal()) {
			t.Errorf("%s: secret shown: %t", tt.spec.Kind, !secret)
		}
		got, ok := w.loginPages().Find(tt.digest(created))
		want := claims.DeviceLogin{Digest: tt.digest(created), User: created.PublicKey, Name: "probe-1", Username: tt.username, Role: role.PublicKey,
			Tags: []string{"site:north"}, IssuedAt: created.IssuedAt.Truncate(time.Second).UTC()}
		if created.ExpiresAt != nil {
			want.ExpiresAt = created.ExpiresAt.UTC()
		}
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: in the page: %t (-want +got):\n%s", tt.spec.Kind, ok, diff)
		}
		stored := must(w.DeviceLogin(t.Context(), w.owner, created.ID))(t)
		if diff := cmp.Diff(created.DeviceLogin, stored); diff != "" {
			t.Errorf("read back (-created +read):\n%s", diff)
		}
		if tt.spec.Kind == NkeyLogin && created.PublicKey != key {
			t.Errorf("the login's key is %s, want the client's own", created.PublicKey)
		}
		w.audited(t, "createDeviceLogin", string(created.ID))
	}
	list := must(w.DeviceLogins(t.Context(), w.owner, user.ID, PageQuery{}))(t)
	if len(list.Items) != 5 || list.Items[2].Name != "cellar" || list.Items[4].MatchValue != "probe-1.example.org" {
		t.Errorf("listed: %+v", list.Items)
	}
	got := must(w.User(t.Context(), w.owner, user.ID))(t)
	if got.ActiveDeviceLogins != 5 || got.ActiveCredentials != 0 {
		t.Errorf("the user has %d device logins and %d credentials, want 5 and none", got.ActiveDeviceLogins, got.ActiveCredentials)
	}
}

// Of a secret nothing may be kept that lets anybody in.
func TestSecretOfADeviceLoginIsNowhereInTheDatabase(t *testing.T) {
	t.Parallel()
	w := setup(t)
	created := w.password(w.user("u"))
	raw := created.Secret.Reveal()
	var rows []string
	tables, _ := w.pool.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
	for _, table := range must(pgx.CollectRows(tables, pgx.RowTo[string]))(t) {
		text, _ := w.pool.Query(t.Context(), fmt.Sprintf(`SELECT t::text FROM %q t`, table))
		rows = append(rows, must(pgx.CollectRows(text, pgx.RowTo[string]))(t)...)
	}
	all := strings.Join(rows, "\n")
	if strings.Contains(all, raw) || strings.Contains(all, raw[len(raw)-20:]) {
		t.Error("the database has the secret")
	}
	if printed := fmt.Sprintf("%+v %s", created, created.Secret); strings.Contains(printed, raw[4:]) {
		t.Error("printing what was created shows the secret")
	}
}

func TestDeviceLoginsAreNoCredentials(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	login, credential := w.password(user), w.credential(user)
	refused(t, second(w.Credential(t.Context(), w.owner, login.ID)), fault.NotFound)
	refused(t, second(w.RevokeCredential(t.Context(), w.owner, login.ID, "")), fault.NotFound)
	refused(t, second(w.ExtendCredential(t.Context(), w.owner, login.ID, CredentialLife{})), fault.NotFound)
	refused(t, second(w.DeviceLogin(t.Context(), w.owner, credential.ID)), fault.NotFound)
	_, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, credential.ID, "")
	refused(t, err, fault.NotFound)
	ofUser := must(w.Credentials(t.Context(), w.owner, user.ID, PageQuery{}))(t).Items
	ofAccount := must(w.AccountCredentials(t.Context(), w.owner, w.account.ID, CredentialFilter{}, PageQuery{}))(t).Items
	if len(ofUser) != 1 || len(ofAccount) != 1 || ofUser[0].ID != credential.ID || ofAccount[0].ID != credential.ID {
		t.Errorf("lists of credentials have %d and %d, want the one", len(ofUser), len(ofAccount))
	}
	logins := must(w.DeviceLogins(t.Context(), w.owner, user.ID, PageQuery{}))(t).Items
	if len(logins) != 1 || logins[0].ID != login.ID {
		t.Errorf("%d device logins, want the one", len(logins))
	}
}

func TestAccountsDeviceLoginsAreFilteredSearchedAndSorted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user, other := w.user("pump"), w.user("valve_1")
	short, long := 10*time.Hour, 30*day
	key := must(must(claims.NewUserSeed())(t).UserKey())(t)
	password := w.login(user, DeviceLoginSpec{Kind: PasswordLogin, Username: "boiler", ExpiresIn: &long})
	token := w.login(other, DeviceLoginSpec{Kind: TokenLogin, Description: "Cellar", ExpiresIn: &short})
	nkey := w.login(user, DeviceLoginSpec{Kind: NkeyLogin, PublicKey: key})
	cert := w.login(user, DeviceLoginSpec{Kind: CertificateLogin, Match: claims.CertificateMatch{Field: claims.CertificateURI, Value: "spiffe://example.org/cellar"}})
	w.credential(user)
	gone := w.user("gone")
	w.password(gone)
	must(w.DeleteUser(t.Context(), w.owner, gone.ID, ""))(t)
	elsewhere := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "elsewhere"}))(t)
	w.password(must(w.CreateUser(t.Context(), w.owner, elsewhere.ID, Once{}, UserSpec{Name: "pump"}))(t))
	_, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, cert.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	w.at(now.Add(9 * time.Hour))
	before := now.Add(11 * time.Hour)
	for name, c := range map[string]struct {
		filter  DeviceLoginFilter
		q, sort string
		want    []CreatedDeviceLogin
	}{
		"all":               {want: []CreatedDeviceLogin{password, token, nkey, cert}},
		"newest first":      {sort: "-created_at", want: []CreatedDeviceLogin{cert, nkey, token, password}},
		"by expiry":         {sort: "expires_at", want: []CreatedDeviceLogin{token, password, nkey, cert}},
		"by expiry down":    {sort: "-expires_at", want: []CreatedDeviceLogin{cert, nkey, password, token}},
		"active":            {filter: DeviceLoginFilter{CredentialFilter: CredentialFilter{Status: CredentialActive}}, want: []CreatedDeviceLogin{password, nkey}},
		"expiring":          {filter: DeviceLoginFilter{CredentialFilter: CredentialFilter{Status: CredentialExpiring}}, want: []CreatedDeviceLogin{token}},
		"revoked":           {filter: DeviceLoginFilter{CredentialFilter: CredentialFilter{Status: CredentialRevoked}}, want: []CreatedDeviceLogin{cert}},
		"soon to expire":    {filter: DeviceLoginFilter{CredentialFilter: CredentialFilter{ExpiresBefore: &before}}, want: []CreatedDeviceLogin{token}},
		"of one user":       {filter: DeviceLoginFilter{CredentialFilter: CredentialFilter{User: other.ID}}, want: []CreatedDeviceLogin{token}},
		"of a kind":         {filter: DeviceLoginFilter{Kind: NkeyLogin}, want: []CreatedDeviceLogin{nkey}},
		"a user name":       {q: "OILE", want: []CreatedDeviceLogin{password}},
		"what it is for":    {q: "cellar", want: []CreatedDeviceLogin{token, cert}},
		"its user's name":   {q: "valve_", want: []CreatedDeviceLogin{token}},
		"its key":           {q: strings.ToLower(string(key)), want: []CreatedDeviceLogin{nkey}},
		"by expiry, a word": {q: "cellar", sort: "expires_at", want: []CreatedDeviceLogin{token, cert}},
		"nobody's":          {q: "valve%1"},
		"all at once":       {filter: DeviceLoginFilter{Kind: TokenLogin, CredentialFilter: CredentialFilter{User: other.ID, Status: CredentialExpiring}}, q: "cell", want: []CreatedDeviceLogin{token}},
	} {
		var got, want []CredentialID
		for _, l := range c.want {
			want = append(want, l.ID)
		}
		for cursor := ""; ; { // page by page, so that each sort's cursor is tried
			page := must(w.AccountDeviceLogins(t.Context(), w.owner, w.account.ID, c.filter, PageQuery{Limit: 1, Sort: c.sort, Query: c.q, Cursor: cursor}))(t)
			for _, l := range page.Items {
				got = append(got, l.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDeviceLoginKnowsItsHistory(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	login := must(w.CreateDeviceLogin(t.Context(), w.as(Developer), user.ID, Once{}, DeviceLoginSpec{Kind: TokenLogin}))(t)
	w.password(user)
	if _, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, login.ID, ""); err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	for _, e := range must(w.DeviceLoginHistory(t.Context(), w.owner, login.ID, PageQuery{}))(t).Items {
		got = append(got, [2]string{e.Action, e.Actor})
	}
	if diff := cmp.Diff([][2]string{{"createDeviceLogin", "per_developer"}, {"revokeDeviceLogin", w.owner.ID}}, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	refused(t, second(w.CredentialHistory(t.Context(), w.owner, login.ID, PageQuery{})), fault.NotFound)
	refused(t, second(w.DeviceLoginHistory(t.Context(), w.owner, w.credential(user).ID, PageQuery{})), fault.NotFound)
}

func TestListsOfManyDeviceLoginsWalkAnIndex(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	if _, err := w.pool.Exec(t.Context(), `
		INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, name, public_key, issued_at, created_at, updated_at, kind, login_digest, expires_at, revoked_at)
		SELECT CASE WHEN creds THEN 'crd_' ELSE 'dlg_' END || lpad(n::text, 26, '0'), $1, $2, $3, $4, 'n' || n, 'U' || creds || n, now(), now(), now(),
			CASE WHEN creds THEN 'creds' ELSE 'token' END, CASE WHEN NOT creds THEN sha256(n::text::bytea) END,
			CASE WHEN n % 3 = 0 THEN now() + n * interval '1 minute' END, CASE WHEN n % 5 = 0 THEN now() END
		FROM generate_series(1, 100000) AS n
		CROSS JOIN (VALUES (true), (false)) AS kinds(creds)`, w.tenant.ID, w.account.ID, user.ID, user.RoleID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	e := &explained{querier: w.pool, t: t}
	deep := position{Sort: newestFirst, ID: "dlg_" + fmt.Sprintf("%026d", 50000)}.cursor()
	for name, c := range map[string]struct {
		filter DeviceLoginFilter
		q      PageQuery
		index  string
	}{
		"oldest first":     {index: "credentials_account_device_logins"},
		"newest first, on": {q: PageQuery{Sort: newestFirst, Cursor: deep}, index: "credentials_account_device_logins"},
		"by expiry":        {q: PageQuery{Sort: byExpiry}, index: "credentials_account_expiry"},
		"of a kind":        {filter: DeviceLoginFilter{Kind: TokenLogin}, index: "credentials_account_device_logins"},
		"searched":         {q: PageQuery{Query: "n9999"}, index: "credentials_account_device_logins"},
	} {
		k := must(c.q.keyset(oldestFirst, newestFirst, byExpiry))(t)
		start := time.Now()
		list := must(deviceLoginsByAccount(t.Context(), e, w.account, c.filter, k, time.Now()))(t)
		t.Logf("%s: %v, EXPLAIN included, among 100,000 device logins", name, time.Since(start))
		if len(list) == 0 {
			t.Errorf("%s: none is found", name)
		}
		if plan := strings.ReplaceAll(e.plan, "Incremental Sort", ""); !strings.Contains(plan, c.index) || strings.Contains(plan, "Seq Scan on credentials") || strings.Contains(plan, "Sort  (") {
			t.Errorf("%s: the plan is\n%s", name, e.plan)
		}
	}
}

func TestRevokedDeviceLoginIsInTheJWT(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	gone, other := w.password(user), w.password(user)
	revoked, change, err := w.RevokeDeviceLogin(t.Context(), w.owner, gone.ID, "stolen")
	if err != nil {
		t.Fatal(err)
	}
	facts := w.facts(w.account.PublicKey)
	if !facts.Revoked[other.PublicKey].IsZero() || facts.Revoked[gone.PublicKey].Before(gone.IssuedAt.Truncate(time.Second)) {
		t.Errorf("revoked = %v, want %s", facts.Revoked, gone.PublicKey)
	}
	if revoked.RevokeReason != "stolen" || revoked.RevokedAt == nil || change.Revision != w.head() {
		t.Errorf("revoked = %+v at revision %d", revoked, change.Revision)
	}
	w.audited(t, "revokeDeviceLogin", string(gone.ID))
	again, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, gone.ID, "again")
	if err != nil || again.RevokeReason != "stolen" {
		t.Errorf("revoked again: %+v, %v", again, err)
	}
	must(w.DeleteUser(t.Context(), w.owner, user.ID, ""))(t)
	if facts := w.facts(w.account.PublicKey); facts.Revoked[other.PublicKey].IsZero() {
		t.Error("deleting the user did not revoke its device login")
	}
}

// Brokers go by what the user is now, as they do for credentials.
func TestMovedUserTakesItsDeviceLoginsAlong(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.password(user)
	role := w.role("other")
	moved := w.move(user, role)
	w.wantOverrides(claims.UserOverride{Name: "u", Role: role.PublicKey, Connections: claims.Unlimited})
	if moved.MovedCredentials != 0 {
		t.Errorf("%d credentials are said to have moved, and there are none", moved.MovedCredentials)
	}
}

func TestWhatADeviceLoginIsFoundByIsUniqueInItsAccount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, other := w.user("u"), w.user("v")
	key := must(must(claims.NewUserSeed())(t).UserKey())(t)
	match := claims.CertificateMatch{Field: claims.CertificateURI, Value: "spiffe://example.org/pump"}
	nkey, cert := DeviceLoginSpec{Kind: NkeyLogin, PublicKey: key}, DeviceLoginSpec{Kind: CertificateLogin, Match: match}
	w.login(user, nkey)
	first := w.login(user, cert)

	twice := second(w.CreateDeviceLogin(t.Context(), w.owner, other.ID, Once{}, nkey))
	refused(t, twice, fault.Conflict, "/public_key")
	refused(t, second(w.CreateDeviceLogin(t.Context(), w.owner, other.ID, Once{}, DeviceLoginSpec{Kind: NkeyLogin, PublicKey: w.credential(user).PublicKey})), fault.Conflict, "/public_key")
	taken := second(w.CreateDeviceLogin(t.Context(), w.owner, other.ID, Once{}, cert))
	refused(t, taken, fault.Conflict, "/match")
	if strings.Contains(taken.Error(), string(user.ID)) || strings.Contains(taken.Error(), string(first.ID)) {
		t.Errorf("%q says whose it is", taken)
	}

	// Another account may know the same client.
	elsewhere, _, account := w.found("Others")
	theirs := must(w.CreateUser(t.Context(), elsewhere, account.ID, Once{}, UserSpec{Name: "u"}))(t)
	must(w.CreateDeviceLogin(t.Context(), elsewhere, theirs.ID, Once{}, cert))(t)

	// A certificate can be given again, once nobody uses it.
	if _, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, first.ID, ""); err != nil {
		t.Fatal(err)
	}
	life := time.Minute
	cert.ExpiresIn = &life
	fresh := w.login(other, cert)
	got, ok := w.loginPages().Find(must(match.Normal())(t).Digest())
	if !ok || got.User != fresh.PublicKey || w.loginPages().Len() != 2 {
		t.Errorf("pages have %d logins, and that of %s for the certificate, want %s", w.loginPages().Len(), got.User, fresh.PublicKey)
	}
	w.at(time.Now().Add(time.Hour))
	if again := w.login(user, cert); again.PublicKey == fresh.PublicKey {
		t.Error("the expired login was not replaced")
	}
	refused(t, second(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, nkey)), fault.Conflict, "/public_key")
}

func TestDeviceLoginWishesThatCannotBe(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	seed := string(must(claims.NewUserSeed())(t).Reveal())
	key := must(must(claims.NewUserSeed())(t).UserKey())(t)
	uri := claims.CertificateMatch{Field: claims.CertificateURI, Value: "spiffe://a/b"}
	past, soon := time.Now().Add(-time.Minute), time.Hour
	for _, tt := range []struct {
		spec     DeviceLoginSpec
		pointers []string
	}{
		{DeviceLoginSpec{Kind: "smoke"}, []string{"/kind"}},
		{DeviceLoginSpec{Kind: PasswordLogin, Description: "a\x00b", Username: "a b"}, []string{"/description", "/username"}},
		{DeviceLoginSpec{Kind: PasswordLogin, Username: string(w.account.PublicKey)}, []string{"/username"}},
		{DeviceLoginSpec{Kind: PasswordLogin, PublicKey: key, Match: uri}, []string{"/public_key", "/match"}},
		{DeviceLoginSpec{Kind: TokenLogin, Username: "u"}, []string{"/username"}},
		{DeviceLoginSpec{Kind: NkeyLogin}, []string{"/public_key"}},
		{DeviceLoginSpec{Kind: NkeyLogin, PublicKey: claims.UserKey(seed)}, []string{"/public_key"}},
		{DeviceLoginSpec{Kind: CertificateLogin}, []string{"/match"}},
		{DeviceLoginSpec{Kind: CertificateLogin, Match: claims.CertificateMatch{Field: "serial", Value: "7"}}, []string{"/match/kind"}},
		{DeviceLoginSpec{Kind: CertificateLogin, Match: claims.CertificateMatch{Field: claims.CertificateDNS, Value: "*.example.org"}}, []string{"/match/value"}},
		{DeviceLoginSpec{Kind: PasswordLogin, ExpiresAt: &past}, []string{"/expires_at"}},
		{DeviceLoginSpec{Kind: PasswordLogin, ExpiresAt: &past, ExpiresIn: &soon}, []string{"/expires_in"}},
	} {
		err := second(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, tt.spec))
		refused(t, err, fault.Invalid, tt.pointers...)
		if strings.Contains(err.Error(), seed) {
			t.Error("the error repeats the seed")
		}
	}
	w.plan(`max_credential_lifetime = '1 hour'`)
	long := 2 * time.Hour
	refused(t, second(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, DeviceLoginSpec{Kind: TokenLogin, ExpiresIn: &long})), fault.Invalid, "/expires_in")
	if made := w.login(user, DeviceLoginSpec{Kind: TokenLogin}); made.ExpiresAt == nil {
		t.Error("the plan's longest life does not hold for a device login that nobody chose one for")
	}
}

func TestSecretOfADeviceLoginIsShownOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, once := w.user("u"), Once{Key: "k", Request: [32]byte{1}}
	made := must(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, once, DeviceLoginSpec{Kind: TokenLogin}))(t)
	again, err := w.CreateDeviceLogin(t.Context(), w.owner, user.ID, once, DeviceLoginSpec{Kind: TokenLogin})
	refused(t, err, fault.Conflict)
	if !strings.Contains(err.Error(), string(made.ID)) || again.Secret.Reveal() != "" {
		t.Errorf("repeated: %v", err)
	}
}

func TestDeviceLoginsOfAnAccountHaveALimit(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.fillLogins(user, MaxDeviceLogins-1)
	last := w.password(user)
	err := second(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, DeviceLoginSpec{Kind: TokenLogin}))
	refused(t, err, fault.OverLimit)
	if !strings.Contains(err.Error(), "10000") {
		t.Errorf("%q does not say how many", err)
	}
	if _, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, last.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.password(user)
}

func TestKindsThatTheRolesConnectionsCannotCarryAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	key := must(must(claims.NewUserSeed())(t).UserKey())(t)
	uri := claims.CertificateMatch{Field: claims.CertificateURI, Value: "spiffe://a/b"}
	specs := map[DeviceLoginKind]DeviceLoginSpec{
		PasswordLogin: {Kind: PasswordLogin}, TokenLogin: {Kind: TokenLogin},
		NkeyLogin: {Kind: NkeyLogin, PublicKey: key}, CertificateLogin: {Kind: CertificateLogin, Match: uri},
	}
	mqtt := []claims.ConnectionType{claims.MQTT, claims.MQTTOverWS}
	for name, tt := range map[string]struct {
		role, account []claims.ConnectionType
		bearer, disk  bool
		refused       map[DeviceLoginKind]string // creds under its name
	}{
		"all types":        {disk: true},
		"MQTT":             {role: mqtt, disk: true, refused: map[DeviceLoginKind]string{NkeyLogin: "cannot sign", creds: "hold a seed"}},
		"MQTT, bearer":     {role: mqtt, disk: true, bearer: true, refused: map[DeviceLoginKind]string{NkeyLogin: "cannot sign"}},
		"MQTT, no streams": {role: mqtt, bearer: true, refused: map[DeviceLoginKind]string{PasswordLogin: "JetStream", TokenLogin: "JetStream", NkeyLogin: "JetStream", CertificateLogin: "JetStream", creds: "JetStream"}},
		"MQTT by account":  {account: mqtt, disk: true, refused: map[DeviceLoginKind]string{NkeyLogin: "cannot sign", creds: "hold a seed"}},
		"in process":       {role: []claims.ConnectionType{claims.InProcess}, disk: true, refused: map[DeviceLoginKind]string{CertificateLogin: "no TLS"}},
		"MQTT and more":    {role: []claims.ConnectionType{claims.MQTT, claims.WebSocket}},
		"nothing in common": {role: []claims.ConnectionType{claims.LeafNode}, account: []claims.ConnectionType{claims.Standard}, disk: true,
			refused: map[DeviceLoginKind]string{PasswordLogin: "LEAFNODE", TokenLogin: "STANDARD", NkeyLogin: "LEAFNODE", CertificateLogin: "STANDARD", creds: "LEAFNODE"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			template := claims.OpenTemplate()
			template.ConnectionTypes, template.Bearer = tt.role, tt.bearer
			role := must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "r", Template: template}))(t)
			user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: role.ID}))(t)
			must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
				s.Settings.ConnectionTypes = tt.account
				if !tt.disk {
					s.Limits.JetStream, s.Limits.Tiers = claims.JetStreamLimits{}, claims.JetStreamTiers{}
				}
				return nil
			}))(t)
			judge := func(kind DeviceLoginKind, pointer string, err error) {
				t.Helper()
				why, wrong := tt.refused[kind]
				if !wrong && err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				if !wrong {
					return
				}
				refused(t, err, fault.Conflict, pointer)
				if !strings.Contains(err.Error(), why) {
					t.Errorf("%s: %q does not speak of %q", kind, err, why)
				}
			}
			for kind, spec := range specs {
				judge(kind, "/kind", second(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, spec)))
			}
			judge(creds, "", second(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{})))
		})
	}
}

func TestExpiryOfADeviceLoginIsAnEvent(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, life := w.user("u"), 2*time.Hour
	login := w.login(user, DeviceLoginSpec{Kind: TokenLogin, Description: "cellar", ExpiresIn: &life})
	for _, want := range []struct {
		after time.Duration
		event EventType
	}{{90 * time.Minute, DeviceLoginExpiringEvent}, {3 * time.Hour, DeviceLoginExpiredEvent}} {
		w.at(login.IssuedAt.Add(want.after))
		if err := w.WarnOfExpiry(t.Context()); err != nil {
			t.Fatal(err)
		}
		events := must(w.Events(t.Context(), w.owner, w.tenant.ID, PageQuery{}))(t).Items
		if len(events) == 0 || events[0].Type != want.event || events[0].Subject != string(login.ID) || !strings.Contains(string(events[0].Data), "cellar") {
			t.Errorf("events = %+v, want %s of %s", events, want.event, login.ID)
		}
	}
	if n := must(w.ExpiringCredentials(t.Context(), w.account))(t); n != 0 {
		t.Errorf("%d credentials are said to expire, and there are none", n)
	}
}

func TestRefusalsNameDeviceLogins(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("b")
	login := w.password(w.user("u"))
	w.reportRefused(broker, RefusalReport{AccountKey: w.account.PublicKey, UserKey: string(login.PublicKey), Reason: "credential_revoked", Count: 1})
	got := w.refusals(w.account)
	if len(got) != 1 || got[0].DeviceLoginID == nil || *got[0].DeviceLoginID != login.ID || got[0].CredentialID != nil || *got[0].UserName != "u" {
		t.Errorf("refusals = %+v, want one of %s", got, login.ID)
	}
}

// authority is a certificate in PEM, and its key's; edit changes what it says.
func authority(t testing.TB, edit func(*x509.Certificate)) string {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if edit != nil {
		edit(c)
	}
	der := must(x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (w *world) trusts(list ...string) error {
	return second(w.UpdateAccount(w.t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
		s.Settings.CertificateAuthorities = list
		return nil
	}))
}

func TestAuthoritiesOfAnAccountAreInItsTrustPage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, other := authority(t, nil), authority(t, nil)
	if facts := w.facts(w.account.PublicKey); facts.Trust != "" {
		t.Errorf("an account that trusts nobody names the page %s", facts.Trust)
	}
	user := w.user("u")
	uri := DeviceLoginSpec{Kind: CertificateLogin, Match: claims.CertificateMatch{Field: claims.CertificateURI, Value: "spiffe://a/b"}}
	if made := w.login(user, uri); !made.Untrusted {
		t.Error("nobody says that the certificate is trusted by no authority")
	}
	if err := w.trusts(first, other); err != nil {
		t.Fatal(err)
	}
	page := func(w *world) claims.TrustPage {
		name := claims.PageName{Kind: claims.TrustKind, Hash: w.facts(w.account.PublicKey).Trust}
		return must(w.Page(t.Context(), w.operator.ID, name))(t).(claims.TrustPage)
	}
	if got := page(w).Authorities(); len(got) != 2 || string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: got[1].Raw})) != other {
		t.Errorf("the page has %d authorities, want the two", len(got))
	}
	uri.Match.Value = "spiffe://a/c"
	if made := w.login(user, uri); made.Untrusted {
		t.Error("the certificate is said to be trusted by no authority")
	}
	before := w.facts(w.account.PublicKey).Trust
	w.role("another")
	if after := w.facts(w.account.PublicKey).Trust; after != before {
		t.Error("another change made another trust page")
	}
	if err := w.trusts(); err != nil {
		t.Fatal(err)
	}
	if facts := w.facts(w.account.PublicKey); facts.Trust != "" {
		t.Errorf("the page %s is named still", facts.Trust)
	}
	refused(t, second(w.Page(t.Context(), w.operator.ID, claims.PageName{Kind: claims.TrustKind, Hash: before})), fault.NotFound)
}

func TestCertificatesThatAreNoAuthoritiesAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	good := authority(t, nil)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}))
	for name, tt := range map[string]struct {
		text, says string
	}{
		"not PEM":           {"hello", "BEGIN CERTIFICATE"},
		"a key":             {private, "private key"},
		"a key beside it":   {good + private, "private key"},
		"a request":         {strings.ReplaceAll(good, "CERTIFICATE", "CERTIFICATE REQUEST"), "REQUEST"},
		"two in one":        {good + authority(t, nil), "by itself"},
		"damaged":           {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no")})), "cannot be read"},
		"a leaf":            {authority(t, func(c *x509.Certificate) { c.IsCA = false }), "CA:TRUE"},
		"without its usage": {authority(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), "may not sign"},
		"expired":           {authority(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "expired"},
		"the same again":    {good, "already"},
	} {
		err := w.trusts(good, tt.text)
		refused(t, err, fault.Invalid, "/certificate_authorities/1")
		if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %q does not speak of %q", name, err, tt.says)
		}
	}
	many := make([]string, 17)
	for i := range many {
		many[i] = authority(t, nil)
	}
	refused(t, w.trusts(many...), fault.Invalid, "/certificate_authorities")
	if err := w.trusts(many[:16]...); err != nil {
		t.Error(err)
	}
	// What expires while an account has it is in nobody's way.
	brief := authority(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) })
	if err := w.trusts(brief); err != nil {
		t.Fatal(err)
	}
	w.at(time.Now().Add(time.Hour))
	if err := second(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = "renamed"; return nil })); err != nil {
		t.Errorf("an authority that has expired since stands in the way of a new name: %v", err)
	}
	if err := w.trusts(strings.TrimSpace(brief), authority(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour * 2) })); err != nil {
		t.Errorf("an authority that has expired since stands in the way of another: %v", err)
	}
}
