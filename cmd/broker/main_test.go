package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

func noEnvironment(string) string { return "" }

func TestHelpNamesEveryFlagAndItsVariable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), nil, []string{"--help"}, noEnvironment, &out); err != nil {
		t.Fatal(err)
	}
	var c config
	c.flags(noEnvironment).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(out.String(), "--"+f.Name) || !strings.Contains(out.String(), environment[f.Name]) {
			t.Errorf("help says nothing of --%s or %s", f.Name, environment[f.Name])
		}
	})
}

func TestEveryVariableStandsInForAFlag(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	getenv := func(name string) string {
		seen[name] = true
		return "from " + name
	}
	var c config
	set := c.flags(getenv)
	for name, variable := range environment {
		f := set.Lookup(name)
		if f == nil {
			t.Errorf("%s stands in for --%s, which is not a flag", variable, name)
			continue
		}
		if got := f.Value.String(); got != "from "+variable {
			t.Errorf("--%s = %q, want what %s says", name, got, variable)
		}
		if !seen[variable] {
			t.Errorf("%s is not read", variable)
		}
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	t.Parallel()
	var c config
	set := c.flags(func(name string) string {
		return map[string]string{"SIGNALBOX_NAME": "other", "SIGNALBOX_NATS_CONFIG": "other.conf"}[name]
	})
	if err := set.Parse([]string{"--name", "mine", "-c", "mine.conf"}); err != nil {
		t.Fatal(err)
	}
	got := []string{c.Name, c.NATSConfigFile, c.DataDir}
	if diff := cmp.Diff([]string{"mine", "mine.conf", "signalbox-broker"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestVersionNamesBothVersions(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), nil, []string{"--version"}, noEnvironment, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "signalbox broker ") || !strings.Contains(got, "nats-server 2.") {
		t.Errorf("version = %q", got)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	conf := randomPort(t)
	for want, args := range map[string][]string{
		"the flags are not right":          {"--nonsense"},
		`"serve" is not a flag`:            {"serve"},
		`--log-level "loud"`:               {"--log-level", "loud"},
		`--log-format "xml"`:               {"--log-format", "xml"},
		`--max-age "a day"`:                {"--max-age", "a day"},
		`--alone-after "-1s"`:              {"--alone-after", "-1s"},
		"serve-last-known or refuse":       {"--when-alone", "hope", "--data", t.TempDir()},
		"begins with http:// or https://":  {"--control", "localhost:8080", "--data", t.TempDir()},
		"give it control's URL and an enr": {"-c", conf, "--data", t.TempDir()},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), nil, args, noEnvironment, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want it to say %q", err, want)
			}
		})
	}
}

// randomPort is a configuration file that takes no port from anybody.
func randomPort(t *testing.T) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte(`listen: "127.0.0.1:-1"`), 0o600); err != nil {
		t.Fatal(err)
	}
	return conf
}

// story is the log of a running broker, which a test waits for.
type story struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (s *story) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(line)
	close(s.changed)
	s.changed = make(chan struct{})
	return len(line), nil
}

func (s *story) waitFor(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for {
		s.mu.Lock()
		so, changed := s.text.String(), s.changed
		s.mu.Unlock()
		if strings.Contains(so, text) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the log never said %q:\n%s", text, so)
		}
	}
}

func TestBrokerRunsUntilItIsTold(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	dir, conf := t.TempDir(), randomPort(t)
	serve := func(env map[string]string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
		defer cancel()
		out := &story{changed: make(chan struct{})}
		done := make(chan error, 1)
		running, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			done <- run(running, nil, append([]string{"-c", conf, "--data", dir, "--log-level", "debug"}, args...), func(name string) string { return env[name] }, out)
		}()
		out.waitFor(t, ctx, "broker is ready")
		stop()
		if err := <-done; err != nil {
			t.Fatalf("after being told to stop: %v", err)
		}
		return out.text.String()
	}

	first := serve(map[string]string{"SIGNALBOX_TOKEN": brokertest.EnrollmentToken}, "--control", control.URL())
	control.Close()
	second := serve(nil) // neither control nor a token any more

	for _, log := range []string{first, second} {
		for _, secret := range []string{"eyJ", brokertest.EnrollmentToken, "sbb_"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %q:\n%s", secret, log)
			}
		}
	}
	if !slices.ContainsFunc(strings.Split(second, "\n"), func(line string) bool { return strings.Contains(line, "stopping") }) {
		t.Errorf("the log does not say that it stops:\n%s", second)
	}
}
