package resolver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Unmodified nats-servers need no broker beside them: staff attach one, or a
// cluster of them, by its URLs. Control connects to it as to a cluster of
// brokers and answers what its servers ask. They know no revisions and never
// say that they missed something; so the replica that leads the relay keeps
// book for them. Its courier, one goroutine for each attachment, asks every
// second who is there:
const subjectPing = "$SYS.REQ.SERVER.PING"

// To all who are, it pushes what changed since the revision that the last of
// them has confirmed, in the order of revisions and in batches. It takes the
// form of the push that every kind of resolver answers, which must not have
// headers. Each server answers for itself: data, or error when it refused.
//
//	$SYS.REQ.ACCOUNT.A….CLAIMS.UPDATE  ->  {"server":{…},"data":{"message":"jwt updated"}}
//
// That means stored; whether the claims are in force is read back from each
// server. An error says that the account is not in use there.
//
//	$SYS.REQ.ACCOUNT.A….INFO           ->  {"server":{…},"data":{"jwt":"ey…"}}
//
// What is stored can be read back from servers with a full resolver, which do
// not say who they are. The courier counts them beforehand.
//
//	$SYS.REQ.ACCOUNT.A….CLAIMS.LOOKUP  ->  ey…
//
// A server that has left nothing unanswered has confirmed the batch. One that
// is away, or silent, keeps the revision it had, and nobody waits for it; when
// it is there again, the courier goes on from that revision. What a server
// refused does not hold the others' changes up: it is kept as a refusal, tried
// again every few seconds, and stands until the server takes it.
//
// A stock server keeps whatever comes last, whoever sent it. So the courier
// listens for pushes that are not its own, of a person with another tool or of
// a leader that does not know yet that it leads no more, and pushes after them
// what should be there.
const subjectInfo = "$SYS.REQ.ACCOUNT.%s.INFO"

const (
	rollEvery      = time.Second
	retryEvery     = 5 * time.Second
	keepEvery      = 2 * time.Second        // when nothing has changed
	answerWithin   = 2 * time.Second        // after the answer before it
	countWithin    = 250 * time.Millisecond // likewise, when nobody knows how many answers there will be
	maxCourierRows = 100                    // in one batch
	maxRefusals    = 100                    // of one server; one that refuses more confirms nothing
)

// brokerMark is in the metadata of servers that are brokers. They have a
// follower and need no courier.
const brokerMark = "signalbox_broker"

// MarkBroker adds to a server's metadata that it is a broker, so that it is not
// taken for a stock server where it is in a cluster with some.
func MarkBroker(metadata map[string]string) map[string]string {
	marked := maps.Clone(metadata)
	if marked == nil {
		marked = map[string]string{}
	}
	marked[brokerMark] = "true"
	return marked
}

// CourierPermissions is what control's system-account user needs on attached
// servers, and no more.
func CourierPermissions() claims.Template {
	return permit([]string{subjectPing, fmt.Sprintf(subjectAccountUpdate, "*"), fmt.Sprintf(subjectInfo, "*"), lookupWildcard, "_INBOX.>", stockInbox},
		[]string{SubjectUpdate, fmt.Sprintf(subjectAccountUpdate, "*"), lookupWildcard, subjectPack, subjectList, "_INBOX.>"})
}

// StockServer is an attached server as it was last heard of.
type StockServer struct {
	Name     string // its server_name, by which it is known again
	ID       string // another one each time it starts; also its name, when that is not configured
	Version  string
	Away     bool
	Applied  Revision // it has confirmed everything up to here, except what it refuses
	Refusals []Refusal

	cursor Revision // it has confirmed batches up to here, with more to come: what changed again since may be missing below
}

// next is where the next batch for the server goes on.
func (s StockServer) next() Revision { return max(s.Applied, s.cursor) }

// Ledger is how far an attachment has come, by server, ordered by name.
type Ledger struct {
	Servers []StockServer
}

// Applied is the revision up to which all servers have confirmed everything,
// except refusals; 0 while none is known.
func (p Ledger) Applied() Revision {
	if len(p.Servers) == 0 {
		return 0
	}
	return slices.MinFunc(p.Servers, func(a, b StockServer) int { return cmp.Compare(a.Applied, b.Applied) }).Applied
}

// Refusals are those of all servers, each with the server's name in the reason.
func (p Ledger) Refusals() []Refusal {
	var all []Refusal
	for _, s := range p.Servers {
		for _, r := range s.Refusals {
			all = append(all, Refusal{Account: r.Account, Revision: r.Revision, Reason: s.Name + ": " + r.Reason})
		}
	}
	return all
}

// Heard says whether any server is there.
func (p Ledger) Heard() bool {
	return slices.ContainsFunc(p.Servers, func(s StockServer) bool { return !s.Away })
}

// Lead runs a courier for each attachment until ctx ends, and returns when they
// have. Of all replicas, only one may be in here: a stock server keeps whatever
// comes last, also when that is older.
func (h *Hub) Lead(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	dismiss := map[*link]context.CancelFunc{}
	for {
		attached := map[*link]bool{}
		for _, l := range h.attachments() {
			attached[l] = true
			if l.connection() == nil || dismiss[l] != nil {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			dismiss[l] = cancel
			running.Go(func() { (&courier{link: l}).run(ctx) })
		}
		for l, cancel := range dismiss {
			if !attached[l] {
				cancel()
				delete(dismiss, l)
			}
		}
		select {
		case <-ctx.Done():
			for _, cancel := range dismiss {
				cancel()
			}
			return
		case <-h.moved:
		}
	}
}

// courier keeps one attachment up to date.
type courier struct {
	*link
	servers map[string]*StockServer // by name
	present map[string]bool         // names of those who have answered the last roll call
	silent  map[string]time.Time    // when servers that are there left a push unanswered: nobody waits for them for a while
	foreign map[string]string       // JWTs that somebody else pushed, by account
	asked   int                     // requests so far
	retried time.Time
	kept    Ledger // as the source was told last
	keptAt  time.Time
	full    int    // servers with a full resolver
	fullOf  string // the servers there were when they were counted
}

func (c *courier) run(ctx context.Context) {
	if err := c.remember(ctx); err != nil {
		return // ctx has ended
	}
	answers, pushes, inbox := make(chan *nats.Msg, 256), make(chan *nats.Msg, 1024), c.inbox+".roll.call"
	for subject, to := range map[string]chan *nats.Msg{inbox: answers, SubjectUpdate: pushes, fmt.Sprintf(subjectAccountUpdate, "*"): pushes} {
		sub, err := c.connection().ChanSubscribe(subject, to)
		if err != nil {
			c.fail("listen to attached servers", err)
			return
		}
		defer sub.Unsubscribe()
	}
	roll := time.NewTicker(rollEvery)
	defer roll.Stop()
	c.callRoll(inbox)
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-answers:
			if !c.enter(m) {
				continue
			}
		case m := <-pushes:
			if !c.overhear(m) {
				continue
			}
		case <-c.changed:
		case <-roll.C:
			c.markAway()
			c.callRoll(inbox)
		}
		if err := c.catchUp(ctx); err != nil && ctx.Err() == nil {
			c.fail("bring attached servers up to date", err)
		}
		if err := c.keep(ctx); err != nil && ctx.Err() == nil {
			c.fail("keep how far attached servers have come", err)
		}
	}
}

// remember reads how far the attachment had come, however long that takes.
func (c *courier) remember(ctx context.Context) error {
	again := time.NewTicker(rollEvery)
	defer again.Stop()
	for {
		ledger, err := c.hub.source.Ledger(ctx, c.Membership)
		if err == nil {
			c.servers, c.silent, c.foreign, c.kept = map[string]*StockServer{}, map[string]time.Time{}, map[string]string{}, ledger
			for _, s := range ledger.Servers {
				c.servers[s.Name] = &s
			}
			return nil
		}
		if ctx.Err() == nil && !errors.Is(err, fault.NotFound) { // it was detached
			c.fail("read how far attached servers had come", err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// callRoll asks who is there; without a connection nobody answers.
func (c *courier) callRoll(inbox string) {
	c.present = map[string]bool{}
	if err := c.connection().PublishRequest(subjectPing, inbox, nil); err != nil && c.connected() {
		c.fail("ask which servers are there", err)
	}
}

// markAway notes who did not answer the last roll call. A server without a name
// of its own cannot come back: it starts as another.
func (c *courier) markAway() {
	for name, s := range c.servers {
		s.Away = !c.present[name]
		if s.Away && s.Name == s.ID {
			delete(c.servers, name)
		}
	}
}

// enter notes who answers a roll call, and reports whether that is news.
func (c *courier) enter(m *nats.Msg) bool {
	var answer struct {
		Server struct {
			answerServer
			Version  string            `json:"ver"`
			Metadata map[string]string `json:"metadata"`
		} `json:"server"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil || answer.Server.Name == "" {
		return false // nobody is there: that is said with an empty message
	}
	said := answer.Server
	if said.Metadata[brokerMark] != "" {
		return false
	}
	c.present[said.Name] = true
	s := c.servers[said.Name]
	if s == nil {
		s = &StockServer{Name: said.Name, Away: true}
		c.servers[said.Name] = s
	}
	news := s.Away || s.ID != said.ID
	if news {
		delete(c.silent, said.Name)
	}
	s.ID, s.Version, s.Away = said.ID, said.Version, false
	return news
}

// catchUp pushes to the servers that are there until all of them have what
// there is, or have left something unanswered.
func (c *courier) catchUp(ctx context.Context) error {
	late := map[string]bool{}
	if err := c.undo(ctx, late); err != nil {
		return err
	}
	if err := c.retry(ctx, late); err != nil {
		return err
	}
	for {
		to := c.ready(late)
		if len(to) == 0 {
			return nil
		}
		since := slices.MinFunc(to, func(a, b StockServer) int { return cmp.Compare(a.next(), b.next()) }).next()
		entries, head, err := c.hub.source.Changes(ctx, c.OperatorID, since, maxCourierRows)
		if err != nil {
			return err
		}
		if c.isAhead(head) { // the database was restored from an older copy
			c.startAgain()
			continue
		}
		batch := fitAnswer(entries, head, len(entries) == maxCourierRows)
		for i, e := range batch.Entries {
			if batch.Entries[i], err = c.hub.forStock(ctx, c.OperatorID, e); err != nil {
				return err
			}
		}
		if err := c.deliver(ctx, to, batch.Entries, late); err != nil {
			return err
		}
		for _, s := range c.ready(late) {
			s := c.servers[s.Name]
			s.cursor = max(s.cursor, batch.AppliedTo)
			if !batch.More {
				s.Applied = s.next()
			}
		}
		if !batch.More {
			return nil
		}
		if err := c.keep(ctx); err != nil {
			return err
		}
	}
}

// ready are the servers that are there and have left nothing unanswered.
func (c *courier) ready(late map[string]bool) []StockServer {
	var ready []StockServer
	for _, s := range c.ledger().Servers {
		if !s.Away && !late[s.Name] && time.Since(c.silent[s.Name]) > retryEvery {
			ready = append(ready, s)
		}
	}
	return ready
}

// isAhead says that a server has confirmed what the database does not know.
func (c *courier) isAhead(head Revision) bool {
	for _, s := range c.servers {
		if s.Applied > head {
			return true
		}
	}
	return false
}

func (c *courier) startAgain() {
	for _, s := range c.servers {
		s.Applied, s.cursor = 0, 0
	}
}

// overhear notes a push that is not the courier's own.
func (c *courier) overhear(m *nats.Msg) bool {
	if strings.HasPrefix(m.Reply, c.inbox) {
		return false
	}
	c.foreign[claimed(string(m.Data))] = string(m.Data)
	return true
}

// undo pushes what should be there after others have pushed something else.
// Servers that do not answer that now have not confirmed it any more.
func (c *courier) undo(ctx context.Context, late map[string]bool) error {
	entries, err := c.current(ctx, slices.Sorted(maps.Keys(c.foreign)))
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return c.foreign[e.Account] == e.JWT })
	clear(c.foreign)
	for _, e := range entries {
		if err := c.deliver(ctx, c.ready(late), []Entry{e}, late); err != nil {
			return err
		}
		answered := c.ready(late)
		for name, s := range c.servers {
			if !slices.ContainsFunc(answered, func(a StockServer) bool { return a.Name == name }) {
				s.Applied = min(s.Applied, e.Revision-1)
			}
		}
	}
	return nil
}

// retry pushes again, now and then, what servers refuse.
func (c *courier) retry(ctx context.Context, late map[string]bool) error {
	to := c.ready(late)
	if time.Since(c.retried) < retryEvery || len(Ledger{to}.Refusals()) == 0 {
		return nil
	}
	c.retried = time.Now()
	accounts := map[string]bool{}
	for _, r := range (Ledger{to}).Refusals() {
		accounts[r.Account] = true
	}
	entries, err := c.current(ctx, slices.Sorted(maps.Keys(accounts)))
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(entries, maxCourierRows) {
		if err := c.deliver(ctx, to, chunk, late); err != nil {
			return err
		}
	}
	return nil
}

// current are the accounts' JWTs as they are now.
func (c *courier) current(ctx context.Context, accounts []string) ([]Entry, error) {
	var entries []Entry
	for _, account := range accounts {
		e, err := c.hub.source.LookupForStock(ctx, c.OperatorID, account)
		if errors.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// deliver pushes entries to the servers, reads them back, and notes what each
// server refuses. Those that leave something unanswered become late.
//
// What was read back may differ because somebody else has pushed at the same
// moment, the server's own synchronisation for one. It gets a second try, with
// the claims as they are by then.
func (c *courier) deliver(ctx context.Context, to []StockServer, entries []Entry, late map[string]bool) error {
	r, err := c.round(ctx, to, c.fitting(to, entries, late))
	if err != nil {
		return err
	}
	c.note(r, r.differs, late)
	if len(r.differs) == 0 {
		return nil
	}
	fresh, err := c.current(ctx, slices.Sorted(maps.Keys(r.differs)))
	if err != nil {
		return err
	}
	again, err := c.round(ctx, to, c.fitting(to, fresh, late))
	if err != nil {
		return err
	}
	c.note(again, nil, late)
	return nil
}

// fitting are the entries that the connection takes. The others are refused on
// the servers' behalf.
func (c *courier) fitting(to []StockServer, entries []Entry, late map[string]bool) []Entry {
	limit := c.connection().MaxPayload()
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		if int64(len(e.JWT)) <= limit {
			return false
		}
		for _, s := range to {
			c.settle(s.Name, e, fmt.Sprintf("the JWT has %d bytes, and max_payload is %d", len(e.JWT), limit), late)
		}
		return true
	})
}

// note keeps what a round has shown, but of some accounts.
func (c *courier) note(r *round, but, late map[string]bool) {
	for name := range r.silent {
		late[name], c.silent[name] = true, time.Now()
	}
	for name := range r.servers {
		for i, e := range r.entries {
			v := verdict{name, i}
			switch {
			case but[e.Account]:
			case !r.read[v] || r.lookups[i] < r.full:
				late[name] = true
			default:
				c.settle(name, e, r.refused[v], late)
			}
		}
	}
}

// settle keeps why the server refuses the entry, or that it does not: an empty
// reason. One that refuses too much becomes late.
func (c *courier) settle(name string, e Entry, reason string, late map[string]bool) {
	s := c.servers[name]
	s.Refusals = slices.DeleteFunc(s.Refusals, func(old Refusal) bool { return old.Account == e.Account })
	if reason == "" {
		return
	}
	r := Refusal{Account: e.Account, Revision: e.Revision, Reason: reason}
	if c.news(name, r) {
		c.hub.log.Error("an attached server refused an account's claims", "operator", c.OperatorID, "attachment", c.Cluster, "server", name,
			"account", e.Account, "revision", e.Revision, "reason", reason)
	}
	if len(s.Refusals) == maxRefusals {
		late[name] = true
		return
	}
	s.Refusals = append(s.Refusals, r)
}

func (c *courier) ledger() Ledger {
	p := Ledger{Servers: []StockServer{}}
	for _, name := range slices.Sorted(maps.Keys(c.servers)) {
		s := *c.servers[name]
		s.Refusals = slices.Clone(s.Refusals)
		p.Servers = append(p.Servers, s)
	}
	return p
}

// keep tells the source how far the servers have come, and when nothing has
// changed, now and then that they are there.
func (c *courier) keep(ctx context.Context) error {
	p := c.ledger()
	same := reflect.DeepEqual(p, c.kept)
	if same && (!p.Heard() || time.Since(c.keptAt) < keepEvery) {
		return nil
	}
	if err := c.hub.source.Keep(ctx, c.Membership, p); err != nil {
		return err
	}
	c.kept, c.keptAt = p, time.Now()
	return nil
}

// round is a batch of entries on its way, with what servers say of it.
type round struct {
	entries []Entry
	servers map[string]bool    // those that have to answer, by name
	silent  map[string]bool    // those that did not answer all pushes, and are asked no more
	taken   map[verdict]bool   // answered the push
	read    map[verdict]bool   // said what is in force
	lookups []int              // by entry: how many said what is stored
	full    int                // how many should
	refused map[verdict]string // why
	differs map[string]bool    // accounts of which something else was read back than was pushed
}

// verdict is what one server says of one entry.
type verdict struct {
	server string
	entry  int
}

func newRound(to []StockServer, entries []Entry) *round {
	r := &round{entries: entries, servers: map[string]bool{}, silent: map[string]bool{}, lookups: make([]int, len(entries)),
		taken: map[verdict]bool{}, read: map[verdict]bool{}, refused: map[verdict]string{}, differs: map[string]bool{}}
	for _, s := range to {
		r.servers[s.Name] = true
	}
	return r
}

// dropSilent leaves out the servers that did not answer all pushes.
func (r *round) dropSilent() {
	for name := range r.servers {
		for i := range r.entries {
			if !r.taken[verdict{name, i}] {
				r.silent[name] = true
			}
		}
	}
	maps.DeleteFunc(r.servers, func(name string, _ bool) bool { return r.silent[name] })
}

// complete says that all servers have answered for all entries.
func (r *round) complete(answered map[verdict]bool) bool {
	return len(answered) == len(r.servers)*len(r.entries)
}

// round pushes the entries and reads them back.
func (c *courier) round(ctx context.Context, to []StockServer, entries []Entry) (*round, error) {
	r := newRound(to, entries)
	if len(entries) == 0 {
		return r, nil
	}
	push := func(e Entry) (string, string) { return fmt.Sprintf(subjectAccountUpdate, e.Account), e.JWT }
	if err := c.ask(ctx, entries, answerWithin, push, r.takePush); err != nil {
		return nil, err
	}
	if r.dropSilent(); len(r.servers) == 0 {
		return r, nil
	}
	info := func(e Entry) (string, string) { return fmt.Sprintf(subjectInfo, e.Account), "" }
	if err := c.ask(ctx, entries, answerWithin, info, r.takeInfo); err != nil {
		return nil, err
	}
	if err := c.countFull(ctx, r.servers, entries); err != nil {
		return nil, err
	}
	if r.full = c.full; r.full == 0 {
		return r, nil
	}
	if err := c.ask(ctx, entries, answerWithin, lookup, r.takeLookup); err != nil {
		return nil, err
	}
	if slices.Min(r.lookups) < r.full {
		c.fullOf = "" // there may be fewer than there were
	}
	return r, nil
}

func lookup(e Entry) (string, string) { return lookupSubject(e.Account), "" }

// countFull learns how many of the servers answer lookups, when they are others than before.
func (c *courier) countFull(ctx context.Context, servers map[string]bool, entries []Entry) error {
	var roster strings.Builder
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		roster.WriteString(c.servers[name].ID + " ")
	}
	if c.fullOf == roster.String() {
		return nil
	}
	full := 0
	err := c.ask(ctx, entries[:1], countWithin, lookup, func(_ int, m *nats.Msg) bool {
		if !controlsOwn(m) {
			full++
		}
		return full == len(servers)
	})
	if err == nil {
		c.full, c.fullOf = full, roster.String()
	}
	return err
}

// takePush reads what a server says to a push.
func (r *round) takePush(i int, m *nats.Msg) bool {
	var a pushAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil || !r.servers[a.Server.Name] {
		return false
	}
	v := verdict{a.Server.Name, i}
	r.taken[v] = true
	if a.Error != nil {
		r.refused[v] = a.Error.Description
	}
	return r.complete(r.taken)
}

// infoAnswer is nats-server's answer of account information, of which this is needed.
type infoAnswer struct {
	Server answerServer `json:"server"`
	Data   *struct {
		JWT string `json:"jwt"`
	} `json:"data"`
}

// takeInfo reads which claims a server has in force. A push that it refused
// explains why those are others.
func (r *round) takeInfo(i int, m *nats.Msg) bool {
	var a infoAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil || !r.servers[a.Server.Name] {
		return false
	}
	v := verdict{a.Server.Name, i}
	r.read[v] = true
	if a.Data != nil && a.Data.JWT != r.entries[i].JWT && r.refused[v] == "" {
		r.refused[v] = "it took the claims, but has others in force"
		r.differs[r.entries[i].Account] = true
	}
	return r.complete(r.read)
}

// takeLookup reads what one of the servers stores. None says which it is, so
// that what differs is held against all that have not refused the claims anyway.
func (r *round) takeLookup(i int, m *nats.Msg) bool {
	if controlsOwn(m) {
		return false
	}
	r.lookups[i]++
	if string(m.Data) != r.entries[i].JWT && !r.refusedBy(i) {
		for name := range r.servers {
			r.refused[verdict{name, i}] = "other claims are stored than were pushed, here or on another server of the attachment"
		}
		r.differs[r.entries[i].Account] = true
	}
	return slices.Min(r.lookups) >= r.full
}

// refusedBy says whether any server refused the entry.
func (r *round) refusedBy(i int) bool {
	for name := range r.servers {
		if r.refused[verdict{name, i}] != "" {
			return true
		}
	}
	return false
}

// controlsOwn says that it is a replica of control that answers a lookup, or that nobody does.
func controlsOwn(m *nats.Msg) bool {
	return m.Header.Get(HeaderRevision) != "" || m.Header.Get(headerLookupErr) != "" || m.Header.Get("Status") != ""
}

// ask sends a request for each entry, and hands on the answers with the entry's
// index, until take has enough or there was none within that time.
func (c *courier) ask(ctx context.Context, entries []Entry, within time.Duration, request func(Entry) (subject, body string), take func(i int, m *nats.Msg) (enough bool)) error {
	c.asked++
	nc, inbox := c.connection(), fmt.Sprintf("%s.ask.%d", c.inbox, c.asked)
	sub, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return fmt.Errorf("listen for answers: %w", err)
	}
	defer sub.Unsubscribe()
	for i, e := range entries {
		subject, body := request(e)
		if err := nc.PublishRequest(subject, inbox+"."+strconv.Itoa(i), []byte(body)); err != nil {
			return fmt.Errorf("ask on %s: %w", subject, err)
		}
	}
	for {
		m, err := next(ctx, sub, within)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for answers: %w", err)
		}
		i, _ := strconv.Atoi(m.Subject[len(inbox)+1:]) // we wrote it
		if take(i, m) {
			return nil
		}
	}
}

func next(ctx context.Context, sub *nats.Subscription, within time.Duration) (*nats.Msg, error) {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	m, err := sub.NextMsgWithContext(waiting)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m, err
}
