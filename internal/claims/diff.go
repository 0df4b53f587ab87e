package claims

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Difference is one thing that a JWT says otherwise than another one.
type Difference struct {
	Path string // JSON pointer into the claims
	From any    // nil: it is not there
	To   any    // likewise
}

// Payload is what a JWT says, as JSON. Its signature is not looked at.
func Payload(token string) (json.RawMessage, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("a JWT has three parts, not %d", len(parts))
	}
	return base64.RawURLEncoding.DecodeString(parts[1])
}

// Diff compares two JWTs, or one with none, by what they say; when they were
// issued, and their id, does not count. Signing keys are named by their key, and
// what tags tell brokers stands beneath /signalbox.
func Diff(before, after string) ([]Difference, error) {
	was, err := plain(before)
	if err != nil {
		return nil, err
	}
	is, err := plain(after)
	if err != nil {
		return nil, err
	}
	var found []Difference
	compare(&found, "", was, is)
	return found, nil
}

// plain is what a JWT says in a form to be compared.
func plain(token string) (map[string]any, error) {
	if token == "" {
		return map[string]any{}, nil
	}
	payload, err := Payload(token)
	if err != nil {
		return nil, wrap("read a JWT to compare", err)
	}
	var said map[string]any
	numbers := json.NewDecoder(bytes.NewReader(payload))
	numbers.UseNumber()
	if err := numbers.Decode(&said); err != nil {
		return nil, wrap("read claims to compare", err)
	}
	delete(said, "iat")
	delete(said, "jti")
	nats, ok := said["nats"].(map[string]any)
	if !ok {
		return said, nil
	}
	if keys, ok := nats["signing_keys"].([]any); ok {
		nats["signing_keys"] = byKey(keys)
	}
	if tags, ok := nats["tags"].([]any); ok {
		own, brokers := []any{}, map[string]any{}
		for _, tag := range tags {
			text, _ := tag.(string)
			name, value, _ := strings.Cut(strings.TrimPrefix(text, ReservedTags), ":")
			switch earlier, again := brokers[name].(string); {
			case !strings.HasPrefix(text, ReservedTags):
				own = append(own, tag)
			case strings.HasPrefix(text, overridesTag):
				users, err := overridesByName(text)
				if err != nil {
					return nil, err
				}
				brokers[name] = users
			case again:
				brokers[name] = earlier + " " + value
			default:
				brokers[name] = value
			}
		}
		nats["tags"], said["signalbox"] = own, brokers
	}
	return said, nil
}

func overridesByName(tag string) (map[string]any, error) {
	x, err := ReadExtension([]string{tag})
	users := make(map[string]any, len(x.Overrides))
	for _, o := range x.Overrides {
		user := map[string]any{"role": string(o.Role), "tags": o.Tags, "connections": o.Connections}
		if len(o.ConnectionTypes) > 0 {
			user["connection_types"] = o.ConnectionTypes
		}
		users[o.Name] = user
	}
	return users, wrap("read what users are by now", err)
}

func byKey(list []any) map[string]any {
	keys := make(map[string]any, len(list))
	for _, entry := range list {
		switch scope := entry.(type) {
		case string:
			keys[scope] = map[string]any{}
		case map[string]any:
			key, _ := scope["key"].(string)
			keys[key] = scope
		}
	}
	return keys
}

func compare(found *[]Difference, path string, was, is any) {
	before, ok := was.(map[string]any)
	after, both := is.(map[string]any)
	if !ok || !both {
		if !reflect.DeepEqual(was, is) {
			*found = append(*found, Difference{path, was, is})
		}
		return
	}
	names := slices.Collect(maps.Keys(before))
	names = slices.AppendSeq(names, maps.Keys(after))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		compare(found, path+"/"+escapePointer.Replace(name), before[name], after[name])
	}
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")
