package claims_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// manyOverrides are as many as there may be, with names and tags that do not repeat.
func manyOverrides(t testing.TB, n int) []claims.UserOverride {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	roles := make([]claims.AccountKey, 10)
	for i := range roles {
		roles[i] = must(must(claims.NewAccountSeed()).AccountKey())
	}
	list := make([]claims.UserOverride, n)
	for i := range list {
		list[i] = claims.UserOverride{
			Name: fmt.Sprintf("device-%05d-%x", i, random.Uint64()), Role: roles[random.IntN(len(roles))],
			Tags: []string{fmt.Sprintf("site:%x", random.Uint64())}, Connections: int64(random.IntN(10)),
		}
	}
	return list
}

func TestAsManyOverridesAsThereMayBeFit(t *testing.T) {
	t.Parallel()
	account := fullAccount(t)
	account.Overrides = manyOverrides(t, claims.MaxOverrides)
	signer := must(claims.NewOperatorSeed())
	token := must(claims.EncodeAccount(account, signer))
	t.Logf("%d overrides make a JWT of %d bytes", claims.MaxOverrides, len(token))
	if len(token) > claims.MaxTokenBytes/8 {
		t.Errorf("the JWT has %d bytes: little is left for the rest", len(token))
	}
	got := must(claims.DecodeAccount(token)).Overrides
	if diff := cmp.Diff(account.Overrides, got); diff != "" {
		t.Errorf("(-minted +decoded):\n%s", diff)
	}
	for _, o := range account.Overrides {
		if found, ok := claims.FindOverride(got, o.Name); !ok || found.Role != o.Role {
			t.Fatalf("%s is not found", o.Name)
		}
	}
	if _, ok := claims.FindOverride(got, "nobody"); ok {
		t.Error("somebody is found who has none")
	}
	account.Overrides = manyOverrides(t, claims.MaxOverrides+1)
	if _, err := claims.EncodeAccount(account, signer); !errors.Is(err, fault.OverLimit) || !strings.Contains(err.Error(), "1000") {
		t.Errorf("one more: error = %v, want fault.OverLimit that names the limit", err)
	}
}

func TestOnlyBrokersHearOfOverrides(t *testing.T) {
	t.Parallel()
	signer := must(claims.NewOperatorSeed())
	account := fullAccount(t)
	account.Logins, account.Trust = nil, ""
	token := must(claims.EncodeAccount(account, signer))
	if !claims.MayDifferForStock(token) || claims.MayNamePages(token) {
		t.Errorf("with overrides: may differ for stock servers = %t, may name pages = %t", claims.MayDifferForStock(token), claims.MayNamePages(token))
	}
	stock := must(claims.DecodeAccount(must(claims.InlineRevocations(token, account.Revoked, signer))))
	if diff := cmp.Diff(claims.Extension{}, stock.Extension()); diff != "" {
		t.Errorf("stock servers are told (-want +got):\n%s", diff)
	}
	account.Overrides = nil
	if claims.MayDifferForStock(must(claims.EncodeAccount(account, signer))) {
		t.Error("without overrides and pages it differs for stock servers")
	}
}
