package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// mergePatch applies the request's body to the API's view of a resource, by
// RFC 7396: an absent field stays, null clears, a value replaces. The document
// has been checked to hold only fields and values that the operation takes.
func mergePatch[T any](r *http.Request, view *T) error {
	body := callOf(r).body
	if len(body) == 0 {
		return nil
	}
	before, err := json.Marshal(view)
	if err != nil {
		return fmt.Errorf("encode before patch: %w", err)
	}
	after, err := jsonpatch.MergePatch(before, body)
	if err != nil {
		return fmt.Errorf("apply merge patch: %w", err)
	}
	var patched T
	if err := json.Unmarshal(after, &patched); err != nil {
		return fmt.Errorf("decode after patch: %w", err)
	}
	*view = patched
	return nil
}
