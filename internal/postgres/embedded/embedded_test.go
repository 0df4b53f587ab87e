//go:build unix

package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// seed is the data folder of a stopped server: to copy it takes a tenth of the
// time of an initialisation.
var seed = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "signalbox-seed-")
	if err != nil {
		return "", err
	}
	s, err := Start(context.Background(), Options{Dir: filepath.Join(dir, "data"), Fast: true})
	if err != nil {
		return dir, err
	}
	return dir, s.Stop()
})

// boot starts a server that is stopped when the test is over.
func boot(t *testing.T, o Options) *Server {
	t.Helper()
	from, err := seed()
	if err != nil {
		t.Fatal(err)
	}
	o.Fast = true
	if o.From == "" {
		o.From = filepath.Join(from, "data")
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func dataDir(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(values, ",")
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", path, err)
	}
}

func TestCommittedDataOutliveStopAndCrash(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, err := Start(t.Context(), Options{Dir: dir}) // with fsync, as `make run` has it
	if err != nil {
		t.Fatal(err)
	}
	query(t, s, "CREATE TABLE kept (n bigint)")
	query(t, s, "INSERT INTO kept VALUES (1)")
	url := s.URL()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "postmaster.pid")); err != nil {
		t.Fatalf("a crash leaves a pid file: %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatalf("restart after a crash: %v", err)
	}
	if s.URL() != url {
		t.Errorf("the URL changed from %s to %s", url, s.URL())
	}
	query(t, s, "INSERT INTO kept VALUES (2)")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	gone(t, s.scratch.path)
	if got := query(t, boot(t, Options{Dir: dir}), "SELECT n::text FROM kept ORDER BY n"); got != "1,2" {
		t.Errorf("kept = %q, want 1,2", got)
	}
}

func TestServerIsSetUpForOurUse(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{Dir: dataDir(t), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if got := query(t, s, "SELECT lower('ÄÖ') || current_setting('server_encoding') || current_setting('timezone') || current_setting('listen_addresses')"); got != "äöUTF8UTC" {
		t.Errorf("letters, encoding, zone, addresses = %q, want äöUTF8UTC", got)
	}
	for _, path := range []string{s.scratch.path, s.Dir()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o700 {
			t.Errorf("%s has mode %o, want 700", path, got)
		}
	}
}

func TestStopEndsConnectionsAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{})
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	done := s.Done()
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived its server")
	}
	gone(t, s.Dir())
	if err := s.Restart(t.Context()); err == nil {
		t.Error("a server whose temporary data are gone was restarted")
	}
	gone(t, s.scratch.path)
}

func TestDoneTellsOfAServerThatEndedByItself(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{})
	done := s.Done()
	if err := s.run.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-done
}

func TestSecondServerOnAFolderIsRefused(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{Dir: dataDir(t)})
	_, err := Start(t.Context(), Options{Dir: s.Dir()})
	if want := fmt.Sprintf("in use by process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second start: %v, want %q", err, want)
	}
	query(t, s, "SELECT 'alive'")
}

func TestOneOfManyStartsOnAFolderSucceeds(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	var group sync.WaitGroup
	results := make(chan *Server, 4)
	for range cap(results) {
		group.Go(func() {
			if s, err := Start(t.Context(), Options{Dir: dir, Fast: true}); err == nil {
				results <- s
			}
		})
	}
	group.Wait()
	if len(results) != 1 {
		t.Fatalf("%d servers run on one folder", len(results))
	}
	if err := (<-results).Stop(); err != nil {
		t.Error(err)
	}
}

func TestServerThatWeDidNotStartIsRespected(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{Dir: dataDir(t)})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "1000") // in the folder and in its pid file, as a postgres would be
	stranger.Dir = s.Dir()
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(s.Dir(), "postmaster.pid")
	write(t, pid, strconv.Itoa(stranger.Process.Pid)+"\n"+s.Dir()+"\n")
	if _, err := Start(t.Context(), Options{Dir: s.Dir()}); err == nil || !strings.Contains(err.Error(), "something else started") {
		t.Errorf("start on a folder in use: %v", err)
	}
	_ = stranger.Process.Kill()
	_ = stranger.Wait() // says that it was killed
	boot(t, Options{Dir: s.Dir()})
}

func TestPIDFileThatNamesAnotherProgramDoesNotStopAStart(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{Dir: dataDir(t)})
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir(), "postmaster.pid")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "1000")
	other.Dir = "/"
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait() // says that it was killed
	}()
	_, rest, _ := strings.Cut(string(text), "\n")
	write(t, path, strconv.Itoa(other.Process.Pid)+"\n"+rest)
	if err := s.Restart(t.Context()); err != nil {
		t.Errorf("the number of a crashed server has gone to another program: %v", err)
	}
}

func TestFolderThatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, content, want string }{
		{"of another version", "PG_VERSION", "12\n", "made by Postgres 12"},
		{"with something else in it", "thesis.txt", "years of work", "is not empty and holds no Postgres data"},
		{"with a broken version", "PG_VERSION", "x", "read which Postgres made"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, c.file), c.content)
			_, err := Start(t.Context(), Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("start: %v, want %q", err, c.want)
			}
			if got, err := os.ReadFile(filepath.Join(dir, c.file)); err != nil || string(got) != c.content {
				t.Errorf("the file became %q (%v)", got, err)
			}
		})
	}
}

func TestMismatchNamesBothVersions(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "PG_VERSION"), "15\n")
	_, err := Start(t.Context(), Options{Dir: dir, Binaries: pretend(t, "postgres (PostgreSQL) 99.1")})
	if err == nil || !strings.Contains(err.Error(), "made by Postgres 15") || !strings.Contains(err.Error(), "is Postgres 99") {
		t.Errorf("start: %v, want both 15 and 99", err)
	}
}

func TestInterruptedInitialisationIsBegunAgain(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := os.Mkdir(dir+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir+".new", "half"), "done")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{Dir: dir}); err == nil {
		t.Fatal("started with a context that had ended")
	}
	s, err := Start(t.Context(), Options{Dir: dir, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, dir+".new")
	gone(t, filepath.Join(dir, "half"))
}

func TestServerThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{Dir: dataDir(t)})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.Dir(), "postgresql.auto.conf"), "no_such_setting = 1\n")
	temp, err := os.MkdirTemp("/tmp", "broken-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	_, err = Start(t.Context(), Options{Dir: s.Dir(), Temp: temp})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("start with a broken configuration: %v", err)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	write(t, filepath.Join(s.Dir(), "postgresql.auto.conf"), "")
	boot(t, Options{Dir: s.Dir()}) // the lock was given up
}

func TestFolderIsCopiedFromAStoppedServerOnly(t *testing.T) {
	t.Parallel()
	s := boot(t, Options{Dir: dataDir(t)})
	query(t, s, "CREATE TABLE copied (n bigint)")
	if _, err := Start(t.Context(), Options{From: s.Dir()}); err == nil {
		t.Error("copied the folder of a running server")
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, boot(t, Options{From: s.Dir()}), "SELECT to_regclass('copied')::text"); got != "copied" {
		t.Errorf("the copy has no table: %q", got)
	}
}

func TestLongTemporaryPathStillHasASocket(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	query(t, boot(t, Options{Temp: long}), "SELECT 'reachable'")
}

func TestFoldersOfKilledProcessesAreSweptAndNoOthers(t *testing.T) {
	t.Parallel()
	temp, err := os.MkdirTemp("/tmp", "sweep-") // short enough for a socket, not so t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	live := boot(t, Options{Temp: temp})
	dead := filepath.Join(temp, scratchPrefix+"dead")
	fresh := filepath.Join(temp, scratchPrefix+"fresh")
	for _, dir := range []string{dead, fresh} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dead, "owner"), "")
	boot(t, Options{Temp: temp})
	gone(t, dead)
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("a folder in the making was removed: %v", err)
	}
	query(t, live, "SELECT 'alive'")
}

func TestServerRunsAsAnotherUserWhereNamespacesAreForbidden(t *testing.T) {
	t.Parallel()
	other, err := findIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // anyone else needs neither
		if other, err = stranger(); err != nil {
			t.Fatal(err)
		}
	}
	temp, err := os.MkdirTemp("/tmp", "signalbox-other-") // others can enter it, not t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(temp, "data")
	s, err := start(t.Context(), Options{Dir: dir, Fast: true}, other)
	if err != nil {
		t.Fatal(err)
	}
	query(t, s, "CREATE TABLE kept (n bigint)")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// The next start may be able to do without: the folder changes hands.
	if got := query(t, boot(t, Options{Dir: dir}), "SELECT to_regclass('kept')::text"); got != "kept" {
		t.Errorf("the data are gone: %q", got)
	}
}

// The children of these tests are this program again, told by the environment
// to start a server and say where it is.
const childVariable = "SIGNALBOX_TEST_CHILD"

type childReport struct{ Dir, Scratch, URL string }

func TestMain(m *testing.M) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		code := m.Run()
		if seeded, _ := seed(); seeded != "" { // an error in making it was reported by the tests
			_ = os.RemoveAll(seeded)
		}
		os.Exit(code)
	}
	if err := child(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(dir string) error {
	if dir == "temporary" {
		dir = ""
	}
	s, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(childReport{s.Dir(), s.scratch.path, s.URL()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent lets us go, without a Stop
	return err
}

func startChild(t *testing.T, dir string) (*exec.Cmd, io.Closer, childReport) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // of a test that failed
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	var report childReport
	if err := json.Unmarshal(line, &report); err != nil {
		t.Fatal(err)
	}
	return cmd, stdin, report
}

func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	t.Run("killed, and the next start carries on", func(t *testing.T) {
		t.Parallel()
		cmd, _, report := startChild(t, dataDir(t))
		conn, err := pgx.Connect(t.Context(), report.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(t.Context(), "CREATE TABLE kept (n bigint)"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // says that it was killed
		// At once: this waits for the orphan, which has a checkpoint to write.
		if got := query(t, boot(t, Options{Dir: report.Dir}), "SELECT to_regclass('kept')::text"); got != "kept" {
			t.Errorf("the data are gone: %q", got)
		}
	})
	t.Run("ended without a stop, and nothing stays", func(t *testing.T) {
		t.Parallel()
		cmd, stdin, report := startChild(t, "temporary")
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), leaving)
		defer cancel()
		for {
			if _, err := os.Stat(report.Scratch); os.IsNotExist(err) {
				return
			}
			if err := pause(ctx); err != nil {
				t.Fatalf("%s stays: %v", report.Scratch, err)
			}
		}
	})
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
