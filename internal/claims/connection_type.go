package claims

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// ConnectionType is a way for a client to reach a broker.
type ConnectionType string

// The connection types that there are.
const (
	Standard    ConnectionType = jwt.ConnectionTypeStandard
	WebSocket   ConnectionType = jwt.ConnectionTypeWebsocket
	LeafNode    ConnectionType = jwt.ConnectionTypeLeafnode
	LeafNodeWS  ConnectionType = jwt.ConnectionTypeLeafnodeWS
	MQTT        ConnectionType = jwt.ConnectionTypeMqtt
	MQTTOverWS  ConnectionType = jwt.ConnectionTypeMqttWS
	InProcess   ConnectionType = jwt.ConnectionTypeInProcess
	noneOfThese                = "STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS"
)

// ConnectionTypes are all there are, in the order to show them.
var ConnectionTypes = []ConnectionType{Standard, WebSocket, LeafNode, LeafNodeWS, MQTT, MQTTOverWS, InProcess}

// NoConnectionType stands alone where no type is left: an empty list would be all
// of them. No connection is of this type, and a server refuses a user who may use no other.
const NoConnectionType ConnectionType = "NONE"

// CommonTypes are the connection types that all the lists allow, of which an
// empty one allows every type: as the result, if none of them says anything.
// When nothing is left it is [NoConnectionType].
func CommonTypes(lists ...[]ConnectionType) []ConnectionType {
	var common []ConnectionType
	for _, list := range lists {
		switch {
		case len(list) == 0:
		case common == nil:
			common = slices.Clone(list)
		default:
			common = slices.DeleteFunc(common, func(t ConnectionType) bool { return !slices.Contains(list, t) })
		}
	}
	if common != nil && len(common) == 0 {
		return []ConnectionType{NoConnectionType}
	}
	return common
}

// ValidateConnectionTypes reports what is none, or listed twice, at /connection_types/….
func ValidateConnectionTypes(types []ConnectionType) error {
	var errs []error
	for i, t := range types {
		at := fmt.Sprintf("/connection_types/%d", i)
		switch {
		case !slices.Contains(ConnectionTypes, t):
			errs = append(errs, fault.Field(at, "this is none of %s", noneOfThese))
		case slices.Contains(types[:i], t):
			errs = append(errs, fault.Field(at, "%s is listed twice", t))
		}
	}
	return errors.Join(errs...)
}

// validateCompiledTypes also takes what [CommonTypes] makes.
func validateCompiledTypes(types []ConnectionType) error {
	if len(types) == 1 && types[0] == NoConnectionType {
		return nil
	}
	return ValidateConnectionTypes(types)
}

// ValidateTypeConnections reports counts at /connections_per_type/… of what is no
// type, of a type that is not among those allowed, and that are negative.
func ValidateTypeConnections(allowed []ConnectionType, counts map[ConnectionType]int64) error {
	var errs []error
	for _, t := range slices.Sorted(maps.Keys(counts)) {
		at := "/connections_per_type/" + string(t)
		switch {
		case !slices.Contains(ConnectionTypes, t):
			errs = append(errs, fault.Field(at, "this is none of %s", noneOfThese))
		case len(allowed) > 0 && !slices.Contains(allowed, t):
			errs = append(errs, fault.Field(at, "the account does not allow connections of the type %s", t))
		case counts[t] < 0:
			errs = append(errs, fault.Field(at, "0 for none, or a positive number; leave the type out for no limit but the account's"))
		}
	}
	return errors.Join(errs...)
}
