package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// TestScripts runs the stories in testdata/script: what somebody at a terminal
// would do and see. Besides testscript's own commands they have those below;
// the browser's part is played by api, a NATS client's by echo and listen.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", binaries+string(os.PathListSeparator)+os.Getenv("PATH"))
			jar, err := cookiejar.New(nil)
			env.Values["http"] = &http.Client{Jar: jar}
			env.Values["listeners"] = map[string]*listener{}
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ports":    scriptPorts,
			"postgres": func(ts *testscript.TestScript, _ bool, _ []string) { scriptPostgres(t, ts) },
			"await":    scriptAwait,
			"api":      scriptAPI,
			"let":      scriptLet,
			"echo":     scriptEcho,
			"listen":   scriptListen,
			"hears":    scriptHears,
			"thrown":   scriptThrown,
		},
	})
}

// ports NAME…: sets each variable to a port that nobody listens on.
func scriptPorts(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		ts.Check(err)
		ts.Setenv(name, port)
	}
}

// postgres: starts a server of the script's own and sets DATABASE_URL to an empty database.
func scriptPostgres(t *testing.T, ts *testscript.TestScript) {
	ts.Setenv("DATABASE_URL", pgtest.Private(t).URL())
}

// await URL: waits until the address answers well.
func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "answer of "+args[0], func() error {
		res, err := http.Get(args[0])
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode >= 300 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
}

// until tries again and again until it works or patience ends.
func until(ts *testscript.TestScript, what string, try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited %v for %s; last: %v", patience, what, err)
		}
		time.Sleep(10 * time.Millisecond) // the pace of asking, not what is waited for
	}
}

// api METHOD PATH [JSON]: calls the API at $API with the script's session. The
// body goes to stdout; with !, the call must be refused. -creds FILE after all
// else asks for a creds file and writes it there.
func scriptAPI(ts *testscript.TestScript, neg bool, args []string) {
	var creds string
	if n := len(args); n > 2 && args[n-2] == "-creds" {
		creds, args = args[n-1], args[:n-2]
	}
	var body io.Reader
	if len(args) > 2 {
		body = strings.NewReader(args[2])
	}
	req, err := http.NewRequest(args[0], ts.Getenv("API")+args[1], body)
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	if creds != "" {
		req.Header.Set("Accept", "text/plain")
	}
	res, err := ts.Value("http").(*http.Client).Do(req)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	if refused := res.StatusCode >= 400; refused != neg {
		ts.Fatalf("%s %s: %d %s", args[0], args[1], res.StatusCode, text)
	}
	if creds != "" {
		ts.Check(os.WriteFile(ts.MkAbs(creds), text, 0o600))
		return
	}
	ts.Setenv("BODY", string(text))
	var pretty bytes.Buffer
	if json.Indent(&pretty, text, "", "  ") == nil {
		text = pretty.Bytes()
	}
	fmt.Fprintln(ts.Stdout(), string(text))
}

// let NAME FIELD…: sets a variable to a field of the last answer; numbers index lists.
func scriptLet(ts *testscript.TestScript, _ bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.Getenv("BODY")), &value))
	for _, field := range args[1:] {
		switch v := value.(type) {
		case map[string]any:
			value = v[field]
		case []any:
			var i int
			_, err := fmt.Sscan(field, &i)
			ts.Check(err)
			value = v[i]
		}
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// echo URL CREDS: a NATS client logs in, and a message it publishes comes back.
// With !, the server must refuse who it is.
func scriptEcho(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		until(ts, "refusal", func() error {
			nc, err := nats.Connect(args[0], nats.UserCredentials(ts.MkAbs(args[1])))
			if err == nil {
				nc.Close()
				return errors.New("it was let in")
			}
			if !errors.Is(err, nats.ErrAuthorization) {
				return err
			}
			return nil
		})
		return
	}
	nc, err := nats.Connect(args[0], nats.UserCredentials(ts.MkAbs(args[1])))
	ts.Check(err)
	defer nc.Close()
	sub, err := nc.SubscribeSync("hello")
	ts.Check(err)
	ts.Check(nc.Publish("hello", []byte(filepath.Base(args[1]))))
	_, err = sub.NextMsg(patience)
	ts.Check(err)
}

// listener is a client that stays connected and counts what it hears.
type listener struct {
	*nats.Conn
	closed chan struct{}
	sub    *nats.Subscription
}

// listen NAME URL CREDS SUBJECT: a NATS client subscribes and stays.
func scriptListen(ts *testscript.TestScript, _ bool, args []string) {
	l := &listener{closed: make(chan struct{})}
	nc, err := nats.Connect(args[1], nats.UserCredentials(ts.MkAbs(args[2])), nats.ReconnectWait(10*time.Millisecond),
		nats.MaxReconnects(-1), nats.ClosedHandler(func(*nats.Conn) { close(l.closed) }))
	ts.Check(err)
	ts.Defer(nc.Close)
	l.Conn = nc
	l.sub, err = nc.SubscribeSync(args[3])
	ts.Check(err)
	ts.Check(nc.Flush())
	ts.Value("listeners").(map[string]*listener)[args[0]] = l
}

// hears NAME: the listener gets a message; with !, there is none for it.
func scriptHears(ts *testscript.TestScript, neg bool, args []string) {
	l := ts.Value("listeners").(map[string]*listener)[args[0]]
	if !neg {
		_, err := l.sub.NextMsg(patience)
		ts.Check(err)
		return
	}
	ts.Check(l.Flush()) // what was published before would have come before the answer
	if n, _, err := l.sub.Pending(); n != 0 || err != nil {
		ts.Fatalf("%s heard %d messages, %v", args[0], n, err)
	}
}

// thrown NAME: the listener is disconnected and not let in again.
func scriptThrown(ts *testscript.TestScript, _ bool, args []string) {
	select {
	case <-ts.Value("listeners").(map[string]*listener)[args[0]].closed:
	case <-time.After(patience):
		ts.Fatalf("%s is still connected", args[0])
	}
}
