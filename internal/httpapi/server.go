package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) attachServer(w http.ResponseWriter, r *http.Request) error {
	var in api.ServerAttach
	if err := decode(r, &in); err != nil {
		return err
	}
	server, err := s.Tenants.AttachServer(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"), once(r),
		tenants.ServerSpec{Name: in.Name, URLs: in.Urls})
	if err != nil {
		return err
	}
	s.BrokersMoved()
	out := serverOf(server)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/servers/"+out.Id, out)
}

func (s *Server) listServers(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Servers(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.ServerPage{Items: mapped(page.Items, serverOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getServer(w http.ResponseWriter, r *http.Request) error {
	server, err := s.Tenants.Server(r.Context(), actorOf(r), pathID[tenants.ServerID](r, "server"))
	if err != nil {
		return err
	}
	return answerServer(w, server)
}

func (s *Server) updateServer(w http.ResponseWriter, r *http.Request) error {
	var in api.ServerUpdate
	if err := decode(r, &in); err != nil {
		return err
	}
	edit := func(spec *tenants.ServerSpec) error {
		if in.Name != nil {
			spec.Name = *in.Name
		}
		if in.Urls != nil {
			spec.URLs = *in.Urls
		}
		return nil
	}
	server, err := s.Tenants.UpdateServer(r.Context(), actorOf(r), pathID[tenants.ServerID](r, "server"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	s.BrokersMoved()
	return answerServer(w, server)
}

func (s *Server) detachServer(w http.ResponseWriter, r *http.Request) error {
	if err := s.Tenants.DetachServer(r.Context(), actorOf(r), pathID[tenants.ServerID](r, "server"), ifMatch(r)); err != nil {
		return err
	}
	s.BrokersMoved()
	return noContent(w)
}

func answerServer(w http.ResponseWriter, v tenants.Server) error {
	out := serverOf(v)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func serverOf(v tenants.Server) api.Server {
	return api.Server{Id: string(v.ID), OperatorId: string(v.OperatorID), Name: v.Name, Urls: v.URLs,
		Members: mapped(v.Ledger, func(e tenants.LedgerEntry) api.ServerMember {
			return api.ServerMember{Name: e.Name, Version: e.Version, Away: e.Away, AppliedRevision: int64(e.Applied)}
		}),
		CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(), Etag: tenants.ETag(v.Version)}
}
