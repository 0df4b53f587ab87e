package tenants

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// fillLogins puts n device logins into the database, in closed pages. It is not announced.
func (w *world) fillLogins(user User, n int) {
	w.t.Helper()
	now := time.Now()
	records := make([]loginRecord, n)
	rows := make([][]any, n)
	role := must(roleKey(w.t.Context(), w.pool, w.account, user.RoleID))(w.t)
	for i := range n {
		raw := make([]byte, 32)
		rand.Read(raw)
		key := claims.UserKey(must(nkeys.Encode(nkeys.PrefixByteUser, raw))(w.t))
		id := NewID[CredentialID]("dlg")
		page := int64(1 + i/claims.MaxPageLogins)
		records[i] = loginRecord{paged: paged{ID: id, Page: &page}, DeviceLogin: claims.DeviceLogin{Digest: claims.NkeyDigest(key), User: key, Name: user.Name, Role: role, IssuedAt: now}}
		rows[i] = []any{id, user.TenantID, user.AccountID, user.ID, user.RoleID, key, now, now, now, NkeyLogin, records[i].Digest[:], page}
	}
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		for _, p := range planPages(loginChunks(records), nil, 0) {
			page, err := loginPages.encode(p.records)
			if err != nil {
				return err
			}
			if err := loginPages.upsert(w.t.Context(), tx, w.account, p.number, page, nil, now); err != nil {
				return err
			}
		}
		columns := []string{"id", "tenant_id", "account_id", "user_id", "role_id", "public_key", "issued_at", "created_at", "updated_at", "kind", "login_digest", "login_page"}
		_, err := tx.CopyFrom(w.t.Context(), pgx.Identifier{"credentials"}, columns, pgx.CopyFromRows(rows))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// wantPagesLikeRows checks that pages have what rows say, each login in one.
func (w *world) wantPagesLikeRows() {
	w.t.Helper()
	numbers := must(w.pool.Query(w.t.Context(), `SELECT number FROM login_pages WHERE account_id = $1 ORDER BY number`, w.account.ID))(w.t)
	list := must(pgx.CollectRows(numbers, pgx.RowTo[int64]))(w.t)
	pages := w.loginPages()
	if len(pages) != len(list) {
		w.t.Fatalf("the JWT names %d pages, and there are %d", len(pages), len(list))
	}
	for i, number := range list {
		var records []loginRecord
		if err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) (err error) {
			records, err = loginsInPages(w.t.Context(), tx, w.account, []int64{number})
			return err
		}); err != nil {
			w.t.Fatal(err)
		}
		want := must(loginPages.encode(records))(w.t)
		if want.Name().Hash != pages[i].Hash() {
			w.t.Errorf("page %d has %d logins, and its rows are %d, or others", number, pages[i].Len(), len(records))
		}
	}
}

func TestOneMoreDeviceLoginSendsASmallPage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.fillLogins(user, 3000) // one page is full, the other not
	made := []CreatedDeviceLogin{w.password(user)}
	closed := w.facts(w.account.PublicKey).Logins[1:]
	for range maxOpenLogins - 1 {
		made = append(made, w.password(user))
		facts := w.facts(w.account.PublicKey)
		if diff := cmp.Diff(closed, facts.Logins[1:]); diff != "" {
			t.Fatalf("one more login changed a closed page (-before +after):\n%s", diff)
		}
	}
	if pages := w.loginPages(); len(pages) != 3 || pages[0].Len() != maxOpenLogins || len(pages[0].Bytes()) > maxOpenLogins*160 {
		t.Errorf("%d pages, and %d logins in the open one, in %d bytes", len(pages), pages[0].Len(), len(pages[0].Bytes()))
	}
	made = append(made, w.password(user))
	pages := w.loginPages()
	if len(pages) != 3 || pages[0].Len() != 1 || pages[1].Hash() != closed[0] || pages[2].Len() != 3000-claims.MaxPageLogins+maxOpenLogins {
		t.Errorf("%d pages of %d, %d and %d logins after the open one was full", len(pages), pages[0].Len(), pages[1].Len(), pages[2].Len())
	}
	w.wantPagesLikeRows()
	for _, c := range made {
		if _, ok := pages.Find(c.Secret.Digest()); !ok {
			t.Fatalf("%s is in no page", c.ID)
		}
	}
}

func TestPagesLoseWhatNobodyCanUse(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, life := w.user("u"), time.Hour
	start := time.Now()
	gone := w.password(user)
	if _, _, err := w.RevokeDeviceLogin(t.Context(), w.owner, gone.ID, ""); err != nil {
		t.Fatal(err)
	}
	brief := w.login(user, DeviceLoginSpec{Kind: TokenLogin, ExpiresIn: &life})
	w.at(start.Add(loginsKeptFor + time.Minute))
	stays := w.password(user)
	pages := w.loginPages()
	_, revoked := pages.Find(gone.Secret.Digest())
	_, expired := pages.Find(brief.Secret.Digest())
	if revoked || !expired {
		t.Errorf("a day later: the revoked one is in a page: %t, the one that expired less than a day ago: %t; want the latter only", revoked, expired)
	}
	w.at(start.Add(2 * loginsKeptFor))
	w.password(user)
	pages = w.loginPages()
	if _, ok := pages.Find(stays.Secret.Digest()); !ok || pages.Len() != 2 {
		t.Errorf("%d logins in pages, want the two that can be used", pages.Len())
	}
	w.wantPagesLikeRows()
}

// Making logins and revoking them must not fill the pages.
func TestRevokedDeviceLoginsDoNotCrowdPages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.fillLogins(user, MaxDeviceLogins)
	if _, err := w.pool.Exec(t.Context(), "UPDATE credentials SET revoked_at = now() WHERE kind <> 'creds'"); err != nil {
		t.Fatal(err)
	}
	for range maxOpenLogins + 1 {
		w.password(user)
	}
	if n := w.loginPages().Len(); n != maxOpenLogins+1 {
		t.Errorf("%d logins in pages, want the %d that can be used", n, maxOpenLogins+1)
	}
	w.wantPagesLikeRows()
}

func TestPageOfExpiredDeviceLoginsOnlyIsNotNamed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, life := w.user("u"), time.Hour
	start := time.Now()
	w.login(user, DeviceLoginSpec{Kind: TokenLogin, ExpiresIn: &life})
	w.at(start.Add(loginsKeptFor))
	w.role("a")
	if len(w.loginPages()) != 1 {
		t.Error("the page is not named while somebody may be told that the login has expired")
	}
	w.at(start.Add(loginsKeptFor + 2*time.Hour))
	w.role("b")
	if n := len(w.loginPages()); n != 0 {
		t.Errorf("%d pages are named of which nothing matters", n)
	}
}

func TestDeletedAccountsLoginPagesAreGone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.password(w.user("u"))
	name := w.loginPages()[0].Name()
	other := NewID[OperatorID]("opr")
	refused(t, second(w.Page(t.Context(), other, name)), fault.NotFound)
	w.delete()
	w.purge()
	refused(t, second(w.Page(t.Context(), w.operator.ID, name)), fault.NotFound)
}

func TestDeviceLoginsMadeAtOnceAreAllInPages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.fillLogins(user, 100)
	for range maxOpenLogins - 4 {
		w.password(user)
	}
	made := make([]CreatedDeviceLogin, 16)
	_, lost := race(len(made), func(i int) (err error) {
		made[i], err = w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, DeviceLoginSpec{Kind: TokenLogin})
		return err
	})
	if len(lost) > 0 {
		t.Fatal(lost[0])
	}
	pages := w.loginPages()
	for _, c := range made {
		if _, ok := pages.Find(c.Secret.Digest()); !ok {
			t.Errorf("%s is in no page", c.ID)
		}
	}
	w.wantPagesLikeRows()
}

func TestLoginPagesArePlannedWithinTheirLimits(t *testing.T) {
	t.Parallel()
	wide := claims.DeviceLogin{Name: "u"}
	for range 50 {
		wide.Tags = append(wide.Tags, "t:"+string(slices.Repeat([]byte("x"), 120)))
	}
	records := make([]loginRecord, 200)
	for i := range records {
		records[i].DeviceLogin = wide
	}
	for _, p := range planPages(loginChunks(records), []int64{7}, 9) {
		size := 4
		for _, r := range p.records {
			size += r.PageBytes()
		}
		if size > claims.MaxLoginPageBytes || len(p.records) == 0 {
			t.Errorf("page %d has %d logins in %d bytes", p.number, len(p.records), size)
		}
	}
	plan := planPages(loginChunks(make([]loginRecord, 5000)), []int64{7}, 9)
	if len(plan) != 3 || plan[0].number != 7 || plan[1].number != 10 || plan[2].number != 11 || len(plan[2].records) != 5000-2*claims.MaxPageLogins {
		t.Errorf("%d pages, want 7, 10 and 11", len(plan))
	}
	counts := []pageCount{{openLoginPage, 9, 900}, {1, 2000, 300_000}, {2, 10, 1_000}, {3, 1535, 200_000}, {4, 100, 600_000}}
	if diff := cmp.Diff([]int64{3, 2}, notFull(counts, fullOfLogins)); diff != "" {
		t.Errorf("pages to be written anew (-want +got):\n%s", diff)
	}
}
