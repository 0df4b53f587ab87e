package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/keyring"
)

// operator is Signalbox's default one, with its keys: stock servers get the same
// operator, and accounts are made by the thousand without asking control.
type operator struct {
	id            string
	jwt           string
	systemAccount claims.AccountKey
	systemJWT     string
	signer        claims.Seed
	system        claims.Seed
}

// readOperator opens what the master key seals.
func readOperator(ctx context.Context, db *pgxpool.Pool, master []byte) (*operator, error) {
	keys, err := keyring.Open(master)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, `
		SELECT id, jwt, system_public_key, system_jwt, system_sealed_seed, signing_public_key, sealed_signing_seed
		FROM operators
		WHERE is_default`)
	if err != nil {
		return nil, err
	}
	type sealed struct {
		ID, JWT, SystemPublicKey, SystemJWT string
		SystemSealedSeed                    []byte
		SigningPublicKey                    string
		SealedSigningSeed                   []byte
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[sealed])
	if err != nil {
		return nil, fmt.Errorf("read the operator: %w", err)
	}
	o := &operator{id: s.ID, jwt: s.JWT, systemAccount: claims.AccountKey(s.SystemPublicKey), systemJWT: s.SystemJWT}
	if o.system, err = unseal(keys, s.SystemSealedSeed, s.SystemPublicKey); err != nil {
		return nil, err
	}
	o.signer, err = unseal(keys, s.SealedSigningSeed, s.SigningPublicKey)
	return o, err
}

func unseal(keys *keyring.Keyring, sealed []byte, owner string) (seed claims.Seed, err error) {
	err = keys.Use(sealed, owner, func(text []byte) (err error) {
		seed, err = claims.ParseSeed(text)
		return err
	})
	return seed, err
}

// systemCredential is a user of the system account who may do everything.
func (o *operator) systemCredential() (credential, error) {
	return newCredential(func(key claims.UserKey) (string, error) {
		return claims.EncodeSystemUser(key, "bench", o.systemAccount, claims.OpenTemplate(), o.system)
	})
}

func newCredential(sign func(claims.UserKey) (string, error)) (credential, error) {
	seed, err := claims.NewUserSeed()
	if err != nil {
		return credential{}, err
	}
	key, err := seed.UserKey()
	if err != nil {
		return credential{}, err
	}
	token, err := sign(key)
	return credential{jwt: token, seed: seed}, err
}

// account is an account with one role that may do everything but JetStream.
type account struct {
	claims.Account
	role claims.Seed
	jwt  string // as signed last
}

func (o *operator) newAccount() (*account, error) {
	seed, err := claims.NewAccountSeed()
	if err != nil {
		return nil, err
	}
	key, err := seed.AccountKey()
	if err != nil {
		return nil, err
	}
	role, err := claims.NewAccountSeed()
	if err != nil {
		return nil, err
	}
	roleKey, err := role.AccountKey()
	if err != nil {
		return nil, err
	}
	a := &account{role: role, Account: claims.Account{
		Key: key, Name: string(key), Limits: limits(), Revoked: map[claims.UserKey]time.Time{},
		Roles: []claims.Role{{Key: roleKey, Name: "everything", Template: claims.OpenTemplate()}},
	}}
	return a, o.sign(a)
}

// limits are none, and no JetStream.
func limits() claims.Limits {
	l := claims.UnlimitedLimits()
	l.JetStream = claims.JetStreamLimits{}
	return l
}

// newAccounts makes many, with all cores.
func (o *operator) newAccounts(n int) ([]*account, error) {
	accounts := make([]*account, n)
	err := inParallel(n, runtime.NumCPU(), func(i int) (err error) {
		accounts[i], err = o.newAccount()
		return err
	})
	return accounts, err
}

// sign makes the account's JWT what the account is now.
func (o *operator) sign(a *account) (err error) {
	a.jwt, err = claims.EncodeAccount(a.Account, o.signer)
	return err
}

// issue makes a credential of the account.
func (a *account) issue() (credential, error) {
	return newCredential(func(key claims.UserKey) (string, error) {
		return claims.EncodeUser(claims.User{Key: key, Name: "bench", Account: a.Key}, a.role)
	})
}

// issueEach makes a credential of each account.
func issueEach(accounts []*account) ([]credential, error) {
	issued := make([]credential, len(accounts))
	err := inParallel(len(accounts), runtime.NumCPU(), func(i int) (err error) {
		issued[i], err = accounts[i].issue()
		return err
	})
	return issued, err
}

// deviceUser is what clients with a password call themselves.
const deviceUser = "bench-device"

// newDevice makes a device login, and the page that it is alone in.
func (a *account) newDevice() (credential, claims.LoginPage, error) {
	secret, err := claims.NewLoginSecret(a.Key)
	if err != nil {
		return credential{}, claims.LoginPage{}, err
	}
	unused, err := a.issue() // its key is what the login is revoked by
	if err != nil {
		return credential{}, claims.LoginPage{}, err
	}
	key, err := unused.seed.UserKey()
	if err != nil {
		return credential{}, claims.LoginPage{}, err
	}
	page, err := claims.EncodeLoginPage([]claims.DeviceLogin{{
		Digest: secret.Digest(), User: key, Name: "bench", Username: deviceUser, Role: a.Roles[0].Key, IssuedAt: time.Now(),
	}})
	a.Logins = []claims.PageHash{page.Hash()}
	return credential{password: secret.Reveal()}, page, err
}

// revoke puts a credential on the account's list of revocations. It takes a
// signature for servers to hear of it.
func (a *account) revoke(c credential) error {
	key, err := c.seed.UserKey()
	if err != nil {
		return err
	}
	a.Revoked[key] = time.Now()
	return nil
}
