package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// wire is a way to a TCP port that can be cut and mended. While it is cut
// nothing gets through and nobody is told, as when a network loses every
// packet: connections stay open, what is sent waits, new ones are not answered.
type wire struct {
	listener net.Listener
	to       string

	mu       sync.Mutex
	whole    chan struct{} // closed while the wire is whole
	ended    bool
	carriers sync.WaitGroup
	conns    []net.Conn
}

// newWire leads from a free port to that one until the test ends.
func newWire(t *testing.T, port string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: "127.0.0.1:" + port, whole: make(chan struct{})}
	close(w.whole)
	w.carriers.Go(w.serve)
	t.Cleanup(w.end)
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = make(chan struct{})
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.whole)
}

// pass waits until the wire is whole.
func (w *wire) pass() {
	w.mu.Lock()
	whole := w.whole
	w.mu.Unlock()
	<-whole
}

func (w *wire) serve() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.carriers.Go(func() { w.connect(from) })
	}
}

func (w *wire) connect(from net.Conn) {
	w.pass()
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		from.Close()
		return
	}
	if !w.keep(from, to) {
		return
	}
	w.carriers.Go(func() { w.carry(from, to) })
	w.carry(to, from)
}

// keep remembers connections that are to end with the wire.
func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
	if w.ended {
		closeAll(conns)
	}
	return !w.ended
}

// carry takes what one side says to the other, its end included.
func (w *wire) carry(from, to net.Conn) {
	defer closeAll([]net.Conn{from, to})
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.pass()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (w *wire) end() {
	w.listener.Close()
	w.mu.Lock()
	w.ended = true
	closeAll(w.conns)
	select {
	case <-w.whole:
	default:
		close(w.whole)
	}
	w.mu.Unlock()
	w.carriers.Wait()
}

func closeAll[C io.Closer](all []C) {
	for _, c := range all {
		c.Close()
	}
}

func cut(wires []*wire) {
	for _, w := range wires {
		w.cut()
	}
}

func mend(wires []*wire) {
	for _, w := range wires {
		w.mend()
	}
}
