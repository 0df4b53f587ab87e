package tenants

import (
	"encoding/json"
	"time"
)

// Operation is work that takes more than one transaction. It is done in steps,
// each one transaction that also keeps how far the work has come; so it goes on
// where it was when control is killed, in whichever replica is free.
type Operation struct {
	ID         OperationID
	TenantID   *TenantID   // whose members may see it; nil: staff only
	OperatorID *OperatorID // that it is about; nil: none
	Kind       OperationKind
	Stage      string // what it does now, or did last
	Detail     string // what it waits for; empty: for nothing
	Done       int64
	Total      int64 // as it was when the work began; 0: unknown
	CreatedBy  string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	FinishedAt *time.Time // nil: under way
}

// OperationKind is what an operation does.
type OperationKind string

// Kinds of operations.
const (
	AnnounceTenant OperationKind = "announce_tenant" // signs a tenant's accounts anew
	MoveTenants    OperationKind = "move_tenants"    // moves a plan version's tenants to the newest

	RotateSigningKey    OperationKind = "rotate_signing_key"    // signs an operator's accounts with its next key
	RotateSystemAccount OperationKind = "rotate_system_account" // moves an operator's brokers to another system account
)

// Stages that more than one kind has.
const (
	stageSigning = "signing"
	stageDone    = "done"
)

// work is an operation under its lock.
type work struct {
	Operation
	State json.RawMessage
}

// finish says that there is nothing left to do.
func (w *work) finish(now time.Time) {
	w.Stage, w.Detail, w.FinishedAt = stageDone, "", &now
}

// keep encodes how far the work has come.
func (w *work) keep(state any) error {
	var err error
	w.State, err = json.Marshal(state)
	return err
}
