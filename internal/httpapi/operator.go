package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createOperator(w http.ResponseWriter, r *http.Request) error {
	var in api.OperatorUpdate // a creation has the same fields, of which the name is there
	if err := decode(r, &in); err != nil {
		return err
	}
	spec := tenants.OperatorSpec{FirstAccount: true}
	editOperator(in, &spec)
	o, err := s.Tenants.CreateOperator(r.Context(), actorOf(r), once(r), spec)
	if err != nil {
		return err
	}
	out := operatorOf(o)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/operators/"+out.Id, out)
}

func (s *Server) listOperators(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Operators(r.Context(), actorOf(r), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.OperatorPage{Items: mapped(page.Items, operatorOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getOperator(w http.ResponseWriter, r *http.Request) error {
	o, err := s.Tenants.Operator(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"))
	if err != nil {
		return err
	}
	return answerOperator(w, o)
}

func (s *Server) updateOperator(w http.ResponseWriter, r *http.Request) error {
	var in api.OperatorUpdate
	if err := decode(r, &in); err != nil {
		return err
	}
	edit := func(spec *tenants.OperatorSpec) error {
		editOperator(in, spec)
		return nil
	}
	o, err := s.Tenants.UpdateOperator(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerOperator(w, o)
}

func (s *Server) makeDefaultOperator(w http.ResponseWriter, r *http.Request) error {
	o, err := s.Tenants.MakeDefaultOperator(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"))
	if err != nil {
		return err
	}
	return answerOperator(w, o)
}

func (s *Server) listSigningKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := s.Tenants.SigningKeys(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.SigningKeyList{Items: mapped(keys, signingKeyOf)})
}

func (s *Server) addSigningKey(w http.ResponseWriter, r *http.Request) error {
	key, err := s.Tenants.AddSigningKey(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, signingKeyOf(key))
}

func (s *Server) rotateSigningKey(w http.ResponseWriter, r *http.Request) error {
	var in api.SigningKeyRotate
	if err := decode(r, &in); err != nil {
		return err
	}
	o, err := s.Tenants.RotateSigningKey(r.Context(), actorOf(r), once(r), pathID[tenants.OperatorID](r, "operator"), orZero(in.ServersRestarted))
	if err != nil {
		return err
	}
	return accepted(w, o)
}

func (s *Server) rotateSystemAccount(w http.ResponseWriter, r *http.Request) error {
	o, err := s.Tenants.RotateSystemAccount(r.Context(), actorOf(r), once(r), pathID[tenants.OperatorID](r, "operator"))
	if err != nil {
		return err
	}
	s.BrokersMoved()
	return accepted(w, o)
}

func editOperator(in api.OperatorUpdate, spec *tenants.OperatorSpec) {
	set(&spec.Name, in.Name)
	set(&spec.Description, in.Description)
	set(&spec.Tags, in.Tags)
	set(&spec.FirstAccount, in.FirstAccount)
}

func answerOperator(w http.ResponseWriter, o tenants.Operator) error {
	out := operatorOf(o)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func operatorOf(o tenants.Operator) api.Operator {
	return api.Operator{Id: string(o.ID), Name: o.Name, Description: o.Description, Tags: mapped(o.Tags, func(t string) string { return t }),
		FirstAccount: o.FirstAccount, PublicKey: string(o.PublicKey), SigningPublicKey: string(o.SigningPublicKey),
		SystemAccountPublicKey: string(o.SystemPublicKey), StrictSigningKeyUsage: true, IsDefault: o.IsDefault, Jwt: o.JWT,
		Revision: int64(o.Revision), CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(), Etag: tenants.ETag(o.Version)}
}

func signingKeyOf(k tenants.SigningKey) api.SigningKey {
	return api.SigningKey{PublicKey: string(k.PublicKey), Status: api.SigningKeyStatus(k.Status), CreatedAt: k.CreatedAt.UTC(), RetiredAt: utc(k.RetiredAt)}
}
