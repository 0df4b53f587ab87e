package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/resolver"
)

// measureStore gives one server of each side new accounts, as fast as it takes them.
func (b *bench) measureStore(ctx context.Context) error {
	p, err := b.newPair(ctx, "store", 1)
	if err != nil {
		return err
	}
	defer p.close()
	revision, err := p.head(ctx)
	if err != nil {
		return err
	}
	p.control.stop() // this is control now
	broker := &source{operator: p.operator, node: p.broker, revision: revision}
	stock := &source{operator: p.operator, node: p.stock}
	pushed, push, err := alternate(ctx, b.scale.rounds, b.scale.rounds, perSecond,
		func() (float64, error) { return stock.push(b.scale.pushes) },
		func() (float64, error) { return broker.push(b.scale.pushes) })
	if err != nil {
		return err
	}
	var bulk []float64
	for range b.scale.rounds {
		rate, err := broker.catchUp(b.scale.bulk)
		if err != nil {
			return err
		}
		bulk = append(bulk, rate)
	}
	b.add(row{Name: "changes stored by one server, many at once", Unit: perSecond, Stock: pushed, Signalbox: perSecond.summarise(bulk),
		Target: &target{Of: "median", AtLeast: 20_000},
		Note:   "The stock server is pushed each; a broker catches up, syncs to disk, and checks signatures when an account is used."})
	b.add(row{Name: "changes stored by one server, pushed one by one", Unit: perSecond, Stock: pushed, Signalbox: push,
		Note: "Each is checked, signature included, stored and answered. A broker syncs to disk, the stock server does not."})
	return nil
}

// source stands in for control: it gives one server new accounts.
type source struct {
	operator *operator
	node     *node
	revision int64 // of the last change; a stock server knows none
}

// connect is a connection on the system account.
func (s *source) connect() (*nats.Conn, error) {
	system, err := s.operator.systemCredential()
	if err != nil {
		return nil, err
	}
	return s.node.connect(system)
}

// push sends new accounts at once, and waits for all answers.
func (s *source) push(n int) (float64, error) {
	accounts, err := s.operator.newAccounts(n)
	if err != nil {
		return 0, err
	}
	nc, err := s.connect()
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	inbox := nats.NewInbox()
	answers, err := nc.SubscribeSync(inbox + ".*") // a broker may answer on a subject once
	if err != nil {
		return 0, err
	}
	return rate(func() (int, error) {
		for i, a := range accounts {
			m := s.pushOf(a)
			m.Reply = inbox + "." + strconv.Itoa(i)
			if err := nc.PublishMsg(m); err != nil {
				return 0, err
			}
		}
		for range accounts {
			if err := stored(answers); err != nil {
				return 0, err
			}
		}
		return n, nil
	})()
}

// pushOf is a push as control sends it. To a stock server the headers mean nothing.
func (s *source) pushOf(a *account) *nats.Msg {
	s.revision++
	m := nats.NewMsg(resolver.SubjectUpdate)
	m.Header.Set(resolver.HeaderRevision, strconv.FormatInt(s.revision, 10))
	m.Header.Set(resolver.HeaderPrevious, strconv.FormatInt(s.revision-1, 10))
	m.Header.Set(resolver.HeaderAccount, string(a.Key))
	m.Data = []byte(a.jwt)
	return m
}

// stored reads an answer to a push.
func stored(answers *nats.Subscription) error {
	m, err := answers.NextMsg(patience)
	if err != nil {
		return fmt.Errorf("wait for an answer: %w", err)
	}
	var answer struct {
		Data  struct{ Code int }
		Error *struct{ Description string }
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return err
	case answer.Error != nil:
		return errors.New(answer.Error.Description)
	case answer.Data.Code != 200:
		return fmt.Errorf("the push was not stored: %s", m.Data)
	}
	return nil
}

// changesAtOnce is how many changes control answers with.
const changesAtOnce = 500

// catchUp tells a broker that it is behind, and answers until it is not.
func (s *source) catchUp(n int) (float64, error) {
	answers, err := s.prepare(n)
	if err != nil {
		return 0, err
	}
	nc, err := s.connect()
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	_, err = nc.Subscribe(resolver.SubjectCatchUp, func(m *nats.Msg) {
		var asked struct{ Since int64 }
		if err := json.Unmarshal(m.Data, &asked); err == nil {
			_ = m.Respond(answers[asked.Since]) // one that gets nothing asks again
		}
	})
	if err != nil {
		return 0, err
	}
	receipts, err := nc.SubscribeSync(resolver.SubjectApplied)
	if err != nil {
		return 0, err
	}
	return rate(func() (int, error) {
		if err := nc.Publish(resolver.SubjectHead, fmt.Appendf(nil, `{"revision":%d}`, s.revision)); err != nil {
			return 0, err
		}
		return n, s.awaitReceipt(receipts)
	})()
}

// prepare makes new accounts, and the answers to a broker that asks for them,
// by the revision that it has.
func (s *source) prepare(n int) (map[int64][]byte, error) {
	accounts, err := s.operator.newAccounts(n)
	if err != nil {
		return nil, err
	}
	type answer struct {
		Entries   []resolver.Entry `json:"entries"`
		AppliedTo int64            `json:"applied_to"`
		More      bool             `json:"more"`
	}
	answers := map[int64][]byte{}
	for len(accounts) > 0 {
		since := s.revision
		a := answer{More: len(accounts) > changesAtOnce}
		for _, account := range accounts[:min(changesAtOnce, len(accounts))] {
			s.revision++
			a.Entries = append(a.Entries, resolver.Entry{Account: string(account.Key), Revision: s.revision, JWT: account.jwt})
		}
		a.AppliedTo = s.revision
		accounts = accounts[len(a.Entries):]
		if answers[since], err = json.Marshal(a); err != nil {
			return nil, err
		}
	}
	answers[s.revision], err = json.Marshal(answer{AppliedTo: s.revision})
	return answers, err
}

// awaitReceipt waits until the broker has applied all.
func (s *source) awaitReceipt(receipts *nats.Subscription) error {
	for {
		m, err := receipts.NextMsg(patience)
		if err != nil {
			return fmt.Errorf("wait for the receipt: %w", err)
		}
		var receipt resolver.Receipt
		if err := json.Unmarshal(m.Data, &receipt); err != nil {
			return err
		}
		if receipt.Applied >= s.revision {
			return nil
		}
	}
}
