package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Sighting is a login with a credential, as a broker told of it. Its JSON is how
// queries answer it.
type Sighting struct {
	At             time.Time `json:"at"`
	Address        string    `json:"address"`         // the client's, without port
	ConnectionType string    `json:"connection_type"` // STANDARD, WEBSOCKET, …
	Client         string    `json:"client"`          // what it says of itself; may be empty
	Broker         string    `json:"broker"`          // its name
}

// SightingReport is what a broker says of a credential's last login there.
type SightingReport struct {
	AccountKey     claims.AccountKey
	UserKey        claims.UserKey
	ConnectionType string
	Address        string
	Client         string
	Ago            time.Duration // before now: the broker's clock may show another time
}

// latestSightings bounds what a report says, and leaves one of each credential.
func latestSightings(reports []SightingReport) []SightingReport {
	type identity struct {
		account claims.AccountKey
		user    claims.UserKey
	}
	place := map[identity]int{} // in latest
	var latest []SightingReport
	for _, r := range reports {
		for _, text := range []*string{&r.ConnectionType, &r.Address, &r.Client} {
			*text = cut(*text)
		}
		r.Ago = max(0, r.Ago)
		i, known := place[identity{r.AccountKey, r.UserKey}]
		switch {
		case !known:
			place[identity{r.AccountKey, r.UserKey}] = len(latest)
			latest = append(latest, r)
		case r.Ago < latest[i].Ago:
			latest[i] = r
		}
	}
	return latest
}
