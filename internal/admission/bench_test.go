package admission_test

import (
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

// BenchmarkLogin logs in to accounts that are in use already, from as many
// clients at once as there are cores, on a broker and on a stock server.
func BenchmarkLogin(b *testing.B) {
	const accounts = 100
	cluster := brokertest.Start(b, 1)
	node := cluster.Nodes[0]
	stored := map[string]string{}
	var users []brokertest.Credential
	var devices []string // their tokens
	for i := range accounts {
		account := cluster.Control.NewAccount(fmt.Sprintf("account-%d", i))
		secret, login := account.NewSecret(), account.NewLogin("device")
		login.Digest = secret.Digest()
		devices = append(devices, secret.Reveal())
		node.WaitApplied(account.SetLogins(login))
		stored[string(account.Key)] = account.Edit(nil)
		users = append(users, account.Issue("app"))
	}
	servers := map[string]*server.Server{"stock": stock(b, cluster.Control, stored), "signalbox": node.Server()}
	byCreds := func(url string) func(i int) (*nats.Conn, error) {
		return func(i int) (*nats.Conn, error) { return users[i].Dial(url, nats.SetCustomDialer(abortive{})) }
	}
	byToken := func(i int) (*nats.Conn, error) {
		return nats.Connect(node.ClientURL(), nats.Token(devices[i]), nats.NoReconnect(), nats.Timeout(brokertest.Patience), nats.SetCustomDialer(abortive{}))
	}
	logins := map[string]func(i int) (*nats.Conn, error){
		"stock": byCreds(servers["stock"].ClientURL()), "signalbox": byCreds(node.ClientURL()), "signalbox by token": byToken,
	}
	for _, name := range []string{"stock", "signalbox", "signalbox by token"} {
		if s := servers[name]; s != nil {
			for _, user := range users {
				user.Connect(b, s.ClientURL())
			}
		}
		b.Run(name, func(b *testing.B) {
			var next atomic.Int64
			before := cpuTime(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					nc, err := logins[name](int(next.Add(1)) % accounts)
					if err != nil {
						b.Error(err)
						return
					}
					nc.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/login")
		})
	}
}

// cpuTime is what this process has used: the clients' part, too, but not what
// else runs on the machine.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// abortive dials connections that leave no port behind in TIME_WAIT.
type abortive struct{}

func (abortive) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.SetLinger(0)
	}
	return conn, err
}
