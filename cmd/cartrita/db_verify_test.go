package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/store/storetest"
)

func TestDBVerifyFindsARowThatIsWrongAndRebuildsIt(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		b.fill(b.open(), 300) // and it stays open, as by a gateway
		if out := b.ok("db", "verify"); !strings.HasPrefix(out, "ok ") || !strings.Contains(out, "300 calls") {
			t.Errorf("all is well:\n%s", out)
		}
		b.exec(`UPDATE cost_rollup SET cost = 12345678901234567 WHERE dimension = 'user' AND value = 'user-1' AND target = (SELECT min(target) FROM cost_rollup WHERE dimension = 'user' AND value = 'user-1')
			AND task = 'chat-completions' AND strategy = 'balanced'`,
			`DELETE FROM budget_spend WHERE budget = 'teams/team-0'`)
		r := b.run("db", "verify")
		if r.code != exitFailure || !strings.Contains(r.err, "--rebuild") ||
			!strings.Contains(r.out, "cost_rollup\tuser\t2026-11-23T17:00:00Z\tuser-1\tp") || !strings.Contains(r.out, "\tcost\t12345678901234567\t") ||
			!strings.Contains(r.out, "budget_spend\tbudget\t2026-11-23T17:00:00Z\tteams/team-0\t\t\t\tcalls\t-\t120\n") {
			t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
		}
		r = b.run("db", "verify", "--json")
		if r.code != exitFailure || !strings.Contains(r.out, `"stored": 12345678901234567`) || !strings.Contains(r.out, `"stored": null`) || !strings.Contains(r.out, `"agrees": false`) || !strings.Contains(r.out, `"different_rows": 2,`) {
			t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
		}
		if r := b.run("db", "verify", "--rebuild"); r.code != 0 || !strings.Contains(r.out, "2 rows replaced") || !strings.Contains(r.err, "what budgets spent was among them") {
			t.Errorf("rebuild: exit code %d\n%s%s", r.code, r.out, r.err)
		}
		var v verification
		b.json(&v, "db", "verify")
		if !v.Agrees || v.Differences == nil || len(v.Differences) > 0 || v.Calls != 300 || v.Documents != 300 {
			t.Errorf("afterwards: %+v", v)
		}
	})
}

func TestDBVerifyDoesNotRebuildFromHalfOfTheCalls(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		b.fill(b.open(), 300)
		refused := func(args ...string) {
			t.Helper()
			if r := b.run(append([]string{"db", "verify", "--rebuild"}, args...)...); r.code != exitInvalid || !strings.Contains(r.err, "but the documents of") {
				t.Errorf("rebuild: exit code %d\n%s%s", r.code, r.out, r.err)
			}
		}
		first := storetest.Sample(0).Ended.UnixMicro()
		b.exec(`DELETE FROM call_blocks WHERE seq = (SELECT min(seq) FROM call_blocks)`)
		r := b.run("db", "verify")
		if r.code != exitFailure || !strings.Contains(r.out, "300 calls are stored, but the documents of 236") || strings.Contains(r.err, "replaces them") || !strings.Contains(r.err, "OPERATIONS.md") ||
			!strings.Contains(r.out, fmt.Sprintf("64 rows of calls without documents, the first numbered %d (2026-11-23T", first)) || strings.Contains(r.out, "documents without a row") {
			t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
		}
		refused()
		// And the other way about, and both.
		b.exec(`DELETE FROM calls WHERE seq IN (SELECT seq FROM calls ORDER BY seq DESC LIMIT 2)`)
		r = b.run("db", "verify", "--json")
		var v verification
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || v.NoDocuments == nil || v.NoDocuments.Count != 64 || v.NoRow == nil || v.NoRow.Count != 2 || len(v.NoRow.First) != 2 ||
			v.NoRow.First[1] != storetest.Sample(299).Ended.UnixMicro() {
			t.Errorf("%v: exit code %d\n%s%s", err, r.code, r.out, r.err)
		}
		refused()
		// The way out: what is not whole leaves, and the sums stay.
		b.environ = append(b.environ, "CARTRITA_RETENTION_DROP=true")
		b.ok("db", "archive", "--before", storetest.Sample(299).Ended.AddDate(0, 0, 1).Format(time.DateOnly))
		if out := b.ok("db", "verify"); !strings.HasPrefix(out, "ok ") {
			t.Errorf("afterwards:\n%s", out)
		}
	})
}

func TestDBVerifyFindsDamagedDocuments(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		b.fill(b.open(), 10)
		b.exec(`UPDATE call_blocks SET records = plans`)
		if r := b.run("db", "verify"); r.code != exitFailure || !strings.Contains(r.err, "damaged") {
			t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
		}
	})
}

// What is done to the audit trail past the gateway is found, and named.
func TestDBVerifyChecksTheAuditTrail(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		b.fill(b.open(), 10)
		if out := b.ok("db", "verify"); !strings.Contains(out, "ok the audit trail of 4 changes is whole; its head is ") {
			t.Errorf("all is well:\n%s", out)
		}
		var v verification
		b.json(&v, "db", "verify", "--rebuild")
		if v.Audit == nil || v.Audit.Entries != 5 || v.Audit.Broken != nil {
			t.Errorf("with a rebuild on it: %+v", v.Audit)
		}
		b.exec(`UPDATE api_keys SET key = '{"role": "admin"}'`)
		if r := b.run("db", "verify"); r.code != exitFailure || !strings.Contains(r.out, "key k version 1 is not what was written\n") || !strings.Contains(r.err, "1 record not as the audit trail says") {
			t.Errorf("a key changed in SQL: exit code %d\n%s%s", r.code, r.out, r.err)
		}
		b.exec(`UPDATE audit SET name = 'eve' WHERE seq = 2`)
		for _, args := range [][]string{{"db", "verify"}, {"db", "verify", "--json"}} {
			if r := b.run(args...); r.code != exitFailure || !strings.Contains(r.err, "entry 2 was changed") {
				t.Errorf("%q: exit code %d\n%s%s", args, r.code, r.out, r.err)
			}
		}
	})
}

func TestDBVerifyWantsTheSchemaOfThisProgram(t *testing.T) {
	b := sqliteBench(t)
	b.ok("db", "migrate")
	b.exec(`PRAGMA user_version = 3`)
	if r := b.run("db", "verify"); r.code != exitInvalid || !strings.Contains(r.err, "cartrita db migrate") {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
}
