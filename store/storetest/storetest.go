// Package storetest is the conformance suite of stores: what any
// implementation of registry.Store, registry.EmbeddingStore, key.Store, event.Sink, event.Reader,
// event.SpendReader, event.NoticeStore, event.History, event.PromptStore, budget.Store, alert.Store,
// cluster.ConfigStore, audit.Store and database.Export must do.
// Whoever writes a store runs it from a test of theirs:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Store { return open(t) })
//	}
//
// The function is called once per subtest and returns an empty store; cleaning
// up is its own affair (t.Cleanup). Subtests run in parallel.
package storetest

import (
	"testing"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/database"
)

// Store is everything that a store does.
type Store interface {
	registry.Store
	registry.EmbeddingStore
	key.Store
	event.Sink
	event.Reader
	event.SpendReader
	event.NoticeStore
	event.FeedStore
	audit.Store
	budget.Store
	cluster.ConfigStore
	alert.Store
	event.History
	event.PromptStore
	database.Export
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"models/versions", modelVersions},
		{"models/conflict", modelConflict},
		{"models/all or nothing", modelsAllOrNothing},
		{"models/version changes", modelsVersion},
		{"models/one writer wins", modelsRace},
		{"embeddings/come back", embeddingsReturn},
		{"embeddings/nearest", embeddingsNearest},
		{"embeddings/ties", embeddingsTies},
		{"embeddings/while others write", embeddingsConcurrent},
		{"prompts/come back", promptsReturn},
		{"prompts/nearest", promptsNearest},
		{"prompts/are forgotten", promptsForgotten},
		{"prompts/while others write", promptsConcurrent},
		{"keys/come back whole", keysWhole},
		{"keys/one writer wins", keysRace},
		{"keys/last used", keysLastUsed},
		{"calls/come back whole", callsWhole},
		{"calls/unknown id", callUnknown},
		{"calls/stored once", callsOnce},
		{"calls/all or nothing", callsAllOrNothing},
		{"calls/filters", callsFilters},
		{"calls/of a tag", callsOfATag},
		{"calls/pages", callsPages},
		{"calls/cursor", callsCursor},
		{"calls/read while written", callsConcurrent},
		{"position", position},
		{"history/walk", historyWalk},
		{"history/fleets", historyFleets},
		{"costs/add up", costsAddUp},
		{"costs/by biller", costsByBiller},
		{"costs/over months", costsOverMonths},
		{"costs/by provider, model and day", costsByDay},
		{"costs/of nothing", costsOfNothing},
		{"costs/budgets", budgetSpend},
		{"notices", notices},
		{"costs/refused questions", costsRefused},
		{"budgets/come back whole", budgetsWhole},
		{"budgets/are deleted", budgetsGo},
		{"budgets/overrides", budgetOverrides},
		{"budgets/openings", budgetOpenings},
		{"feed/shows all in order", feedShowsAll},
		{"feed/readers", feedReaders},
		{"configuration/versions", configVersions},
		{"configuration/one writer wins", configRace},
		{"alerts/rules", alertRules},
		{"alerts/samples", alertSamples},
		{"alerts/board", alertBoard},
		{"alerts/log", alertLog},
		{"trail/of every change", trailOfChanges},
		{"trail/filters", trailFilters},
		{"trail/many at once", trailConcurrent},
		{"trail/is copied", trailCopied},
		{"leases/decide", leasesDecide},
		{"leases/epochs", leasesEpochs},
		{"leases/look", leasesLook},
		{"leases/race", leasesRace},
		{"export", export},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}
