package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Events(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), pageQuery(r))
	if err != nil {
		return err
	}
	out := api.EventPage{Items: make([]api.Event, 0, len(page.Items)), NextCursor: orNil(page.Next)}
	for _, e := range page.Items {
		event := api.Event{Id: string(e.ID), Type: api.EventType(e.Type), Subject: e.Subject, At: e.CreatedAt.UTC()}
		if err := json.Unmarshal(e.Data, &event.Data); err != nil {
			return fmt.Errorf("read the data of event %s: %w", e.ID, err)
		}
		out.Items = append(out.Items, event)
	}
	return answer(w, http.StatusOK, out)
}
