//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memory is what the process holds now, and held at most, in MiB.
func (p *process) memory() (now, most int) {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	read := func(field string) int {
		found := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
		kib, err := strconv.Atoi(string(found[1]))
		if err != nil {
			p.t.Fatal(err)
		}
		return kib / 1024
	}
	return read("VmRSS"), read("VmHWM")
}

// Ten thousand devices in one request: control holds a few hundred of them at a
// time, and what is streamed works.
func TestTenThousandCredentialsInOneBatch(t *testing.T) {
	t.Parallel()
	const devices, mayGrow, within = 10_000, 16, 10 * time.Second // MiB
	s := startStack(t)
	s.exec(`UPDATE plans SET max_users = -1`)
	c := s.signUp("fleet")
	s.control.stop()
	s.env = append(s.env, "GOGC=10") // so that little of what it holds is garbage
	s.startControl()
	s.awaitBroker()
	stream := func(count int, prefix string, each func(creds string)) time.Duration {
		began := time.Now()
		res, err := c.http.Post(c.url+"/v1/accounts/"+c.account+"/credential-batches", "application/json",
			strings.NewReader(fmt.Sprintf(`{"name_prefix": %q, "count": %d, "expires_in": "P365D"}`, prefix, count)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		n := 0
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			var line struct {
				Creds   string
				Summary *struct{ Issued int }
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line.Summary != nil && line.Summary.Issued != count {
				t.Errorf("summary = %+v", line.Summary)
			}
			if line.Creds != "" {
				n++
				each(line.Creds)
			}
		}
		if n != count || res.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %d credentials", res.StatusCode, n)
		}
		return time.Since(began)
	}
	stream(500, "warm-", func(string) {})
	before, mostBefore := s.control.memory()
	var last string
	took := stream(devices, "device-", func(creds string) { last = creds })
	after, most := s.control.memory()
	t.Logf("%d credentials in %s; control held %d MiB before (%d at most until then), %d after, %d at most", devices, took, before, mostBefore, after, most)
	if most-mostBefore > mayGrow {
		t.Errorf("control grew from %d to %d MiB", mostBefore, most)
	}
	if took > within {
		t.Errorf("it took %s, want %s at most", took, within)
	}
	file := filepath.Join(t.TempDir(), "last.creds")
	if err := os.WriteFile(file, []byte(last), 0o600); err != nil {
		t.Fatal(err)
	}
	mustConnect(t, s.nats, file)
}
