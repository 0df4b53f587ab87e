package broker_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func TestFilesThatCannotBeErasedAreSaidAndTriedAgain(t *testing.T) {
	t.Parallel()
	c := brokertest.Start(t, 1)
	node := c.Nodes[0]
	doomed := c.Control.NewAccount("doomed")
	c.WaitApplied(doomed.Change(nil))
	fill(t, node.ClientURL(), doomed, nats.StreamConfig{Name: "FILE", Subjects: []string{"file.>"}})
	release := brokertest.Immovable(t, filepath.Join(stored(node, doomed.Key), "streams", "FILE", "msgs"))
	revision := doomed.Delete()
	c.Control.WaitDisk(node, "to say why it cannot", func(r resolver.DiskReport) bool {
		return len(r.Found) == 1 && strings.Contains(r.Found[0].Error, "operation not permitted") && !strings.Contains(r.Found[0].Error, node.Dir)
	})
	release()
	c.Control.WaitDisk(node, "to have erased it", erased(revision))
	if holds(t, stored(node, doomed.Key)) {
		t.Error("files of the deleted account are left")
	}
}
