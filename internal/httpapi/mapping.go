package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) getMappings(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Tenants.Account(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	return answerMappings(w, a)
}

func (s *Server) updateMappings(w http.ResponseWriter, r *http.Request) error {
	var in api.Mappings
	if err := decode(r, &in); err != nil {
		return err
	}
	mappings := mapped(in.Mappings, mappingFrom)
	a, err := s.Tenants.UpdateMappings(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), ifMatch(r), mappings)
	if err != nil {
		return err
	}
	return answerMappings(w, a)
}

func answerMappings(w http.ResponseWriter, a tenants.Account) error {
	w.Header().Set("ETag", tenants.ETag(a.Version))
	return answer(w, http.StatusOK, api.Mappings{Mappings: mapped(a.Settings.Mappings, mappingOf)})
}

func mappingFrom(in api.Mapping) claims.Mapping {
	return claims.Mapping{Subject: in.Subject, Destinations: mapped(in.Destinations, func(d api.MappingDestination) claims.Destination {
		weight := 100
		if d.Weight != nil {
			weight = *d.Weight
		}
		return claims.Destination{Subject: d.Subject, Weight: weight, Cluster: orZero(d.Cluster)}
	})}
}

func mappingOf(m claims.Mapping) api.Mapping {
	return api.Mapping{Subject: m.Subject, Destinations: mapped(m.Destinations, func(d claims.Destination) api.MappingDestination {
		return api.MappingDestination{Subject: d.Subject, Weight: &d.Weight, Cluster: orNil(d.Cluster)}
	})}
}
