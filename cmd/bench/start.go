package main

import (
	"context"
	"fmt"
	"time"
)

// chunk is how many accounts are made, and committed, at a time.
const chunk = 10_000

// measureStart starts servers that have stored many accounts, and then ones
// that missed changes.
func (b *bench) measureStart(ctx context.Context) error {
	in, err := b.install(ctx, "start")
	if err != nil {
		return err
	}
	defer in.close()
	broker, err := in.newBroker("broker", nil)
	if err != nil {
		return err
	}
	stock, err := in.newStock("stock", nil)
	if err != nil {
		return err
	}
	some, err := in.fill(ctx, stock)
	if err != nil {
		return err
	}
	if err := b.measureTakeOver(ctx, in, broker); err != nil {
		return err
	}
	client, err := some[0].issue()
	if err != nil {
		return err
	}
	if err := b.compareStarts(ctx, stock, broker, client); err != nil {
		return err
	}
	return b.measureMissed(ctx, in, broker, some)
}

// fill stores the accounts in Postgres and with the stock server, and returns
// those of them that changes are to be made to. Control is away meanwhile, since
// it would tell of each.
func (i *installation) fill(ctx context.Context, stock *node) (some []*account, err error) {
	i.control.stop()
	for left := i.bench.scale.stored; left > 0; left -= chunk {
		accounts, err := i.operator.newAccounts(min(left, chunk))
		if err != nil {
			return nil, err
		}
		if err := i.insert(ctx, accounts); err != nil {
			return nil, err
		}
		if err := stock.storeJWTs(accounts); err != nil {
			return nil, err
		}
		some = accounts[:min(i.bench.scale.missed, len(accounts))]
	}
	if _, err := i.db.Exec(ctx, `ANALYZE`); err != nil {
		return nil, err
	}
	return some, i.startControl(ctx)
}

// measureTakeOver has an empty broker enrol and catch up.
func (b *bench) measureTakeOver(ctx context.Context, in *installation, broker *node) error {
	began := time.Now()
	if err := broker.start(); err != nil {
		return err
	}
	defer broker.stop()
	if err := in.catchesUp(ctx, broker); err != nil {
		return err
	}
	rate := float64(b.scale.stored) / time.Since(began).Seconds()
	b.add(row{Name: "accounts that an empty broker takes over from control", Unit: perSecond,
		Signalbox: perSecond.summarise([]float64{rate}),
		Note:      "Out of Postgres, and from the start of its process on, enrolment included. A stock server has no control plane."})
	return nil
}

func (b *bench) compareStarts(ctx context.Context, stock, broker *node, client credential) error {
	memory := map[*node][]float64{}
	start := func(n *node) sample {
		return func() (float64, error) {
			took, err := n.startUp(ctx, client)
			if err != nil {
				return 0, err
			}
			defer n.stop()
			resident, err := n.resident()
			memory[n] = append(memory[n], resident)
			return took, err
		}
	}
	stocks, ours, err := alternate(ctx, b.scale.starts, b.scale.stockStarts, seconds, start(stock), start(broker))
	if err != nil {
		return err
	}
	name := fmt.Sprintf("start with %s accounts stored, until a client is let in", count(b.scale.stored))
	b.add(row{Name: name, Unit: seconds, Stock: stocks, Signalbox: ours, Target: &target{Of: "median", AtMost: 1}})
	b.add(row{Name: "memory after that", Unit: memoryBytes, Stock: memoryBytes.summarise(memory[stock]),
		Signalbox: memoryBytes.summarise(memory[broker]), Target: &target{Of: "median", AtMost: 100 << 20}})
	return nil
}
