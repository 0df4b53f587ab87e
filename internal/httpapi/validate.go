package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// validate checks path, query, headers and body against the document and answers every wrong field at once.
func validate(r *http.Request, route *routers.Route, body []byte) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	params := map[string]string{}
	for i, key := range chi.RouteContext(r.Context()).URLParams.Keys {
		params[key] = chi.RouteContext(r.Context()).URLParams.Values[i]
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request:    r,
		PathParams: params,
		Route:      route,
		Options:    validation,
	})
	return errors.Join(checkText(r.URL, body), unknownQuery(r, route), fieldErrors(err))
}

// checkJSON refuses what is not one whole JSON value.
func checkJSON(body []byte) error {
	if len(body) == 0 || json.Valid(body) {
		return nil
	}
	var discard any
	err := json.Unmarshal(body, &discard)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fault.New(fault.Invalid, "the body is not JSON: %v at byte %d", syntax, syntax.Offset)
	}
	return fault.New(fault.Invalid, "the body is not JSON")
}

// unknownQuery refuses query parameters that the operation does not have: a
// misspelt filter must not pass for one that matched everything.
func unknownQuery(r *http.Request, route *routers.Route) error {
	known := slices.Concat(route.PathItem.Parameters, route.Operation.Parameters)
	var errs []error
	for name := range r.URL.Query() {
		if known.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			errs = append(errs, fault.Field("?"+name, "there is no such parameter here"))
		}
	}
	return errors.Join(errs...)
}

// fieldErrors turns kin-openapi's tree of errors into faults with pointers.
func fieldErrors(err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(openapi3.MultiError); ok {
		errs := make([]error, len(many))
		for i, one := range many {
			errs[i] = fieldErrors(one)
		}
		return errors.Join(errs...)
	}
	var request *openapi3filter.RequestError
	if !errors.As(err, &request) {
		return fault.New(fault.Invalid, "the request does not fit the API")
	}
	if request.Parameter != nil {
		return parameterError(request)
	}
	return bodyError(request)
}

func parameterError(e *openapi3filter.RequestError) error {
	switch e.Parameter.In {
	case openapi3.ParameterInPath:
		return fault.New(fault.NotFound, "there is no such %s", strings.ReplaceAll(e.Parameter.Name, "_", " "))
	case openapi3.ParameterInQuery:
		return fault.Field("?"+e.Parameter.Name, "%s", reason(e))
	}
	return fault.New(fault.Invalid, "header %s: %s", e.Parameter.Name, reason(e))
}

func bodyError(e *openapi3filter.RequestError) error {
	schemaErrors := collectSchemaErrors(e.Err)
	if len(schemaErrors) == 0 {
		return fault.New(fault.Invalid, "%s", reason(e))
	}
	errs := make([]error, 0, len(schemaErrors))
	for _, se := range schemaErrors {
		errs = append(errs, fault.Field(pointerOf(se), "%s", se.Reason))
	}
	return errors.Join(errs...)
}

// pointerOf is the field a schema error is about. For a field that should not
// be there kin-openapi points at the object around it and names it in the
// reason, in quotes.
func pointerOf(e *openapi3.SchemaError) string {
	var path []string
	for _, part := range e.JSONPointer() {
		path = append(path, strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	if _, rest, ok := strings.Cut(e.Reason, `property "`); ok {
		name, after, _ := strings.Cut(rest, `"`)
		if strings.Contains(after, "unsupported") {
			path = append(path, name)
		}
	}
	return "/" + strings.Join(path, "/")
}

func collectSchemaErrors(err error) []*openapi3.SchemaError {
	switch e := err.(type) {
	case nil:
		return nil
	case *openapi3.SchemaError:
		if e.Origin != nil {
			if inner := collectSchemaErrors(e.Origin); len(inner) > 0 {
				return inner
			}
		}
		return []*openapi3.SchemaError{e}
	case openapi3.MultiError:
		var all []*openapi3.SchemaError
		for _, one := range e {
			all = append(all, collectSchemaErrors(one)...)
		}
		return all
	}
	return collectSchemaErrors(errors.Unwrap(err))
}

// reason is the plainest sentence in a request error.
func reason(e *openapi3filter.RequestError) string {
	if all := collectSchemaErrors(e.Err); len(all) > 0 {
		return all[0].Reason
	}
	var parse *openapi3filter.ParseError
	if errors.As(e.Err, &parse) && parse.Reason != "" {
		return parse.Reason
	}
	if e.Reason != "" {
		return e.Reason
	}
	return "does not fit the API"
}
