package admission

import (
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/gsl"
)

// rules are one list of a user's permissions, held in the tree that nats-server
// matches subjects with (its client.go, setPermissions): what that finds it
// finds here, oddities included.
type rules struct {
	tree *gsl.GenericSublist[int]
	list []rule
}

// rule is an entry of the list: a subject, for a subscription in a queue as well.
type rule struct{ text, subject, queue string }

// publishRules reads a list for publishing, where queues mean nothing: an entry that has one
// allows nothing, and denies without it.
func publishRules(list []string, deny bool) *rules {
	r := newRules()
	for _, text := range list {
		subject, _, ok := splitQueue(text)
		if ok && (deny || server.IsValidSubject(text)) {
			r.add(rule{text: text, subject: subject})
		}
	}
	return r
}

// subscribeRules reads a list for subscribing.
func subscribeRules(list []string) *rules {
	r := newRules()
	for _, text := range list {
		if subject, queue, ok := splitQueue(text); ok {
			r.add(rule{text, subject, queue})
		}
	}
	return r
}

func newRules() *rules { return &rules{tree: gsl.NewSublist[int]()} }

func (r *rules) add(entry rule) {
	if r.tree.Insert(entry.subject, len(r.list)) == nil {
		r.list = append(r.list, entry)
	}
}

// splitQueue parts "subject queue".
func splitQueue(text string) (subject, queue string, ok bool) {
	words := strings.Fields(text)
	switch {
	case len(words) == 0 || len(words) > 2 || !server.IsValidSubject(words[0]):
		return "", "", false
	case len(words) == 1:
		return words[0], "", true
	}
	return words[0], words[1], server.IsValidSubject(words[1])
}

// match returns the entries that match a subject, in their order: those without and those with a queue.
func (r *rules) match(subject string) (plain, queued []rule) {
	var found []int
	r.tree.Match(subject, func(i int) { found = append(found, i) })
	slices.Sort(found)
	for _, i := range found {
		if r.list[i].queue == "" {
			plain = append(plain, r.list[i])
		} else {
			queued = append(queued, r.list[i])
		}
	}
	return plain, queued
}

// inQueue returns the first of the entries that is for the queue.
func inQueue(queue string, queued []rule) (rule, bool) {
	for _, r := range queued {
		if queue == r.queue || hasWildcard(r.queue) && server.SubjectMatchesFilter(queue, r.queue) {
			return r, true
		}
	}
	return rule{}, false
}

func hasWildcard(subject string) bool {
	tokens := strings.Split(subject, ".")
	return slices.Contains(tokens, "*") || slices.Contains(tokens, ">")
}

// ruling says whether a list of permissions allows something, and by which entry; none
// when no list speaks of it.
type ruling struct {
	allowed bool
	list    string // allow or deny
	by      rule   // zero: nothing that is allowed matches, or nothing is said
}

// mayPublish is nats-server's pubAllowedFullCheck, without answers to what was received.
func mayPublish(p *server.SubjectPermission, subject string) ruling {
	verdict := ruling{allowed: true}
	if p == nil {
		return verdict
	}
	if p.Allow != nil {
		plain, _ := publishRules(p.Allow, false).match(subject)
		if verdict.list = "allow"; len(plain) == 0 {
			return ruling{list: "allow"}
		}
		verdict.by = plain[0]
	}
	if plain, _ := publishRules(p.Deny, true).match(subject); len(plain) > 0 {
		return ruling{list: "deny", by: plain[0]}
	}
	return verdict
}

// maySubscribe is nats-server's canSubscribe: an entry with a queue allows
// subscriptions in that queue, and if any matches the subject, no other queue.
func maySubscribe(p *server.SubjectPermission, subject, queue string) ruling {
	verdict := ruling{allowed: true}
	if p == nil {
		return verdict
	}
	if len(p.Allow) > 0 {
		plain, queued := subscribeRules(p.Allow).match(subject)
		if verdict.list, verdict.allowed = "allow", len(plain) > 0; verdict.allowed {
			verdict.by = plain[0]
		}
		if queue != "" && len(queued) > 0 {
			verdict.by, verdict.allowed = inQueue(queue, queued)
		}
		if !verdict.allowed {
			return ruling{list: "allow"}
		}
	}
	plain, queued := subscribeRules(p.Deny).match(subject)
	if len(plain) > 0 {
		return ruling{list: "deny", by: plain[0]}
	}
	if by, ok := inQueue(queue, queued); ok && queue != "" {
		return ruling{list: "deny", by: by}
	}
	return verdict
}

// filtered are the entries for which messages of an allowed subscription are held
// back: it is wider than what is denied, or in a queue.
func filtered(p *server.SubjectPermission, subject, queue string) []rule {
	if p == nil || queue == "" && !hasWildcard(subject) {
		return nil
	}
	return slices.DeleteFunc(subscribeRules(p.Deny).list, func(r rule) bool {
		_, here := inQueue(queue, []rule{r})
		return !server.SubjectsCollide(r.subject, subject) || r.queue != "" && !here
	})
}

// narrower says whether any of what is allowed lies within a subject with wildcards.
func narrower(p *server.SubjectPermission, subject string) bool {
	return hasWildcard(subject) && slices.ContainsFunc(subscribeRules(p.Allow).list, func(r rule) bool {
		return r.queue == "" && server.SubjectMatchesFilter(r.subject, subject)
	})
}
