package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/httprate"
)

// handler answers one operation; what it returns becomes a problem.
type handler func(w http.ResponseWriter, r *http.Request) error

// operations is the service's table of contents, by operationId.
func (s *Server) operations() map[string]handler {
	return map[string]handler{
		"signUp": s.signUp,
		"logIn":  s.logIn,
		"logOut": s.logOut,
		"getMe":  s.getMe,

		"listTenants":     s.listTenants,
		"getTenant":       s.getTenant,
		"updateTenant":    s.updateTenant,
		"getPlan":         s.getPlan,
		"listMembers":     s.listMembers,
		"listAuditEvents": s.listAuditEvents,
		"listEvents":      s.listEvents,
		"createApiToken":  s.createAPIToken,
		"listApiTokens":   s.listAPITokens,
		"deleteApiToken":  s.deleteAPIToken,

		"setTenantPlan":        s.setTenantPlan,
		"createPlan":           s.createPlan,
		"listPlans":            s.listPlans,
		"getNewestPlanVersion": s.getNewestPlanVersion,
		"updatePlan":           s.updatePlan,
		"makeDefaultPlan":      s.makeDefaultPlan,
		"listPlanVersions":     s.listPlanVersions,
		"getPlanVersion":       s.getPlanVersion,
		"moveTenants":          s.moveTenants,
		"getOperation":         s.getOperation,

		"createAccount":              s.createAccount,
		"listAccounts":               s.listAccounts,
		"getAccount":                 s.getAccount,
		"updateAccount":              s.updateAccount,
		"deleteAccount":              s.deleteAccount,
		"suspendAccount":             s.suspendAccount,
		"resumeAccount":              s.resumeAccount,
		"cloneAccount":               s.cloneAccount,
		"getMappings":                s.getMappings,
		"updateMappings":             s.updateMappings,
		"getRetirement":              s.getRetirement,
		"restoreAccount":             s.restoreAccount,
		"purgeAccount":               s.purgeAccount,
		"getAccountDelivery":         s.getAccountDelivery,
		"listCertificateAuthorities": s.listCertificateAuthorities,
		"listEndpoints":              s.listEndpoints,
		"listConnections":            s.listConnections,
		"getAccountUsage":            s.getAccountUsage,
		"listRefusals":               s.listRefusals,

		"startConsoleSession": s.startConsoleSession,
		"endConsoleSession":   s.endConsoleSession,

		"createRole": s.createRole,
		"listRoles":  s.listRoles,
		"getRole":    s.getRole,
		"updateRole": s.updateRole,
		"deleteRole": s.deleteRole,

		"createUser": s.createUser,
		"listUsers":  s.listUsers,
		"getUser":    s.getUser,
		"updateUser": s.updateUser,
		"deleteUser": s.deleteUser,

		"issueCredential":        s.issueCredential,
		"issueCredentialBatch":   s.issueCredentialBatch,
		"listCredentials":        s.listCredentials,
		"listAccountCredentials": s.listAccountCredentials,
		"getCredential":          s.getCredential,
		"listCredentialHistory":  s.listCredentialHistory,
		"extendCredential":       s.extendCredential,
		"challengeRenewal":       s.challengeRenewal,
		"renewCredential":        s.renewCredential,
		"revokeCredential":       s.revokeCredential,

		"createDeviceLogin":       s.createDeviceLogin,
		"listDeviceLogins":        s.listDeviceLogins,
		"getDeviceLogin":          s.getDeviceLogin,
		"revokeDeviceLogin":       s.revokeDeviceLogin,
		"listAccountDeviceLogins": s.listAccountDeviceLogins,
		"listDeviceLoginHistory":  s.listDeviceLoginHistory,

		"createOidcIssuer":  s.createOIDCIssuer,
		"listOidcIssuers":   s.listOIDCIssuers,
		"getOidcIssuer":     s.getOIDCIssuer,
		"updateOidcIssuer":  s.updateOIDCIssuer,
		"deleteOidcIssuer":  s.deleteOIDCIssuer,
		"revokeOidcSubject": s.revokeOIDCSubject,
		"exchangeOidcToken": s.exchangeOIDCToken,

		"simulate": s.simulate,

		"createOperator":      s.createOperator,
		"listOperators":       s.listOperators,
		"getOperator":         s.getOperator,
		"updateOperator":      s.updateOperator,
		"makeDefaultOperator": s.makeDefaultOperator,
		"listSigningKeys":     s.listSigningKeys,
		"addSigningKey":       s.addSigningKey,
		"rotateSigningKey":    s.rotateSigningKey,
		"rotateSystemAccount": s.rotateSystemAccount,
		"listBrokers":         s.listBrokers,
		"getOperatorDelivery": s.getOperatorDelivery,
		"getServerConfig":     s.getServerConfig,
		"attachServer":        s.attachServer,
		"listServers":         s.listServers,
		"getServer":           s.getServer,
		"updateServer":        s.updateServer,
		"detachServer":        s.detachServer,
		"removeBroker":        s.removeBroker,
		"checkDrift":          s.checkDrift,
		"createEnrollment":    s.createEnrollment,
		"enrollBroker":        s.enrollBroker,
		"announceBroker":      s.announceBroker,
	}
}

// mount puts every operation of the document on the router. An OpenAPI path
// template is already a chi pattern.
func (s *Server) mount() error {
	left := s.operations()
	limit := s.limitTries(s.TriesPerMinute, s.clientIP)
	for path, item := range s.doc.Paths.Map() {
		for method, op := range item.Operations() {
			handle, ok := left[op.OperationID]
			if !ok {
				return fmt.Errorf("mount %s %s: no handler for operation %q", method, path, op.OperationID)
			}
			delete(left, op.OperationID)
			access, err := accessOf(op)
			if err != nil {
				return fmt.Errorf("mount %s %s: %w", method, path, err)
			}
			route := &routers.Route{Spec: s.doc, Path: path, PathItem: item, Method: method, Operation: op}
			mounted := s.plain(s.operation(route, access, handle))
			switch {
			case access.Tries > 0:
				mounted = s.limitTries(access.Tries, s.clientIP, httprate.KeyByEndpoint)(mounted).ServeHTTP
			case access.Who == public:
				mounted = limit(mounted).ServeHTTP
			}
			s.router.MethodFunc(method, path, mounted)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("mount: no operation in the document for handlers %v", slices.Sorted(maps.Keys(left)))
	}
	return nil
}

// operation is a handler's way in: body read and bounded, caller known, request checked against the document.
func (s *Server) operation(route *routers.Route, access access, handle handler) handler {
	limit := maxBodyOf(route.Operation)
	return func(w http.ResponseWriter, r *http.Request) error {
		c := &call{operation: route.Operation.OperationID}
		var err error
		if c.caller, err = s.identify(r, access); err != nil {
			return err
		}
		note(r, c.operation, c.caller)
		if c.body, err = readBody(w, r, limit); err != nil {
			return err
		}
		if err := validate(r, route, c.body); err != nil {
			return err
		}
		r = r.WithContext(withCall(r.Context(), c))
		dry, err := isDryRun(r, route.Operation)
		switch {
		case err != nil:
			return err
		case dry:
			return s.rehearse(w, r)
		}
		return handle(w, r)
	}
}

var validation = &openapi3filter.Options{
	MultiError:          true,
	SkipSettingDefaults: true,
	AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc, // identify has done it, by x-access
}
