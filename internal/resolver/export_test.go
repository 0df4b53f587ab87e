package resolver

// HoldLoad makes the account look as if nats-server had asked for it and were
// still loading it. Release lets that go on, from what the store then holds or
// the token given.
func (r *Resolver) HoldLoad(account string) (release func(token string)) {
	l, _ := r.begin(account)
	return func(token string) {
		l.token = token
		close(l.fetched)
	}
}
