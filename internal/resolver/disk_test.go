package resolver

import (
	"strconv"
	"testing"
)

// A broker that catches up with a million tombstones does not remember them all:
// it looks at what is there instead.
func TestManyGravesAreLookedForInTheFolder(t *testing.T) {
	t.Parallel()
	g := newGraves()
	g.take() // after a start everything is looked at
	g.add("one", 7)
	if accounts, all, need := g.take(); len(accounts) != 1 || all || need != 7 {
		t.Errorf("accounts %v, all %t, need %d", accounts, all, need)
	}
	for i := range maxGraves + 2 {
		g.add(strconv.Itoa(i), Revision(10+i))
	}
	if accounts, all, need := g.take(); len(accounts) > maxGraves || !all || need != 10+maxGraves+1 {
		t.Errorf("%d accounts, all %t, need %d", len(accounts), all, need)
	}
}
