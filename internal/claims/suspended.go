package claims

import "time"

// allSuspended is up to when a suspended account's users are revoked: not the
// end of time, by which a tombstone is told from it.
var allSuspended = endOfTime.Add(-time.Second)

// EncodeSuspended signs an account that lets nobody in and loses nothing: like
// a tombstone it revokes every user, whenever issued, and allows no connection,
// but limits of JetStream, roles and all else are as they were, so that no
// server touches what is stored.
func EncodeSuspended(a Account, signer Seed) (string, error) {
	a.Revoked, a.Pages = map[UserKey]time.Time{AllUsers: allSuspended}, nil
	a.Limits.Connections, a.Limits.LeafNodes = 0, 0
	return EncodeAccount(a, signer)
}
