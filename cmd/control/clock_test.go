//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A process has no clock of its own to set, so the two binaries are built once
// more with one: with a package time whose Now is off by what a variable says.

const clockVariable = "SIGNALBOX_TEST_CLOCK"

const clockSource = `package time

import "syscall"

var offSeconds = func() int64 {
	text, _ := syscall.Getenv("` + clockVariable + `")
	off, err := ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return int64(off / Second)
}()
`

// withClocks is the folder, in that of the binaries, of those with clocks of their own.
const withClocks = "clocks"

var buildWithClocks = sync.OnceValue(func() error {
	dir := filepath.Join(binaries, withClocks)
	overlay, err := writeOverlay(dir)
	if err != nil {
		return err
	}
	for _, name := range []string{"control", "broker"} {
		out, err := exec.Command("go", "build", "-overlay", overlay, "-o", filepath.Join(dir, name), "../"+name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
})

// writeOverlay writes what is to be compiled in place of Go's own package time.
func writeOverlay(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src/time")
	text, err := os.ReadFile(filepath.Join(original, "time.go"))
	if err != nil {
		return "", err
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(text), reading) {
		return "", errors.New("Go reads the clock in another way than this test knows")
	}
	shifted := strings.Replace(string(text), reading, reading+"\tsec += offSeconds\n", 1)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(original, "time.go"): filepath.Join(dir, "time.go"),
		filepath.Join(original, "off.go"):  filepath.Join(dir, "off.go"),
	}})
	if err != nil {
		return "", err
	}
	err = os.MkdirAll(dir, 0o700)
	for name, text := range map[string]string{"time.go": shifted, "off.go": clockSource, "overlay.json": string(overlay)} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return filepath.Join(dir, "overlay.json"), err
}

// clockOff is the binary to start, and the variable that sets its clock off by that much.
func clockOff(t *testing.T, name string, by time.Duration) (binary string, env []string) {
	t.Helper()
	if by == 0 {
		return name, nil
	}
	if err := buildWithClocks(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(withClocks, name), []string{clockVariable + "=" + by.String()}
}

func TestClusterOutlivesABrokerWhoseClockIsOff(t *testing.T) {
	t.Parallel()
	set := func(by time.Duration) func(tr *trial, w *watched) {
		return func(tr *trial, w *watched) {
			w.process.stop()
			w.clock = by
			tr.demandAll(w)
			w.start()
		}
	}
	f := startFleet(t, 1)
	tr := startTrial(t, f)
	for _, n := range f.brokers {
		w, ahead := tr.watched[n.name], trouble{begin: set(time.Hour), end: set(0), restarts: true, reachable: true}
		tr.suffer("an hour ahead", ahead, w)
		behind := ahead
		behind.begin = set(-time.Hour)
		tr.suffer("an hour behind", behind, w)
	}
	tr.wantTried()
}

// What one replica issues, the other revokes.
func TestReplicasMayDisagreeAboutTheTime(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	tr := startTrial(t, f)
	for _, by := range []time.Duration{time.Hour, -time.Hour, 0} {
		f.controls[1].stop()
		f.controls[1] = f.startReplicaAt(f.urls[1], by)
		stop := tr.write()
		tr.awaitRounds(20)
		tr.awaitApplied(fmt.Sprint("with a replica off by ", by), tr.allBut(nil))
		stop()
		tr.settle(fmt.Sprint("with a replica off by ", by))
	}
	tr.wantTried()
}
