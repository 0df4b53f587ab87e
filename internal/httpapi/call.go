package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// call is one checked request, as handlers see it.
type call struct {
	operation string
	caller    caller
	body      []byte
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

func actorOf(r *http.Request) tenants.Actor { return callOf(r).caller.actor }

// pathID is a path parameter as an id. That it is the caller's is for tenants to say.
func pathID[T ~string](r *http.Request, name string) T { return T(chi.URLParam(r, name)) }

// once is the request's Idempotency-Key together with what it was sent with.
func once(r *http.Request) tenants.Once {
	c := callOf(r)
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", c.operation, r.URL.Path)
	sum.Write(c.body)
	o := tenants.Once{Key: r.Header.Get("Idempotency-Key")}
	sum.Sum(o.Request[:0])
	return o
}

// ifMatch is the ETag that the caller saw; empty when any will do.
func ifMatch(r *http.Request) string {
	match := r.Header.Get("If-Match")
	if match == "*" {
		return ""
	}
	return match
}

func pageQuery(r *http.Request) tenants.PageQuery {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit")) // validated; absent is 0, the default
	return tenants.PageQuery{Limit: limit, Cursor: q.Get("cursor"), Sort: q.Get("sort"), Query: q.Get("q")}
}

// decode reads the checked body into dst.
func decode(r *http.Request, dst any) error {
	body := callOf(r).body
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, dst); err != nil {
		return fault.New(fault.Invalid, "the body does not fit: %v", err)
	}
	return nil
}

// maxBodyOf is what the document lets the operation's body be, in bytes.
func maxBodyOf(op *openapi3.Operation) int64 {
	if n, ok := op.Extensions["x-max-body"].(float64); ok {
		return int64(n)
	}
	return maxBody
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, fault.New(fault.Invalid, "the body is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the body could not be read")
	}
	return body, nil
}

// checkText refuses what no text column can hold, wherever it is in the request.
func checkText(u *url.URL, body []byte) error {
	for name, values := range u.Query() {
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return fault.Field("?"+name, "must be text without NUL characters")
			}
		}
	}
	var value any
	if len(body) > 0 && json.Unmarshal(body, &value) == nil {
		return checkNUL("", value)
	}
	return nil
}

func checkNUL(pointer string, value any) error {
	switch v := value.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return fault.Field(pointer, "must not contain NUL characters")
		}
	case []any:
		for i, item := range v {
			if err := checkNUL(pointer+"/"+strconv.Itoa(i), item); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, item := range v {
			if err := checkNUL(pointer+"/"+key, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

// created answers 201 with where the new resource is.
func created(w http.ResponseWriter, location string, v any) error {
	w.Header().Set("Location", location)
	return answer(w, http.StatusCreated, v)
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// orNil turns the empty string into null.
func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orZero is what p points at, or the zero value: for optional fields.
func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// mapped turns a list of domain values into a list of API values; it is never null.
func mapped[T, U any](items []T, to func(T) U) []U {
	all := make([]U, 0, len(items))
	for _, item := range items {
		all = append(all, to(item))
	}
	return all
}
