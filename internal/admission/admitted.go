package admission

import "time"

// Login is a login that was let in. Name, Language and Version are what the
// client says of itself.
type Login struct {
	Account string // public key
	User    string // public key of the credential
	Kind    string // of the connection, as in jwt.ConnectionType…
	Host    string // where it came from
	At      time.Time

	Name, Language, Version string
}

// admitted counts a login that was let in, and tells of it.
func (a *Admission) admitted(l *login) {
	a.counts.admitted.Add(1)
	if a.cfg.Admitted == nil {
		return
	}
	a.cfg.Admitted(Login{Account: l.refusal.Account, User: l.refusal.User, Kind: l.refusal.Kind, Host: l.refusal.Host, At: l.at,
		Name: l.said.Name, Language: l.said.Lang, Version: l.said.Version})
}
