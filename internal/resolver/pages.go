package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// What has no room in an account's JWT is in pages that the JWT names: most of
// many revocations, device logins, whom the account trusts (see
// [claims.Page]). A broker stores no account before it has its pages, and
// asks for those that it lacks by their names. Control answers with a page's
// bytes, or with nothing when there is none of that name now: another has taken
// its place, and the change that says so is on its way. While control is away
// peers are asked, and those that have the page answer. It does not matter who does,
// since the name is the hash of what it names, and the operator has signed it.
//
// The subjects, and the folder, are called after the pages that there were first:
// what brokers that enrolled long ago may say and hear names them so.
const (
	subjectPage     = "signalbox.revocations."
	subjectPeerPage = SubjectPeers + ".revocations."
)

// lacksPages begins the reason of refusing what could not be stored without its
// pages. The follower asks for such accounts again.
const lacksPages = "its pages cannot be had: "

// pages are the pages of the accounts in a store, each a file beside
// it: revocations/A…/<name>. They are written before the account that names them
// is stored, and go when it names them no more. A file that is not what its name
// says is removed, and asked for again: by whoever needs it next, who gets no
// further without.
type pages struct {
	dir   string
	log   *slog.Logger
	fetch atomic.Pointer[fetchFunc]

	mu    sync.Mutex
	known map[string]map[claims.PageName]*page // by account: the files there are
}

// fetchFunc asks for a page. What it returns has been checked against its name.
type fetchFunc func(ctx context.Context, name claims.PageName) (claims.Page, error)

type page struct {
	whole   bool        // has been read, or written, since the broker started
	content claims.Page // nil unless the account is in use
}

const pagesFolder = "revocations"

// openPages finds the files there are. Nothing is read yet.
func openPages(dir string, log *slog.Logger) (*pages, error) {
	p := &pages{dir: dir, log: log, known: map[string]map[claims.PageName]*page{}}
	files, err := filepath.Glob(filepath.Join(dir, "A*", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		name, err := claims.ParsePageName(filepath.Base(path))
		if err != nil { // half written
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("clear the pages up: %w", err)
			}
			continue
		}
		p.note(filepath.Base(filepath.Dir(path)), name, page{})
	}
	return p, nil
}

func (p *pages) note(account string, name claims.PageName, is page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[account] == nil {
		p.known[account] = map[claims.PageName]*page{}
	}
	p.known[account][name] = &is
}

// keep leaves pages alone that have gone meanwhile.
func (p *pages) keep(account string, name claims.PageName, content claims.Page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.known[account][name]; known != nil {
		known.content = content
	}
}

func (p *pages) find(account string, name claims.PageName) (is page, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.known[account][name]; known != nil {
		return *known, true
	}
	return page{}, false
}

// missing are those of the pages that are not on disk, as far as looking at each
// once tells.
func (p *pages) missing(account string, names []claims.PageName) []claims.PageName {
	var missing []claims.PageName
	for _, name := range names {
		is, ok := p.find(account, name)
		if ok && !is.whole {
			if _, ok = p.read(account, name); ok {
				p.note(account, name, page{whole: true})
			}
		}
		if !ok {
			missing = append(missing, name)
		}
	}
	return missing
}

// get makes sure that the pages are on disk, and asks for those that are not.
func (p *pages) get(ctx context.Context, account string, names []claims.PageName) error {
	for _, name := range p.missing(account, names) {
		content, err := p.ask(ctx, name)
		if err == nil {
			err = p.write(account, content)
		}
		if err != nil {
			return fault.New(fault.Unavailable, lacksPages+"%v", err)
		}
	}
	return nil
}

func (p *pages) ask(ctx context.Context, name claims.PageName) (claims.Page, error) {
	fetch := p.fetch.Load()
	if fetch == nil {
		return nil, errors.New("nobody can be asked yet")
	}
	return (*fetch)(ctx, name)
}

// load returns an account's pages, which are to be on disk. They stay in memory
// from then on, for as long as the account names them.
func (p *pages) load(account string, names []claims.PageName) (claims.Pages, error) {
	var contents []claims.Page
	for _, name := range names {
		is, ok := p.find(account, name)
		if ok && is.content == nil {
			if is.content, ok = p.read(account, name); ok {
				p.keep(account, name, is.content)
			}
		}
		if !ok {
			return claims.Pages{}, fault.New(fault.Unavailable, lacksPages+"%s has just been lost", name)
		}
		contents = append(contents, is.content)
	}
	return claims.PagesOf(contents...), nil
}

// read returns false for a file that is not what it should be; it is gone then.
func (p *pages) read(account string, name claims.PageName) (claims.Page, bool) {
	path := p.path(account, name)
	content, err := readPage(path, name)
	if err == nil {
		return content, true
	}
	p.log.Warn("a page was damaged: removed it, it is asked for again", "file", path, "error", err)
	p.remove(account, name)
	return nil, false
}

func readPage(path string, name claims.PageName) (claims.Page, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return claims.DecodePage(name, b)
}

// write returns once the page is on disk.
func (p *pages) write(account string, content claims.Page) error {
	folder := filepath.Join(p.dir, account)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "half-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(writeAll(f, content.Bytes(), 0), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), p.path(account, content.Name())); err != nil {
		return err
	}
	for _, dir := range []string{folder, p.dir, filepath.Dir(p.dir)} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	p.note(account, content.Name(), page{whole: true})
	return nil
}

func (p *pages) path(account string, name claims.PageName) string {
	return filepath.Join(p.dir, account, name.String())
}

func (p *pages) remove(account string, name claims.PageName) {
	p.mu.Lock()
	delete(p.known[account], name)
	last := len(p.known[account]) == 0
	if last {
		delete(p.known, account)
	}
	p.mu.Unlock()
	if err := os.Remove(p.path(account, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("cannot remove a page that is not needed any more", "error", err)
	}
	if last {
		_ = os.Remove(filepath.Join(p.dir, account)) // unless there is something in it again
	}
}

// has says whether the account has pages here.
func (p *pages) has(account string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.known[account]) > 0
}

// accounts are those that have pages here.
func (p *pages) accounts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.known))
}

// keepOnly removes all pages of the account but these.
func (p *pages) keepOnly(account string, named []claims.PageName) {
	p.mu.Lock()
	names := slices.Collect(maps.Keys(p.known[account]))
	p.mu.Unlock()
	for _, name := range names {
		if !slices.Contains(named, name) {
			p.remove(account, name)
		}
	}
}

// byName is a page of any account, for a peer.
func (p *pages) byName(name claims.PageName) (claims.Page, bool) {
	for _, account := range p.accounts() {
		if _, ok := p.find(account, name); ok {
			return p.read(account, name)
		}
	}
	return nil, false
}

// getPages asks for the pages that entries name and that are not here. What
// could not be had shows again when the entries are to be accepted.
func (r *Resolver) getPages(ctx context.Context, entries []Entry) error {
	ctx, cancel := context.WithTimeout(ctx, pagesTimeout)
	defer cancel()
	var errs []error
	for _, e := range entries {
		named, err := pagesNamed(e.JWT)
		if err != nil || len(named) == 0 || !r.store.wants(e.Account) {
			continue
		}
		if err := r.pages.get(ctx, e.Account, named); err != nil {
			errs = append(errs, fmt.Errorf("account %s at revision %d: %w", e.Account, e.Revision, err))
		}
	}
	return errors.Join(errs...)
}

// havePages is an error when the entry may not be stored yet.
func (r *Resolver) havePages(j judged) error {
	if len(j.pages) == 0 || !r.store.wants(j.Account) {
		return nil
	}
	if missing := r.pages.missing(j.Account, j.pages); len(missing) > 0 {
		return errors.New(lacksPages + strings.Join(asStrings(missing), ", "))
	}
	return nil
}

func asStrings(names []claims.PageName) (all []string) {
	for _, name := range names {
		all = append(all, name.String())
	}
	return all
}

// tidyPages lets pages go that accounts which have changed name no more.
func (r *Resolver) tidyPages(changed map[string]judged) {
	for account := range changed {
		if r.pages.has(account) {
			r.tidyPagesOf(account)
		}
	}
}

// sweepPages lets all pages go that nobody stored names: what a broker leaves
// that stops half-way, and accounts that left a cache.
func (r *Resolver) sweepPages() {
	for _, account := range r.pages.accounts() {
		r.tidyPagesOf(account)
	}
}

func (r *Resolver) tidyPagesOf(account string) {
	e, ok, err := r.store.Get(account)
	if err != nil {
		return // nothing is known of it now
	}
	var named []claims.PageName
	if ok {
		if named, err = pagesNamed(e.JWT); err != nil {
			return // it is replaced when somebody uses it
		}
	}
	r.pages.keepOnly(account, named)
}

// pagesNamed are the pages that a JWT names, whoever signed it.
func pagesNamed(token string) ([]claims.PageName, error) {
	if !claims.MayNamePages(token) {
		return nil, nil
	}
	g, err := look(token)
	if err != nil {
		return nil, err
	}
	_, named, err := claims.SplitTags(g.Claims.Tags)
	return named, err
}

// fetchPage asks control, and if that does not help, all peers.
func (f *Follower) fetchPage(ctx context.Context, name claims.PageName) (claims.Page, error) {
	asking, cancel := context.WithTimeout(ctx, lookupTimeout/2)
	defer cancel()
	m, err := f.conn.RequestWithContext(asking, subjectPage+name.String(), nil)
	if err == nil {
		content, err := readPageAnswer(m, name)
		if err == nil {
			f.resolver.counts.Pages.Add(1)
			return content, nil
		}
		return f.fetchPageFromPeers(ctx, name, err)
	}
	return f.fetchPageFromPeers(ctx, name, fmt.Errorf("control does not answer: %w", err))
}

func readPageAnswer(m *nats.Msg, name claims.PageName) (claims.Page, error) {
	if reason := m.Header.Get(headerLookupErr); reason != "" {
		return nil, fmt.Errorf("control cannot answer: %s", reason)
	}
	if len(m.Data) == 0 {
		return nil, fmt.Errorf("control has no page %s", name)
	}
	return claims.DecodePage(name, m.Data)
}

func (f *Follower) fetchPageFromPeers(ctx context.Context, name claims.PageName, why error) (claims.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, peersFor)
	defer cancel()
	answers, done, err := f.askAll(subjectPeerPage+name.String(), nil)
	if err != nil {
		return nil, errors.Join(why, err)
	}
	defer done()
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, and no peer has it", why)
		case m := <-answers:
			if content, err := claims.DecodePage(name, m.Data); err == nil {
				f.resolver.counts.Pages.Add(1)
				return content, nil
			}
		}
	}
}

// answerPeerPage is silent about pages that are not here; our own question comes
// here, too.
func (f *Follower) answerPeerPage(m *nats.Msg) {
	name, err := claims.ParsePageName(strings.TrimPrefix(m.Subject, subjectPeerPage))
	if err != nil || m.Reply == "" {
		return
	}
	content, ok := f.resolver.pages.byName(name)
	if !ok {
		return
	}
	if err := m.Respond(content.Bytes()); err != nil {
		f.log.Warn("cannot answer a peer", "error", err)
	}
}

// pagesTimeout bounds how long a batch of changes waits for the pages it names.
const pagesTimeout = 5 * time.Second

// answerPage is control's.
func (l *link) answerPage(ctx context.Context, m *nats.Msg) {
	name, err := claims.ParsePageName(strings.TrimPrefix(m.Subject, subjectPage))
	if err != nil {
		l.respond(m, "", nil)
		return
	}
	content, err := l.hub.source.Page(ctx, l.OperatorID, name)
	if errors.Is(err, fault.NotFound) {
		l.respond(m, "", nil)
		return
	}
	if err != nil {
		l.fail("read a page for a broker", err)
		l.cannot(m, "pages of accounts cannot be read right now")
		return
	}
	l.respond(m, "", content.Bytes())
}
