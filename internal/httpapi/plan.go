package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/sosodev/duration"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createPlan(w http.ResponseWriter, r *http.Request) error {
	var in api.PlanUpdate // a plan's creation has the same fields, of which the name is there
	if err := decode(r, &in); err != nil {
		return err
	}
	spec := tenants.PlanSpec{MaxAccounts: claims.Unlimited, MaxRoles: claims.Unlimited, MaxUsers: claims.Unlimited, MaxMembers: claims.Unlimited,
		AccountLimits: claims.UnlimitedLimits(), TenantLimits: tenants.UnlimitedTenant()}
	if err := editPlan(r, in, &spec); err != nil {
		return err
	}
	p, err := s.Tenants.CreatePlan(r.Context(), actorOf(r), once(r), spec)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tenants.ETag(p.Version))
	return created(w, "/v1/plans/"+string(p.ID), planVersionOf(p))
}

func (s *Server) listPlans(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Plans(r.Context(), actorOf(r), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.PlanVersionPage{Items: mapped(page.Items, planVersionOf), NextCursor: orNil(page.Next)})
}

func (s *Server) listPlanVersions(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.PlanVersions(r.Context(), actorOf(r), pathID[tenants.PlanID](r, "plan"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.PlanVersionPage{Items: mapped(page.Items, planVersionOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getNewestPlanVersion(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Tenants.PlanVersion(r.Context(), actorOf(r), pathID[tenants.PlanID](r, "plan"), 0)
	if err != nil {
		return err
	}
	return answerPlan(w, p)
}

func (s *Server) getPlanVersion(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Tenants.PlanVersion(r.Context(), actorOf(r), pathID[tenants.PlanID](r, "plan"), pathVersion(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, planVersionOf(p))
}

func (s *Server) updatePlan(w http.ResponseWriter, r *http.Request) error {
	var in api.PlanUpdate
	if err := decode(r, &in); err != nil {
		return err
	}
	edit := func(spec *tenants.PlanSpec) error { return editPlan(r, in, spec) }
	p, err := s.Tenants.UpdatePlan(r.Context(), actorOf(r), pathID[tenants.PlanID](r, "plan"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerPlan(w, p)
}

func (s *Server) makeDefaultPlan(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Tenants.MakeDefaultPlan(r.Context(), actorOf(r), pathID[tenants.PlanID](r, "plan"))
	if err != nil {
		return err
	}
	return answerPlan(w, p)
}

func (s *Server) moveTenants(w http.ResponseWriter, r *http.Request) error {
	o, err := s.Tenants.MoveTenants(r.Context(), actorOf(r), once(r), pathID[tenants.PlanID](r, "plan"), pathVersion(r))
	if err != nil {
		return err
	}
	return accepted(w, o)
}

func (s *Server) setTenantPlan(w http.ResponseWriter, r *http.Request) error {
	var in api.TenantPlanSet
	if err := decode(r, &in); err != nil {
		return err
	}
	use, operation, err := s.Tenants.SetTenantPlan(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), ifMatch(r),
		tenants.PlanID(in.PlanId), orZero(in.Version))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.TenantPlan{Plan: planOf(use), Operation: operationOf(operation)})
}

func (s *Server) getPlan(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Tenants.PlanUse(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, planOf(p))
}

// pathVersion has been checked against the document.
func pathVersion(r *http.Request) int64 {
	version, _ := strconv.ParseInt(chi.URLParam(r, "version"), 10, 64)
	return version
}

func answerPlan(w http.ResponseWriter, p tenants.OfferedPlan) error {
	w.Header().Set("ETag", tenants.ETag(p.Version))
	return answer(w, http.StatusOK, planVersionOf(p))
}

func planVersionOf(p tenants.OfferedPlan) api.PlanVersion {
	return api.PlanVersion{Id: string(p.ID), Version: p.Version, Name: p.Name,
		MaxAccounts: p.MaxAccounts, MaxRoles: p.MaxRoles, MaxUsers: p.MaxUsers, MaxMembers: p.MaxMembers,
		AccountLimits: limitsOf(p.AccountLimits), TenantLimits: tenantLimitsOf(p.TenantLimits), ConnectionTypes: typesOf(p.ConnectionTypes),
		MaxCredentialLifetime: lifetimeOf(p.MaxCredentialLifetime), DefaultCredentialLifetime: lifetimeOf(p.DefaultCredentialLifetime),
		IsDefault: p.IsDefault, IsNewest: p.IsNewest, Tenants: p.Tenants, CreatedBy: p.CreatedBy, CreatedAt: p.CreatedAt.UTC()}
}

func planOf(p tenants.PlanUse) api.Plan {
	out := api.Plan{Id: string(p.ID), Version: p.Version, Name: p.Name,
		MaxAccounts: p.MaxAccounts, MaxRoles: p.MaxRoles, MaxUsers: p.MaxUsers, MaxMembers: p.MaxMembers,
		AccountLimits: limitsOf(p.AccountLimits), TenantLimits: tenantLimitsOf(p.TenantLimits), ConnectionTypes: typesOf(p.ConnectionTypes),
		MaxCredentialLifetime: lifetimeOf(p.MaxCredentialLifetime), DefaultCredentialLifetime: lifetimeOf(p.DefaultCredentialLifetime)}
	out.Use.Accounts, out.Use.Members, out.Use.Limits = p.Accounts, p.Members, tenantLimitsOf(p.InForce)
	out.OverPlan = mapped(p.OverPlan, func(o tenants.OverPlan) api.OverPlan {
		return api.OverPlan{AccountId: string(o.AccountID), Name: o.Name, Fields: o.Fields}
	})
	return out
}

func tenantLimitsOf(l tenants.TenantLimits) api.TenantLimits {
	return api.TenantLimits{Connections: l.Connections, LeafNodes: l.LeafNodes,
		Jetstream: api.TenantJetStreamLimits{MemoryBytes: l.MemoryBytes, DiskBytes: l.DiskBytes, Streams: l.Streams}}
}

func typesOf(types []claims.ConnectionType) []api.ConnectionType {
	return mapped(types, func(t claims.ConnectionType) api.ConnectionType { return api.ConnectionType(t) })
}

// lifetimeOf is null for none. It says days: a month in a duration is not the
// same to everybody.
func lifetimeOf(d time.Duration) *string {
	if d == 0 {
		return nil
	}
	const day = 24 * time.Hour
	if d < day {
		text := duration.Format(d)
		return &text
	}
	text := fmt.Sprintf("P%dD", d/day)
	if rest := d % day; rest > 0 {
		text += strings.TrimPrefix(duration.Format(rest), "P")
	}
	return &text
}

// lifetimes are the part of a plan that null clears.
type lifetimes struct {
	Max     *string `json:"max_credential_lifetime"`
	Default *string `json:"default_credential_lifetime"`
}

func editPlan(r *http.Request, in api.PlanUpdate, spec *tenants.PlanSpec) error {
	for _, f := range []struct{ from, to *int64 }{
		{in.MaxAccounts, &spec.MaxAccounts}, {in.MaxRoles, &spec.MaxRoles}, {in.MaxUsers, &spec.MaxUsers}, {in.MaxMembers, &spec.MaxMembers},
	} {
		set(f.to, f.from)
	}
	set(&spec.Name, in.Name)
	spec.AccountLimits = limitsPatch(in.AccountLimits).Apply(spec.AccountLimits)
	if l := in.TenantLimits; l != nil {
		set(&spec.TenantLimits.Connections, l.Connections)
		set(&spec.TenantLimits.LeafNodes, l.LeafNodes)
		if js := l.Jetstream; js != nil {
			set(&spec.TenantLimits.MemoryBytes, js.MemoryBytes)
			set(&spec.TenantLimits.DiskBytes, js.DiskBytes)
			set(&spec.TenantLimits.Streams, js.Streams)
		}
	}
	if in.ConnectionTypes != nil {
		spec.ConnectionTypes = mapped(*in.ConnectionTypes, func(t api.ConnectionType) claims.ConnectionType { return claims.ConnectionType(t) })
	}
	life := lifetimes{Max: lifetimeOf(spec.MaxCredentialLifetime), Default: lifetimeOf(spec.DefaultCredentialLifetime)}
	if err := mergePatch(r, &life); err != nil {
		return err
	}
	var err error
	if spec.MaxCredentialLifetime, err = parseLifetime("/max_credential_lifetime", life.Max); err != nil {
		return err
	}
	spec.DefaultCredentialLifetime, err = parseLifetime("/default_credential_lifetime", life.Default)
	return err
}

// set puts a value where one was given.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// parseLifetime is 0 for null.
func parseLifetime(pointer string, text *string) (time.Duration, error) {
	if text == nil {
		return 0, nil
	}
	return parseDuration(pointer, *text)
}
