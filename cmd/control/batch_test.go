//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
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

// cpu is how long all cores together have worked for the process.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, numbers, _ := strings.Cut(string(stat), ") ") // after the name, which may have spaces; see proc(5)
	fields := strings.Fields(numbers)
	user, userErr := strconv.Atoi(fields[11])
	system, systemErr := strconv.Atoi(fields[12])
	if err := errors.Join(userErr, systemErr); err != nil {
		p.t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // Linux counts in hundredths of a second
}

// Ten thousand devices in one request: control holds a few hundred of them at a
// time, and what is streamed works.
func TestTenThousandCredentialsInOneBatch(t *testing.T) {
	t.Parallel()
	const devices, mayGrow, mayWork = 10_000, 16, 6 * time.Second // MiB; of one core
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
	idle := s.control.cpu()
	took := stream(devices, "device-", func(creds string) { last = creds })
	worked := s.control.cpu() - idle
	after, most := s.control.memory()
	t.Logf("%d credentials in %s, of which control worked %s; it held %d MiB before (%d at most until then), %d after, %d at most", devices, took, worked, before, mostBefore, after, most)
	if most-mostBefore > mayGrow {
		t.Errorf("control grew from %d to %d MiB", mostBefore, most)
	}
	// The cores are shared with all other tests, so this is no matter of time.
	if worked > mayWork {
		t.Errorf("control worked %s, want %s at most", worked, mayWork)
	}
	file := filepath.Join(t.TempDir(), "last.creds")
	if err := os.WriteFile(file, []byte(last), 0o600); err != nil {
		t.Fatal(err)
	}
	mustConnect(t, s.nats, file)
}
