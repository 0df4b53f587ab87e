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

// subjectUpdate is the stock push of an account's JWT.
const subjectUpdate = resolver.SubjectUpdate

// measureStore pushes account JWTs to one server of each side, as fast as it
// takes them: each is answered when it is stored.
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
	push := func(n *node, message func(*account) *nats.Msg) sample {
		return func() (float64, error) { return p.pushTo(n, message) }
	}
	stock, ours, err := alternate(ctx, b.scale.rounds, b.scale.rounds, perSecond,
		push(p.stock, func(a *account) *nats.Msg { return &nats.Msg{Subject: subjectUpdate, Data: []byte(a.jwt)} }),
		push(p.broker, func(a *account) *nats.Msg {
			revision++
			return pushOf(a, revision)
		}))
	if err != nil {
		return err
	}
	b.add(row{Name: "changes stored by one server, pushed one by one", Unit: perSecond, Stock: stock, Signalbox: ours,
		Target: target{Of: "median", AtLeast: 20_000}, Note: "Each is checked, signature included, stored and answered; Signalbox syncs to disk, the stock server does not."})
	return nil
}

// pushOf is what control sends after the revision before.
func pushOf(a *account, revision int64) *nats.Msg {
	m := nats.NewMsg(subjectUpdate)
	m.Header.Set(resolver.HeaderRevision, strconv.FormatInt(revision, 10))
	m.Header.Set(resolver.HeaderPrevious, strconv.FormatInt(revision-1, 10))
	m.Header.Set(resolver.HeaderAccount, string(a.Key))
	m.Data = []byte(a.jwt)
	return m
}

// pushTo pushes new accounts at once, and waits for all answers.
func (p *pair) pushTo(n *node, message func(*account) *nats.Msg) (float64, error) {
	accounts, err := p.operator.newAccounts(p.bench.scale.pushes)
	if err != nil {
		return 0, err
	}
	system, err := p.operator.systemCredential()
	if err != nil {
		return 0, err
	}
	nc, err := n.connect(system)
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
			m := message(a)
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
		return len(accounts), nil
	})()
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
