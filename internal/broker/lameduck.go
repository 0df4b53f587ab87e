package broker

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// lameDuck is how a broker hands its clients over to others before it stops.
//
// nats-server's own lame-duck mode closes all connections in a random order and
// takes none back, the broker's on the system account among them: from then on a
// revocation would not reach whoever is left, for minutes. So the server only
// begins it, which closes listeners, moves JetStream's leaders and tells clients,
// and then waits for an end that this package brings about: it closes the
// tenants' connections, as the server would, and what the broker itself needs
// goes last.
type lameDuck struct {
	grace    time.Duration // from when clients are told until the first connection is closed
	duration time.Duration // until the last one is, grace included
}

// Between two connections that are closed there is never more than this.
const longestPause = time.Second

// forever is longer than any lame-duck mode.
const forever = 365 * 24 * time.Hour

// takeLameDuck reads what the configuration says and leaves the server to wait.
func takeLameDuck(o *server.Options) lameDuck {
	l := lameDuck{
		grace:    cmp.Or(o.LameDuckGracePeriod, server.DEFAULT_LAME_DUCK_GRACE_PERIOD),
		duration: cmp.Or(o.LameDuckDuration, server.DEFAULT_LAME_DUCK_DURATION),
	}
	o.LameDuckGracePeriod, o.LameDuckDuration = forever, 2*forever
	return l
}

// handOver returns when no tenant's connection is left, or ctx has ended. The
// server takes no new ones.
func (b *Broker) handOver(ctx context.Context) {
	go b.server.LameDuckShutdown() // ends with the server
	l := b.lameDuck
	b.log.Info("lame-duck mode: clients are told, and go to other brokers", "grace", l.grace, "duration", l.duration)
	if len(b.tenantConnections()) > 0 && !sleep(ctx, l.grace) {
		return
	}
	open := b.tenantConnections()
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	pause := min((l.duration-l.grace)/time.Duration(max(1, len(open))), longestPause)
	for i, id := range open {
		if i > 0 && !sleep(ctx, pause/2+rand.N(pause/2+1)) {
			return
		}
		_ = b.server.DisconnectClientByID(id) // unless it has gone by itself
	}
	b.log.Info("lame-duck mode: no clients are left")
}

// tenantConnections are the ids of all connections, leaf nodes among them, but
// those of the system account.
func (b *Broker) tenantConnections() (ids []uint64) {
	all, err := b.server.Connz(&server.ConnzOptions{Username: true, Limit: b.server.NumClients() + b.server.NumLeafNodes() + 1}) // 0 is 1,024
	if err != nil {
		b.log.Error("cannot list the clients", "error", err)
		return nil
	}
	for _, c := range all.Conns {
		if c.Account != b.identity.SystemAccount {
			ids = append(ids, c.Cid)
		}
	}
	return ids
}

// sleep says whether it slept as long as it should.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
