package claims_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// storage is JetStream with so many bytes of disk and streams, and nothing else bounded.
func storage(disk, streams int64) claims.JetStreamLimits {
	l := claims.UnlimitedJetStream()
	l.DiskBytes, l.Streams = disk, streams
	return l
}

// limited are limits with that JetStream.
func limited(js claims.JetStreamLimits, tiers claims.JetStreamTiers) claims.Limits {
	l := claims.UnlimitedLimits()
	l.JetStream, l.Tiers = js, tiers
	return l
}

func TestLimitsAreLoweredToWhatThereIs(t *testing.T) {
	t.Parallel()
	var none claims.JetStreamLimits
	var flat claims.JetStreamTiers
	for name, c := range map[string]struct {
		limits, most, want claims.Limits
		beyond             []string
	}{
		"common by common": {
			limited(storage(100, -1), flat), limited(storage(50, 10), flat), limited(storage(50, 10), flat),
			[]string{"/jetstream/disk_bytes", "/jetstream/streams"},
		},
		"less than there is": {
			limited(storage(10, 1), flat), limited(storage(50, 10), flat), limited(storage(10, 1), flat), nil,
		},
		"tier by tier": {
			limited(none, claims.JetStreamTiers{R1: storage(10, -1), R3: storage(10, 1)}), limited(none, claims.JetStreamTiers{R1: storage(5, 5)}),
			limited(none, claims.JetStreamTiers{R1: storage(5, 5)}),
			[]string{"/jetstream/tiers/r1/disk_bytes", "/jetstream/tiers/r1/streams",
				"/jetstream/tiers/r3/memory_bytes", "/jetstream/tiers/r3/disk_bytes", "/jetstream/tiers/r3/streams", "/jetstream/tiers/r3/consumers",
				"/jetstream/tiers/r3/ack_pending", "/jetstream/tiers/r3/memory_max_stream_bytes", "/jetstream/tiers/r3/disk_max_stream_bytes"},
		},
		"common by tiers": {
			limited(storage(10, -1), flat), limited(none, claims.JetStreamTiers{R1: storage(5, 5), R3: storage(50, 5)}),
			limited(none, claims.JetStreamTiers{R1: storage(5, 5), R3: storage(10, 5)}), []string{"/jetstream"},
		},
		"tiers together by common": {
			limited(none, claims.JetStreamTiers{R1: storage(30, 2), R3: storage(90, 2)}), limited(storage(100, 4), flat),
			limited(none, claims.JetStreamTiers{R1: storage(25, 2), R3: storage(75, 2)}), []string{"/jetstream/tiers"},
		},
		"a tier by common": {
			limited(none, claims.JetStreamTiers{R3: storage(-1, 2)}), limited(storage(100, 4), flat),
			limited(none, claims.JetStreamTiers{R3: storage(100, 2)}), []string{"/jetstream/tiers/r3/disk_bytes"},
		},
		"no JetStream to be had": {
			limited(storage(10, 1), flat), limited(none, flat), limited(none, flat),
			[]string{"/jetstream/memory_bytes", "/jetstream/disk_bytes", "/jetstream/streams", "/jetstream/consumers", "/jetstream/ack_pending",
				"/jetstream/memory_max_stream_bytes", "/jetstream/disk_max_stream_bytes"},
		},
		"no JetStream wanted": {limited(none, flat), limited(storage(1, 1), flat), limited(none, flat), nil},
	} {
		if got := c.limits.Within(c.most); got != c.want {
			t.Errorf("%s: (-want +got):\n%s", name, cmp.Diff(c.want, got))
		}
		if diff := cmp.Diff(c.beyond, pointers(c.limits.Beyond(c.most))); diff != "" {
			t.Errorf("%s: beyond (-want +got):\n%s", name, diff)
		}
		if err := c.limits.Within(c.most).Beyond(c.most); err != nil {
			t.Errorf("%s: lowered, and beyond still: %v", name, err)
		}
		if err := c.limits.Within(c.most).Validate(); err != nil {
			t.Errorf("%s: lowered to what is not valid: %v", name, err)
		}
	}
}

func TestEveryLimitIsLoweredAndReported(t *testing.T) {
	t.Parallel()
	most := claims.Limits{
		Connections: 1, LeafNodes: 2, Subscriptions: 3, PayloadBytes: 4, DataBytes: 5, Exports: 6, Imports: 7,
		JetStream: claims.JetStreamLimits{
			MemoryBytes: 8, DiskBytes: 9, Streams: 10, Consumers: 11, AckPending: 12,
			MemoryMaxStreamBytes: 13, DiskMaxStreamBytes: 14, MaxBytesRequired: true,
		},
	}
	if got := claims.UnlimitedLimits().Within(most); got != most {
		t.Errorf("(-want +got):\n%s", cmp.Diff(most, got))
	}
	want := []string{
		"/connections", "/leaf_nodes", "/subscriptions", "/payload_bytes", "/data_bytes", "/exports", "/imports", "/wildcard_exports", "/bearer",
		"/jetstream/memory_bytes", "/jetstream/disk_bytes", "/jetstream/streams", "/jetstream/consumers", "/jetstream/ack_pending",
		"/jetstream/memory_max_stream_bytes", "/jetstream/disk_max_stream_bytes", "/jetstream/max_bytes_required",
	}
	if diff := cmp.Diff(want, pointers(claims.UnlimitedLimits().Beyond(most))); diff != "" {
		t.Errorf("beyond (-want +got):\n%s", diff)
	}
	if err := most.Beyond(claims.UnlimitedLimits()); err != nil || most.Within(claims.UnlimitedLimits()) != most {
		t.Errorf("what is less was lowered: %v", err)
	}
}
