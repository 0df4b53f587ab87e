package main

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (d *delivery) pack(ctx context.Context, operatorID, after string, limit int) ([]resolver.Entry, error) {
	accounts, err := d.domain.Pack(ctx, tenants.OperatorID(operatorID), claims.AccountKey(after), limit)
	if err != nil {
		return nil, err
	}
	entries := make([]resolver.Entry, 0, len(accounts))
	for _, a := range accounts {
		entries = append(entries, entryOf(a))
	}
	return entries, nil
}

// packHashes remember each operator's, which takes reading all JWTs, for as long as nothing changes.
type packHashes struct {
	mu sync.Mutex
	of map[string]packHash // by operator
}

type packHash struct {
	head resolver.Revision
	hash [sha256.Size]byte
}

// packHash computes at most one hash at a time: servers ask every minute, and
// after a change all of them want the same.
func (d *delivery) packHash(ctx context.Context, operatorID string) ([sha256.Size]byte, error) {
	d.packHashes.mu.Lock()
	defer d.packHashes.mu.Unlock()
	head, err := d.head(ctx, operatorID) // before the hash, which may then be newer: it is computed once more
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if known, ok := d.packHashes.of[operatorID]; ok && known.head == head {
		return known.hash, nil
	}
	hash, err := d.domain.PackHash(ctx, tenants.OperatorID(operatorID))
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if d.packHashes.of == nil {
		d.packHashes.of = map[string]packHash{}
	}
	d.packHashes.of[operatorID] = packHash{head, hash}
	return hash, nil
}
