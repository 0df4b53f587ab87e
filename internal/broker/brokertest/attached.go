package brokertest

import (
	"context"

	"github.com/signalbox-io/signalbox/internal/resolver"
)

// Attach attaches unmodified nats-servers, in place of those attached before.
func (c *Control) Attach(urls ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attached, c.ledger = urls, resolver.Ledger{}
	if c.hub != nil {
		c.hub.Refresh()
	}
}

// Ledger is how far the attached servers have come.
func (c *Control) Ledger() resolver.Ledger {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ledger
}

// WaitLedger waits until what is known of the attached servers satisfies ok.
func (c *Control) WaitLedger(what string, ok func(resolver.Ledger) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c.WaitFor(ctx, what, func() bool { return ok(c.Ledger()) })
}

// Lose loses all changes, as if the database were restored from an empty copy.
func (c *Control) Lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.revision, c.published = map[string]resolver.Entry{}, 0, 0
}

// attachment needs mu.
func (c *Control) attachment() resolver.Membership {
	login := func() (resolver.Login, error) { return c.loginWith(resolver.CourierPermissions()) }
	return resolver.Membership{OperatorID: OperatorID, Cluster: "attached", URLs: c.attached, Attached: true, Login: login}
}

func (c *Control) readLedger(context.Context, resolver.Membership) (resolver.Ledger, error) {
	return c.Ledger(), nil
}

func (c *Control) keepLedger(_ context.Context, _ resolver.Membership, now resolver.Ledger) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledger = now
	c.heard()
	return nil
}
