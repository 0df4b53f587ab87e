package tenants

import (
	"encoding/json"
	"time"
)

// Event is something that happened to a thing of a tenant's without anybody
// doing it. What somebody did is in the audit.
type Event struct {
	ID        EventID
	Type      EventType
	Subject   string          // the id of the thing
	Data      json.RawMessage // what there is to say about it, by type
	CreatedAt time.Time
}

// EventType says what happened.
type EventType string

const (
	CredentialExpiringEvent EventType = "credential.expiring" // once for each expiry that comes near
	CredentialExpiredEvent  EventType = "credential.expired"

	DeviceLoginExpiringEvent EventType = "device_login.expiring" // likewise
	DeviceLoginExpiredEvent  EventType = "device_login.expired"
)

const (
	eventsAtOnce = 500                 // written in one transaction
	eventsFor    = 90 * 24 * time.Hour // and then they are forgotten
)
