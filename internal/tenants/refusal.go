package tenants

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// RefusedLogin is one way in which somebody was not let in to an account: who,
// why, over what and from where, and how often.
type RefusedLogin struct {
	ID             RefusalID // sorts by LastAt; another one after the next report
	AccountID      AccountID
	Broker         string // its name
	UserPublicKey  claims.UserKey
	UserID         *UserID       // nil: the account never issued that key
	UserName       *string       // likewise
	CredentialID   *CredentialID // likewise
	CredentialName *string       // likewise
	DeviceLoginID  *CredentialID // instead of CredentialID, if it is one
	Reason         string        // one of admission's, such as credential_revoked
	ConnectionType string        // STANDARD, WEBSOCKET, …; empty when it came to no known listener
	Address        string        // the client's, without port
	Detail         string        // what of the reason depends on the login; may be empty
	Count          int64
	FirstAt        time.Time
	LastAt         time.Time
}

// RefusalReport is what a broker says of one way in which it let nobody in, since
// its last report.
type RefusalReport struct {
	AccountKey     claims.AccountKey
	UserKey        string // as the client wrote it; what is no user's key is kept as ""
	Reason         string
	ConnectionType string
	Address        string
	Detail         string
	Count          int64
	FirstAgo       time.Duration // before now: the broker's clock may show another time
	LastAgo        time.Duration
}

const (
	refusalsKept    = 500                // of an account: what is beyond them was reported longest ago
	refusalsFor     = 7 * 24 * time.Hour // and then they are forgotten
	maxRefusalWords = 256                // bytes of any text of a report
)

// fit bounds what a report says: it comes from a broker, and it from a client.
func (r RefusalReport) fit() RefusalReport {
	if _, err := claims.ParseUserKey(r.UserKey); err != nil {
		r.UserKey = ""
	}
	for _, text := range []*string{&r.Reason, &r.ConnectionType, &r.Address, &r.Detail} {
		*text = cut(*text)
	}
	r.Count = max(1, r.Count)
	r.LastAgo = min(max(0, r.LastAgo), refusalsFor)
	r.FirstAgo = min(max(r.LastAgo, r.FirstAgo), refusalsFor)
	return r
}

// cut keeps what can be stored and shown of a text.
func cut(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	if len(text) > maxRefusalWords {
		text = strings.ToValidUTF8(text[:maxRefusalWords], "")
	}
	return text
}

// Explain says in a sentence or two what a reason means and what helps. A reason
// that this version does not know, from a newer broker, is explained as such.
func Explain(reason string) string {
	if text, ok := explanations[reason]; ok {
		return text
	}
	return "The broker refused the login for a reason that this version of control has no words for."
}

// Explained are the reasons that [Explain] has words for.
func Explained() []string { return slices.Sorted(maps.Keys(explanations)) }

var explanations = map[string]string{
	"connection_unknown":       "The connection was gone, or came over a way in that the broker does not know, before it could be judged. If it happens again and again, look at the client's timeouts.",
	"no_credential":            "The client sent no credential. Give it the creds file; over MQTT, the user JWT goes into the password. With an nkey or a certificate of a device login, the account's public key goes into the user name.",
	"malformed":                "What the client sent as its user JWT is not one, or was changed after it was signed. Download or issue creds again.",
	"credential_expired":       "The credential has expired. Issue another one.",
	"credential_not_yet_valid": "The credential is not valid yet: its JWT names a later time, or a clock is off.",
	"login_unknown":            "The account has no device login with what the client showed: the secret, nkey or certificate is another account's, was never one, or its login was revoked long ago. Make another device login.",
	"cookie_account":           "The browser has one cookie for all accounts, and it is another account's by now. The page has to ask for its own again.",
	"login_username":           "The device login's secret is right, but the client calls itself something else than the device login says. Correct the user name.",
	"login_certificate":        "The client's certificate was not issued by an authority that the account trusts, has expired, or is not for clients; what is wrong stands beside it. Intermediate certificates have to be sent by the client.",
	"not_caught_up":            "The broker had just started, or had lost touch with control, and lets nobody in until it knows all changes. Clients try again by themselves.",
	"account_unknown":          "The broker knows no such account. If it was made seconds ago, try again.",
	"account_unavailable":      "The broker could not get the account's claims at that time. Clients try again by themselves.",
	"account_invalid":          "The broker does not accept the account's claims. See the account's delivery for what it says about them.",
	"unknown_signing_key":      "The role that this credential was issued under has been deleted, or the credential was not issued by this account. Issue another one.",
	"role_mismatch":            "The user JWT is signed by a role and claims permissions of its own, which only the role may give.",
	"role_template":            "The role's permissions make none that are valid for this user. Look at the variables in the role's subjects.",
	"proxy_required":           "The credential may only be used through a trusted proxy, and this connection did not come through one.",
	"account_expired":          "The account's claims have expired.",
	"account_closed":           "The account is deleted or suspended.",
	"delegated":                "The account leaves logins to an authorization service of its own, which decides who gets in.",
	"token_malformed":          "What the client sent as an issuer's token is none that is signed as it should be, or lacks a claim: iss, sub, aud and exp are needed.",
	"token_issuer":             "The account takes no tokens of the issuer that this one names. Add the issuer, with exactly the URL that its tokens have in iss.",
	"token_key":                "The issuer signed the token with a key that was not known at that moment. The issuer's keys are then read again, within seconds; if it happens again, look at what the issuer's own page says of its keys.",
	"token_signature":          "The token's signature is not made with one of the issuer's keys.",
	"token_audience":           "The token was made for somebody else. Have the issuer put one of the audiences into aud that the account takes, or add that audience.",
	"token_time":               "The token has expired, or is not valid yet. Get a fresh one; if it was, look at the clocks.",
	"token_rule":               "The token is right, and no rule of the account says whom it stands for. Compare its claims with the rules' conditions.",
	"callout_timeout":          "The account leaves logins to an authorization service of its own, and that did not answer in time, or nobody in the account is subscribed to $SYS.REQ.USER.AUTH. Look whether it runs, and whether the account has a connection left for the broker to ask over.",
	"callout_refused":          "The account's own authorization service did not let this client in; what it said stands beside it.",
	"callout_invalid":          "The account's own authorization service answered with something that is not what it should be: not signed by a key of the account, not for this request, or with a user in an account that is not allowed. What is wrong stands beside it.",
	"bearer_not_allowed":       "The credential is a bearer token, and the account allows none.",
	"connection_type":          "The role, or the user itself, does not allow this kind of connection. Allow it there, or connect in another way.",
	"type_not_allowed":         "The account, or the plan, does not allow this kind of connection, whatever the role says.",
	"type_limit":               "The account had as many connections of this type as it may have, on all brokers together. Close some, or raise the limit for the type.",
	"user_limit":               "The user had as many connections as it may have, on all brokers together. Is the same credential used in several places?",
	"share_unavailable":        "The connection is counted across brokers, and this broker could not find out in time whether there is a place for it. It happens while control is away. Clients try again by themselves.",
	"bad_signature":            "The client did not prove that it holds the credential's seed: JWT and seed are not of one creds file, or the answer was not for this connection.",
	"credential_revoked":       "The credential was revoked. Issue another one.",
	"wrong_network":            "The client's address is not in one of the networks that the role allows.",
	"outside_hours":            "It was outside the times of day that the role allows.",
	"server_limit":             "The account, or the broker, had as many connections as it may have.",
}
