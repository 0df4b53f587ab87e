package broker

import (
	"context"
	"time"
)

// HandOver is what a lame duck does, in so much time.
func (b *Broker) HandOver(ctx context.Context, grace, duration time.Duration) {
	b.lameDuck = lameDuck{grace: grace, duration: duration}
	b.handOver(ctx)
}
