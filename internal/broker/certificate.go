package broker

import (
	"crypto/tls"
	"encoding/asn1"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// lookAgain is how often a certificate's files are looked at, when clients come.
const lookAgain = time.Second

// certificate is a listener's own, read again when its files change: they are
// renewed more often than brokers are restarted.
type certificate struct {
	listener  string
	cert, key string // files
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	read    [2]stamp // of the files when they were last read, well or not
}

// stamp tells one content of a file from the next.
type stamp struct {
	changed time.Time
	size    int64
}

// followCertificates has the listeners of clients go by their files. It leaves
// alone what nats-server has more to do with than to show it: certificates that
// must come with a stapled answer, and those that are not one pair of files.
func followCertificates(o *server.Options, log *slog.Logger) []*certificate {
	var all []*certificate
	for _, l := range []struct {
		name    string
		config  *tls.Config
		options any // that hold what the file says
	}{{"nats", o.TLSConfig, o}, {"websocket", o.Websocket.TLSConfig, &o.Websocket}, {"mqtt", o.MQTT.TLSConfig, &o.MQTT}, {"leafnodes", o.LeafNode.TLSConfig, &o.LeafNode}} {
		if l.config == nil || len(l.config.Certificates) != 1 || o.OCSPConfig != nil || mustStaple(l.config.Certificates[0]) {
			continue
		}
		said := reflect.ValueOf(l.options).Elem().FieldByName("tlsConfigOpts") // nats-server keeps it to itself
		if !said.IsValid() || said.IsNil() {
			continue
		}
		c := &certificate{listener: l.name, cert: said.Elem().FieldByName("CertFile").String(), key: said.Elem().FieldByName("KeyFile").String(), log: log}
		if c.cert == "" || c.key == "" {
			continue
		}
		c.current, c.looked, c.read = &l.config.Certificates[0], time.Now(), c.stamps()
		l.config.Certificates, l.config.GetCertificate = nil, c.get
		all = append(all, c)
	}
	return all
}

var featureExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24} // RFC 7633

func mustStaple(c tls.Certificate) bool {
	if c.Leaf == nil {
		return true // who knows
	}
	for _, e := range c.Leaf.Extensions {
		if e.Id.Equal(featureExtension) {
			return true
		}
	}
	return false
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookAgain {
		c.looked = time.Now()
		c.look()
	}
	return c.current, nil
}

// look takes what the files hold now, if that is a certificate and its key. They
// may be in the middle of being replaced.
func (c *certificate) look() {
	now := c.stamps()
	if now == c.read {
		return
	}
	c.read = now
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Error("cannot read the certificate again; the one before stays", "listener", c.listener, "error", fmt.Errorf("read %s: %w", c.cert, err))
		return
	}
	c.current = &pair
	c.log.Info("the certificate is another", "listener", c.listener, "expires", pair.Leaf.NotAfter)
}

func (c *certificate) stamps() (s [2]stamp) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// expires is when what clients are shown does.
func (c *certificate) expires() time.Time {
	now, _ := c.get(nil) // never fails
	return now.Leaf.NotAfter
}
