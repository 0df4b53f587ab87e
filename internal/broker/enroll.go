package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

type announcement struct {
	Cluster    string    `json:"cluster"` // empty: stands alone
	ControlURL string    `json:"control_url"`
	Endpoints  Endpoints `json:"endpoints"`
}

type enrollment struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key"`
	announcement
}

type enrolled struct {
	ID               string `json:"id"`
	Token            string `json:"token"`
	OperatorID       string `json:"operator_id"`
	OperatorJWT      string `json:"operator_jwt"`
	SystemAccount    string `json:"system_account_public_key"`
	SystemAccountJWT string `json:"system_account_jwt"`
	UserJWT          string `json:"user_jwt"`
}

const (
	retryFirst   = 250 * time.Millisecond
	retryAtMost  = 5 * time.Second
	httpTimeout  = 10 * time.Second
	maxHTTPReply = 4 << 20

	// askAgain is how long control may say nothing in the system account before the
	// broker asks it over HTTP whether it still has its seat, and how often then.
	askAgain = 5 * time.Second

	problemUnauthenticated = "/problems/unauthenticated"
)

var (
	// errRefused is control saying no, which trying again will not change.
	errRefused = errors.New("control refused")
	// errToken is control not knowing who calls. Whoever else answers so, a proxy
	// say, does not make a problem of it as control does.
	errToken = fmt.Errorf("%w the token", errRefused)
)

// enroll asks control for a seat, as long as ctx lives and control is merely away.
func (b *Broker) enroll(ctx context.Context, i identity) (identity, error) {
	key, err := i.publicKey()
	if err != nil {
		return identity{}, err
	}
	body := enrollment{Name: b.options.ServerName, PublicKey: key, announcement: b.announcement()}
	var seat enrolled
	err = b.insist(ctx, "enrol", func() error {
		return call(ctx, http.MethodPost, b.cfg.ControlURL+"/v1/brokers", b.cfg.EnrollmentToken, body, &seat)
	})
	if err != nil {
		return identity{}, fmt.Errorf("enrol at %s: %w", b.cfg.ControlURL, err)
	}
	if seat.UserJWT == "" || seat.OperatorJWT == "" || seat.SystemAccountJWT == "" {
		return identity{}, fmt.Errorf("enrol at %s: the answer is not whole; is that Signalbox's control?", b.cfg.ControlURL)
	}
	b.log.Info("enrolled", "broker", seat.ID, "operator", seat.OperatorID)
	return identity{
		Seed: i.Seed, BrokerID: seat.ID, Token: seat.Token, OperatorID: seat.OperatorID, OperatorJWT: seat.OperatorJWT,
		SystemAccount: seat.SystemAccount, SystemAccountJWT: seat.SystemAccountJWT, UserJWT: seat.UserJWT,
	}, nil
}

// announce says where the broker is, and which operator JWT it goes by, once
// control is there to hear it, and again when control goes by another. It
// takes the permissions that control gives to brokers by now, and the operator's JWT.
//
// It is also how a broker learns that it has been removed: that goes with another
// operator JWT, and control does not speak to a removed broker in the system
// account, so one that hears nothing asks.
func (b *Broker) announce(ctx context.Context) {
	if b.cfg.ControlURL == "" {
		return
	}
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	insist := true
	for {
		again, err := b.announceOnce(ctx, insist)
		if errors.Is(err, errToken) {
			b.leave(err)
			return
		}
		if err != nil && ctx.Err() == nil && (insist || errors.Is(err, errRefused)) {
			b.log.Error("cannot announce this broker: control may not know where it is", "error", err)
		}
		if again {
			continue
		}
		if insist = b.awaitNews(ctx, tick.C); ctx.Err() != nil {
			return
		}
	}
}

// awaitNews returns true when control goes by another operator JWT, and false
// when it is not heard, or ctx has ended.
func (b *Broker) awaitNews(ctx context.Context, tick <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-b.follower.OperatorChanged():
			return true
		case <-tick:
			if time.Since(b.contact().HeardAt) > askAgain {
				return false
			}
		}
	}
}

// leave shuts out everybody for as long as control does not take the broker back,
// starts without control included, and ends [Run].
func (b *Broker) leave(refused error) {
	why := refused.Error()
	b.unseated.Store(&why)
	next := b.kept
	next.Unseated = why
	if err := b.keepIdentity(next); err != nil {
		b.log.Error("cannot store that control does not know this broker any more", "error", err)
	}
	b.gone <- fmt.Errorf("this broker must not serve clients: %w; to use the machine again, move its data directory away and enrol it anew", refused)
}

// announceOnce reports whether there is news to announce since. If it does not
// insist, it fails where control cannot be reached.
func (b *Broker) announceOnce(ctx context.Context, insist bool) (again bool, err error) {
	target := b.cfg.ControlURL + "/v1/brokers/" + url.PathEscape(b.identity.BrokerID) + "/announcement"
	said := struct {
		announcement
		OperatorJWTID string `json:"operator_jwt_id"`
		SystemAccount string `json:"system_account_public_key"`
	}{b.announcement(), b.resolver.Trust().ID(), b.identity.SystemAccount}
	var renewed struct {
		UserJWT          string `json:"user_jwt"`
		OperatorJWT      string `json:"operator_jwt"`
		SystemAccount    string `json:"system_account_public_key"` // empty: control knows of one only
		SystemAccountJWT string `json:"system_account_jwt"`
	}
	try := func() error {
		err := call(ctx, http.MethodPut, target, b.identity.Token, said, &renewed)
		if !errors.Is(err, errToken) {
			b.asked.Store(true)
		}
		return err
	}
	if insist {
		err = b.insist(ctx, "announce this broker", try)
	} else {
		err = try()
	}
	if err != nil {
		return false, err
	}
	if err := b.stay(); err != nil {
		return false, err
	}
	before := b.resolver.Trust().ID()
	if renewed.SystemAccount != "" && renewed.SystemAccount != b.identity.SystemAccount {
		next := b.kept
		next.OperatorJWT, next.UserJWT = renewed.OperatorJWT, renewed.UserJWT
		next.SystemAccount, next.SystemAccountJWT = renewed.SystemAccount, renewed.SystemAccountJWT
		err := b.takeNextSeat(next)
		return err == nil && b.resolver.Trust().ID() != before, err
	}
	if err := b.renew(renewed.UserJWT); err != nil {
		return false, err
	}
	if renewed.OperatorJWT == "" || renewed.OperatorJWT == b.kept.OperatorJWT && renewed.SystemAccountJWT == b.kept.SystemAccountJWT {
		return false, nil
	}
	next := b.kept
	next.OperatorJWT, next.SystemAccountJWT = renewed.OperatorJWT, renewed.SystemAccountJWT
	if err := b.resolver.Renew(next.OperatorJWT, next.SystemAccountJWT, func() error { return b.keepIdentity(next) }); err != nil {
		return false, fmt.Errorf("take the operator's new JWT: %w", err)
	}
	b.log.Info("this broker goes by a new JWT of its operator")
	return b.resolver.Trust().ID() != before, nil
}

// stay notes that control knows the broker, if it has been told otherwise before.
func (b *Broker) stay() error {
	if b.unseated.Load() == nil {
		return nil
	}
	next := b.kept
	next.Unseated = ""
	if err := b.keepIdentity(next); err != nil {
		return err
	}
	b.unseated.Store(nil)
	b.log.Info("control knows this broker again")
	return nil
}

// takeNextSeat keeps a seat in another system account for the next start: a
// server cannot change its own while it runs. The operator's JWT holds at once.
func (b *Broker) takeNextSeat(next identity) error {
	if next.SystemAccount != b.kept.SystemAccount {
		b.log.Warn("the operator has another system account: restart this broker, so that it comes to be there", "system_account", next.SystemAccount)
	}
	trust, err := resolver.NewTrust(next.OperatorJWT)
	if err == nil {
		_, err = trust.Check(next.SystemAccountJWT, next.SystemAccount)
	}
	if err != nil {
		return fmt.Errorf("check the seat in the operator's other system account: %w", err)
	}
	if err := b.resolver.Renew(next.OperatorJWT, "", func() error { return b.keepIdentity(next) }); err != nil {
		return fmt.Errorf("take the operator's new JWT: %w", err)
	}
	return nil
}

// keepIdentity is called by announce's goroutine alone.
func (b *Broker) keepIdentity(i identity) error {
	if err := writeIdentity(filepath.Join(b.cfg.DataDir, identityFile), i); err != nil {
		return err
	}
	b.kept = i
	return nil
}

// renew logs in to the system account anew, if that changes what the broker may
// do there, and keeps the JWT for the next start.
func (b *Broker) renew(userJWT string) error {
	now, err := claims.DecodeUser(userJWT)
	if err != nil {
		return fmt.Errorf("read the broker's user JWT: %w", err)
	}
	before, err := claims.DecodeUser(b.kept.UserJWT)
	if err == nil && reflect.DeepEqual(before.Permissions, now.Permissions) {
		return nil
	}
	identity := b.kept
	identity.UserJWT = userJWT
	login, err := identity.login()
	if err != nil {
		return err
	}
	if err := b.keepIdentity(identity); err != nil {
		return err
	}
	b.log.Info("control has given this broker other permissions in the system account")
	b.follower.LogIn(login)
	return nil
}

// insist tries until it works, control refuses, or ctx ends.
func (b *Broker) insist(ctx context.Context, doing string, try func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryAtMost) {
		err := try()
		if err == nil || errors.Is(err, errRefused) || ctx.Err() != nil {
			return err
		}
		b.log.Warn("cannot "+doing+" yet: control cannot be reached; trying again", "control", b.cfg.ControlURL, "in", wait, "error", err)
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		case <-again.C:
		}
	}
}

// call sends body as JSON and reads the answer into result, unless that is nil.
func call(ctx context.Context, method, target, token string, body, result any) error {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: %v", errRefused, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxHTTPReply))
	if err != nil {
		return fmt.Errorf("read control's answer: %w", err)
	}
	if response.StatusCode >= 300 {
		return refusal(response.StatusCode, answer)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("%w: its answer is not JSON; is that Signalbox's control?", errRefused)
	}
	return nil
}

// refusal tells a no from an outage.
func refusal(status int, answer []byte) error {
	var problem struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
		Errors []struct {
			Pointer string `json:"pointer"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	}
	detail := http.StatusText(status)
	if json.Unmarshal(answer, &problem) == nil && problem.Detail != "" {
		detail = problem.Detail
	}
	for _, e := range problem.Errors {
		detail += "; " + e.Pointer + ": " + e.Detail
	}
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return fmt.Errorf("control answered %d: %s", status, detail)
	}
	if status == http.StatusUnauthorized && problem.Type == problemUnauthenticated {
		return fmt.Errorf("%w: %s", errToken, detail)
	}
	return fmt.Errorf("%w with status %d: %s", errRefused, status, detail)
}
