package claims

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Mapping sends what is published to a subject to others instead. What the
// weights leave of 100 stays where it was, unless the subject itself is among
// the destinations: then the rest is dropped. Destinations that name a cluster
// hold for who is connected there, instead of the others. The JSON is how
// mappings are stored.
type Mapping struct {
	Subject      string        `json:"subject"`
	Destinations []Destination `json:"destinations"`
}

// Destination is one of the subjects that a message may go to.
type Destination struct {
	Subject string `json:"subject"` // with functions such as {{wildcard(1)}} and {{partition(3,1)}} as whole tokens
	Weight  int    `json:"weight"`  // in percent, 1 to 100
	Cluster string `json:"cluster,omitempty"`
}

// Limits on mappings.
const (
	MaxMappings     = 100 // of an account
	MaxDestinations = 20  // of a mapping
)

// ValidateMappings reports every rule that an account's mappings break, each as
// a fault.Invalid at /mappings/…. A server would take some of what is refused:
// it maps a message once, so mappings that lead into each other never come to
// an end, but depend on where a message came in.
func ValidateMappings(mappings []Mapping) error {
	if len(mappings) > MaxMappings {
		return fault.Field("/mappings", "%d mappings at most", MaxMappings)
	}
	var errs []error
	for i, m := range mappings {
		pointer := fmt.Sprintf("/mappings/%d", i)
		errs = append(errs, m.validate(pointer))
		if slices.ContainsFunc(mappings[:i], func(earlier Mapping) bool { return earlier.Subject == m.Subject }) {
			errs = append(errs, fault.Field(pointer+"/subject", "there is a mapping of this subject already"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return refuseCycles(mappings)
}

func (m Mapping) validate(pointer string) error {
	if err := ValidateSubject(m.Subject); err != nil {
		return fault.At(pointer+"/subject", err)
	}
	if len(m.Destinations) == 0 || len(m.Destinations) > MaxDestinations {
		return fault.Field(pointer+"/destinations", "1 to %d destinations", MaxDestinations)
	}
	var errs []error
	sums := map[string]int{}
	for i, d := range m.Destinations {
		at := fmt.Sprintf("%s/destinations/%d", pointer, i)
		errs = append(errs, fault.At(at+"/subject", validateDestination(m.Subject, d.Subject)))
		if slices.ContainsFunc(m.Destinations[:i], func(earlier Destination) bool { return earlier.Subject == d.Subject }) {
			errs = append(errs, fault.Field(at+"/subject", "a mapping has each destination once, even for different clusters"))
		}
		if d.Cluster != "" {
			errs = append(errs, fault.At(at+"/cluster", validateCluster(d.Cluster)))
		}
		if d.Weight < 1 || d.Weight > 100 {
			errs = append(errs, fault.Field(at+"/weight", "a share in percent, from 1 to 100"))
			continue
		}
		if sums[d.Cluster] += d.Weight; sums[d.Cluster] > 100 {
			errs = append(errs, fault.Field(at+"/weight", "with this the weights for one cluster are %d together; 100 at most", sums[d.Cluster]))
		}
	}
	return errors.Join(errs...)
}

func validateCluster(name string) error {
	if err := ValidateName(name); err != nil {
		return err
	}
	if strings.Contains(name, " ") {
		return fault.New(fault.Invalid, "a cluster's name has no spaces")
	}
	return nil
}

// function is what a server replaces in a mapping's destination. Spelled exactly
// so: the server is laxer about case and spaces.
var function = regexp.MustCompile(`^\{\{([a-zA-Z]+)\(([^(){}. ]*)\)\}\}$`)

// validateDestination is stricter than nats-server in what it would take and
// not do: functions within a token, indices of wildcards that are not there,
// sizes of 0.
func validateDestination(source, destination string) error {
	tokens := strings.Split(destination, ".")
	for i, token := range tokens {
		if strings.ContainsAny(token, "{}") {
			if err := validateFunction(source, token); err != nil {
				return err
			}
			tokens[i] = "x"
		} else if number, ok := strings.CutPrefix(token, "$"); ok && isNumber(number) {
			if err := validateWildcard(source, number); err != nil {
				return err
			}
		}
	}
	plain := strings.Join(tokens, ".")
	if err := ValidateSubject(plain); err != nil {
		return err
	}
	if slices.Contains(tokens, "*") {
		return fault.New(fault.Invalid, "a destination says which of the subject's tokens it means: {{wildcard(1)}} for the first *")
	}
	if strings.HasSuffix("."+source, ".>") != strings.HasSuffix("."+plain, ".>") {
		return fault.New(fault.Invalid, "either both the subject and its destination end with >, or none of them")
	}
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

func validateFunction(source, token string) error {
	found := function.FindStringSubmatch(token)
	if found == nil {
		return fault.New(fault.Invalid, "{{…}} must be a whole token of the form {{wildcard(1)}}, without spaces")
	}
	name, arguments := strings.ToLower(found[1]), strings.Split(found[2], ",")
	want := 2
	switch name {
	case "wildcard", "random":
		want = 1
	case "partition":
		want = len(arguments)
	case "split", "splitfromleft", "splitfromright", "slicefromleft", "slicefromright", "left", "right":
	default:
		return fault.New(fault.Invalid, "there is no function %s for destinations; there are wildcard, partition, split, splitFromLeft, splitFromRight, sliceFromLeft, sliceFromRight, left, right and random", found[1])
	}
	if len(arguments) != want {
		return fault.New(fault.Invalid, "{{%s(…)}} takes %d arguments", found[1], want)
	}
	if name == "partition" || name == "random" {
		if err := validateSize(arguments[0]); err != nil {
			return err
		}
		return validateWildcards(source, arguments[1:])
	}
	if err := validateWildcard(source, arguments[0]); err != nil || want == 1 {
		return err
	}
	if name == "split" {
		if arguments[1] == "" {
			return fault.New(fault.Invalid, "split needs something to split at")
		}
		return nil
	}
	return validateSize(arguments[1])
}

func validateWildcards(source string, indices []string) error {
	for _, index := range indices {
		if err := validateWildcard(source, index); err != nil {
			return err
		}
	}
	return nil
}

func validateWildcard(source, index string) error {
	stars := 0
	for token := range strings.SplitSeq(source, ".") {
		if token == "*" {
			stars++
		}
	}
	if n, err := strconv.Atoi(index); err != nil || n < 1 || n > stars {
		return fault.New(fault.Invalid, "%.20q must be the number of one of the subject's %d wildcards *, counted from 1", index, stars)
	}
	return nil
}

func validateSize(text string) error {
	if n, err := strconv.ParseInt(text, 10, 32); err != nil || n < 1 {
		return fault.New(fault.Invalid, "%.20q must be a number of at least 1", text)
	}
	return nil
}

// reached are the tokens of what a destination can become, with wildcards.
func (d Destination) reached() []string {
	tokens := strings.Split(d.Subject, ".")
	for i, token := range tokens {
		number, ok := strings.CutPrefix(token, "$")
		switch {
		case ok && isNumber(number) || strings.HasPrefix(strings.ToLower(token), "{{wildcard("):
			tokens[i] = "*"
		case strings.Contains(token, "{{"): // one token, or several
			return append(tokens[:i], ">")
		}
	}
	return tokens
}

// refuseCycles refuses mappings that lead, over at least one other, back to
// their own subject. A mapping may lead to its own: that is how to say that the
// rest is dropped.
func refuseCycles(mappings []Mapping) error {
	subjects := make([][]string, len(mappings))
	for i, m := range mappings {
		subjects[i] = strings.Split(m.Subject, ".")
	}
	next := make([][]int, len(mappings))
	for i, m := range mappings {
		for _, d := range m.Destinations {
			reached := d.reached()
			for j, subject := range subjects {
				if i != j && !slices.Contains(next[i], j) && overlap(reached, subject) {
					next[i] = append(next[i], j)
				}
			}
		}
	}
	for i := range mappings {
		if path := pathBack(next, i); path != nil {
			return fault.Field(fmt.Sprintf("/mappings/%d", i), "the mappings %s lead in a circle, but a message is mapped only once", strings.Trim(fmt.Sprint(path), "[]"))
		}
	}
	return nil
}

// pathBack is a shortest way from a mapping back to it, nil if there is none.
func pathBack(next [][]int, start int) []int {
	seen := make([]bool, len(next))
	paths := [][]int{{start}}
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		for _, to := range next[path[len(path)-1]] {
			if to == start {
				return path
			}
			if !seen[to] {
				seen[to] = true
				paths = append(paths, append(slices.Clone(path), to))
			}
		}
	}
	return nil
}

// mappingClaims is nil without mappings.
func mappingClaims(mappings []Mapping) jwt.Mapping {
	if len(mappings) == 0 {
		return nil
	}
	all := jwt.Mapping{}
	for _, m := range mappings {
		var destinations []jwt.WeightedMapping
		for _, d := range m.Destinations {
			destinations = append(destinations, jwt.WeightedMapping{Subject: jwt.Subject(d.Subject), Weight: uint8(d.Weight), Cluster: d.Cluster})
		}
		all[jwt.Subject(m.Subject)] = destinations
	}
	return all
}

func mappingsOf(all jwt.Mapping) []Mapping {
	var mappings []Mapping
	for subject, destinations := range all {
		m := Mapping{Subject: string(subject)}
		for _, d := range destinations {
			m.Destinations = append(m.Destinations, Destination{Subject: string(d.Subject), Weight: int(d.GetWeight()), Cluster: d.Cluster})
		}
		mappings = append(mappings, m)
	}
	slices.SortFunc(mappings, func(a, b Mapping) int { return cmp.Compare(a.Subject, b.Subject) })
	return mappings
}
