package e2e

import (
	"context"
	databasesql "database/sql"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/internal/testserver"
)

// TestTheAuditTrailShowsTampering changes a gateway in three ways, looks who did
// it, and then changes what the database says of that.
func TestTheAuditTrailShowsTampering(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		data := t.TempDir()
		trailShowsTampering(t, data, "{}", func(statement string) error {
			db, err := databasesql.Open("sqlite", filepath.Join(data, "cartrita.db"))
			if err != nil {
				return err
			}
			defer db.Close()
			_, err = db.ExecContext(t.Context(), statement)
			return err
		})
	})
	t.Run("postgres", func(t *testing.T) {
		url := testserver.Database(t)
		trailShowsTampering(t, t.TempDir(), "store: "+url, func(statement string) error {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			_, err = conn.Exec(t.Context(), statement)
			return err
		})
	})
}

func trailShowsTampering(t *testing.T, data, config string, tamper func(statement string) error) {
	file := writeFile(t, "cartrita.yaml", config+"\n")
	start(t, data, "--config", file, "--demo")
	key := ""
	run := func(stdin string, args ...string) (string, error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--data", data, "--config", file)...)
		cmd.Env, cmd.Stdin = append(cleanEnv(), "CARTRITA_DISCOVERY_ENV=false", "CARTRITA_DISCOVERY_OLLAMA=false", "CARTRITA_API_KEY="+key), strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	ok := func(stdin string, args ...string) string {
		t.Helper()
		out, err := run(stdin, args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	made := ok("", "keys", "create", "root", "--role", "admin", "--user", "ada")
	key, _, _ = strings.Cut(made, "\n")
	ok("", "models", "add", writeFile(t, "new.json", `{"model_id": "lab/new", "provider": "lab", "task_types": ["chat-completions"], "status": "active"}`))
	key = ""
	ok("router: {max_attempts: 4}\n", "config", "push", "-")

	var page struct{ Entries []audit.Entry }
	if err := json.Unmarshal([]byte(ok("", "audit", "--json")), &page); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range page.Entries {
		actor, _, key := strings.Cut(e.Actor, ":")
		if got = append(got, actor+" "+string(e.Action)); key && e.Name != "ada" {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([]string{"cli config.push", "key model.add", "cli key.create"}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if out := ok("", "audit", "--action", "model", "--actor", "ada"); !strings.Contains(out, "lab/new") || strings.Contains(out, "config.push") {
		t.Errorf("filtered:\n%s", out)
	}
	head := page.Entries[0].Hash.String()
	if out := ok("", "audit", "verify"); !strings.Contains(out, head) {
		t.Errorf("a whole trail:\n%s", out)
	}

	broken := func(want string, args ...string) {
		t.Helper()
		out, err := run("", args...)
		var code *exec.ExitError
		if !errors.As(err, &code) || code.ExitCode() != 1 || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	do := func(statement string) {
		t.Helper()
		if err := tamper(statement); err != nil {
			t.Fatal(err)
		}
	}
	do(`DELETE FROM audit WHERE seq = 3`)
	ok("", "audit", "verify") // nobody can know
	broken("cut off", "audit", "verify", "--head", head)
	do(`UPDATE audit SET name = 'eve' WHERE seq = 2`)
	broken("entry 2 was changed", "audit", "verify")
	broken("entry 2 was changed", "db", "verify")
}
