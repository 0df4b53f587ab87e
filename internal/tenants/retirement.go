package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// AccountStatus says what becomes of an account's clients.
type AccountStatus string

const (
	AccountActive    AccountStatus = "active"
	AccountSuspended AccountStatus = "suspended" // nobody gets in until it is resumed
	AccountDeleting  AccountStatus = "deleting"  // nobody gets in; it can be restored until it is purged
)

// Status is the account's.
func (a Account) Status() AccountStatus {
	switch {
	case a.DeletingAt != nil:
		return AccountDeleting
	case a.SuspendedAt != nil:
		return AccountSuspended
	}
	return AccountActive
}

// frozen accounts let nobody in, and keep what they have.
func (a Account) frozen() bool { return a.Status() != AccountActive }

// Bounds of the time in which deleting an account can be undone.
const (
	DefaultUndo = 7 * 24 * time.Hour
	MaxUndo     = 90 * 24 * time.Hour
)

// Retirement is how far an account's deletion has come, or what it would take.
type Retirement struct {
	Account   Account
	Phase     RetirementPhase
	DeletedAt *time.Time // since when brokers have its tombstone; nil: they do not
	PurgedAt  *time.Time // when the last broker had confirmed; nil: not all have
	Disks     []BrokerDisk
}

// RetirementPhase is where a deletion is.
type RetirementPhase string

// An account goes through these in their order; until it is purging it can go back.
const (
	NotRetiring RetirementPhase = "none"      // it is not being deleted
	Frozen      RetirementPhase = "frozen"    // nobody gets in, and everything is kept
	Draining    RetirementPhase = "draining"  // it is to be purged, and not every broker that can be reached has ended its connections
	Purging     RetirementPhase = "purging"   // brokers erase what they hold
	Verifying   RetirementPhase = "verifying" // no broker knows of anything left, but not every one has looked
	Purged      RetirementPhase = "done"
)

// BrokerDisk is what one broker has said of the deleted account.
type BrokerDisk struct {
	ID       BrokerID
	Kind     RecipientKind // an attached server's disk nobody can look at
	Broker   string
	HeardAt  *time.Time // when it last told of its disk; nil: never
	Verified bool       // nothing of the account is there
	Bytes    int64      // that it found
	Error    string     // why it could not erase them; empty: nothing has gone wrong
}

// DiskReport is what a broker says of deleted accounts on its own disk: nothing of
// those that were deleted up to the revision is there, but what Found names.
type DiskReport struct {
	Broker   claims.UserKey
	Verified feed.Revision
	Found    []DiskFind
}

// DiskFind is what a broker found of one deleted account.
type DiskFind struct {
	Account claims.AccountKey
	Gone    bool // it has erased that
	Bytes   int64
	Error   string // why it could not
}

// DiskState is what is known of a deleted account on one disk.
type DiskState string

const (
	DiskKept       DiskState = "kept"       // the account is not purged yet
	DiskWaiting    DiskState = "waiting"    // the broker has not looked
	DiskErasing    DiskState = "erasing"    // it holds something still
	DiskErased     DiskState = "erased"     // nothing is there
	DiskUnverified DiskState = "unverified" // an attached server's, at which nobody can look
)

// State is what is known of the disk.
func (r Retirement) State(d BrokerDisk) DiskState {
	switch {
	case r.DeletedAt == nil:
		return DiskKept
	case d.Kind != BrokerRecipient:
		return DiskUnverified
	case d.Verified:
		return DiskErased
	case d.Bytes > 0 || d.Error != "":
		return DiskErasing
	}
	return DiskWaiting
}

// phase is where a deletion is, by what brokers say.
func (r Retirement) phase(now time.Time) RetirementPhase {
	switch {
	case r.Account.DeletingAt == nil && r.DeletedAt == nil:
		return NotRetiring
	case r.DeletedAt == nil && now.Before(*r.Account.PurgeAt):
		return Frozen
	case r.DeletedAt == nil:
		return Draining
	}
	phase := Purged
	for _, d := range r.Disks {
		switch r.State(d) {
		case DiskErasing:
			return Purging
		case DiskWaiting:
			if r.PurgedAt == nil { // else it has enrolled later
				phase = Verifying
			}
		}
	}
	return phase
}

// mayChange refuses changes of an account by who may not make them, and of one
// that is being deleted.
func (a Actor) mayChange(account Account, least MemberRole) error {
	if err := a.Require(account.TenantID, least); err != nil {
		return err
	}
	return account.live()
}

// live refuses an account that is being deleted.
func (a Account) live() error {
	if a.DeletingAt == nil {
		return nil
	}
	return fault.New(fault.Conflict, "the account %s is being deleted; to change anything in it, restore it first", a.Name)
}
