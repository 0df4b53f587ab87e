package admission

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// readUser decodes a user JWT and verifies that its issuer signed it, whoever
// that is. With an error it returns the user all the same, if that is so.
func readUser(token string) (*jwt.UserClaims, error) {
	if token == "" {
		return nil, refused(NoCredential, "the client sent no user JWT")
	}
	user, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, refused(Malformed, "the user JWT cannot be read, or its signature is not right")
	}
	return user, valid(user, time.Now().Unix())
}

// valid says whether a user's claims can be any login's at that time, in seconds since 1970.
func valid(user *jwt.UserClaims, now int64) error {
	problems := jwt.CreateValidationResults()
	user.Validate(problems)
	const withTimes = false // those it holds against the clock of now
	switch {
	case user.ProxyRequired:
		return refused(ProxyRequired, "the user may come through a proxy only")
	case user.Expires > 0 && user.Expires < now:
		return refused(CredentialExpired, "the credential expired at %s", time.Unix(user.Expires, 0).UTC().Format(time.RFC3339))
	case user.NotBefore > now:
		return refused(CredentialNotYetValid, "the credential is valid from %s", time.Unix(user.NotBefore, 0).UTC().Format(time.RFC3339))
	case problems.IsBlocking(withTimes):
		return refused(Malformed, "the user's claims are not valid")
	}
	return nil
}

// accountOf is the account that the user claims to be of.
func accountOf(user *jwt.UserClaims) string {
	if user.IssuerAccount != "" {
		return user.IssuerAccount
	}
	return user.Issuer
}

// scoped returns the user with what the key that signed it allows: its own
// permissions and limits, or its role's.
func (w *law) scoped(user *jwt.UserClaims) (*jwt.UserClaims, error) {
	role, known := w.signers[user.Issuer]
	switch {
	case !known:
		return nil, refused(UnknownSigningKey, "the account does not know the key that signed the credential: was its role removed?")
	case role == nil:
		return user, nil
	case !user.HasEmptyPermissions():
		return nil, refused(RoleMismatch, "the credential is a role's, and has permissions or limits of its own")
	}
	in := w.standing(user.Issuer, user.Name, user.Tags)
	switch {
	case in.template == nil:
		return nil, refused(UnknownSigningKey, "the user was moved to a role that the account does not have")
	case in.template.ProxyRequired:
		return nil, refused(ProxyRequired, "the role's users may come through a proxy only")
	}
	withRole := *user
	withRole.Tags = in.tags
	filled, err := w.fill(*in.template, &withRole)
	if err != nil {
		return nil, refused(RoleTemplate, "%v", err)
	}
	withRole.UserPermissionLimits = filled
	withRole.AllowedConnectionTypes = in.allowedTypes()
	return &withRole, nil
}

// allowedTypes reads a list of connection types, of which none allows all. Those
// that nobody knows are left out, unless that leaves none.
func allowedTypes(list []string, k kind) (map[string]struct{}, error) {
	allowed := make(map[string]struct{}, len(list))
	for _, name := range list {
		name = strings.ToUpper(name)
		if name == jwt.ConnectionTypeInProcess || isKind(name) {
			allowed[name] = struct{}{}
		}
	}
	if len(list) == 0 {
		return allowed, nil
	}
	if _, ok := allowed[string(k)]; !ok {
		return nil, refused(ConnectionType, "the credential is not for connections of type %s", k)
	}
	return allowed, nil
}

func isKind(name string) bool {
	for _, k := range kinds {
		if string(k) == name {
			return true
		}
	}
	return false
}

// checkSignature verifies that the client has the seed to the user's key.
func checkSignature(key string, nonce []byte, signature string) error {
	if signature == "" {
		return refused(BadSignature, "the client did not sign the nonce")
	}
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		if sig, err = base64.StdEncoding.DecodeString(signature); err != nil {
			return refused(BadSignature, "the signature is not base64")
		}
	}
	public, err := nkeys.FromPublicKey(key)
	if err != nil || len(nonce) == 0 || public.Verify(nonce, sig) != nil {
		return refused(BadSignature, "the signature of the nonce is not made with the credential's seed")
	}
	return nil
}

// hours says whether now lies in one of the time ranges of a day, and until
// when: the latest end of those that it lies in. No ranges are all the time, and a zero until.
func hours(ranges []jwt.TimeRange, locale string, now time.Time) (until time.Time, ok bool) {
	if len(ranges) == 0 {
		return time.Time{}, true
	}
	zone := time.Local
	if locale != "" {
		var err error
		if zone, err = time.LoadLocation(locale); err != nil {
			return time.Time{}, false
		}
		now = now.In(zone)
	}
	for _, r := range ranges {
		start, startErr := clockTime(r.Start, now, zone)
		end, endErr := clockTime(r.End, now, zone)
		if startErr != nil || endErr != nil {
			return time.Time{}, false
		}
		if end, in := inRange(start, end, now); in && end.After(until) {
			until, ok = end, true
		}
	}
	return until, ok
}

// clockTime is a time of the day that now is in.
func clockTime(text string, now time.Time, zone *time.Location) (time.Time, error) {
	t, err := time.ParseInLocation(time.TimeOnly, text, zone)
	if err != nil {
		return time.Time{}, err
	}
	year, month, day := now.Date()
	return time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), 0, zone), nil
}

// inRange knows ranges that go over midnight: then start is after end.
func inRange(start, end, now time.Time) (time.Time, bool) {
	overnight := start.After(end)
	switch {
	case start.Before(now) && end.After(now), overnight && end.After(now):
		return end, true
	case overnight && start.Before(now):
		return end.AddDate(0, 0, 1), true
	}
	return time.Time{}, false
}

func expiry(user *jwt.UserClaims) time.Time {
	if user.Expires == 0 {
		return time.Time{}
	}
	return time.Unix(user.Expires, 0)
}

// earlier is the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// permissionsOf are a user's permissions in nats-server's form; nil when there are none.
func permissionsOf(p jwt.Permissions) *server.Permissions {
	publish, subscribe := subjects(p.Pub), subjects(p.Sub)
	if publish == nil && subscribe == nil && p.Resp == nil {
		return nil
	}
	if p.Resp == nil {
		return &server.Permissions{Publish: publish, Subscribe: subscribe}
	}
	// Whoever may answer may publish nothing else, unless that is said.
	if publish == nil {
		publish = &server.SubjectPermission{}
	}
	if publish.Allow == nil {
		publish.Allow = []string{}
	}
	response := &server.ResponsePermission{MaxMsgs: p.Resp.MaxMsgs, Expires: p.Resp.Expires}
	if response.MaxMsgs == 0 {
		response.MaxMsgs = server.DEFAULT_ALLOW_RESPONSE_MAX_MSGS
	}
	if response.Expires == 0 {
		response.Expires = server.DEFAULT_ALLOW_RESPONSE_EXPIRATION
	}
	return &server.Permissions{Publish: publish, Subscribe: subscribe, Response: response}
}

// denyPublish takes a subject from what a user may publish.
func denyPublish(p *server.Permissions, subject string) *server.Permissions {
	if p == nil {
		p = &server.Permissions{}
	}
	if p.Publish == nil {
		p.Publish = &server.SubjectPermission{}
	}
	p.Publish.Deny = append(p.Publish.Deny, subject)
	return p
}

func subjects(p jwt.Permission) *server.SubjectPermission {
	if len(p.Allow) == 0 && len(p.Deny) == 0 {
		return nil
	}
	return &server.SubjectPermission{Allow: slices.Clone(p.Allow), Deny: slices.Clone(p.Deny)}
}
