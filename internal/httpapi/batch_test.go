package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// batchLines decodes a whole stream.
func (a answer) batchLines() (all []api.CredentialBatchLine) {
	a.t.Helper()
	for text := range bytes.Lines(a.body) {
		var line api.CredentialBatchLine
		if err := json.Unmarshal(text, &line); err != nil {
			a.t.Fatalf("%s: %v\n%s", a.request, err, text)
		}
		all = append(all, line)
	}
	return all
}

func TestBatchIsStreamedLineByLine(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Fleet")
	owner.furnish("fleet")
	path := "/v1/accounts/" + owner.ids["account"] + "/credential-batches"
	a := owner.owner.do("POST", path, `{"name_prefix": "sensor-", "count": 12, "expires_in": "P365D"}`).want(200)
	if got := a.header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("Content-Type = %q", got)
	}
	lines := a.batchLines()
	var names []string
	for _, l := range lines[:len(lines)-1] {
		names = append(names, *l.User)
	}
	want := strings.Fields("sensor-01 sensor-02 sensor-03 sensor-04 sensor-05 sensor-06 sensor-07 sensor-08 sensor-09 sensor-10 sensor-11 sensor-12")
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if sum := lines[12].Summary; sum == nil || sum.Issued != 12 || sum.Total != 12 || sum.From != 0 {
		t.Errorf("the last line is %+v", lines[12])
	}
	first := lines[0]
	if _, _, err := claims.ParseCreds([]byte(*first.Creds)); err != nil || *first.FileName != "fleet-sensor-01.creds" || first.Jwt != nil {
		t.Errorf("the first line is %+v: %v", first, err)
	}
	var credential api.Credential
	owner.owner.do("GET", "/v1/credentials/"+*first.CredentialId, nil).want(200, &credential)
	if credential.UserId != *first.UserId || credential.PublicKey != *first.PublicKey || !credential.ExpiresAt.Equal(*first.ExpiresAt) {
		t.Errorf("credential = %+v, line %+v", credential, first)
	}
	for body, pointer := range map[string]string{
		`{}`:                           "/names",
		`{"names": ["a"], "count": 1}`: "/names",
		`{"name_prefix": "a"}`:         "/names",
		`{"names": ["a"], "entries": [{"name": "b"}]}`:         "/names",
		`{"names": ["a"], "expires_in": "P1X"}`:                "/expires_in",
		`{"name_prefix": "a b", "count": 200}`:                 "/name_prefix",
		`{"name_prefix": "a", "count": 10001}`:                 "/count",
		`{"entries": [{"name": "a", "public_key": "SUSEED"}]}`: "/entries/0/public_key",
	} {
		owner.owner.do("POST", path, body).wantField(400, pointer)
	}
}

// A caller who gets half of a batch asks for the rest.
func TestBatchGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`UPDATE plans SET max_users = -1`)
	owner := s.signUp("Fleet")
	owner.furnish("fleet")
	path := "/v1/accounts/" + owner.ids["account"] + "/credential-batches"
	body, key := `{"name_prefix": "d", "count": 5000}`, header{"Idempotency-Key": "fleet"}

	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", s.http.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "fleet")
	req.AddCookie(&http.Cookie{Name: "signalbox_session", Value: owner.owner.session})
	res, err := s.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]string{} // by user
	reader := bufio.NewScanner(res.Body)
	for len(live) < 700 && reader.Scan() {
		var line api.CredentialBatchLine
		if err := json.Unmarshal(reader.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		live[*line.User] = *line.CredentialId
	}
	hangUp()
	res.Body.Close()

	owner.owner.do("POST", path, body, key).want(409)
	owner.owner.do("POST", path+"?from=700", `{"name_prefix": "d", "count": 5001}`, key).want(409)
	rest := owner.owner.do("POST", path+"?from=700", body, key).want(200).batchLines()
	for _, line := range rest[:len(rest)-1] {
		if live[*line.User] != "" {
			t.Fatalf("%s comes twice", *line.User)
		}
		live[*line.User] = *line.CredentialId
	}
	if sum := rest[len(rest)-1].Summary; sum == nil || sum.From != 700 || sum.Issued != 4300 {
		t.Errorf("summary = %+v", sum)
	}
	rows, err := s.pool.Query(t.Context(), `
		SELECT users.name, credentials.id
		FROM users
		LEFT JOIN credentials ON credentials.user_id = users.id AND credentials.revoked_at IS NULL
		WHERE users.name ~ '^d[0-9]+$'`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		var user, credential string
		if err := rows.Scan(&user, &credential); err != nil {
			t.Fatal(err)
		}
		if n++; live[user] != credential {
			t.Fatalf("%s has %s, the caller %s", user, credential, live[user])
		}
	}
	if n != 5000 || len(live) != 5000 {
		t.Errorf("%d active credentials, of which the caller has %d; want 5000", n, len(live))
	}
}

func TestBatchThatCannotGoOnSaysSoInItsLastLine(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`UPDATE plans SET max_users = -1`)
	owner := s.signUp("Fleet")
	owner.furnish("fleet")
	account := owner.ids["account"]
	// Once the first users are there, the role is gone.
	s.exec(`
		CREATE FUNCTION lose_role() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			UPDATE roles SET deleted_at = now() WHERE name = 'default' AND (SELECT count(*) FROM credentials) > 100;
			RETURN NULL;
		END $$`)
	s.exec(`CREATE TRIGGER lose_role AFTER INSERT ON credentials FOR EACH STATEMENT EXECUTE FUNCTION lose_role()`)
	lines := owner.owner.do("POST", "/v1/accounts/"+account+"/credential-batches", `{"name_prefix": "d", "count": 3000}`).want(200).batchLines()
	last := lines[len(lines)-1]
	if last.Problem == nil || last.Problem.Status != 409 || last.Summary != nil || len(lines) == 1 || len(lines) > 2000 {
		t.Errorf("%d lines, the last is %+v", len(lines), last)
	}
}

// A caller who reads nothing holds up nobody, and has little signed in advance.
func TestBatchWaitsForItsReader(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`UPDATE plans SET max_users = -1`)
	owner := s.signUp("Fleet")
	owner.furnish("fleet")
	body := &strings.Builder{}
	fmt.Fprint(body, `{"names": [`)
	for i := range 10_000 {
		fmt.Fprintf(body, `"a-name-of-sixty-characters-or-so-to-fill-the-line-up-%05d",`, i)
	}
	fmt.Fprint(body, `"last"]}`)
	owner.owner.do("POST", "/v1/accounts/"+owner.ids["account"]+"/credential-batches", body.String()).wantField(400, "/names") // 10,001
	text := strings.Replace(body.String(), `,"last"`, "", 1)
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.http.URL+"/v1/accounts/"+owner.ids["account"]+"/credential-batches", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.AddCookie(&http.Cookie{Name: "signalbox_session", Value: owner.owner.session})
	res, err := s.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	issued := func() (n int) {
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM credentials`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// It comes to a stop by itself, before the end: the same count twice, a second apart.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	stopped := -1
	for n := issued(); n != stopped; n = issued() {
		stopped = n
		<-tick.C
	}
	if stopped > 9000 {
		t.Errorf("%d of 10,000 were issued to a caller who read nothing", stopped)
	}
	lines := 0
	for reader := bufio.NewScanner(res.Body); reader.Scan(); {
		lines++
	}
	if lines != 10_001 {
		t.Errorf("%d lines once the caller read, want 10,001", lines)
	}
	if res.StatusCode != 200 {
		t.Errorf("status = %d", res.StatusCode)
	}
}
