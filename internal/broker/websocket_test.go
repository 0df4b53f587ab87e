package broker_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

const websocketPage = "../../docs/websocket.md"

// websocketSettings are the page's examples, by the settings that they are of.
func websocketSettings(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(websocketPage)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^### ([^\n]+)\n(.*?)(?:\\z|^##)").FindAllStringSubmatch(strings.ReplaceAll(string(text), "\n###", "\n\n## \n###"), -1) {
		example := regexp.MustCompile("(?ms)^```conf\n(.*?)^```$").FindStringSubmatch(m[2])
		if example == nil {
			t.Fatalf("%s has no example", m[1])
		}
		settings[m[1]] = example[1]
	}
	return settings
}

// upgrade asks the listener for a WebSocket as a page of that origin would; an
// empty one is a program.
func upgrade(t *testing.T, at, origin string, headers ...string) *http.Response {
	t.Helper()
	_, _, response := upgraded(t, at, origin, headers...)
	return response
}

func upgraded(t *testing.T, at, origin string, headers ...string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	lines := []string{"GET / HTTP/1.1", "Host: " + u.Host, "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}
	if origin != "" {
		lines = append(lines, "Origin: "+origin)
	}
	if _, err := fmt.Fprint(conn, strings.Join(append(lines, headers...), "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return conn, answers, response
}

// Each example of docs/websocket.md does on the wire what the page says of it.
func TestEverySettingOfWebSocketTakesEffect(t *testing.T) {
	t.Parallel()
	origins := func(t *testing.T, w *tenant, want map[string]int) {
		t.Helper()
		at := w.node.Endpoints().WebSocket[0]
		for origin, status := range want {
			if got := upgrade(t, at, strings.ReplaceAll(origin, "HERE", strings.TrimPrefix(at, "ws://"))).StatusCode; got != status {
				t.Errorf("a page of %q is answered %d, want %d", origin, got, status)
			}
		}
	}
	reached := func(t *testing.T, w *tenant) {
		t.Helper()
		if err := w.reach(t, w.node.Endpoints().WebSocket[0], false); err != nil {
			t.Error(err)
		}
	}
	checks := map[string]func(t *testing.T, w *tenant){
		"listen": func(t *testing.T, w *tenant) {
			reached(t, w)
			if got := portless(w.node.Endpoints().WebSocket); !cmp.Equal(got, []string{"ws://127.0.0.1"}) {
				t.Errorf("it listens at %s", got)
			}
		},
		"host, port": func(t *testing.T, w *tenant) {
			reached(t, w)
			port := regexp.MustCompile(`port: (\d+)`).FindStringSubmatch(w.node.Configuration)[1]
			if got := w.node.Endpoints().WebSocket; !cmp.Equal(got, []string{"ws://127.0.0.1:" + port}) {
				t.Errorf("it listens at %s, want port %s of 127.0.0.1", got, port)
			}
		},
		"no_tls": func(t *testing.T, w *tenant) {
			reached(t, w)
			if got := w.node.Endpoints().WebSocket[0]; !strings.HasPrefix(got, "ws://") {
				t.Errorf("announced as %s", got)
			}
		},
		"advertise": func(t *testing.T, w *tenant) {
			if got := w.node.Endpoints().WebSocket; !cmp.Equal(got, []string{"ws://nats.example.com:443"}) {
				t.Errorf("announced as %s", got)
			}
			v, err := w.node.Server().Varz(nil)
			if err != nil || v.Websocket.Advertise != "nats.example.com:443" {
				t.Errorf("clients are told %v, %v", v, err)
			}
		},
		"tls": func(t *testing.T, w *tenant) {
			at := w.node.Endpoints().WebSocket[0]
			if !strings.HasPrefix(at, "wss://") {
				t.Fatalf("announced as %s", at)
			}
			reached(t, w)
			if w.reach(t, strings.Replace(at, "wss:", "ws:", 1), false) == nil {
				t.Error("reached without TLS")
			}
		},
		"same_origin": func(t *testing.T, w *tenant) {
			origins(t, w, map[string]int{"": 101, "http://HERE": 101, "https://HERE": 403, "http://127.0.0.1:1": 403, "http://example.com": 403, "null": 403})
			reached(t, w)
		},
		"allowed_origins": func(t *testing.T, w *tenant) {
			origins(t, w, map[string]int{"": 101, "https://app.example.com": 101, "http://localhost:3000": 101, "http://HERE": 403,
				"http://app.example.com": 403, "https://app.example.com:8443": 403, "https://app.example.com.evil.example": 403, "null": 403})
		},
		"compression": func(t *testing.T, w *tenant) {
			at := w.node.Endpoints().WebSocket[0]
			const offer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
			if got := upgrade(t, at, "", offer).Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
				t.Errorf("offered compression, the broker answers %q", got)
			}
			if got := upgrade(t, at, "").Header.Get("Sec-WebSocket-Extensions"); got != "" {
				t.Errorf("offered nothing, the broker answers %q", got)
			}
			nc := w.user.Connect(t, at, nats.Compression(true))
			sub, err := w.hub.SubscribeSync("long")
			if err != nil {
				t.Fatal(err)
			}
			if err := w.hub.Flush(); err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("squeeze me ", 50_000)
			if err := nc.Publish("long", []byte(long)); err != nil {
				t.Fatal(err)
			}
			if m, err := sub.NextMsg(brokertest.Patience); err != nil || string(m.Data) != long {
				t.Errorf("what was compressed does not arrive: %v", err)
			}
			if got := upgrade(t, configured(t, `listen: "127.0.0.1:-1", websocket { listen: "127.0.0.1:-1", no_tls: true }`).node.Endpoints().WebSocket[0], "", offer).
				Header.Get("Sec-WebSocket-Extensions"); got != "" {
				t.Errorf("without the setting the broker answers %q", got)
			}
		},
		"handshake_timeout": func(t *testing.T, w *tenant) {
			began := time.Now()
			silent, err := net.Dial("tcp", strings.TrimPrefix(w.node.Endpoints().WebSocket[0], "ws://"))
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			if err := silent.SetReadDeadline(began.Add(brokertest.Patience)); err != nil {
				t.Fatal(err)
			}
			if n, err := silent.Read(make([]byte, 1)); n > 0 || err == nil || time.Since(began) < 1500*time.Millisecond || time.Since(began) > 20*time.Second {
				t.Errorf("after %s a silent client reads %d bytes, %v; want an end after two seconds", time.Since(began), n, err)
			}
			reached(t, w)
		},
		"jwt_cookie": func(t *testing.T, w *tenant) {
			at := w.node.Endpoints().WebSocket[0]
			page := func(cookie, origin string) error {
				nc, err := nats.Connect(at, nats.NoReconnect(), nats.WebSocketConnectionHeaders(http.Header{"Cookie": {cookie}, "Origin": {origin}}))
				if err == nil {
					nc.Close()
				}
				return err
			}
			if err := page("signalbox_console="+w.user.JWT, "http://127.0.0.1:8080"); err != nil {
				t.Errorf("with the cookie: %v", err)
			}
			if page("another="+w.user.JWT, "http://127.0.0.1:8080") == nil {
				t.Error("let in by a cookie of another name")
			}
			if page("signalbox_console="+w.user.JWT, "http://evil.example") == nil {
				t.Error("let in on another site's page")
			}
			if page("signalbox_console=nonsense", "http://127.0.0.1:8080") == nil {
				t.Error("let in by nonsense")
			}
		},
		"user_cookie, pass_cookie, token_cookie": func(t *testing.T, w *tenant) {
			at := w.node.Endpoints().WebSocket[0]
			password, token := w.account.NewSecret(), w.account.NewSecret()
			kiosk, till := w.account.NewLogin("kiosk"), w.account.NewLogin("till")
			kiosk.Digest, kiosk.Username, till.Digest = password.Digest(), "kiosk", token.Digest()
			w.node.WaitApplied(w.account.SetLogins(kiosk, till))
			here := strings.Replace(at, "ws:", "http:", 1)
			for _, page := range []struct {
				cookies, origin string
				in              bool
			}{
				{"device=kiosk; device_password=" + password.Reveal(), here, true},
				{"device_token=" + token.Reveal(), here, true},
				{"device=till; device_password=" + password.Reveal(), here, false},
				{"another_token=" + token.Reveal(), here, false},
				{"device_token=" + token.Reveal(), "http://evil.example", false},
			} {
				nc, err := nats.Connect(at, nats.NoReconnect(), nats.WebSocketConnectionHeaders(http.Header{"Cookie": {page.cookies}, "Origin": {page.origin}}))
				if err == nil {
					nc.Close()
				}
				if (err == nil) != page.in {
					t.Errorf("a page of %s with %s: %v, want it let in: %t", page.origin, page.cookies, err, page.in)
				}
			}
		},
		"headers": func(t *testing.T, w *tenant) {
			if got := upgrade(t, w.node.Endpoints().WebSocket[0], "").Header.Get("Strict-Transport-Security"); got != "max-age=63072000" {
				t.Errorf("the header is %q", got)
			}
		},
		"ping_interval": func(t *testing.T, w *tenant) {
			conn, answers, _ := upgraded(t, w.node.Endpoints().WebSocket[0], "")
			say := fmt.Sprintf("CONNECT {\"jwt\":%q}\r\n", w.user.JWT)
			frame := binary.BigEndian.AppendUint16([]byte{0x82, 0x80 | 126}, uint16(len(say)))
			if _, err := conn.Write(append(frame, "\x00\x00\x00\x00"+say...)); err != nil { // masked by nothing
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(brokertest.Patience)); err != nil {
				t.Fatal(err)
			}
			for pings := 0; pings < 2; {
				line, err := answers.ReadString('\n')
				if err != nil {
					t.Fatalf("after %d pings: %v", pings, err)
				}
				if strings.HasSuffix(line, "PING\r\n") {
					pings++
				}
			}
		},
	}
	settings := websocketSettings(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(checks)), slices.Sorted(maps.Keys(settings))); diff != "" {
		t.Fatalf("what is tested and what %s tells of (-tested +told):\n%s", websocketPage, diff)
	}
	for name, example := range settings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := strings.NewReplacer(`"0.0.0.0:9222"`, `"127.0.0.1:-1"`, `"0.0.0.0"`, `"127.0.0.1"`, `"20s"`, `"300ms"`, "9222", fmt.Sprint(brokertest.FreePort(t)),
				`cert_file: "/etc/signalbox/server.pem"`, "CERTIFICATE", `key_file: "/etc/signalbox/server.key"`, "")
			checks[name](t, configured(t, "listen: \"127.0.0.1:-1\"\n"+here.Replace(example)))
		})
	}
}

func TestWebSocketThatWouldLetInStrangersIsRefused(t *testing.T) {
	t.Parallel()
	certificate, key := brokertest.NewAuthority(t, "mine").Server()
	secure := fmt.Sprintf("cert_file: %q, key_file: %q", certificate, key)
	page, err := os.ReadFile(websocketPage)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## What a broker refuses\n")
	told := regexp.MustCompile("(?m)^\\| (.*`.*) \\| (.*) \\|$").FindAllStringSubmatch(table, -1)
	if len(told) == 0 {
		t.Fatal("the page tells of nothing that is refused")
	}
	var mu sync.Mutex
	var all []string // configurations, and what was said of them
	t.Cleanup(func() {
		for _, row := range told {
			about := strings.Join(slices.DeleteFunc(slices.Clone(all), func(one string) bool { return !strings.Contains(one, row[2]) }), "\n")
			for _, setting := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
				if !strings.Contains(about, setting[1]) {
					t.Errorf("%s tells that of %q a broker says %q, which none does", websocketPage, setting[1], row[2])
				}
			}
		}
	})
	const stranger, shared, rides = "would have to be a user of one tenant", "one login for all clients of a listener", "any site could connect as the person who visits it"
	for text, want := range map[string]string{
		`websocket { port: -1, no_tls: true, no_auth_user: somebody }`:                             stranger,
		`websocket { port: -1, no_tls: true, authorization { username: a, password: b } }`:         shared,
		`websocket { port: -1, no_tls: true, authorization { token: b } }`:                         shared,
		`websocket { port: -1, no_tls: true, jwt_cookie: jwt }`:                                    rides,
		`websocket { port: -1, no_tls: true, jwt_cookie: jwt, allowed_origins: [] }`:               rides,
		`websocket { port: -1, no_tls: true, user_cookie: user }`:                                  rides,
		`websocket { port: -1, no_tls: true, pass_cookie: pass }`:                                  rides,
		`websocket { port: -1, no_tls: true, token_cookie: token }`:                                rides,
		`mqtt { port: -1, no_auth_user: somebody }`:                                                stranger,
		`mqtt { port: -1, authorization { username: a, password: b } }`:                            shared,
		`mqtt { port: -1, authorization { token: b } }`:                                            shared,
		`no_auth_user: somebody`:                                                                   stranger,
		`leafnodes { port: -1, authorization { user: a, password: b } }`:                           shared,
		`websocket { port: -1 }`:                                                                   "add a tls block, or no_tls: true",
		`websocket { port: -1, tls {} }`:                                                           "websocket tls\" without a certificate",
		`tls {}`:                                                                                   "\"tls\" without a certificate",
		`mqtt { port: -1, tls {} }`:                                                                "mqtt tls\" without a certificate",
		`leafnodes { port: -1, tls {} }`:                                                           "leafnodes tls\" without a certificate",
		`websocket { port: -1, tls { ` + secure + `, ca_file: CA, verify_and_map: true } }`:        "which certificate is whose",
		`tls { ` + secure + `, ca_file: CA, verify_and_map: true }`:                                "which certificate is whose",
		`tls { ` + secure + `, ca_file: CA, verify: true }`:                                        "has no certificate",
		`mqtt { port: -1, tls { ` + secure + `, ca_file: CA, verify_and_map: true } }`:             "which certificate is whose",
		`leafnodes { port: -1, tls { ` + secure + `, ca_file: CA, verify_and_map: true } }`:        "which certificate is whose",
		`websocket { port: -1, no_tls: true, jwt_cookie: jwt, same_origin: true, compress: nope }`: "nats.conf",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			control := brokertest.NewControl(t)
			path := filepath.Join(t.TempDir(), "nats.conf")
			text := "listen: \"127.0.0.1:-1\"\njetstream {}\n" + strings.ReplaceAll(text, "CA,", fmt.Sprintf("%q,", certificate))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := broker.Start(t.Context(), broker.Config{NATSConfigFile: path, DataDir: t.TempDir(), ControlURL: control.URL(), EnrollmentToken: brokertest.EnrollmentToken})
			if err == nil {
				b.Stop()
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\nsays %v, want it to say %q", text, err, want)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, fmt.Sprint(text, err))
		})
	}
}
