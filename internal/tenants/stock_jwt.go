package tenants

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// maxStockRevocations is how many revocations a JWT for stock servers has, which
// know nothing of pages; some 11,200 would fill it to the last byte.
const maxStockRevocations = 10_000

// bytesPerRevocation is what one costs in a JWT: key, time and quotes, in base64.
const bytesPerRevocation = (56 + 11 + 4) * 4 / 3

// StockJWT is AccountJWTByKey for a server that knows nothing of revocation
// pages and of users who are not what their credentials say. An account that has
// neither is the same to it. Of another, all revocations are in the JWT, up to
// 10,000: those that matter longest, and before them the credentials of moved
// users, as if they were revoked. How many had to be left out, it says.
func (s *Service) StockJWT(ctx context.Context, operator OperatorID, key claims.AccountKey) (AccountJWT, error) {
	a, err := s.AccountJWTByKey(ctx, operator, key)
	if err != nil {
		return AccountJWT{}, err
	}
	return s.forStock(ctx, operator, a)
}

func (s *Service) forStock(ctx context.Context, operator OperatorID, a AccountJWT) (AccountJWT, error) {
	if !claims.MayDifferForStock(a.JWT) {
		return a, nil
	}
	if known, ok := s.stock.get(a); ok {
		return known, nil
	}
	var stock AccountJWT
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if stock, err = accountJWTByKey(ctx, tx, operator, a.Key); err != nil {
			return err
		}
		return s.inline(ctx, tx, operator, &stock)
	})
	if err != nil {
		return AccountJWT{}, fmt.Errorf("sign account %s for stock servers: %w", a.Key, err)
	}
	s.stock.put(stock)
	return stock, nil
}

// inline depends on nothing but rows and their JWT: every replica makes the same
// of them, at any time, so that servers do not take it for a change.
func (s *Service) inline(ctx context.Context, tx pgx.Tx, operator OperatorID, a *AccountJWT) error {
	facts, err := claims.DecodeAccount(a.JWT)
	if err != nil {
		return err
	}
	expired := facts.IssuedAt.Add(-revocationGrace)
	moved, err := movedRevocations(ctx, tx, a.Key, expired)
	if err != nil || len(facts.Pages) == 0 && len(moved) == 0 {
		return err
	}
	room := min((claims.MaxTokenBytes-len(a.JWT))/bytesPerRevocation+len(facts.Revoked), maxStockRevocations)
	moved, leftOut := moved[:min(room, len(moved))], int64(max(0, len(moved)-room))
	list, more, err := longestRevocations(ctx, tx, a.Key, expired, max(1, room-len(moved)))
	if err != nil {
		return err
	}
	list, a.LeftOut = append(list, moved...), leftOut+more
	a.JWT, err = s.signForOperator(ctx, tx, operator, func(signer claims.Seed) (string, error) {
		return claims.InlineRevocations(a.JWT, revokedOf(list), signer)
	})
	return err
}

// stockJWTs are those signed last.
type stockJWTs struct {
	mu    sync.Mutex
	byKey map[claims.AccountKey]AccountJWT
}

const maxStockJWTs = 64 // kept, of about 1 MiB

func (k *stockJWTs) get(a AccountJWT) (AccountJWT, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.byKey[a.Key]
	return known, ok && known.Revision == a.Revision
}

func (k *stockJWTs) put(a AccountJWT) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byKey == nil || len(k.byKey) >= maxStockJWTs {
		k.byKey = map[claims.AccountKey]AccountJWT{}
	}
	k.byKey[a.Key] = a
}
