// Package api is the contract of the REST API: openapi.yaml, edited first, and
// the Go structs made from it (types.gen.go, by go generate).
//
// It imports nothing of ours. httpapi mounts its routes from the document that
// [Document] returns; the web UI's types come from the same file.
package api

import (
	_ "embed"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:generate go tool oapi-codegen -generate models,skip-prune -package api -o types.gen.go openapi.yaml

// YAML is the document as it is served at /openapi.yaml.
//
//go:embed openapi.yaml
var YAML []byte

// Document parses and validates the document, examples included.
func Document() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(YAML)
	if err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	if err := doc.Validate(loader.Context, openapi3.EnableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("validate openapi.yaml: %w", err)
	}
	return doc, nil
}
