package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// delivery brings account JWTs to brokers: it joins the feed's relay, which
// knows what changed, the domain, which knows how accounts are now, and the
// resolver's hub, which knows where the brokers are.
type delivery struct {
	pool   *pgxpool.Pool
	domain *tenants.Service
	hub    *resolver.Hub
	relay  *feed.Relay
	log    *slog.Logger

	pushed     map[string]resolver.Revision // by operator, up to where this replica has; known to the relay's goroutine only
	waiters    waiters
	packHashes packHashes
	leftOut    sync.Map // revision by account: the last of which was said that stock servers do not hear all
}

func newDelivery(pool *pgxpool.Pool, domain *tenants.Service, log *slog.Logger) *delivery {
	d := &delivery{pool: pool, domain: domain, log: log, pushed: map[string]resolver.Revision{}}
	d.hub = resolver.NewHub(resolver.Source{
		Changes:        d.changes,
		Lookup:         d.lookup,
		LookupForStock: d.lookupForStock,
		Page:           d.page,
		Applied:        d.applied,
		Refused:        d.refused,
		Seen:           d.seen,
		Disk:           d.disk,
		Lease:          d.lease,
		Head:           d.head,
		Operator:       d.operatorJWT,
		Sums:           d.sums,
		Held:           d.held,
		Pack:           d.pack,
		PackHash:       d.packHash,
		Brokers:        d.memberships,
		Ledger:         d.ledger,
		Keep:           d.keepLedger,
	}, log)
	d.relay = feed.NewRelay(pool, d.publish, log)
	d.relay.WhileLeading(d.hub.Lead)
	return d
}

func (d *delivery) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.hub.Run(ctx) })
	g.Go(func() error { return d.relay.Run(ctx) })
	return g.Wait()
}

// publish sends changes with the JWTs as they are by now, and whatever else was
// changed by now: an account's earlier change is then sent with its latest, and
// only what is sent up to the head leaves no such gap. Brokers that cannot be
// reached ask for what they missed once they can, so that is no reason to hold
// the others up.
func (d *delivery) publish(ctx context.Context, operatorID string, previous feed.Revision, changes []feed.Change) error {
	if len(changes) == 0 {
		d.pushed[operatorID] = resolver.Revision(previous)
		return d.hub.Announce(ctx, operatorID)
	}
	if d.pushed[operatorID] >= resolver.Revision(changes[len(changes)-1].Revision) {
		return nil // sent with the changes before
	}
	d.pushed[operatorID] = max(d.pushed[operatorID], resolver.Revision(previous))
	entries, head, err := d.changes(ctx, operatorID, d.pushed[operatorID], maxPushed)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := d.hub.Publish(ctx, operatorID, d.pushed[operatorID], e, e.Revision == head)
		if err != nil && !errors.Is(err, fault.Unavailable) {
			return err
		}
		d.pushed[operatorID] = e.Revision
	}
	return nil
}

const maxPushed = 500 // accounts whose JWTs are read at a time

func (d *delivery) changes(ctx context.Context, operatorID string, since resolver.Revision, limit int) ([]resolver.Entry, resolver.Revision, error) {
	accounts, head, err := d.domain.ChangesSince(ctx, tenants.OperatorID(operatorID), feed.Revision(since), limit)
	if err != nil {
		return nil, 0, err
	}
	entries := make([]resolver.Entry, 0, len(accounts))
	for _, a := range accounts {
		entries = append(entries, entryOf(a))
	}
	return entries, resolver.Revision(head), nil
}

func (d *delivery) lookup(ctx context.Context, operatorID, account string) (resolver.Entry, error) {
	a, err := d.domain.AccountJWTByKey(ctx, tenants.OperatorID(operatorID), claims.AccountKey(account))
	if err != nil {
		return resolver.Entry{}, err
	}
	return entryOf(a), nil
}

func (d *delivery) page(ctx context.Context, operatorID string, name claims.PageName) (claims.Page, error) {
	return d.domain.Page(ctx, tenants.OperatorID(operatorID), name)
}

func entryOf(a tenants.AccountJWT) resolver.Entry {
	return resolver.Entry{Account: string(a.Key), Revision: resolver.Revision(a.Revision), JWT: a.JWT}
}

func (d *delivery) head(ctx context.Context, operatorID string) (resolver.Revision, error) {
	head, err := feed.Head(ctx, d.pool, operatorID)
	return resolver.Revision(head), err
}

func (d *delivery) operatorJWT(ctx context.Context, operatorID string) (string, error) {
	return d.domain.OperatorJWTID(ctx, tenants.OperatorID(operatorID))
}

// applied keeps what a broker says it has in force. Answers to single pushes
// are not kept: the broker's whole receipt follows each of them.
func (d *delivery) applied(ctx context.Context, operatorID string, r resolver.Receipt) error {
	if r.Partial {
		return nil
	}
	effects := make([]feed.Effect, 0, len(r.Effects))
	for _, e := range r.Effects {
		effects = append(effects, feed.Effect{AccountKey: e.Account, Revision: feed.Revision(e.Revision), Closed: e.Closed, Micros: e.Micros})
	}
	err := feed.RecordReceipt(ctx, d.pool, operatorID,
		feed.Receipt{BrokerKey: r.Broker, Applied: feed.Revision(r.Applied), Settled: r.Settled, Refusals: refusalsOf(r.Refusals), Effects: effects})
	d.waiters.wake(operatorID)
	return err
}

// memberships are all that the hub keeps connections to.
func (d *delivery) memberships(ctx context.Context) ([]resolver.Membership, error) {
	brokers, err := d.brokers(ctx)
	if err != nil {
		return nil, err
	}
	attachments, err := d.attachments(ctx)
	return append(brokers, attachments...), err
}

// refused keeps what a broker says of logins it did not let in.
func (d *delivery) refused(ctx context.Context, operatorID, broker string, logins []resolver.RefusedLogins) error {
	reports := make([]tenants.RefusalReport, 0, len(logins))
	for _, l := range logins {
		reports = append(reports, tenants.RefusalReport{
			AccountKey: claims.AccountKey(l.Account), UserKey: l.User, Reason: l.Reason, Detail: l.Detail,
			ConnectionType: l.ConnectionType, Address: l.Address, Count: l.Count,
			FirstAgo: time.Duration(l.FirstAgo) * time.Millisecond, LastAgo: time.Duration(l.LastAgo) * time.Millisecond,
		})
	}
	return d.domain.RecordRefusals(ctx, tenants.OperatorID(operatorID), claims.UserKey(broker), reports)
}

// seen keeps what a broker says of logins it let in.
func (d *delivery) seen(ctx context.Context, operatorID, broker string, logins []resolver.SeenLogin) error {
	reports := make([]tenants.SightingReport, 0, len(logins))
	for _, l := range logins {
		reports = append(reports, tenants.SightingReport{AccountKey: claims.AccountKey(l.Account), UserKey: claims.UserKey(l.User),
			ConnectionType: l.ConnectionType, Address: l.Address, Client: l.Client, Ago: time.Duration(l.Ago) * time.Millisecond})
	}
	return d.domain.RecordSightings(ctx, tenants.OperatorID(operatorID), claims.UserKey(broker), reports)
}

// brokers groups each operator's brokers by the cluster and the system account
// they are in; one that stands alone is a cluster of its own.
func (d *delivery) brokers(ctx context.Context) ([]resolver.Membership, error) {
	seats, err := d.domain.BrokerSeats(ctx)
	if err != nil {
		return nil, err
	}
	var memberships []resolver.Membership
	for _, seat := range seats {
		place := map[[2]string]int{} // index in memberships, by cluster and system account
		for _, b := range seat.Brokers {
			if b.ControlURL == "" {
				continue // it will say where it is once it has a port
			}
			cluster, system := clusterOf(b), cmp.Or(b.System, seat.Operator.SystemPublicKey)
			i, ok := place[[2]string{cluster, string(system)}]
			if !ok {
				i = len(memberships)
				place[[2]string{cluster, string(system)}] = i
				memberships = append(memberships, resolver.Membership{
					OperatorID: string(seat.Operator.ID),
					Cluster:    cluster,
					System:     string(system),
					Brokers:    map[string]string{},
					Login: func() (resolver.Login, error) {
						return d.login(seat.Operator.ID, system, resolver.ControlPermissions())
					},
				})
			}
			memberships[i].URLs = append(memberships[i].URLs, b.ControlURL)
			memberships[i].Roots += b.Endpoints.CA
			memberships[i].TLSFirst = b.Endpoints.WantsTLSFirst(b.ControlURL) && (!ok || memberships[i].TLSFirst)
			memberships[i].Brokers[string(b.PublicKey)] = b.ControlURL
		}
	}
	return memberships, nil
}

// clusterOf is the cluster that the hub keeps one connection to for the broker.
func clusterOf(b tenants.Broker) string {
	return cmp.Or(b.Cluster, string(b.ID))
}

// links tells which of the operator's clusters this replica is connected to.
func (d *delivery) links(operator tenants.OperatorID) map[string]httpapi.Link {
	links := map[string]httpapi.Link{}
	for _, l := range d.hub.Status() {
		if l.OperatorID == string(operator) {
			links[l.Cluster] = httpapi.Link{Connected: l.Connected, LastError: l.LastError}
		}
	}
	return links
}

// login makes a user of a system account, the operator's present one if empty,
// for one attempt to connect.
func (d *delivery) login(operator tenants.OperatorID, system claims.AccountKey, may claims.Template) (resolver.Login, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	token, seed, err := d.domain.SystemUser(ctx, operator, system, "control", may)
	if err != nil {
		return resolver.Login{}, err
	}
	return resolver.Login{JWT: token, Sign: seed.Sign}, nil
}

const (
	askFor         = time.Second // how long brokers may take to say who is connected
	maxConnections = 256         // asked of each broker
)

// connections asks every broker of the account's operator who is connected to the account.
func (d *delivery) connections(ctx context.Context, account tenants.Account) (httpapi.Connections, error) {
	brokers, err := d.domain.CountBrokers(ctx, account.OperatorID)
	if err != nil {
		return httpapi.Connections{}, err
	}
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	lists, err := d.hub.Connections(asking, string(account.OperatorID), string(account.PublicKey), maxConnections, brokers)
	if err != nil {
		return httpapi.Connections{}, err
	}
	var keys []claims.UserKey
	for _, list := range lists {
		for _, c := range list.Connections {
			keys = append(keys, c.User)
		}
	}
	names, err := d.domain.UserNames(ctx, account, keys)
	if err != nil {
		return httpapi.Connections{}, err
	}
	found := httpapi.Connections{Asked: brokers, Answered: len(lists)}
	for _, list := range lists {
		for _, c := range list.Connections {
			found.Items = append(found.Items, httpapi.Connection{Broker: list.Broker, ClientType: c.ClientType,
				UserPublicKey: string(c.User), User: names[c.User], Name: c.Name, Address: c.Address,
				Language: c.Language, Version: c.Version, ConnectedAt: c.ConnectedAt,
				Subscriptions: c.Subscriptions, MessagesIn: c.MessagesIn, MessagesOut: c.MessagesOut})
		}
	}
	return found, nil
}

var clusterConnected = prometheus.NewDesc("signalbox_cluster_connected",
	"1 while this replica is connected to the cluster of brokers.", []string{"operator", "cluster"}, nil)

// Describe and Collect make the state of the connections to brokers a metric.
func (d *delivery) Describe(ch chan<- *prometheus.Desc) { ch <- clusterConnected }

// Collect is called for each scrape.
func (d *delivery) Collect(ch chan<- prometheus.Metric) {
	for _, l := range d.hub.Status() {
		value := 0.0
		if l.Connected {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(clusterConnected, prometheus.GaugeValue, value, l.OperatorID, l.Cluster)
	}
}
