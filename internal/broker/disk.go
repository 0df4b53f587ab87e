package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// jetStreamFolder is what nats-server appends to its store_dir (server.JetStreamStoreDir).
const jetStreamFolder = server.JetStreamStoreDir

const streamsFolder = "streams" // of an account, with a folder for each

// disk is the folder in which the server keeps a folder for each account that has
// streams. Everything is done through an [os.Root], so that nothing outside of
// it can be reached, by whatever name or link.
type disk struct {
	folder   string                            // empty: this broker keeps none
	system   string                            // the system account, whose folder is JetStream's own
	open     func(account string) bool         // whether the server has the account's streams open
	assigned func(account, stream string) bool // whether the cluster means this server to have the stream
}

func (b *Broker) useDisk() {
	d := disk{system: b.identity.SystemAccount, open: b.hasOpen, assigned: b.server.JetStreamIsStreamAssigned}
	if b.options.StoreDir != "" {
		d.folder = filepath.Join(b.options.StoreDir, jetStreamFolder)
	}
	if c := b.server.JetStreamConfig(); c != nil {
		d.folder = c.StoreDir
	}
	b.follower.UseDisk(resolver.Disk{Clustered: b.server.JetStreamIsClustered, Current: b.jetStreamIsCurrent, Accounts: d.accounts, Size: d.size, Erase: d.erase})
}

// hasOpen says whether JetStream is on for the account: a tombstone turns it off.
func (b *Broker) hasOpen(account string) bool {
	_, err := b.server.JszAccount(&server.JSzOptions{Account: account})
	return err == nil
}

func (b *Broker) jetStreamIsCurrent() bool {
	return !b.server.JetStreamIsClustered() || b.server.JetStreamIsCurrent()
}

// root fails with fs.ErrNotExist when there is no folder.
func (d disk) root() (*os.Root, error) {
	if d.folder == "" {
		return nil, fs.ErrNotExist
	}
	return os.OpenRoot(d.folder)
}

// accounts are those that have a folder.
func (d disk) accounts() ([]string, error) {
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, short(err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, short(err)
	}
	var accounts []string
	for _, e := range entries {
		if d.check(e.Name()) == nil {
			accounts = append(accounts, e.Name())
		}
	}
	return accounts, nil
}

// check refuses whatever is not a tenant account's public key.
func (d disk) check(account string) error {
	if _, err := claims.ParseAccountKey(account); err != nil {
		return err
	}
	if account == d.system {
		return errors.New("the system account is not a tenant's")
	}
	return nil
}

// size adds up the account's files.
func (d disk) size(account string) (bytes int64, there bool, err error) {
	if err := d.check(account); err != nil {
		return 0, false, err
	}
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, short(err)
	}
	defer root.Close()
	if _, err := root.Lstat(account); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	err = fs.WalkDir(root.FS(), account, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
		}
		return ignoreGone(err)
	})
	return bytes, true, short(err)
}

// ignoreGone is for files that vanish while they are being looked at.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// erase removes the account's folder with all that is in it.
func (d disk) erase(account string) error {
	if err := d.check(account); err != nil {
		return err
	}
	if d.open(account) {
		return errors.New("the server has not closed the account's streams yet")
	}
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return short(err)
	}
	defer root.Close()
	streams, err := fs.ReadDir(root.FS(), path.Join(account, streamsFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return short(err)
	}
	for _, stream := range streams {
		if d.assigned(account, stream.Name()) { // its Raft log is elsewhere, and goes with the assignment
			return errors.New("the cluster's JetStream has not deleted the account's streams yet")
		}
	}
	return short(root.RemoveAll(account))
}

// short leaves out the path of what went wrong: tenants read it.
func short(err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", failed.Op, failed.Err)
	}
	return err
}
