package tenants

import (
	"fmt"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// BenchmarkLeaseShares is what one ask takes in the ledger, by how many counts it is about.
func BenchmarkLeaseShares(b *testing.B) {
	for _, n := range []int{0, 1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := setup(b)
			w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 10})
			broker := w.asker("b1")
			for b.Loop() {
				var wants []lease.Want
				for i := range n {
					wants = append(wants, lease.Want{Key: lease.UserKey(string(w.account.PublicKey), fmt.Sprint("user", i)), Need: 1, Want: 1})
				}
				broker.ask(wants...)
			}
		})
	}
}
