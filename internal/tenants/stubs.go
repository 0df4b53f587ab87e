package tenants

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
)

func (s *Service) Bootstrap(ctx context.Context) (Operator, error) {
	return Operator{}, errors.ErrUnsupported
}
func (s *Service) Found(ctx context.Context, tx pgx.Tx, owner PersonID, name string) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}
func (s *Service) Tenant(ctx context.Context, actor Actor, id TenantID) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}
func (s *Service) UpdateTenant(ctx context.Context, actor Actor, id TenantID, match string, edit func(*TenantSpec) error) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}
func (s *Service) PlanUse(ctx context.Context, actor Actor, id TenantID) (PlanUse, error) {
	return PlanUse{}, errors.ErrUnsupported
}
func (s *Service) Members(ctx context.Context, actor Actor, id TenantID, q PageQuery) (Page[Member], error) {
	return Page[Member]{}, errors.ErrUnsupported
}
func (s *Service) AuditEvents(ctx context.Context, actor Actor, id TenantID, q PageQuery) (Page[AuditEvent], error) {
	return Page[AuditEvent]{}, errors.ErrUnsupported
}
func (s *Service) Audit(ctx context.Context, tx pgx.Tx, tenant TenantID, actor Actor, action, target string) error {
	return errors.ErrUnsupported
}
func (s *Service) CreateAccount(ctx context.Context, actor Actor, tenant TenantID, once Once, p AccountCreate) (Account, error) {
	return Account{}, errors.ErrUnsupported
}
func (s *Service) Accounts(ctx context.Context, actor Actor, tenant TenantID, q PageQuery) (Page[Account], error) {
	return Page[Account]{}, errors.ErrUnsupported
}
func (s *Service) Account(ctx context.Context, actor Actor, id AccountID) (Account, error) {
	return Account{}, errors.ErrUnsupported
}
func (s *Service) UpdateAccount(ctx context.Context, actor Actor, id AccountID, match string, edit func(*AccountSpec) error) (Account, error) {
	return Account{}, errors.ErrUnsupported
}
func (s *Service) DeleteAccount(ctx context.Context, actor Actor, id AccountID, match string) error {
	return errors.ErrUnsupported
}
func (s *Service) AccountDelivery(ctx context.Context, actor Actor, id AccountID) (Delivery, error) {
	return Delivery{}, errors.ErrUnsupported
}
func (s *Service) Endpoints(ctx context.Context, actor Actor, id AccountID) (Endpoints, error) {
	return Endpoints{}, errors.ErrUnsupported
}
func (s *Service) CreateRole(ctx context.Context, actor Actor, account AccountID, once Once, p RoleSpec) (Role, error) {
	return Role{}, errors.ErrUnsupported
}
func (s *Service) Roles(ctx context.Context, actor Actor, account AccountID, q PageQuery) (Page[Role], error) {
	return Page[Role]{}, errors.ErrUnsupported
}
func (s *Service) Role(ctx context.Context, actor Actor, id RoleID) (Role, error) {
	return Role{}, errors.ErrUnsupported
}
func (s *Service) UpdateRole(ctx context.Context, actor Actor, id RoleID, match string, edit func(*RoleSpec) error) (Role, error) {
	return Role{}, errors.ErrUnsupported
}
func (s *Service) DeleteRole(ctx context.Context, actor Actor, id RoleID, match string) error {
	return errors.ErrUnsupported
}
func (s *Service) CreateUser(ctx context.Context, actor Actor, account AccountID, once Once, p UserSpec) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (s *Service) Users(ctx context.Context, actor Actor, account AccountID, q PageQuery) (Page[User], error) {
	return Page[User]{}, errors.ErrUnsupported
}
func (s *Service) User(ctx context.Context, actor Actor, id UserID) (User, error) {
	return User{}, errors.ErrUnsupported
}
func (s *Service) DeleteUser(ctx context.Context, actor Actor, id UserID, match string) error {
	return errors.ErrUnsupported
}
func (s *Service) IssueCredential(ctx context.Context, actor Actor, user UserID, once Once, p CredentialSpec) (IssuedCredential, error) {
	return IssuedCredential{}, errors.ErrUnsupported
}
func (s *Service) Credentials(ctx context.Context, actor Actor, user UserID, q PageQuery) (Page[Credential], error) {
	return Page[Credential]{}, errors.ErrUnsupported
}
func (s *Service) Credential(ctx context.Context, actor Actor, id CredentialID) (Credential, error) {
	return Credential{}, errors.ErrUnsupported
}
func (s *Service) RevokeCredential(ctx context.Context, actor Actor, id CredentialID, reason string) (Credential, error) {
	return Credential{}, errors.ErrUnsupported
}
func (s *Service) Operators(ctx context.Context, actor Actor, q PageQuery) (Page[Operator], error) {
	return Page[Operator]{}, errors.ErrUnsupported
}
func (s *Service) Brokers(ctx context.Context, actor Actor, operator OperatorID, q PageQuery) (Page[Broker], error) {
	return Page[Broker]{}, errors.ErrUnsupported
}
func (s *Service) CreateEnrollment(ctx context.Context, actor Actor, operator OperatorID, uses int64, ttl time.Duration) (Enrollment, string, error) {
	return Enrollment{}, "", errors.ErrUnsupported
}
func (s *Service) EnsureEnrollment(ctx context.Context, token string) error {
	return errors.ErrUnsupported
}
func (s *Service) EnrollBroker(ctx context.Context, token string, key claims.UserKey, p BrokerSpec) (Seat, error) {
	return Seat{}, errors.ErrUnsupported
}
func (s *Service) AnnounceBroker(ctx context.Context, token string, id BrokerID, p BrokerPlace) error {
	return errors.ErrUnsupported
}
func (s *Service) ChangesSince(ctx context.Context, operator OperatorID, since feed.Revision, limit int) ([]AccountJWT, feed.Revision, error) {
	return nil, 0, errors.ErrUnsupported
}
func (s *Service) AccountJWTByKey(ctx context.Context, operator OperatorID, key claims.AccountKey) (AccountJWT, error) {
	return AccountJWT{}, errors.ErrUnsupported
}
func (s *Service) BrokerSeats(ctx context.Context) ([]OperatorBrokers, error) {
	return nil, errors.ErrUnsupported
}
func (s *Service) SystemUser(ctx context.Context, operator OperatorID, name string) (string, claims.Seed, error) {
	return "", claims.Seed{}, errors.ErrUnsupported
}
func (s *Service) Sweep(ctx context.Context) error { return errors.ErrUnsupported }
