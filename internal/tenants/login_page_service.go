package tenants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// joinPages puts a new device login into the account's open page, of which what
// was there moves on if it is full; its row is to be inserted with that. Replaced is an
// earlier login by the same digest, which nobody can use any more and which leaves
// its page; nil: there was none. The caller holds the account's lock.
func joinPages(ctx context.Context, tx pgx.Tx, account Account, fresh loginRecord, replaced *loginRecord, crowded bool, now time.Time) error {
	j := pageJoin{tx: tx, account: account, replaced: replaced, now: now, since: now.Add(-loginsKeptFor)}
	if crowded {
		j.since = now
	}
	if err := j.write(ctx, fresh); err != nil {
		return fmt.Errorf("write the pages of device logins of account %s: %w", account.ID, err)
	}
	return nil
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
	var plan []plannedPage[loginRecord]
	if !fitsOpenPage(open) {
		counts, err := loginPages.count(ctx, j.tx, j.account, j.since)
		if err != nil {
			return err
		}
		closed := notFull(counts, fullOfLogins)
		more, err := loginsInPages(ctx, j.tx, j.account, closed)
		if err != nil {
			return err
		}
		plan = planPages(loginChunks(append(j.staying(more), j.staying(held)...)), closed, lastPage(counts))
		held, rewritten, open = append(held, more...), append(rewritten, closed...), []loginRecord{fresh}
	}
	plan = append(plan, plannedPage[loginRecord]{openLoginPage, open})
	if j.replaced != nil && !slices.Contains(rewritten, *j.replaced.Page) {
		number := *j.replaced.Page
		others, err := loginsInPages(ctx, j.tx, j.account, []int64{number})
		if err != nil {
			return err
		}
		held, rewritten = append(held, others...), append(rewritten, number)
		if staying := j.staying(others); len(staying) > 0 {
			plan = append(plan, plannedPage[loginRecord]{number, staying})
		}
	}
	return loginPages.rewrite(ctx, j.tx, j.account, plan, held, rewritten, j.now)
}

// staying are those that pages keep.
func (j pageJoin) staying(list []loginRecord) []loginRecord {
	return slices.DeleteFunc(mattering(list, j.since), func(r loginRecord) bool { return j.replaced != nil && r.ID == j.replaced.ID })
}
