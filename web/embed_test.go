package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const page = "<!doctype html><title>Signalbox</title>"

var built = handler{files: fstest.MapFS{
	"index.html":             {Data: []byte(page)},
	"favicon.svg":            {Data: []byte("<svg/>")},
	"assets/index-abc.js":    {Data: []byte("plain")},
	"assets/index-abc.js.gz": {Data: []byte("compressed")},
	"assets/inter-abc.woff2": {Data: []byte("font")},
	".gitkeep":               {},
}}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestClientRoutesAnswerThePageUncached(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/", "/index.html", "/log-in?return=/", "/accounts/acc_01jd3zq4y6e8r9tq2m5n7p8s0v/users", "/t/ten_1/accounts/"} {
		w := get(built, target)
		if w.Code != http.StatusOK || w.Body.String() != page {
			t.Errorf("GET %s = %d %q, want the page", target, w.Code, w.Body)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-cache" {
			t.Errorf("GET %s: Cache-Control = %q, want no-cache", target, got)
		}
	}
}

func TestWhatIsNotTheUIIsNeverThePage(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/v1", "/v1/nothing", "/v1/../v1/me", "/jwt/v1/accounts/A", "/healthz", "/readyz", "/metrics", "/problems/invalid",
		"/assets/index-old.js", "/assets/nothing", "/robots.txt", "/.gitkeep", "/assets/index-abc.js.gz", "/../embed.go",
	} {
		if w := get(built, target); w.Code != http.StatusNotFound {
			t.Errorf("GET %s = %d %q, want 404", target, w.Code, w.Body)
		}
	}
}

func TestHashedAssetsAreKeptForEverAndOthersAreNot(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]struct{ cache, contentType string }{
		"/assets/index-abc.js":    {"public, max-age=31536000, immutable", "text/javascript; charset=utf-8"},
		"/assets/inter-abc.woff2": {"public, max-age=31536000, immutable", "font/woff2"},
		"/favicon.svg":            {"no-cache", "image/svg+xml"},
	} {
		h := get(built, target).Header()
		if got := h.Get("Cache-Control"); got != want.cache {
			t.Errorf("GET %s: Cache-Control = %q, want %q", target, got, want.cache)
		}
		if got := h.Get("Content-Type"); got != want.contentType {
			t.Errorf("GET %s: Content-Type = %q, want %q", target, got, want.contentType)
		}
	}
}

func TestCompressedAssetGoesOnlyToThoseWhoAcceptIt(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{"": "plain", "br": "plain", "gzip;q=0": "plain", "br, gzip": "compressed", "gzip;q=0.5": "compressed"} {
		w := get(built, "/assets/index-abc.js", "Accept-Encoding", accept)
		if got := w.Body.String(); got != want {
			t.Errorf("Accept-Encoding %q: body = %q, want %q", accept, got, want)
		}
		if got := w.Header().Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary = %q, want Accept-Encoding", accept, got)
		}
	}
}

func TestPolicyAllowsOwnScriptsAndWebSocketsOnly(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/", "/assets/index-abc.js", "/v1/nothing"} {
		h := get(built, target).Header()
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self' ws: wss:;", "frame-ancestors 'none'"} {
			if !strings.Contains(policy+";", want) {
				t.Errorf("GET %s: policy %q lacks %q", target, policy, want)
			}
		}
		if got := h.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("GET %s: X-Content-Type-Options = %q, want nosniff", target, got)
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	built.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST / = %d, want 405", w.Code)
	}
	w = httptest.NewRecorder()
	built.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD / = %d with %d bytes, want 200 with none", w.Code, w.Body.Len())
	}
}

func TestWithoutABuildThePageSaysWhatToRun(t *testing.T) {
	t.Parallel()
	w := get(handler{files: fstest.MapFS{".gitkeep": {}}}, "/")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make web") {
		t.Errorf("GET / = %d %q, want 503 that names `make web`", w.Code, w.Body)
	}
}

func TestEmbeddedFilesOpenWithOrWithoutABuild(t *testing.T) {
	t.Parallel()
	f, err := Files().Open(".gitkeep")
	if err != nil {
		t.Fatalf("open the placeholder: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
