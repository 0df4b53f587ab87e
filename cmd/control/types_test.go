package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// wayOf is the first of the ways to come over a type of connection.
func wayOf(kind claims.ConnectionType) way {
	return ways[slices.IndexFunc(ways, func(w way) bool { return w.kind == kind })]
}

// User, role, account and plan each say which types of connections they allow, or
// nothing: clients come over those that all of them allow, and the API says so.
func TestConnectionTypesAreThoseThatEveryLevelAllows(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	c := h.signUp("narrower")
	c.asStaff(h.stack)
	standard, webSocket, mqtt := claims.Standard, claims.WebSocket, claims.MQTT
	said := [][]claims.ConnectionType{{}, {standard, webSocket}, {webSocket, mqtt}}
	plans := []resource{c.staffPlan("Any", map[string]any{}), c.staffPlan("No MQTT", map[string]any{"connection_types": said[1]}), c.staffPlan("No TCP", map[string]any{"connection_types": said[2]})}
	role := c.role("guests", map[string]any{"bearer": true})
	guest := c.badge(c.account, role.ID)
	account, user := "/v1/accounts/"+c.account, "/v1/users/"+guest.user
	set := func(path string, types []claims.ConnectionType) {
		t.Helper()
		c.must("PATCH", path, map[string]any{"connection_types": append([]claims.ConnectionType{}, types...)}, nil)
	}
	allows := func(kind claims.ConnectionType, lists ...[]claims.ConnectionType) bool {
		return !slices.ContainsFunc(lists, func(list []claims.ConnectionType) bool { return len(list) > 0 && !slices.Contains(list, kind) })
	}

	in, out := 0, 0
	for i, ofRole := range said {
		for j, ofPlan := range said {
			for k, ofAccount := range said {
				// What is too much for the level above is refused when it is set, so each is set while that is open.
				c.putOn(plans[0])
				set(account, nil)
				set("/v1/roles/"+role.ID, ofRole)
				set(account, ofAccount)
				c.putOn(plans[j])
				ofUser := said[(i+j+k)%len(said)]
				set(user, ofUser)
				var effective []claims.ConnectionType
				for _, kind := range claims.ConnectionTypes {
					if allows(kind, ofPlan, ofAccount) {
						effective = append(effective, kind)
					}
				}
				if len(effective) == len(claims.ConnectionTypes) {
					effective = []claims.ConnectionType{}
				}
				eventually(t, "the API to say what is allowed", func() error {
					var got struct {
						Effective []claims.ConnectionType `json:"effective_connection_types"`
					}
					if c.must("GET", account, nil, &got); !slices.Equal(slices.Sorted(slices.Values(got.Effective)), slices.Sorted(slices.Values(effective))) {
						return fmt.Errorf("effective are %v, want %v", got.Effective, effective)
					}
					return nil
				})
				c.inForce()
				for _, kind := range []claims.ConnectionType{standard, webSocket, mqtt} {
					want := allows(kind, ofUser, ofRole, ofAccount, ofPlan)
					client, err := wayOf(kind).dial(h, h.plain, guest)
					if client != nil {
						client.close()
					}
					switch {
					case want && err != nil, !want && !errors.Is(err, errOut):
						t.Errorf("user %v, role %v, account %v, plan %v: over %s %v, want it let in: %t", ofUser, ofRole, ofAccount, ofPlan, kind, err, want)
					case want:
						in++
					default:
						out++
					}
				}
			}
		}
	}
	if t.Logf("%d were let in, and %d were not", in, out); in < 10 || out < 10 {
		t.Errorf("%d were let in, and %d were not: that shows little", in, out)
	}
}

// Connections are counted by their type, whichever broker they come to.
func TestEachTypeOfConnectionIsCounted(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	c := h.signUp("teller")
	bearer := c.role("guests", map[string]any{"bearer": true})
	guest := c.badge(c.account, bearer.ID)
	c.inForce()
	h.answerers(guest)
	// Those who answer have some places already.
	answerers := map[claims.ConnectionType]int{claims.Standard: 3, claims.WebSocket: 2, claims.InProcess: 1}
	limits := map[claims.ConnectionType]int{}
	for _, kind := range claims.ConnectionTypes {
		limits[kind] = answerers[kind] + 2
	}
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"connections_per_type": limits}, nil)
	c.inForce()
	for _, kind := range claims.ConnectionTypes {
		first, other := attempt{wayOf(kind), h.plain}, attempt{wayOf(kind), h.secure} // a broker each
		var stay []*caller
		for _, a := range []attempt{first, other} {
			client, err := h.try(a, guest)
			if err != nil {
				t.Fatalf("%s: %v, want it let in", a, err)
			}
			stay = append(stay, client)
		}
		for _, a := range []attempt{first, other} {
			if client, err := h.try(a, guest); !errors.Is(err, errOut) {
				t.Errorf("%s, a third one: %v, want it refused", a, err)
				if client != nil {
					client.close()
				}
			}
		}
		stay[0].close()
		eventually(t, "the place to be free for a client of "+string(kind), func() error {
			client, err := h.try(other, guest)
			if err == nil {
				stay[0] = client
			}
			return err
		})
	}
	var usage struct {
		Types []struct {
			Type        claims.ConnectionType `json:"connection_type"`
			Used, Limit int
		} `json:"connection_types"`
	}
	c.must("GET", "/v1/accounts/"+c.account+"/usage", nil, &usage)
	used := map[claims.ConnectionType]int{}
	for _, u := range usage.Types {
		if used[u.Type] = u.Used; u.Limit != limits[u.Type] {
			t.Errorf("%s: limit %d, want %d", u.Type, u.Limit, limits[u.Type])
		}
	}
	if diff := cmp.Diff(limits, used); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
	eventually(t, "the tenant to be told", func() error {
		told := map[claims.ConnectionType]bool{}
		for _, r := range c.refusals() {
			if r.Reason != "type_limit" {
				t.Fatalf("a refusal for %s: %s", r.Reason, r.Detail)
			}
			told[claims.ConnectionType(r.ConnectionType)] = true
		}
		if len(told) != len(claims.ConnectionTypes) {
			return fmt.Errorf("it is told of %v only", told)
		}
		return nil
	})
}
