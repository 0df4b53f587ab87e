package admission

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Action is what somebody may want to do.
type Action string

// The actions.
const (
	Connect   Action = "connect"
	Publish   Action = "publish"
	Subscribe Action = "subscribe"
)

// Reasons to refuse what is tried after the login.
const (
	PublishDenied   Reason = "publish_denied"
	SubscribeDenied Reason = "subscribe_denied"
)

// Question asks what would happen if a user tried something.
type Question struct {
	Account        *jwt.AccountClaims
	Pages          claims.Pages // that the claims name
	User           *jwt.UserClaims
	DeviceLogin    bool   // the user has no JWT, but something that the account knows it by
	ByNkey         bool   // which that is, and the client signs a nonce
	ConnectionType string // as jwt.ConnectionType… is spelled
	Host           string // an IP address; empty: not known
	At             time.Time
	Action         Action
	Subject        string // valid; to publish on, without wildcards
	Queue          string // to subscribe in, or empty
}

// Answer says what would happen and why.
type Answer struct {
	Allowed  bool
	Reason   Reason // empty when allowed
	Detail   string
	Decision *Decision // what was decided by; nil when nothing in particular says so
	Steps    []Step    // in the order in which a broker takes them, up to the one that refuses
	Filtered []Decision
}

// Step is one check and how it went.
type Step struct {
	Check   string
	Outcome Outcome
	Detail  string
}

// Outcome is how a check went.
type Outcome string

// The outcomes. What is assumed depends on what is not known beforehand.
const (
	Passed  Outcome = "passed"
	Denied  Outcome = "refused"
	Assumed Outcome = "assumed"
)

// Decision is the part of the settings that decided.
type Decision struct {
	Check   string
	Source  string // account, role or user: whose setting it is
	Pointer string // to the setting in that, as the API spells it
	Rule    string // the setting's text; empty: it is that nothing there matches
	Subject string // what that stands for, for this user
}

// settings are where what a check goes by is set in a role.
var settings = map[string]string{"connection_type": "/connection_types", "network": "/source_networks", "hours": "/times", "bearer": "/bearer"}

// Simulate answers by the very checks that a login goes through, and by
// nats-server's rules for what comes after. It takes for granted that the client has
// the seed, and that there is room within limits that are not 0.
func Simulate(q Question) Answer {
	s := &simulation{Question: q}
	s.law = newLaw(q.Account, q.Pages, false)
	s.facts = facts{signed: q.User, source: source{kind(q.ConnectionType), q.Host}, at: q.At, proven: q.DeviceLogin, proves: func(string) error { return nil }}
	if q.ConnectionType == jwt.ConnectionTypeInProcess {
		s.source.host = "pipe"
	}
	if s.connects() {
		s.Allowed = s.acts()
	}
	return s.Answer
}

type simulation struct {
	Question
	trial
	Answer
}

// connects goes through the checks of a login.
func (s *simulation) connects() bool {
	if !s.step("credential", valid(s.signed, s.at.Unix())) {
		return false
	}
	for _, c := range checks {
		err := c.hold(&s.trial)
		switch {
		case c.name == "proof" && s.ByNkey && s.mqtt():
			return s.step(c.name, refused(BadSignature, "MQTT clients cannot sign a nonce, which a login by an nkey asks for"))
		case c.name == "proof" && s.DeviceLogin:
			s.note(c.name, Assumed, "the client shows the device login's secret, or has the key of what it shows")
		case c.name == "proof" && !s.user.BearerToken && !s.mqtt():
			s.note(c.name, Assumed, "the client has the credential's seed")
		case c.name == "network" && s.source.host == "" && len(s.user.Src) > 0:
			s.note(c.name, Assumed, "from where is not known; only from "+strings.Join(s.user.Src, ", "))
		case !s.step(c.name, err):
			return false
		}
	}
	s.permit()
	return s.fits()
}

// fits knows only limits that leave no room for anybody.
func (s *simulation) fits() bool {
	limits, most := s.Account.Limits, s.Account.Limits.Conn
	if s.leaf() {
		most = limits.LeafNodeConn
	}
	ofType := s.counts.ConnectionsOf(claims.ConnectionType(s.source.kind))
	ofUser := s.counts.UserConnections(s.signed.Name, claims.AccountKey(s.signed.Issuer))
	var err error
	switch {
	case most == 0:
		err = refused(ServerLimit, "the account allows no connections of this type")
	case ofType == 0:
		err = refused(TypeLimit, "the account may have no connections of type %s", s.source.kind)
	case ofUser == 0:
		err = refused(UserLimit, "the user may have no connections")
	case limits.Subs == 0 || s.user.Subs == 0:
		err = refused(ServerLimit, "no subscription is allowed, and so no connection")
	case s.mqtt() && !limits.IsJSEnabled():
		err = refused(ServerLimit, "MQTT needs JetStream, and the account has none")
	case most != jwt.NoLimit || ofType != claims.Unlimited || ofUser != claims.Unlimited:
		s.note("limits", Assumed, "there is room for one more connection: "+room(most, ofType, ofUser))
		return true
	}
	return s.step("limits", err)
}

// room says of what there may be how many, where that is limited.
func room(account, ofType, ofUser int64) string {
	var all []string
	for _, limit := range []struct {
		n  int64
		of string
	}{{account, "of the account"}, {ofType, "of this type"}, {ofUser, "of the user"}} {
		if limit.n != claims.Unlimited {
			all = append(all, fmt.Sprintf("%d %s at most", limit.n, limit.of))
		}
	}
	return strings.Join(all, ", ")
}

// step notes a check, and says whether it was passed.
func (s *simulation) step(check string, err error) bool {
	if err == nil {
		s.note(check, Passed, "")
		return true
	}
	why := refusalOf(err)
	s.note(check, Denied, why.detail)
	s.Reason, s.Detail = why.reason, why.detail
	if pointer, ok := settings[check]; ok && !(check == "bearer" && s.noBearer) {
		s.Decision = &Decision{Check: check, Source: s.owner(), Pointer: pointer}
		switch {
		case why.reason == TypeNotAllowed:
			s.Decision.Source = "account"
		case why.reason == ConnectionType && s.roleTakesType():
			s.Decision.Source = "user"
		}
	}
	return false
}

func (s *simulation) note(check string, o Outcome, detail string) {
	s.Steps = append(s.Steps, Step{check, o, detail})
}

// roleTakesType says whether the role allows the connection's type, so that only the user does not.
func (s *simulation) roleTakesType() bool {
	in := s.standing(s.signed.Issuer, s.signed.Name, nil)
	if in.template == nil {
		return false
	}
	_, err := allowedTypes(in.template.AllowedConnectionTypes, s.source.kind)
	return err == nil
}

// owner says whose the permissions and restrictions of the user are.
func (s *simulation) owner() string {
	if s.standing(s.signed.Issuer, s.signed.Name, nil).template != nil {
		return "role"
	}
	return "user"
}

// acts goes through what nats-server checks of a message or a subscription.
func (s *simulation) acts() bool {
	switch s.Action {
	case Publish:
		return s.publishes()
	case Subscribe:
		return s.subscribes()
	}
	return true
}

// Subjects that are nats-server's own, for gateways and for the Raft groups of JetStream.
const (
	gatewayReplies    = "_GR_."
	oldGatewayReplies = "$GR."
	raftGroups        = "$NRG."
	mqttInternal      = "$MQTT."
	systemQueue       = "_sys_"
)

// publishes holds every subject that the message may be mapped to against the
// permissions: clients need those for what a message becomes, leaf nodes for what they send.
func (s *simulation) publishes() bool {
	subjects := s.mapped()
	if s.leaf() {
		subjects = []string{s.Subject}
	}
	for _, subject := range subjects {
		if !s.publishesOn(subject) {
			return false
		}
	}
	return true
}

func (s *simulation) publishesOn(subject string) bool {
	reserved := !s.leaf() && (strings.HasPrefix(subject, gatewayReplies) && subject != gatewayReplies ||
		strings.HasPrefix(subject, oldGatewayReplies) || strings.HasPrefix(subject, raftGroups))
	if reserved {
		s.Reason, s.Detail = PublishDenied, "the subject is nats-server's own"
		s.note("publish", Denied, s.Detail)
		return false
	}
	if s.permissions == nil {
		s.note("publish", Passed, "nothing is said of publishing, so all is allowed")
		return true
	}
	r := mayPublish(s.permissions.Publish, subject)
	if !r.allowed && r.list == "allow" && s.permissions.Response != nil {
		s.ruled("publish", PublishDenied, r, "only to answer a request that it received on the subject")
		return false
	}
	return s.ruled("publish", PublishDenied, r, "")
}

// mapped are the subjects that the account's mappings may make of the message's: one of
// several, by weight and cluster, and if several mappings match, by either.
func (s *simulation) mapped() []string {
	var all []string
	for from, to := range s.Account.Mappings {
		if !server.SubjectMatchesFilter(s.Subject, string(from)) {
			continue
		}
		weights, kept := map[string]int{"": 0}, false
		for _, d := range to {
			weights[d.Cluster] += int(d.GetWeight())
			kept = kept || d.Subject == from
			transform, err := server.NewSubjectTransform(string(from), string(d.Subject))
			if err == nil {
				all = append(all, transform.TransformSubject(s.Subject))
			}
		}
		for _, weight := range weights {
			if weight < 100 && !kept {
				all = append(all, s.Subject) // the rest stays what it is
			}
		}
	}
	if len(all) == 0 {
		return []string{s.Subject}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	s.note("mapping", Passed, "becomes "+strings.Join(all, " or "))
	return all
}

func (s *simulation) subscribes() bool {
	if s.mqtt() && strings.HasPrefix(s.Subject, mqttInternal) || s.Queue == systemQueue {
		s.Reason, s.Detail = SubscribeDenied, "this is nats-server's own"
		s.note("subscribe", Denied, s.Detail)
		return false
	}
	if s.permissions == nil {
		s.note("subscribe", Passed, "nothing is said of subscribing, so all is allowed")
		return true
	}
	r := maySubscribe(s.permissions.Subscribe, s.Subject, s.Queue)
	if s.leaf() && !r.allowed && r.list == "allow" && narrower(s.permissions.Subscribe, s.Subject) {
		s.note("filter", Passed, "a leaf node may ask for more than it is delivered: only what is allowed")
		return true
	}
	if !s.ruled("subscribe", SubscribeDenied, r, "") {
		return false
	}
	if parent, wide := strings.CutSuffix(s.Subject, ".>"); wide && s.mqtt() { // MQTT's parent/# is the parent, too
		if !s.ruled("subscribe", SubscribeDenied, maySubscribe(s.permissions.Subscribe, parent, ""), "to which the topic leads as well") {
			return false
		}
	}
	for _, r := range filtered(s.permissions.Subscribe, s.Subject, s.Queue) {
		s.Filtered = append(s.Filtered, s.decision("subscribe", "deny", r))
	}
	if len(s.Filtered) > 0 {
		s.note("filter", Passed, "messages that are denied are not delivered")
	}
	return true
}

// ruled notes what a list of permissions says.
func (s *simulation) ruled(check string, reason Reason, r ruling, unless string) bool {
	d := s.decision(check, r.list, r.by)
	words := "nothing is said of it, so it is allowed"
	switch {
	case r.by.text != "":
		words = fmt.Sprintf("%s's %s.%s %q", d.Source, check, r.list, d.Rule)
	case !r.allowed:
		words = fmt.Sprintf("nothing in the %s's %s.allow matches", d.Source, check)
	}
	if unless != "" {
		words += "; " + unless
	}
	if r.list != "" {
		s.Decision = &d
	}
	if r.allowed {
		s.note(check, Passed, words)
		return true
	}
	s.note(check, Denied, words)
	s.Reason, s.Detail = reason, words
	return false
}

// decision finds where an entry of the permissions stands in what people have written.
func (s *simulation) decision(check, list string, by rule) Decision {
	d := Decision{Check: check, Source: s.owner(), Pointer: "/permissions/" + check + "/" + list, Subject: by.text}
	written := s.written()
	if s.byDefault {
		d.Source, d.Pointer = "account", "/default_permissions/"+check+"/"+list
	}
	lists := map[string]jwt.StringList{
		"publish/allow": written.Pub.Allow, "publish/deny": written.Pub.Deny,
		"subscribe/allow": written.Sub.Allow, "subscribe/deny": written.Sub.Deny,
	}
	if by.text == "" {
		return d
	}
	d.Rule = by.text
	for i, text := range lists[check+"/"+list] {
		if s.becomes(text, by.text, list == "deny") {
			d.Rule, d.Pointer = text, fmt.Sprintf("%s/%d", d.Pointer, i)
			return d
		}
	}
	if list == "deny" && by.text == ">" { // by fill: nothing that was allowed is a subject for this user
		d.Pointer = "/permissions/" + check + "/allow"
	}
	return d
}

func (s *simulation) written() jwt.Permissions {
	if s.byDefault {
		return s.defaults
	}
	if role := s.standing(s.signed.Issuer, s.signed.Name, nil).template; role != nil {
		return role.Permissions
	}
	return s.user.Permissions
}

func (s *simulation) becomes(written, subject string, deny bool) bool {
	if written == subject {
		return true
	}
	filled, err := s.expand(jwt.StringList{written}, s.user, deny)
	return err == nil && slices.Contains(filled, subject)
}

func (s *simulation) leaf() bool {
	return s.source.kind == jwt.ConnectionTypeLeafnode || s.source.kind == jwt.ConnectionTypeLeafnodeWS
}

func (s *simulation) mqtt() bool {
	return s.source.kind == jwt.ConnectionTypeMqtt || s.source.kind == jwt.ConnectionTypeMqttWS
}
