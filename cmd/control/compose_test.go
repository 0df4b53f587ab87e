package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"gopkg.in/yaml.v3"

	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

const repository = "../.."

// composeFile is what of docker-compose.yml concerns the two binaries.
type composeFile struct {
	Services map[string]composeService
}

type composeService struct {
	Build       struct{ Target string }
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
}

var composeVariable = regexp.MustCompile(`\$\{(\w+)(?::([-?])([^}]*))?\}`)

// readCompose reads docker-compose.yml with its variables filled in from env,
// or with their defaults. One that has neither becomes "filled in".
func readCompose(t *testing.T, env map[string]string) composeFile {
	t.Helper()
	text := readRepository(t, "docker-compose.yml")
	text = composeVariable.ReplaceAllStringFunc(text, func(reference string) string {
		m := composeVariable.FindStringSubmatch(reference)
		if value, ok := env[m[1]]; ok {
			return value
		}
		if m[2] == "-" {
			return m[3]
		}
		return "filled in"
	})
	var file composeFile
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func readRepository(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// services are those built from one target of the Dockerfile, by name.
func (f composeFile) services(t *testing.T, target string) map[string]composeService {
	t.Helper()
	found := map[string]composeService{}
	for name, s := range f.Services {
		if s.Build.Target == target {
			found[name] = s
		}
	}
	if len(found) == 0 {
		t.Fatalf("docker-compose.yml has no service of the image %s", target)
	}
	return found
}

// set says whether the service gets the variable, with something in it.
func (s composeService) set(variable string) bool { return s.Environment[variable] != "" }

// ours are the service's variables for our binary; the others are nats.conf's.
func (s composeService) ours() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.Environment)), func(name string) bool {
		return strings.HasPrefix(name, "NATS_")
	})
}

func TestComposeGivesControlOnlyWhatItKnows(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	newFlags("serve", func(name string) string {
		known[name] = true
		return ""
	})
	for name, s := range readCompose(t, nil).services(t, "control") {
		if len(s.Command) == 0 || s.Command[0] != "serve" {
			t.Fatalf("%s runs %q, want serve", name, s.Command)
		}
		flags, _ := newFlags("serve", func(string) string { return "" })
		flags.SetOutput(io.Discard)
		if err := flags.Parse(s.Command[1:]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, variable := range s.ours() {
			if !known[variable] {
				t.Errorf("%s: control does not know the variable %s", name, variable)
			}
		}
		for _, variable := range []string{"DATABASE_URL", "SIGNALBOX_MASTER_KEY", "SIGNALBOX_ENROLLMENT_TOKEN"} {
			if !s.set(variable) {
				t.Errorf("%s: control needs %s", name, variable)
			}
		}
	}
}

func TestComposeGivesBrokersOnlyWhatTheyKnow(t *testing.T) {
	t.Parallel()
	help, err := exec.Command(filepath.Join(binaries, "broker"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	flags, variables := brokerOptions(string(help))
	for name, s := range readCompose(t, nil).services(t, "broker") {
		if err := flags.Parse(s.Command); err != nil || flags.NArg() > 0 {
			t.Errorf("%s: the command %q: %v, left over %q", name, s.Command, err, flags.Args())
		}
		for _, variable := range s.ours() {
			if !variables[variable] {
				t.Errorf("%s: the broker does not know the variable %s", name, variable)
			}
		}
		for _, variable := range []string{"SIGNALBOX_CONTROL", "SIGNALBOX_TOKEN", "SIGNALBOX_CONTROL_ADDRESS", "SIGNALBOX_NAME"} {
			if !s.set(variable) {
				t.Errorf("%s: it needs %s", name, variable)
			}
		}
	}
}

// brokerOptions are the flags, all with a value, and the variables that the
// broker's help names.
func brokerOptions(help string) (*flag.FlagSet, map[string]bool) {
	flags := flag.NewFlagSet("broker", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for _, m := range regexp.MustCompile(`(?m)^  --?(\S+) \S`).FindAllStringSubmatch(help, -1) {
		flags.String(m[1], "", "")
	}
	variables := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bSIGNALBOX_\w+`).FindAllString(help, -1) {
		variables[name] = true
	}
	return flags, variables
}

// Not parallel: nats-server reads the variables of its configuration from the
// environment of the process.
func TestComposePublishesWhatBrokersListenOn(t *testing.T) {
	brokers := readCompose(t, nil).services(t, "broker")
	file := filepath.Join(repository, "deploy/compose/nats.conf")
	for name, s := range brokers {
		t.Run(name, func(t *testing.T) {
			for variable, value := range s.Environment {
				t.Setenv(variable, value)
			}
			o, err := server.ProcessConfigFile(file)
			if err != nil {
				t.Fatal(err)
			}
			listening := []int{o.Port, o.Websocket.Port, o.MQTT.Port, o.LeafNode.Port}
			if diff := cmp.Diff(listening, s.published(t)); diff != "" {
				t.Errorf("it listens on (-), and publishes (+):\n%s", diff)
			}
			advertised := []string{o.ClientAdvertise, o.Websocket.Advertise, o.LeafNode.Advertise}
			for i, port := range []int{o.Port, o.Websocket.Port, o.LeafNode.Port} {
				if want := fmt.Sprint("127.0.0.1:", port); advertised[i] != want {
					t.Errorf("it tells clients of %s, want %s", advertised[i], want)
				}
			}
			if want := fmt.Sprint("nats://", name, ":", o.Port); s.Environment["SIGNALBOX_CONTROL_ADDRESS"] != want {
				t.Errorf("it tells control of %s, want %s", s.Environment["SIGNALBOX_CONTROL_ADDRESS"], want)
			}
			if len(o.Routes) != len(brokers) || o.RoutesStr != "" {
				t.Errorf("it has %d routes, want one for each broker", len(o.Routes))
			}
			if want := fmt.Sprint("nats://", name, ":", o.Cluster.Port); !strings.Contains(s.Environment["NATS_CLUSTER_ROUTES"], want) {
				t.Errorf("no route leads to %s", want)
			}
			if !o.JetStream || o.StoreDir != s.Environment["SIGNALBOX_DATA"] {
				t.Errorf("streams are kept in %q, want them on the volume at %q", o.StoreDir, s.Environment["SIGNALBOX_DATA"])
			}
		})
	}
}

// published are the ports that the service publishes under their own number.
func (s composeService) published(t *testing.T) []int {
	t.Helper()
	var ports []int
	for _, p := range s.Ports {
		parts := strings.Split(p, ":") // address, outside, inside
		if len(parts) != 3 || parts[1] != parts[2] {
			t.Fatalf("port %q: want ADDRESS:N:N", p)
		}
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			t.Fatalf("port %q: %v", p, err)
		}
		ports = append(ports, n)
	}
	return ports
}

func TestComposeAndNATSConfigurationUseTheSameVariables(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, name := range regexp.MustCompile(`\$(NATS_\w+)`).FindAllStringSubmatch(readRepository(t, "deploy/compose/nats.conf"), -1) {
		used[name[1]] = true
	}
	for name, s := range readCompose(t, nil).services(t, "broker") {
		set := map[string]bool{}
		for variable := range s.Environment {
			if strings.HasPrefix(variable, "NATS_") {
				set[variable] = true
			}
		}
		if diff := cmp.Diff(used, set); diff != "" {
			t.Errorf("%s: nats.conf uses (-), docker-compose.yml sets (+):\n%s", name, diff)
		}
	}
}

func TestEnvExampleNamesTheVariablesOfCompose(t *testing.T) {
	t.Parallel()
	wanted, required := map[string]bool{}, map[string]bool{}
	for _, m := range composeVariable.FindAllStringSubmatch(readRepository(t, "docker-compose.yml"), -1) {
		wanted[m[1]] = true
		if m[2] == "?" {
			required[m[1]] = true
		}
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+)=(.*)$`).FindAllStringSubmatch(readRepository(t, ".env.example"), -1) {
		named[m[1]] = true
		if required[m[1]] && m[2] != "" {
			t.Errorf("%s has a value in .env.example, where somebody would keep it", m[1])
		}
	}
	if diff := cmp.Diff(wanted, named); diff != "" {
		t.Errorf("docker-compose.yml uses (-), .env.example names (+):\n%s", diff)
	}
	for _, secret := range []string{"POSTGRES_PASSWORD", "SIGNALBOX_MASTER_KEY", "SIGNALBOX_ENROLLMENT_TOKEN"} {
		if !required[secret] {
			t.Errorf("docker-compose.yml starts without %s", secret)
		}
	}
}

func TestImagesAreBuiltWithTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(readRepository(t, "go.mod"))[1]
	for _, file := range []string{"Dockerfile", ".devcontainer/Dockerfile"} {
		if !strings.Contains(readRepository(t, file), "FROM golang:"+version+"-") {
			t.Errorf("go.mod says Go %s, %s does not", version, file)
		}
	}
}

// The commands and the environment of docker-compose.yml, run as processes: the
// names of containers become this machine's, and each port a free one.
func TestComposeBringsUpAClusterOfThreeBrokers(t *testing.T) {
	t.Parallel()
	master, err := keyring.GenerateMaster()
	if err != nil {
		t.Fatal(err)
	}
	file := readCompose(t, map[string]string{"SIGNALBOX_ENROLLMENT_TOKEN": enrolment})
	here := newLocalhost(t, file)
	control := file.Services["control"]
	control.Environment["SIGNALBOX_MASTER_KEY"] = string(master)
	control.Environment["DATABASE_URL"] = pgtest.Private(t).URLFor(pgtest.Migrated)
	here.start(t, "control", control)
	for _, s := range file.services(t, "broker") {
		here.start(t, "broker", s)
	}
	s := &stack{t: t, url: "http://" + here.translate("control:8080")}
	s.awaitReady()
	c := s.signUp("ada")
	c.wantBrokers(len(file.services(t, "broker")))

	subscriber := here.connect(t, c, "broker-1:4222")
	sub, err := subscriber.SubscribeSync("orders.>")
	if err != nil {
		t.Fatal(err)
	}
	publisher := here.connect(t, c, "broker-3:4224")
	// The interest of a subscriber reaches the other brokers a moment later.
	eventually(t, "a message through the cluster", func() error {
		if err := publisher.Publish("orders.new", []byte("hello")); err != nil {
			return err
		}
		_, err := sub.NextMsg(patience / 100)
		return err
	})
}

// localhost stands in for the machines of a compose file.
type localhost struct {
	ports map[string]string // in the file -> here
	dir   string
}

var (
	containerPort = regexp.MustCompile(`\b\d{4}\b`)
	containerHost = regexp.MustCompile(`\b(control|broker-\d):`)
)

func newLocalhost(t *testing.T, file composeFile) *localhost {
	t.Helper()
	h := &localhost{ports: map[string]string{}, dir: t.TempDir()}
	for _, target := range []string{"control", "broker"} {
		for _, s := range file.services(t, target) {
			for _, text := range append(slices.Collect(maps.Values(s.Environment)), s.Command...) {
				for _, port := range containerPort.FindAllString(text, -1) {
					h.ports[port] = ""
				}
			}
		}
	}
	free := freePorts(t, len(h.ports))
	for i, port := range slices.Sorted(maps.Keys(h.ports)) {
		h.ports[port] = free[i]
	}
	return h
}

func (h *localhost) translate(text string) string {
	text = containerHost.ReplaceAllString(text, "127.0.0.1:")
	return containerPort.ReplaceAllStringFunc(text, func(port string) string {
		if here, ok := h.ports[port]; ok {
			return here
		}
		return port
	})
}

// start runs a service's command with its environment, its volumes as folders.
func (h *localhost) start(t *testing.T, binary string, s composeService) {
	t.Helper()
	mounts := map[string]string{}
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":") // what, where
		if mounts[parts[1]] = filepath.Join(h.dir, parts[0]); strings.HasPrefix(parts[0], "./") {
			mounts[parts[1]] = filepath.Join(repository, parts[0])
		}
	}
	place := func(text string) string {
		for inside, here := range mounts {
			if text == inside {
				return here
			}
		}
		return text
	}
	var env []string
	for name, value := range s.Environment {
		if name != "SIGNALBOX_MASTER_KEY" && name != "DATABASE_URL" {
			value = h.translate(place(value))
		}
		env = append(env, name+"="+value)
	}
	var args []string
	for _, arg := range s.Command {
		args = append(args, h.translate(place(arg)))
	}
	startProcess(t, env, binary, args...)
}

func (h *localhost) connect(t *testing.T, c *customer, address string) *nats.Conn {
	t.Helper()
	name := strings.ReplaceAll(strings.ReplaceAll(address, ":", "-"), ".", "-")
	creds := nats.UserCredentials(c.issue(c.user(name, "").ID).file)
	var nc *nats.Conn
	// The broker lets nobody in before it has heard from control that it is up to date.
	eventually(t, "a login at "+address, func() (err error) {
		nc, err = nats.Connect("nats://"+h.translate(address), creds)
		return err
	})
	t.Cleanup(nc.Close)
	return nc
}

// wantBrokers waits until so many brokers have the account's last change in force.
func (c *customer) wantBrokers(n int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprint(n, " brokers with the change in force"), func() error {
		var d struct {
			InForce bool `json:"in_force"`
			Brokers []struct {
				Broker  string
				Applied int64 `json:"applied_revision"`
			}
		}
		c.must(http.MethodGet, "/v1/accounts/"+c.account+"/delivery", nil, &d)
		if !d.InForce || len(d.Brokers) != n {
			return fmt.Errorf("in force %v at %+v", d.InForce, d.Brokers)
		}
		return nil
	})
}
