package tenants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Pack is what stock servers of the operator must hold: accounts, deleted ones
// with their tombstones, and the system account, in the order of their keys,
// those after that key and at most limit.
func (s *Service) Pack(ctx context.Context, operator OperatorID, after claims.AccountKey, limit int) ([]AccountJWT, error) {
	jwts, err := pack(ctx, s.pool, operator, after, limit)
	if err != nil {
		return nil, err
	}
	for i, a := range jwts {
		if jwts[i], err = s.forStock(ctx, operator, a); err != nil {
			return nil, err
		}
	}
	return jwts, nil
}

// PackHash is the exclusive or of the SHA-256 of all the JWTs that Pack gives.
// It reads all of them.
func (s *Service) PackHash(ctx context.Context, operator OperatorID) ([sha256.Size]byte, error) {
	hash, err := packHash(ctx, s.pool, operator)
	if err != nil {
		return hash, err
	}
	differing, err := differingJWTs(ctx, s.pool, operator)
	if err != nil {
		return hash, err
	}
	for _, a := range differing {
		instead, err := s.forStock(ctx, operator, a)
		if err != nil {
			return hash, err
		}
		was, is := sha256.Sum256([]byte(a.JWT)), sha256.Sum256([]byte(instead.JWT))
		for i := range hash {
			hash[i] ^= was[i] ^ is[i]
		}
	}
	return hash, nil
}

// ResolverType is how an unmodified nats-server gets at account JWTs.
type ResolverType string

const (
	FullResolver   ResolverType = "full"   // keeps all, fed through the system account
	CacheResolver  ResolverType = "cache"  // keeps those in use, asked for through the system account
	URLResolver    ResolverType = "url"    // asks control over HTTP at each first use
	MemoryResolver ResolverType = "memory" // has them in its configuration; hears no changes unless it is clustered
)

// maxPreload is how many accounts a configuration may hold.
const maxPreload = 10_000

// ServerConfig is the part of a nats-server's configuration that makes it a
// member of the operator, for staff. It holds no secret but, with URLResolver,
// the account server's address, which is below controlURL. Accounts are as of
// now in a MemoryResolver's; more than 10,000 are OverLimit.
func (s *Service) ServerConfig(ctx context.Context, actor Actor, id OperatorID, resolver ResolverType, controlURL string) (string, error) {
	if err := actor.requireStaff(); err != nil {
		return "", err
	}
	operator, err := operatorByID(ctx, s.pool, id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# An unmodified nats-server with this is a member of operator %s.\n", operator.Name)
	fmt.Fprintf(&b, "operator: %s\nsystem_account: %s\n", operator.JWT, operator.SystemPublicKey)
	preload := []AccountJWT{{Key: operator.SystemPublicKey, JWT: operator.SystemJWT}}
	switch resolver {
	case FullResolver:
		b.WriteString("resolver: {\n  type: full\n  dir: \"./jwt\"\n  allow_delete: false\n  interval: \"1m\"\n}\n")
	case CacheResolver:
		b.WriteString("resolver: {\n  type: cache\n  dir: \"./jwt\"\n  limit: 100000\n  ttl: \"1h\"\n}\n")
	case URLResolver:
		token, err := s.accountServerToken(ctx, id)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "# Whoever knows this address can read the operator's account JWTs.\nresolver: URL(\"%s/jwt/v1/%s/%s/accounts/\")\n",
			strings.TrimRight(controlURL, "/"), id, token)
		return b.String(), nil
	case MemoryResolver:
		b.WriteString("resolver: MEMORY\n")
		if preload, err = s.Pack(ctx, id, "", maxPreload+1); err != nil {
			return "", err
		}
		if len(preload) > maxPreload {
			return "", fault.New(fault.OverLimit, "a configuration holds %d accounts at most; use the type full or cache", maxPreload)
		}
	default:
		return "", fault.Field("?type", "must be full, cache, url or memory")
	}
	b.WriteString("resolver_preload: {\n")
	for _, a := range preload {
		fmt.Fprintf(&b, "  %s: %s\n", a.Key, a.JWT)
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// accountServerToken keeps strangers from reading account JWTs, which hold no
// secrets, but names and limits. Stock servers send no credentials, so it is
// part of the address. It follows from the operator's signing key, is kept
// nowhere, and changes with that key.
func (s *Service) accountServerToken(ctx context.Context, operator OperatorID) (string, error) {
	key, sealed, err := signingSeed(ctx, s.pool, operator)
	if err != nil {
		return "", err
	}
	signature, err := s.sign(sealed, string(key), func(signer claims.Seed) (string, error) {
		signature, err := signer.Sign([]byte("signalbox account server 1 " + string(operator)))
		return string(signature), err
	})
	if err != nil {
		return "", fmt.Errorf("make the account server's token: %w", err)
	}
	sum := sha256.Sum256([]byte(signature))
	return crockford.EncodeToString(sum[:]), nil
}

// ServeAccount is an account's JWT for who knows the account server's token; an
// empty key only checks that. Whatever is wrong is NotFound.
func (s *Service) ServeAccount(ctx context.Context, operator OperatorID, token, account string) (string, error) {
	if _, err := operatorByID(ctx, s.pool, operator); err != nil {
		return "", err
	}
	want, err := s.accountServerToken(ctx, operator)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(token)) == 0 {
		return "", notFound("operator", string(operator))
	}
	if account == "" {
		return "", nil
	}
	a, err := s.StockJWT(ctx, operator, claims.AccountKey(account))
	return a.JWT, err
}
