package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are those whose commands somebody types.
var documents = []string{"README.md", "CONTRIBUTING.md"}

// block is a fenced block of shell commands.
type block struct {
	file   string
	text   string
	tested bool // it is run whole
}

var fenced = regexp.MustCompile("(?ms)^(<!-- tested -->\n)?```sh\n(.*?)^```$")

func blocks(t *testing.T) []block {
	t.Helper()
	var found []block
	for _, file := range documents {
		for _, m := range fenced.FindAllStringSubmatch(readRepository(t, file), -1) {
			found = append(found, block{file: file, text: m[2], tested: m[1] != ""})
		}
	}
	return found
}

// commands are a page's, all of which have to be marked as tested.
func commands(t *testing.T, page string) string {
	t.Helper()
	var script strings.Builder
	for _, m := range fenced.FindAllStringSubmatch(readRepository(t, page), -1) {
		if m[1] == "" {
			t.Errorf("%s: nothing runs the command %s", page, m[2])
		}
		script.WriteString(m[2] + "\n")
	}
	return script.String()
}

// attended has a script that gives a second to the nats that subscribes give it longer
// if it needs that, as a person at a slow machine would, and leave nothing running.
const attended = `sleep() { command sleep "$1"; [ "$1" != 1 ] || for _ in {1..600}; do [ ! -e subscribed ] || break; command sleep 0.05; done; }
trap 'jobs -p | xargs -r kill 2> /dev/null || true' EXIT
`

// typed runs commands as they stand there, but for pairs of what is somewhere else
// here, and fails unless they do what they are for and say all of want. nats is
// testdata/nats. What waits for something that never comes is ended.
func typed(t *testing.T, commands, dir, path string, here, want []string) {
	t.Helper()
	path = strings.Join([]string{buildNATS(t), path, os.Getenv("PATH")}, string(os.PathListSeparator))
	shell := exec.CommandContext(t.Context(), "timeout", fmt.Sprint(3*patience.Seconds()), "bash", "-euo", "pipefail", "-c", attended+strings.NewReplacer(here...).Replace(commands))
	shell.Dir = dir
	shell.Env = append(os.Environ(), "TEST_SUBSCRIBED=subscribed", "PATH="+path)
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; the commands said:\n%s", err, out)
	}
	for _, one := range want {
		if !strings.Contains(string(out), one) {
			t.Errorf("the commands did not say %q; they said:\n%s", one, out)
		}
	}
}

// The README's first message, typed as it stands there: only the addresses are
// those of the stack under test, and nats is testdata/nats.
func TestCommandsOfTheREADMESendAFirstMessage(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	var script strings.Builder
	for _, b := range blocks(t) {
		if b.tested {
			script.WriteString(b.text + "\n")
		}
	}
	typed(t, script.String(), t.TempDir(), "", s.addresses(), []string{
		"[#1] Received on \"orders.new\"\nhello\n",
		`"status":"revoked"`,
		"Authorization Violation",
		"revoked, as it should be",
		`"tenant_id":"ten_`,
	})
}

// buildNATS builds the stand-in for the nats tool and answers its folder.
func buildNATS(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "nats"), "./testdata/nats")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the nats stand-in: %v\n%s", err, out)
	}
	return dir
}

func TestCommandsInTheDocumentsExist(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z/-]+):`).FindAllStringSubmatch(readRepository(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	for _, b := range blocks(t) {
		if b.tested {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
			if err := commandExists(t, strings.Fields(line), targets); err != nil {
				t.Errorf("%s: %s%v", b.file, line, err)
			}
		}
	}
}

// commandExists knows the commands that documents may hold outside of tested blocks.
func commandExists(t *testing.T, words []string, targets map[string]bool) error {
	t.Helper()
	if len(words) == 0 || words[0] == "export" || words[0] == "#" {
		return nil
	}
	switch program, args := words[0], words[1:]; program {
	case "make":
		for _, target := range args {
			if !strings.Contains(target, "=") && !targets[target] {
				return fmt.Errorf("the Makefile has no target %q", target)
			}
		}
		return nil
	case "bin/control":
		flags, _ := newFlags(args[0], func(string) string { return "" })
		flags.SetOutput(io.Discard)
		if !strings.Contains(usage, "\n  "+args[0]+" ") {
			return fmt.Errorf("control has no command %q", args[0])
		}
		return flags.Parse(args[1:])
	case "bin/broker":
		help, err := exec.CommandContext(t.Context(), filepath.Join(binaries, "broker"), "--help").Output()
		if err != nil {
			return err
		}
		flags, _ := brokerOptions(string(help))
		return flags.Parse(args)
	case "cp":
		_, err := os.Stat(filepath.Join(repository, args[0]))
		return err
	case "go", "npm", "cd", "git", "docker-compose":
		return nil
	default:
		return fmt.Errorf("nothing tests this command")
	}
}

func TestREADMENamesEveryVariable(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for _, command := range []string{"serve", "dev"} {
		newFlags(command, func(name string) string {
			wanted[name] = true
			return ""
		})
	}
	help, err := exec.CommandContext(t.Context(), filepath.Join(binaries, "broker"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, variables := brokerOptions(string(help))
	maps.Copy(wanted, variables)
	readme := readRepository(t, "README.md")
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("README.md does not tell of %s", name)
		}
	}
}

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`)
	pages, err := filepath.Glob(filepath.Join(repository, "docs/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("docs has %d pages, %v", len(pages), err)
	}
	files := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	readme := readRepository(t, "README.md")
	for _, page := range pages {
		page = filepath.Join("docs", filepath.Base(page))
		if !strings.Contains(readme, "]("+page+")") {
			t.Errorf("README.md does not lead to %s", page)
		}
		files = append(files, page)
	}
	for _, file := range files {
		for _, m := range link.FindAllStringSubmatch(readRepository(t, file), -1) {
			target := filepath.Join(filepath.Dir(file), m[1])
			if _, err := os.Stat(filepath.Join(repository, target)); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if anchor := strings.TrimPrefix(m[2], "#"); anchor != "" && !slices.Contains(anchors(readRepository(t, target)), anchor) {
				t.Errorf("%s: %s has no heading %q", file, target, anchor)
			}
		}
	}
}

// anchors are what links to a page's headings end in.
func anchors(page string) (all []string) {
	other := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile("(?m)^#+ (.+)$").FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(other.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

func TestEveryDependencyHasAReason(t *testing.T) {
	t.Parallel()
	var wanted []string
	module := regexp.MustCompile(`(?m)^\t(\S+\.\S+/\S+)( v\S+)?$`) // direct ones, and tools by their package
	for _, m := range module.FindAllStringSubmatch(readRepository(t, "go.mod"), -1) {
		wanted = append(wanted, strings.SplitN(m[1], "/cmd/", 2)[0])
	}
	for _, file := range []string{"web/package.json", "cmd/control/testdata/clients/package.json"} {
		var packages struct{ Dependencies, DevDependencies map[string]string }
		if err := json.Unmarshal([]byte(readRepository(t, file)), &packages); err != nil {
			t.Fatal(err)
		}
		wanted = slices.AppendSeq(wanted, maps.Keys(packages.Dependencies))
		wanted = slices.AppendSeq(wanted, maps.Keys(packages.DevDependencies))
	}
	named := map[string]bool{}
	_, section, _ := strings.Cut(readRepository(t, "CONTRIBUTING.md"), "\n## Dependencies\n")
	backticks := regexp.MustCompile("`([^`]+)`")
	for _, m := range backticks.FindAllStringSubmatch(section, -1) {
		named[m[1]] = true
	}
	for _, name := range wanted {
		if !named[name] {
			t.Errorf("CONTRIBUTING.md gives no reason for %s", name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(section, -1) {
		for _, m := range backticks.FindAllStringSubmatch(row[1], -1) {
			if !slices.Contains(wanted, m[1]) {
				t.Errorf("CONTRIBUTING.md gives a reason for %s, which is no direct dependency", m[1])
			}
		}
	}
}
