// Package web serves the browser UI from the control binary. It owns the build under dist, which is made by `make web`
// and is not committed, and the headers that go with it.
//
// It promises that a client route (/accounts/acc_…) answers the page, that a hashed asset may be kept for ever and the
// page itself never, and that a missing thing is a 404 instead of the page: an asset of an older build must not come
// back as HTML, and a mistyped API path must not look like a success. control mounts Handler behind all its own
// routes. The package knows nothing of them but the prefixes that are not the UI's.
package web

import (
	"embed"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// notBuilt is what a binary says that was compiled before the UI was.
const notBuilt = "The web UI is not in this binary. Run `make web`, then build control again.\n"

// contentSecurityPolicy allows only what the build brings along. Inline styles are Mantine's CSS variables; ws: and wss:
// are open to any host because the broker that "Try it in this browser" reaches is not the host that serves the page.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Files returns the build, index.html at its root. It holds only a placeholder when the UI was not built.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: dist is not a valid path: " + err.Error())
	}
	return files
}

// Handler serves the build of Files to browsers; GET and HEAD only.
func Handler() http.Handler { return handler{files: Files()} }

type handler struct{ files fs.FS }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	switch {
	case notOurs(name):
		http.NotFound(w, r)
	case name == "" || name == "index.html" || isClientRoute(name):
		h.serveIndex(w, r)
	default:
		h.serveFile(w, r, name)
	}
}

// notOurs tells paths that belong to the API, to probes and to other services of control. One of these gets here only
// when control has no such route.
func notOurs(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "v1", "jwt", "healthz", "readyz", "metrics", "docs", "problems", "debug":
		return true
	}
	return false
}

// isClientRoute tells the router's URLs from files: no route has a dot, every file has one.
func isClientRoute(name string) bool {
	return !strings.HasPrefix(name, "assets/") && !strings.Contains(path.Base(name), ".")
}

func (h handler) serveIndex(w http.ResponseWriter, r *http.Request) {
	index, err := fs.ReadFile(h.files, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, strings.TrimSpace(notBuilt), http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		http.Error(w, "read the page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	write(w, r, index)
}

func (h handler) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	content, err := fs.ReadFile(h.files, name)
	if err != nil || strings.HasSuffix(name, ".gz") || strings.HasPrefix(path.Base(name), ".") {
		http.NotFound(w, r)
		return
	}
	// Vite puts a hash of the content in the name of everything below assets.
	cache := "no-cache"
	if strings.HasPrefix(name, "assets/") {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Type", contentType(name))
	if compressed, err := fs.ReadFile(h.files, name+".gz"); err == nil {
		w.Header().Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			w.Header().Set("Content-Encoding", "gzip")
			content = compressed
		}
	}
	write(w, r, content)
}

// contentType does not ask the machine's MIME tables for what a browser refuses to load under a wrong type.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	default:
		if known := mime.TypeByExtension(ext); known != "" {
			return known
		}
		return "application/octet-stream"
	}
}

func acceptsGzip(r *http.Request) bool {
	for _, offer := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if coding == "gzip" && strings.ReplaceAll(quality, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// write answers 200. A write that fails means that the browser has gone; nobody is left to tell.
func write(w http.ResponseWriter, r *http.Request, content []byte) {
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content)
	}
}

func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}
