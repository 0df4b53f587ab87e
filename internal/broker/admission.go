package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

const (
	maxAge       = 24 * time.Hour
	aloneAfter   = 5 * time.Second
	beatEvery    = time.Second
	confirmEvery = 10 * time.Second // how far behind the stored confirmation may be

	metaConfirmed = "confirmed" // in the store: when control last confirmed what is in it
)

// useAdmission puts the judging of logins between the server and the resolver.
func (b *Broker) useAdmission(trust *resolver.Trust) error {
	b.shares = lease.NewHolder(b.PublicKey(), b.log)
	b.follower.Count(b.shares, b.usage)
	b.gate = admission.NewGate(b.cfg.WhenAlone, b.cfg.MaxAge, b.cfg.AloneAfter, b.confirmed(), b.contact)
	var err error
	b.admission, err = admission.New(admission.Config{
		Server:        func() *server.Server { return b.server },
		SystemAccount: b.identity.SystemAccount,
		OwnKeySigns:   !trust.Claims().StrictSigningKeyUsage,
		Account:       b.resolver.Claims,
		Release:       b.resolver.Release,
		Refused:       b.refused,
		Admitted:      b.seen,
		Gate:          b.closed,
		Shares:        b.shares,
		Logger:        b.log,
	})
	if err != nil {
		return fmt.Errorf("set up admission: %w", err)
	}
	b.options.CustomClientAuthentication = b.admission
	return b.resolver.Watch(resolver.Watcher{Knows: b.admission.Knows, Publish: b.admission.Publish, Foresee: b.foresee, Updated: b.admission.Updated})
}

// maxClosings are so many of the connections that would be closed as are told.
const maxClosings = 256

func (b *Broker) foresee(c *jwt.AccountClaims, trust claims.TrustPage) resolver.Outlook {
	o := b.admission.Foresee(c, trust)
	out := resolver.Outlook{Connected: int64(o.Connected), Closed: int64(len(o.Closed)), Subscriptions: int64(o.Subscriptions)}
	for _, closing := range o.Closed[:min(maxClosings, len(o.Closed))] {
		out.Connections = append(out.Connections, resolver.Closing{ID: closing.ID, User: closing.User, ConnectionType: closing.Type,
			Address: closing.Address, Name: closing.Name, Subscriptions: int64(closing.Subscriptions)})
	}
	return out
}

// refused tells control of logins that somebody there may want to hear of.
func (b *Broker) refused(r admission.Refusal) {
	if r.Account == "" || r.Account == b.identity.SystemAccount {
		return
	}
	b.follower.Refused(resolver.RefusedLogin{Account: r.Account, User: r.User, Reason: string(r.Reason), ConnectionType: r.Kind, Address: r.Host}, r.Detail)
}

// seen tells control of logins, so that people see which credentials are in use.
func (b *Broker) seen(l admission.Login) {
	if l.Account == b.identity.SystemAccount {
		return
	}
	b.follower.Seen(resolver.Sighting{Account: l.Account, User: l.User, ConnectionType: l.Kind, Address: l.Host, At: l.At,
		Name: l.Name, Language: l.Language, Version: l.Version})
}

// closed is why tenants may not come in; nil: they may.
func (b *Broker) closed() error {
	if why := b.unseated.Load(); why != nil {
		return fmt.Errorf("control does not know this broker any more: %s", *why)
	}
	if b.cfg.ControlURL != "" && !b.asked.Load() && time.Since(b.started) < b.cfg.AloneAfter {
		return errors.New("control has not said yet whether it knows this broker")
	}
	return b.gate.Err()
}

func (b *Broker) contact() admission.Contact {
	p, _ := b.follower.Progress()
	return admission.Contact{HeardAt: p.HeardAt, ConfirmedAt: p.ConfirmedAt}
}

// confirmed is when control confirmed what is stored, before this start; zero: never.
func (b *Broker) confirmed() time.Time {
	var at time.Time
	if err := at.UnmarshalText(b.store.Meta(metaConfirmed)); err != nil {
		return time.Time{}
	}
	return at
}

// beat keeps the gate going, tells the log when it opens or shuts, and keeps
// what control confirmed for the next start.
func (b *Broker) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	open := false
	for {
		_, changed := b.follower.Progress()
		b.gate.Beat()
		why := b.closed()
		switch {
		case why == nil && !open:
			b.log.Info("clients may log in")
		case why != nil && open:
			b.log.Warn("clients are refused", "reason", why)
		}
		open = why == nil
		b.keepConfirmed(confirmEvery)
		select {
		case <-ctx.Done():
			b.keepConfirmed(0)
			return
		case <-changed: // a first confirmation is stored at once: the broker may not live for another second
		case <-tick.C:
		}
	}
}

// keepConfirmed stores the time of control's last confirmation, if what is
// stored is older by more than that.
func (b *Broker) keepConfirmed(slack time.Duration) {
	at := b.contact().ConfirmedAt
	if at.IsZero() || at.Sub(b.confirmed()).Abs() <= slack {
		return
	}
	text, err := at.MarshalText()
	if err == nil {
		err = b.store.SetMeta(metaConfirmed, text)
	}
	if err != nil {
		b.log.Error("cannot store when control was last heard", "error", err)
	}
}

// WaitOpen waits until tenants' clients may log in.
func (b *Broker) WaitOpen(ctx context.Context) error {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		why := b.closed()
		if why == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until clients may log in: %w: %w", ctx.Err(), why)
		case <-retry.C:
		}
	}
}

// Admission is what judges the broker's logins.
func (b *Broker) Admission() *admission.Admission { return b.admission }
