package resolver

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

const someAccount = "A1" // where it is not looked at

func freshAccount(t *testing.T) string {
	t.Helper()
	seed, err := claims.NewAccountSeed()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seed.AccountKey()
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

func TestPushSurvivesTheWire(t *testing.T) {
	t.Parallel()
	want := Entry{Account: freshAccount(t), Revision: 43, JWT: "a.b.c"}
	got, err := decodePush(encodePush(41, want, true))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Entry); diff != "" || got.previous != 41 {
		t.Errorf("previous = %d, want 41; -want +got\n%s", got.previous, diff)
	}
}

func TestPushWithoutItsPlaceInTheOrderIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ revision, previous, account, want string }{
		"no headers":             {"", "", "", "only Signalbox's control"},
		"no previous":            {"3", "", "", "only Signalbox's control"},
		"no number":              {"three", "2", "", "not a number"},
		"does not move on":       {"3", "3", "", "cannot follow"},
		"goes back":              {"3", "4", "", "cannot follow"},
		"negative":               {"-1", "-2", "", "cannot follow"},
		"too large":              {"9223372036854775808", "1", "", "not a number"},
		"account is not a key":   {"3", "2", "A1", HeaderAccount},
		"account is a users key": {"3", "2", "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", HeaderAccount},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := nats.NewMsg(SubjectUpdate)
			for header, value := range map[string]string{HeaderRevision: c.revision, HeaderPrevious: c.previous, HeaderAccount: c.account} {
				if value != "" {
					m.Header.Set(header, value)
				}
			}
			if _, err := decodePush(m); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestCatchUpAnswerFitsAMessage(t *testing.T) {
	t.Parallel()
	entry := func(revision Revision, size int) Entry {
		return Entry{Account: someAccount, Revision: revision, JWT: strings.Repeat("x", size)}
	}
	var many []Entry
	for i := range 500 {
		many = append(many, entry(Revision(i+1), 1500))
	}
	for name, c := range map[string]struct {
		entries []Entry
		head    Revision
		full    bool // the page was as long as asked for
		want    catchUpAnswer
	}{
		"nothing":          {nil, 9, false, catchUpAnswer{AppliedTo: 9}},
		"all of it":        {many[:2], 9, false, catchUpAnswer{Entries: many[:2], AppliedTo: 9}},
		"a full page":      {many[:2], 9, true, catchUpAnswer{Entries: many[:2], AppliedTo: 2, More: true}},
		"one that is huge": {[]Entry{entry(1, 900<<10), entry(2, 10)}, 9, false, catchUpAnswer{Entries: []Entry{entry(1, 900<<10)}, AppliedTo: 1, More: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, fitAnswer(c.entries, c.head, c.full)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	cut := fitAnswer(many, 500, false)
	if !cut.More || cut.AppliedTo != cut.Entries[len(cut.Entries)-1].Revision {
		t.Errorf("applied to %d, more %v, want the last entry's revision and more", cut.AppliedTo, cut.More)
	}
	if size := len(mustJSON(cut)); size > 512<<10 || size < 256<<10 {
		t.Errorf("size = %d, want close to 512 KiB and below", size)
	}
}

func TestMisleadingCatchUpAnswerIsNotFollowed(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]catchUpAnswer{
		"goes no further":        {AppliedTo: 5, More: true},
		"entry beyond its end":   {AppliedTo: 6, Entries: []Entry{{someAccount, 7, "x"}}},
		"entry without revision": {AppliedTo: 6, Entries: []Entry{{someAccount, 0, "x"}}},
		"entry without account":  {AppliedTo: 6, Entries: []Entry{{"", 6, "x"}}},
		"entry of before":        {AppliedTo: 6, Entries: []Entry{{someAccount, 5, "x"}}},
		"out of order":           {AppliedTo: 8, Entries: []Entry{{someAccount, 7, "x"}, {"A2", 6, "y"}}},
		"skips what is to come":  {AppliedTo: 9, More: true, Entries: []Entry{{someAccount, 6, "x"}}},
		"negative":               {AppliedTo: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := a.validate(5); err == nil {
				t.Error("it was believed")
			}
		})
	}
	good := catchUpAnswer{AppliedTo: 6, More: true, Entries: []Entry{{someAccount, 6, "x"}}}
	if err := good.validate(5); err != nil {
		t.Errorf("a good answer: %v", err)
	}
}

// Whatever an answer says, it leads forward, in order, and no further than it says.
func FuzzAnswersThatAreFollowedLeadForward(f *testing.F) {
	f.Add([]byte(`{"entries":[{"account":"A1","revision":6,"jwt":"x"}],"applied_to":6,"more":true}`), int64(5))
	f.Add([]byte(`{"applied_to":9223372036854775807}`), int64(0))
	f.Add([]byte(`{"entries":[{"account":"A1","revision":-9223372036854775808,"jwt":"x"}],"applied_to":-1}`), int64(9223372036854775807))
	f.Fuzz(func(t *testing.T, text []byte, since int64) {
		var a catchUpAnswer
		if since < 0 || json.Unmarshal(text, &a) != nil || a.validate(since) != nil {
			return
		}
		last := since
		for _, e := range a.Entries {
			if e.Revision <= last || e.Revision > a.AppliedTo {
				t.Fatalf("entry at %d after %d, up to %d", e.Revision, last, a.AppliedTo)
			}
			last = e.Revision
		}
		if a.More && a.AppliedTo <= since || a.AppliedTo < 0 {
			t.Fatalf("from %d to %d, and more: %v", since, a.AppliedTo, a.More)
		}
	})
}

func TestGlanceSeesConfusionAndNeverPanics(t *testing.T) {
	t.Parallel()
	trust := &Trust{}
	trust.keys.Store(&trusted{operator: jwt.NewOperatorClaims("O1"), issuers: map[string]bool{"OS": true}})
	account := freshAccount(t)
	token := func(claims string) string {
		return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"
	}
	good := token(`{"sub":"` + account + `","iss":"OS","nats":{"type":"account"}}`)
	if err := trust.Glance(good, account); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, bad := range map[string]string{
		"three parts":    "a.b",
		"not base64":     "a.!.c",
		"not JSON":       token("{"),
		"too much":       strings.Repeat("x", maxToken+1),
		"public key":     token(`{"sub":"` + account + `","iss":"OS","nats":{"type":"user"}}`),
		"is for account": token(`{"sub":"` + freshAccount(t) + `","iss":"OS","nats":{"type":"account"}}`),
		"not signed by":  token(`{"sub":"` + account + `","iss":"OX","nats":{"type":"account"}}`),
	} {
		if err := trust.Glance(bad, account); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want it to say %q", err, want)
		}
	}
}

func TestLookupSubjectNamesItsAccount(t *testing.T) {
	t.Parallel()
	want := freshAccount(t)
	if got, err := lookupAccount(lookupSubject(want)); err != nil || got != want {
		t.Errorf("account = %q, %v, want %q", got, err, want)
	}
	for _, subject := range []string{lookupSubject("A1"), "signalbox.head", lookupSubject("")} {
		if got, err := lookupAccount(subject); err == nil {
			t.Errorf("%q names account %q, want an error", subject, got)
		}
	}
}

func TestPushAnswersAreReadAsReceipts(t *testing.T) {
	t.Parallel()
	header := nats.Header{HeaderBroker: {"UB"}, HeaderApplied: {"41"}}
	refused := pushAnswer{Error: &answerError{Account: someAccount, Code: 500, Description: "no"}}
	got, err := refused.receipt(header, 43)
	if err != nil {
		t.Fatal(err)
	}
	want := Receipt{Broker: "UB", Applied: 41, Partial: true, Refusals: []Refusal{{someAccount, 43, "no"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// A stock server stores without saying how far it has come: no proof of anything.
	if _, err := (pushAnswer{Data: &answerStatus{Code: 200}}).receipt(nats.Header{}, 43); err == nil {
		t.Error("an answer without the headers was taken for a receipt")
	}
}
