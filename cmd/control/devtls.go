package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	handshakeWithin = 10 * time.Second
	beginsWithin    = 50 * time.Millisecond // who begins with TLS has by then
)

// tlsFront ends TLS in front of a listener of the broker that is plain, since
// nats-server has no second one of its kind. It is for one machine: the broker
// sees its address, which is the clients' anyway.
type tlsFront struct {
	listen, to string
	// The server says a first line before TLS, unless the client begins with TLS.
	serverBegins bool
	config       *tls.Config
}

// run serves until ctx ends, and then ends the connections.
func (f *tlsFront) run(ctx context.Context) error {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen for TLS: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var connections sync.WaitGroup
	defer connections.Wait()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			cancel()
			return fmt.Errorf("accept for TLS: %w", err)
		}
		connections.Go(func() { f.carry(ctx, client) })
	}
}

// carry ends with either end of the connection, or ctx.
func (f *tlsFront) carry(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", f.to)
	if err != nil {
		return // the broker is being started again
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	behind := bufio.NewReader(server)
	before := bufio.NewReader(client)
	var inClear bool
	if f.serverBegins {
		if inClear, err = waits(client, before); err == nil && inClear {
			err = sayFirst(client, behind)
		}
		if err != nil {
			return
		}
	}
	secure := tls.Server(buffered{client, before}, f.config)
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	err = secure.HandshakeContext(ctx)
	cancel()
	if err == nil && f.serverBegins && !inClear {
		err = sayFirst(secure, behind)
	}
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, secure)
		server.Close()
	}()
	_, _ = io.Copy(secure, behind)
}

// waits reports whether the client waits for the server's first line.
func waits(client net.Conn, before *bufio.Reader) (bool, error) {
	if err := client.SetReadDeadline(time.Now().Add(beginsWithin)); err != nil {
		return false, err
	}
	_, err := before.Peek(1)
	waits := errors.Is(err, os.ErrDeadlineExceeded)
	if waits {
		err = nil
	}
	return waits, errors.Join(err, client.SetReadDeadline(time.Time{}))
}

// sayFirst hands the server's first line on.
func sayFirst(client io.Writer, behind *bufio.Reader) error {
	line, err := behind.ReadBytes('\n')
	if err != nil {
		return err
	}
	if line, err = wantTLS(line); err == nil {
		_, err = client.Write(line)
	}
	return err
}

// wantTLS has the server's first line want TLS, and name no other address,
// where there is none.
func wantTLS(line []byte) ([]byte, error) {
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var info map[string]json.RawMessage
	if !ok || json.Unmarshal(text, &info) != nil {
		return nil, errors.New("this is not how a server begins")
	}
	info["tls_required"] = json.RawMessage("true")
	for _, elsewhere := range []string{"connect_urls", "leafnode_urls"} {
		delete(info, elsewhere)
	}
	text, err := json.Marshal(info)
	return slices.Concat([]byte("INFO "), text, []byte("\r\n")), err
}

// buffered reads what has been read ahead first.
type buffered struct {
	net.Conn
	ahead *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.ahead.Read(p) }
