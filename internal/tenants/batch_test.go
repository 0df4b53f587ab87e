package tenants

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// numbered is a batch for n users who are to be made.
func numbered(n int) BatchSpec {
	spec := BatchSpec{Field: "names", CreateUsers: true, Name: "fleet", Life: CredentialLife{ExpiresIn: ptr(30 * day)}}
	for i := range n {
		spec.Entries = append(spec.Entries, BatchEntry{User: fmt.Sprintf("d%05d", i)})
	}
	return spec
}

var errGone = errors.New("the caller has gone")

// batch issues a batch to a caller who reads so many credentials and then is gone; -1: all.
func (w *world) batch(once Once, from *int64, spec BatchSpec, reads int) (got []BatchIssued, _ BatchResult, _ error) {
	result, err := w.IssueBatch(w.t.Context(), w.owner, w.account.ID, once, from, spec, func(part []BatchIssued) error {
		for _, c := range part {
			if len(got) == reads {
				return errGone
			}
			got = append(got, c)
		}
		return nil
	})
	return got, result, err
}

// wantOneEach checks that each user of the batch has one credential that can be
// used, and that it is the one that the caller got last.
func (w *world) wantOneEach(spec BatchSpec, got []BatchIssued) {
	w.t.Helper()
	if len(got) != len(spec.Entries) {
		w.t.Fatalf("%d credentials, want %d", len(got), len(spec.Entries))
	}
	rows, _ := w.pool.Query(w.t.Context(), `
		SELECT users.name || ' ' || string_agg(credentials.id, ',')
		FROM users
		JOIN credentials ON credentials.user_id = users.id
		WHERE users.account_id = $1
		AND credentials.revoked_at IS NULL
		GROUP BY users.id
		ORDER BY users.name`, w.account.ID)
	var live []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			w.t.Fatal(err)
		}
		live = append(live, line)
	}
	var want []string
	for i, c := range got {
		if c.Index != int64(i) || c.UserName != spec.Entries[i].User {
			w.t.Fatalf("line %d is for entry %d, user %s", i, c.Index, c.UserName)
		}
		want = append(want, c.UserName+" "+string(c.ID))
	}
	if diff := cmp.Diff(want, live); diff != "" {
		w.t.Errorf("active credentials (-got by the caller +in the database):\n%.2000s", diff)
	}
}

func TestBatchIssuesOneCredentialForEachUser(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("device")
	spec := numbered(batchAtOnce + 10)
	spec.RoleID, spec.Tags = role.ID, []string{"line:7", "hall:2"}
	before := w.head()
	got, result, err := w.batch(Once{}, nil, spec, -1)
	if err != nil || result.Issued != int64(len(spec.Entries)) || result.From != 0 {
		t.Fatalf("result = %+v, %v", result, err)
	}
	w.wantOneEach(spec, got)
	if w.head() != before {
		t.Error("a batch bumped the revision; brokers need not hear of it")
	}
	last := got[len(got)-1]
	jwt, _, err := claims.ParseCreds(last.Creds)
	if err != nil {
		t.Fatal(err)
	}
	facts := must(claims.DecodeUser(jwt))(t)
	if facts.Issuer != role.PublicKey || facts.Name != last.UserName || facts.Key != last.PublicKey || facts.Expires.IsZero() || len(facts.Tags) != 2 {
		t.Errorf("the JWT says %+v", facts)
	}
	stored := must(w.Credential(t.Context(), w.owner, last.ID))(t)
	if stored.Name != "fleet" || stored.UserID != last.UserID || stored.IssuedBy != w.owner.ID || stored.IssuedAt.Before(facts.IssuedAt) {
		t.Errorf("stored = %+v", stored)
	}
	if u := must(w.User(t.Context(), w.owner, last.UserID))(t); u.RoleID != role.ID || len(u.Tags) != 2 {
		t.Errorf("user = %+v", u)
	}
	if h := must(w.CredentialHistory(t.Context(), w.owner, last.ID, PageQuery{}))(t).Items; len(h) != 1 || h[0].Action != "issueCredentialBatch" {
		t.Errorf("history = %+v", h)
	}
}

func TestBrokenBatchGoesOnWithoutDuplicates(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec, once := numbered(3*batchAtOnce), Once{Key: "k", Request: [32]byte{1}}
	got, _, err := w.batch(once, nil, spec, batchAtOnce+100)
	if !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	_, _, err = w.batch(once, nil, spec, -1)
	refused(t, err, fault.Conflict) // creds are not shown again by mistake
	_, _, err = w.batch(once, ptr(int64(3*batchAtOnce)), spec, -1)
	refused(t, err, fault.Invalid, "?from") // not all were issued
	for _, reads := range []int{0, 10, batchAtOnce + 20, -1} {
		more, result, err := w.batch(once, ptr(int64(len(got))), spec, reads)
		if reads >= 0 && !errors.Is(err, errGone) || reads < 0 && err != nil {
			t.Fatal(err)
		}
		if result.From != int64(len(got)) {
			t.Errorf("went on from %d, want %d", result.From, len(got))
		}
		got = append(got, more...)
	}
	w.wantOneEach(spec, got)
	revoked := w.facts(w.account.PublicKey).Revoked
	for _, c := range got {
		if _, ok := revoked[c.PublicKey]; ok {
			t.Fatalf("entry %d: what the caller has is revoked", c.Index)
		}
	}
	if n := len(revoked); n == 0 || n > 4*batchAtOnce {
		t.Errorf("%d were revoked, want some, and never more than was under way at each break", n)
	}
	if _, result, err := w.batch(once, ptr(int64(len(got))), spec, -1); err != nil || result.Issued != 0 {
		t.Errorf("going on with a batch that is done: %+v, %v", result, err)
	}
}

// The caller's line may be dead for long before its server notices.
func TestResumedBatchEndsTheAttemptThatStillRuns(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec, once := numbered(4*batchAtOnce), Once{Key: "k"}
	var got []BatchIssued
	resume := func() {
		more, _, err := w.batch(once, ptr(int64(0)), spec, -1)
		if err != nil {
			t.Error(err)
		}
		got = more
	}
	parts := 0
	_, err := w.IssueBatch(t.Context(), w.owner, w.account.ID, once, nil, spec, func([]BatchIssued) error {
		if parts++; parts == 2 {
			resume()
		}
		return nil
	})
	refused(t, err, fault.Conflict)
	if parts != 2 {
		t.Errorf("the first attempt issued %d parts, want 2", parts)
	}
	w.wantOneEach(spec, got)
}

func TestBatchForKeysWhoseSeedsTheCallerKeeps(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := BatchSpec{Field: "entries", CreateUsers: true}
	for i := range batchAtOnce + 5 {
		key := must(must(claims.NewUserSeed())(t).UserKey())(t)
		spec.Entries = append(spec.Entries, BatchEntry{User: fmt.Sprintf("d%05d", i), PublicKey: key})
	}
	once := Once{Key: "k"}
	got, _, err := w.batch(once, nil, spec, 7)
	if !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	more, _, err := w.batch(once, ptr(int64(7)), spec, -1)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, more...)
	w.wantOneEach(spec, got)
	for i, c := range got {
		if facts := must(claims.DecodeUser(c.JWT))(t); c.Creds != nil || facts.Key != spec.Entries[i].PublicKey {
			t.Fatalf("entry %d: creds %q, a JWT for %s", i, c.Creds, facts.Key)
		}
	}
	if n := len(w.facts(w.account.PublicKey).Revoked); n != 0 {
		t.Errorf("%d are revoked; a JWT without its seed is of no use to anybody", n)
	}
}

func TestBatchForUsersThatExist(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("reader")
	one := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "one", RoleID: role.ID}))(t)
	two := w.user("two")
	got, _, err := w.batch(Once{}, nil, BatchSpec{Field: "names", Entries: []BatchEntry{{User: "two"}, {User: "one"}}}, -1)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].UserID != two.ID || got[1].UserID != one.ID {
		t.Errorf("issued to %s and %s", got[0].UserID, got[1].UserID)
	}
	if facts := must(claims.DecodeUser(got[1].JWT))(t); facts.Issuer != role.PublicKey {
		t.Errorf("signed by %s, want the user's role", facts.Issuer)
	}
}

func TestBatchesThatCannotBeAreRefusedBeforeAnythingIsIssued(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.user("taken")
	used := w.credential(w.user("keyed")).PublicKey
	names := func(names ...string) (all []BatchEntry) {
		for _, name := range names {
			all = append(all, BatchEntry{User: name})
		}
		return all
	}
	w.plan("max_users = 4")
	before := w.events()
	for name, c := range map[string]struct {
		spec     BatchSpec
		once     Once
		from     *int64
		kind     fault.Kind
		pointers []string
	}{
		"nobody":         {spec: BatchSpec{Field: "names"}, kind: fault.Invalid, pointers: []string{"/names"}},
		"too many":       {spec: numbered(MaxBatch + 1), kind: fault.Invalid, pointers: []string{"/names"}},
		"bad names":      {spec: BatchSpec{Field: "names", CreateUsers: true, Entries: names("a b", "ok", "ok")}, kind: fault.Invalid, pointers: []string{"/names/0", "/names/2"}},
		"a taken name":   {spec: BatchSpec{Field: "names", CreateUsers: true, Entries: names("fresh", "taken")}, kind: fault.Conflict, pointers: []string{"/names/1"}},
		"a missing user": {spec: BatchSpec{Field: "names", Entries: names("taken", "fresh")}, kind: fault.Invalid, pointers: []string{"/names/1"}},
		"a role for users that have one": {spec: BatchSpec{Field: "names", Entries: names("taken"), RoleID: NewID[RoleID]("rol")},
			kind: fault.Invalid, pointers: []string{"/role_id"}},
		"tags for users that have their own": {spec: BatchSpec{Field: "names", Entries: names("taken"), Tags: []string{"t"}},
			kind: fault.Invalid, pointers: []string{"/tags"}},
		"an unknown role": {spec: BatchSpec{Field: "names", CreateUsers: true, Entries: names("fresh"), RoleID: NewID[RoleID]("rol")},
			kind: fault.Invalid, pointers: []string{"/role_id"}},
		"a used key": {spec: BatchSpec{Field: "entries", CreateUsers: true, Entries: []BatchEntry{{User: "fresh", PublicKey: used}}},
			kind: fault.Conflict, pointers: []string{"/entries/0/public_key"}},
		"a key twice": {spec: BatchSpec{Field: "entries", CreateUsers: true, Entries: []BatchEntry{{User: "a", PublicKey: used}, {User: "b", PublicKey: used}}},
			kind: fault.Invalid, pointers: []string{"/entries/1/public_key"}},
		"no key": {spec: BatchSpec{Field: "entries", CreateUsers: true, Entries: []BatchEntry{{User: "a", PublicKey: "UNO"}}},
			kind: fault.Invalid, pointers: []string{"/entries/0/public_key"}},
		"expired before it begins": {spec: BatchSpec{Field: "names", CreateUsers: true, Entries: names("fresh"), Life: CredentialLife{ExpiresAt: ptr(time.Unix(1, 0))}},
			kind: fault.Invalid, pointers: []string{"/expires_at"}},
		"more than the plan allows": {spec: numbered(3), kind: fault.OverLimit},
		"going on without a key":    {spec: numbered(1), from: ptr(int64(0)), kind: fault.Invalid, pointers: []string{"?from"}},
		"going on with nothing":     {spec: numbered(1), once: Once{Key: "new"}, from: ptr(int64(1)), kind: fault.Invalid, pointers: []string{"?from"}},
	} {
		got, _, err := w.batch(c.once, c.from, c.spec, -1)
		if len(got) != 0 {
			t.Errorf("%s: %d were issued", name, len(got))
		}
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %s", name, err, c.kind)
			continue
		}
		refused(t, err, c.kind, c.pointers...)
	}
	_, _, err := w.batch(Once{}, nil, numbered(3), -1)
	if want := "allows 4 users in an account; there are 2, and this batch makes 3 more"; !contains(err.Error(), want) {
		t.Errorf("err = %v, want it to say %q", err, want)
	}
	if w.events() != before {
		t.Error("something was changed")
	}
}
