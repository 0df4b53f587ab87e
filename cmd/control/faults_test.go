//go:build linux

package main

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

// trouble is something that happens to a broker.
type trouble struct {
	begin, end func(tr *trial, w *watched)
	lasts      time.Duration // at least; 0: for some rounds of changes
	apart      bool          // meanwhile no change can come into force at that broker
	reachable  bool          // meanwhile changes do come into force there
	restarts   bool          // the broker's clients lose their connections
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
		begin:     func(_ *trial, w *watched) { cut(w.control) },
		end:       func(_ *trial, w *watched) { mend(w.control) },
		reachable: true,
	},
	"cut off from its peers": {
		begin: func(_ *trial, w *watched) { cut(w.between()) },
		end:   func(_ *trial, w *watched) { mend(w.between()) },

		reachable: true,
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
			tr.wantTried()
		})
	}
}

// The same as above, for a machine that is suspended. To spare two minutes, each
// broker of the three has a cluster in which it is the one.
func TestClustersOutliveAMinutesPauseOfABroker(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 3)
	tr := startTrial(t, f)
	tr.suffer("paused for a minute", trouble{
		begin: func(_ *trial, w *watched) { w.pause() },
		end: func(tr *trial, w *watched) {
			tr.demandAll(w)
			w.resume()
		},
		lasts: time.Minute, apart: true,
	}, tr.watched["c1-1"], tr.watched["c2-2"], tr.watched["c3-3"])
	tr.wantTried()
}

func (tr *trial) suffer(name string, what trouble, victims ...*watched) {
	tr.t.Helper()
	stop := tr.write()
	tr.awaitRounds(5)
	for _, w := range victims {
		w.note(func() { w.suffers = true })
	}
	tr.awaitRounds(1) // the writer may be about to connect there
	for _, w := range victims {
		what.begin(tr, w)
		w.note(func() { w.apart, w.named = what.apart, 0 })
	}
	over := time.After(what.lasts)
	tr.awaitRounds(6)
	<-over
	tr.awaitApplied("while others were "+name, tr.allBut(victims))
	if what.reachable {
		tr.awaitApplied("while it was "+name, victims)
	}
	for _, w := range victims {
		if w.note(func() { w.apart = false }); what.apart && w.named == 0 {
			tr.t.Errorf("%s: no proof named %s as a broker that did not confirm", name, w.name)
		}
		tr.recover(name, what, w)
	}
	tr.awaitRounds(5)
	stop()
	tr.settle("after being " + name)
}

// recover ends what happens to a broker, under the eyes of many who try revoked creds.
func (tr *trial) recover(name string, what trouble, w *watched) {
	tr.t.Helper()
	defer tr.tryOnAndOn(w, 8, 5*time.Millisecond)()
	what.end(tr, w)
	w.awaitReady()
	tr.awaitApplied("after it was "+name, []*watched{w})
	if what.restarts {
		w.steady = tr.mustLogin(w.node, w.pass)
	}
	w.note(func() { w.suffers = false })
}

func (tr *trial) allBut(victims []*watched) []*watched {
	var others []*watched
	for _, w := range tr.watched {
		if !slices.Contains(victims, w) {
			others = append(others, w)
		}
	}
	return others
}

// wantTried fails if a broker had nothing to refuse.
func (tr *trial) wantTried() {
	tr.t.Helper()
	for _, w := range tr.watched {
		var refused int
		if w.note(func() { refused = w.refused }); refused == 0 {
			tr.t.Errorf("%s never refused revoked creds", w.name)
		}
	}
	tr.t.Logf("%d rounds, %d credentials revoked", tr.rounds, len(tr.revoked))
}
