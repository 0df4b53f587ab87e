package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// clusterFolder is where a clustered JetStream keeps what its servers have agreed
// on, in its system account's folder: which streams there are, and the log of each copy.
const clusterFolder = "_js_"

// bringClusterFolder lets that go along when the broker comes to be in another
// system account. A server that finds nothing there takes every
// stream for an orphan, and deletes them all as soon as most of its peers do, too.
func (b *Broker) bringClusterFolder() error {
	if !b.options.JetStream {
		return nil
	}
	folder := filepath.Join(b.options.StoreDir, jetStreamFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for JetStream's cluster: %w", short(err))
	}
	var found []string
	for _, e := range entries {
		if _, err := claims.ParseAccountKey(e.Name()); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder, e.Name(), clusterFolder)); err == nil {
			found = append(found, e.Name())
		}
	}
	if len(found) == 0 || len(found) == 1 && found[0] == b.identity.SystemAccount {
		return nil
	}
	if len(found) > 1 {
		return fmt.Errorf("JetStream's cluster is in the folders of %d system accounts below %s: take away all but the one that was used last, or streams are lost", len(found), folder)
	}
	if err := os.Rename(filepath.Join(folder, found[0]), filepath.Join(folder, b.identity.SystemAccount)); err != nil {
		return fmt.Errorf("bring JetStream's cluster into the operator's other system account: %w", short(err))
	}
	b.log.Info("JetStream's cluster goes along into the operator's other system account", "from", found[0], "to", b.identity.SystemAccount)
	return nil
}
