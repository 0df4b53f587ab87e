package main

import (
	"context"

	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// attachments are the stock servers attached to all operators.
func (d *delivery) attachments(ctx context.Context) ([]resolver.Membership, error) {
	servers, err := d.domain.AttachedServers(ctx)
	if err != nil {
		return nil, err
	}
	var memberships []resolver.Membership
	for _, s := range servers {
		memberships = append(memberships, resolver.Membership{
			OperatorID: string(s.OperatorID), Cluster: string(s.ID), URLs: s.URLs, Attached: true,
			Login: func() (resolver.Login, error) { return d.login(s.OperatorID, "", resolver.CourierPermissions()) },
		})
	}
	return memberships, nil
}

func (d *delivery) ledger(ctx context.Context, m resolver.Membership) (resolver.Ledger, error) {
	entries, err := d.domain.ServerLedger(ctx, tenants.ServerID(m.Cluster), m.URLs)
	if err != nil {
		return resolver.Ledger{}, err
	}
	var ledger resolver.Ledger
	for _, e := range entries {
		s := resolver.StockServer{Name: e.Name, ID: e.ID, Version: e.Version, Away: e.Away, Applied: resolver.Revision(e.Applied)}
		for _, r := range e.Refusals {
			s.Refusals = append(s.Refusals, resolver.Refusal{Account: r.AccountKey, Revision: resolver.Revision(r.Revision), Reason: r.Reason})
		}
		ledger.Servers = append(ledger.Servers, s)
	}
	return ledger, nil
}

func (d *delivery) keepLedger(ctx context.Context, m resolver.Membership, now resolver.Ledger) error {
	report := tenants.ServerReport{Ledger: []tenants.LedgerEntry{}, Applied: feed.Revision(now.Applied()),
		Refusals: refusalsOf(now.Refusals()), Heard: now.Heard()}
	for _, s := range now.Servers {
		report.Ledger = append(report.Ledger, tenants.LedgerEntry{Name: s.Name, ID: s.ID, Version: s.Version, Away: s.Away,
			Applied: feed.Revision(s.Applied), Refusals: refusalsOf(s.Refusals)})
	}
	err := d.domain.ReportServer(ctx, tenants.OperatorID(m.OperatorID), tenants.ServerID(m.Cluster), m.URLs, report)
	d.waiters.wake(m.OperatorID)
	return err
}

func refusalsOf(refusals []resolver.Refusal) []feed.Refusal {
	kept := make([]feed.Refusal, 0, len(refusals))
	for _, r := range refusals {
		kept = append(kept, feed.Refusal{AccountKey: r.Account, Revision: feed.Revision(r.Revision), Reason: r.Reason})
	}
	return kept
}
