package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) getOperation(w http.ResponseWriter, r *http.Request) error {
	o, err := s.Tenants.Operation(r.Context(), actorOf(r), pathID[tenants.OperationID](r, "operation"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, operationOf(o))
}

// accepted answers 202 with where to see how far the work has come.
func accepted(w http.ResponseWriter, o tenants.Operation) error {
	w.Header().Set("Location", "/v1/operations/"+string(o.ID))
	return answer(w, http.StatusAccepted, operationOf(o))
}

func operationOf(o tenants.Operation) api.Operation {
	status := api.OperationStatus("running")
	switch {
	case o.FinishedAt != nil:
		status = api.OperationStatus("done")
	case o.Detail != "":
		status = api.OperationStatus("waiting")
	}
	return api.Operation{Id: string(o.ID), Kind: string(o.Kind), Status: status, Stage: o.Stage, WaitingFor: orNil(o.Detail),
		Done: o.Done, Total: o.Total, CreatedBy: o.CreatedBy, CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(), FinishedAt: utc(o.FinishedAt)}
}
