//go:build linux

package main

import (
	"errors"
	"os"
	"slices"
	"testing"
)

// trouble is something that happens to one broker at a time.
type trouble struct {
	begin, end func(tr *trial, w *watched)
	apart      bool // meanwhile no change can come into force at that broker
	restarts   bool // the broker's clients lose their connections
}

var troubles = map[string]trouble{
	"killed": {
		begin: func(_ *trial, w *watched) { w.process.kill() },
		end: func(tr *trial, w *watched) {
			tr.demandAll(w)
			w.start()
		},
		apart: true, restarts: true,
	},
	"cut off from control": {
		begin: func(_ *trial, w *watched) { cut(w.control) },
		end:   func(_ *trial, w *watched) { mend(w.control) },
	},
	"cut off from its peers": {
		begin: func(_ *trial, w *watched) { cut(w.between()) },
		end:   func(_ *trial, w *watched) { mend(w.between()) },
	},
	"cut off from control and its peers": {
		begin: func(_ *trial, w *watched) { cut(slices.Concat(w.control, w.between())) },
		end:   func(_ *trial, w *watched) { mend(slices.Concat(w.control, w.between())) },
		apart: true,
	},
	"restored from an old copy": {
		begin: func(tr *trial, w *watched) {
			w.process.stop()
			w.copyStore("accounts", "older")
			w.start()
			w.awaitReady()
			tr.awaitRounds(10)
			tr.awaitApplied("before it is restored", []*watched{w})
		},
		end: func(tr *trial, w *watched) {
			w.process.kill()
			w.copyStore("older", "accounts")
			tr.demandAll(w)
			w.start()
		},
		restarts: true,
	},
	"its disk full": {
		begin: func(_ *trial, w *watched) { w.fillDisk() },
		end:   func(_ *trial, w *watched) { w.emptyDisk() },
		apart: true,
	},
}

// copyStore puts a copy of a folder in the place of another.
func (n *node) copyStore(from, to string) {
	n.t.Helper()
	if err := errors.Join(os.RemoveAll(n.file(to)), os.CopyFS(n.file(to), os.DirFS(n.file(from)))); err != nil {
		n.t.Fatal(err)
	}
}

// From the moment that it recovers, no broker lets revoked creds in, nothing
// acknowledged is lost, and what the API said of brokers was true all along.
func TestClusterOutlivesWhatHappensToOneBroker(t *testing.T) {
	t.Parallel()
	for name, what := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFleet(t, 1)
			tr := startTrial(t, f)
			for _, n := range f.brokers {
				tr.suffer(name, what, tr.watched[n.name])
			}
			for _, w := range tr.watched {
				if w.refused == 0 {
					t.Errorf("%s never refused revoked creds", w.name)
				}
			}
			t.Logf("%d rounds, %d credentials revoked", tr.rounds, len(tr.revoked))
		})
	}
}

func (tr *trial) suffer(name string, what trouble, w *watched) {
	tr.t.Helper()
	stop := tr.write()
	tr.awaitRounds(5)
	w.note(func() { w.suffers = true })
	tr.awaitRounds(1) // the writer may be about to connect there
	what.begin(tr, w)
	w.note(func() { w.apart, w.named = what.apart, 0 })
	tr.awaitRounds(6)
	tr.awaitApplied("while "+w.name+" is "+name, tr.others(w))
	if w.note(func() { w.apart = false }); what.apart && w.named == 0 {
		tr.t.Errorf("%s: no proof named %s as a broker that did not confirm", name, w.name)
	}
	what.end(tr, w)
	w.awaitReady()
	tr.awaitApplied("after it was "+name, []*watched{w})
	if what.restarts {
		w.steady = tr.mustLogin(w.node, w.pass)
	}
	w.note(func() { w.suffers = false })
	tr.awaitRounds(5)
	stop()
	tr.settle("after " + w.name + " was " + name)
}

// others are the brokers that do not suffer.
func (tr *trial) others(than *watched) []*watched {
	var others []*watched
	for _, w := range tr.watched {
		if w != than {
			others = append(others, w)
		}
	}
	return others
}
