package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// credential is a user JWT and the seed that it is for, or a device login's password.
type credential struct {
	jwt      string
	seed     claims.Seed
	password string // empty: it has a JWT
}

// client is a connection that has logged in, and does nothing else. It costs
// this process next to nothing, so that thousands of them, and thousands of
// logins, measure the servers.
type client struct {
	conn   net.Conn
	in     *bufio.Reader
	closed time.Time // after wait
	ended  chan struct{}
}

// errRefused is what a server says that does not let the client in.
var errRefused = errors.New("the server refused the client")

// dial logs in at host:port.
func dial(address string, c credential) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	cl := &client{conn: conn, in: bufio.NewReaderSize(conn, 2048)}
	if err := cl.logIn(c); err != nil {
		cl.hangUp()
		return nil, err
	}
	return cl, nil
}

func (c *client) logIn(who credential) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	info, err := c.line()
	if err != nil {
		return err
	}
	var hello struct{ Nonce string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(info, "INFO ")), &hello); err != nil {
		return fmt.Errorf("read the server's INFO: %w", err)
	}
	shows, err := who.shows(hello.Nonce)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.conn, `CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1,%s}`+"\r\nPING\r\n", shows)
	if err != nil {
		return err
	}
	for {
		said, err := c.line()
		switch {
		case err != nil:
			return err
		case said == "PONG":
			return c.conn.SetDeadline(time.Time{})
		case strings.HasPrefix(said, "-ERR"):
			return fmt.Errorf("%w: %s", errRefused, said)
		}
	}
}

// shows is what a client says to be let in.
func (c credential) shows(nonce string) (string, error) {
	if c.password != "" {
		return fmt.Sprintf(`"user":%q,"pass":%q`, deviceUser, c.password), nil
	}
	signature, err := c.seed.Sign([]byte(nonce))
	return fmt.Sprintf(`"jwt":%q,"sig":%q`, c.jwt, base64.RawURLEncoding.EncodeToString(signature)), err
}

// line reads a line, whose end is cut off when it is longer than any that matters.
func (c *client) line() (string, error) {
	text, more, err := c.in.ReadLine()
	said := string(text)
	for more && err == nil {
		_, more, err = c.in.ReadLine()
	}
	return said, err
}

// watch answers the server, and notes when it closes the connection.
func (c *client) watch() {
	c.ended = make(chan struct{})
	go func() {
		defer close(c.ended)
		for {
			said, err := c.line()
			if err == nil && said == "PING" {
				_, err = c.conn.Write([]byte("PONG\r\n"))
			}
			if err != nil {
				c.closed = time.Now()
				c.conn.Close()
				return
			}
		}
	}()
}

// wait returns when the server closed the connection that is watched.
func (c *client) wait() (time.Time, error) {
	select {
	case <-c.ended:
		return c.closed, nil
	case <-time.After(patience):
		return time.Time{}, errors.New("the server left the connection open")
	}
}

// hangUp ends the connection with a reset, which leaves no port behind that is
// waiting to be used again.
func (c *client) hangUp() {
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
}

// timeLogin is how long a login takes, in seconds.
func timeLogin(address string, c credential) (float64, error) {
	began := time.Now()
	cl, err := dial(address, c)
	took := time.Since(began).Seconds()
	if err != nil {
		return 0, err
	}
	cl.hangUp()
	return took, nil
}

// inParallel does n things, so many at the same time, and returns the first error.
func inParallel(n, workers int, do func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error { return do(i) })
	}
	return g.Wait()
}
