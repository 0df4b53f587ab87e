package main

import (
	"context"
	"sync/atomic"
	"time"
)

// measureIssue issues creds over REST, each recorded in Postgres, on disk,
// before it is answered.
func (b *bench) measureIssue(ctx context.Context) error {
	in, err := b.install(ctx, "issue")
	if err != nil {
		return err
	}
	defer in.close()
	account, err := in.create(ctx, "/v1/tenants/"+in.tenant+"/accounts", "issue")
	if err != nil {
		return err
	}
	user, err := in.create(ctx, "/v1/accounts/"+account+"/users", "app")
	if err != nil {
		return err
	}
	var rates []float64
	for range b.scale.rounds {
		issued, err := rate(func() (int, error) { return in.issueFor(ctx, b.scale.round, user) })()
		if err != nil {
			return err
		}
		rates = append(rates, issued)
	}
	b.add(row{Name: "creds issued over REST, durably", Unit: perSecond, Signalbox: perSecond.summarise(rates), Target: &target{Of: "median", AtLeast: 2000},
		Note: "The stock server issues none. Postgres and the caller are on the same machine."})
	return nil
}

// issueFor issues credentials again and again, and returns how many it were.
func (i *installation) issueFor(ctx context.Context, d time.Duration, user string) (int, error) {
	var done atomic.Int64
	until := time.Now().Add(d)
	workers := i.bench.scale.clients
	err := inParallel(workers, workers, func(int) error {
		for time.Now().Before(until) {
			if err := i.call(ctx, "POST", "/v1/users/"+user+"/credentials", map[string]string{}, nil); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return int(done.Load()), err
}
