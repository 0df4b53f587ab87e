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

// front leads to a listener of the broker from a second port, which nats-server
// does not have: it ends TLS before one that is plain, or leaves plain clients
// plain before one that would offer them TLS. It is for one machine: the broker sees
// its address, which is the clients' anyway.
type front struct {
	listen, to string
	// The server says a first line before TLS, unless the client begins with TLS.
	serverBegins bool
	config       *tls.Config // nil: clients are plain
}

// run serves until ctx ends, and then ends the connections.
func (f *front) run(ctx context.Context) error {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen in front of the broker: %w", err)
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
			return fmt.Errorf("accept in front of the broker: %w", err)
		}
		connections.Go(func() { f.carry(ctx, client) })
	}
}

// carry ends with either end of the connection, or ctx.
func (f *front) carry(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", f.to)
	if err != nil {
		return // the broker is being started again
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	behind := bufio.NewReader(server)
	if f.config == nil {
		err = sayFirst(client, behind, false)
	} else {
		client, err = f.secure(ctx, client, behind)
	}
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, behind)
}

// secure answers the client's connection over TLS.
func (f *front) secure(ctx context.Context, client net.Conn, behind *bufio.Reader) (net.Conn, error) {
	before := bufio.NewReader(client)
	inClear := false
	if f.serverBegins {
		var err error
		if inClear, err = waits(client, before); err == nil && inClear {
			err = sayFirst(client, behind, true)
		}
		if err != nil {
			return nil, err
		}
	}
	secure := tls.Server(buffered{client, before}, f.config)
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	defer cancel()
	err := secure.HandshakeContext(ctx)
	if err == nil && f.serverBegins && !inClear {
		err = sayFirst(secure, behind, true)
	}
	return secure, err
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

// sayFirst hands the server's first line on, which wants TLS or knows of none.
func sayFirst(client io.Writer, behind *bufio.Reader, secure bool) error {
	line, err := behind.ReadBytes('\n')
	if err != nil {
		return err
	}
	if line, err = about(line, secure); err == nil {
		_, err = client.Write(line)
	}
	return err
}

// about has the server's first line say about TLS what holds in front of it, and
// name no other address, where that does not.
func about(line []byte, secure bool) ([]byte, error) {
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var info map[string]json.RawMessage
	if !ok || json.Unmarshal(text, &info) != nil {
		return nil, errors.New("this is not how a server begins")
	}
	for _, name := range []string{"tls_required", "tls_available", "connect_urls", "leafnode_urls"} {
		delete(info, name)
	}
	if secure {
		info["tls_required"] = json.RawMessage("true")
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
