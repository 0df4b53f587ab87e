package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) issueCredentialBatch(w http.ResponseWriter, r *http.Request) error {
	var in api.CredentialBatchIssue
	if err := decode(r, &in); err != nil {
		return err
	}
	spec, err := batchSpec(in)
	if err != nil {
		return err
	}
	var from *int64
	if text := r.URL.Query().Get("from"); text != "" {
		n, _ := strconv.ParseInt(text, 10, 64) // validated
		from = &n
	}
	lines := newLines(w)
	defer lines.close()
	deliver := func(part []tenants.BatchIssued) error {
		for _, c := range part {
			if err := lines.add(batchLine(c)); err != nil {
				return err
			}
		}
		return lines.flush()
	}
	result, err := s.Tenants.IssueBatch(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), once(r), from, spec, deliver)
	if err != nil && !lines.begun {
		return err
	}
	last := api.CredentialBatchLine{}
	if err != nil {
		problem := s.problem(r, err)
		last.Problem = &problem
	} else {
		last.Summary = &api.CredentialBatchSummary{BatchId: string(result.ID), From: result.From, Issued: result.Issued, Total: int64(len(spec.Entries))}
	}
	if lines.add(last) == nil {
		lines.flush() // a caller who has gone will ask for the rest
	}
	return nil
}

func batchSpec(in api.CredentialBatchIssue) (tenants.BatchSpec, error) {
	life, err := lifeOf(in.ExpiresIn)
	if err != nil {
		return tenants.BatchSpec{}, err
	}
	spec := tenants.BatchSpec{CreateUsers: in.CreateUsers == nil || *in.CreateUsers, RoleID: tenants.RoleID(orZero(in.RoleId)),
		Tags: orZero(in.Tags), Name: orZero(in.Name), Life: tenants.CredentialLife{ExpiresAt: utc(in.ExpiresAt), ExpiresIn: life}}
	switch {
	case in.Names != nil && in.NamePrefix == nil && in.Count == nil && in.Entries == nil:
		spec.Field = "names"
		spec.Entries = mapped(*in.Names, func(name string) tenants.BatchEntry { return tenants.BatchEntry{User: name} })
	case in.NamePrefix != nil && in.Count != nil && in.Names == nil && in.Entries == nil:
		spec.Field = "name_prefix"
		digits := len(strconv.Itoa(*in.Count))
		for i := range *in.Count {
			spec.Entries = append(spec.Entries, tenants.BatchEntry{User: fmt.Sprintf("%s%0*d", *in.NamePrefix, digits, i+1)})
		}
	case in.Entries != nil && in.Names == nil && in.NamePrefix == nil && in.Count == nil:
		spec.Field = "entries"
		spec.Entries = mapped(*in.Entries, func(e api.CredentialBatchEntry) tenants.BatchEntry {
			return tenants.BatchEntry{User: e.Name, PublicKey: claims.UserKey(orZero(e.PublicKey))}
		})
	default:
		return spec, fault.Field("/names", "say who it is for in one way: names, or name_prefix and count, or entries")
	}
	return spec, nil
}

func batchLine(c tenants.BatchIssued) api.CredentialBatchLine {
	user, credential, key := string(c.UserID), string(c.ID), string(c.PublicKey)
	line := api.CredentialBatchLine{Index: &c.Index, User: &c.UserName, UserId: &user, CredentialId: &credential, PublicKey: &key,
		ExpiresAt: utc(c.JWTExpires)}
	if c.Creds == nil {
		line.Jwt = &c.JWT
		return line
	}
	creds := string(c.Creds)
	line.Creds, line.FileName = &creds, &c.FileName
	return line
}

// lines writes an answer line by line, as fast as the caller reads it.
type lines struct {
	w      http.ResponseWriter
	conn   *http.ResponseController
	buffer bytes.Buffer // what is to be written next; it may hold seeds
	begun  bool
}

// readWithin is how long the caller may read nothing.
const readWithin = 30 * time.Second

func newLines(w http.ResponseWriter) *lines {
	return &lines{w: w, conn: http.NewResponseController(w)}
}

func (l *lines) add(v any) error { return json.NewEncoder(&l.buffer).Encode(v) }

// flush writes what was added; the first sends the headers, too.
func (l *lines) flush() error {
	if !l.begun {
		l.begun = true
		l.conn.SetReadDeadline(time.Time{}) // the request is read; it was for that
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.w.Header().Set("Cache-Control", "no-store")
	}
	defer l.wipe()
	if err := l.conn.SetWriteDeadline(time.Now().Add(readWithin)); err != nil {
		return fmt.Errorf("bound a write: %w", err)
	}
	if _, err := l.w.Write(l.buffer.Bytes()); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return l.conn.Flush()
}

func (l *lines) wipe() {
	clear(l.buffer.Bytes())
	l.buffer.Reset()
}

// close lets the connection's next answer take its time.
func (l *lines) close() {
	if l.begun {
		l.conn.SetWriteDeadline(time.Time{})
	}
}
