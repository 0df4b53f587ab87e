// Package auth knows who is calling: it turns a session cookie or an API token
// into a [tenants.Actor], and keeps what that takes. It owns the tables people,
// sessions and api_tokens.
//
// It promises that secrets it hands out (session tokens, API tokens) are 256
// random bits, kept only as SHA-256; that passwords are kept only as argon2id;
// and that a wrong password, an unknown e-mail and a slow machine look alike to
// whoever is guessing.
//
// Called by httpapi. It never sees a request: what a cookie or a header is
// called is not its business.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/tenants"
)

// SessionLife is how long a session lasts after logging in.
const SessionLife = 14 * 24 * time.Hour

// tokenPrefix starts every API token, so that a leaked one can be recognised by scanners.
const tokenPrefix = "sbt_"

// Service signs people up, logs them in, and says who is calling. Make it with New.
type Service struct {
	pool    *pgxpool.Pool
	tenants *tenants.Service
	now     func() time.Time
	hashing chan struct{} // one place per core: argon2id takes 64 MiB and a quarter of a second each time
}

// New returns a Service over the pool.
func New(pool *pgxpool.Pool, domain *tenants.Service) *Service {
	return &Service{
		pool:    pool,
		tenants: domain,
		now:     time.Now,
		hashing: make(chan struct{}, runtime.NumCPU()),
	}
}

// newSecret returns 256 random bits as text, with a prefix, and the hash under which they are kept.
func newSecret(prefix string) (secret string, hash []byte) {
	var bits [32]byte
	rand.Read(bits[:]) // never fails: crypto/rand ends the program instead
	secret = prefix + base64.RawURLEncoding.EncodeToString(bits[:])
	return secret, hashSecret(secret)
}

// hashSecret needs no salt and no slowness: what it hashes cannot be guessed.
// Looking rows up by the hash also makes the comparison's timing useless.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// withPlace runs fn while holding one of the hashing places, or gives up with ctx.
func (s *Service) withPlace(ctx context.Context, fn func() error) error {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return fn()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
