package httpapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/api"
)

func TestUsageStandsBesideTheLimitsInForce(t *testing.T) {
	t.Parallel()
	s := setup(t) // which says what two brokers answer
	owner := s.signUp("Meters")
	owner.furnish("orders")
	path := "/v1/accounts/" + owner.ids["account"]
	owner.owner.do("PATCH", path, map[string]any{
		"limits": map[string]any{"connections": 20}, "connections_per_type": map[string]any{"MQTT": 10, "WEBSOCKET": 4},
	}).want(200)

	var got api.AccountUsage
	owner.owner.do("GET", path+"/usage", nil).want(200, &got)
	if got.Connections != (api.UsageCount{Used: 7, Limit: 20}) || got.LeafNodes.Used != 1 || got.BrokersAsked != 2 || got.BrokersAnswered != 2 {
		t.Errorf("usage = %+v", got)
	}
	want := []api.ConnectionTypeUsage{
		{ConnectionType: "WEBSOCKET", Limit: 4, Shares: []api.ConnectionTypeShare{}},
		{ConnectionType: "MQTT", Used: 3, Limit: 10, Shares: []api.ConnectionTypeShare{
			{Broker: "one", Used: 2, Places: 2}, {Broker: "two", Used: 1, Places: 2}}},
	}
	if diff := cmp.Diff(want, got.ConnectionTypes); diff != "" {
		t.Errorf("connection types (-want +got):\n%s", diff)
	}
	if got.Jetstream.Total == nil || got.Jetstream.Total.DiskBytes.Used != 5 || len(got.Jetstream.Tiers) != 0 {
		t.Errorf("jetstream = %+v", got.Jetstream)
	}
}
