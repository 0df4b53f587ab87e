package main

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// digestWithin bounds how long one broker may take: it reads its whole store.
const digestWithin = 30 * time.Second

// checkDrift compares what the operator's brokers hold with what the database
// says, all at once; one that does not answer is named as that.
func (d *delivery) checkDrift(ctx context.Context, actor tenants.Actor, operator tenants.OperatorID, repair bool) (httpapi.DriftCheck, error) {
	known, err := d.domain.OperatorDelivery(ctx, actor, operator)
	if err != nil {
		return httpapi.DriftCheck{}, err
	}
	check := httpapi.DriftCheck{Brokers: make([]httpapi.BrokerDrift, len(known.Brokers))}
	drifts := make([]resolver.Drift, len(known.Brokers))
	var g errgroup.Group
	for i, b := range known.Brokers {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, digestWithin)
			defer cancel()
			drift, err := d.hub.Drift(ctx, string(operator), string(b.PublicKey))
			check.Brokers[i] = httpapi.BrokerDrift{Broker: b.Name, Applied: int64(b.Applied)}
			if err != nil {
				d.log.Warn("cannot check a broker for drift", "operator", operator, "broker", b.Name, "error", err)
				check.Brokers[i].Error = "the broker could not be asked what it holds"
				return nil
			}
			drifts[i] = drift
			check.Brokers[i] = httpapi.BrokerDrift{Broker: b.Name, Applied: drift.Applied,
				Stale: drift.Stale, Missing: drift.Missing, Foreign: drift.Foreign}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return httpapi.DriftCheck{}, err
	}
	if !repair {
		return check, nil
	}
	what := repairOf(drifts)
	check.Repaired = len(what.Again) + len(what.Foreign)
	if check.Repaired == 0 {
		return check, nil
	}
	return check, d.domain.RepairDrift(ctx, actor, operator, what)
}

// repairOf is what all of the brokers lack. What a broker calls an account and
// can be none is left out: no server asks for it.
func repairOf(drifts []resolver.Drift) tenants.Repair {
	var repair tenants.Repair
	for _, drift := range drifts {
		repair.Past = max(repair.Past, feed.Revision(drift.Highest))
		repair.Again = append(repair.Again, keysOf(append(drift.Stale, drift.Missing...))...)
		repair.Foreign = append(repair.Foreign, keysOf(drift.Foreign)...)
	}
	slices.Sort(repair.Again)
	slices.Sort(repair.Foreign)
	repair.Again, repair.Foreign = slices.Compact(repair.Again), slices.Compact(repair.Foreign)
	return repair
}

func keysOf(accounts []string) []claims.AccountKey {
	var keys []claims.AccountKey
	for _, text := range accounts {
		if key, err := claims.ParseAccountKey(text); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

func (d *delivery) sums(ctx context.Context, operatorID string) (map[string]int64, error) {
	return d.domain.HeldSums(ctx, tenants.OperatorID(operatorID))
}

func (d *delivery) held(ctx context.Context, operatorID string, buckets []string) ([]resolver.Held, error) {
	jwts, err := d.domain.Held(ctx, tenants.OperatorID(operatorID), buckets)
	if err != nil {
		return nil, err
	}
	held := make([]resolver.Held, 0, len(jwts))
	for _, j := range jwts {
		held = append(held, resolver.Held{Account: string(j.Key), Revision: resolver.Revision(j.Revision), Sum: j.Sum})
	}
	return held, nil
}
