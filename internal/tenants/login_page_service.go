package tenants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// joinPages puts a new device login into the account's open page, of which what
// was there moves on if it is full, and inserts its row with that. Replaced is an
// earlier login by the same digest, which nobody can use any more and which leaves
// its page; nil: there was none. The caller holds the account's lock.
func joinPages(ctx context.Context, tx pgx.Tx, account Account, fresh loginRecord, replaced *loginRecord, insert func() error, now time.Time) error {
	j := pageJoin{tx: tx, account: account, replaced: replaced, now: now, since: now.Add(-loginsKeptFor)}
	kept, err := countLogins(ctx, tx, account)
	if err != nil {
		return err
	}
	if kept >= MaxDeviceLogins {
		j.since = now
	}
	if err := j.write(ctx, fresh); err != nil {
		return fmt.Errorf("write the pages of device logins of account %s: %w", account.ID, err)
	}
	return insert()
}

// pageJoin is one login joining its account's pages.
type pageJoin struct {
	tx       pgx.Tx
	account  Account
	replaced *loginRecord
	since    time.Time // what was revoked or had expired by then leaves
	now      time.Time
}

func (j pageJoin) write(ctx context.Context, fresh loginRecord) error {
	rewritten := []int64{openLoginPage}
	held, err := loginsInPages(ctx, j.tx, j.account, rewritten)
	if err != nil {
		return err
	}
	open := append(j.staying(held), fresh)
	var plan []loginPage
	if !fitsOpenPage(open) {
		counts, err := countLoginPages(ctx, j.tx, j.account, j.since)
		if err != nil {
			return err
		}
		closed := notFullLogins(counts)
		more, err := loginsInPages(ctx, j.tx, j.account, closed)
		if err != nil {
			return err
		}
		last := int64(openLoginPage)
		for _, p := range counts {
			last = max(last, p.Number)
		}
		plan = planLoginPages(append(j.staying(more), j.staying(held)...), closed, last)
		held, rewritten, open = append(held, more...), append(rewritten, closed...), []loginRecord{fresh}
	}
	plan = append(plan, loginPage{openLoginPage, open})
	if j.replaced != nil && !slices.Contains(rewritten, *j.replaced.Page) {
		number := *j.replaced.Page
		others, err := loginsInPages(ctx, j.tx, j.account, []int64{number})
		if err != nil {
			return err
		}
		held, rewritten = append(held, others...), append(rewritten, number)
		if staying := j.staying(others); len(staying) > 0 {
			plan = append(plan, loginPage{number, staying})
		}
	}
	return j.keep(ctx, plan, held, rewritten, fresh)
}

// staying are those that pages keep.
func (j pageJoin) staying(list []loginRecord) []loginRecord {
	return slices.DeleteFunc(loginsMattering(list, j.since), func(r loginRecord) bool { return j.replaced != nil && r.ID == j.replaced.ID })
}

// keep makes pages and rows what the plan says. The fresh login has no row yet.
func (j pageJoin) keep(ctx context.Context, plan []loginPage, held []loginRecord, rewritten []int64, fresh loginRecord) error {
	for _, p := range plan {
		page, err := p.encode()
		if err != nil {
			return err
		}
		if err := upsertLoginPage(ctx, j.tx, j.account, p.number, page, p.expiresAt(), j.now); err != nil {
			return err
		}
		rewritten = slices.DeleteFunc(rewritten, func(n int64) bool { return n == p.number })
	}
	moves := loginMovesTo(plan, held, fresh.ID)
	if len(moves.ids) > 0 {
		if err := moveLogins(ctx, j.tx, j.account, moves); err != nil {
			return err
		}
	}
	if len(rewritten) == 0 {
		return nil
	}
	return deleteLoginPages(ctx, j.tx, j.account, rewritten)
}
