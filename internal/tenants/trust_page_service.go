package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// trustToSign is the hash of the page of whom the account trusts to say who its
// clients are, which it keeps; empty: nobody, and there is no page. The caller
// holds the account's lock.
func trustToSign(ctx context.Context, tx pgx.Tx, account Account, issuers []OIDCIssuer, now time.Time) (claims.PageHash, error) {
	trust, err := trustOf(ctx, tx, account, issuers)
	if err != nil {
		return "", err
	}
	if len(trust.Authorities)+len(trust.Issuers) == 0 {
		return "", deleteTrustPage(ctx, tx, account)
	}
	page, err := claims.EncodeTrustPage(trust)
	if err != nil {
		return "", err
	}
	if err := upsertTrustPage(ctx, tx, account, page, now); err != nil {
		return "", fmt.Errorf("keep whom account %s trusts: %w", account.ID, err)
	}
	return page.Hash(), nil
}

// trustOf is what the account's settings say, and its issuers.
func trustOf(ctx context.Context, tx pgx.Tx, account Account, issuers []OIDCIssuer) (claims.Trust, error) {
	var trust claims.Trust
	for _, text := range account.Settings.CertificateAuthorities {
		authority, err := parseAuthority(text)
		if err != nil {
			return claims.Trust{}, fmt.Errorf("read the certificate authorities of account %s: %w", account.ID, err)
		}
		trust.Authorities = append(trust.Authorities, authority.Raw)
	}
	var err error
	trust.Issuers, err = trusted(ctx, tx, account, issuers)
	return trust, err
}
