package resolver_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func TestResolverGoesByTheOperatorsNewKeysAndNobodyElses(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	_, r, _ := bare(t, control)
	main, _, _ := control.Seeds()
	before, err := claims.DecodeOperator(control.OperatorJWT())
	if err != nil {
		t.Fatal(err)
	}
	next, nextKey := brokertest.NewOperatorSeed(t)
	system, oldSystemJWT := control.SystemAccount()
	newSystemJWT, err := claims.EncodeSystemAccount(claims.AccountKey(system), "SYS", next)
	if err != nil {
		t.Fatal(err)
	}
	said := before.Operator
	said.SigningKeys = []claims.OperatorKey{nextKey}
	rotated, err := claims.EncodeOperator(said, main)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	keep := func() error { kept++; return nil }
	stranger := brokertest.NewControl(t)
	_, strangersSystem := stranger.SystemAccount()
	for name, c := range map[string]struct{ operator, system string }{
		"another operator":                             {stranger.OperatorJWT(), strangersSystem},
		"the operator's JWT of an hour ago":            {issuedAt(t, main, control.OperatorJWT(), time.Now().Add(-time.Hour)), oldSystemJWT},
		"half a JWT":                                   {rotated[:len(rotated)/2], newSystemJWT},
		"a system account that the old key has signed": {rotated, oldSystemJWT},
		"another's system account":                     {rotated, strangersSystem},
	} {
		if err := r.Renew(c.operator, c.system, keep); err == nil {
			t.Errorf("%s is believed", name)
		}
	}
	if err := r.Renew(rotated, newSystemJWT, func() error { return errors.New("the disk is full") }); err == nil {
		t.Error("what could not be kept is gone by")
	}
	account := control.NewAccount("acme")
	key := string(account.Key)
	byNew, err := claims.EncodeAccount(claims.Account{Key: account.Key, Name: "acme", Limits: claims.UnlimitedLimits()}, next)
	if err != nil {
		t.Fatal(err)
	}
	if kept != 0 || len(accept(t, r, resolver.Entry{Account: key, Revision: 1, JWT: byNew})) != 1 {
		t.Errorf("something of the refused was taken (%d times kept)", kept)
	}
	if err := r.Renew(rotated, newSystemJWT, keep); err != nil || kept != 1 {
		t.Fatalf("kept %d times: %v", kept, err)
	}
	if r.Trust().ID() != claims.OperatorJWTID(rotated) {
		t.Error("it does not say so")
	}
	if refusals := accept(t, r, resolver.Entry{Account: key, Revision: 2, JWT: byNew}); len(refusals) != 0 {
		t.Errorf("what the new key signed is refused: %+v", refusals)
	}
	byOld := account.Edit(func(*claims.Account) {})
	if refusals := accept(t, r, resolver.Entry{Account: key, Revision: 3, JWT: byOld}); len(refusals) != 1 {
		t.Error("what the old key signed is still taken")
	}
	if got, err := r.Fetch(system); err != nil || got != newSystemJWT {
		t.Errorf("the system account: %v, want the one that the new key signed", err)
	}
}

// issuedAt is the operator's JWT as it would have been signed then.
func issuedAt(t *testing.T, main claims.Seed, token string, at time.Time) string {
	t.Helper()
	operator, err := jwt.DecodeOperatorClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	operator.IssuedAt = at.Unix()
	payload, err := json.Marshal(operator)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(token, ".")
	text := header + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := main.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	signed := text + "." + base64.RawURLEncoding.EncodeToString(signature)
	if _, err := resolver.NewTrust(signed); err != nil {
		t.Fatalf("the JWT is not one: %v", err)
	}
	return signed
}
