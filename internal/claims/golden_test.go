package claims_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestClaimsAreAsTheGoldenFilesHaveThem shows reviewers what is signed. Keys,
// ids and times of issue are replaced; nothing else is.
func TestClaimsAreAsTheGoldenFilesHaveThem(t *testing.T) {
	t.Parallel()
	operatorSeed := fixedSeed(t, nkeys.PrefixByteOperator, 1)
	signer := fixedSeed(t, nkeys.PrefixByteOperator, 2)
	system := fixedSeed(t, nkeys.PrefixByteAccount, 9)
	account, user := fullAccount(t), fullUser(t)
	account.Overrides = nil // another version of Go may deflate them to other bytes
	operator := claims.Operator{
		Key: must(operatorSeed.OperatorKey()), Name: "Default",
		SigningKeys: []claims.OperatorKey{must(signer.OperatorKey())}, SystemAccount: must(system.AccountKey()),
	}
	permissions := claims.OpenTemplate()
	permissions.Publish.Allow = []string{"$SYS.REQ.>"}
	names := map[string]string{
		string(operator.Key): "<operator>", string(operator.SigningKeys[0]): "<operator signing key>",
		string(operator.SystemAccount): "<system account>", string(account.Key): "<account>",
		string(account.Roles[0].Key): "<role publisher>", string(account.Roles[1].Key): "<role default>",
		string(user.Key): "<user>",
	}
	tokens := map[string]string{
		"operator":       must(claims.EncodeOperator(operator, operatorSeed)),
		"account":        must(claims.EncodeAccount(account, signer)),
		"account_empty":  must(claims.EncodeAccount(claims.Account{Key: account.Key, Name: "empty"}, signer)),
		"system_account": must(claims.EncodeSystemAccount(operator.SystemAccount, "SYS", signer)),
		"tombstone":      must(claims.EncodeTombstone(account.Key, "gone", signer)),
		"user":           must(claims.EncodeUser(user, fixedSeed(t, nkeys.PrefixByteAccount, 2))),
		"system_user":    must(claims.EncodeSystemUser(user.Key, "broker-1", operator.SystemAccount, permissions, system)),
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareGolden(t, name+".json", readable(t, token, names))
		})
	}
}

// TestStoredFormIsAsTheGoldenFileHasIt: rows hold it, so it must not drift.
func TestStoredFormIsAsTheGoldenFileHasIt(t *testing.T) {
	t.Parallel()
	type stored struct {
		Limits   claims.Limits
		Template claims.Template
	}
	want := stored{fullAccount(t).Limits, fullAccount(t).Roles[0].Template}
	b := must(json.MarshalIndent(want, "", "  "))
	compareGolden(t, "stored.json", string(b)+"\n")
	var got stored
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-stored +read):\n%s", diff)
	}
}

var stamps = regexp.MustCompile(`"(jti|iat)": ("[A-Z2-7]+"|\d+)`)

func readable(t *testing.T, token string, names map[string]string) string {
	t.Helper()
	payload := must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]))
	var out bytes.Buffer
	if err := json.Indent(&out, payload, "", "  "); err != nil {
		t.Fatal(err)
	}
	s := stamps.ReplaceAllString(out.String(), `"$1": "<$1>"`)
	for key, name := range names {
		s = strings.ReplaceAll(s, key, name)
	}
	return s + "\n"
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(fmt.Errorf("%w; run the test with -update to write it", err))
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
