package postgres

import (
	"testing"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/store/storetest"
)

// What the migration to coarser sums works out is what calls are counted as.
func TestCoarseSumsOfWhatWasStoredBefore(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: testserver.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.OverMonths(t, s)
	script, err := migrations.ReadFile("migrations/0008_cost_sums.sql")
	if err == nil {
		_, err = s.pool.Exec(t.Context(), `DROP TABLE cost_sums CASCADE; ALTER TABLE cost_rollup ADD CONSTRAINT cost_rollup_target_fkey FOREIGN KEY (target) REFERENCES targets (id); `+string(script))
	}
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Audit(t.Context(), false, func(int) {}); err != nil || !a.Agrees() || a.Sums < 1000 {
		t.Errorf("%v: %+v", err, a)
	}
}
