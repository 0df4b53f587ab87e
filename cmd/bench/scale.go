package main

import "time"

// scale is how much of everything a run measures. What is counted for the stock
// server alone is what would take it too long otherwise.
type scale struct {
	stored      int // accounts that a server has when it starts
	starts      int
	stockStarts int

	missed       int // changes while a broker is away
	misses       int
	stockMissed  int           // accounts of the stock servers that missed something
	stockCompare time.Duration // between two comparisons of their accounts; 0 is their default, a minute

	unknowns      int // logins to accounts that are not there
	stockUnknowns int

	clients int           // at the same time, where many are
	warm    int           // accounts that are logged in to again and again
	rounds  int           // of what is measured as a rate
	round   time.Duration // each, of what is not done so many times
	loaded  int           // accounts in use
	firsts  int           // first logins

	samples      int // revocations
	stockSamples int // of those that take it long
	revoked      int // credentials that were revoked before
	others       int // clients of the account that are not concerned

	pushes int // changes in one round
	bulk   int // changes in one catch-up

	streams    int // rounds of messages
	messages   int // in one round
	idle       int // connections that do nothing
	idleRounds int
}

var scales = map[string]scale{
	"full": {
		stored: 1_000_000, starts: 10, stockStarts: 1,
		missed: 1000, misses: 10, stockMissed: 100_000,
		unknowns: 200, stockUnknowns: 5,
		warm: 1000, rounds: 10, round: 3 * time.Second, loaded: 10_000, firsts: 200, clients: 32,
		revoked: 10_000, others: 5000, samples: 100, stockSamples: 20,
		pushes: 5000, bulk: 20_000, streams: 30, messages: 500_000, idle: 5000, idleRounds: 3,
	},
	"small": {
		stored: 20_000, starts: 5, stockStarts: 2,
		missed: 1000, misses: 5, stockMissed: 10_000, stockCompare: 5 * time.Second,
		unknowns: 50, stockUnknowns: 3,
		warm: 200, rounds: 5, round: time.Second, loaded: 1000, firsts: 50, clients: 32,
		revoked: 2000, others: 500, samples: 40, stockSamples: 10,
		pushes: 1000, bulk: 5000, streams: 15, messages: 200_000, idle: 1000, idleRounds: 3,
	},
	"tiny": {
		stored: 50, starts: 1, stockStarts: 1,
		missed: 5, misses: 1, stockMissed: 20, stockCompare: 100 * time.Millisecond,
		unknowns: 1, stockUnknowns: 1,
		warm: 4, rounds: 1, round: 50 * time.Millisecond, loaded: 8, firsts: 2, clients: 4,
		revoked: 10, others: 5, samples: 2, stockSamples: 2,
		pushes: 20, bulk: 50, streams: 1, messages: 2000, idle: 20, idleRounds: 1,
	},
}
