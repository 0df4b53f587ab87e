package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres/embedded"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// The tests of this package run the two binaries as an operator would, as
// processes, and talk to them over their ports.

var binaries string // folder with control and broker, built once

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "signalbox-bin-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		for _, name := range []string{"control", "broker"} {
			build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../"+name)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				panic("build " + name + ": " + err.Error())
			}
		}
		binaries = dir
		return m.Run()
	}())
}

// patience bounds every wait; it is reached only when something is broken.
const patience = 30 * time.Second

// process is one running binary.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// startProcess runs a binary until the test ends, or somebody ends it before.
func startProcess(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: exec.Command(filepath.Join(binaries, name), args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, tail(withoutRefusals(p.output()), 40))
		}
	})
	return p
}

// withoutRefusals leaves out what tests provoke by the thousand.
func withoutRefusals(text string) string {
	var rest strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "authentication error") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// kill is kill -9, and waits for the end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// stop asks politely, as Ctrl-C does, and waits for the end.
func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s does not stop", p.name)
		p.kill()
	}
}

// eventually tries until it works; what it waits for must have no event of its own.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v for: %s; last: %v", patience, what, err)
		}
	}
}

// given are the ports that tests have got, so that none is given twice.
var given sync.Map

// freePorts answers n ports that nobody listens on. They lie below those that
// the kernel gives to outgoing connections, one of which could otherwise have
// the port of a server that is just being started again.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	const lowest, outgoing = 16384, 32768
	var ports []string
	for range 100 * n {
		port := strconv.Itoa(lowest + rand.IntN(outgoing-lowest))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		l.Close()
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("there are no free ports")
	return nil
}

// stack is control, a broker and Postgres, each a process that can be killed
// and started again on the same data.
type stack struct {
	t         *testing.T
	postgres  *embedded.Server
	control   *process
	broker    *process
	url       string // of the API
	nats      string
	ws        string
	env       []string // control's
	forBroker []string // the broker's, beside its token
	dir       string
	ports     []string
	master    []byte // the master key
}

const enrolment = "sbe_enrolment-token-of-the-stories"

func startStack(t *testing.T) *stack {
	t.Helper()
	return startStackOn(t, func(s *stack) string {
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\nwebsocket { listen: 127.0.0.1:%s, no_tls: true }\n"+
			"mqtt { listen: 127.0.0.1:%s }\nleafnodes { listen: 127.0.0.1:%s }\njetstream { store_dir: %q, max_file_store: 1TB, max_memory_store: 16GB }\n",
			s.ports[1], s.ports[2], s.ports[3], s.ports[4], filepath.Join(s.dir, "jetstream"))
	})
}

// startStackOn starts a stack whose broker has that configuration of nats-server.
func startStackOn(t *testing.T, config func(*stack) string) *stack {
	t.Helper()
	s := newStack(t)
	if err := os.WriteFile(filepath.Join(s.dir, "nats.conf"), []byte(config(s)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startControl()
	s.startBroker()
	s.awaitBroker()
	return s
}

// newStack is a stack of which only Postgres runs.
func newStack(t *testing.T) *stack {
	t.Helper()
	master, err := keyring.GenerateMaster()
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, postgres: pgtest.Private(t), dir: t.TempDir(), ports: freePorts(t, 6), master: master}
	s.url = "http://127.0.0.1:" + s.ports[0]
	s.nats, s.ws = "nats://127.0.0.1:"+s.ports[1], "ws://127.0.0.1:"+s.ports[2]
	s.env = []string{
		"DATABASE_URL=" + s.postgres.URLFor(pgtest.Migrated),
		"SIGNALBOX_MASTER_KEY=" + string(master),
		"SIGNALBOX_ENROLLMENT_TOKEN=" + enrolment,
	}
	return s
}

func (s *stack) startControl() {
	s.t.Helper()
	s.control = startProcess(s.t, s.env, "control", "serve", "--listen", "127.0.0.1:"+s.ports[0])
	s.awaitReady()
}

func (s *stack) awaitReady() {
	s.t.Helper()
	eventually(s.t, "control to be ready", func() error { return ready(s.url, http.StatusNoContent) })
}

// ready fails unless /readyz answers with that status.
func ready(url string, want int) error {
	res, err := http.Get(url + "/readyz")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		reason, _ := bufio.NewReader(res.Body).ReadString('\n')
		return fmt.Errorf("status %d: %s", res.StatusCode, reason)
	}
	return nil
}

func (s *stack) startBroker() {
	s.t.Helper()
	s.broker = startProcess(s.t, append([]string{"SIGNALBOX_TOKEN=" + enrolment}, s.forBroker...), "broker",
		"--control", s.url, "--data", filepath.Join(s.dir, "broker"), "-c", filepath.Join(s.dir, "nats.conf"),
		"--control-address", s.nats, "--metrics", "127.0.0.1:"+s.ports[5])
}

// awaitBroker waits until the broker has caught up.
func (s *stack) awaitBroker() {
	s.t.Helper()
	eventually(s.t, "the broker to be ready", func() error { return ready("http://127.0.0.1:"+s.ports[5], http.StatusOK) })
}

// customer is somebody who has signed up, calling the API with their session.
type customer struct {
	t       *testing.T
	url     string
	http    *http.Client
	tenant  string
	account string // the one that came with signing up
}

func (s *stack) signUp(name string) *customer {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &customer{t: s.t, url: s.url, http: &http.Client{Jar: jar}}
	var me struct {
		Memberships []struct {
			TenantID string `json:"tenant_id"`
		}
	}
	c.must("POST", "/v1/sign-up", map[string]any{"email": name + "@example.com", "password": "correct horse battery", "tenant_name": name}, &me)
	c.tenant = me.Memberships[0].TenantID
	var page struct{ Items []resource }
	c.must("GET", "/v1/tenants/"+c.tenant+"/accounts", nil, &page)
	c.account = page.Items[0].ID
	return c
}

// resource is what the tests need of most resources.
type resource struct {
	ID        string
	Name      string
	PublicKey string `json:"public_key"`
	Revision  int64
	Status    string
}

// call sends a request and answers status and body.
func (c *customer) call(method, path string, in any) (int, []byte, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, err
}

// ask sends a request and decodes the answer into out unless that is nil. An
// answer that is not a success is an error.
func (c *customer) ask(method, path string, in, out any) error {
	status, body, err := c.call(method, path, in)
	if err != nil {
		return err
	}
	if status >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, status, body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

// must sends a request that has to work, and decodes the answer into out unless that is nil.
func (c *customer) must(method, path string, in, out any) {
	c.t.Helper()
	if err := c.ask(method, path, in, out); err != nil {
		c.t.Fatal(err)
	}
}

// user makes a user in the customer's account; role may be empty.
func (c *customer) user(name, role string) resource {
	c.t.Helper()
	in := map[string]any{"name": name}
	if role != "" {
		in["role_id"] = role
	}
	var u resource
	c.must("POST", "/v1/accounts/"+c.account+"/users", in, &u)
	return u
}

// issued is a credential with its creds file.
type issued struct {
	resource
	account string
	file    string
}

func (c *customer) issue(user string) issued {
	c.t.Helper()
	var out struct {
		Credential resource
		Creds      string
		FileName   string `json:"file_name"`
	}
	c.must("POST", "/v1/users/"+user+"/credentials", map[string]any{}, &out)
	file := filepath.Join(c.t.TempDir(), out.FileName)
	if err := os.WriteFile(file, []byte(out.Creds), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return issued{out.Credential, c.account, file}
}

// tryCreate makes an account, a user and a credential in a server that may
// vanish at any time. Only what was acknowledged whole counts.
func (c *customer) tryCreate(name string, made func(issued)) {
	var account, u resource
	if !c.attempt("/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": name}, &account) {
		return
	}
	if !c.attempt("/v1/accounts/"+account.ID+"/users", map[string]any{"name": name}, &u) {
		return
	}
	var out struct {
		Credential resource
		Creds      string
	}
	if !c.attempt("/v1/users/"+u.ID+"/credentials", map[string]any{"name": name}, &out) {
		return
	}
	made(issued{out.Credential, account.ID, out.Creds})
}

func (c *customer) attempt(path string, in, out any) bool { return c.ask("POST", path, in, out) == nil }

// wantAllWork fails unless each acknowledged credential is there, with its
// user, and logs in; and unless nothing is there by halves.
func (c *customer) wantAllWork(s *stack, all []issued) {
	c.t.Helper()
	for i, made := range all {
		var got resource
		c.must("GET", "/v1/credentials/"+made.ID, nil, &got)
		if got.PublicKey != made.PublicKey || got.Status != "active" {
			c.t.Errorf("credential %s = %+v, want %+v active", made.ID, got, made.resource)
		}
		if i%5 != 0 { // a login costs a few milliseconds: every fifth shows enough
			continue
		}
		c.awaitInForce(made.account)
		file := filepath.Join(c.t.TempDir(), fmt.Sprint(i, ".creds"))
		if err := os.WriteFile(file, []byte(made.file), 0o600); err != nil {
			c.t.Fatal(err)
		}
		mustConnect(c.t, s.nats, file).Close()
	}
	c.wantNoHalves(s)
	c.t.Logf("%d creates were acknowledged", len(all))
}

// unlimited lifts the plan's bound on accounts, to make many.
func (s *stack) unlimited() {
	s.t.Helper()
	s.exec(`UPDATE plans SET max_accounts = -1`)
}

// openDomain is the domain over the stack's own database and keys.
func (s *stack) openDomain() *tenants.Service {
	s.t.Helper()
	pool, err := pgxpool.New(s.t.Context(), s.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(pool.Close)
	keys, err := keyring.Open(s.master)
	if err != nil {
		s.t.Fatal(err)
	}
	return tenants.New(pool, keys)
}

// exec changes the database behind control's back, to set a scene.
func (s *stack) exec(sql string) {
	s.t.Helper()
	pool, err := pgxpool.New(s.t.Context(), s.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		s.t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(s.t.Context(), sql); err != nil {
		s.t.Fatal(err)
	}
}

// wantNoHalves looks into the database for rows that do not belong together.
func (c *customer) wantNoHalves(s *stack) {
	c.t.Helper()
	pool, err := pgxpool.New(c.t.Context(), s.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		c.t.Fatal(err)
	}
	defer pool.Close()
	for what, sql := range map[string]string{
		"users without an audit event":       `SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT FROM audit_events e WHERE e.target = u.id)`,
		"credentials without an audit event": `SELECT count(*) FROM credentials c WHERE NOT EXISTS (SELECT FROM audit_events e WHERE e.target = c.id)`,
		"accounts that no broker hears of":   `SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT FROM feed_changes f WHERE f.account_key = a.public_key AND f.revision = a.revision)`,
		"accounts without a role":            `SELECT count(*) FROM accounts a WHERE deleted_at IS NULL AND NOT EXISTS (SELECT FROM roles r WHERE r.account_id = a.id)`,
	} {
		var n int
		if err := pool.QueryRow(c.t.Context(), sql).Scan(&n); err != nil {
			c.t.Fatal(err)
		}
		if n != 0 {
			c.t.Errorf("%d %s", n, what)
		}
	}
}

// inForce waits until every broker has applied the last change of the account that came with signing up.
func (c *customer) inForce() {
	c.t.Helper()
	c.awaitInForce(c.account)
}

func (c *customer) awaitInForce(account string) {
	c.t.Helper()
	eventually(c.t, "the change to be in force", func() error {
		var d struct {
			InForce bool `json:"in_force"`
		}
		c.must("GET", "/v1/accounts/"+account+"/delivery", nil, &d)
		if !d.InForce {
			return fmt.Errorf("it is not")
		}
		return nil
	})
}
