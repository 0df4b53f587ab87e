package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// An unmodified nats-server may be in the brokers' cluster. With a full resolver
// it takes pushes as brokers do, and asks once a minute, starting a minute after
// it has, whether it has everything: it sends the exclusive or of the SHA-256 of
// all the JWTs it holds. If control's is the same, an empty message is the
// answer. Otherwise all JWTs are, line by line, and then an empty message:
//
//	A…|ey…
//
// What it gets so replaces only what was signed in an earlier second: a server
// that has missed the second of two changes within one keeps the first until the
// account changes again.
//
// With a cache resolver it sends lookups for what it does not have. Servers with
// the other resolvers hear only of pushes on the account's own subject, and only
// for accounts in use. Tools ask who there is; one message has to hold the answer.
//
// Control answers beside the servers' own queue group, since what other servers
// hold is not the truth.
const (
	subjectPack = "$SYS.REQ.CLAIMS.PACK"
	subjectList = "$SYS.REQ.CLAIMS.LIST"

	// Not listened to by brokers.
	subjectAccountUpdate = "$SYS.REQ.ACCOUNT.%s.CLAIMS.UPDATE"

	stockInboxPrefix = "$SYS._INBOX." // where nats-server itself wants its answers
	stockInbox       = stockInboxPrefix + ">"
	packPage         = 1000     // JWTs read at once
	packBytes        = 64 << 10 // of JWTs in one message
	packLimit        = 10 * time.Minute
	controlsName     = "signalbox-control"
)

// answerPack is bounded by the link's context and packLimit: it may have to send
// all there is.
func (l *link) answerPack(_ context.Context, m *nats.Msg) {
	ctx, cancel := context.WithTimeout(l.ctx, packLimit)
	defer cancel()
	if m.Reply == "" {
		return
	}
	l.stock.Store(true)
	ours, err := l.hub.source.PackHash(ctx, l.OperatorID)
	if err == nil && string(m.Data) != string(ours[:]) {
		err = l.sendPack(ctx, m)
	}
	if err != nil { // the server asks again in a minute
		l.fail("send a server all account JWTs", err)
		return
	}
	l.respond(m, "", nil)
}

func (l *link) sendPack(ctx context.Context, m *nats.Msg) error {
	var lines strings.Builder
	flush := func() error {
		if lines.Len() == 0 {
			return nil
		}
		defer lines.Reset()
		return m.Respond([]byte(lines.String()))
	}
	for after := ""; ; {
		entries, err := l.hub.source.Pack(ctx, l.OperatorID, after, packPage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if lines.Len()+len(e.JWT) > packBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			fmt.Fprintf(&lines, "%s|%s\n", e.Account, e.JWT)
			after = e.Account
		}
		if len(entries) < packPage {
			return flush()
		}
	}
}

// forStock is the entry with all revocations in its JWT, which may be newer then.
// It can take tens of milliseconds for an account that has pages or users that
// were moved, and nothing for others; so brokers are told first, and of a cluster where no server has
// been heard of that needs it, nothing is asked.
func (h *Hub) forStock(ctx context.Context, operatorID string, e Entry) (Entry, error) {
	if !claims.MayDifferForStock(e.JWT) {
		return e, nil
	}
	stock, err := h.source.LookupForStock(ctx, operatorID, e.Account)
	if err != nil {
		return Entry{}, err
	}
	e.JWT = stock.JWT
	return e, nil
}

// listAnswer is nats-server's own, of which tools read these fields.
type listAnswer struct {
	Server answerServer `json:"server"`
	Data   []string     `json:"data,omitempty"`
	Error  *answerError `json:"error,omitempty"`
}

func (l *link) answerList(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	answer := listAnswer{Server: answerServer{Name: controlsName, ID: l.inbox}, Data: []string{}}
	room := l.connection().MaxPayload() - packBytes // the frame's, generously
	for after := ""; ; {
		entries, err := l.hub.source.Pack(ctx, l.OperatorID, after, packPage)
		if err != nil {
			l.fail("list the accounts", err)
			return
		}
		for _, e := range entries {
			answer.Data = append(answer.Data, e.Account)
			after = e.Account
			room -= int64(len(e.Account)) + 3
		}
		if room < 0 {
			answer.Data, answer.Error = nil, &answerError{Code: 413, Description: "more accounts than fit in one message; list them over the REST API"}
			break
		}
		if len(entries) < packPage {
			break
		}
	}
	l.respond(m, "", mustJSON(answer))
}

// PackHash is what a full resolver that holds these JWTs sends.
func PackHash(tokens ...string) (hash [sha256.Size]byte) {
	for _, token := range tokens {
		for i, b := range sha256.Sum256([]byte(token)) {
			hash[i] ^= b
		}
	}
	return hash
}

// takeStockAnswer reads what a server that is no broker says to a push. It gives
// no receipt: a full resolver says that it has stored the claims, others say
// less. Only that one refused them is news.
func (l *link) takeStockAnswer(m *nats.Msg, revision Revision) {
	l.stock.Store(true)
	var a pushAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		l.fail("read a server's answer", err)
		return
	}
	if a.Error == nil || !l.news(a.Server.ID, Refusal{Account: a.Error.Account, Revision: revision}) {
		return
	}
	l.hub.log.Error("a server refused an account's claims", "operator", l.OperatorID, "cluster", l.Cluster, "server", a.Server.Name,
		"account", a.Error.Account, "revision", revision, "reason", a.Error.Description)
}
