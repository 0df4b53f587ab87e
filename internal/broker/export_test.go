package broker

import "context"

// HandOver is what a lame duck does.
func (b *Broker) HandOver(ctx context.Context) { b.handOver(ctx) }
