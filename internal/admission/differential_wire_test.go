package admission_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

// transport is a way to reach a server.
type transport struct {
	kind       string // as in JWTs
	path       string // of the WebSocket; "" is none
	leaf, mqtt bool
}

var (
	overTCP        = transport{kind: jwt.ConnectionTypeStandard}
	overPipe       = transport{kind: jwt.ConnectionTypeInProcess}
	overWebSocket  = transport{kind: jwt.ConnectionTypeWebsocket, path: "/"}
	overLeafNode   = transport{kind: jwt.ConnectionTypeLeafnode, leaf: true}
	overLeafNodeWS = transport{kind: jwt.ConnectionTypeLeafnodeWS, path: "/leafnode", leaf: true}
	overMQTT       = transport{kind: jwt.ConnectionTypeMqtt, mqtt: true}
	overMQTTWS     = transport{kind: jwt.ConnectionTypeMqttWS, path: "/mqtt", mqtt: true}
)

// wire is a client's end of a connection. It is spoken by hand: no client
// library sends what these logins send.
type wire struct {
	net.Conn
	in    *bufio.Reader
	nonce string // the server's, unless MQTT
}

// open connects from the address and reads what the server says first.
func (s *site) open(via transport, from, forwardedFor string) (*wire, error) {
	conn, err := s.dial(via, from, forwardedFor)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, in: bufio.NewReader(conn)}
	if err := w.SetDeadline(time.Now().Add(brokertest.Patience)); err != nil {
		return nil, err
	}
	if via.mqtt {
		return w, nil
	}
	line, err := w.line()
	if err != nil {
		return nil, fmt.Errorf("wait for INFO: %w", err)
	}
	var info struct{ Nonce string }
	err = json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info)
	w.nonce = info.Nonce
	return w, err
}

func (s *site) dial(via transport, from, forwardedFor string) (net.Conn, error) {
	if via == overPipe {
		conn, err := s.server.InProcessConn()
		return newPipe(conn), err
	}
	address := s.nats
	switch {
	case via.path != "":
		address = s.ws
	case via.mqtt:
		address = s.mqttTCP
	case via.leaf:
		address = s.leaf
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // tens of thousands of ports would wait otherwise
	if via.path == "" {
		return conn, nil
	}
	return upgrade(conn, via.path, forwardedFor)
}

// line is the next line, without its end.
func (w *wire) line() (string, error) {
	line, err := w.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// until reads lines until one begins with the prefix, or the server closes, and
// returns what was said before that. Payloads are skipped.
func (w *wire) until(prefix string) (lines []string, closed bool) {
	for {
		line, err := w.line()
		if err != nil {
			return lines, true
		}
		if strings.HasPrefix(line, prefix) {
			return lines, false
		}
		lines = append(lines, line)
		if strings.HasPrefix(line, "MSG ") || strings.HasPrefix(line, "LMSG ") {
			size, _ := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
			if _, err := w.in.Discard(size + len("\r\n")); err != nil {
				return lines, true
			}
		}
	}
}

// ask sends the text and a PING and returns what comes before the PONG.
func (w *wire) ask(text string) (lines []string, closed bool) {
	_, _ = io.WriteString(w, text+"PING\r\n") // a server that has closed says why, to be read
	return w.until("PONG")
}

// pipe is an in-process connection that can be written to while nobody reads at
// the other end, as a socket can.
type pipe struct {
	net.Conn
	out  chan []byte
	done chan struct{}
}

func newPipe(conn net.Conn) net.Conn {
	if conn == nil {
		return nil
	}
	p := &pipe{conn, make(chan []byte, 100), make(chan struct{})}
	go func() {
		for {
			select {
			case text := <-p.out:
				_, _ = conn.Write(text)
			case <-p.done:
				return
			}
		}
	}()
	return p
}

func (p *pipe) Write(text []byte) (int, error) {
	p.out <- bytes.Clone(text)
	return len(text), nil
}

func (p *pipe) Close() error {
	close(p.done)
	return p.Conn.Close()
}

// webSocketConn is the client's end of a WebSocket that carries binary frames.
type webSocketConn struct {
	net.Conn
	in   *bufio.Reader
	left uint64 // of the frame being read
}

func upgrade(conn net.Conn, path, forwardedFor string) (net.Conn, error) {
	request := "GET " + path + " HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2lnbmFsYm94IHJ1bGVzIQ==\r\nSec-WebSocket-Protocol: mqtt\r\n"
	if forwardedFor != "" {
		request += "X-Forwarded-For: " + forwardedFor + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.New(answer.Status)
	}
	return &webSocketConn{Conn: conn, in: in}, nil
}

func (c *webSocketConn) Write(text []byte) (int, error) {
	const final, binaryFrame, masked, long = 0x80, 2, 0x80, 127
	frame := []byte{final | binaryFrame, masked | long}
	frame = binary.BigEndian.AppendUint64(frame, uint64(len(text)))
	frame = append(frame, 0, 0, 0, 0) // a mask that changes nothing
	_, err := c.Conn.Write(append(frame, text...))
	return len(text), err
}

func (c *webSocketConn) Read(p []byte) (int, error) {
	for c.left == 0 {
		if err := c.nextFrame(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(uint64(len(p)), c.left)])
	c.left -= uint64(n)
	return n, err
}

func (c *webSocketConn) nextFrame() error {
	const opcode, closing, medium, long = 0x0f, 8, 126, 127
	head := make([]byte, 2, 8)
	if _, err := io.ReadFull(c.in, head); err != nil {
		return err
	}
	if head[0]&opcode == closing {
		return io.EOF
	}
	c.left = uint64(head[1])
	size := map[byte]int{medium: 2, long: 8}[head[1]]
	if size == 0 {
		return nil
	}
	wide := make([]byte, 8)
	_, err := io.ReadFull(c.in, wide[8-size:])
	c.left = binary.BigEndian.Uint64(wide)
	return err
}

// MQTT packets, of version 3.1.1.
const (
	mqttConnect   = 0x10
	mqttConnAck   = 0x20
	mqttPublish   = 0x30
	mqttSubscribe = 0x82
	mqttSubAck    = 0x90
	mqttPing      = 0xc0
	mqttPong      = 0xd0
)

func mqttPacket(kind byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	packet := binary.AppendUvarint([]byte{kind}, uint64(len(body)))
	return append(packet, body...)
}

func mqttText(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// packet reads the next MQTT packet.
func (w *wire) packet() (kind byte, body []byte, err error) {
	if kind, err = w.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(w.in)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, size)
	_, err = io.ReadFull(w.in, body)
	return kind, body, err
}
