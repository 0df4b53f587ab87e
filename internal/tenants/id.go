package tenants

import (
	"encoding/base32"

	"github.com/google/uuid"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Ids are text: a prefix that says what they name, and a UUIDv7 in lower-case
// Crockford base32, 26 characters. They sort by age. Each noun has its own
// type, so that a user's cannot be passed for an account's.
type (
	TenantID     string
	PersonID     string
	APITokenID   string
	PlanID       string
	OperatorID   string
	AccountID    string
	RoleID       string
	UserID       string
	CredentialID string
	BrokerID     string
	ServerID     string
	EnrollmentID string
	AuditEventID string
	RefusalID    string
	OperationID  string
	EventID      string
	BatchID      string
	OIDCIssuerID string
)

var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an id with the three-letter prefix of its noun: ten, per, tok,
// pln, opr, acc, rol, usr, crd, brk, srv, enr, aud, ref, opn, evt, bat, oid.
func NewID[T ~string](prefix string) T {
	id := uuid.Must(uuid.NewV7())
	return T(prefix + "_" + crockford.EncodeToString(id[:]))
}

func notFound(noun, id string) error {
	return fault.New(fault.NotFound, "there is no %s %s", noun, id)
}
