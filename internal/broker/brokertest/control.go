package brokertest

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// EnrollmentToken lets brokers enrol, as often as they like.
const EnrollmentToken = "sbe_brokertest"

// OperatorID is the id of the control's one operator.
const OperatorID = "opr_brokertest"

// Control is a control plane of one operator with its truth in memory: a map of
// accounts and a revision. All else is what the real one uses: the hub, the
// claims, the HTTP protocol of enrolment.
type Control struct {
	t         testing.TB
	log       *slog.Logger
	http      *httptest.Server
	operator  claims.Operator
	main      claims.Seed // signs nothing but the operator's JWT
	signing   claims.Seed
	system    claims.Seed
	systemKey claims.AccountKey
	opJWT     string
	systemJWT string

	mu        sync.Mutex
	entries   map[string]resolver.Entry
	revision  resolver.Revision
	published resolver.Revision
	drop      int // pushes still to be lost
	lookups   int
	pages     map[claims.PageHash]claims.Page
	asked     int             // for pages
	brokers   map[string]seat // public key ->
	receipts  map[string]resolver.Receipt
	refusals  []resolver.Refusal
	standing  map[string][]resolver.Refusal
	reported  map[string]resolver.Receipt // the last whole one of each broker
	reports   map[string]int              // how many there were
	attached  []string                    // URLs of stock servers
	ledger    resolver.Ledger
	logins    []resolver.RefusedLogins // as brokers reported them
	seen      []resolver.SeenLogin     // likewise
	disks     map[string]resolver.DiskReport
	spared    map[string]bool // deleted accounts that no broker is told to erase
	shares    shares
	changed   chan struct{}
	hub       *resolver.Hub
	stopHub   func()
}

type seat struct {
	name, cluster, url string
	endpoints          broker.Endpoints
}

// NewControl starts a control plane that ends with the test.
func NewControl(t testing.TB) *Control {
	t.Helper()
	c := &Control{
		t: t, log: Logger(t), changed: make(chan struct{}),
		entries: map[string]resolver.Entry{}, brokers: map[string]seat{}, receipts: map[string]resolver.Receipt{},
		standing: map[string][]resolver.Refusal{}, reported: map[string]resolver.Receipt{}, reports: map[string]int{},
		pages: map[claims.PageHash]claims.Page{},
		disks: map[string]resolver.DiskReport{}, spared: map[string]bool{},
	}
	c.makeOperator()
	c.http = httptest.NewServer(c.routes())
	t.Cleanup(c.http.Close)
	c.StartHub()
	t.Cleanup(c.StopHub)
	return c
}

func (c *Control) makeOperator() {
	operatorSeed, operatorKey := NewOperatorSeed(c.t)
	signing, signingKey := NewOperatorSeed(c.t)
	system, systemKey := NewAccountSeed(c.t)
	c.main, c.signing, c.system, c.systemKey = operatorSeed, signing, system, systemKey
	c.operator = claims.Operator{Key: operatorKey, Name: "brokertest", SigningKeys: []claims.OperatorKey{signingKey}, SystemAccount: systemKey}
	c.opJWT = must(claims.EncodeOperator(c.operator, operatorSeed))(c.t)
	c.systemJWT = must(claims.EncodeSystemAccount(systemKey, "SYS", signing))(c.t)
}

// URL is where brokers enrol.
func (c *Control) URL() string { return c.http.URL }

// OperatorJWT is the operator's.
func (c *Control) OperatorJWT() string { return c.opJWT }

// SystemAccount returns the system account's public key and JWT.
func (c *Control) SystemAccount() (key, token string) { return string(c.systemKey), c.systemJWT }

// Seeds are what signs for the operator: its own, its signing key's, and its
// system account's, for tests that make claims which package claims would not.
func (c *Control) Seeds() (operator, signing, system claims.Seed) { return c.main, c.signing, c.system }

// StartHub brings the hub up, as another control process would.
func (c *Control) StartHub() {
	hub, stop := c.runHub(func(ctx context.Context, hub *resolver.Hub) { hub.Lead(ctx) })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hub, c.stopHub = hub, stop
}

// StartSecondHub runs another replica beside the hub until the test ends. It
// publishes nothing.
func (c *Control) StartSecondHub() {
	_, stop := c.runHub(func(context.Context, *resolver.Hub) {})
	c.t.Cleanup(stop)
}

// runHub runs a hub, and beside it what a replica does that leads or does not.
func (c *Control) runHub(beside func(context.Context, *resolver.Hub)) (hub *resolver.Hub, stop func()) {
	hub = resolver.NewHub(resolver.Source{
		Changes: c.changes, Lookup: c.lookup, LookupForStock: c.lookup, Page: c.page, Applied: c.applied, Brokers: c.memberships, Refused: c.refusedLogins, Seen: c.seenLogins, Disk: c.disk, Lease: c.lease,
		Head:   func(context.Context, string) (resolver.Revision, error) { return c.Revision(), nil },
		Ledger: c.readLedger, Keep: c.keepLedger,
	}, c.log)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = hub.Run(ctx) }) // always nil
	running.Go(func() { beside(ctx, hub) })
	return hub, func() { cancel(); running.Wait() }
}

// StopHub takes control away from the brokers' sight. Changes made meanwhile are kept.
func (c *Control) StopHub() {
	c.mu.Lock()
	stop := c.stopHub
	c.hub, c.stopHub = nil, nil
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Close takes all of control away for good, its HTTP side included.
func (c *Control) Close() {
	c.StopHub()
	c.http.Close()
}

// Hub is the running hub, nil when stopped.
func (c *Control) Hub() *resolver.Hub {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hub
}

// Revision is the operator's.
func (c *Control) Revision() resolver.Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revision
}

// Lookups is how many lookups brokers have sent.
func (c *Control) Lookups() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookups
}

// LoseNext loses the next n pushes on their way.
func (c *Control) LoseNext(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop = n
}

// Put commits an account's JWT, whatever it holds, and publishes it.
func (c *Control) Put(account, token string) resolver.Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revision++
	e := resolver.Entry{Account: account, Revision: c.revision, JWT: token}
	c.entries[account] = e
	previous := c.published
	c.published = e.Revision
	if c.drop > 0 {
		c.drop--
		return e.Revision
	}
	if c.hub != nil {
		if err := c.hub.Publish(context.Background(), OperatorID, previous, e, true); err != nil {
			c.log.Debug("a push did not reach everybody", "error", err)
		}
	}
	return e.Revision
}

// Entry is an account's current entry.
func (c *Control) Entry(account string) resolver.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[account]
}

// Refusals are all that brokers have reported, repeats included.
func (c *Control) Refusals() []resolver.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refusals)
}

// Standing are the refusals in the last whole receipt of the broker with the public key.
func (c *Control) Standing(publicKey string) []resolver.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.standing[publicKey])
}

// WaitFor waits until what control has heard from brokers satisfies ok.
func (c *Control) WaitFor(ctx context.Context, what string, ok func() bool) {
	c.t.Helper()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			c.t.Fatalf("control waited for %s: %v", what, ctx.Err())
		}
	}
}

// Applied is the highest revision that the broker with the public key reported.
func (c *Control) Applied(publicKey string) resolver.Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.receipts[publicKey].Applied
}

// Reported is the last whole receipt of the broker with the public key.
func (c *Control) Reported(publicKey string) resolver.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reported[publicKey]
}

// Reports is how many whole receipts the broker with the public key has sent.
func (c *Control) Reports(publicKey string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reports[publicKey]
}

// Mend puts another JWT in the place of an account's current one, at the same
// revision and without telling anybody.
func (c *Control) Mend(account, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[account]
	e.JWT = token
	c.entries[account] = e
}

// heard wakes those who wait. Needs mu.
func (c *Control) heard() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Control) changes(_ context.Context, _ string, since resolver.Revision, limit int) ([]resolver.Entry, resolver.Revision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var entries []resolver.Entry
	for _, e := range c.entries {
		if e.Revision > since {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b resolver.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
	return entries[:min(limit, len(entries))], c.revision, nil
}

func (c *Control) lookup(_ context.Context, _, account string) (resolver.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookups++
	c.heard()
	e, ok := c.entries[account]
	if !ok {
		return resolver.Entry{}, fault.New(fault.NotFound, "no account %s", account)
	}
	return e, nil
}

func (c *Control) page(_ context.Context, _ string, name claims.PageName) (claims.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	page, ok := c.pages[name.Hash]
	if !ok || page.Name() != name {
		return nil, fault.New(fault.NotFound, "no page %s", name)
	}
	return page, nil
}

// PutPage makes control know a page that revokes these users as of now.
func (c *Control) PutPage(users ...claims.UserKey) claims.PageHash {
	c.t.Helper()
	revoked := map[claims.UserKey]time.Time{}
	for _, key := range users {
		revoked[key] = time.Now()
	}
	page := must(claims.EncodeRevocationPage(revoked))(c.t)
	c.KeepPage(page)
	return page.Hash()
}

// KeepPage makes control know a page.
func (c *Control) KeepPage(page claims.Page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages[page.Name().Hash] = page
}

// PagesAsked is how often brokers have asked for a page.
func (c *Control) PagesAsked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// LosePage makes control forget a page, as if another had taken its place.
func (c *Control) LosePage(hash claims.PageHash) claims.Page {
	c.mu.Lock()
	defer c.mu.Unlock()
	page := c.pages[hash]
	delete(c.pages, hash)
	return page
}

func (c *Control) refusedLogins(_ context.Context, _, _ string, logins []resolver.RefusedLogins) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logins = append(c.logins, logins...)
	c.heard()
	return nil
}

// disk has brokers erase every account whose tombstone was delivered, but those that are spared.
func (c *Control) disk(_ context.Context, _ string, r resolver.DiskReport) (deleted []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disks[r.Broker] = r
	for _, f := range r.Found {
		if !c.spared[f.Account] {
			deleted = append(deleted, f.Account)
		}
	}
	c.heard()
	return deleted, nil
}

// Spare keeps brokers from being told to erase the account, or lets them be.
func (c *Control) Spare(account claims.AccountKey, spared bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spared[string(account)] = spared
}

// WaitDisk waits until the broker has told of its disk what satisfies ok.
func (c *Control) WaitDisk(node *Node, what string, ok func(resolver.DiskReport) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	key := node.PublicKey()
	c.WaitFor(ctx, node.Name+": "+what, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		r, heard := c.disks[key]
		return heard && ok(r)
	})
}

// RefusedLogins are all that brokers have reported.
func (c *Control) RefusedLogins() []resolver.RefusedLogins {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.logins)
}

func (c *Control) seenLogins(_ context.Context, _, _ string, logins []resolver.SeenLogin) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, logins...)
	c.heard()
	return nil
}

// SeenLogins are all that brokers have reported.
func (c *Control) SeenLogins() []resolver.SeenLogin {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.seen)
}

func (c *Control) applied(_ context.Context, _ string, r resolver.Receipt) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Applied >= c.receipts[r.Broker].Applied {
		c.receipts[r.Broker] = r
	}
	c.refusals = append(c.refusals, r.Refusals...)
	if !r.Partial {
		c.standing[r.Broker] = r.Refusals
		c.reported[r.Broker] = r
		c.reports[r.Broker]++
	}
	c.heard()
	return nil
}

func (c *Control) memberships(context.Context) ([]resolver.Membership, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clusters := map[string]resolver.Membership{}
	for key, s := range c.brokers {
		name := cmp.Or(s.cluster, key)
		m, ok := clusters[name]
		if !ok {
			m = resolver.Membership{OperatorID: OperatorID, Cluster: name, Brokers: map[string]string{}, Login: c.login}
		}
		if s.url != "" {
			m.URLs = append(m.URLs, s.url)
			m.Brokers[key] = s.url
			m.Roots += s.endpoints.CA
			m.TLSFirst = slices.Contains(s.endpoints.TLSFirstOnly, s.url)
		}
		clusters[name] = m
	}
	var all []resolver.Membership
	for _, m := range clusters {
		if len(m.URLs) > 0 {
			all = append(all, m)
		}
	}
	if len(c.attached) > 0 {
		all = append(all, c.attachment())
	}
	return all, nil
}

func (c *Control) login() (resolver.Login, error) { return c.loginWith(resolver.ControlPermissions()) }

func (c *Control) loginWith(may claims.Template) (resolver.Login, error) {
	seed, err := claims.NewUserSeed()
	if err != nil {
		return resolver.Login{}, err
	}
	key, err := seed.UserKey()
	if err != nil {
		return resolver.Login{}, err
	}
	token, err := claims.EncodeSystemUser(key, "control", c.systemKey, may, c.system)
	if err != nil {
		return resolver.Login{}, err
	}
	return resolver.NewLogin(token, seed)
}

// SystemCreds is a user of the system account who may do everything: an
// administrator with other tools, or a confused one.
func (c *Control) SystemCreds() Credential {
	c.t.Helper()
	seed, key := NewUserSeed(c.t)
	token := must(claims.EncodeSystemUser(key, "admin", c.systemKey, claims.OpenTemplate(), c.system))(c.t)
	return Credential{Key: key, JWT: token, Seed: seed}
}

// BrokerCreds is a user of the system account with a broker's permissions: what
// somebody has who got hold of a broker's identity.
func (c *Control) BrokerCreds() Credential {
	c.t.Helper()
	seed, key := NewUserSeed(c.t)
	return Credential{Key: key, JWT: c.SystemUser(key, resolver.BrokerPermissions(key)), Seed: seed}
}

// SystemUser is the JWT of a user of the system account who may do that.
func (c *Control) SystemUser(key claims.UserKey, may claims.Template) string {
	c.t.Helper()
	return must(claims.EncodeSystemUser(key, "broker", c.systemKey, may, c.system))(c.t)
}

func (c *Control) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/brokers", c.enroll)
	mux.HandleFunc("PUT /v1/brokers/{broker}/announcement", c.announce)
	return mux
}

type brokerBody struct {
	Name       string           `json:"name"`
	PublicKey  claims.UserKey   `json:"public_key"`
	Cluster    string           `json:"cluster"`
	ControlURL string           `json:"control_url"`
	Endpoints  broker.Endpoints `json:"endpoints"`
}

func (c *Control) enroll(w http.ResponseWriter, r *http.Request) {
	var body brokerBody
	if r.Header.Get("Authorization") != "Bearer "+EnrollmentToken {
		writeProblem(w, http.StatusUnauthorized, "this enrolment token is unknown or used up")
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	token, err := claims.EncodeSystemUser(body.PublicKey, body.Name, c.systemKey, resolver.BrokerPermissions(body.PublicKey), c.system)
	if err != nil {
		writeProblem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	c.seat(string(body.PublicKey), body)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"id": string(body.PublicKey), "token": "sbb_" + string(body.PublicKey), "operator_id": OperatorID, "operator_jwt": c.opJWT,
		"system_account_public_key": string(c.systemKey), "system_account_jwt": c.systemJWT, "user_jwt": token,
	})
}

func (c *Control) announce(w http.ResponseWriter, r *http.Request) {
	var body brokerBody
	key := r.PathValue("broker")
	if r.Header.Get("Authorization") != "Bearer sbb_"+key || !c.seated(key) {
		writeProblem(w, http.StatusUnauthorized, "this broker was removed")
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	c.seat(key, body)
	_ = json.NewEncoder(w).Encode(map[string]string{"user_jwt": c.SystemUser(claims.UserKey(key), resolver.BrokerPermissions(claims.UserKey(key)))})
}

// Seat enrols a broker that is none: whatever listens at the URL.
func (c *Control) Seat(publicKey, controlURL string) {
	c.seat(publicKey, brokerBody{Name: "seat", ControlURL: controlURL})
}

func (c *Control) seated(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.brokers[key]
	return ok
}

// Remove forgets a broker: control does not speak to it, nor takes its announcements.
func (c *Control) Remove(publicKey string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.brokers, publicKey)
	if c.hub != nil {
		c.hub.Refresh()
	}
}

func (c *Control) seat(key string, body brokerBody) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.brokers[key] = seat{name: body.Name, cluster: body.Cluster, url: body.ControlURL, endpoints: body.Endpoints}
	if c.hub != nil {
		c.hub.Refresh()
	}
	c.heard()
}

// Announced is what the broker with the public key said of where it is.
func (c *Control) Announced(publicKey string) (controlURL string, e broker.Endpoints) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.brokers[publicKey]
	return s.url, s.endpoints
}

// problemNames are those that brokers look at.
var problemNames = map[int]string{http.StatusUnauthorized: "unauthenticated"}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"type":"/problems/` + problemNames[status] + `","status":` + strconv.Itoa(status) + `,"detail":` + strconv.Quote(strings.ToValidUTF8(detail, "?")) + `}`))
}

// Account is a tenant's account with one role, and what signs for both.
type Account struct {
	t       testing.TB
	control *Control
	Key     claims.AccountKey
	Role    claims.Seed

	mu     sync.Mutex
	claims claims.Account
}

// NewAccount makes an account that may do anything over any connection type. It
// is not published yet.
func (c *Control) NewAccount(name string) *Account {
	c.t.Helper()
	_, key := NewAccountSeed(c.t)
	role, roleKey := NewAccountSeed(c.t)
	return &Account{t: c.t, control: c, Key: key, Role: role, claims: claims.Account{
		Key: key, Name: name, Limits: claims.UnlimitedLimits(),
		Roles:   []claims.Role{{Key: roleKey, Name: "everything", Template: claims.OpenTemplate()}},
		Revoked: map[claims.UserKey]time.Time{},
	}}
}

// Change edits the claims, commits and publishes them. A nil edit publishes them as they are.
func (a *Account) Change(edit func(*claims.Account)) resolver.Revision {
	a.t.Helper()
	return a.control.Put(string(a.Key), a.Edit(edit))
}

// Edit edits the claims and returns the JWT, without committing it.
func (a *Account) Edit(edit func(*claims.Account)) string {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if edit != nil {
		edit(&a.claims)
	}
	return must(claims.EncodeAccount(a.claims, a.control.signing))(a.t)
}

// SignedBy is the account's current JWT as another control would sign it.
func (a *Account) SignedBy(other *Control) string {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	return must(claims.EncodeAccount(a.claims, other.signing))(a.t)
}

// Revoke revokes a user's key, commits and publishes.
func (a *Account) Revoke(key claims.UserKey) resolver.Revision {
	a.t.Helper()
	return a.Change(func(c *claims.Account) { c.Revoked[key] = time.Now() })
}

// Delete publishes the account's tombstone.
func (a *Account) Delete() resolver.Revision {
	a.t.Helper()
	return a.control.Put(string(a.Key), must(claims.EncodeTombstone(a.Key, a.claims.Name, a.control.signing))(a.t))
}

// Expired is the account's current JWT with an expiry.
func (a *Account) Expired(at time.Time) string {
	a.t.Helper()
	return a.Custom(func(c *jwt.AccountClaims) { c.Expires = at.Unix() })
}

// Custom is the account's current JWT with claims that Signalbox would not make.
func (a *Account) Custom(edit func(*jwt.AccountClaims)) string {
	a.t.Helper()
	c, err := jwt.DecodeAccountClaims(a.Edit(nil))
	if err != nil {
		a.t.Fatal(err)
	}
	edit(c)
	signer, err := nkeys.FromSeed(a.control.signing.Reveal())
	if err != nil {
		a.t.Fatal(err)
	}
	return must(c.Encode(signer))(a.t)
}

// Issue makes a credential under the account's role.
func (a *Account) Issue(name string) Credential {
	a.t.Helper()
	seed, key := NewUserSeed(a.t)
	token := must(claims.EncodeUser(claims.User{Key: key, Name: name, Account: a.Key}, a.Role))(a.t)
	return Credential{Key: key, JWT: token, Seed: seed}
}

// NewLogin is a device login of a user with that name in the account's role, which
// nobody can use before it has a digest and is among those that are [Account.SetLogins].
func (a *Account) NewLogin(name string) claims.DeviceLogin {
	a.t.Helper()
	_, key := NewUserSeed(a.t)
	return claims.DeviceLogin{User: key, Name: name, Role: must(a.Role.AccountKey())(a.t), IssuedAt: time.Now().Truncate(time.Second)}
}

// NewSecret is a secret for logins to the account.
func (a *Account) NewSecret() claims.LoginSecret {
	a.t.Helper()
	return must(claims.NewLoginSecret(a.Key))(a.t)
}

// SetLogins publishes the account with these device logins in a page, and no others.
func (a *Account) SetLogins(logins ...claims.DeviceLogin) resolver.Revision {
	a.t.Helper()
	var pages []claims.PageHash
	if len(logins) > 0 {
		page := must(claims.EncodeLoginPage(logins))(a.t)
		a.control.KeepPage(page)
		pages = append(pages, page.Hash())
	}
	return a.Change(func(c *claims.Account) { c.Logins = pages })
}

// SetTrust publishes the account with what it trusts; nothing, if that is zero.
func (a *Account) SetTrust(trust claims.Trust) resolver.Revision {
	a.t.Helper()
	var hash claims.PageHash
	if len(trust.Authorities)+len(trust.Issuers) > 0 {
		page := must(claims.EncodeTrustPage(trust))(a.t)
		a.control.KeepPage(page)
		hash = page.Hash()
	}
	return a.Change(func(c *claims.Account) { c.Trust = hash })
}
