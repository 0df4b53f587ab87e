package tenants

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// many puts n credentials of the user into the database, all revoked, one each
// second from the time on, and expiring then if that is not zero. It is not
// announced. The keys are in the order of their revocation.
func (w *world) many(user User, n int, from, expires time.Time) []claims.UserKey {
	w.t.Helper()
	keys := make([]claims.UserKey, n)
	rows := make([][]any, n)
	for i := range n {
		raw := make([]byte, 32)
		rand.Read(raw)
		keys[i] = claims.UserKey(must(nkeys.Encode(nkeys.PrefixByteUser, raw))(w.t))
		at := from.Add(time.Duration(i) * time.Second)
		rows[i] = []any{NewID[CredentialID]("crd"), user.TenantID, user.AccountID, user.ID, keys[i], from, at, from, at, nil}
		if !expires.IsZero() {
			rows[i][9] = expires
		}
	}
	columns := []string{"id", "tenant_id", "account_id", "user_id", "public_key", "issued_at", "revoked_at", "created_at", "updated_at", "expires_at"}
	if _, err := w.pool.CopyFrom(w.t.Context(), pgx.Identifier{"credentials"}, columns, pgx.CopyFromRows(rows)); err != nil {
		w.t.Fatal(err)
	}
	return keys
}

// revokeOne revokes a fresh credential of the user, which announces all.
func (w *world) revokeOne(user User) claims.UserKey {
	w.t.Helper()
	c := w.credential(user)
	must(w.RevokeCredential(w.t.Context(), w.owner, c.ID, ""))(w.t)
	return c.PublicKey
}

func (w *world) revocationPage(operator OperatorID, hash claims.PageHash) (claims.RevocationPage, error) {
	w.t.Helper()
	page, err := w.Page(w.t.Context(), operator, claims.PageName{Kind: claims.RevocationKind, Hash: hash})
	if err != nil {
		return claims.RevocationPage{}, err
	}
	return page.(claims.RevocationPage), nil
}

// pages are those that the account's JWT names.
func (w *world) pages() []claims.RevocationPage {
	w.t.Helper()
	var pages []claims.RevocationPage
	for _, hash := range w.facts(w.account.PublicKey).Pages {
		page := must(w.revocationPage(w.operator.ID, hash))(w.t)
		if page.Hash() != hash {
			w.t.Fatalf("the page called %s is %s", hash, page.Hash())
		}
		pages = append(pages, page)
	}
	return pages
}

// allRevoked checks that the JWT with its pages revokes these, each in one place,
// and nobody else.
func (w *world) allRevoked(keys ...claims.UserKey) {
	w.t.Helper()
	inline, pages := w.facts(w.account.PublicKey).Revoked, w.pages()
	total := len(inline)
	for _, p := range pages {
		total += p.Len()
	}
	if total != len(keys) {
		w.t.Errorf("%d are revoked, want %d", total, len(keys))
	}
	for _, key := range keys {
		places := 0
		if _, ok := inline[key]; ok {
			places++
		}
		for _, p := range pages {
			if _, ok := p.RevokedAt(key); ok {
				places++
			}
		}
		if places != 1 {
			w.t.Fatalf("%s is revoked in %d places, want 1", key, places)
		}
	}
}

func TestOldestRevocationsMoveToAPage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, start := w.user("u"), time.Now().Add(-time.Hour).Truncate(time.Second)
	keys := w.many(user, maxInline-1, start, time.Time{})
	keys = append(keys, w.revokeOne(user))
	if n := len(w.facts(w.account.PublicKey).Revoked); n != maxInline || len(w.pages()) > 0 {
		t.Fatalf("%d revocations in the JWT and %d pages, want %d and none", n, len(w.pages()), maxInline)
	}

	keys = append(keys, w.revokeOne(user))

	w.allRevoked(keys...)
	facts, pages := w.facts(w.account.PublicKey), w.pages()
	if len(facts.Revoked) != midInline || len(pages) != 1 {
		t.Fatalf("%d revocations in the JWT and %d pages, want %d and 1", len(facts.Revoked), len(pages), midInline)
	}
	for i, key := range keys[:len(keys)-midInline] {
		at, ok := pages[0].RevokedAt(key)
		if want := start.Add(time.Duration(i) * time.Second); !ok || !at.Equal(want) {
			t.Fatalf("the revocation %d from the oldest is in the page: %t, with %v, want %v", i, ok, at, want)
		}
	}
	before := w.pages()[0].Hash()
	keys = append(keys, w.revokeOne(user))
	w.allRevoked(keys...)
	if diff := cmp.Diff([]claims.PageHash{before}, w.facts(w.account.PublicKey).Pages); diff != "" {
		t.Errorf("one more revocation changed the pages (-before +after):\n%s", diff)
	}
}

func TestRevocationsOfAnAccountHaveNoLimit(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, start := w.user("u"), time.Now().Add(-24*time.Hour)
	keys := w.many(user, 20_000, start, time.Time{})
	keys = append(keys, w.revokeOne(user))
	w.allRevoked(keys...)
	full := w.facts(w.account.PublicKey).Pages
	if len(full) != 3 {
		t.Fatalf("%d pages, want 3", len(full))
	}
	for range 3 {
		keys = append(keys, w.many(user, maxInline, start.Add(10*time.Hour), time.Time{})...)
		keys = append(keys, w.revokeOne(user))
		w.allRevoked(keys...)
	}
	if diff := cmp.Diff(full[:2], w.facts(w.account.PublicKey).Pages[:2]); diff != "" {
		t.Errorf("pages that were full changed (-before +after):\n%s", diff)
	}
	if size := len(must(w.AccountJWTByKey(t.Context(), w.operator.ID, w.account.PublicKey))(t).JWT); size > 64<<10 {
		t.Errorf("the JWT has %d bytes", size)
	}
	refused(t, second(w.revocationPage(w.operator.ID, full[2])), fault.NotFound) // another has taken its place
}

func TestExpiredRevocationsLeaveTheirPages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, start := w.user("u"), time.Now()
	soon, later := start.Add(time.Hour), start.Add(48*time.Hour)
	w.many(user, 6000, start.Add(-9*time.Hour), soon)
	stay := w.many(user, 3000, start.Add(-4*time.Hour), later)
	forever := []claims.UserKey{w.revokeOne(user)}
	if n := len(w.pages()); n != 2 {
		t.Fatalf("%d pages, want 2", n)
	}

	w.at(soon.Add(revocationGrace).Add(time.Minute))
	forever = append(forever, w.many(user, maxInline, start, time.Time{})...)
	forever = append(forever, w.revokeOne(user))
	w.allRevoked(slices.Concat(stay, forever)...)
	if n := len(w.pages()); n != 1 {
		t.Errorf("%d pages once most of their revocations have expired, want 1", n)
	}
	if n := must(value[int64](t.Context(), w.pool, "SELECT count(*) FROM revocation_pages", nil))(t); n != 1 {
		t.Errorf("%d pages are kept, want 1", n)
	}

	w.at(later.Add(revocationGrace).Add(time.Minute))
	forever = append(forever, w.many(user, maxInline, start, time.Time{})...)
	forever = append(forever, w.revokeOne(user))
	w.allRevoked(forever...)
}

func TestPageOfExpiredRevocationsOnlyIsNotNamedAnyMore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, start := w.user("u"), time.Now()
	w.many(user, 2000, start.Add(-9*time.Hour), start.Add(time.Hour))
	forever := w.revokeOne(user)
	w.at(start.Add(time.Hour + revocationGrace - time.Minute))
	w.role("a")
	if len(w.pages()) != 1 {
		t.Fatal("the page is not named while a slow clock may need it")
	}
	w.at(start.Add(time.Hour + revocationGrace + time.Minute))
	w.role("b")
	w.allRevoked(forever)
}

func TestDeletedAccountsPagesAreGone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.many(user, 2000, time.Now().Add(-time.Hour), time.Time{})
	w.revokeOne(user)
	hash := w.pages()[0].Hash()
	other := NewID[OperatorID]("opr")
	refused(t, second(w.revocationPage(other, hash)), fault.NotFound)
	w.delete()
	w.purge()
	refused(t, second(w.revocationPage(w.operator.ID, hash)), fault.NotFound)
	if facts := w.facts(w.account.PublicKey); !facts.Tombstone || len(facts.Pages) > 0 {
		t.Errorf("facts = %+v, want a tombstone without pages", facts)
	}
}

// Each of these revocations finds the JWT full, or finds that another has just
// made room.
func TestRevocationsAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	keys := w.many(user, maxInline-4, time.Now().Add(-time.Hour), time.Time{})
	var fresh []IssuedCredential
	for range 16 {
		c := w.credential(user)
		fresh, keys = append(fresh, c), append(keys, c.PublicKey)
	}
	_, lost := race(len(fresh), func(i int) error {
		return second(w.RevokeCredential(t.Context(), w.owner, fresh[i].ID, ""))
	})
	if len(lost) > 0 {
		t.Fatal(lost[0])
	}
	w.allRevoked(keys...)
}

func TestUserWithMoreCredentialsThanAPageHoldsIsDeleted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	keys := w.many(user, 9000, time.Now().Add(-time.Hour), time.Time{})
	if _, err := w.pool.Exec(t.Context(), "UPDATE credentials SET revoked_at = NULL"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DeleteUser(t.Context(), w.owner, user.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.allRevoked(keys...)
}

func TestStockServersGetAllRevocationsInTheJWT(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	keys := []claims.UserKey{w.revokeOne(user)}
	plain := must(w.AccountJWTByKey(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	if diff := cmp.Diff(plain, must(w.StockJWT(t.Context(), w.operator.ID, w.account.PublicKey))(t)); diff != "" {
		t.Errorf("an account without pages is another to stock servers:\n%s", diff)
	}

	keys = append(keys, w.many(user, 5000, time.Now().Add(-time.Hour), time.Time{})...)
	keys = append(keys, w.revokeOne(user))

	paged := must(w.AccountJWTByKey(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	stock := must(w.StockJWT(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	facts, want := must(claims.DecodeAccount(stock.JWT))(t), w.facts(w.account.PublicKey)
	if stock.Revision != paged.Revision || stock.LeftOut != 0 || len(facts.Revoked) != len(keys) || !facts.IssuedAt.Equal(want.IssuedAt) {
		t.Errorf("revision %d, %d left out, %d revoked, issued at %v; want %d, none, %d, %v",
			stock.Revision, stock.LeftOut, len(facts.Revoked), facts.IssuedAt, paged.Revision, len(keys), want.IssuedAt)
	}
	for _, key := range keys {
		if facts.Revoked[key].IsZero() {
			t.Fatalf("%s is not revoked", key)
		}
	}
	want.Revoked, want.Pages = facts.Revoked, nil
	if diff := cmp.Diff(want.Account, facts.Account); diff != "" {
		t.Errorf("a stock server's account differs (-brokers +stock):\n%s", diff)
	}
	replica := New(w.pool, w.keys)
	if again := must(replica.StockJWT(t.Context(), w.operator.ID, w.account.PublicKey))(t); again != stock {
		t.Error("another replica makes another JWT")
	}
}

func TestPackIsWhatStockServersGet(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.many(user, 2000, time.Now().Add(-time.Hour), time.Time{})
	w.revokeOne(user)
	w.found("Others")
	pack := must(w.Pack(t.Context(), w.operator.ID, "", 100))(t)
	if len(pack) != 3 {
		t.Fatalf("%d JWTs, want 3: two accounts and the system account", len(pack))
	}
	var want [sha256.Size]byte
	for _, a := range pack {
		if claims.MayNamePages(a.JWT) {
			t.Errorf("%s names pages", a.Key)
		}
		for i, b := range sha256.Sum256([]byte(a.JWT)) {
			want[i] ^= b
		}
	}
	if hash := must(w.PackHash(t.Context(), w.operator.ID))(t); hash != want {
		t.Errorf("hash = %x, want %x", hash, want)
	}
	w.revokeOne(user) // what was signed for stock servers before is no longer it
	for _, a := range must(w.Pack(t.Context(), w.operator.ID, "", 100))(t) {
		if facts := must(claims.DecodeAccount(a.JWT))(t); a.Key == w.account.PublicKey && len(facts.Revoked) != 2002 {
			t.Errorf("%d are revoked after one more, want 2002", len(facts.Revoked))
		}
	}
}

func TestRevocationsThatMatterLongestAreTheStockServers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, now := w.user("u"), time.Now()
	kept := w.many(user, 4000, now.Add(-9*time.Hour), time.Time{})
	kept = append(kept, w.many(user, 5999, now.Add(-4*time.Hour), now.Add(48*time.Hour))...)
	w.many(user, 2000, now.Add(-2*time.Hour), now.Add(24*time.Hour))
	kept = append(kept, w.revokeOne(user))
	stock := must(w.StockJWT(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	facts := must(claims.DecodeAccount(stock.JWT))(t)
	if len(facts.Revoked) != maxStockRevocations || stock.LeftOut != 2000 {
		t.Errorf("%d are revoked and %d left out, want %d and 2000", len(facts.Revoked), stock.LeftOut, maxStockRevocations)
	}
	for i, key := range kept {
		if facts.Revoked[key].IsZero() {
			t.Fatalf("the revocation %d was left out", i)
		}
	}
}

func TestPagesArePlannedSoThatLittleMoves(t *testing.T) {
	t.Parallel()
	list := func(n int, page *int64, expires *time.Time) (list []revocation) {
		for i := range n {
			list = append(list, revocation{paged: paged{ID: CredentialID(fmt.Sprint("crd", page, i)), Page: page, Expires: expires}})
		}
		return list
	}
	counts := []pageCount{{1, 8192, 0}, {2, 100, 0}, {3, 6143, 0}, {4, 0, 0}, {5, fullPage, 0}, {6, 100, 0}}
	open := notFull(counts, fullOfRevocations)
	if diff := cmp.Diff([]int64{3, 2, 6, 4}, open); diff != "" {
		t.Errorf("pages to be written anew (-want +got):\n%s", diff)
	}
	now := time.Now()
	held := slices.Concat(list(6143, ptr(int64(3)), nil), list(100, ptr(int64(2)), nil), list(7, ptr(int64(6)), &now))
	plan := planPages(slices.Chunk(append(mattering(held, now), list(2000, nil, nil)...), claims.MaxPageRevocations), open, lastPage(counts))
	if len(plan) != 2 || plan[0].number != 3 || plan[1].number != 2 || len(plan[0].records) != 8192 || len(plan[1].records) != 51 {
		t.Fatalf("%d pages, want page 3 with 8192 revocations and page 2 with 51", len(plan))
	}
	moves := movesTo(plan, held)
	if len(moves.ids) != 7+100+2000 {
		t.Errorf("%d credentials move, want those that expired, those of page 2 and the new ones", len(moves.ids))
	}
	fresh := planPages(slices.Chunk(list(20_000, nil, nil), claims.MaxPageRevocations), nil, 6)
	if len(fresh) != 3 || fresh[0].number != 7 || fresh[2].number != 9 {
		t.Errorf("%d new pages, want those with the numbers 7 to 9", len(fresh))
	}
}
