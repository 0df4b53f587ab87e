package admission

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// What a client, whoever it is, has its chain cost: so many certificates beside its
// own, and keys no longer than that, of which the verifier may try a hundred.
const (
	maxIntermediates = 8
	maxRSABits       = 4096
)

// showCertificate is a client's certificate: TLS has seen that the client has its
// key. Everything else is for the account to say, whose authorities they are: the server
// trusts none.
func showCertificate(sent []*x509.Certificate) func(*law, *login) (*jwt.UserClaims, ground, error) {
	return func(w *law, l *login) (*jwt.UserClaims, ground, error) {
		authority, err := w.authorityOf(sent, l.at)
		if err != nil {
			return nil, nil, err
		}
		for _, match := range claims.CertificateMatches(sent[0]) {
			if user, found, ok := w.loginBy(match.Digest()); ok {
				found.authority = authority
				return user, found, nil
			}
		}
		return nil, nil, refused(LoginUnknown, "the account has no device login for this certificate, whose subject is %q", cut(sent[0].Subject.String()))
	}
}

// authorityOf is the one among the account's that a client's certificate leads to.
func (w *law) authorityOf(sent []*x509.Certificate, now time.Time) (claims.PageHash, error) {
	authorities := w.trust.Authorities()
	switch {
	case len(authorities) == 0:
		return "", refused(LoginCertificate, "the account has no authorities whose certificates it trusts")
	case len(sent) > 1+maxIntermediates:
		return "", refused(LoginCertificate, "the client sent %d certificates", len(sent))
	}
	for _, c := range sent {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
			return "", refused(LoginCertificate, "a certificate that the client sent has a key of %d bits; %d at most", key.N.BitLen(), maxRSABits)
		}
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range authorities {
		options.Roots.AddCert(c)
	}
	for _, c := range sent[1:] {
		options.Intermediates.AddCert(c)
	}
	chains, err := sent[0].Verify(options)
	if err != nil {
		return "", refused(LoginCertificate, "%s", whyNot(err, sent[0], now))
	}
	return authorityHash(chains[0][len(chains[0])-1]), nil
}

func authorityHash(c *x509.Certificate) claims.PageHash { return claims.HashPage(c.Raw) }

func (w *law) trustsAuthority(hash claims.PageHash) bool {
	return slices.ContainsFunc(w.trust.Authorities(), func(c *x509.Certificate) bool { return authorityHash(c) == hash })
}

// whyNot says in words what is wrong with a client's certificate.
func whyNot(err error, c *x509.Certificate, now time.Time) string {
	var invalid x509.CertificateInvalidError
	switch {
	case now.After(c.NotAfter):
		return "the certificate expired at " + c.NotAfter.UTC().Format(time.RFC3339)
	case now.Before(c.NotBefore):
		return "the certificate is valid from " + c.NotBefore.UTC().Format(time.RFC3339)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "the certificate is not for clients: its extended key usage lacks client authentication"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "a certificate on the way to the authority has expired"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the certificate was not issued by an authority that the account trusts, or certificates in between were not sent"
	}
	return "the certificate cannot be verified: " + cut(err.Error())
}
