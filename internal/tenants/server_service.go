package tenants

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// AttachServer attaches an unmodified nats-server, or a cluster of them, for
// staff. That it can be reached is not asked here: its delivery tells. A name in
// use is a Conflict at /name.
func (s *Service) AttachServer(ctx context.Context, actor Actor, operator OperatorID, once Once, spec ServerSpec) (Server, error) {
	if err := actor.requireStaff(); err != nil {
		return Server{}, err
	}
	if err := spec.validate(); err != nil {
		return Server{}, err
	}
	spec.URLs = sortedOnce(spec.URLs)
	id := NewID[ServerID]("srv")
	fresh := func(tx pgx.Tx) (Server, error) {
		if _, err := operatorByID(ctx, tx, operator); err != nil {
			return Server{}, err
		}
		now := s.clock()
		server, err := insertServer(ctx, tx, operator, id, spec, now)
		if err != nil {
			return Server{}, err
		}
		return server, insertAudit(ctx, tx, nil, actor.ID, "attachServer", string(id), now)
	}
	again := func(tx pgx.Tx, id ServerID) (Server, error) { return serverByID(ctx, tx, id) }
	return create(ctx, s, actor, once, id, fresh, again)
}

func sortedOnce(urls []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(urls)))
}

// Servers lists what is attached to the operator, for staff.
func (s *Service) Servers(ctx context.Context, actor Actor, operator OperatorID, q PageQuery) (Page[Server], error) {
	if err := actor.requireStaff(); err != nil {
		return Page[Server]{}, err
	}
	k, err := q.NamedKeyset()
	if err != nil {
		return Page[Server]{}, err
	}
	if _, err := operatorByID(ctx, s.pool, operator); err != nil {
		return Page[Server]{}, err
	}
	servers, err := serversByOperator(ctx, s.pool, operator, k)
	return PageOf(k, servers, func(v Server) (string, string) { return string(v.ID), v.Name }), err
}

// Server is one that is attached, for staff.
func (s *Service) Server(ctx context.Context, actor Actor, id ServerID) (Server, error) {
	if err := actor.requireStaff(); err != nil {
		return Server{}, err
	}
	return serverByID(ctx, s.pool, id)
}

// UpdateServer changes name or URLs, for staff. With other URLs nothing is
// known of what is there: it gets everything anew.
func (s *Service) UpdateServer(ctx context.Context, actor Actor, id ServerID, match string, edit func(*ServerSpec) error) (Server, error) {
	if err := actor.requireStaff(); err != nil {
		return Server{}, err
	}
	var server Server
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		before, err := lockServer(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := matches(match, before.Version); err != nil {
			return err
		}
		spec := before.ServerSpec
		if err := edit(&spec); err != nil {
			return err
		}
		if err := spec.validate(); err != nil {
			return err
		}
		spec.URLs = sortedOnce(spec.URLs)
		if server = before; spec.equal(before.ServerSpec) {
			return nil
		}
		ledger := before.Ledger
		if !slices.Equal(spec.URLs, before.URLs) {
			ledger = []LedgerEntry{}
			if err := feed.ForgetReceipt(ctx, tx, string(before.OperatorID), string(id)); err != nil {
				return err
			}
		}
		now := s.clock()
		if server, err = updateServer(ctx, tx, id, spec, ledger, now); err != nil {
			return err
		}
		return insertAudit(ctx, tx, nil, actor.ID, "updateServer", string(id), now)
	})
	return server, err
}

// DetachServer leaves a server alone from now on, for staff: it keeps the claims
// that it has, and hears of no change.
func (s *Service) DetachServer(ctx context.Context, actor Actor, id ServerID, match string) error {
	if err := actor.requireStaff(); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		server, err := lockServer(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := matches(match, server.Version); err != nil {
			return err
		}
		if err := deleteServer(ctx, tx, id); err != nil {
			return err
		}
		if err := feed.ForgetReceipt(ctx, tx, string(server.OperatorID), string(id)); err != nil {
			return err
		}
		return insertAudit(ctx, tx, nil, actor.ID, "detachServer", string(id), s.clock())
	})
}

// AttachedServers are those of all operators.
func (s *Service) AttachedServers(ctx context.Context) ([]Server, error) {
	return allServers(ctx, s.pool)
}

// ServerLedger is what was reported of a server last. One that is gone, or has
// other URLs by now, is NotFound.
func (s *Service) ServerLedger(ctx context.Context, id ServerID, urls []string) ([]LedgerEntry, error) {
	server, err := serverByID(ctx, s.pool, id)
	if err == nil && !slices.Equal(server.URLs, urls) {
		err = notFound("server", string(id))
	}
	return server.Ledger, err
}

// ReportServer keeps how far the server at these URLs has come. Of one that is
// gone, or has other URLs by now, nothing is kept.
func (s *Service) ReportServer(ctx context.Context, operator OperatorID, id ServerID, urls []string, r ServerReport) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		known, err := setLedger(ctx, tx, id, urls, r.Ledger)
		if err != nil || !known || !r.Heard {
			return err
		}
		return feed.RecordReceipt(ctx, tx, string(operator), feed.Receipt{BrokerKey: string(id), Applied: r.Applied, Refusals: r.Refusals})
	})
}
