package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const enrollmentToken = "sbe_enrolment-token-of-the-bench"

// installation is control with a database of its own, and a customer who has signed up.
type installation struct {
	bench    *bench
	dir      string
	db       *pgxpool.Pool
	env      []string
	port     string
	control  *process
	operator *operator
	nodes    []*node // stopped with the rest
	everyWay bool    // servers have listeners for every kind of client
	tenant   string
	token    string // of the API
	http     *http.Client
}

// install makes a database and starts control on it.
func (b *bench) install(ctx context.Context, name string) (_ *installation, err error) {
	i := &installation{bench: b, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("install: %w", err), i.close())
		}
	}()
	if i.dir, err = b.folder(name); err != nil {
		return nil, err
	}
	if err := b.administer(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	url := b.postgres.URLFor(name)
	if i.db, err = pgxpool.New(ctx, url); err != nil {
		return nil, err
	}
	master, err := keyring.GenerateMaster()
	if err != nil {
		return nil, err
	}
	i.env = []string{"DATABASE_URL=" + url, "SIGNALBOX_MASTER_KEY=" + string(master), "SIGNALBOX_ENROLLMENT_TOKEN=" + enrollmentToken}
	if i.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := i.startControl(ctx); err != nil {
		return nil, err
	}
	if i.operator, err = readOperator(ctx, i.db, master); err != nil {
		return nil, err
	}
	return i, i.signUp(ctx)
}

func (i *installation) startControl(ctx context.Context) (err error) {
	i.control, err = startProcess(i.dir, "control", i.env, filepath.Join(i.bench.bin, "control"), "serve", "--listen", "127.0.0.1:"+i.port)
	if err != nil {
		return err
	}
	return i.control.await(ctx, "control", 5*time.Millisecond, func() error { return i.call(ctx, "GET", "/readyz", nil, nil) })
}

// close stops all of it, and drops the database. Folders stay until the run ends.
func (i *installation) close() error {
	for _, n := range i.nodes {
		n.stop()
	}
	i.control.stop()
	if i.db == nil {
		return nil
	}
	i.db.Close()
	return i.bench.administer(context.Background(), "DROP DATABASE "+filepath.Base(i.dir)+" WITH (FORCE)")
}

// administer runs one statement beside all databases.
func (b *bench) administer(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, b.postgres.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// signUp makes a tenant that its plan does not limit, and a token for its API.
func (i *installation) signUp(ctx context.Context) error {
	_, err := i.db.Exec(ctx, `UPDATE plans SET max_accounts = -1, max_roles = -1, max_users = -1, account_limits = $1`, limits())
	if err != nil {
		return fmt.Errorf("lift the plan's limits: %w", err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	i.http.Jar = jar
	var me struct {
		Memberships []struct {
			TenantID string `json:"tenant_id"`
		}
	}
	in := map[string]string{"email": "bench@example.com", "password": "correct horse battery", "tenant_name": "Bench"}
	if err := i.call(ctx, "POST", "/v1/sign-up", in, &me); err != nil {
		return err
	}
	i.tenant = me.Memberships[0].TenantID
	var made struct{ Token string }
	in = map[string]string{"name": "bench", "role": "admin"}
	if err := i.call(ctx, "POST", "/v1/tenants/"+i.tenant+"/api-tokens", in, &made); err != nil {
		return err
	}
	i.token, i.http.Jar = made.Token, nil
	return nil
}

// call sends a request that has to work, and decodes the answer into out unless that is nil.
func (i *installation) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+i.port+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if i.token != "" {
		req.Header.Set("Authorization", "Bearer "+i.token)
	}
	res, err := i.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// newNode is newNode with the listeners that the installation's servers have.
func (i *installation) newNode(dir string, c *cluster) (*node, error) {
	n, err := newNode(dir, c)
	if err == nil && i.everyWay {
		err = n.listenEverywhere()
	}
	return n, err
}

// newBroker is a broker that is not started yet, nor enrolled.
func (i *installation) newBroker(name string, c *cluster) (*node, error) {
	dir, err := i.bench.folder(filepath.Join(filepath.Base(i.dir), name))
	if err != nil {
		return nil, err
	}
	n, err := i.newNode(dir, c)
	if err != nil {
		return nil, err
	}
	config, err := n.writeConfig("")
	if err != nil {
		return nil, err
	}
	n.env = []string{"SIGNALBOX_TOKEN=" + enrollmentToken}
	n.command = []string{filepath.Join(i.bench.bin, "broker"), "--control", "http://127.0.0.1:" + i.port,
		"--data", filepath.Join(dir, "data"), "-c", config}
	i.nodes = append(i.nodes, n)
	return n, nil
}

// head is the operator's revision.
func (i *installation) head(ctx context.Context) (revision int64, err error) {
	err = i.db.QueryRow(ctx, `SELECT revision FROM feeds WHERE operator_id = $1`, i.operator.id).Scan(&revision)
	return revision, err
}

// catchesUp waits until the broker has everything in force that was committed,
// and control knows. Asking the broker would cost it more than the work does.
func (i *installation) catchesUp(ctx context.Context, n *node) error {
	head, err := i.head(ctx)
	if err != nil {
		return err
	}
	return n.await(ctx, fmt.Sprintf("revision %d", head), 2*time.Millisecond, func() error {
		var applied int64
		err := i.db.QueryRow(ctx, `
			SELECT receipts.applied
			FROM receipts
			JOIN brokers ON brokers.public_key = receipts.broker_key
			WHERE brokers.name = $1`, n.name()).Scan(&applied)
		if err == nil && applied < head {
			err = fmt.Errorf("it has applied revision %d", applied)
		}
		return err
	})
}

// insert commits accounts that control did not make, each as one change.
func (i *installation) insert(ctx context.Context, accounts []*account) error {
	return i.change(ctx, accounts, func(tx pgx.Tx, after int64) error {
		now := time.Now()
		columns := []string{"id", "tenant_id", "operator_id", "name", "public_key", "sealed_seed", "limits", "jwt", "revision", "created_at", "updated_at"}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"accounts"}, columns, pgx.CopyFromSlice(len(accounts), func(n int) ([]any, error) {
			a := accounts[n]
			return []any{tenants.NewID[string]("acc"), i.tenant, i.operator.id, a.Name, string(a.Key), []byte{}, a.Limits, a.jwt,
				after + int64(n) + 1, now, now}, nil
		}))
		if err != nil {
			return err
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"feed_changes"}, []string{"operator_id", "account_key", "revision"},
			pgx.CopyFromSlice(len(accounts), func(n int) ([]any, error) {
				return []any{i.operator.id, string(accounts[n].Key), after + int64(n) + 1}, nil
			}))
		return err
	})
}

// update commits the accounts' new JWTs.
func (i *installation) update(ctx context.Context, accounts []*account) error {
	return i.change(ctx, accounts, func(tx pgx.Tx, after int64) error {
		var batch pgx.Batch
		for n, a := range accounts {
			revision := after + int64(n) + 1
			batch.Queue(`UPDATE accounts SET jwt = $2, revision = $3 WHERE public_key = $1`, string(a.Key), a.jwt, revision)
			batch.Queue(`UPDATE feed_changes SET revision = $2 WHERE account_key = $1 AND operator_id = $3`, string(a.Key), revision, i.operator.id)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// giveDevices commits a device login for each of the accounts.
func (i *installation) giveDevices(ctx context.Context, accounts []*account) ([]credential, error) {
	devices, pages := make([]credential, len(accounts)), make([]claims.LoginPage, len(accounts))
	err := inParallel(len(accounts), runtime.NumCPU(), func(n int) (err error) {
		if devices[n], pages[n], err = accounts[n].newDevice(); err != nil {
			return err
		}
		return i.operator.sign(accounts[n])
	})
	if err != nil {
		return nil, err
	}
	var batch pgx.Batch
	for n, a := range accounts {
		batch.Queue(`
			INSERT INTO login_pages (tenant_id, account_id, number, records, created_at, updated_at)
			SELECT tenant_id, id, 0, $2, now(), now()
			FROM accounts
			WHERE public_key = $1`, string(a.Key), pages[n].Bytes())
	}
	if err := i.db.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("insert pages of device logins: %w", err)
	}
	return devices, i.update(ctx, accounts)
}

// change gives so many revisions to what write does, the first of them after
// the one it is told.
func (i *installation) change(ctx context.Context, accounts []*account, write func(tx pgx.Tx, after int64) error) error {
	return pgx.BeginFunc(ctx, i.db, func(tx pgx.Tx) error {
		var after int64
		err := tx.QueryRow(ctx, `UPDATE feeds SET revision = revision + $2 WHERE operator_id = $1 RETURNING revision - $2`,
			i.operator.id, len(accounts)).Scan(&after)
		if err != nil {
			return err
		}
		return write(tx, after)
	})
}
