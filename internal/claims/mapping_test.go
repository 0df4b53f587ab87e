package claims_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// to is a destination of everything.
func to(subject string) []claims.Destination {
	return []claims.Destination{{Subject: subject, Weight: 100}}
}

func TestEveryBadMappingIsNamed(t *testing.T) {
	t.Parallel()
	many := make([]claims.Destination, claims.MaxDestinations+1)
	for name, c := range map[string]struct {
		mappings []claims.Mapping
		want     []string
	}{
		"bad subject":        {[]claims.Mapping{{Subject: "a..b", Destinations: to("c")}}, []string{"/mappings/0/subject"}},
		"subject twice":      {[]claims.Mapping{{Subject: "a", Destinations: to("c")}, {Subject: "a", Destinations: to("d")}}, []string{"/mappings/1/subject"}},
		"no destinations":    {[]claims.Mapping{{Subject: "a"}}, []string{"/mappings/0/destinations"}},
		"many destinations":  {[]claims.Mapping{{Subject: "a", Destinations: many}}, []string{"/mappings/0/destinations"}},
		"many mappings":      {make([]claims.Mapping, claims.MaxMappings+1), []string{"/mappings"}},
		"weight 0":           {[]claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b"}}}}, []string{"/mappings/0/destinations/0/weight"}},
		"weight 101":         {[]claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 101}}}}, []string{"/mappings/0/destinations/0/weight"}},
		"weights over 100":   {[]claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 60}, {Subject: "c", Weight: 41}}}}, []string{"/mappings/0/destinations/1/weight"}},
		"over 100 there":     {[]claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 60}, {Subject: "c", Weight: 60, Cluster: "x"}, {Subject: "d", Weight: 41, Cluster: "x"}}}}, []string{"/mappings/0/destinations/2/weight"}},
		"destination twice":  {[]claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 1}, {Subject: "b", Weight: 1, Cluster: "x"}}}}, []string{"/mappings/0/destinations/1/subject"}},
		"bad cluster":        {[]claims.Mapping{{Subject: "a", Destinations: []claims.Destination{{Subject: "b", Weight: 1, Cluster: "x y"}}}}, []string{"/mappings/0/destinations/0/cluster"}},
		"in a circle":        {[]claims.Mapping{{Subject: "a.*", Destinations: to("b.{{wildcard(1)}}")}, {Subject: "c", Destinations: to("d")}, {Subject: "b.x", Destinations: to("a.y")}}, []string{"/mappings/0"}},
		"in a larger circle": {[]claims.Mapping{{Subject: "a", Destinations: to("b")}, {Subject: "b", Destinations: to("c.1")}, {Subject: "c.>", Destinations: to("a.>")}, {Subject: "a.>", Destinations: to("c.>")}}, []string{"/mappings/2"}},
	} {
		if diff := cmp.Diff(c.want, pointers(claims.ValidateMappings(c.mappings))); diff != "" {
			t.Errorf("%s: pointers (-want +got):\n%s", name, diff)
		}
	}
	good := []claims.Mapping{
		{Subject: "a", Destinations: []claims.Destination{{Subject: "a", Weight: 50}}}, // half of it is dropped
		{Subject: "a.>", Destinations: to("a.b.>")},
		{Subject: "b", Destinations: to("c")},
		{Subject: "d", Destinations: []claims.Destination{{Subject: "e", Weight: 100}, {Subject: "f", Weight: 100, Cluster: "x"}}},
	}
	if err := claims.ValidateMappings(good); err != nil {
		t.Errorf("good mappings: %v", err)
	}
}

// destinations are judged as nats-server does, or more strictly.
var destinations = []struct {
	source, destination string
	good                bool
}{
	{"a", "b", true},
	{"a", "b.c", true},
	{"a", "b.{{partition(5)}}", true},
	{"a", "b.{{random(5)}}", true},
	{"a.*", "b.$1", true},
	{"a.*", "$SYSTEM.{{wildcard(1)}}", true},
	{"a.*.*", "b.{{wildcard(2)}}.{{Wildcard(1)}}", true},
	{"a.*.*", "b.{{partition(10,1,2)}}", true},
	{"a.*", "b.{{split(1,-)}}.{{left(1,2)}}.{{right(1,2)}}", true},
	{"a.*", "b.{{splitFromLeft(1,2)}}.{{SplitFromRight(1,2)}}.{{sliceFromLeft(1,2)}}.{{sliceFromRight(1,2)}}", true},
	{"a.*.>", "b.{{wildcard(1)}}.>", true},
	{"a.>", "b.>", true},
	{"a.*", "b", true}, // drops what * was

	{"a", "", false},
	{"a", "b..c", false},
	{"a", "b c", false},
	{"a", "b.*", false},
	{"a.*", "b.*", false},
	{"a", "b.>", false},
	{"a.>", "b", false},
	{"a.>", "b.>.c", false},
	{"a", "b.{{wildcard(1)}}", false},
	{"a", "b.$1", false},
	{"a.*", "b.{{wildcard(2)}}", false},
	{"a.*", "b.{{wildcard(0)}}", false},
	{"a.*", "b.$2", false},
	{"a.*", "b.{{wildcard()}}", false},
	{"a.*", "b.{{wildcard(1,2)}}", false},
	{"a.*", "b.{{wildcard(x)}}", false},
	{"a.*", "b.x{{wildcard(1)}}", false}, // a server would take it literally
	{"a.*", "b.{{partition(0,1)}}", false},
	{"a.*", "b.{{partition(3,2)}}", false},
	{"a.*", "b.{{partition(x)}}", false},
	{"a.*", "b.{{left(1)}}", false},
	{"a.*", "b.{{left(1,0)}}", false},
	{"a.*", "b.{{left(1,2,3)}}", false},
	{"a.*", "b.{{split(1,)}}", false},
	{"a.*", "b.{{unknown(1)}}", false},
	{"a.*", "b.{{wildcard 1}}", false},
	{"a.*", "b.{{", false},
	{"a", "b.{{random(0)}}", false},
}

func TestDestinationsAreJudgedAsTheServerDoes(t *testing.T) {
	t.Parallel()
	for _, d := range destinations {
		err := claims.ValidateMappings([]claims.Mapping{{Subject: d.source, Destinations: to(d.destination)}})
		if got := err == nil; got != d.good {
			t.Errorf("%s to %q: good = %t, want %t: %v", d.source, d.destination, got, d.good, err)
		}
		if d.good && server.ValidateMapping(d.source, d.destination) != nil {
			t.Errorf("%s to %q is refused by the server", d.source, d.destination)
		}
	}
}

func FuzzServerTakesEveryMappingWeTake(f *testing.F) {
	for _, d := range destinations {
		f.Add(d.source, d.destination, uint8(30), "other", uint8(70), "")
	}
	f.Fuzz(func(t *testing.T, source, first string, weight uint8, second string, rest uint8, cluster string) {
		m := claims.Mapping{Subject: source, Destinations: []claims.Destination{
			{Subject: first, Weight: int(weight)}, {Subject: second, Weight: int(rest), Cluster: cluster},
		}}
		if claims.ValidateMappings([]claims.Mapping{m}) != nil {
			return
		}
		var there []*server.MapDest
		for _, d := range m.Destinations {
			there = append(there, &server.MapDest{Subject: d.Subject, Weight: uint8(d.Weight), Cluster: d.Cluster})
		}
		if err := server.NewAccount("a").AddWeightedMappings(source, there...); err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		transform, err := server.NewSubjectTransform(source, first)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		message := strings.NewReplacer("*", "token", ">", "more.tokens").Replace(source)
		if mapped := transform.TransformSubject(message); !server.IsValidPublishSubject(mapped) {
			t.Errorf("%+v maps %q to %q, where nobody can publish", m, message, mapped)
		}
	})
}
