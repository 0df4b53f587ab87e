package tenants

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// Subject is who is to be simulated in an account: a credential; else a user, with a
// credential that is issued now; else a role, with a user that there need not be.
type Subject struct {
	Credential CredentialID // or a device login's
	User       UserID
	Role       RoleID
	Name       string   // of the user in the role
	Tags       []string // likewise
}

// LoginFacts are what a broker would go by in judging a login.
type LoginFacts struct {
	AccountJWT  string // as brokers are sent it
	Pages       claims.Pages
	User        claims.User
	Role        claims.AccountKey // signed the user
	IssuedAt    time.Time
	DeviceLogin bool // there is no JWT that is signed
	ByNkey      bool // a device login whose client signs a nonce
}

// LoginFacts reads what a login of the subject would be judged by. It takes a
// Viewer. A subject that is not in the account is Invalid at its field.
func (s *Service) LoginFacts(ctx context.Context, actor Actor, account AccountID, subject Subject) (LoginFacts, error) {
	var facts LoginFacts
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		in, err := accountByID(ctx, tx, actor, account)
		if err != nil {
			return err
		}
		stored, err := accountJWTByKey(ctx, tx, in.OperatorID, in.PublicKey)
		if err != nil {
			return err
		}
		facts = LoginFacts{AccountJWT: stored.JWT, IssuedAt: s.clock()}
		if facts.Pages, err = pagesOf(ctx, tx, in.OperatorID, stored.JWT); err != nil {
			return err
		}
		return facts.take(ctx, tx, actor, in, subject)
	})
	return facts, err
}

func pagesOf(ctx context.Context, tx pgx.Tx, operator OperatorID, token string) (claims.Pages, error) {
	said, err := claims.DecodeAccount(token)
	if err != nil {
		return claims.Pages{}, err
	}
	var pages []claims.Page
	for _, name := range said.PageNames() {
		page, err := pageByName(ctx, tx, operator, name)
		if err != nil {
			return claims.Pages{}, err
		}
		pages = append(pages, page)
	}
	return claims.PagesOf(pages...), nil
}

// take reads who is to be simulated.
func (f *LoginFacts) take(ctx context.Context, tx pgx.Tx, actor Actor, account Account, subject Subject) error {
	f.User = claims.User{Account: account.PublicKey, Name: subject.Name, Tags: subject.Tags}
	user, role := subject.User, subject.Role
	var signedBy RoleID // what the credential says may be no longer so: brokers know what is
	var tags []string
	if subject.Credential != "" {
		credential, err := f.credential(ctx, tx, actor, subject.Credential)
		if err := inAccount(err, "/credential_id", "credential", credential.AccountID, account.ID); err != nil {
			return err
		}
		user, f.User.Key, f.IssuedAt = credential.UserID, credential.PublicKey, credential.IssuedAt
		if !credential.renewedSinceMove() { // else its user's role of now has signed it
			signedBy, tags = credential.RoleID, credential.Tags
		}
		if credential.ExpiresAt != nil {
			f.User.Expires = *credential.ExpiresAt
		}
	}
	if user != "" {
		known, err := userByID(ctx, tx, actor, user, f.IssuedAt)
		if err := inAccount(err, "/user_id", "user", known.AccountID, account.ID); err != nil {
			return err
		}
		role, f.User.Name, f.User.Tags = known.RoleID, known.Name, known.Tags
	}
	if signedBy != "" {
		f.User.Tags = tags
		var err error
		f.Role, err = roleKey(ctx, tx, account, signedBy)
		return err
	}
	if role == "" {
		return fault.New(fault.Invalid, "say whom to ask about: a credential_id, a user_id or a role_id")
	}
	in, err := roleByID(ctx, tx, actor, role, f.IssuedAt)
	if err := inAccount(err, "/role_id", "role", in.AccountID, account.ID); err != nil {
		return err
	}
	f.Role = in.PublicKey
	if f.User.Key == "" {
		f.User.Key, err = seedlessKey() // instead of one still to be made
	}
	return err
}

// credential is the one with the id, or the device login.
func (f *LoginFacts) credential(ctx context.Context, tx pgx.Tx, actor Actor, id CredentialID) (Credential, error) {
	credential, err := credentialByID(ctx, tx, actor, id)
	if !errors.Is(err, fault.NotFound) {
		return credential, err
	}
	login, err := deviceLoginByID(ctx, tx, actor, id)
	f.DeviceLogin, f.ByNkey = err == nil, login.Kind == NkeyLogin
	return login.Credential, err
}

// inAccount is Invalid at the pointer for what is not there, or in another account.
func inAccount(err error, pointer, noun string, has, wants AccountID) error {
	if errors.Is(err, fault.NotFound) || err == nil && has != wants {
		return fault.Field(pointer, "the account has no such %s", noun)
	}
	return err
}
