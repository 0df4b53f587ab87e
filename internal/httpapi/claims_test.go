package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const someUserKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

// body is a request's, written short.
type body = map[string]any

// fixedClaims are the claims that nobody can set, each with the reason. A name
// stands for all that is below it, too.
var fixedClaims = map[string]string{
	"account.Audience":  "no server looks at it",
	"account.Expires":   "accounts do not expire: they are suspended or deleted, and brokers hear of that at once",
	"account.ID":        "made of the rest when it is signed",
	"account.IssuedAt":  "when it is signed",
	"account.Issuer":    "the operator's signing key",
	"account.NotBefore": "accounts hold from the moment in which they are in force",
	"account.Subject":   "the account's key, for as long as it lives",
	"account.Type":      "an account's",
	"account.Version":   "the library's",
	"account.InfoURL":   "nothing shows an account's to anybody; its description can hold a link",

	"account.Imports": "sharing between accounts is a noun of its own, and not there yet",
	"account.Exports": "sharing between accounts is a noun of its own, and not there yet",

	"account.SigningKeys[].Kind":                   "a signing key is a role's, and so scoped, or has nothing but the key",
	"account.SigningKeys[].Template.Data":          "no server enforces it",
	"account.SigningKeys[].Template.ProxyRequired": "brokers trust no proxies",

	"operator.Audience":              "no server looks at it",
	"operator.Expires":               "operators do not expire: their signing keys are rotated",
	"operator.ID":                    "made of the rest when it is signed",
	"operator.IssuedAt":              "when it is signed",
	"operator.Issuer":                "the operator itself",
	"operator.NotBefore":             "it holds from when a server has it",
	"operator.Subject":               "the operator's key, for as long as it lives",
	"operator.Type":                  "an operator's",
	"operator.Version":               "the library's",
	"operator.StrictSigningKeyUsage": "always: the operator's own key signs nothing but its JWT",
	"operator.AccountServerURL":      "it has a secret in it, which server-config gives to who may know it, and the JWT is public",
	"operator.OperatorServiceURLs":   "brokers come and go: endpoints tells where they are now",
	"operator.AssertServerVersion":   "an operator's servers may be of any version while they are updated one by one",

	"user.Audience":      "no server looks at it",
	"user.ID":            "made of the rest when it is signed",
	"user.IssuedAt":      "when it is signed: revocations go by it",
	"user.Issuer":        "the role's key",
	"user.NotBefore":     "creds hold from when they are issued",
	"user.IssuerAccount": "the account the user is in",
	"user.Type":          "a user's",
	"user.Version":       "the library's",

	"user.Pub": scoped, "user.Sub": scoped, "user.Resp": scoped, "user.Src": scoped, "user.Times": scoped, "user.Locale": scoped,
	"user.Subs": scoped, "user.Data": scoped, "user.Payload": scoped, "user.BearerToken": scoped, "user.ProxyRequired": scoped,
	"user.AllowedConnectionTypes": scoped,
}

const scoped = "user JWTs are scoped: this stands in the role's template, so that it can change without creds being issued anew"

// claimsSetBy say for each other claim which request changes it.
var claimsSetBy = map[string]claimChange{
	"operator.Name":          operator(body{"name": "renamed"}),
	"operator.Tags":          operator(body{"tags": []string{"region:eu"}}),
	"operator.SigningKeys":   {then: byStaff("POST", "/v1/operators/{operator}/signing-keys", nil)},
	"operator.SystemAccount": {then: byStaff("POST", "/v1/operators/{operator}/system-account/rotate", nil)},

	"account.Name":           account(body{"name": "renamed"}),
	"account.Description":    account(body{"description": "changed"}),
	"account.Tags":           account(body{"tags": []string{"team:red"}}),
	"account.ClusterTraffic": account(body{"cluster_traffic": "owner"}),

	"account.Trace.Destination": account(body{"trace": body{"destination": "elsewhere", "sampling": 7}}),
	"account.Trace.Sampling": {
		first: account(body{"trace": body{"destination": "traces", "sampling": 7}}).then,
		then:  account(body{"trace": body{"sampling": 8}}).then,
	},

	"account.Limits.Subs":            account(limits(body{"subscriptions": 9})),
	"account.Limits.Data":            account(limits(body{"data_bytes": 9})),
	"account.Limits.Payload":         account(limits(body{"payload_bytes": 9})),
	"account.Limits.Imports":         account(limits(body{"imports": 9})),
	"account.Limits.Exports":         account(limits(body{"exports": 9})),
	"account.Limits.Conn":            account(limits(body{"connections": 9})),
	"account.Limits.LeafNodeConn":    account(limits(body{"leaf_nodes": 4})),
	"account.Limits.WildcardExports": account(limits(body{"wildcard_exports": false})),
	"account.Limits.DisallowBearer":  account(limits(body{"bearer": false})),

	"account.Limits.MemoryStorage":        account(jetstream(body{"memory_bytes": 9})),
	"account.Limits.DiskStorage":          account(jetstream(body{"disk_bytes": 9})),
	"account.Limits.Streams":              account(jetstream(body{"streams": 9})),
	"account.Limits.Consumer":             account(jetstream(body{"consumers": 9})),
	"account.Limits.MaxAckPending":        account(jetstream(body{"ack_pending": 9})),
	"account.Limits.MemoryMaxStreamBytes": account(jetstream(body{"memory_max_stream_bytes": 9})),
	"account.Limits.DiskMaxStreamBytes":   account(jetstream(body{"disk_max_stream_bytes": 9})),
	"account.Limits.MaxBytesRequired":     account(jetstream(body{"max_bytes_required": true})),

	"account.Limits.JetStreamTieredLimits[].MemoryStorage":        tier(body{"memory_bytes": 8}),
	"account.Limits.JetStreamTieredLimits[].DiskStorage":          tier(body{"disk_bytes": 8}),
	"account.Limits.JetStreamTieredLimits[].Streams":              tier(body{"streams": 8}),
	"account.Limits.JetStreamTieredLimits[].Consumer":             tier(body{"consumers": 8}),
	"account.Limits.JetStreamTieredLimits[].MaxAckPending":        tier(body{"ack_pending": 8}),
	"account.Limits.JetStreamTieredLimits[].MemoryMaxStreamBytes": tier(body{"memory_max_stream_bytes": 8}),
	"account.Limits.JetStreamTieredLimits[].DiskMaxStreamBytes":   tier(body{"disk_max_stream_bytes": 8}),
	"account.Limits.JetStreamTieredLimits[].MaxBytesRequired":     tier(body{"max_bytes_required": true}),

	"account.DefaultPermissions.Pub.Allow":    account(body{"default_permissions": body{"publish": body{"allow": []string{"a"}}}}),
	"account.DefaultPermissions.Pub.Deny":     account(body{"default_permissions": body{"publish": body{"deny": []string{"a"}}}}),
	"account.DefaultPermissions.Sub.Allow":    account(body{"default_permissions": body{"subscribe": body{"allow": []string{"a"}}}}),
	"account.DefaultPermissions.Sub.Deny":     account(body{"default_permissions": body{"subscribe": body{"deny": []string{"a"}}}}),
	"account.DefaultPermissions.Resp.MaxMsgs": account(body{"default_permissions": body{"responses": body{"max_messages": 9, "expires_in": "PT1S"}}}),
	"account.DefaultPermissions.Resp.Expires": account(body{"default_permissions": body{"responses": body{"max_messages": 1, "expires_in": "PT9S"}}}),

	"account.Authorization.AuthUsers": account(body{"auth_callout": body{"auth_users": []string{someUserKey}}}),
	"account.Authorization.AllowedAccounts": {then: func(c *claimScene) {
		var other api.Account
		c.owner.do("POST", c.at("/v1/tenants/{tenant}/accounts"), body{"name": "allowed"}).want(201, &other)
		account(body{"auth_callout": body{"auth_users": []string{someUserKey}, "allowed_accounts": []string{other.Id}}}).then(c)
	}},
	"account.Authorization.XKey": account(body{"auth_callout": body{"auth_users": []string{someUserKey}, "xkey": "XDKMRFM7JDNMXPLIXJ45CVJC2UKELJ77G376BUFVKYYONTYM5ZEB3FCC"}}),

	"account.Mappings[].Subject": mapping(body{"subject": "elsewhere"}),
	"account.Mappings[].Weight":  mapping(body{"subject": "to", "weight": 9}),
	"account.Mappings[].Cluster": mapping(body{"subject": "to", "cluster": "eu"}),

	"account.Revocations":               {then: send("POST", "/v1/credentials/{credential}/revoke", body{})},
	"account.SigningKeys[].Key":         {then: send("POST", "/v1/accounts/{account}/roles", body{"name": "new"})},
	"account.SigningKeys[].Role":        role(body{"name": "renamed"}),
	"account.SigningKeys[].Description": role(body{"description": "changed"}),

	"account.SigningKeys[].Template.Pub.Allow":              role(body{"permissions": body{"publish": body{"allow": []string{"a"}}}}),
	"account.SigningKeys[].Template.Pub.Deny":               role(body{"permissions": body{"publish": body{"deny": []string{"a"}}}}),
	"account.SigningKeys[].Template.Sub.Allow":              role(body{"permissions": body{"subscribe": body{"allow": []string{"a q"}}}}),
	"account.SigningKeys[].Template.Sub.Deny":               role(body{"permissions": body{"subscribe": body{"deny": []string{"a"}}}}),
	"account.SigningKeys[].Template.Resp.MaxMsgs":           role(body{"permissions": body{"responses": body{"max_messages": 9, "expires_in": "PT1S"}}}),
	"account.SigningKeys[].Template.Resp.Expires":           role(body{"permissions": body{"responses": body{"max_messages": 1, "expires_in": "PT9S"}}}),
	"account.SigningKeys[].Template.Src":                    role(body{"source_networks": []string{"192.0.2.0/24"}}),
	"account.SigningKeys[].Template.Times[].Start":          role(hours("09:00:00", "18:00:00", "UTC")),
	"account.SigningKeys[].Template.Times[].End":            role(hours("08:00:00", "19:00:00", "UTC")),
	"account.SigningKeys[].Template.Locale":                 role(hours("08:00:00", "18:00:00", "Europe/Berlin")),
	"account.SigningKeys[].Template.Subs":                   role(body{"limits": body{"subscriptions": 9}}),
	"account.SigningKeys[].Template.Payload":                role(body{"limits": body{"payload_bytes": 9}}),
	"account.SigningKeys[].Template.BearerToken":            role(body{"bearer": true}),
	"account.SigningKeys[].Template.AllowedConnectionTypes": role(body{"connection_types": []string{"MQTT"}}),

	"user.Name":    {then: func(c *claimScene) { c.user("other") }},
	"user.Tags":    {then: send("PATCH", "/v1/users/{user}", body{"tags": []string{"team:red"}})},
	"user.Expires": {then: func(c *claimScene) { c.issue["expires_at"] = time.Now().Add(time.Hour) }},
	"user.Subject": {then: func(c *claimScene) {
		c.issue["public_key"] = someUserKey
	}},
}

// claimChange sets a claim; first is what that needs and is no proof of it.
type claimChange struct {
	first, then func(*claimScene)
}

// send is a request of the tenant's owner.
func send(method, path string, b body) func(*claimScene) {
	return func(c *claimScene) { c.ask(c.owner, method, path, b) }
}

// byStaff is a request of the installation's staff.
func byStaff(method, path string, b any) func(*claimScene) {
	return func(c *claimScene) { c.ask(c.staff, method, path, b) }
}

func operator(change body) claimChange {
	return claimChange{then: byStaff("PATCH", "/v1/operators/{operator}", change)}
}

func account(change body) claimChange {
	return claimChange{then: send("PATCH", "/v1/accounts/{account}", change)}
}
func role(change body) claimChange {
	return claimChange{then: send("PATCH", "/v1/roles/{role}", change)}
}
func hours(start, end, zone string) body {
	return body{"times": []body{{"start": start, "end": end}}, "time_zone": zone}
}

func limits(change body) body    { return body{"limits": change} }
func jetstream(change body) body { return limits(body{"jetstream": change}) }

// tier changes the limits of streams with three replicas.
func tier(change body) claimChange {
	c := account(jetstream(body{"tiers": body{"r3": change}}))
	c.first = account(jetstream(body{"tiers": body{"r3": body{"memory_bytes": 7, "disk_bytes": 7, "streams": 7, "consumers": 7}}})).then
	return c
}

// mapping changes where the subject "from" is mapped to.
func mapping(destination body) claimChange {
	to := func(destination body) func(*claimScene) {
		return send("PUT", "/v1/accounts/{account}/mappings", body{"mappings": []body{{"subject": "from", "destinations": []body{destination}}}})
	}
	return claimChange{first: to(body{"subject": "to"}), then: to(destination)}
}

// claimScene is an account with a role that a user is in, and what the JWTs say.
type claimScene struct {
	*tenant
	t     *testing.T
	staff caller
	issue body // with which a credential is issued to look at its JWT
}

func (c *claimScene) at(path string) string { return at(c.t, path, c.ids) }

func (c *claimScene) ask(as caller, method, path string, b any) {
	c.t.Helper()
	if got := as.do(method, c.at(path), b); got.status >= 300 {
		c.t.Fatalf("%s: status = %d\n%s", got.request, got.status, got.body)
	}
}

func (c *claimScene) user(name string) {
	var user api.User
	c.owner.do("POST", c.at("/v1/accounts/{account}/users"), body{"name": name}).want(201, &user)
	c.ids["user"] = user.Id
}

// claims are those of all the scene's JWTs, by the names that paths begin with.
func (c *claimScene) claims() map[string]any {
	c.t.Helper()
	s := c.owner.s
	var account api.Account
	c.owner.do("GET", c.at("/v1/accounts/{account}"), nil).want(200, &account)
	stored, err := s.domain.AccountJWTByKey(c.t.Context(), tenants.OperatorID(account.OperatorId), claims.AccountKey(account.PublicKey))
	if err != nil {
		c.t.Fatal(err)
	}
	var issued api.CredentialIssued
	c.owner.do("POST", c.at("/v1/users/{user}/credentials"), c.issue).want(201, &issued)
	a, err := jwt.DecodeAccountClaims(stored.JWT)
	if err != nil {
		c.t.Fatal(err)
	}
	u, err := jwt.DecodeUserClaims(issued.Jwt)
	if err != nil {
		c.t.Fatal(err)
	}
	var operator api.Operator
	c.staff.do("GET", c.at("/v1/operators/{operator}"), nil).want(200, &operator)
	o, err := jwt.DecodeOperatorClaims(operator.Jwt)
	if err != nil {
		c.t.Fatal(err)
	}
	return map[string]any{"operator": o, "account": a, "user": u}
}

// Every field of the library's claims can be set through the API, which is
// tried, or is fixed for a reason. A new one fails until it is either.
func TestEveryClaimIsSetThroughTheAPIOrFixedForAReason(t *testing.T) {
	t.Parallel()
	roots := map[string]reflect.Type{
		"operator": reflect.TypeFor[jwt.OperatorClaims](), "account": reflect.TypeFor[jwt.AccountClaims](), "user": reflect.TypeFor[jwt.UserClaims](),
	}
	known := map[string]bool{}
	for root, typ := range roots {
		eachClaim(typ, root, func(path string) { known[path] = true })
	}
	for path := range known {
		_, settable := claimsSetBy[path]
		if reason := fixedFor(path); settable == (reason != "") {
			t.Errorf("%s: settable = %t, fixed because %q; want one of the two", path, settable, reason)
		}
	}
	for _, path := range slices.Concat(slices.Collect(maps.Keys(claimsSetBy)), slices.Collect(maps.Keys(fixedClaims))) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(known)), func(k string) bool { return isBelow(k, path) }) {
			t.Errorf("%s is no claim of the library's", path)
		}
	}

	s := setup(t)
	s.exec(`UPDATE plans SET max_accounts = -1`)
	owner, staff := s.signUp("Claims"), s.signUp("Staff")
	s.exec(`UPDATE people SET is_staff = true WHERE email = $1`, staff.email)
	for i, path := range slices.Sorted(maps.Keys(claimsSetBy)) {
		t.Run(path, func(t *testing.T) {
			owner.furnish(fmt.Sprint("account ", i))
			c := &claimScene{tenant: owner, t: t, staff: staff.logIn(), issue: body{}}
			var made api.Account
			owner.owner.do("GET", c.at("/v1/accounts/{account}"), nil).want(200, &made)
			c.ids["operator"] = made.OperatorId
			change := claimsSetBy[path]
			if change.first != nil {
				change.first(c)
			}
			root, _, _ := strings.Cut(path, ".")
			before := claimAt(t, c.claims()[root], path)
			change.then(c)
			if after := claimAt(t, c.claims()[root], path); after == before {
				t.Errorf("it is %s before and after", after)
			}
		})
	}
}

func fixedFor(path string) string {
	for fixed, reason := range fixedClaims {
		if isBelow(path, fixed) {
			return reason
		}
	}
	return ""
}

// isBelow says whether a path is that one, or goes on from it.
func isBelow(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// eachClaim visits every field that holds a value, by its path: embedded structs
// are passed over, and [] stands for each of a list or map of structs,
// or of lists of them.
func eachClaim(t reflect.Type, path string, visit func(path string)) {
	switch t.Kind() {
	case reflect.Pointer:
		eachClaim(t.Elem(), path, visit)
	case reflect.Interface: // a scope, of which there is one kind
		eachClaim(reflect.TypeFor[jwt.UserScope](), path, visit)
	case reflect.Slice, reflect.Map:
		if holdsStructs(t.Elem()) {
			eachClaim(t.Elem(), strings.TrimSuffix(path, "[]")+"[]", visit)
			return
		}
		visit(path)
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if len(f.Index) > 1 || !f.IsExported() {
				continue
			}
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				eachClaim(f.Type, path, visit)
				continue
			}
			eachClaim(f.Type, path+"."+f.Name, visit)
		}
	default:
		visit(path)
	}
}

func holdsStructs(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return holdsStructs(t.Elem())
	}
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Interface
}

// claimAt is what the claims say at a path, as text.
func claimAt(t *testing.T, c any, path string) string {
	t.Helper()
	var found []any
	collect(reflect.ValueOf(c), strings.Split(strings.ReplaceAll(path, "[]", ".[]"), ".")[1:], func(v any) { found = append(found, v) })
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func collect(v reflect.Value, path []string, take func(any)) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if len(path) == 0 {
		take(v.Interface())
		return
	}
	rest := path
	if path[0] == "[]" {
		rest = path[1:]
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), rest, take)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			collect(v.MapIndex(key), rest, take)
		}
	default:
		collect(v.FieldByName(path[0]), path[1:], take)
	}
}
